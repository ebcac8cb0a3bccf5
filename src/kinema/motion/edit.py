"""Editing a clip: its rate, its side, its heading, its length, its floor. Every function returns a new clip."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.budget import check_answer
from kinema.core.errors import UsageError
from kinema.core.progress import pieces
from kinema.geometry.kinematics import rotate_root
from kinema.geometry.rotations import axis_angle_to_rotmat, identity_rotmat, rotvec_to_rotmat, slerp
from kinema.motion.motion import AnyClip, Clip, Motion, Points
from kinema.motion.skeleton import Skeleton, has_joint
from kinema.motion.skeletons.h36m import H36M32_T_POSE, h36m32

_PIECE = 4096  # frames that are interpolated together
_RATE_TOLERANCE = 5e-5  # frame times in files are rounded: 0.008333 s is 120 Hz
_STANDS = 1e-3  # metres, or radians: a joint that changes less stands still
# Inversion first: where bones point opposite ways along a local axis, the limb is inverted rather than reflected.
_SIGNS = ((-1.0, -1.0, -1.0), (-1.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, -1.0))


def resample(clip: AnyClip, fps: float) -> AnyClip:
    """The clip at another rate: frame i stands at time i / fps, up to the last input time; the duration is kept.

    Rotations by slerp, positions linearly; exact where an output time is an input time. Frames are never
    skipped. Rates that differ by less than the rounding of a file's frame time (5e-5) count as equal.
    Raises UsageError where `fps` is not positive, or makes more frames than the budget allows.
    """
    if not fps > 0 or not math.isfinite(fps):
        raise UsageError(expected="a positive frame rate", got=f"{fps}", cure="Give fps in frames per second.")
    if fps == clip.fps:
        return clip
    check_answer(clip.frames * fps / clip.fps, len(clip.skeleton))
    step = frame_step(clip.fps / fps)
    if step == 1:
        return replace(clip, fps=fps)
    count = int((clip.frames - 1) / step) + 1
    ticks = torch.arange(count, dtype=torch.int64) * step.numerator
    below = torch.div(ticks, step.denominator, rounding_mode="floor")
    weight = (ticks - below * step.denominator).to(torch.float64) / step.denominator
    above = (below + (weight > 0)).clamp(max=clip.frames - 1)

    def read(values: Tensor, axis: int) -> Tensor:
        return (_slerp if axis == -4 else _lerp)(values, below, above, weight, axis)  # rotations have two axes more

    resampled = replace(clip.map(read), fps=fps)
    if isinstance(resampled, Motion) and resampled.layout:
        return replace(resampled, layout=replace(resampled.layout, frame_time=f"{1 / fps:.9g}"))
    return resampled


def mirror(clip: AnyClip) -> AnyClip:
    """The clip seen in a mirror: left and right exchanged, the root trajectory reflected across the world's x = 0.

    A joint's rotation becomes R'_j = M_x R_m S_j, with m the joint on the other side and S_j from `joint_reflections`.
    Twice is the identity.
    """
    swap = list(clip.skeleton.mirror)
    if isinstance(clip, Points):
        flip = clip.positions.new_tensor([-1.0, 1.0, 1.0][: clip.positions.shape[-1]])
        sure = None if clip.confidence is None else clip.confidence[..., swap]
        return replace(clip, positions=clip.positions[..., swap, :] * flip, confidence=sure)
    above, sides = (signs.to(clip.rotations) for signs in reflections(clip.skeleton))
    world = clip.root.new_tensor([-1.0, 1.0, 1.0])
    rotations = above[..., :, None] * clip.rotations[..., swap, :, :] * sides[..., None, :]
    offsets = None if clip.offsets is None else clip.offsets[..., swap, :] * above
    return replace(clip, rotations=rotations, root=clip.root * world, offsets=offsets)


def reflections(skeleton: Skeleton) -> tuple[Float[Tensor, "joint 3"], Float[Tensor, "joint 3"]]:
    """The signs A and S with which a mirrored joint's local rotation is A R_m S: its parent's (the world's, for the
    root) and its own."""
    own = joint_reflections(skeleton)
    world = torch.tensor([[-1.0, 1.0, 1.0]])
    return torch.cat((world, own[list(skeleton.parents[1:])])), own


def joint_reflections(skeleton: Skeleton) -> Float[Tensor, "joint 3"]:
    """For each joint the signs (a diagonal of determinant -1) that map its own frame to its partner's mirror image.

    In most files every joint is reflected across one axis; where bones lie along a local axis (Bandai), limbs are
    inverted through a point instead. Read off the rest pose: offset_c = S_parent offset_mirror(c).
    """
    signs: list[Tensor] = []
    for joint, parent in enumerate(skeleton.parents):
        usual = torch.ones(3) if parent < 0 else signs[parent]
        if parent < 0:
            usual[skeleton.mirror_axis] = -1
        # Both sides must come to the same answer, so the pair is judged together.
        children = [*skeleton.children[joint], *skeleton.children[skeleton.mirror[joint]]]
        own = skeleton.offsets[children]
        other = skeleton.offsets[[skeleton.mirror[child] for child in children]]
        choices = (usual, *(torch.tensor(sign) for sign in _SIGNS))
        misfit = [float((own - other * sign).norm(dim=-1).sum()) for sign in choices]
        best = min(range(len(choices)), key=misfit.__getitem__)
        # Bodies are not symmetric: only a clear misfit overrules what holds for the parent.
        overruled = misfit[0] > misfit[best] + 0.1 * float(own.norm(dim=-1).sum())
        signs.append(choices[best] if overruled else usual)
    return torch.stack(signs)


def facing(clip: Clip) -> Float[Tensor, "*batch frame"]:
    """Where the body faces, as an angle in radians about y: 0 is +z, positive towards +x.

    From the lines across the hips and the shoulders. Raises UsageError where the skeleton has neither.
    """
    skeleton, positions = clip.skeleton, clip.points().positions
    across = torch.zeros_like(positions[..., 0, :])
    for part in ("hip", "shoulder"):
        if has_joint(skeleton, f"l_{part}", f"r_{part}"):
            left, right = skeleton.indices((f"l_{part}", f"r_{part}"))
            across = across + positions[..., left, :] - positions[..., right, :]
    if not across.any():
        raise UsageError(
            expected="a skeleton with left and right hips or shoulders",
            got=f"{skeleton.name}",
            cure="Give the skeleton aliases for l_hip, r_hip, l_shoulder, r_shoulder.",
        )
    return torch.atan2(-across[..., 2], across[..., 0])  # forward = across x up


def rotate(clip: AnyClip, angle: Float[Tensor, "*batch"]) -> AnyClip:
    """The clip rotated about the world's y axis by `angle` radians."""
    matrix = axis_angle_to_rotmat("Y", angle)
    if isinstance(clip, Points):
        return replace(clip, positions=clip.positions @ matrix.transpose(-1, -2)[..., None, :, :])
    rotations = rotate_root(clip.rotations, matrix[..., None, :, :])
    return replace(clip, rotations=rotations, root=clip.root @ matrix.transpose(-1, -2))


