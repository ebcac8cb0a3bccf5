"""A trained model's completion: what it changes about the classical curve, carried over to the user's own clip.

The curve is encoded as the model sees motion (its skeleton, its rate), the model says the unknown frames, and the
difference between its answer and the curve, both brought back the same way, is what the user's curve is changed by.
Where the model agrees with the curve, the answer is the curve. Long clips go in overlapping windows whose differences
are faded into each other by Hann weights.
"""

from __future__ import annotations

from dataclasses import replace
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
from kinema.motion.ik import fit_rotations
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.represent import Representation
from kinema.motion.retarget import leg_length, to_skeleton
from kinema.run.run import Run

_LONGEST = 96  # frames of a window, where a model does not say


def infill(
    run: Run,
    curve: Clip,
    known: Bool[Tensor, "frame joint"],
    clock: Float[Tensor, " frame"],
    wanted: Float[Tensor, " time"],
    *,
    seed: int,
    samples: int,
    exact: bool,
) -> tuple[Clip, list[str]]:
    """The curve, given at the times `wanted`, corrected by a model; with `exact`, unchanged at the known times.

    The answer has batch shape (samples,) where more than one is asked for. Raises UsageError where the run has no
    representation (baselines), and where it cannot read such a clip.
    """
    representation = run.representation
    if representation is None or run.only is not None:
        raise UsageError(
            expected="a trained model, or a curve",
            got=f"the baseline {run.name}, which only forecasts",
            cure="Name a curve (linear, cubic, pchip, squad) or a model of `kinema models`.",
        )
    grid = even_times(1 + max(1, round(float(wanted[-1] - wanted[0]) * representation.fps)), representation.fps)
    grid = grid + wanted[0]
    seen = _on_grid(curve, wanted, grid, representation)
    features = representation.standardise(_encode(representation, seen))
    answer = _predict(run, representation, features, _trust(known, clock, grid, representation, curve), seed, samples)
    before, after = (representation.decode(representation.restore(each)) for each in (features, answer))
    notes: list[str] = []
    if isinstance(curve, Points):
        return _moved(curve, cast("Points", before), cast("Points", after), grid, wanted, known, clock, exact), notes
    if not _holds_path(representation, seen):
        notes.append(f"{run.name} does not say where the body goes: the root follows the curve")
    out = _turned(curve, seen, before, after, representation, grid, wanted, known, clock, exact)
    return (out.one(0) if samples == 1 else out), notes


def _on_grid(curve: Clip, wanted: Tensor, grid: Tensor, representation: Representation) -> Clip:
    """The curve at the model's rate and on the model's skeleton."""
    every = torch.ones(curve.frames, dtype=torch.bool)
    if isinstance(curve, Points):
        return interpolate(curve, every, grid, times=wanted, method="linear", fps=representation.fps)
    at_rate = interpolate(curve, every, grid, times=wanted, method="linear", fps=representation.fps)
    if at_rate.skeleton.same_tree(representation.skeleton):
        return at_rate
    return to_skeleton(at_rate, representation.skeleton)


def _encode(representation: Representation, clip: Clip) -> Float[Tensor, "frame feat"]:
    if isinstance(clip, Points) and not clip.skeleton.same_tree(representation.skeleton):
        raise UsageError(
            expected=f"points on the model's skeleton {representation.skeleton.name}",
            got=f"{clip.skeleton.name} ({len(clip.skeleton)} joints)",
            cure="Use a curve: --method auto, linear, cubic or pchip.",
        )
    return representation.encode(cast("Motion", clip))


def _trust(
    known: Tensor, clock: Tensor, grid: Tensor, representation: Representation, curve: Clip
) -> Float[Tensor, "frame token"]:
    """1 on the grid's frames nearest to a known one. Joints are told apart where model and clip share a skeleton."""
    step = 1 / representation.fps
    tokens = representation.tokens
    same = curve.skeleton.same_tree(representation.skeleton)
    names = getattr(representation, "joints", ())
    if same and len(names) == tokens:
        table = known[:, list(curve.skeleton.indices(names))]
    else:
        table = known.all(1, keepdim=True).expand(-1, tokens)
    trust = torch.zeros(len(grid), tokens)
    place = ((clock - grid[0]) / step).round().long()
    close = ((clock - grid[0]) - place * step).abs() <= 0.5 * step + 1e-9
    for frame in (close & (place >= 0) & (place < len(grid))).nonzero()[:, 0].tolist():
        trust[place[frame]] = torch.maximum(trust[place[frame]], table[frame].float())
    return trust


