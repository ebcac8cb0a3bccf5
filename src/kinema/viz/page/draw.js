// Drawing: a camera, a ground, a soft shadow and a body of capsules on a 2-D canvas. The same measures as the stills.
"use strict";
const NEAR = 0.02, RIM = 0.0065, REACH = 1.35, CIRCLE = 14;

function decode(layer) {
  const text = atob(layer.data), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const view = new DataView(bytes.buffer), values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const step = view.getInt16(2 * i, true);
    values[i] = step === -32768 ? NaN : step * layer.scale + layer.origin[i % 3];
  }
  layer.values = values;
  layer.end = layer.start + layer.frames / layer.fps;
  delete layer.data;
}

function poseAt(layer, body, time, pose) {
  if (time < layer.start - 1e-6 || time >= layer.end - 1e-6) return false;
  const place = Math.min(Math.max((time - layer.start) * layer.fps, 0), layer.frames - 1);
  const before = Math.floor(place + 1e-6), after = Math.min(before + 1, layer.frames - 1);
  const share = Math.max(place - before, 0), count = layer.joints * 3;
  const a = (body * layer.frames + before) * count, b = (body * layer.frames + after) * count;
  for (let i = 0; i < count; i++) pose[i] = layer.values[a + i] * (1 - share) + layer.values[b + i] * share;
  return true;
}

function targetAt(path, time) {
  const place = Math.min(Math.max(time / path.step, 0), path.places.length - 1);
  const before = Math.floor(place), after = Math.min(before + 1, path.places.length - 1), share = place - before;
  return path.places[before].map((value, axis) => value * (1 - share) + path.places[after][axis] * share);
}

function makeCamera(panel, view, time, width, height) {
  const shot = panel.camera, azimuth = shot.azimuth + view.turn;
  const elevation = Math.min(Math.max(shot.elevation + view.rise, -0.1), 1.5);
  const seen = shot.height / view.zoom, lens = shot.lens;
  const s = Math.sin(azimuth), c = Math.cos(azimuth), us = Math.sin(elevation), uc = Math.cos(elevation);
  return {
    target: targetAt(panel.path, time), height: seen, flat: lens === 0,
    distance: lens > 0 ? seen / 2 / Math.tan(lens / 2) : Infinity,
    right: [c, 0, -s], up: [-s * us, uc, -c * us], back: [s * uc, us, c * uc],
    middle: [width / 2, height / 2], pixels: Math.min(width, height) / seen,
  };
}

// Pixels across, pixels down, pixels per metre and depth.
function project(camera, x, y, z) {
  const [tx, ty, tz] = camera.target, dx = x - tx, dy = y - ty, dz = z - tz;
  const dot = axis => axis[0] * dx + axis[1] * dy + axis[2] * dz;
  const depth = camera.flat ? -dot(camera.back) : camera.distance - dot(camera.back);
  const scale = camera.pixels * (camera.flat ? 1 : camera.distance / Math.max(depth, NEAR * camera.distance));
  return [camera.middle[0] + dot(camera.right) * scale, camera.middle[1] - dot(camera.up) * scale, scale, depth];
}

function depthOf(camera, place) {
  const t = camera.target, b = camera.back;
  return camera.distance - (b[0] * (place[0] - t[0]) + b[1] * (place[1] - t[1]) + b[2] * (place[2] - t[2]));
}

// A line on the ground, cut where it would pass behind the camera.
function groundLine(ctx, camera, from, to) {
  if (!camera.flat) {
    const near = NEAR * camera.distance, a = depthOf(camera, from) - near, b = depthOf(camera, to) - near;
    if (a <= 0 && b <= 0) return;
    const cut = (p, q, share) => p.map((value, axis) => value + share * (q[axis] - value));
    if (a < 0) from = cut(from, to, a / (a - b));
    else if (b < 0) to = cut(to, from, b / (b - a));
  }
  const p = project(camera, ...from), q = project(camera, ...to);
  ctx.moveTo(p[0], p[1]);
  ctx.lineTo(q[0], q[1]);
}

