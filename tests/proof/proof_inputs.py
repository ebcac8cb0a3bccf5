"""Files that the proof asks about, written here from sines: three bodies as BVH, keypoints, and small data sets.

Nothing of kinema is used, so that what goes in stays the same whatever becomes of the package. Numbers are rounded as
they are written: the last digit of a sine on another processor does not reach the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

# Role, parent, offset from it in centimetres: a T-pose that faces +z, 24 joints.
BODY: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("pelvis", "", (0, 0, 0)),
    ("spine", "pelvis", (0, 11, -1)), ("chest", "spine", (0, 24, 0)), ("neck", "chest", (0, 20, -2)),
    ("head", "neck", (0, 9, 2)), ("head_end", "head", (0, 18, 1)),
    ("l_collar", "chest", (4, 15, 0)), ("l_shoulder", "l_collar", (14, 0, -1)), ("l_elbow", "l_shoulder", (28, 0, 0)),
    ("l_wrist", "l_elbow", (25, 0, 0)), ("l_hand", "l_wrist", (9, 0, 0)),
    ("r_collar", "chest", (-4, 15, 0)), ("r_shoulder", "r_collar", (-14, 0, -1)),
    ("r_elbow", "r_shoulder", (-28, 0, 0)), ("r_wrist", "r_elbow", (-25, 0, 0)), ("r_hand", "r_wrist", (-9, 0, 0)),
    ("l_hip", "pelvis", (9, -5, 0)), ("l_knee", "l_hip", (0, -41, 0)), ("l_ankle", "l_knee", (0, -41, -2)),
    ("l_toe", "l_ankle", (0, -7, 14)),
    ("r_hip", "pelvis", (-9, -5, 0)), ("r_knee", "r_hip", (0, -41, 0)), ("r_ankle", "r_knee", (0, -41, -2)),
    ("r_toe", "r_ankle", (0, -7, 14)),
)  # fmt: skip
ROLES = tuple(role for role, _, _ in BODY)
PARENTS = tuple(ROLES.index(above) if above else -1 for _, above, _ in BODY)
_CANON17 = (
    "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle spine chest neck head l_shoulder l_elbow l_wrist r_shoulder "
    "r_elbow r_wrist"
)
_COCO17 = (
    "head head head head head l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle "
    "r_ankle"
)
# The joints of `BODY`, in its order, by the names of other programs.
_NAMES = {
    "mixamo": "Hips Spine Spine2 Neck Head HeadTop_End LeftShoulder LeftArm LeftForeArm LeftHand LeftHandMiddle4 "
    "RightShoulder RightArm RightForeArm RightHand RightHandMiddle4 LeftUpLeg LeftLeg LeftFoot LeftToeBase RightUpLeg "
    "RightLeg RightFoot RightToeBase",
    "cgspeed": "hip abdomen chest neck head head_end lCollar lShldr lForeArm lHand lHand_end rCollar rShldr rForeArm "
    "rHand rHand_end lThigh lShin lFoot lFoot_end rThigh rShin rFoot rFoot_end",
    "bandai": "Hips Spine Chest Neck Head Head_end Shoulder_L UpperArm_L LowerArm_L Hand_L Hand_L_end Shoulder_R "
    "UpperArm_R LowerArm_R Hand_R Hand_R_end UpperLeg_L LowerLeg_L Foot_L Toes_L UpperLeg_R LowerLeg_R Foot_R Toes_R",
}
CANON17, COCO17 = _CANON17.split(), _COCO17.split()
NAMES = {
    scheme: tuple("mixamorig:" * (scheme == "mixamo") + name for name in names.split())
    for scheme, names in _NAMES.items()
}
# LaFAN1's 22 joints in its own order, each with the role that moves it ("" moves nothing) and where it hangs.
LAFAN: tuple[tuple[str, int, str], ...] = (
    ("Hips", -1, "pelvis"), ("LeftUpLeg", 0, "l_hip"), ("LeftLeg", 1, "l_knee"), ("LeftFoot", 2, "l_ankle"),
    ("LeftToe", 3, "l_toe"), ("RightUpLeg", 0, "r_hip"), ("RightLeg", 5, "r_knee"), ("RightFoot", 6, "r_ankle"),
    ("RightToe", 7, "r_toe"), ("Spine", 0, "spine"), ("Spine1", 9, ""), ("Spine2", 10, "chest"), ("Neck", 11, "neck"),
    ("Head", 12, "head"), ("LeftShoulder", 11, "l_collar"), ("LeftArm", 14, "l_shoulder"),
    ("LeftForeArm", 15, "l_elbow"), ("LeftHand", 16, "l_wrist"), ("RightShoulder", 11, "r_collar"),
    ("RightArm", 18, "r_shoulder"), ("RightForeArm", 19, "r_elbow"), ("RightHand", 20, "r_wrist"),
)  # fmt: skip
CMU_ACTIONS = (
    "basketball", "basketball_signal", "directing_traffic", "jumping", "running", "soccer", "walking", "washwindow",
)  # fmt: skip


@dataclass(frozen=True)
class Tree:
    """Joints of a file: names, parents, offsets in centimetres, and the role that moves each ("" none)."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    roles: tuple[str, ...]


