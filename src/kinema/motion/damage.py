"""What is wrong with a clip: values that are missing, spikes and jumps, runs in which the body stands still."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import angle_between
from kinema.motion.motion import Clip, Motion, Points

KINDS = ("missing", "spike", "jump", "frozen")
_FASTEST_TURN = 25.0  # radians per second: a joint that rotates faster is suspect
_FASTEST_STEP = 8.0  # metres per second, of the root, and of points whose size is known
_UNUSUAL = 8.0  # times the typical step around
_NEAR = 0.25  # seconds: how far around, and how long a spike may last
_LOOKED_AT = 2**14  # steps whose surroundings are looked at together
_SHORTEST_FREEZE = 0.1  # seconds
_LONGEST_FREEZE = 1.0  # longer ones are poses that somebody holds


@dataclass(frozen=True, eq=False)
class Damage:
    """Which joints are wrong in which frames, and why (`kinds`: a table for each of `KINDS`)."""

    joints: Bool[Tensor, "frame joint"]
    kinds: dict[str, Bool[Tensor, "frame joint"]]

    def counts(self) -> dict[str, int]:
        """In how many frames each kind was found."""
        return {kind: int(table.any(1).sum()) for kind, table in self.kinds.items()}


def find_damage(clip: Clip, *, strength: float = 1.0) -> Damage:
    """Damage found by comparing every step with those around it; `strength` 2 suspects steps half as unusual.

    missing: not finite, or of confidence 0. spike: a step away that is taken back within a quarter of a second. jump: a
    step that is not (the frame on each side is given up, so that the curve goes through). frozen: between a tenth and
    one second without any change, in the middle of movement. Raises UsageError for a batch or a strength not above 0.
    """
    if clip.batch_shape or not strength > 0:
        raise UsageError(
            expected="one clip and a strength above 0",
            got=f"batch shape {tuple(clip.batch_shape)}, strength {strength:g}",
            cure="Repair one clip at a time, with a strength such as 1.",
        )
    missing, filled = _missing(clip)
    frames, joints = missing.shape
    if frames < 3:
        none = torch.zeros_like(missing)
        return Damage(missing, {"missing": missing, "spike": none, "jump": none, "frozen": none})
    steps, floors = _steps(clip, filled, missing)
    unusual = _unusual(steps, floors, clip.fps, strength) & ~missing[1:]  # a gap is judged where it ends
    spike, jump = _spikes_and_jumps(clip, filled, steps, unusual, floors)
    frozen = _frozen(steps, floors, clip.fps)[:, None].expand(frames, joints) & ~missing
    kinds = {"missing": missing, "spike": spike & ~missing, "jump": jump & ~missing & ~spike, "frozen": frozen}
    return Damage(missing | spike | jump | frozen, kinds)


def finite_joints(clip: Clip) -> Bool[Tensor, "frame joint"]:
    """Which joints of which frames hold numbers, and a confidence above 0; the root's position counts as joint 0."""
    if isinstance(clip, Points):
        there = clip.positions.sum(-1).isfinite()  # a sum is finite where all its terms are
        return there if clip.confidence is None else there & (clip.confidence > 0)
    there = clip.rotations.sum((-1, -2)).isfinite()
    there[:, 0] &= clip.root.sum(-1).isfinite()
    return there if clip.offsets is None else there & clip.offsets.sum(-1).isfinite()


def _missing(clip: Clip) -> tuple[Tensor, Tensor]:
    """What is not there, and the values [frame, joint, ...] with what is not there taken from the last frame seen."""
    missing = ~finite_joints(clip)
    values = clip.rotations if isinstance(clip, Motion) else clip.positions
    if not bool(missing.any()):
        return missing, values
    frame = torch.arange(len(missing))[:, None].expand_as(missing)
    last = torch.where(missing, -1, frame).cummax(0).values
    first = torch.where(missing, len(missing), frame).amin(0)
    source = torch.where(last < 0, first.clamp(max=len(missing) - 1), last)
    return missing, values[source, torch.arange(missing.shape[1])].nan_to_num(0.0)


def _apart(clip: Clip, first: Tensor, second: Tensor) -> Tensor:
    return angle_between(first, second) if isinstance(clip, Motion) else (first - second).norm(dim=-1)


def _ways(clip: Motion, some: slice | list[int], others: slice | list[int]) -> Float[Tensor, "step joint"]:
    """How far the root, and joints whose bones move, go between frames, as the angle that is as implausible."""
    places = torch.zeros_like(clip.rotations[..., 0]) if clip.offsets is None else clip.offsets.clone()
    places[:, 0] = clip.root
    return (places[some] - places[others]).norm(dim=-1).nan_to_num(0.0) * (_FASTEST_TURN / _FASTEST_STEP)


