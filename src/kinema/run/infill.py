"""A trained model's completion: what it changes about the classical curve, carried over to the user's own clip.

The model is asked with what is known (on its skeleton, at its rate, with the confidence of each joint), and the
difference between its answer and the curve, both brought back the same way, is what the user's curve is changed by.
Where the model agrees with the curve, the answer is the curve. Long clips go in overlapping windows whose differences
are faded into each other by Hann weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.batch import Query
from kinema.errors import UsageError
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from kinema.motion.curves import even_times, interpolate
from kinema.motion.curves.scalar import curve as read
from kinema.motion.edit import shift
from kinema.motion.ik import fit_rotations, match_joints
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.represent import Representation
from kinema.motion.retarget import leg_length, to_skeleton
from kinema.run.run import Run

UNTOLD = 0.5  # the confidence of evidence of which nobody says how good it is
_SUREST = 0.98  # evidence is never exact: a model must stay free to change it
_LONGEST = 96  # frames of a window, where a model does not say


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a clip (any batch shape): which joints of which frames, and the frames' times in seconds.

    `trust` None: what is known is exact, and stays as it is; else its confidence (1 is not exact).
    """

    clip: Clip
    known: Bool[Tensor, "frame joint"]
    clock: Float[Tensor, " frame"]
    trust: Float[Tensor, "*batch frame joint"] | None = None

    @property
    def exact(self) -> bool:
        """Whether what is known must stay as it is."""
        return self.trust is None

    def sureness(self) -> Float[Tensor, "*batch frame joint"]:
        """1 where known exactly, below it the confidence of evidence, 0 where unknown."""
        if self.trust is None:
            return self.known.float()
        return self.trust.float().clamp(0, _SUREST) * self.known


@dataclass(frozen=True, eq=False)
class _Way:
    """From the model's frames (`grid`) back to the times that are asked for."""

    evidence: Evidence
    grid: Float[Tensor, " model"]
    wanted: Float[Tensor, " time"]

    def settled(self, change: Float[Tensor, "*batch model feat"]) -> Float[Tensor, "*batch time feat"]:
        """A difference at the times asked for; of exact keys, bent so that it is nought at every known time."""
        rows = change.double().movedim(-2, 0)
        at = read(rows, self.grid, self.wanted, "linear")
        if self.evidence.exact:
            keys = self.evidence.clock[self.evidence.known.all(1)]
            if len(keys):
                at = at - read(read(rows, self.grid, keys, "linear"), keys, self.wanted, "linear")
        return at.movedim(0, -2)


def infill(
    run: Run, curve: Clip, evidence: Evidence, wanted: Float[Tensor, " time"], *, seed: int, samples: int
) -> tuple[Clip, list[str]]:
    """The curve, given at the times `wanted`, corrected by a model; unchanged at the times of exact keys.

    The answer has batch shape (samples, *batch) where more than one is asked for, else that of the curve. Raises
    UsageError where the run has no representation (baselines), and where it cannot read such a clip.
    """
    representation = run.representation
    if representation is None or run.only is not None:
        raise UsageError(
            expected="a trained model, or a curve",
            got=f"the baseline {run.name}, which only forecasts",
            cure="Name a curve (linear, cubic, pchip, squad) or a model of `kinema models`.",
        )
    grid, place = _grid(evidence, wanted, representation.fps)
    way = _Way(evidence, grid, wanted)
    every = torch.ones(curve.frames, dtype=torch.bool)
    drawn = interpolate(curve, every, grid, times=wanted, method="linear", fps=representation.fps)
    given = interpolate(
        evidence.clip, evidence.known, grid, times=evidence.clock, method="linear", fps=representation.fps
    )
    seen = _on_body(drawn, representation)
    features = representation.standardise(_encode(representation, seen))
    known = representation.standardise(_encode(representation, _on_body(given, representation)))
    trust = _trust(evidence, len(grid), place, representation)
    answer = _predict(run, representation, features, known, trust, grid, seed, samples)
    before, after = (representation.decode(representation.restore(each)) for each in (features[None], answer))
    if isinstance(curve, Points):
        moved = _moved(curve, cast("Points", before), cast("Points", after), way)
        return (moved.one(0) if samples == 1 else moved), []
    notes: list[str] = []
    if not _holds_path(representation, seen):
        notes.append(f"{run.name} does not say where the body goes: the root follows the curve")
    out = _turned(curve, seen, before, after, representation, way)
    return (out.one(0) if samples == 1 else out), notes


