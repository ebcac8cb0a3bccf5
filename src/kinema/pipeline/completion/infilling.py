"""Completion by a trained model: add the model's change of the classical curve to the user's own curve.

The model predicts on its skeleton and at its rate. The difference between its answer and the curve, both decoded in the
same way, is added to the user's curve; where model and curve agree, the answer is the curve. Long clips are predicted
in overlapping windows, blended with Hann weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.geometry.kinematics import global_to_local
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from kinema.motion.edit import carrier, part_of, shift, with_part
from kinema.motion.interpolation import Interpolator
from kinema.motion.interpolation.curves import curve as read
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting.bone_directions import leg_length
from kinema.motion.retargeting.inverse_kinematics import fit_rotations, match_joints
from kinema.motion.skeleton import has_joint
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.evidence import Evidence, ModelView, WindowGroup, for_evidence
from kinema.representations.base import Representation

_NO_PATH = "does not predict the root trajectory"
_STREAM = 0x9E3779B97F4A7C15  # difference of the seeds of two windows; odd, so that none repeats


@dataclass(frozen=True, eq=False)
class _Way:
    """From the model's frames (at the times `grid`) to the times `wanted`; `keys` are the times of exact frames."""

    grid: Float[Tensor, " model"]
    wanted: Float[Tensor, " time"]
    keys: Float[Tensor, " key"]

    def settled(self, change: Float[Tensor, "*batch model feat"]) -> Float[Tensor, "*batch time feat"]:
        """A difference at the times `wanted`, corrected to zero at exact keys."""
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
    """The curve (at the times `wanted`) corrected by a model, unchanged at exact keys; and notes.

    Only the `cells` are corrected (default: all). Several samples have batch shape (samples, *batch). Raises UsageError
    for a baseline, and if the model cannot read such a clip.
    """
    notes: list[str] = []
    if (noisy := for_evidence(adapter, evidence)) is not adapter:
        notes.append(f"{adapter.name} takes known values as exact: {noisy.name} answers noisy keys instead")
    adapter = noisy
    view = ModelView.of(adapter, evidence, wanted)
    every = torch.ones(curve.frames, dtype=torch.bool)
    drawn = Interpolator(curve, every, wanted)
    alike = curve.skeleton.same_tree(view.representation.skeleton)
    joint = 0 if alike or isinstance(curve, Points) else carrier(curve)
    still = part_of(curve[:1], joint) if isinstance(curve, Motion) else curve[:1]
    copies = curve.expand(samples, *curve.batch_shape)
    out = copies.map(lambda values, _: values.clone())
    for part in view.parts(wanted, every if cells is None else cells.any(1)):
        before, after, path = _decoded(view, part, drawn, seed, samples)
        keys = view.around(wanted[part.times])
        way = _Way(view.grid[part.frames], wanted[part.times], keys)
        piece = curve[part.times]
        if isinstance(piece, Points):
            moved = _moved(piece, cast("Points", before), cast("Points", after), view.representation, way)
        else:
            own = part_of(piece, joint)
            moved = _turned(own, still, before, after, view.representation, way, path=path)
            moved = with_part(piece, moved, joint)
            if not path and not any(_NO_PATH in note for note in notes):
                notes.append(f"{adapter.name} {_NO_PATH}: the root follows the curve")
        _put(out, moved, part.times, cells)
    return (out.one(0) if samples == 1 else out), notes


def _decoded(
    view: ModelView, part: WindowGroup, drawn: Interpolator[Clip], seed: int, samples: int
) -> tuple[Clip, Clip, bool]:
    """The decoded curve, the model's answer, and whether it has a root trajectory."""
    representation = view.representation
    observed, features = view.features(drawn, part.frames)
    answer = _predict(view, part, features, seed, samples)
    before, after = (representation.decode(representation.restore(each)) for each in (features[None], answer))
    return before, after, isinstance(observed, Motion) and _holds_path(representation, observed)


def _put(out: Clip, moved: Clip, times: slice, cells: Bool[Tensor, "time joint"] | None) -> None:
    """Copy `moved` into some frames of `out`, in the cells."""
    if isinstance(out, Points):
        pairs = [(out.positions[..., times, :, :], moved.points().positions, (None,))]
    else:
        assert isinstance(moved, Motion)
        pairs = [
            (out.rotations[..., times, :, :, :], moved.rotations, (None, None)),
            (out.root[..., times, None, :], moved.root[..., None, :], (None,)),
        ]
        if out.offsets is not None and moved.offsets is not None:
            pairs.append((out.offsets[..., times, :, :], moved.offsets, (None,)))
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
    """The curve's features plus the blended differences of the windows.

    Each window has its own random stream, so that its answer does not depend on other windows.
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
    """True if features change with the position of the body."""
    one = cast("Motion", observed[:1])
    away = shift(one, torch.ones(*one.batch_shape, 3))
    return bool((representation.encode(away) - representation.encode(one)).abs().max() > 1e-3)


def _turned(
    curve: Motion, still: Clip, before: Clip, after: Clip, representation: Representation, way: _Way, *, path: bool
) -> Motion:
    """The curve with the model's change of each joint rotation and, with `path`, of the root trajectory."""
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
    # The roots of two skeletons may differ in position: move the hips alike.
    size = leg_length(curve.skeleton) / leg_length(representation.skeleton)
    moved = way.settled(_hips(then) - _hips(first)).to(out.root) * size
    return replace(out, root=out.root + moved - (_hips(out) - _hips(curve)))


def _turned_elsewhere(
    curve: Motion, before: Motion, after: Motion, way: _Way
) -> Float[Tensor, "*batch time joint 3 3"]:
    """Rotations on another skeleton: apply the global change of each counterpart, also to joints below it."""
    sources = match_joints(before.skeleton, curve.skeleton).sources
    parents, led = curve.skeleton.parents, list[int]()
    for joint, parent in enumerate(parents):
        own = sources.get(joint, ())
        led.append(own[0] if len(own) == 1 else led[parent] if parent >= 0 else 0)
    first, then = (clip.global_rotations()[..., led, :, :] for clip in (before, after))
    change = way.settled(rotmat_to_rotvec(then @ first.transpose(-1, -2)).flatten(-2)).unflatten(-1, (-1, 3))
    return global_to_local(rotvec_to_rotmat(change).to(curve.rotations) @ curve.global_rotations(), parents)


def _hips(clip: Motion) -> Float[Tensor, "*batch frame 3"]:
    """The middle of the hips; the root for unknown joint names."""
    names = ("l_hip", "r_hip")
    if not has_joint(clip.skeleton, *names):
        return clip.root
    return clip.points().positions[..., clip.skeleton.indices(names), :].mean(-2)


def _rotations(clip: Clip, onto: Motion) -> Motion:
    """Decoded features as rotations of the user's skeleton; twists, missing in positions, cancel out later."""
    if isinstance(clip, Motion) and clip.skeleton.same_tree(onto.skeleton):
        return clip
    return fit_rotations(clip.points(), onto.skeleton, reference=replace(onto, fps=clip.fps))


def _moved(curve: Points, before: Points, after: Points, representation: Representation, way: _Way) -> Points:
    """The curve plus the model's change; joints that the model lacks stay on the curve."""
    change = representation.spread(after.positions - before.positions, curve.skeleton)
    settled = way.settled(change.flatten(-2)).unflatten(-1, (-1, curve.positions.shape[-1]))
    moved = curve.positions + settled.to(curve.positions)
    sure = None if curve.confidence is None else curve.confidence.expand(moved.shape[:-1])
    return replace(curve, positions=moved, confidence=sure)