def _steps(clip: Clip, values: Tensor, missing: Tensor) -> tuple[Tensor, Tensor]:
    """How far each joint goes from frame to frame [frame - 1, joint], and how far is plausible, by joint.

    A step across missing frames is spread over them.
    """
    steps = _apart(clip, values[1:], values[:-1])
    if bool(missing.any()):
        frame = torch.arange(len(missing))[:, None].expand_as(missing)
        last = torch.where(missing, -1, frame).cummax(0).values[:-1]
        after = torch.where(missing, len(missing), frame).flip(0).cummin(0).values.flip(0)[1:]
        inside = (last >= 0) & (after < len(missing))
        ends = steps.gather(0, (after - 1).clamp(0, len(steps) - 1))  # the step that ends the gap
        steps = torch.where(inside, ends / (after - last), 0.0)
    if isinstance(clip, Motion):
        floors = torch.full_like(steps[0], _FASTEST_TURN / clip.fps)
        # The root rotates and moves, as do joints whose bones move: the less plausible of the two, as an angle.
        return torch.maximum(steps, _ways(clip, slice(1, None), slice(-1))), floors
    size = (values.amax(1) - values.amin(1)).norm(dim=-1).median()
    metres = size / 1.7 if values.shape[-1] == 2 else torch.ones(())
    return steps, (_FASTEST_STEP * metres / clip.fps).expand(steps.shape[1]).clamp(min=1e-9)


def _unusual(steps: Tensor, floors: Tensor, fps: float, strength: float) -> Bool[Tensor, "step joint"]:
    """Steps that are implausible, and unlike those around: the median is looked up for the implausible ones alone."""
    half = max(2, round(_NEAR * fps))
    unusual = steps > floors / strength
    around = torch.arange(-half, half + 1)
    for some in unusual.nonzero().split(_LOOKED_AT):
        step, joint = some.unbind(1)
        typical = steps[(step[:, None] + around).clamp(0, len(steps) - 1), joint[:, None]].median(-1).values
        unusual[step, joint] = steps[step, joint] > torch.maximum(floors[joint], _UNUSUAL * typical) / strength
    return unusual


def _spikes_and_jumps(
    clip: Clip, values: Tensor, steps: Tensor, unusual: Tensor, floors: Float[Tensor, " joint"]
) -> tuple[Tensor, Tensor]:
    """Step i leads from frame i to frame i + 1."""
    frames, joints = len(values), values.shape[1]
    spike = torch.zeros(frames, joints, dtype=torch.bool)
    jump = torch.zeros(frames, joints, dtype=torch.bool)
    longest = max(1, round(_NEAR * clip.fps))
    for joint in unusual.any(0).nonzero()[:, 0].tolist():
        places: list[int] = unusual[:, joint].nonzero()[:, 0].tolist()
        while places:
            out = places.pop(0)
            back = [place for place in places if place - out <= longest and _returns(clip, values, out, place, joint)]
            if back:
                spike[out + 1 : back[0] + 1, joint] = True
                places = [place for place in places if place > back[0]]
            elif out == 0 or out == frames - 2:
                spike[0 if out == 0 else frames - 1, joint] = True
            else:
                jump[out : out + 2, joint] = True
    return spike, jump


def _returns(clip: Clip, values: Tensor, out: int, back: int, joint: int) -> bool:
    """Whether the way from before step `out` to after step `back` is much shorter than the step out."""
    before, frames = [out, out], [out + 1, back + 1]
    way = _apart(clip, values[before, joint], values[frames, joint])
    if isinstance(clip, Motion):
        way = torch.maximum(way, _ways(clip, before, frames)[:, joint])
    return bool(way[1] < 0.5 * way[0])


def _frozen(steps: Tensor, floors: Tensor, fps: float) -> Bool[Tensor, " frame"]:
    """Frames that repeat the one before them, where the body moves before and after."""
    still = (steps <= 1e-6).all(1)
    out = torch.zeros(len(steps) + 1, dtype=torch.bool)
    start = None
    moving = 0.02 * floors
    for place, same in enumerate([*still.tolist(), False]):
        if same:
            start = place if start is None else start
            continue
        if start is not None:
            length = place - start
            inside = start > 0 and place < len(steps)
            if inside and max(3, _SHORTEST_FREEZE * fps) <= length + 1 <= _LONGEST_FREEZE * fps:
                out[start + 1 : place + 1] = bool((steps[[start - 1, place]] > moving).any())
            start = None
    return out


def runs(mask: Bool[Tensor, " frame"]) -> list[tuple[int, int]]:
    """(start, stop) of every run of True."""
    edges = torch.nn.functional.pad(mask.int(), (1, 1)).diff().nonzero()[:, 0].tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