def _grid(evidence: Evidence, wanted: Tensor, fps: float) -> tuple[Float[Tensor, " model"], dict[int, int]]:
    """The model's frames, evenly spaced but where a known frame is less than half a step away: there at its time.

    With them, for each such frame of the model, which known one it is.
    """
    first, last = wanted[0], wanted[-1]
    grid = first + even_times(1 + max(1, round(float(last - first) * fps)), fps)
    place: dict[int, int] = {}
    for frame in evidence.known.any(1).nonzero()[:, 0].tolist():
        at = float(evidence.clock[frame] - first) * fps
        near = round(at)
        if not 0 <= near < len(grid):
            continue
        rival = place.get(near)
        if rival is None or abs(at - near) < abs(float(evidence.clock[rival] - first) * fps - near):
            place[near] = frame
    for near, frame in place.items():
        grid[near] = evidence.clock[frame]
    return grid, place


def _on_body(clip: Clip, representation: Representation) -> Clip:
    """The clip on the model's skeleton."""
    if isinstance(clip, Points) or clip.skeleton.same_tree(representation.skeleton):
        return clip
    return to_skeleton(clip, representation.skeleton)


def _encode(representation: Representation, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
    if isinstance(clip, Points) and not clip.skeleton.same_tree(representation.skeleton):
        raise UsageError(
            expected=f"points on the model's skeleton {representation.skeleton.name}",
            got=f"{clip.skeleton.name} ({len(clip.skeleton)} joints)",
            cure="Use a curve: --method auto, linear, cubic or pchip.",
        )
    return representation.encode(cast("Motion", clip))


def _trust(
    evidence: Evidence, frames: int, place: dict[int, int], representation: Representation
) -> Float[Tensor, "*batch model token"]:
    """How sure each token is in the model's frames that stand for known ones; 0 in all others.

    A token of which the clip has no counterpart is as sure as the whole frame is on average.
    """
    sure = evidence.sureness()
    whole = sure.mean(-1) * evidence.known.all(-1)
    sources = match_joints(evidence.clip.skeleton, representation.skeleton).sources
    tokens = representation.tokens
    names = getattr(representation, "joints", ())
    joints = representation.skeleton.indices(names) if len(names) == tokens else [-1] * tokens
    table = torch.stack([sure[..., list(sources[j])].amin(-1) if j in sources else whole for j in joints], -1)
    trust = torch.zeros(*table.shape[:-2], frames, tokens)
    trust[..., list(place), :] = table[..., list(place.values()), :]
    return trust


@torch.inference_mode()
def _predict(
    run: Run,
    representation: Representation,
    features: Float[Tensor, "*batch model feat"],
    known: Float[Tensor, "*batch model feat"],
    trust: Float[Tensor, "*batch model token"],
    grid: Float[Tensor, " model"],
    seed: int,
    samples: int,
) -> Float[Tensor, "sample *batch model feat"]:
    """Window after window, half of each overlapping the one before; differences to the curve are faded by Hann."""
    *batch, frames, width = features.shape
    curve, given, sure = (each.reshape(-1, *each.shape[-2:]) for each in (features, known, trust))
    sure = sure.expand(len(curve), -1, -1)
    token = torch.tensor(representation.token_of_feature)
    total, weight = curve.new_zeros(samples, *curve.shape), curve.new_zeros(frames, 1)
    generator = torch.Generator().manual_seed(seed)
    run.model.eval()
    for span in _spans(run, sure):
        some, length = sure[:, span], span.stop - span.start
        query = Query(
            seen=torch.where(some[..., token] > 0, given[:, span], 0.0),
            trust=some,
            time=(grid[span] - grid[span.start]).float().expand(len(curve), -1),
            valid=torch.ones(len(curve), length, dtype=torch.bool),
            action=curve.new_zeros(len(curve), 0),
        )
        change = run.model.predict(query, samples, generator) - curve[:, span]
        hann = torch.hann_window(length + 2, periodic=False)[1:-1, None].to(curve)
        total[:, :, span] += change * hann
        weight[span] += hann
    return (curve + total / weight).reshape(samples, *batch, frames, width)


def _spans(run: Run, trust: Float[Tensor, "batch model token"]) -> list[slice]:
    """Windows as long as the model's, or twice the longest gap, and then to the known frames outside them: a window
    that ended within a gap would know one side of it only."""
    frames = trust.shape[1]
    there = (trust > 0).any(-1).any(0).nonzero()[:, 0]
    ends = torch.cat((there.new_tensor([-1]), there, there.new_tensor([frames])))
    window = min(run.observed + run.trained if run.trained else max(run.observed, 8), _LONGEST)
    window = max(window, 2 * int(ends.diff().max()))
    if frames <= window:
        return [slice(0, frames)]
    starts = range(0, frames - window // 2, window // 2)
    spans: list[slice] = []
    for start in sorted({min(start, frames - window) for start in starts}):
        before, after = there[there <= start], there[there >= start + window - 1]
        first = int(before[-1]) if len(before) else start
        spans.append(slice(first, int(after[0]) + 1 if len(after) else start + window))
    return spans


def _holds_path(representation: Representation, seen: Clip) -> bool:
    """Whether features change when the body stands elsewhere."""
    one = cast("Motion", seen[:1])
    away = shift(one, torch.ones(*one.batch_shape, 3))
    return bool((representation.encode(away) - representation.encode(one)).abs().max() > 1e-3)


def _turned(curve: Motion, seen: Clip, before: Clip, after: Clip, representation: Representation, way: _Way) -> Motion:
    """The curve with each joint turned as the model's answer is turned against the curve as the model had it."""
    first, then = _rotations(before, curve), _rotations(after, curve)
    change = rotmat_to_rotvec(first.rotations.transpose(-1, -2) @ then.rotations)
    path = then.root - first.root if _holds_path(representation, seen) else torch.zeros_like(then.root)
    if not curve.skeleton.same_tree(representation.skeleton):
        path = path * (leg_length(curve.skeleton) / leg_length(representation.skeleton))
    change, path = way.settled(change.flatten(-2)).unflatten(-1, (-1, 3)), way.settled(path)
    rotations = curve.rotations @ rotvec_to_rotmat(change).to(curve.rotations)
    offsets = None if curve.offsets is None else curve.offsets.expand(*rotations.shape[:-2], 3)
    return replace(curve, rotations=rotations, root=curve.root + path.to(curve.root), offsets=offsets)


def _rotations(clip: Clip, onto: Motion) -> Motion:
    """Decoded features as rotations of the user's skeleton; twists, unknown to positions, cancel out afterwards."""
    if isinstance(clip, Motion) and clip.skeleton.same_tree(onto.skeleton):
        return clip
    still = replace(onto[:1], fps=clip.fps)
    return fit_rotations(clip.points(), onto.skeleton, reference=still)


def _moved(curve: Points, before: Points, after: Points, way: _Way) -> Points:
    change = (after.positions - before.positions).flatten(-2)
    settled = way.settled(change).unflatten(-1, (-1, curve.positions.shape[-1]))
    moved = curve.positions + settled.to(curve.positions)
    sure = None if curve.confidence is None else curve.confidence.expand(moved.shape[:-1])
    return replace(curve, positions=moved, confidence=sure)
