"""The demo: procedural motion, the shipped forecaster, and all that can be looked at. Nothing is pre-computed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.atomic import atomic_path, write_text
from kinema.data.synthetic import perform, sequence
from kinema.motion.files import save
from kinema.motion.motion import Motion
from kinema.motion.names import CANON17
from kinema.motion.represent import root_free
from kinema.run.open import open_run
from kinema.run.run import Answer, Run
from kinema.version import VERSION
from kinema.viz.film import gif
from kinema.viz.layers import Layer, Panel
from kinema.viz.page import Link, Table, page
from kinema.viz.raster import strip

MODEL = "simlpe-cmu"
BASELINE = "zero-velocity"
ACTIONS = ("walk", "run", "jump", "kick", "squat", "bow")
ON_PAGE = ACTIONS[1:]  # the main clip walks already
HORIZONS = (0.1, 0.2, 0.4)  # seconds
SHOWN = 0.8  # seconds of future on the page
FPS = 60.0
_NOTES = (
    "the forecast as a strip",
    "as a film",
    "for Blender and every animation tool",
    "for the web and game engines",
)
_FIRST, _EVERY, _ANCHORS = 1.0, 0.25, 8  # seconds before the first forecast, between two, and how many are scored


@dataclass(frozen=True)
class Demo:
    """What a demo left behind: the folder, its files, and the mean joint error in millimetres by action and model.

    `errors[action][model]` has one number per horizon; the action "mean" is over all of them.
    """

    folder: Path
    files: tuple[str, ...]
    errors: dict[str, dict[str, list[float]]]
    seconds: float
    notes: tuple[str, ...] = ()
    horizons: tuple[float, ...] = field(default=HORIZONS)


def demo(folder: Path | str, *, seed: int = 0, say: Callable[[str], None] = lambda _: None) -> Demo:
    """Make motion, forecast it, and leave a page, a poster, a GIF, a BVH, a GLB and a report in `folder`."""
    began, folder = time.perf_counter(), Path(folder)
    say("making procedural motion")
    clips = {action: perform(action, seconds=4.0, fps=FPS, seed=seed) for action in ACTIONS}
    hero = sequence([("walk", 3.0), ("wave", 2.5)], fps=FPS, seed=seed)
    model, baseline = open_run(MODEL), open_run(BASELINE)
    say(f"forecasting with {model.name}, trained on real motion")
    errors = {action: {run.name: pose_errors(run, clip) for run in (model, baseline)} for action, clip in clips.items()}
    errors["mean"] = {
        run.name: torch.tensor([by[run.name] for by in errors.values()]).mean(0).tolist() for run in (model, baseline)
    }
    say("drawing")
    answers = {action: _cut(model, clips[action], now=1.6) for action in ON_PAGE}
    main = _cut(model, hero, now=1.4)
    panels = [_panel("walk, then wave", hero, main)]
    panels += [_panel(action, clips[action], answers[action]) for action in ON_PAGE]
    files = _write(folder, panels, main, errors)
    seconds = time.perf_counter() - began
    _report(folder, errors, seconds, seed)
    return Demo(folder, (*files, "report.json"), errors, seconds, main.notes)


def pose_errors(run: Run, clip: Motion) -> list[float]:
    """Mean distance in millimetres of the canonical joints, in the root's frame, at each of `HORIZONS`.

    Forecasts start at several moments of the clip; each sees the clip up to there and nothing of what follows.
    """
    ahead = [round(horizon * clip.fps) - 1 for horizon in HORIZONS]
    found: list[Tensor] = []
    for anchor in range(_ANCHORS):
        now = round((_FIRST + anchor * _EVERY) * clip.fps)
        answer = run.answer(clip[:now], seconds=max(HORIZONS))
        truth = _pose(clip[now : now + answer.samples.frames])
        found.append((_pose(answer.samples.one(0)) - truth).norm(dim=-1).mean(-1)[ahead])
    return (1000 * torch.stack(found).mean(0)).tolist()


def _pose(clip: Motion) -> Float[Tensor, "frame joint 3"]:
    joints = clip.skeleton.indices(
        [name for name in CANON17 if name in clip.skeleton.aliases or name in clip.skeleton.joints]
    )
    return root_free(clip).points().positions[..., joints, :]


def _cut(run: Run, clip: Motion, now: float) -> Answer:
    return run.answer(clip[: round(now * clip.fps)], seconds=SHOWN)


def _panel(title: str, clip: Motion, answer: Answer) -> Panel:
    known = answer.observed.frames
    now = known / clip.fps
    shown = clip[max(0, known - round(1.2 * clip.fps)) : known + answer.samples.frames]
    lead = known - max(0, known - round(1.2 * clip.fps))
    now = lead / clip.fps
    return Panel(
        title,
        (
            Layer("observed", shown[:lead].points(), "observed"),
            Layer("what happens", shown[lead:].points(), "truth", now),
            Layer("forecast", answer.samples.one(0).points(), "forecast", now),
        ),
        caption=f"{answer.samples.frames / clip.fps:.1f} s ahead",
        boundary=now,
    )


def _write(folder: Path, panels: Sequence[Panel], main: Answer, errors: dict[str, dict[str, list[float]]]) -> list[str]:
    with atomic_path(folder / "poster.png") as beside:
        strip(panels[0], count=9, height=360).save(beside, "PNG")
    gif(folder / "forecast.gif", panels[0])
    save(main.whole(), folder / "forecast.bvh")
    save(main.whole(), folder / "forecast.glb")
    files = ["index.html", "poster.png", "forecast.gif", "forecast.bvh", "forecast.glb"]
    page(
        panels,
        folder / "index.html",
        title="kinema: what will this body do next?",
        lead=f"Procedural motion, continued by {MODEL}, which was trained on real motion capture (CMU) and has never "
        "seen this body. Grey is what it saw; green is its forecast, and the pale body behind it what really happens.",
        table=_table(errors),
        links=[Link(name, note) for name, note in zip(files[1:], _NOTES, strict=True)],
    )
    return files


def _table(errors: dict[str, dict[str, list[float]]]) -> Table:
    rows = [
        (action, *(f"{ours:.0f} | {still:.0f}" for ours, still in zip(by[MODEL], by[BASELINE], strict=True)))
        for action, by in errors.items()
    ]
    head = ("", *(f"{1000 * horizon:.0f} ms" for horizon in HORIZONS))
    caption = f"Mean joint error in mm, of the pose in the pelvis' frame: {MODEL} | {BASELINE}"
    return Table(head, rows, caption=caption)


def _report(folder: Path, errors: dict[str, dict[str, list[float]]], seconds: float, seed: int) -> None:
    report = {
        "kinema": VERSION,
        "model": MODEL,
        "baseline": BASELINE,
        "seed": seed,
        "data": "procedural motion, made by this run; the model was trained on CMU motion capture only",
        "metric": "mean distance of the canonical joints in the root's frame, mm",
        "horizons_ms": [round(1000 * horizon) for horizon in HORIZONS],
        "errors": errors,
        "seconds": round(seconds, 1),
    }
    write_text(folder / "report.json", json.dumps(report, indent=1) + "\n")