function drawGround(ctx, panel, camera, colours) {
  const cell = panel.cell, reach = REACH * panel.camera.height, count = Math.ceil(reach / cell), rings = 8;
  const cx = Math.round(camera.target[0] / cell), cz = Math.round(camera.target[2] / cell), y = panel.floor;
  const paths = Array.from({ length: rings }, () => []);
  for (let line = -count; line <= count; line++) {
    for (let step = -count; step < count; step++) {
      for (const swap of [false, true]) {
        const a = swap ? [(cx + step) * cell, y, (cz + line) * cell] : [(cx + line) * cell, y, (cz + step) * cell];
        const b = swap ? [a[0] + cell, y, a[2]] : [a[0], y, a[2] + cell];
        const away = Math.hypot((a[0] + b[0]) / 2 - camera.target[0], (a[2] + b[2]) / 2 - camera.target[2]) / reach;
        if (away < 1) paths[Math.floor(away * rings)].push([a, b]);
      }
    }
  }
  ctx.lineWidth = 1;
  ctx.strokeStyle = colours.grid;
  paths.forEach((lines, ring) => {
    ctx.globalAlpha = 1 - (ring / rings) ** 1.5;
    ctx.beginPath();
    for (const [a, b] of lines) groundLine(ctx, camera, a, b);
    ctx.stroke();
  });
  ctx.globalAlpha = 1;
}

function drawShadow(ctx, panel, layer, camera, pose, colours) {
  const figure = layer.figure, tall = figure.stature, far = 20000;
  const ratio = ctx.getTransform().a, scale = project(camera, pose[0], panel.floor, pose[2])[2];
  ctx.save();
  ctx.lineCap = "round";
  ctx.shadowOffsetX = far * ratio;
  ctx.shadowBlur = 0.045 * tall * scale * ratio;
  ctx.shadowColor = ctx.strokeStyle = colours.shadow;
  for (const low of [true, false]) {
    ctx.beginPath();
    let width = 0;
    for (const chain of figure.chains) for (const [parent, joint, radius] of chain.bones) {
      const height = ((pose[3 * parent + 1] + pose[3 * joint + 1]) / 2 - panel.floor) / tall;
      if (!(height < 0.3) === low || !(height < 0.75)) continue;
      const p = project(camera, pose[3 * parent], panel.floor, pose[3 * parent + 2]);
      const q = project(camera, pose[3 * joint], panel.floor, pose[3 * joint + 2]);
      if (!camera.flat && Math.min(p[3], q[3]) < NEAR * camera.distance) continue;
      ctx.moveTo(p[0] - far, p[1]);
      ctx.lineTo(q[0] - far, q[1]);
      width = Math.max(width, 2 * radius * scale);
    }
    ctx.lineWidth = low ? 1.1 * width : 1.5 * width;
    ctx.globalAlpha = low ? 0.3 : 0.1;
    ctx.stroke();
  }
  ctx.restore();
}

function addCapsule(path, p, q, first, second) {
  const length = Math.hypot(q[0] - p[0], q[1] - p[1]), angle = Math.atan2(q[1] - p[1], q[0] - p[0]);
  if (length <= Math.abs(first - second) + 1e-6) {
    const [spot, radius] = first > second ? [p, first] : [q, second];
    path.moveTo(spot[0] + radius, spot[1]);
    path.arc(spot[0], spot[1], radius, 0, 2 * Math.PI);
    return;
  }
  const open = Math.acos((first - second) / length);
  path.moveTo(p[0] + first * Math.cos(angle + open), p[1] + first * Math.sin(angle + open));
  path.arc(p[0], p[1], first, angle + open, angle - open + 2 * Math.PI);
  path.arc(q[0], q[1], second, angle - open, angle + open);
  path.closePath();
}

function hull(places) {
  places.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const found = [];
  for (const line of [places, [...places].reverse()]) {
    const base = found.length;
    for (const [x, y] of line) {
      while (found.length - base >= 2) {
        const [a, b] = found[found.length - 2], [c, d] = found[found.length - 1];
        if ((c - a) * (y - b) - (d - b) * (x - a) > 0) break;
        found.pop();
      }
      found.push([x, y]);
    }
    found.pop();
  }
  return found;
}