def tree(scheme: str) -> Tree:
    if scheme != "lafan":
        offsets = np.array([offset for _, _, offset in BODY], dtype=float)
        return Tree(NAMES[scheme], PARENTS, offsets, ROLES)
    own = {role: np.array(offset, dtype=float) for role, _, offset in BODY} | {"": np.array([0.0, 12.0, 0.0])}
    offsets = np.stack([own[role] for _, _, role in LAFAN])
    offsets[11] = (0, 12, 0)  # the spine's length, over two bones
    return Tree(tuple(row[0] for row in LAFAN), tuple(row[1] for row in LAFAN), offsets, tuple(row[2] for row in LAFAN))


def swing(role: str, phase: float, seed: int) -> tuple[float, float, float]:
    """Degrees about x, y and z of a joint at a phase of the step (radians): somebody who walks."""
    vary = 1 + 0.12 * math.sin(1.7 * seed + len(role))
    left = 1.0 if role.startswith("l_") else -1.0
    leg = phase if left > 0 else phase + math.pi
    part = role[2:] if role[1:2] == "_" else role
    angles = {
        "pelvis": (2 * math.sin(2 * phase), 6 * math.sin(phase) + 4 * seed, 2 * math.sin(phase + 1)),
        "spine": (3 + math.sin(2 * phase), -5 * math.sin(phase), 1.5 * math.sin(phase)),
        "chest": (2, -6 * math.sin(phase), 1.0 * math.sin(2 * phase + seed)),
        "neck": (4, 3 * math.sin(phase), 0),
        "head": (-3 + 2 * math.sin(2 * phase + seed), 8 * math.sin(0.5 * phase), 0),
        "collar": (0, 3 * math.sin(leg), 2 * left),
        "shoulder": (8 * math.sin(leg), -20 * left * math.sin(leg), -68 * left + 4 * math.sin(2 * leg)),
        "elbow": (0, -left * (22 + 14 * math.sin(leg + 0.5)), 0),
        "wrist": (6 * math.sin(leg + 1), 0, 5 * left * math.sin(2 * leg)),
        "hip": (-24 * math.sin(leg), 3 * left, 2 * left + 2 * math.sin(leg)),
        "knee": (28 - 24 * math.cos(leg + 0.6), 0, 0),
        "ankle": (-6 + 12 * math.sin(leg + 0.9), 0, 0),
        "toe": (6 * math.sin(leg + 1.3), 0, 0),
    }.get(part, (0.0, 0.0, 0.0))
    return (angles[0] * vary, angles[1], angles[2] * vary)


def walk(scheme: str, frames: int, fps: float, seed: int = 0) -> tuple[Tree, np.ndarray, np.ndarray]:
    """A walker: tree, Euler angles in degrees (frame, joint, xyz; applied as Ry Rx Rz), root in centimetres."""
    body = tree(scheme)
    angles, root = np.zeros((frames, len(body.names), 3)), np.zeros((frames, 3))
    for frame in range(frames):
        time = frame / fps
        phase = 2 * math.pi * (0.9 + 0.05 * math.sin(seed)) * time + seed
        for joint, role in enumerate(body.roles):
            angles[frame, joint] = swing(role, phase, seed)
        heading = 0.3 * time + 0.2 * seed
        angles[frame, 0, 1] += math.degrees(heading)
        root[frame] = (
            110 * math.sin(heading) * time + 10 * seed, 94 + 2 * math.cos(2 * phase), 110 * math.cos(heading) * time,
        )  # fmt: skip
    return body, angles.round(4), root.round(4)


