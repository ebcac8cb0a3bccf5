// Playing: one clock and one view for all panels, the controls, and what the reader's hands do.
const page = JSON.parse(document.getElementById("motion").textContent);
const ORDER = ["key", "ghost", "baseline", "forecast", "observed", "truth"];
const find = id => document.getElementById(id);
const view = { turn: 0, rise: 0, zoom: 1 };
const state = { time: 0, playing: false, loop: true, speed: 1, stale: true, last: 0, theme: "" };
const duration = Math.max(...page.panels.map(panel => panel.duration)) - 1e-4;
// The timeline shows a boundary where all panels share it; every panel says for itself which part is seen.
const boundary = new Set(page.panels.map(panel => panel.boundary)).size === 1 ? page.panels[0].boundary : null;
const places = document.querySelectorAll(".panels");
// Only panels that can be seen are drawn.
const watch = new IntersectionObserver(entries => entries.forEach(entry => {
  entry.target.panel.seen = entry.isIntersecting;
  state.stale = true;
}), { rootMargin: "80px" });

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function describe(panel) {
  const parts = panel.layers.map(layer => layer.name + (layer.bodies > 1 ? ` (${layer.bodies} bodies)` : ""));
  return `Animated stick figure. ${panel.title}. Shown: ${parts.join(", ")}. ${panel.duration.toFixed(1)} seconds.`;
}

function swatch(layer, pale) {
  const dots = element("i", { "aria-hidden": "true" });
  const plain = pale || ["ghost", "observed", "key"].includes(layer.role);
  for (const side of plain ? ["spine"] : ["left", "spine", "right"]) {
    dots.append(element("b", { style: `background:var(--${layer.role}-${side});opacity:${pale ? 0.4 : 1}` }));
  }
  return dots;
}

function build(panel) {
  panel.layers.forEach(layer => { decode(layer); layer.shown = true; });
  panel.ordered = [...panel.layers].sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role));
  panel.pose = new Float32Array(3 * Math.max(...panel.layers.map(layer => layer.joints)));
  panel.canvas = element("canvas", { role: "img", tabindex: "0", "aria-label": describe(panel) });
  panel.stage = element("span", { class: "stage", "aria-hidden": "true" });
  const about = element("div", { class: "about" });
  if (panel.title) about.append(element(`h${page.level}`, {}, panel.title));
  if (panel.caption) about.append(element("p", {}, panel.caption));
  const forecast = panel.layers.some(layer => layer.role === "forecast" || layer.role === "baseline");
  const chips = element("div", { class: "chips", role: "group", "aria-label": `Layers of ${panel.title}` });
  for (const side of panel.layers.length > 1 ? [] : ["left", "right"]) {
    const dot = element("b", { style: `background:var(--${panel.layers[0].role}-${side})` });
    chips.append(element("span", { class: "side" }, dot, side));
  }
  for (const layer of panel.layers.length > 1 ? panel.layers : []) {
    const chip = element("button", { type: "button", "aria-pressed": "true", "data-role": layer.role }, swatch(layer, forecast && layer.role === "truth"), layer.name);
    chip.addEventListener("click", () => {
      layer.shown = !layer.shown;
      chip.setAttribute("aria-pressed", String(layer.shown));
      state.stale = true;
    });
    chips.append(chip);
  }
  const shown = element("div", { class: "view" }, panel.canvas, panel.stage);
  if (panel.known.length) shown.append(bar(panel));
  places[panel.group].append(element("figure", { class: "panel", "aria-label": panel.title }, about, shown, chips));
  panel.canvas.panel = panel;
  watch.observe(panel.canvas);
  new ResizeObserver(() => { state.stale = true; }).observe(panel.canvas);
  listen(panel.canvas);
}

// The panel's own line of time: what is known in grey, what is said in the accent, and where the clock is.
function bar(panel) {
  const share = time => (100 * Math.min(Math.max(time, 0), panel.duration)) / panel.duration;
  const line = element("div", { class: "bar", "aria-hidden": "true" });
  for (const [start, end] of panel.known) {
    const width = Math.max(share(end) - share(start), 0.8);
    line.append(element("i", { style: `left:${share(start)}%;width:${width}%` }));
  }
  panel.head = element("b", {});
  line.append(panel.head);
  return line;
}

function clockText(time) {
  if (boundary === null) return `${time.toFixed(2)} s`;
  const ahead = time - boundary;
  return Math.abs(ahead) < 5e-3 ? "now" : `${ahead < 0 ? "\u2212" : "+"}${Math.abs(ahead).toFixed(2)} s`;
}