def shift(clip: AnyClip, by: Float[Tensor, "*batch 3"]) -> AnyClip:
    """The clip moved by a vector in metres."""
    if isinstance(clip, Points):
        return replace(clip, positions=clip.positions + by[..., None, None, :])
    return replace(clip, root=clip.root + by[..., None, :])


def face_forward(clip: AnyClip) -> AnyClip:
    """The clip rotated and moved so that it starts facing +z with the pelvis above the origin; heights stay."""
    clip = rotate(clip, -facing(clip)[..., 0])
    pelvis = clip.skeleton.index("pelvis") if has_joint(clip.skeleton, "pelvis") else 0
    start = clip[:1].points().positions[..., 0, pelvis, :]
    return shift(clip, start * start.new_tensor([-1.0, 0.0, -1.0]))


def carrier(motion: Motion) -> int:
    """The joint that carries the body through the room: the root, or the joint below a root that never moves.

    Game engines, Blender and MotionBuilder put such a root (reference, armature) above the hips, which then move
    in its frame. It is the first joint on the way from the root to the pelvis that changes its position.
    """
    if motion.offsets is None or not has_joint(motion.skeleton, "pelvis"):
        return 0
    for joint in reversed(motion.skeleton.ancestors(motion.skeleton.index("pelvis"))):
        places = motion.offsets[..., joint, :] if joint else motion.root
        if not _stands(places, -2):
            return joint
        if not _stands(motion.rotations[..., joint, :, :], -3):
            return 0
    return 0