@torch.inference_mode()
def _predict(
    run: Run, representation: Representation, features: Tensor, trust: Tensor, seed: int, samples: int
) -> Float[Tensor, "sample frame feat"]:
    """Window after window, half of each overlapping the one before; differences to the curve are faded by Hann."""
    frames, width = features.shape
    window = min(run.observed + run.trained if run.trained else max(run.observed, 8), _LONGEST)
    starts = list(range(0, max(1, frames - window // 2), max(1, window // 2))) if frames > window else [0]
    starts = sorted({min(start, max(0, frames - window)) for start in starts})
    total, weight = features.new_zeros(samples, frames, width), features.new_zeros(frames, 1)
    token = torch.tensor(representation.token_of_feature)
    generator = torch.Generator().manual_seed(seed)
    run.model.eval()
    for start in starts:
        span = slice(start, min(start + window, frames))
        length = span.stop - span.start
        sure = trust[span]
        query = Query(
            seen=torch.where(sure[:, token] > 0, features[span], 0.0)[None],
            trust=sure[None],
            time=even_times(length, representation.fps).float()[None],
            valid=torch.ones(1, length, dtype=torch.bool),
            action=features.new_zeros(1, 0),
        )
        change = run.model.predict(query, samples, generator)[:, 0] - features[span]
        hann = torch.hann_window(length + 2, periodic=False)[1:-1, None].to(features)
        total[:, span] += change * hann
        weight[span] += hann
    return features + total / weight


def _holds_path(representation: Representation, seen: Clip) -> bool:
    """Whether features change when the body stands elsewhere."""
    one = cast("Motion", seen[:1])
    return bool((representation.encode(shift(one, torch.ones(3))) - representation.encode(one)).abs().max() > 1e-3)


def _turned(
    curve: Motion,
    seen: Clip,
    before: Clip,
    after: Clip,
    representation: Representation,
    grid: Tensor,
    wanted: Tensor,
    known: Tensor,
    clock: Tensor,
    exact: bool,
) -> Motion:
    """The curve with each joint turned as the model's answer is turned against the curve as the model had it."""
    first, then = _rotations(before, curve), _rotations(after, curve)
    change = rotmat_to_rotvec(first.rotations.transpose(-1, -2) @ then.rotations)
    path = then.root - first.root if _holds_path(representation, seen) else torch.zeros_like(then.root)
    if not curve.skeleton.same_tree(representation.skeleton):
        path = path * (leg_length(curve.skeleton) / leg_length(representation.skeleton))
    change = _settled(change.flatten(-2), grid, wanted, known, clock, exact).unflatten(-1, (-1, 3))
    path = _settled(path, grid, wanted, known, clock, exact)
    rotations = curve.rotations @ rotvec_to_rotmat(change).to(curve.rotations)
    offsets = None if curve.offsets is None else curve.offsets.expand(*rotations.shape[:-2], 3)
    return replace(curve, rotations=rotations, root=curve.root + path.to(curve.root), offsets=offsets)


def _rotations(clip: Clip, onto: Motion) -> Motion:
    """Decoded features as rotations of the user's skeleton; twists, unknown to positions, cancel out afterwards."""
    if isinstance(clip, Motion) and clip.skeleton.same_tree(onto.skeleton):
        return clip
    still = replace(onto[:1], fps=clip.fps)
    return fit_rotations(clip.points(), onto.skeleton, reference=still)


def _moved(
    curve: Points,
    before: Points,
    after: Points,
    grid: Tensor,
    wanted: Tensor,
    known: Tensor,
    clock: Tensor,
    exact: bool,
) -> Points:
    change = (after.positions - before.positions).flatten(-2)
    settled = _settled(change, grid, wanted, known, clock, exact).unflatten(-1, (-1, curve.positions.shape[-1]))
    moved = curve.positions + settled.to(curve.positions)
    if moved.shape[0] == 1:
        return replace(curve, positions=moved[0])
    sure = None if curve.confidence is None else curve.confidence.expand(moved.shape[:-1])
    return replace(curve, positions=moved, confidence=sure)


def _settled(
    change: Float[Tensor, "sample model feat"],
    grid: Tensor,
    wanted: Tensor,
    known: Tensor,
    clock: Tensor,
    exact: bool,
) -> Float[Tensor, "sample time feat"]:
    """A difference at the times asked for; with `exact`, bent so that it is nought at every known time."""
    rows = change.double().movedim(1, 0)
    at = read(rows, grid, wanted, "linear")
    if exact:
        keys = clock[known.all(1)]
        if len(keys):
            at = at - read(read(rows, grid, keys, "linear"), keys, wanted, "linear")
    return at.movedim(0, 1)
