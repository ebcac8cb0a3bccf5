"""In-betweens, repair and constraints: movement between key poses, damaged clips, and a walk that meets demands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.apps.demo.part import SHOWN, Cast, DemoPart, DemoScores, canonical, missing
from kinema.data.samples import sample
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.metrics.dynamics import mean_jerk
from kinema.motion.constraints.kinds import Constraint, Loop, Pin, Plant, RootPath
from kinema.motion.constraints.loop import best_cycle
from kinema.motion.constraints.solver import Met, meet
from kinema.motion.damage import find_damage, runs
from kinema.motion.edit import resample, shift
from kinema.motion.motion import Clip, Motion, Points, concatenate
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.complete import complete
from kinema.pipeline.open import load_adapter
from kinema.viz.layers import Layer, Panel
from kinema.viz.page import Note, Section

MODEL = "render-in-between"
FPS = 30.0
RECORDED = ("dance", "jump", "punch", "walk", "drink")
_FRAMES = 1 + round(SHOWN * FPS)
_KEY_EVERY = 24  # frames
_EVIDENCE_EVERY = 4  # frames between two poses of a slow, noisy detector
_JITTER = (0.07, 0.015)  # radians of every joint, metres of the root
_TICK = 0.5 / FPS


def in_between(cast: Cast) -> DemoPart:
    """Recorded movement between known key poses; the keys are shown all the time."""
    model = _model(cast)
    clips = {f"{name}, recorded": resample(sample(name), FPS)[:_FRAMES] for name in RECORDED}
    known = torch.zeros(_FRAMES, dtype=torch.bool)
    known[::_KEY_EVERY] = True
    methods: dict[str, str | Adapter] = {"auto": "auto", "linear": "linear", "hold": "hold"}
    if model is not None:
        methods = {MODEL: model, **methods}
    best = next(iter(methods))
    done = {name: {who: complete(clip, known=known, method=by).motion for who, by in methods.items()}
            for name, clip in clips.items()}  # fmt: skip
    rows = {
        who: {
            "error, cm": fmean([100 * _error(done[name][who], clip, ~known) for name, clip in clips.items()]),
            "jerk, m/s³": fmean([_jerk(done[name][who]) for name in clips]),
        }
        for who in methods
    }
    rows["(ground truth)"] = {"error, cm": 0.0, "jerk, m/s³": fmean([_jerk(clip) for clip in clips.values()])}
    gap = f"{_KEY_EVERY / FPS:g} s"
    about = f"Error of the frames between keys {gap} apart, on {len(clips)} recordings. hold is the trivial baseline."
    scores = DemoScores(rows, about, 1)
    shown = [_keyed(name, clip, done[name][best], known) for name, clip in list(clips.items())[:3]]
    lead = f"Grey: a key pose every {gap}. Green: the frames that the method fills in."
    return DemoPart(
        Section("In-between", shown, lead, (_by(model, "The gaps are filled"),), scores.table(), "large"), scores
    )


def repaired(cast: Cast, seed: int) -> DemoPart:
    """Two kinds of damage, before and after: faults in a few frames, and a slow detector with jitter."""
    model = _model(cast)
    clips = {name: perform(name, seconds=SHOWN + 1.0, fps=FPS, seed=seed + 2)[:_FRAMES] for name in ("walk", "bow")}
    evidence = torch.zeros(_FRAMES, dtype=torch.bool)
    evidence[::_EVIDENCE_EVERY] = True
    broken = {name: damaged(clip, seed) for name, clip in clips.items()}
    shaken = {name: jittered(clip, seed) for name, clip in clips.items()}
    found = {name: find_damage(clip).joints for name, clip in broken.items()}
    done: dict[str, dict[str, Clip]] = {
        "faults: as captured": dict(broken),
        "faults: repaired": {name: complete(clip, known=~found[name]).motion for name, clip in broken.items()},
        "jitter: as captured": {
            name: complete(clip, known=evidence, method="hold").motion for name, clip in shaken.items()
        },
    }
    for by in (model, "auto") if model else ("auto",):
        done[f"jitter: {by if isinstance(by, str) else MODEL}"] = {
            name: complete(clip, known=evidence, keys="soft", method=by).motion for name, clip in shaken.items()
        }
    done["(ground truth)"] = dict(clips)
    hurt = {name: (_positions(clip) != _positions(broken[name])).any(-1).any(-1) for name, clip in clips.items()}
    rows = {who: _both(some, clips, hurt if "faults" in who else None) for who, some in done.items()}
    about = (
        "Error of the damaged frames (faults) and of all frames (jitter) of two clips, walk and bow. As captured is "
        "the trivial baseline; a clip with a lost arm has no jerk."
    )
    scores = DemoScores(rows, about, 1)
    panels = _before_and_after(done, clips, found["walk"].any(1), MODEL if model else "auto")
    lead = "Missing, jumping and frozen frames are found and filled; good frames stay as they are."
    notes = (
        Note("faults: by auto, the curve with the least error; it needs no weights.", model=False),
        _by(model, "The clip with jitter is repaired"),
    )
    return DemoPart(Section("Repair", panels, lead, notes, scores.table()), scores)


def _before_and_after(
    done: Mapping[str, Mapping[str, Clip]], truth: Mapping[str, Motion], bad: Bool[Tensor, " frame"], by: str
) -> list[Panel]:
    slow = f"{FPS / _EVIDENCE_EVERY:g} poses per second, with jitter"
    shown = (
        ("faults, before", "faults: as captured", "walk", bad, "spikes, a lost arm, a freeze"),
        ("faults, after", "faults: repaired", "walk", bad, "found and filled by auto"),
        ("jitter, before", "jitter: as captured", "bow", None, slow),
        ("jitter, after", f"jitter: {by}", "bow", None, f"by {by}"),
    )
    return [_single(title, done[who][clip], truth[clip], some, caption) for title, who, clip, some, caption in shown]


def damaged(clip: Motion, seed: int) -> Motion:
    """A clip with the faults of real capture: spikes of single joints, a lost arm, frozen frames."""
    rotations, root = clip.rotations.clone(), clip.root.clone()
    generator = torch.Generator().manual_seed(seed)
    for name, frame in (("l_elbow", 8), ("l_shoulder", 15), ("r_knee", 29), ("l_shoulder", 62)):
        joint = clip.skeleton.index(name)
        turn = torch.nn.functional.normalize(torch.randn(3, generator=generator), dim=0) * 1.9
        rotations[frame : frame + 2, joint] = rotvec_to_rotmat(turn) @ rotations[frame : frame + 2, joint]
    lost = clip.skeleton.indices(["r_shoulder", "r_elbow", "r_wrist"])
    rotations[34:43, lost] = torch.nan
    rotations[50:56], root[50:56] = rotations[50], root[50]
    return replace(clip, rotations=rotations, root=root)


def jittered(clip: Motion, seed: int) -> Motion:
    """A clip with the jitter of a detector: independent noise on every joint and the root in every frame."""
    generator = torch.Generator().manual_seed(seed)
    turn = _JITTER[0] * torch.randn(*clip.rotations.shape[:-1], generator=generator)
    by = _JITTER[1] * torch.randn(clip.root.shape, generator=generator)
    return replace(clip, rotations=clip.rotations @ rotvec_to_rotmat(turn), root=clip.root + by)


def _model(cast: Cast) -> Adapter | None:
    found = cast.find(MODEL)
    return None if found is None else load_adapter(found)


def _by(model: Adapter | None, what: str) -> Note:
    if model is not None:
        chosen = "auto uses it where it beat every curve, else the best curve"
        return Note(f"{what} by {MODEL}, trained on motion capture alone; {chosen}.")
    return missing(MODEL, f"{what} by auto, the curve with the least error.")


def _positions(clip: Clip) -> Float[Tensor, "frame joint 3"]:
    return clip.points().positions[..., canonical(clip), :]


def _error(clip: Clip, truth: Motion, where: Bool[Tensor, " frame"]) -> float:
    """Mean distance of joints in metres; a missing joint counts as lying at the root."""
    found = _positions(clip)
    found = torch.where(found.isfinite(), found, found[:, :1])
    return float((found - _positions(truth)).norm(dim=-1).mean(-1)[where].mean())


def _jerk(clip: Clip) -> float:
    return float(mean_jerk(_positions(clip), clip.fps))


def _both(
    done: Mapping[str, Clip], truth: Mapping[str, Motion], where: Mapping[str, Bool[Tensor, " frame"]] | None
) -> dict[str, float]:
    every = torch.ones(_FRAMES, dtype=torch.bool)
    return {
        "error, cm": fmean(
            [100 * _error(clip, truth[name], where[name] if where else every) for name, clip in done.items()]
        ),
        "jerk, m/s³": fmean([_jerk(clip) for clip in done.values()]),
    }


def _keyed(title: str, clip: Motion, answer: Clip, known: Bool[Tensor, " frame"]) -> Panel:
    layers = (
        Layer("key poses", _still(clip, known), "key"),
        Layer("ground truth", clip.points(), "truth"),
        Layer("in between", answer.points(), "forecast"),
    )
    places = [frame / FPS for frame in known.nonzero()[:, 0].tolist()]
    spans = [(max(place - _TICK, 0.0), place + _TICK) for place in places]
    caption = f"{len(places)} keys, {int((~known).sum())} frames between"
    return Panel(title, layers, caption, known=spans, words=("key", "in between"))


def _still(clip: Motion, known: Bool[Tensor, " frame"]) -> Points:
    """The known poses as bodies that stand still during the whole panel."""
    points = clip.points()
    return replace(points, positions=points.positions[known][:, None], fps=FPS / _FRAMES)


def _single(title: str, clip: Clip, truth: Motion, bad: Bool[Tensor, " frame"] | None, caption: str) -> Panel:
    before = title.endswith("before")
    layers = (
        Layer("ground truth", truth.points(), "truth"),
        Layer("as captured" if before else "repaired", clip.points(), "baseline" if before else "forecast"),
    )
    known = () if bad is None else [(start / FPS, stop / FPS) for start, stop in runs(~bad)]
    return Panel(title, layers, caption, known=known, words=("good", "damaged" if before else "filled"))


def constrained() -> DemoPart:
    """The recorded walk beside itself with a hand that reaches, on another path, and as a cycle."""
    walk = sample("walk")[: round(SHOWN * 60)]
    middle, last = walk.frames // 2, walk.frames - 1
    pins = _reach(walk, middle)
    start, half, end = (walk.root[frame, [0, 2]] for frame in (0, middle, last))
    aside = torch.tensor([-float((end - start)[1]), float((end - start)[0])])
    turn = [tuple(point.tolist()) for point in (start, half + 0.12 * aside, end + 0.45 * aside)]
    path = [RootPath((0, middle, last), tuple((x, z) for x, z in turn))]
    start, stop = best_cycle(walk, shortest=0.8)
    cycle = walk[start : stop + 1]
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
