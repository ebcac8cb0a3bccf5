"""The rest pose that a file is written with: the pose in which every rotation is zero.

A clip says the same motion with any rest pose. With N_j the turn of joint j, in the world's axes, in the pose that is
to be the new rest, and p its parent: L'_j = N_p L_j N_j^T and offset'_j = N_p offset_j. Every joint stays where it was.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from kinema.core.errors import UsageError
from kinema.geometry.rotations import nearest_rotation
from kinema.motion.edit import rest_pose
from kinema.motion.motion import Motion
from kinema.motion.names import Rest
from kinema.motion.retargeting.neutral_pose import neutral_pose, stands_at_rest
from kinema.motion.skeleton import has_joint

_SIDEWAYS = 0.94  # cosine of 20 degrees: arms this near to the horizontal make a T


def with_rest(motion: Motion, pose: Motion) -> Motion:
    """The same motion of the body whose rest pose is the first frame of `pose`, a clip of the same skeleton.

    Joints stay where they are to rounding; the layout of the clip's file is kept. Raises UsageError where the
    skeletons differ.
    """
    skeleton = motion.skeleton
    if not pose.skeleton.same_tree(skeleton):
        raise UsageError(
            expected=f"a rest pose of {skeleton.name}", got=f"one of {pose.skeleton.name}", cure="Retarget it first."
        )
    # Products of float32 rotations are rotations but for rounding; down a chain that would move the joints.
    turns = nearest_rotation(pose[:1].global_rotations()[0].double())
    above = torch.cat((torch.eye(3, dtype=torch.float64)[None], turns[list(skeleton.parents[1:])]))
    rotations = (above @ motion.rotations.double() @ turns.mT).to(motion.rotations)
    rest = (above @ skeleton.offsets.double()[..., None])[..., 0]
    offsets = None
    if motion.offsets is not None:
        offsets = (above @ motion.offsets.double()[..., None])[..., 0].to(motion.offsets)
    return replace(motion, skeleton=replace(skeleton, offsets=rest), rotations=rotations, offsets=offsets)


def has_t_pose(motion: Motion) -> bool:
    """Whether the rest pose of a clip's body is a T: it stands upright with its arms held sideways, facing anywhere."""
    skeleton = motion.skeleton
    arms = ("l_shoulder", "l_wrist"), ("r_wrist", "r_shoulder")
    if not stands_at_rest(skeleton) or not has_joint(skeleton, *arms[0], *arms[1]):
        return False
    places = rest_pose(skeleton).points().positions[0]
    across = places[skeleton.index("l_shoulder")] - places[skeleton.index("r_shoulder")]
    lines = [places[skeleton.index(end)] - places[skeleton.index(start)] for start, end in arms]
    return all(float(line @ across) > _SIDEWAYS * float(line.norm() * across.norm()) > 0 for line in lines)


def in_t_pose(motion: Motion) -> Motion:
    """The same motion with a T-pose, facing +z, as rest; as it is where its rest pose is a T already.

    Raises UsageError where a T-pose cannot be told: too few joints have names that are known.
    """
    return motion if has_t_pose(motion) else with_rest(motion, neutral_pose(motion))


def resting(motion: Motion, rest: Rest, *, has_own: bool) -> Motion:
    """The motion with the rest pose that is wished for; `has_own` says that its file brought one, which "auto" keeps.

    A body whose T-pose cannot be told keeps its own under "auto"; "tpose" then raises UsageError.
    """
    if rest == "source" or (rest == "auto" and has_own):
        return motion
    try:
        return in_t_pose(motion)
    except UsageError:
        if rest == "auto":
            return motion
        raise
