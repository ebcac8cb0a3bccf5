"""Bodies as other programs name and pose them, each made from a motion of kinema24, so that the truth is known."""

from __future__ import annotations

from dataclasses import replace

import torch

from kinema.geometry.kinematics import forward_kinematics
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

# The joints of kinema24, in its order, by the names of other schemes.
FAMILIES: dict[str, str] = {
    "cgspeed": "hip abdomen chest neck head head_end lCollar lShldr lForeArm lHand lHand_end rCollar rShldr rForeArm "
    "rHand rHand_end lThigh lShin lFoot lFoot_end rThigh rShin rFoot rFoot_end",
    "cmu": "Hips Spine Spine1 Neck1 Head Head_End LeftShoulder LeftArm LeftForeArm LeftHand LIndex_End RightShoulder "
    "RightArm RightForeArm RightHand RIndex_End LeftUpLeg LeftLeg LeftFoot LeftToeBase RightUpLeg RightLeg RightFoot "
    "RightToeBase",
    "mixamo": "mixamorig:Hips mixamorig:Spine mixamorig:Spine2 mixamorig:Neck mixamorig:Head mixamorig:HeadTop_End "
    "mixamorig:LeftShoulder mixamorig:LeftArm mixamorig:LeftForeArm mixamorig:LeftHand mixamorig:LeftHandMiddle4 "
    "mixamorig:RightShoulder mixamorig:RightArm mixamorig:RightForeArm mixamorig:RightHand mixamorig:RightHandMiddle4 "
    "mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot mixamorig:LeftToeBase mixamorig:RightUpLeg "
    "mixamorig:RightLeg mixamorig:RightFoot mixamorig:RightToeBase",
    "bandai": "Hips Spine Chest Neck Head Head_end Shoulder_L UpperArm_L LowerArm_L Hand_L Hand_L_end Shoulder_R "
    "UpperArm_R LowerArm_R Hand_R Hand_R_end UpperLeg_L LowerLeg_L Foot_L Toes_L UpperLeg_R LowerLeg_R Foot_R Toes_R",
    "lafan": "Hips Spine Spine2 Neck Head Head_End LeftShoulder LeftArm LeftForeArm LeftHand LeftHand_End "
    "RightShoulder RightArm RightForeArm RightHand RightHand_End LeftUpLeg LeftLeg LeftFoot LeftToe RightUpLeg "
    "RightLeg RightFoot RightToe",
    "smpl": "pelvis spine1 spine3 neck head head_end left_collar left_shoulder left_elbow left_wrist left_middle3 "
    "right_collar right_shoulder right_elbow right_wrist right_middle3 left_hip left_knee left_ankle left_foot "
    "right_hip right_knee right_ankle right_foot",
    "soma": "Hips Spine1 Chest Neck1 Head HeadEnd LeftShoulder LeftArm LeftForeArm LeftHand LeftHandMiddle4 "
    "RightShoulder RightArm RightForeArm RightHand RightHandMiddle4 LeftLeg LeftShin LeftFoot LeftToeBase RightLeg "
    "RightShin RightFoot RightToeBase",
    "unreal": "pelvis spine_01 spine_03 neck_01 head head_end clavicle_l upperarm_l lowerarm_l hand_l hand_l_end "
    "clavicle_r upperarm_r lowerarm_r hand_r hand_r_end thigh_l calf_l foot_l ball_l thigh_r calf_r foot_r ball_r",
    "h36m": "Hips Spine Spine1 Neck Head Head_End LeftShoulder LeftArm LeftForeArm LeftHand LeftWrist_End "
    "RightShoulder RightArm RightForeArm RightHand RightWrist_End LeftUpLeg LeftLeg LeftFoot LeftToeBase RightUpLeg "
    "RightLeg RightFoot RightToeBase",
}
SLANTING = {"l_shoulder": (0.0, 0.0, -0.8), "r_shoulder": (0.0, 0.0, 0.8)}
"""World turns that bring the arms of a T-pose into that of the Unreal mannequin's rest."""


def named(motion: Motion, family: str) -> Motion:
    """The motion of kinema24 under another scheme's names; nothing else changes."""
    body = motion.skeleton
    return replace(motion, skeleton=Skeleton(family, tuple(FAMILIES[family].split()), body.parents, body.offsets))


def reposed(motion: Motion, turns: torch.Tensor) -> Motion:
    """The same motion of a body whose rest pose is another: `turns` are the joints' world turns in the new rest."""
    body = motion.skeleton
    _, world = forward_kinematics(motion.rotations, motion.root, body.offsets, body.parents)
    above = torch.cat((torch.eye(3)[None], turns[list(body.parents[1:])]))
    offsets = (above @ body.offsets[..., None])[..., 0]
    moved = world @ turns.mT
    local = moved[..., list(body.parents), :, :].mT @ moved
    rotations = torch.cat((moved[..., :1, :, :], local[..., 1:, :, :]), -3)
    skeleton = Skeleton(body.name, body.joints, body.parents, offsets, aliases=dict(body.aliases))
    return replace(motion, skeleton=skeleton, rotations=rotations)


def slanting(motion: Motion) -> Motion:
    """A body whose arms slant down at rest (A-pose)."""
    joints = {name: place for place, name in enumerate(motion.skeleton.joints)}
    turns = torch.eye(3).repeat(24, 1, 1)
    for name, turn in SLANTING.items():
        for below in range(joints[name], joints[name] + 4):
            turns[below] = rotvec_to_rotmat(torch.tensor(turn))
    return reposed(motion, turns)


def along_x(motion: Motion, seed: int = 0) -> Motion:
    """A body whose rest pose is no pose at all: every joint's own axes lie anyhow."""
    generator = torch.Generator().manual_seed(seed)
    return reposed(motion, rotvec_to_rotmat(2 * torch.randn(24, 3, generator=generator)))
