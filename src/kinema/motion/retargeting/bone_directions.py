"""A motion on another body by the directions of its bones, and a forecast put on the body of the clip it follows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import rotate_root
from kinema.motion.anatomy import LIMBS, on_four_legs
from kinema.motion.edit import root_free, t_pose
from kinema.motion.feet.root_trajectory import root_trajectory, steady_heading
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.motion.skeleton import Skeleton, has_joint

PAST = 1.0  # seconds of the observation that `retarget_pose` looks at: one stride


def by_directions(motion: Motion, skeleton: Skeleton, *, reference: Motion | None = None) -> Motion:
    """The same motion on another skeleton, by canonical joint names and the directions of bones.

    The root trajectory is scaled about the world's origin by the ratio of the legs' lengths, so that feet meet the
    floor y = 0 as before and neither slide nor stretch. Joints without a match (`match_joints` names them) and the
    twists of bones are those of the last frame of `reference`, by default a T-pose where the catalogue knows one, else
    the rest pose. Raises UsageError where too few joints match. A skeleton of the same tree and bones gives the motion
    back.
    """
    if motion.skeleton == skeleton:
        return replace(motion, skeleton=skeleton)
    _check_human(motion.skeleton, skeleton)
    points = motion.points()
    posed = fit_rotations(points, skeleton, reference=reference or t_pose(skeleton))
    if not all(has_joint(body, "l_hip", "r_hip") for body in (motion.skeleton, skeleton)):
        return posed
    ratio = leg_length(skeleton) / leg_length(motion.skeleton)
    here = posed.positions_of(skeleton.indices(("l_hip", "r_hip"))).mean(-2)
    there = points.positions[..., motion.skeleton.indices(("l_hip", "r_hip")), :].mean(-2)
    return replace(posed, root=posed.root - here + ratio * there)


def is_human(skeleton: Skeleton) -> bool:
    """Whether a body has a pelvis, two arms and two legs of known names, and stands on two of them."""
    return has_joint(skeleton, "pelvis") and not _other_than_human(
        skeleton, [(s, limb) for limb in LIMBS for s in "lr"]
    )


def _other_than_human(source: Skeleton, limbs: list[tuple[str, tuple[str, ...]]]) -> str:
    """Why `source` is no human body with these limbs; empty where it is."""
    lacks = [
        f"{'left' if side == 'l' else 'right'} {'leg' if limb == LIMBS[0] else 'arm'}"
        for side, limb in limbs
        if not any(has_joint(source, f"{side}_{part}") for part in limb)
    ]
    if lacks:
        return f"no {', no '.join(lacks)}"
    ends = [f"{side}_{limb[at]}" for at in (0, -1) for limb in LIMBS for side in "lr"]
    if not has_joint(source, *ends):
        return ""
    spots = source.rest_positions[source.indices(ends)]
    tops, tips = spots.unflatten(0, (2, 2, 2)).mean(2)
    return "a rest pose on four legs" if on_four_legs(tops, tips) else ""


def _check_human(source: Skeleton, target: Skeleton) -> None:
    """Raises UsageError where `source` lacks a whole limb of `target`, or where it stands on four legs."""
    limbs = [(s, limb) for limb in LIMBS for s in "lr" if any(has_joint(target, f"{s}_{part}") for part in limb)]
    if reason := _other_than_human(source, limbs):
        raise UsageError(
            expected=f"a human body, with the limbs of {target.name}",
            got=f"{source.name}: {reason}",
            cure="Curves fit any body: upsample, inbetween and repair take --method pchip. For a limb of another name "
            "give a joint map: --map FILE.toml (docs/retarget.md).",
        )


def leg_length(skeleton: Skeleton) -> float:
    """Mean length in metres of the legs from hip to ankle. Raises UsageError where a skeleton has none."""
    joints = ("l_knee", "l_ankle", "r_knee", "r_ankle")
    if not has_joint(skeleton, *joints):
        raise UsageError(
            expected="a skeleton with knees and ankles",
            got=skeleton.name,
            cure="Say which joints l_knee, l_ankle, r_knee, r_ankle are in a joint map: --map FILE.toml.",
        )
    knees, ankles = (skeleton.rest_positions[skeleton.indices(pair)] for pair in (joints[::2], joints[1::2]))
    shins = (ankles - knees).norm(dim=-1)
    if not has_joint(skeleton, "l_hip", "r_hip"):
        return float((skeleton.bone_lengths[skeleton.indices(joints[::2])] + shins).mean())
    hips = skeleton.rest_positions[skeleton.indices(("l_hip", "r_hip"))]
    return float(((knees - hips).norm(dim=-1) + shins).mean())


def retarget_pose(pose: Clip, onto: Motion, *, turned: bool = False, read: Motion | None = None) -> Motion:
    """A forecast pose, given without a root trajectory, put on the observed body and on the ground in front of it.

    `pose` holds the frames after `onto`, one clip, at its rate, in the frame of the root of any skeleton with canonical
    names: positions relative to the root, without the rotation of the root (`RootPositions`), with any leading batch
    axes such as samples. Where it is `turned`, the rotation of the root is in it (`CentredPositions`): the pose gives
    the heading of the body itself, beginning from the last observed heading. The answer is on the skeleton of `onto`,
    with twists from its last frame. Its heading continues the observed one, its root trajectory follows from the feet
    (`root_trajectory`). `read` is `onto` on the skeleton of `pose`, where that was found before. Raises UsageError
    where the rates differ.
    """
    _check_rate(pose, onto)
    past = onto[-min(onto.frames, 1 + round(PAST * onto.fps)) :]
    last = past[-1:]
    # The observation on the model's body.
    known = read is not None and read.skeleton == pose.skeleton
    read = read[read.frames - past.frames :] if read is not None and known else by_directions(past, pose.skeleton)
    shown = read[-1:] if turned else root_free(read[-1:])
    now, then = _fitted_to(shown.points(), pose.points(), last)
    if not turned:
        then = rotate_root(then, steady_heading(read.rotations[..., 0, :, :], onto.fps, then.shape[-4]))
        now = rotate_root(now, read.rotations[..., -1:, 0, :, :])
    # The change of a round trip (bodies differ) is removed: the last observed pose is met exactly.
    rotations = then @ (now.transpose(-1, -2) @ last.rotations)
    offsets = None if last.offsets is None else last.offsets.expand(*rotations.shape[:-2], 3)
    origin = torch.zeros_like(rotations[..., 0, :, 0])
    ahead = replace(onto, rotations=rotations, root=origin, offsets=offsets)
    return replace(ahead, root=root_trajectory(past, ahead))


def retarget_trajectory(ahead: Motion, onto: Motion) -> Motion:
    """A forecast with a root trajectory of its own, put on the observed body.

    `ahead` holds the frames after `onto`, at its rate, where the observation stood when it was brought to the model's
    skeleton by `by_directions`; any leading batch axes. The trajectory and its heights are scaled by the ratio of the
    legs' lengths, and continue from the last observed position. The answer is on the skeleton of `onto`, with twists
    from its last frame. Raises UsageError where the rates differ.
    """
    _check_rate(ahead, onto)
    last = onto[-1:]
    frames = (*ahead.batch_shape, ahead.frames)
    offsets = None if last.offsets is None else last.offsets.expand(*frames, -1, 3)
    if ahead.skeleton.same_tree(onto.skeleton):
        return replace(ahead, skeleton=onto.skeleton, offsets=offsets)
    now = by_directions(by_directions(last, ahead.skeleton), onto.skeleton, reference=last)
    then = by_directions(ahead, onto.skeleton, reference=last)
    # As in `retarget_pose`: the change of a round trip is removed.
    rotations = then.rotations @ (now.rotations.transpose(-1, -2) @ last.rotations)
    return replace(onto, rotations=rotations, root=then.root + (last.root - now.root), offsets=offsets)


def _fitted_to(now: Points, then: Points, last: Motion) -> tuple[Tensor, Tensor]:
    """The rotations of one frame and of those that follow it, on the body of `last` with its twists, in one fit."""
    clips = then.positions.reshape(-1, *then.positions.shape[-3:])
    both = replace(then, positions=torch.cat((now.positions.expand_as(clips[:1]), clips)))
    fitted = fit_rotations(both, last.skeleton, reference=last).rotations
    return fitted[0, :1], fitted[1:].unflatten(0, then.batch_shape) if then.batch_shape else fitted[1]


def _check_rate(pose: Clip, onto: Motion) -> None:
    if abs(pose.fps - onto.fps) > 1e-3 * onto.fps:
        raise UsageError(
            expected=f"a pose at {onto.fps:g} frames per second",
            got=f"{pose.fps:g}",
            cure="Resample one of them first.",
        )
