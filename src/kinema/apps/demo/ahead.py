"""Forecasts: many futures by diffusion, and the most likely future."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.apps.demo.part import SHOWN, Cast, DemoPart, DemoScores, missing, pose
from kinema.data.samples import sample
from kinema.data.synthetic import perform
from kinema.metrics.stochastic import best_of
from kinema.motion.motion import Motion
from kinema.pipeline.forecasting import Answer
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.viz.layers import Layer, Panel
from kinema.viz.page import Note, Section

ONE_BEST = ("simlpe-cmu", "conv-seq2seq-cmu")
MANY = "smrnet"
BASELINE = "zero-velocity"
ACTIONS = ("walk", "run", "jump", "kick", "squat", "bow")
HORIZONS = (0.1, 0.2, 0.4)  # seconds
FPS = 60.0
FAR, SAMPLES = 1.6, 10  # seconds and number of the many futures
NEAR = 0.8  # seconds of the most likely future
_FIRST, _EVERY, _ANCHORS = 1.0, 0.25, 6  # seconds before the first forecast, seconds between two, number
_MANY_STARTS = (1.0, 1.7)  # seconds: starts of the scored futures


def hero() -> Motion:
    """The clip of the demo's files: a recorded walk, on which no shipped model was trained."""
    return sample("walk")


def many_futures(cast: Cast, seed: int) -> DemoPart:
    """Ten sampled futures around the ground truth; without a trained model, a note."""
    title, lead = "Forecast: many futures", "The same past has many possible futures. Here are ten."
    found = cast.find(MANY)
    if found is None:
        note = missing(MANY, "No classical method samples futures. Train the model with `kinema train smrnet`.")
        return DemoPart(Section(title, (), lead, (note,)))
    pipeline = open_pipeline(found)
    shown = (
        ("walk, recorded", hero(), 2.0),
        ("kick", _clip("kick", seed), 1.0),
        ("squat", _clip("squat", seed), 1.2),
    )
    panels = [_fan(name, clip, pipeline, now, seed) for name, clip, now in shown]
    note = Note(f"{MANY}, a diffusion model trained on motion capture; these clips are new to it.")
    about = "Pale: ten samples. Solid: the ground truth, which the model did not see."
    scores = _many_scores(pipeline, seed)
    return DemoPart(Section(title, panels, f"{lead} {about}", (note,), scores.table(), "large"), scores)


def one_best(cast: Cast, seed: int) -> tuple[DemoPart, Answer, Panel]:
    """The most likely future by the two deterministic forecasters; with it the answer that is written to files."""
    pipelines = [open_pipeline(cast.find(name) or name) for name in (*ONE_BEST, BASELINE)]
    clips = {action: _clip(action, seed) for action in ACTIONS}
    found = {each.name: [pose_errors(each, clip) for clip in clips.values()] for each in pipelines}
    heads = [f"{1000 * horizon:.0f} ms" for horizon in HORIZONS]
    rows = {name: dict(zip(heads, torch.tensor(each).mean(0).tolist(), strict=True)) for name, each in found.items()}
    scores = DemoScores(
        rows,
        f"Mean pose error in mm, relative to the pelvis, over {', '.join(ACTIONS)}. The last row holds the last pose.",
    )
    main = _cut(pipelines[0], hero(), 2.0)
    parts = [
        ("walk, recorded", hero(), main, pipelines[0]),
        ("run", clips["run"], _cut(pipelines[0], clips["run"], 1.6), pipelines[0]),
        ("kick", clips["kick"], _cut(pipelines[1], clips["kick"], 1.6), pipelines[1]),
        ("squat", clips["squat"], _cut(pipelines[1], clips["squat"], 1.6), pipelines[1]),
    ]
    panels = [_panel(title, clip, answer, each.name) for title, clip, answer, each in parts]
    notes = [Note(f"{name}, shipped, trained on motion capture of CMU to forecast 0.42 s.") for name in ONE_BEST]
    lead = f"Grey: observed. Green: the most likely next {NEAR:g} s. Pale: the ground truth."
    section = Section("Forecast: most likely future", panels, lead, notes, scores.table())
    return DemoPart(section, scores), main, panels[0]


