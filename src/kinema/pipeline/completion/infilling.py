"""A trained model's completion: what it changes about the classical curve, applied to the user's own clip.

The model is asked about what is known (on its skeleton, at its rate, with the confidence of each joint), and the
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

from kinema.geometry.kinematics import global_to_local
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from kinema.motion.edit import shift
from kinema.motion.interpolation import Interpolator
from kinema.motion.interpolation.splines import curve as read
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting.bone_directions import leg_length
from kinema.motion.retargeting.inverse_kinematics import fit_rotations, match_joints
from kinema.motion.skeleton import has_joint
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.evidence import Evidence, ModelView, WindowGroup
from kinema.representations.base import Representation

_STREAM = 0x9E3779B97F4A7C15  # between the seeds of two windows; odd, so that none comes twice


@dataclass(frozen=True, eq=False)
class _Way:
    """From the model's frames (at the times `grid`) back to those asked for; `keys` are the times of exact ones."""

    grid: Float[Tensor, " model"]
    wanted: Float[Tensor, " time"]
    keys: Float[Tensor, " key"]

    def settled(self, change: Float[Tensor, "*batch model feat"]) -> Float[Tensor, "*batch time feat"]:
        """A difference at the times asked for; of exact keys, bent so that it is zero at every known time."""
        rows = change.double().movedim(-2, 0)
        at = read(rows, self.grid, self.wanted, "linear")
        if len(self.keys):
            at = at - read(read(rows, self.grid, self.keys, "linear"), self.keys, self.wanted, "linear")
        return at.movedim(0, -2)


def infill(
    adapter: Adapter,
    curve: Clip,
    evidence: Evidence,
    wanted: Float[Tensor, " time"],
    *,
    seed: int,
    samples: int,
    cells: Bool[Tensor, "time joint"] | None = None,
) -> tuple[Clip, list[str]]:
    """The curve, given at the times `wanted`, corrected by a model; unchanged at the times of exact keys.

    Only the `cells` are corrected (default: all), and only the windows that they lie in are view. The answer has batch
    shape (samples, *batch) where more than one is asked for, else that of the curve. Raises UsageError for a
    baseline, and where the model cannot read such a clip.
    """
    view = ModelView.of(adapter, evidence, wanted)
    every = torch.ones(curve.frames, dtype=torch.bool)
    drawn, still = Interpolator(curve, every, wanted), curve[:1]
    copies = curve.expand(samples, *curve.batch_shape)
    out, notes = copies.map(lambda values, _: values.clone()), list[str]()
    for part in view.parts(wanted, every if cells is None else cells.any(1)):
        before, after, path = _decoded(view, part, drawn, seed, samples)
        keys = view.around(wanted[part.times])
        way = _Way(view.grid[part.frames], wanted[part.times], keys)
        piece = curve[part.times]
        if isinstance(piece, Points):
            moved = _moved(piece, cast("Points", before), cast("Points", after), view.representation, way)
        else:
            moved = _turned(piece, still, before, after, view.representation, way, path=path)
            if not path and not notes:
                notes.append(f"{adapter.name} does not predict the root's path: the root follows the curve")
        _put(out, moved, part.times, cells)
    return (out.one(0) if samples == 1 else out), notes


def _decoded(
    view: ModelView, part: WindowGroup, drawn: Interpolator[Clip], seed: int, samples: int
) -> tuple[Clip, Clip, bool]:
    """The curve as the model has it, the model's answer, and whether that says where the body goes."""
    representation = view.representation
    observed, features = view.features(drawn, part.frames)
    answer = _predict(view, part, features, seed, samples)
    before, after = (representation.decode(representation.restore(each)) for each in (features[None], answer))
    return before, after, isinstance(observed, Motion) and _holds_path(representation, observed)


def _put(out: Clip, moved: Clip, times: slice, cells: Bool[Tensor, "time joint"] | None) -> None:
    """Into `out` what was moved of some of its frames, where it is wanted."""
    if isinstance(out, Points):
        pairs = [(out.positions[..., times, :, :], moved.points().positions, (None,))]
    else:
        assert isinstance(moved, Motion)
        pairs = [
            (out.rotations[..., times, :, :, :], moved.rotations, (None, None)),
            (out.root[..., times, None, :], moved.root[..., None, :], (None,)),
        ]
    for here, new, axes in pairs:
        if cells is None:
            here.copy_(new)
        else:
            mask = cells[times][:, : here.shape[-1 - len(axes)]]
            here.copy_(torch.where(mask[(..., *axes)], new, here))


