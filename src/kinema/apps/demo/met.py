"""Constraints: a recorded walk that reaches, follows a path, and loops; with what is left of each demand."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kinema.apps.demo.part import SHOWN, DemoPart, DemoScores
from kinema.data.samples import sample
from kinema.motion.constraints.kinds import Constraint, Loop, Pin, Plant, RootPath
from kinema.motion.constraints.loop import best_cycle
from kinema.motion.constraints.solver import Met, meet
from kinema.motion.edit import shift
from kinema.motion.motion import Motion, concatenate
from kinema.viz.layers import Layer, Panel
from kinema.viz.page import Note, Section


def constrained() -> DemoPart:
    """The recorded walk beside itself with a hand that reaches, on another path, and as a cycle."""
    walk = sample("walk")[: round(SHOWN * 60)]
    middle, last = walk.frames // 2, walk.frames - 1
    pins = _reach(walk, middle)
    start, half, end = (walk.root[frame, [0, 2]] for frame in (0, middle, last))
    aside = torch.tensor([-float((end - start)[1]), float((end - start)[0])])
    turn = [tuple(point.tolist()) for point in (start, half + 0.12 * aside, end + 0.45 * aside)]
    path = [RootPath((0, middle, last), tuple((x, z) for x, z in turn))]
    cycle = walk[slice(*_cycle(walk))]
    shown = {
        "reach": (walk, meet(walk, pins)),
        "path": (walk, meet(walk, path)),
        "loop": (cycle, meet(cycle, [Loop()])),
    }
    rows = {
        name: {
            "left, mm": max(1000 * each.residual for each in met.residuals),
            "moved, cm": max(100 * each.moved for each in met.residuals),
            "jerk ratio": max(each.jerk for each in met.residuals),
        }
        for name, (_, met) in shown.items()
    }
    about = (
        "The largest distance from what was demanded, the largest change of a joint, and the jerk after over before."
    )
    scores = DemoScores(rows, about, 2)
    panels = [_panel(name, plain, met) for name, (plain, met) in shown.items()]
    lead = "Grey: the recording. Green: the same motion, with the demand met. No model is needed for this."
    notes = [Note(f"{name}: {each}", model=False) for name, (_, met) in shown.items() for each in met.residuals]
    return DemoPart(Section("Constraints", panels, lead, notes, scores.table()), scores)


def _reach(walk: Motion, frame: int) -> Sequence[Constraint]:
    """The right hand above the head, while a foot stands."""
    x, _, z = walk.points().positions[frame, walk.skeleton.index("r_wrist")].tolist()
    high = float(walk.points().positions[frame, walk.skeleton.index("head"), 1]) + 0.15
    return [Pin("r_wrist", (frame,), ((x, high, z),)), Plant("left", frame - 6, frame + 6)]


def _cycle(walk: Motion) -> tuple[int, int]:
    first, last = best_cycle(walk, shortest=0.8)
    return first, last + 1


def _panel(name: str, plain: Motion, met: Met) -> Panel:
    before, after = (_played(clip) if name == "loop" else clip for clip in (plain, met.motion))
    layers = (Layer("recorded", before.points(), "truth"), Layer(name, after.points(), "forecast"))
    return Panel(name, layers, met.residuals[0].constraint)


def _played(cycle: Motion) -> Motion:
    """A cycle again and again, each where the one before it ended, as long as panels last."""
    whole = cycle
    while whole.frames < SHOWN * cycle.fps:
        step = (whole.root[-1] - cycle.root[0]) * torch.tensor([1.0, 0.0, 1.0])
        whole = concatenate(whole, shift(cycle, step)[1:])
    return whole[: round(SHOWN * cycle.fps)]
