"""Generation: a grid of actions by the two systems that generate."""

from __future__ import annotations

from dataclasses import replace

import torch

from kinema.apps.demo.part import SHOWN, Cast, DemoPart, DemoScores, canonical, missing
from kinema.data.synthetic import perform
from kinema.metrics.dynamics import mean_jerk, speed
from kinema.motion.feet.contacts import contact_points, slide
from kinema.motion.motion import Clip, stack
from kinema.pipeline.pipeline import Pipeline, open_generator
from kinema.viz.layers import Layer, Panel
from kinema.viz.page import Note, Section

MODELS = {"posegpt": "predicts motion token by token", "action-gan": "makes a whole clip in one pass"}
PREFERRED = ("walk", "run", "jump", "dance", "wave", "kick", "squat", "punch", "bow", "sit", "reach", "sneak")
COUNT, _SAMPLES = 6, 8  # actions of each system, and clips of each that are measured


def generated(cast: Cast, seed: int) -> DemoPart:
    """Six actions by each system that is there."""
    pipelines = {name: open_generator(found) for name in MODELS if (found := cast.find(name)) is not None}
    notes = [
        Note(f"{name} {MODELS[name]}; it knows {len(pipeline.actions)} actions.")
        for name, pipeline in pipelines.items()
    ]
    notes += [
        missing(name, f"Train it with `kinema train {name}`, then `kinema generate walk --model RUN`.")
        for name in MODELS
        if name not in pipelines
    ]
    lead = "An action and a length go in, motion comes out. Each panel shows one sample."
    if not pipelines:
        return DemoPart(Section("Generate", (), lead, notes))
    rows: dict[str, dict[str, float]] = {}
    panels: list[Panel] = []
    for name, pipeline in pipelines.items():
        seconds = min(SHOWN, pipeline.trained_seconds) if pipeline.trained_seconds else SHOWN
        made = {one: pipeline.generate(one, seconds=seconds, samples=_SAMPLES, seed=seed) for one in _actions(pipeline)}
        rows[name] = _measured(list(made.values()))
        panels += [_panel(action, clips, name) for action, clips in made.items()]
    acted = [_performed(action, seed) for action in PREFERRED if action != "dance"][:COUNT]
    rows["(performer)"] = _measured(acted)
    rows["one pose held"] = _measured([_held(clip) for clip in acted])
    scores = DemoScores(
        rows,
        "Means over joints and clips: speed, jerk, distance between clips of one action, speed of standing feet. Good "
        "motion is near the procedural performer; one pose held is the trivial baseline.",
        2,
    )
    return DemoPart(Section("Generate", panels, lead, notes, scores.table(), "small"), scores)


def _actions(pipeline: Pipeline) -> list[str]:
    """The preferred actions that the model knows, then others that it knows."""
    known = [name for name in pipeline.actions if name not in pipeline.card.styles]
    liked = [name for name in PREFERRED if name in known]
    return (liked + [name for name in known if name not in liked])[:COUNT]


def _panel(action: str, clips: Clip, name: str) -> Panel:
    return Panel(action, (Layer(action, clips.one(0).points(), "forecast"),), name)


def _performed(action: str, seed: int) -> Clip:
    clips = [perform(action, seconds=SHOWN, fps=30.0, seed=seed * 100 + each) for each in range(_SAMPLES)]
    return stack([clip.points() for clip in clips])


def _held(clip: Clip) -> Clip:
    """The first pose of the first clip, held for the whole length."""
    points = clip.points()
    return replace(points, positions=points.positions[:1, :1].expand_as(points.positions).clone())


def _measured(made: list[Clip]) -> dict[str, float]:
    """Speed m/s, jerk m/s3, distance between clips cm (relative to the pelvis), sliding of standing feet m/s."""
    found: list[list[float]] = []
    for clips in made:
        points = clips.points()
        places = points.positions[..., canonical(points), :]
        about = places - places[..., :1, :]
        apart = (about[:, None] - about[None]).norm(dim=-1).mean((-1, -2))
        count = len(places)
        feet = contact_points(points)
        slides = None if feet is None else slide(feet, points.fps)
        found.append([
            float(speed(places, points.fps).mean()),
            float(mean_jerk(places, points.fps).mean()),
            100 * float(apart.sum()) / max(count * (count - 1), 1),
            float("nan") if slides is None else slides,
        ])  # fmt: skip
    heads = ("speed, m/s", "jerk, m/s³", "apart, cm", "sliding, m/s")
    return dict(zip(heads, torch.tensor(found).mean(0).tolist(), strict=True))