def part_of(motion: Motion, joint: int) -> Motion:
    """A joint and all that it carries as a clip of its own, where it was in the world; the root gives the clip back."""
    if joint == 0:
        return motion
    skeleton, order = motion.skeleton.part(joint)
    above = motion.skeleton.parents[joint]
    rotations = motion.rotations[..., order, :, :].clone()
    rotations[..., 0, :, :] = motion.global_rotations()[..., above, :, :] @ rotations[..., 0, :, :]
    offsets = None if motion.offsets is None else motion.offsets[..., order, :].clone()
    if offsets is not None:
        offsets[..., 0, :] = 0
    root = motion.positions_of([joint])[..., 0, :]
    return replace(motion, skeleton=skeleton, rotations=rotations, root=root, offsets=offsets, layout=None)


def with_part(motion: Motion, part: Motion, joint: int) -> Motion:
    """The clip with the joint and all that it carries as in `part`, in the world; other joints stay as they are.

    `motion` has the frames of `part`, or one. What has not changed comes back bit for bit.
    """
    if joint == 0:
        return part
    skeleton, order = motion.skeleton, sorted(motion.skeleton.below(joint))
    batch, frames = part.batch_shape, part.frames
    whole = motion.map(lambda values, axis: values.expand(*batch, frames, *values.shape[axis:][1:]).clone())
    before, above = part_of(whole, joint), skeleton.parents[joint]
    turn, place = whole.global_rotations()[..., above, :, :], whole.positions_of([above])[..., 0, :]
    rotations = part.rotations.clone()
    rotations[..., 0, :, :] = turn.mT @ rotations[..., 0, :, :]
    bones = part.skeleton.offsets if part.offsets is None else part.offsets
    offsets = bones.expand(*batch, frames, -1, -1).clone()
    offsets[..., 0, :] = (turn.mT @ (part.root - place)[..., None])[..., 0]
    same = (part.rotations[..., 0, :, :] == before.rotations[..., 0, :, :]).all(-1).all(-1)
    rotations[..., 0, :, :] = torch.where(
        same[..., None, None], whole.rotations[..., joint, :, :], rotations[..., 0, :, :]
    )
    own = skeleton.offsets.expand(*batch, frames, -1, -1).clone() if whole.offsets is None else whole.offsets
    same = (part.root == before.root).all(-1, keepdim=True)
    offsets[..., 0, :] = torch.where(same, own[..., joint, :], offsets[..., 0, :])
    whole.rotations[..., order, :, :] = rotations
    own[..., order, :] = offsets
    return replace(whole, offsets=own, fps=part.fps)


def keep_root(motion: Motion, like: Motion) -> Motion:
    """The same movement of the body with the root where `like` ends, if the root of that clip never moves.

    The joint that carries the body there (`carrier`) carries it here too. Both have one skeleton.
    """
    joint = carrier(like)
    if joint == 0:
        return motion
    part, last, above = part_of(motion, joint), like[-1:], like.skeleton.ancestors(joint)[1:]
    rotations, root = motion.rotations.clone(), last.root.expand(*motion.batch_shape, motion.frames, 3)
    rotations[..., above, :, :] = last.rotations[..., above, :, :]
    offsets = motion.skeleton.offsets if motion.offsets is None else motion.offsets
    offsets = offsets.expand(*motion.batch_shape, motion.frames, -1, -1).clone()
    if last.offsets is not None:
        offsets[..., above, :] = last.offsets[..., above, :]
    return with_part(replace(motion, rotations=rotations, root=root, offsets=offsets), part, joint)