def matrices(angles: np.ndarray) -> Rotation:
    """The rotations of `walk`, frame by frame and joint by joint, in one row."""
    return Rotation.from_euler("YXZ", angles.reshape(-1, 3)[:, [1, 0, 2]], degrees=True)


def write_bvh(
    path: Path, scheme: str, frames: int, fps: float, *, seed: int = 0, order: str = "YXZ", unit: float = 1.0
) -> Path:
    """A walker as BVH with channels in `order`; `unit` file units make a centimetre."""
    body, angles, root = walk(scheme, frames, fps, seed)
    turned = matrices(angles).as_euler(order, degrees=True).reshape(frames, -1, 3)
    children = [
        [child for child, parent in enumerate(body.parents) if parent == joint] for joint in range(len(body.names))
    ]
    lines: list[str] = []
    listed: list[int] = []

    def visit(joint: int, depth: int) -> None:
        listed.append(joint)
        pad = "\t" * depth
        offset = " ".join(f"{value * unit:.6f}" for value in body.offsets[joint])
        rotation = " ".join(f"{axis}rotation" for axis in order)
        moves = "6 Xposition Yposition Zposition" if joint == 0 else "3"
        lines.extend([f"{pad}{'JOINT' if joint else 'ROOT'} {body.names[joint]}", f"{pad}{{"])
        lines.extend([f"{pad}\tOFFSET {offset}", f"{pad}\tCHANNELS {moves} {rotation}"])
        for child in children[joint]:
            visit(child, depth + 1)
        if not children[joint]:
            end = " ".join(f"{value * unit * 0.4:.6f}" for value in body.offsets[joint])
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {end}", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    visit(0, 0)
    rows = [
        " ".join(f"{value:.4f}" for value in (*(root[frame] * unit), *turned[frame, listed].reshape(-1)))
        for frame in range(frames)
    ]
    head = ["HIERARCHY", *lines, "MOTION", f"Frames: {frames}", f"Frame Time: {1 / fps:.7f}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*head, *rows]) + "\n")
    return path


def damage_bvh(source: Path, path: Path) -> Path:
    """The same file with a joint that jumps for three frames and six frames that stand still."""
    lines = source.read_text().splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    for frame in (14, 15, 16):
        values = lines[first + frame].split()
        values[12] = f"{float(values[12]) + 70:.4f}"
        lines[first + frame] = " ".join(values)
    for frame in range(30, 36):
        lines[first + frame] = lines[first + 29]
    path.write_text("\n".join(lines) + "\n")
    return path


def places(scheme: str, frames: int, fps: float, seed: int = 0) -> np.ndarray:
    """Where the joints are, in metres: (frame, joint, 3)."""
    body, angles, root = walk(scheme, frames, fps, seed)
    local = matrices(angles).as_matrix().reshape(frames, -1, 3, 3)
    world, found = np.zeros_like(local), np.zeros((frames, len(body.names), 3))
    for joint, parent in enumerate(body.parents):
        world[:, joint] = local[:, joint] if parent < 0 else world[:, parent] @ local[:, joint]
        found[:, joint] = root if parent < 0 else found[:, parent] + world[:, parent] @ body.offsets[joint]
    return found / 100


def write_keypoints(path: Path, frames: int, seed: int = 0) -> Path:
    """A walker as a camera sees it, in AlphaPose's layout with COCO's seventeen, some of them missing."""
    observed = places("mixamo", frames, 30.0, seed)
    index = {role: place for place, role in enumerate(ROLES)}
    pages: list[dict[str, Any]] = []
    for frame in range(frames):
        row: list[float] = []
        for place, role in enumerate(COCO17):
            x, y, z = observed[frame, index[role]]
            shift = (0, 2, -2, 5, -5)[place] if place < 5 else 0
            lost = (frame + 3 * place) % 23 == 0
            depth = 4.5 + 0.3 * z
            row += [0, 0, 0] if lost else [
                round(640 + 900 * (z * 0.6 - x * 0.5) / depth + shift, 3), round(700 - 900 * y / depth - abs(shift), 3),
                round(0.75 + 0.2 * math.sin(frame + place), 3),
            ]  # fmt: skip
        box = [100.0, 100.0, 300.0, 500.0]
        pages.append(
            {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": row, "score": 2.5, "box": box, "idx": 1}
        )
    path.write_text(json.dumps(pages))
    return path


def write_pack(
    path: Path, names: Sequence[str], splits: Sequence[int], *, scheme: str, frames: int, fps: float
) -> None:
    """Walkers as a pack of rotations, in the layout of the open packs."""
    rotations: list[np.ndarray] = []
    roots: list[np.ndarray] = []
    for seed in range(len(names)):
        body, angles, root = walk(scheme, frames, fps, seed)
        vectors = matrices(angles).as_rotvec().reshape(frames, -1, 3)
        rotations.append((vectors * 32767 / np.pi).round().astype(np.int16))
        roots.append((root / 100).astype(np.float32))
    body = tree(scheme)
    np.savez(
        path, rot=np.concatenate(rotations), root=np.concatenate(roots), start=np.arange(len(names) + 1) * frames,
        parents=np.array(body.parents), joints=np.array(body.names),
        offsets=(body.offsets / 100)[None].astype(np.float32),
        skel=np.zeros(len(names), int), fps=np.float64(fps), label=np.arange(len(names)) % 2,
        labels=np.array(["walk", "stroll"]), split=np.array(splits), name=np.array(names),
        jumps=np.zeros(len(names), int), canon17=np.array([ROLES.index(role) for role in CANON17]),
    )  # fmt: skip


def wander(frames: int, width: int, seed: int, step: float) -> np.ndarray:
    """Sums of slow sines: each column goes its own way."""
    time = np.arange(frames)[:, None] / 60
    column = np.arange(width)[None]
    pace = 1.5 + 0.37 * ((column * 7 + seed) % 11)
    return (step * np.sin(pace * time + column + seed) * (1 + 0.2 * np.sin(2.3 * time + seed))).round(6)


def write_cmu(folder: Path) -> None:
    """The CMU forecasting benchmark, short, without the two test files that are hard to get."""
    names = [f"{part}/{action}/{action}_{k}" for part, count in (("train", 5), ("test", 1)) for action in CMU_ACTIONS
             for k in range(1, count + 1)]  # fmt: skip
    names = [name for name in names if not name.startswith(("test/basketball_signal", "test/directing"))]
    lengths = [152 if name.startswith("test/") else 76 for name in names]
    rows = [wander(frames, 117, seed, 0.3).astype(np.float32) for seed, frames in enumerate(lengths)]
    start = np.cumsum([0, *lengths])
    np.savez(folder / "cmu_forecast.npz", expmap=np.concatenate(rows), start=start, name=np.array(names))


def write_h36m(folder: Path) -> None:
    """Two actions of subject 5 as exponential maps."""
    (folder / "S5").mkdir(parents=True)
    for place, action in enumerate(("walking", "eating")):
        for clip, frames in ((1, 360), (2, 380)):
            rows = wander(frames, 99, 10 * place + clip, 0.25)
            rows[:, :3] *= 100
            text = "".join(",".join(f"{x:.6f}" for x in row) + "\n" for row in rows)
            (folder / "S5" / f"{action}_{clip}.txt").write_text(text)


def drift(frames: int, joints: int, seed: int) -> np.ndarray:
    """Joints that drift about their places: metres, z up."""
    rest = np.stack([0.5 * np.sin(np.arange(joints) * 1.3), 0.5 * np.cos(np.arange(joints) * 2.1),
                     1 + 0.4 * np.sin(np.arange(joints) * 3.7)], -1)  # fmt: skip
    return (rest + wander(frames, 3 * joints, seed, 0.12).reshape(frames, joints, 3)).round(5).astype(np.float32)


def write_archive(path: Path, subjects: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    np.savez_compressed(path, positions_3d=np.array(subjects, dtype=object))


def write_positions(folder: Path) -> None:
    """Human3.6M and HumanEva-I as archives of positions."""
    h36m = {
        subject: {take: drift(176, 32, 7 * number + place) for place, take in enumerate(("Walking", "Photo 1"))}
        for number, subject in enumerate(("S1", "S5", "S6", "S7", "S8", "S9", "S11"))
    }
    write_archive(folder / "data_3d_h36m.npz", h36m)
    sets = [f"{part}/S{subject}" for part in ("Train", "Validate") for subject in (1, 2, 3)]
    takes = ("Walking 1 chunk0", "Walking 1 chunk2", "Walking 1 chunk4", "Jog 1 chunk1")
    # The nearest neighbour needs fifty windows of training.
    eva = {
        name: {take: drift(181 if "Train" in name else 91, 15, 5 * number + place) for place, take in enumerate(takes)}
        for number, name in enumerate(sets)
    }
    write_archive(folder / "data_3d_humaneva15.npz", eva)


def write_amass(folder: Path) -> None:
    """Three takes in AMASS's layout and a body model of four vertices around every joint."""
    for name, frames, fps, seed in (
        ("amass/DanceDB/1/a_poses", 2 * 421, 120.0, 0), ("amass/SOMA/1/b_poses", 301, 60.0, 1),
        ("amass/CMU/01/01_01_poses", 400, 100.0, 2),
    ):  # fmt: skip
        path = folder / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path, poses=wander(frames, 156, seed, 0.2), trans=wander(frames, 3, seed, 0.3) + np.array([0, 0, 0.9]),
            betas=wander(1, 16, seed, 1.0)[0], gender=np.array("neutral"), mocap_framerate=np.array(fps),
        )  # fmt: skip
    # SMPL-H: the body, then three joints of five fingers for each hand.
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
    for wrist in (20, 21):
        for _ in range(5):
            first = len(parents)
            parents += [wrist, first, first + 1]
    joints = len(parents)
    at = np.zeros((joints, 3))
    for joint, parent in enumerate(parents):
        step = 0.12 * np.array([math.sin(2.1 * joint), math.cos(1.3 * joint), 0.4 * math.sin(joint)])
        at[joint] = step + (at[parent] if joint else 0)
    around = np.repeat(at, 4, 0) + 0.01 * np.tile([[1, 1, 0], [-1, 1, 0], [0, -1, 1], [0, -1, -1]], (joints, 1))
    tree_row = np.array(parents, dtype=np.int64)
    tree_row[0] = 2**32 - 1
    path = folder / "body_models/smplh/neutral/model.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, v_template=around, shapedirs=wander(4 * joints, 48, 5, 0.01).reshape(4 * joints, 3, 16),
        J_regressor=np.kron(np.eye(joints), np.full((1, 4), 0.25)),
        kintree_table=np.stack((tree_row, np.arange(joints))),
        f=np.zeros((2, 3), dtype=np.uint32),
    )  # fmt: skip


def write_open(folder: Path) -> None:
    """The open packs, each three recordings of training and one of test."""
    cmu, hdm, splits = ("01_01", "01_02", "01_03", "02_01"), ("bd_01", "dg_01", "mm_01", "tr_01"), (0, 0, 0, 2)
    write_pack(folder / "cmu_bvh.npz", cmu, splits, scheme="cgspeed", frames=290, fps=60)
    write_pack(folder / "hdm05.npz", hdm, splits, scheme="bandai", frames=146, fps=30)


def write_bandai(folder: Path) -> None:
    """The pack that one protocol of generation asks for."""
    names = [f"dataset-2_{content}_normal_{number:03d}" for number in (1, 2, 3) for content in ("walk", "run")]
    write_pack(folder / "bandai2.npz", names, (0, 0, 1, 1, 2, 2), scheme="bandai", frames=140, fps=30)


def write_lafan(folder: Path) -> None:
    for subject in (1, 5):
        write_bvh(folder / f"walk1_subject{subject}.bvh", "lafan", 146, 30, seed=subject, order="ZYX")


Writer = Callable[[Path], None]
DATA: dict[str, Writer] = {
    "cmu": write_cmu, "h36m": write_h36m, "positions": write_positions, "amass": write_amass, "open": write_open,
    "lafan": write_lafan, "bandai": write_bandai,
}  # fmt: skip


def write_clips(folder: Path) -> None:
    """The three files of every verb, the second half of one, a damaged copy of each, and keypoints."""
    for name, scheme, frames, fps, order, unit in (
        ("mixamo", "mixamo", 96, 60.0, "ZXY", 1.0), ("lafan", "lafan", 60, 30.0, "ZYX", 1.0),
        ("inches", "cgspeed", 50, 24.0, "XYZ", 1 / 2.54),
    ):  # fmt: skip
        write_bvh(folder / f"{name}.bvh", scheme, frames, fps, order=order, unit=unit)
        write_bvh(folder / f"{name}_after.bvh", scheme, frames, fps, seed=2, order=order, unit=unit)
        damage_bvh(folder / f"{name}.bvh", folder / f"{name}_bad.bvh")
    write_keypoints(folder / "video.json", 40)