function draw() {
  const colours = page.themes[state.theme];
  for (const panel of page.panels) {
    if (!panel.seen) continue;
    const canvas = panel.canvas, ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) continue;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const ctx = canvas.getContext("2d", { alpha: false });
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const time = Math.min(state.time, panel.duration - 1e-4);
    drawPanel(ctx, panel, view, time, width, height, colours);
    const known = panel.known.some(([from, to]) => time >= from - 1e-6 && time < to - 1e-6);
    panel.stage.textContent = panel.known.length ? panel.words[known ? 0 : 1] : "";
    panel.stage.classList.toggle("ahead", !known);
    if (panel.head) panel.head.style.left = `${(100 * time) / panel.duration}%`;
  }
  find("scrub").value = state.time;
  find("scrub").setAttribute("aria-valuetext", clockText(state.time));
  find("clock").textContent = clockText(state.time);
}

function tick(now) {
  if (state.playing) {
    state.time += (state.speed * Math.min(now - state.last, 100)) / 1000;
    if (state.time >= duration) {
      state.time = state.loop ? state.time % duration : duration;
      if (!state.loop) play(false);
    }
    state.stale = true;
  }
  state.last = now;
  if (state.stale) {
    state.stale = false;
    draw();
  }
  requestAnimationFrame(tick);
}

function play(on) {
  if (on && !state.loop && state.time >= duration) state.time = 0;
  state.playing = on;
  find("play").classList.toggle("playing", on);
  find("play").setAttribute("aria-label", on ? "Pause" : "Play");
}

function seek(time) {
  state.time = Math.min(Math.max(time, 0), duration);
  state.stale = true;
}

function zoom(factor) {
  view.zoom = Math.min(Math.max(view.zoom * factor, 0.3), 6);
  state.stale = true;
}

function reset() {
  Object.assign(view, { turn: 0, rise: 0, zoom: 1 });
  state.stale = true;
}

function setLoop(on) {
  state.loop = on;
  find("loop").setAttribute("aria-pressed", String(on));
}

function setTheme(name, chosen) {
  state.theme = name;
  if (chosen) document.documentElement.dataset.theme = name;
  state.stale = true;
}

// Mouse and touch: one pointer turns, two zoom. A wheel zooms only where it cannot be meant for the page.
function listen(canvas) {
  const held = new Map();
  const spread = () => { const [a, b] = [...held.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
  canvas.addEventListener("pointerdown", event => {
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", event => {
    const from = held.get(event.pointerId);
    if (!from) return;
    const before = held.size === 2 ? spread() : 0;
    const dx = event.clientX - from.x, dy = event.clientY - from.y;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (held.size === 2) zoom(spread() / Math.max(before, 1));
    else {
      view.turn -= dx * 0.008;
      view.rise = Math.min(Math.max(view.rise + dy * 0.006, -0.5), 1.4);
    }
    state.stale = true;
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, event => held.delete(event.pointerId));
  canvas.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)));
  }, { passive: false });
  canvas.addEventListener("dblclick", reset);
}

const KEYS = {
  " ": () => play(!state.playing), ArrowRight: step => seek(state.time + step), ArrowLeft: step => seek(state.time - step),
  Home: () => seek(0), End: () => seek(duration), "+": () => zoom(1.15), "=": () => zoom(1.15), "-": () => zoom(1 / 1.15),
  r: reset, l: () => setLoop(!state.loop), t: () => setTheme(state.theme === "dark" ? "light" : "dark", true),
};

function start() {
  for (const panel of page.panels) build(panel);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  setTheme(dark.matches ? "dark" : "light", false);
  dark.addEventListener("change", () => {
    if (!document.documentElement.dataset.theme) setTheme(dark.matches ? "dark" : "light", false);
  });
  const line = document.querySelector(".line");
  line.classList.toggle("plain", boundary === null);
  if (boundary !== null) document.documentElement.style.setProperty("--split", `${(100 * boundary) / duration}%`);
  find("scrub").max = duration;
  find("scrub").addEventListener("input", event => { play(false); seek(Number(event.target.value)); });
  find("play").addEventListener("click", () => play(!state.playing));
  find("loop").addEventListener("click", () => setLoop(!state.loop));
  find("reset").addEventListener("click", reset);
  find("theme").addEventListener("click", () => KEYS.t());
  find("speed").addEventListener("change", event => { state.speed = Number(event.target.value); });
  document.addEventListener("keydown", event => {
    const at = event.target, held = event.ctrlKey || event.metaKey || event.altKey;
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || held || at.tagName === "SELECT" || (event.key === " " && at.tagName === "BUTTON")) return;
    event.preventDefault();
    if (event.key.startsWith("Arrow")) play(false);
    action((event.shiftKey ? 10 : 1) / page.fps);
  });
  play(!matchMedia("(prefers-reduced-motion: reduce)").matches);
  if (!state.playing && boundary !== null) seek(boundary + 0.4 * (duration - boundary));
  requestAnimationFrame(tick);
}
start();
