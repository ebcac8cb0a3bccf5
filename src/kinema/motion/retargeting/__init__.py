"""One motion on another skeleton: `retarget` is the only way, for the command line, the models and Python alike.

Two methods, chosen with `by`. "rotations" (`kinema.motion.retargeting.joint_rotations`) gives each joint the rotation
away from a neutral T-pose that its counterpart has: limbs point as they did, and wrists, heads and feet keep their
twist. "directions" (`kinema.motion.retargeting.bone_directions`) fits joint positions alone and loses twists; the
released models were trained on motion that came this way, so it is what models read.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

from kinema.core.errors import KinemaWarning
from kinema.motion.edit import carrier, keep_root, rest_pose
from kinema.motion.motion import Clip, Motion
from kinema.motion.retargeting.bone_directions import by_directions
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.motion.retargeting.joint_rotations import (
    Pairing,
    by_rotations,
    direction_errors,
    hangs_on_limb,
    pair_joints,
)
from kinema.motion.skeleton import Skeleton

__all__ = ["Method", "Pairing", "as_motion", "direction_errors", "pair_joints", "retarget"]

Method = Literal["rotations", "directions"]
_STIFF = 1e-3  # metres: an offset that moves less is that of a stiff bone


def retarget(clip: Clip, body: Motion | Skeleton, *, by: Method = "rotations") -> Motion:
    """The same motion on another skeleton, matched by joint names; any leading batch axes.

    `body` is the target skeleton, or a clip on it: its frames then give the neutral pose where its rest pose does not
    stand (bones along local axes), its file layout is kept, and a root that never moves in it stays. Frames and rate
    are those of `clip`. Positions become rotations first, by inverse kinematics. The root trajectory is scaled about
    the world's origin by the ratio of the leg lengths. A clip on the same skeleton comes back as it is. `pair_joints`
    gives which joint follows which.
    Where the root is a hand or a foot, directions are used, and a KinemaWarning says so; another one says where
    bones of `body` that move become stiff. Raises UsageError where too few joints match.
    """
    motion = as_motion(clip)
    target = body.skeleton if isinstance(body, Motion) else body
    if motion.skeleton == target:
        moved = replace(motion, skeleton=target)
    elif by == "directions":
        moved = by_directions(motion, target)
    elif hangs_on_limb(motion.skeleton) or hangs_on_limb(target):
        which = motion.skeleton if hangs_on_limb(motion.skeleton) else target
        note = f"the root of {which.name} is on a limb: limbs point as they did, their twists are lost"
        warnings.warn(note, KinemaWarning, stacklevel=2)
        moved = by_directions(motion, target)
    else:
        moved = by_rotations(motion, body if isinstance(body, Motion) else rest_pose(body, motion.fps))
    if not isinstance(body, Motion):
        return moved
    if moved is not motion and moved.offsets is None and body.offsets is not None:
        if by == "rotations" and not body.batch_shape:
            moved = keep_root(moved, body)
        ways = (body.offsets.amax(-3) - body.offsets.amin(-3)).clone()
        ways[..., [0, carrier(body)], :] = 0
        most = float(ways.max())
        if most > _STIFF:
            note = f"bones of {target.name} move by up to {100 * most:.1f} cm in its file; they are stiff in the result"
            warnings.warn(note, KinemaWarning, stacklevel=2)
    return replace(moved, layout=body.layout)


def as_motion(clip: Clip) -> Motion:
    """A clip with rotations: positions become some by inverse kinematics, on the clip's own skeleton."""
    return clip if isinstance(clip, Motion) else fit_rotations(clip, clip.skeleton)