// The outline of one chain; every part winds the same way, so that one fill covers the union once.
function addChain(path, figure, chain, spots, head, grow, thin) {
  for (const [parent, joint, first, second] of chain.bones) {
    const p = spots[parent], q = spots[joint];
    if (Number.isNaN(p[0] + q[0])) continue;
    addCapsule(path, p, q, (first * thin + grow) * p[2], (second * thin + grow) * q[2]);
  }
  if (chain.side !== "spine") return;
  if (figure.trunk) {
    const places = [];
    for (const joint of figure.trunk.joints) {
      const [x, y, scale] = spots[joint], radius = (figure.trunk.radius + grow) * scale;
      for (let i = 0; i < CIRCLE; i++) {
        const turn = (2 * Math.PI * i) / CIRCLE;
        places.push([x + radius * Math.cos(turn), y + radius * Math.sin(turn)]);
      }
    }
    if (!places.some(place => Number.isNaN(place[0]))) {
      hull(places).forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
      path.closePath();
    }
  }
  if (head && !Number.isNaN(head[0])) {
    const radius = (figure.head.radius + grow) * head[2];
    path.moveTo(head[0] + radius, head[1]);
    path.arc(head[0], head[1], radius, 0, 2 * Math.PI);
  }
}

function drawBody(ctx, layer, camera, pose, colours, opacity) {
  const figure = layer.figure, palette = colours.roles[layer.role], spots = [];
  let nearest = Infinity;
  for (let i = 0; i < layer.joints; i++) {
    spots.push(project(camera, pose[3 * i], pose[3 * i + 1], pose[3 * i + 2]));
    if (spots[i][3] < nearest) nearest = spots[i][3];
  }
  if (!camera.flat && nearest < NEAR * camera.distance) return;
  let head = null;
  if (figure.head) {
    const { first, second, weight } = figure.head;
    head = project(camera, ...[0, 1, 2].map(i => pose[3 * first + i] * (1 - weight) + pose[3 * second + i] * weight));
  }
  if (opacity < 1) {
    const path = new Path2D();
    for (const chain of figure.chains) addChain(path, figure, chain, spots, head, 0, 0.78);
    ctx.globalAlpha = opacity;
    ctx.fillStyle = palette.spine;
    ctx.fill(path, "nonzero");
    ctx.globalAlpha = 1;
    return;
  }
  const depth = chain => {
    const known = chain.bones.map(bone => spots[bone[1]][3]).filter(value => !Number.isNaN(value));
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : Infinity;
  };
  const ordered = figure.chains.map(chain => [depth(chain), chain]).sort((a, b) => b[0] - a[0]);
  for (const [, chain] of ordered) {
    for (const [grow, colour] of [[RIM * figure.stature, colours.panel], [0, palette[chain.side]]]) {
      const path = new Path2D();
      addChain(path, figure, chain, spots, head, grow, 1);
      ctx.fillStyle = colour;
      ctx.fill(path, "nonzero");
    }
  }
}

// Over ghosts the truth is solid; where another solid body is there, it is the truth that steps back and turns pale.
function opacityOf(layer, time, forecast, colours) {
  if (layer.role === "key") return colours.key;
  if (layer.role === "ghost") return (0.55 / layer.bodies ** 0.4) * (0.4 + 0.6 * 0.5 ** Math.max(time - layer.start, 0));
  return layer.role === "truth" && forecast ? colours.pale : 1;
}

function drawPanel(ctx, panel, view, time, width, height, colours) {
  const camera = makeCamera(panel, view, time, width, height), pose = panel.pose;
  ctx.fillStyle = colours.panel;
  ctx.fillRect(0, 0, width, height);
  if (!camera.flat) drawGround(ctx, panel, camera, colours);
  const seen = panel.ordered.filter(layer => layer.shown && poseAt(layer, 0, time, pose));
  const forecast = seen.some(layer => layer.role === "forecast" || layer.role === "baseline");
  const items = seen.map(layer => [layer, opacityOf(layer, time, forecast, colours)]);
  items.sort((a, b) => (a[1] === 1) - (b[1] === 1)); // what is translucent lies behind what is solid
  for (const [layer, opacity] of camera.flat ? [] : items) {
    for (let body = 0; opacity === 1 && body < layer.bodies; body++) {
      poseAt(layer, body, time, pose);
      drawShadow(ctx, panel, layer, camera, pose, colours);
    }
  }
  for (const [layer, opacity] of items) {
    for (let body = 0; body < layer.bodies; body++) {
      poseAt(layer, body, time, pose);
      drawBody(ctx, layer, camera, pose, colours, opacity);
    }
  }
}