def _stands(values: Tensor, axis: int) -> bool:
    """Whether nothing changes along the frame axis: less than a millimetre, or a thousandth of a radian."""
    return float((values - values.narrow(axis, 0, 1)).abs().amax()) < _STANDS


def trim(clip: AnyClip, start: float = 0.0, end: float | None = None) -> AnyClip:
    """The frames whose times lie in [start, end] seconds, both ends included; no `end` means the end.

    Raises UsageError where there is no such frame.
    """
    end = clip.duration if end is None else end
    first = max(math.ceil(start * clip.fps - 1e-6), 0)
    last = min(math.floor(end * clip.fps + 1e-6), clip.frames - 1)
    if not 0 <= start <= end or last < first:
        raise UsageError(
            expected=f"0 <= start <= end, with a frame between them, in a clip of {clip.duration:g} s",
            got=f"start {start:g} s, end {end:g} s",
            cure="Choose times inside the clip.",
        )
    return clip[first : last + 1]


def root_free(clip: Motion) -> Motion:
    """The clip with the root at the origin and its rotation removed: the pose alone."""
    rotations = clip.rotations.clone()
    rotations[..., 0, :, :] = torch.eye(3).to(rotations)
    return replace(clip, rotations=rotations, root=torch.zeros_like(clip.root))


def rest_pose(skeleton: Skeleton, fps: float = 30.0) -> Motion:
    """One frame of the rest pose, standing on the floor above the origin."""
    rotations = identity_rotmat((1, len(skeleton)))
    return Motion(skeleton, rotations, torch.tensor([[0.0, -float(skeleton.rest_positions[:, 1].min()), 0.0]]), fps)


def t_pose(skeleton: Skeleton, fps: float = 30.0) -> Motion:
    """One frame of the rest pose, the arms rotated sideways where the catalogue knows that they are not (h36m32)."""
    pose = rest_pose(skeleton, fps)
    if skeleton.same_tree(h36m32()):
        turned = torch.tensor(list(H36M32_T_POSE.values()))
        pose.rotations[:, skeleton.indices(list(H36M32_T_POSE))] = rotvec_to_rotmat(turned)
    return pose


def frame_step(ratio: float) -> Fraction:
    """Input frames per output frame, as a fraction, so that coinciding times are found exactly."""
    near = Fraction(ratio).limit_denominator(1001)
    return (
        near
        if near > 0 and abs(float(near) - ratio) <= _RATE_TOLERANCE * ratio
        else Fraction(ratio).limit_denominator()
    )


def _lerp(values: Tensor, below: Tensor, above: Tensor, weight: Tensor, axis: int) -> Tensor:
    start = values.index_select(axis, below.to(values.device))
    end = values.index_select(axis, above.to(values.device))
    share = weight.to(values).reshape(-1, *[1] * (-axis - 1))
    return torch.where(share == 0, start, start + (end - start) * share)


def _slerp(rotations: Tensor, below: Tensor, above: Tensor, weight: Tensor, axis: int) -> Tensor:
    out = rotations.index_select(axis, below.to(rotations.device))
    between = weight.nonzero()[:, 0].to(rotations.device)  # the other frames are copies of input frames
    for span in pieces(len(between), _PIECE, "resample"):
        some = between[span]
        end = rotations.index_select(axis, above.to(rotations.device)[some])
        share = weight.to(rotations)[some][:, None]
        out.index_copy_(axis, some, slerp(out.index_select(axis, some), end, share))
    return out