def pose_errors(pipeline: Pipeline, clip: Motion) -> list[float]:
    """Mean distance in millimetres of the canonical joints, in the root's frame, at each of `HORIZONS`.

    Forecasts start at several moments of the clip; each observes the clip up to there.
    """
    ahead = [round(horizon * clip.fps) - 1 for horizon in HORIZONS]
    found: list[Tensor] = []
    for anchor in range(_ANCHORS):
        now = round((_FIRST + anchor * _EVERY) * clip.fps)
        answer = pipeline.forecast(clip[:now], seconds=max(HORIZONS), feet="keep")
        truth = pose(clip[now : now + answer.samples.frames])
        found.append((pose(answer.samples.one(0)) - truth).norm(dim=-1).mean(-1)[ahead])
    return (1000 * torch.stack(found).mean(0)).tolist()


def _many_scores(pipeline: Pipeline, seed: int) -> DemoScores:
    """Scores in millimetres per joint: the nearest of ten samples, the first sample, and a body that stands still."""
    still, rows = open_pipeline(BASELINE), dict[str, list[Tensor]]()
    for action in ACTIONS:
        clip = perform(action, seconds=4.0, fps=30.0, seed=seed + 1)
        for start in _MANY_STARTS:
            now = round(start * clip.fps)
            futures = pipeline.forecast(clip[:now], seconds=FAR, samples=SAMPLES, seed=seed, feet="keep").samples
            samples = pose(futures)
            truth = pose(clip[now : now + samples.shape[1]])
            held = pose(still.forecast(clip[:now], seconds=FAR).samples)
            for name, some in (
                (f"{MANY}, nearest of {SAMPLES}", samples),
                (f"{MANY}, the first", samples[:1]),
                (BASELINE, held),
            ):
                rows.setdefault(name, []).append(_nearest(some, truth))
    means = {name: torch.stack(each).mean(0).tolist() for name, each in rows.items()}
    heads = ("on average", "at the end")
    return DemoScores(
        {name: dict(zip(heads, each, strict=True)) for name, each in means.items()},
        f"Mean pose error in mm over {FAR:g} s, relative to the pelvis, on {len(ACTIONS)} actions.",
    )


def _nearest(samples: Float[Tensor, "sample frame joint 3"], truth: Float[Tensor, "frame joint 3"]) -> Tensor:
    """ADE and FDE of the nearest sample, millimetres per joint (root mean square over joints)."""
    found = best_of(samples.flatten(-2)[:, None], truth.flatten(-2)[None])
    return 1000 * torch.cat(found) / truth.shape[-2] ** 0.5


def _clip(action: str, seed: int) -> Motion:
    return perform(action, seconds=4.0, fps=FPS, seed=seed)


def _cut(pipeline: Pipeline, clip: Motion, now: float) -> Answer:
    return pipeline.forecast(clip[: round(now * clip.fps)], seconds=NEAR)


def _fan(title: str, clip: Motion, pipeline: Pipeline, now: float, seed: int) -> Panel:
    answer = pipeline.forecast(clip[: round(now * clip.fps)], seconds=FAR, samples=SAMPLES, seed=seed)
    ahead = Layer(f"{SAMPLES} futures", answer.samples.points(), "ghost", SHOWN - FAR)
    return _split(title, clip, answer, SHOWN - FAR, [ahead], f"{FAR:g} s ahead")


def _panel(title: str, clip: Motion, answer: Answer, name: str) -> Panel:
    ahead = Layer("forecast", answer.samples.one(0).points(), "forecast", SHOWN - NEAR)
    return _split(title, clip, answer, SHOWN - NEAR, [ahead], f"{name}, {NEAR:g} s ahead")


def _split(title: str, clip: Motion, answer: Answer, now: float, ahead: Sequence[Layer], caption: str) -> Panel:
    """A panel of the `now` observed seconds, the ground truth after them, and the forecast."""
    known = answer.observed.frames
    first = max(0, known - round(now * clip.fps))
    now = (known - first) / clip.fps
    observed = Layer("observed", clip[first:known].points(), "observed")
    after = Layer("ground truth", clip[known : known + answer.samples.frames].points(), "truth", now)
    return Panel(title, (observed, after, *ahead), caption, boundary=now)
