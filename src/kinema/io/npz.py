"""Kinema NPZ: named arrays, no pickle. A superset of the keys that other motion tools write.

| key | shape | |
|---|---|---|
| `posed_joints` | ..., frame, joint, 3 | joint positions |
| `local_rot_mats`, `global_rot_mats` | ..., frame, joint, 3, 3 | column vectors; absent from a file of positions |
| `root_positions` | ..., frame, 3 | |
| `foot_contacts` | ..., frame, 4 | left heel, left toe, right heel, right toe |
| `fps`, `up`, `unit` | | frames per second, "y" and "m"; of points of a picture "-y" and "px" |
| `confidence` | ..., frame, joint | 0 unseen (the position is NaN or of no meaning) to 1; only where points have it |
| `joint_names`, `parents`, `rest_offsets`, `skeleton` | joint ... | |
| `offsets` | ..., frame, joint, 3 | only where bones are animated |
| `betas`, `gender` | shape | only where the clip came from a file of the SMPL family that says them |
| `action`, `identity`, `format_version` | | |

Leading axes (...) are a batch. Always written in metres, y up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.atomic import atomic_path
from kinema.core.errors import FormatError, damaged, warn_of_file
from kinema.core.safe_zip import read_npz
from kinema.io.conventions import UpAxis, upright
from kinema.motion.feet.contacts import contact_joints, foot_contacts
from kinema.motion.motion import Clip, FileLayout, Motion, Points
from kinema.motion.orientation import AXES
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton

FORMAT_VERSION = 1
_MOST_JOINTS = 512
_UNSAID = "no key 'up'"
_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "px": 1.0}


def save(clip: Clip, path: Path | str) -> None:
    """Write a clip (with any batch axes) as kinema NPZ, atomically."""
    skeleton = clip.skeleton
    flat = clip if isinstance(clip, Points) and clip.positions.shape[-1] == 2 else None
    arrays: dict[str, Any] = {
        "posed_joints": clip.points().positions.numpy(),
        "fps": np.float64(clip.fps),
        "joint_names": np.array(skeleton.joints),
        "parents": np.array(skeleton.parents, dtype=np.int64),
        "rest_offsets": skeleton.offsets.numpy(),
        "skeleton": np.array(skeleton.name),
        "up": np.array("y" if flat is None else "-y"),
        "unit": np.array("m" if flat is None else "px"),
        "identity": np.array(clip.identity),
        "format_version": np.int64(FORMAT_VERSION),
    }
    if clip.action is not None:
        arrays["action"] = np.array(clip.action)
    if contact_joints(skeleton) is not None and arrays["posed_joints"].shape[-1] == 3:
        arrays["foot_contacts"] = foot_contacts(clip).numpy()
    if isinstance(clip, Points) and clip.confidence is not None:
        arrays["confidence"] = clip.confidence.numpy()
    if isinstance(clip, Motion):
        arrays |= {"local_rot_mats": clip.rotations.numpy(), "global_rot_mats": clip.global_rotations().numpy()}
        arrays["root_positions"] = clip.root.numpy()
        if clip.offsets is not None:
            arrays["offsets"] = clip.offsets.numpy()
        if clip.layout is not None and (clip.layout.betas or clip.layout.gender):
            arrays |= {"betas": np.array(clip.layout.betas), "gender": np.array(clip.layout.gender)}
    with atomic_path(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load(
    path: Path | str,
    *,
    fps: float | None = None,
    unit: float | None = None,
    skeleton: Skeleton | None = None,
    up: UpAxis | None = None,
) -> Clip:
    """The clip in an NPZ: a Motion where it holds rotations, else Points; of positions NaN is unseen.

    `fps`, `unit` (metres per unit), `skeleton` and `up` stand in for keys that a foreign file lacks; where both are
    there, the argument wins. Raises FormatError naming the key where one is missing, pickled, misshapen or not finite.
    """
    path = Path(path)
    file = _File(path.name, read_npz(path))
    if {"posed_joints", "global_rot_mats", "local_rot_mats"} <= set(file.arrays) and "parents" not in file.arrays:
        file.arrays |= _foreign_tree(file, path)
    rate = fps if fps is not None else file.rate()
    scale = unit if unit is not None else file.scale()
    body = skeleton if skeleton is not None else file.skeleton(scale)
    axis = up or file.text("up")
    if axis not in (None, "keep", *AXES):
        raise file.error("up", f"one of {', '.join(AXES)}", f"'{axis}'", "Say which axis is up: --up z.")
    action, identity = file.text("action"), file.text("identity") or f"file/{path.stem}"
    if "local_rot_mats" not in file.arrays:
        positions = file.clip("posed_joints", (len(body),)) * scale
        sure = file.confidence(positions)
        return upright(Points(body, positions, rate, action, identity, sure), axis, path.name, unsaid=_UNSAID)
    rotations = file.clip("local_rot_mats", (len(body), 3, 3))
    root = file.clip("root_positions", (3,)) * scale
    if root.shape[:-1] != rotations.shape[:-3]:
        got = f"{tuple(root.shape)} beside {tuple(rotations.shape)}"
        raise file.error("root_positions", "as many frames as local_rot_mats", got, "Save the clip again.")
    offsets = file.clip("offsets", (len(body), 3)) * scale if "offsets" in file.arrays else None
    layout = None
    if "betas" in file.arrays and "gender" in file.arrays:
        betas = file.arrays["betas"]
        if betas.dtype.kind not in "fiu" or betas.ndim != 1 or not np.isfinite(betas).all():
            got = f"{betas.dtype} of shape {betas.shape}"
            raise file.error("betas", "a row of finite numbers", got, "Save the clip again.")
        layout = FileLayout(body.joints, (), 1.0, "", betas=tuple(betas.tolist()), gender=file.text("gender") or "")
    clip = Motion(body, rotations, root, rate, action, identity, offsets, layout)
    return upright(clip, axis, path.name, unsaid=_UNSAID)


def _foreign_tree(file: _File, path: Path) -> dict[str, NDArray[Any]]:
    """Names, tree, bones, rate and unit of an NPZ of Kimodo, which has positions and both kinds of rotations only.

    The parent of a joint is the one before it whose global rotation, times the joint's local one, is the joint's own
    global rotation, and from which it keeps its place; of several, the nearest.
    """
    positions, total, local = (file.arrays[key] for key in ("posed_joints", "global_rot_mats", "local_rot_mats"))
    for key, array in (("posed_joints", positions), ("global_rot_mats", total), ("local_rot_mats", local)):
        if array.dtype.kind not in "fiu" or not array.size:
            raise file.error(key, "numbers", f"{array.dtype} of shape {array.shape}", "Save it again.")
    count = positions.shape[-2] if positions.ndim > 2 and positions.shape[-1] == 3 else 0
    if not 0 < count <= _MOST_JOINTS or total.shape != (*positions.shape, 3) or local.shape != total.shape:
        got = f"positions of shape {positions.shape}"
        raise file.error("posed_joints", "positions, and rotations of as many joints", got, "Save it again.")
    one = (0,) * (positions.ndim - 3)
    positions, total, local = (array[one].astype(np.float64)[::7][:64] for array in (positions, total, local))
    known = skeleton("smpl22") if count == 22 else None
    parents, offsets = [-1], np.zeros((count, 3))
    for joint in range(1, count):
        away = positions[:, joint, None] - positions[:, :joint]  # frame, joint before, 3
        own = np.einsum("tpji,tpj->tpi", total[:, :joint], away)
        drift = np.ptp(own, axis=0).max(-1)
        misfit = np.abs(total[:, :joint] @ local[:, joint, None] - total[:, joint, None]).max((0, 2, 3))
        cost = np.where((misfit < 1e-2) & (drift < 1e-2), np.linalg.norm(own, axis=-1).mean(0), 1e3 + misfit + drift)
        if known is not None and cost[known.parents[joint]] < 1e3:
            cost[known.parents[joint]] = 0.0
        parents.append(int(cost.argmin()))
        offsets[joint] = np.median(own[:, parents[-1]], 0)
    usual = known is not None and tuple(parents) == known.parents
    names = known.joints if known is not None and usual else tuple(f"joint {joint}" for joint in range(count))
    found: dict[str, NDArray[Any]] = {"joint_names": np.array(names), "parents": np.array(parents)}
    found |= {"rest_offsets": offsets, "skeleton": np.array(path.stem), "unit": np.array("m"), "up": np.array("y")}
    if "fps" not in file.arrays:
        warn_of_file(path, "the file says no rate; Kimodo's 30 frames per second are taken, --source-fps overrides it")
        found["fps"] = np.array(30.0)
    return {key: value for key, value in found.items() if key not in file.arrays}


@dataclass
class _File:
    """The arrays of one file, and how to complain about them."""

    name: str
    arrays: dict[str, NDArray[Any]]

    def error(self, key: str, expected: str, got: str, cure: str) -> FormatError:
        """The error about one key."""
        return damaged(f"{self.name}, key '{key}'", expected, got, cure)

    def need(self, key: str, cure: str) -> NDArray[Any]:
        """The array under a key that must be there."""
        if key not in self.arrays:
            known = ", ".join(sorted(self.arrays)) or "no keys"
            raise self.error(key, f"the key '{key}'", known, cure)
        return self.arrays[key]

    def text(self, key: str) -> str | None:
        """The text under a key, None where there is none."""
        return str(self.arrays[key]) if key in self.arrays else None

    def rate(self) -> float:
        """Frames per second."""
        cure = "Say the frame rate: --source-fps 30 (fps=30)."
        rate = self.need("fps", cure)
        if rate.size != 1 or rate.dtype.kind not in "fiu" or not 0 < rate.item() < np.inf:
            raise self.error("fps", "a number above 0", str(rate)[:40], cure)
        return float(rate.item())

    def scale(self) -> float:
        """Metres per unit."""
        unit = str(self.need("unit", "Say the unit in metres: --unit 0.01 for centimetres (unit=0.01)."))
        if unit not in _UNITS:
            raise self.error(
                "unit", f"one of {', '.join(_UNITS)}", f"'{unit}'", "Say it in metres: --unit 0.01 for centimetres."
            )
        return _UNITS[unit]

    def clip(self, key: str, tail: tuple[int, ...]) -> Float[Tensor, "..."]:
        """A float32 tensor whose shape is (..., frame, *tail), or (..., frame, *tail, 2 or 3) for positions."""
        array = self.need(key, "Save the clip again.")
        free = 1 if key == "posed_joints" else 0
        around = len(tail) + free
        shape = array.shape[-around:]
        if (
            array.ndim <= around
            or shape[: len(tail)] != tail
            or (free and shape[-1] not in (2, 3))
            or array.dtype.kind not in "fiu"
        ):
            expected = f"numbers of shape (..., frame, {', '.join(map(str, tail))}{', 2 or 3' if free else ''})"
            raise self.error(
                key,
                expected,
                f"{array.dtype} of shape {array.shape}",
                "Write the array with one row per joint of its skeleton.",
            )
        if not free and not np.isfinite(array).all():
            frame = int(np.argwhere(~np.isfinite(array))[0][array.ndim - around - 1])
            raise self.error(key, "finite numbers", f"NaN or infinity in frame {frame}", "Repair or cut the clip.")
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

    def confidence(
        self, positions: Float[Tensor, "*batch frame joint dim"]
    ) -> Float[Tensor, "*batch frame joint"] | None:
        """Confidence of each position: the file's, 0 where a position is not finite; None: all are exact."""
        known = positions.isfinite().all(-1)
        if "confidence" not in self.arrays:
            return None if bool(known.all()) else known.float()
        sure = self.clip("confidence", positions.shape[-2:-1])
        if sure.shape != known.shape:
            got = f"{tuple(sure.shape)} beside {tuple(positions.shape)}"
            raise self.error("confidence", "one number for each of posed_joints", got, "Save the clip again.")
        return torch.where(known, sure, 0.0)

    def skeleton(self, scale: float) -> Skeleton:
        """The body that the file describes; without rest offsets, the bones of its first frame."""
        cure = "Give the body: skeleton=kinema.motion.skeletons.skeleton(NAME)."
        names = self.need("joint_names", cure)
        if names.dtype.kind not in "US" or names.ndim != 1:
            raise self.error("joint_names", "one name for each joint", f"{names.dtype} {names.shape}", cure)
        joints = tuple(str(joint) for joint in names)
        numbers = self.need("parents", cure)
        if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
            raise self.error("parents", "one whole number for each joint", f"{numbers.dtype} {numbers.shape}", cure)
        parents = tuple(int(parent) for parent in numbers)
        if "rest_offsets" in self.arrays:
            offsets = self.arrays["rest_offsets"]
            if offsets.dtype.kind not in "fiu" or offsets.shape != (len(joints), 3):
                got = f"{offsets.dtype} of shape {offsets.shape}"
                raise self.error("rest_offsets", f"numbers of shape ({len(joints)}, 3)", got, cure)
            offsets = offsets.astype(np.float64)
        else:
            first = self.clip("posed_joints", (len(joints),)).double().numpy()
            first = np.pad(first, [(0, 0)] * (first.ndim - 1) + [(0, 3 - first.shape[-1])]).reshape(-1, len(joints), 3)[
                0
            ]
            offsets = np.nan_to_num(first - first[[max(parent, 0) for parent in parents]])
        return Skeleton(self.text("skeleton") or "file", joints, parents, torch.from_numpy(offsets * scale))
