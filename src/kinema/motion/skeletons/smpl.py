"""Joint names and trees of the SMPL family: `smpl24`, `smplh52`, `smplx55`.

Names and parents are facts of the file formats. The rest offsets are NOT those of the licensed body models: they are a
T-pose body of average proportions (`skeletons.body`). Who needs the true offsets reads them from their own copy.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import Place, place, skeleton_of_places

# Name, parent, landmark of `skeletons.body`.
_BODY22: tuple[tuple[str, int, str], ...] = (
    ("pelvis", -1, "pelvis"),
    ("left_hip", 0, "l_hip"),
    ("right_hip", 0, "r_hip"),
    ("spine1", 0, "spine_low"),
    ("left_knee", 1, "l_knee"),
    ("right_knee", 2, "r_knee"),
    ("spine2", 3, "spine_mid"),
    ("left_ankle", 4, "l_ankle"),
    ("right_ankle", 5, "r_ankle"),
    ("spine3", 6, "chest"),
    ("left_foot", 7, "l_ball"),
    ("right_foot", 8, "r_ball"),
    ("neck", 9, "neck"),
    ("left_collar", 9, "l_collar"),
    ("right_collar", 9, "r_collar"),
    ("head", 12, "head"),
    ("left_shoulder", 13, "l_shoulder"),
    ("right_shoulder", 14, "r_shoulder"),
    ("left_elbow", 16, "l_elbow"),
    ("right_elbow", 17, "r_elbow"),
    ("left_wrist", 18, "l_wrist"),
    ("right_wrist", 19, "r_wrist"),
)

# From the wrist: first knuckle's position on the left side (towards +x, y up, z forward), length of each finger bone.
_FINGERS: dict[str, tuple[Place, float]] = {
    "index": ((0.090, -0.005, 0.025), 0.030),
    "middle": ((0.095, 0.0, 0.003), 0.032),
    "pinky": ((0.080, -0.010, -0.038), 0.022),
    "ring": ((0.090, -0.005, -0.018), 0.030),
    "thumb": ((0.030, -0.012, 0.030), 0.030),
}


def smpl22() -> Skeleton:
    """SMPL's body without hands: the joints of HumanML3D, and those that video lifters give."""
    return skeleton_of_places("smpl22", _BODY22)


def smpl24() -> Skeleton:
    """SMPL's 24 joints: the body and one joint for each hand."""
    hands = [("left_hand", 20, "l_hand"), ("right_hand", 21, "r_hand")]
    return skeleton_of_places("smpl24", [*_BODY22, *hands])


def smplh52() -> Skeleton:
    """SMPL-H's 52 joints: the body and fifteen for each hand."""
    rows = [*_BODY22, *_hand("left", 20, 22), *_hand("right", 21, 37)]
    return skeleton_of_places("smplh52", rows)


def smplx55() -> Skeleton:
    """SMPL-X's 55 joints: the body, the jaw, both eyes and fifteen for each hand."""
    face = [("jaw", 15, "jaw"), ("left_eye_smplhf", 15, "l_eye"), ("right_eye_smplhf", 15, "r_eye")]
    rows = [*_BODY22, *face, *_hand("left", 20, 25), *_hand("right", 21, 40)]
    return skeleton_of_places("smplx55", rows)


_REST_PELVIS = {"smpl22": -0.22, "smpl24": -0.22, "smplh52": -0.23, "smplx55": -0.35}


def rest_pelvis(skeleton: Skeleton) -> Float[Tensor, "3"]:
    """Metres from the origin of SMPL parameters to the resting pelvis, in the axes of the parameters: an assumed value.

    The parameters place the model's origin (`trans`), and the pelvis rests below it by a length that follows from the
    shape and the licensed model. Without that model this is the usual value of average bodies of each kind, rounded to
    a centimetre; it may be a few centimetres off. `AMASS(model=...)` (`kinema data amass-joints --model`) takes the
    value of the user's own model instead.
    """
    return torch.tensor([0.0, _REST_PELVIS[skeleton.name], 0.0])


def _hand(side: str, wrist: int, first: int) -> list[tuple[str, int, str | Place]]:
    """Rows of five fingers of three joints, the first of which has index `first`."""
    sign = 1.0 if side == "left" else -1.0
    x, y, z = place(f"{side[0]}_wrist")
    rows: list[tuple[str, int, str | Place]] = []
    for finger, ((dx, dy, dz), bone) in _FINGERS.items():
        for knuckle in range(3):
            reach = dx + knuckle * bone * (0.7 if finger == "thumb" else 1.0)
            out = dz + (knuckle * bone * 0.7 if finger == "thumb" else 0.0)
            parent = wrist if knuckle == 0 else first + len(rows) - 1
            rows.append((f"{side}_{finger}{knuckle + 1}", parent, (x + sign * reach, y + dy, z + out)))
    return rows
