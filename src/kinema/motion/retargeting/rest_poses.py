"""Rest poses: the neutral pose in which any two bodies are alike, and the rest pose that a file is written with.

What a rotation means depends on the pose in which it is zero: arms sideways (Mixamo, CMU), arms slanting down (the
Unreal mannequin), every bone along its own x axis (LaFAN1, Bandai, SOMA). The neutral pose is a T-pose facing +z.
After a change to it, joints of different bodies can be compared: how far each is rotated away from it.

A clip is the same motion with any rest pose. With N_j the rotation of joint j, in the world's axes, in the pose that is
to be the new rest, and p its parent: L'_j = N_p L_j N_j^T and offset'_j = N_p offset_j. Every joint stays where it was.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import nearest_rotation, shortest_arc
from kinema.motion.edit import facing, rest_pose, rotate, t_pose
from kinema.motion.feet.contacts import contact_joints, foot_contacts
from kinema.motion.motion import Motion
from kinema.motion.names import Rest
from kinema.motion.retargeting.inverse_kinematics import fit_rotations, match_joints
from kinema.motion.skeleton import Skeleton, has_joint
from kinema.motion.skeletons.body import kinema24

_UPRIGHT = 0.8  # cosine between the trunk (and the legs) of a rest pose and the vertical
_DOWN, _AHEAD = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)
# Which limbs are straightened, from the trunk outwards: joint, the next one on the limb, where it points to.
_LIMBS = tuple(
    (f"{side}_{start}", f"{side}_{end}", way)
    for side, out in (("l", 1.0), ("r", -1.0))
    for start, end, way in (
        ("hip", "knee", _DOWN),
        ("knee", "ankle", _DOWN),
        ("shoulder", "elbow", (out, 0.0, 0.0)),
        ("elbow", "wrist", (out, 0.0, 0.0)),
    )
)


def stands_at_rest(skeleton: Skeleton) -> bool:
    """Whether the rest pose is that of a standing person: legs down, trunk up, hips and feet where they belong."""
    needed = [f"{side}_{part}" for side in "lr" for part in ("hip", "knee", "ankle", "shoulder")]
    if not has_joint(skeleton, *needed):
        return False
    places = rest_pose(skeleton).points().positions[0]

    def middle(part: str) -> Tensor:
        return places[skeleton.indices((f"l_{part}", f"r_{part}"))].mean(0)

    def rises(low: str, high: str) -> bool:
        way = middle(high) - middle(low)
        return float(way[1]) > _UPRIGHT * float(way.norm()) > 0

    across = places[skeleton.index("l_hip")] - places[skeleton.index("r_hip")]
    level = float(across[[0, 2]].norm()) > _UPRIGHT * float(across.norm()) > 0
    return level and rises("ankle", "knee") and rises("knee", "hip") and rises("hip", "shoulder")


def neutral_pose(body: Motion) -> Motion:
    """One frame of the body of a clip in the neutral pose.

    Where the rest pose stands, limbs are straightened by the shortest arcs from it: trunk, feet and hands keep the
    angle that they have at rest. Where it does not (bones along local axes), the clip itself says how joints must
    rotate to look like a person: their mean rotation against a standing body, fitted to every frame by the directions
    of bones. Such a clip has to be of one batch at most; with only a rest pose in it the twists of bones are arbitrary.
    Raises UsageError where too few joints have known names.
    """
    if stands_at_rest(body.skeleton):
        return _straightened(body.skeleton, body.fps)
    if _is_rest(body):
        return fit_rotations(_straightened(kinema24(), body.fps).points(), body.skeleton)
    return _by_clip(body)


def _straightened(skeleton: Skeleton, fps: float) -> Motion:
    pose = t_pose(skeleton, fps)
    pose = rotate(pose, -facing(pose)[..., 0])
    sole = pose.global_rotations()
    for start, end, way in _LIMBS:
        if has_joint(skeleton, start, end):
            pose = _pointed(pose, skeleton.index(start), skeleton.index(end), torch.tensor(way))
    feet = contact_joints(skeleton)
    for ankle, toe in () if feet is None else (feet[:2], feet[2:]):
        pose = _turned_in_world(pose, ankle, sole[0, ankle] @ pose.global_rotations()[0, ankle].mT)
        if ankle != toe:
            places = pose.points().positions[0]
            level = (places[toe] - places[ankle]) * torch.tensor([1.0, 0.0, 1.0])
            if float(level.norm()) > 0.02:
                pose = _turned_in_world(pose, ankle, shortest_arc(level, torch.tensor(_AHEAD)))
    return pose


def _pointed(pose: Motion, joint: int, end: int, way: Tensor) -> Motion:
    """The pose with one joint rotated so that the bone to `end` points along `way`."""
    places = pose.points().positions[0]
    bone = places[end] - places[joint]
    return pose if float(bone.norm()) < 1e-3 else _turned_in_world(pose, joint, shortest_arc(bone, way))


def _turned_in_world(pose: Motion, joint: int, by: Tensor) -> Motion:
    """The pose with one joint, and all that hangs on it, rotated in the world's axes."""
    parent = pose.skeleton.parents[joint]
    above = torch.eye(3) if parent < 0 else pose.global_rotations()[0, parent]
    rotations = pose.rotations.clone()
    rotations[0, joint] = above.mT @ by @ above @ rotations[0, joint]
    return replace(pose, rotations=rotations)