@torch.inference_mode()
def _predict(
    view: ModelView, part: WindowGroup, features: Float[Tensor, "*batch model feat"], seed: int, samples: int
) -> Float[Tensor, "sample *batch model feat"]:
    """The curve's features with the windows' differences to them, faded into each other.

    Each window has a random stream of its own, so that a window's answer does not depend on those before it.
    """
    *batch, frames, width = features.shape
    curve = features.reshape(-1, frames, width)
    total, weight = curve.new_zeros(samples, *curve.shape), curve.new_zeros(frames, 1)
    for number, span, query, hann in view.windows(part):
        generator = torch.Generator().manual_seed((seed + number * _STREAM) % 2**63)
        total[:, :, span] += (view.adapter.predict(query, samples, generator) - curve[:, span]) * hann
        weight[span] += hann
    return (curve + total / weight).reshape(samples, *batch, frames, width)


def _holds_path(representation: Representation, observed: Clip) -> bool:
    """Whether features change when the body stands elsewhere."""
    one = cast("Motion", observed[:1])
    away = shift(one, torch.ones(*one.batch_shape, 3))
    return bool((representation.encode(away) - representation.encode(one)).abs().max() > 1e-3)


def _turned(
    curve: Motion, still: Clip, before: Clip, after: Clip, representation: Representation, way: _Way, *, path: bool
) -> Motion:
    """The curve with each joint turned as the model's answer is turned against the curve as the model had it; its root
    follows where the model says where the body goes (`path`)."""
    if isinstance(before, Motion) and isinstance(after, Motion) and not before.skeleton.same_tree(curve.skeleton):
        first, then, rotations = before, after, _turned_elsewhere(curve, before, after, way)
    else:
        assert isinstance(still, Motion)
        first, then = _rotations(before, still), _rotations(after, still)
        change = rotmat_to_rotvec(first.rotations.transpose(-1, -2) @ then.rotations)
        change = way.settled(change.flatten(-2)).unflatten(-1, (-1, 3))
        rotations = curve.rotations @ rotvec_to_rotmat(change).to(curve.rotations)
    offsets = None if curve.offsets is None else curve.offsets.expand(*rotations.shape[:-2], 3)
    out = replace(curve, rotations=rotations, root=curve.root.expand(*rotations.shape[:-3], 3), offsets=offsets)
    if not path:
        return out
    if curve.skeleton.same_tree(representation.skeleton):
        return replace(out, root=out.root + way.settled(then.root - first.root).to(out.root))
    # Roots of two trees may lie anywhere about the hips: it is these that are moved alike.
    size = leg_length(curve.skeleton) / leg_length(representation.skeleton)
    moved = way.settled(_hips(then) - _hips(first)).to(out.root) * size
    return replace(out, root=out.root + moved - (_hips(out) - _hips(curve)))


def _turned_elsewhere(
    curve: Motion, before: Motion, after: Motion, way: _Way
) -> Float[Tensor, "*batch time joint 3 3"]:
    """Rotations on another tree: a joint is turned in the room as its counterpart is, and what it carries with it."""
    sources = match_joints(before.skeleton, curve.skeleton).sources
    parents, led = curve.skeleton.parents, list[int]()
    for joint, parent in enumerate(parents):
        own = sources.get(joint, ())
        led.append(own[0] if len(own) == 1 else led[parent] if parent >= 0 else 0)
    first, then = (clip.global_rotations()[..., led, :, :] for clip in (before, after))
    change = way.settled(rotmat_to_rotvec(then @ first.transpose(-1, -2)).flatten(-2)).unflatten(-1, (-1, 3))
    return global_to_local(rotvec_to_rotmat(change).to(curve.rotations) @ curve.global_rotations(), parents)


def _hips(clip: Motion) -> Float[Tensor, "*batch frame 3"]:
    """The middle of the hips; the root, where they cannot be told."""
    names = ("l_hip", "r_hip")
    if not has_joint(clip.skeleton, *names):
        return clip.root
    return clip.points().positions[..., clip.skeleton.indices(names), :].mean(-2)


def _rotations(clip: Clip, onto: Motion) -> Motion:
    """Decoded features as rotations of the user's skeleton; twists, unknown to positions, cancel out afterwards."""
    if isinstance(clip, Motion) and clip.skeleton.same_tree(onto.skeleton):
        return clip
    return fit_rotations(clip.points(), onto.skeleton, reference=replace(onto, fps=clip.fps))


def _moved(curve: Points, before: Points, after: Points, representation: Representation, way: _Way) -> Points:
    """The curve moved as the model moves it; joints that the model does not know stay on the curve."""
    change = representation.spread(after.positions - before.positions, curve.skeleton)
    settled = way.settled(change.flatten(-2)).unflatten(-1, (-1, curve.positions.shape[-1]))
    moved = curve.positions + settled.to(curve.positions)
    sure = None if curve.confidence is None else curve.confidence.expand(moved.shape[:-1])
    return replace(curve, positions=moved, confidence=sure)