def _by_clip(body: Motion) -> Motion:
    """The neutral pose of a body whose rest pose does not stand, from the mean over a clip."""
    plain = kinema24()
    stood = _straightened(plain, body.fps)
    fitted = fit_rotations(body.points(), plain, reference=stood)
    there, here = fitted.global_rotations(), body.global_rotations()
    home = stood.global_rotations()[0]
    contacts = foot_contacts(body)
    # Joints that the plain body lacks, clavicles and fingers, are as they are on average.
    flat = body.rotations.reshape(-1, len(body.skeleton), 3, 3).double()
    local = nearest_rotation(flat.mean(0)).float()
    turns: list[Tensor] = []
    matched = {own[0]: other for other, own in match_joints(body.skeleton, plain).sources.items() if len(own) == 1}
    for joint, parent in enumerate(body.skeleton.parents):
        above = torch.eye(3) if parent < 0 else turns[parent]
        if (other := matched.get(joint)) is not None and plain.children[other]:
            # away = the plain body's rotation from its neutral pose; the mean of away^T here is the neutral rotation.
            away = there[..., other, :, :] @ home[other].mT
            chosen = _standing(contacts, plain.joints[other])
            each = (away.mT @ here[..., joint, :, :])[chosen if bool(chosen.any()) else slice(None)]
            mean = nearest_rotation(each.reshape(-1, 3, 3).double().mean(0)).float()
            local[joint] = above.mT @ mean
        turns.append(above @ local[joint])
    return replace(rest_pose(body.skeleton, body.fps), rotations=local[None])


def _standing(contacts: Tensor, name: str) -> Tensor:
    """The frames that count for a joint: of a foot those in which heel and toe are on the ground, else all."""
    if name[2:] not in ("ankle", "toe"):
        return torch.ones(contacts.shape[:-1], dtype=torch.bool)
    heel = 0 if name[0] == "l" else 2
    return contacts[..., heel] & contacts[..., heel + 1]


def _is_rest(body: Motion) -> bool:
    eye = torch.eye(3).to(body.rotations)
    return bool((body.rotations[..., 1:, :, :] - eye).abs().max() < 1e-4) if len(body.skeleton) > 1 else True


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

    Raises UsageError where the T-pose cannot be found: too few joints have known names.
    """
    return motion if has_t_pose(motion) else with_rest(motion, neutral_pose(motion))


def resting(motion: Motion, rest: Rest, *, has_own: bool) -> Motion:
    """The motion with the requested rest pose; `has_own` says that its file brought one, which "auto" keeps.

    A body whose T-pose cannot be found keeps its own under "auto"; "tpose" then raises UsageError.
    """
    if rest == "source" or (rest == "auto" and has_own):
        return motion
    try:
        return in_t_pose(motion)
    except UsageError:
        if rest == "auto":
            return motion
        raise
