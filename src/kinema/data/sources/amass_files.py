"""One recording of AMASS: both layouts of its npz files, and the spellings of its data sets.

SMPL and SMPL-H releases (`*_poses.npz`) write `poses` (frame, 72 or 156) and `mocap_framerate`; the SMPL-X release
(`*_stageii.npz`) writes `poses` (frame, 165), or its parts, and `mocap_frame_rate`. Rotation vectors in radians,
`trans` in metres, z up. Files of shapes and calibration among them are no recordings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.errors import FormatError
from kinema.core.safe_zip import Archive, open_archive
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io.smpl import BODIES, SmplBody
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.smpl import rest_pelvis

WIDTHS: dict[int, str] = {72: "smpl", 156: "smplh", 165: "smplx"}
"""Columns of `poses` -> body."""
RATES = ("mocap_framerate", "mocap_frame_rate")
TO_Y_UP = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # by -pi/2 about x
_PARTS = (("root_orient", 3), ("pose_body", 63), ("pose_jaw", 3), ("pose_eye", 6), ("pose_hand", 90))
_OTHER_NAMES = {
    "biomotionlabntroje": "bmlrub", "dfaust67": "dfaust", "mpihdm05": "hdm05", "mpilimits": "poseprior",
    "mpimosh": "mosh", "ssmsynced": "ssm", "tcdhandmocap": "tcdhands", "transitionsmocap": "transitions",
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Facts of a recording, read without its frames."""

    path: Path
    name: str  # below the root of AMASS, with forward slashes, without the suffix
    fps: float
    frames: int
    body: str

    @property
    def dataset(self) -> str:
        """The folder of its data set, spelled as on disk."""
        return self.name.split("/")[0]


def plain(dataset: str) -> str:
    """One key for all the spellings of a data set: "BioMotionLab_NTroje" and "BMLrub" are "bmlrub"."""
    key = re.sub(r"[^a-z0-9]", "", dataset.lower())
    return _OTHER_NAMES.get(key, key)


def key(name: str) -> str:
    """One key for a recording in any release: data set, then folders and file without `_poses` and `_stageii`."""
    dataset, *rest = name.removesuffix(".npz").split("/")
    below = re.sub(r"_(poses|stageii)$", "", "/".join(rest))
    return "/".join((plain(dataset), *(re.sub(r"[^a-z0-9]+", "_", part.lower()) for part in below.split("/"))))


def identity(name: str) -> str:
    """The recording's identity: that of the CMU archive for its trials, else one within AMASS."""
    dataset, _, trial = key(name).partition("/")
    trial = trial.rsplit("/", 1)[-1]
    if dataset == "cmu" and re.fullmatch(r"\d+_\d+", trial):
        return f"cmu/{trial}"
    return f"?{dataset}/amass/{name}" if dataset in ("cmu", "hdm05") else f"amass/{key(name)}"


def read_header(path: Path, name: str) -> Header | str:
    """The facts of a file, or why it is no recording: "no poses", "no frame rate".

    Raises FormatError where it is no archive, or poses and rate are malformed.
    """
    wanted = ("poses", *RATES, *(part for part, _ in _PARTS))
    with open_archive(path, "an NPZ archive of arrays") as archive:
        shapes = {key: archive.shape(key) for key in wanted if key in archive.keys}
        rate = next((float(archive.array(one).reshape(-1)[0]) for one in RATES if one in shapes), None)
    frames, width = _poses_shape(path, shapes)
    if not width:
        return "no poses"
    if rate is None:
        return f"no frame rate ({' or '.join(RATES)})"
    if width not in WIDTHS:
        raise broken(path, f"poses of {', '.join(map(str, WIDTHS))} columns", f"{width}")
    if not 0 < rate < float("inf"):
        raise broken(path, "a positive frame rate", f"{rate}")
    if not frames:
        return "no frames"
    return Header(path, name, rate, frames, WIDTHS[width])


@dataclass(frozen=True, eq=False)
class Take:
    """A recording as AMASS keeps it: z up, metres, radians."""

    header: Header
    poses: Float[Tensor, "frame joint 3"]
    trans: Float[Tensor, "frame 3"]
    betas: Float[Tensor, " beta"]
    gender: str

    def motion(self, body: SmplBody | None = None) -> Motion:
        """The recording with y up, on the user's `body` in the subject's shape, or on the catalogue's average one.

        The pelvis is at `trans` plus its rest position in the shaped body. Without a body that position is the assumed
        one of `rest_pelvis`, which moves the whole recording by a constant.
        """
        if body is None:
            average = catalog.skeleton(BODIES[self.header.body])
            return self.on(average, rest_pelvis(average))
        skeleton = body.skeleton(self.betas)
        return self.on(skeleton, skeleton.offsets[0])

    def on(self, skeleton: Skeleton, pelvis: Float[Tensor, "3"]) -> Motion:
        """The recording with y up on a skeleton whose pelvis rests at `pelvis`."""
        rotations = rotvec_to_rotmat(self.poses)
        rotations[:, 0] = TO_Y_UP @ rotations[:, 0]
        root = (self.trans + pelvis) @ TO_Y_UP.T
        return Motion(skeleton, rotations, root, self.header.fps, identity=identity(self.header.name))


def read_take(header: Header) -> Take:
    """The frames of a recording, float32.

    Raises FormatError where arrays are damaged, do not fit together, or hold NaN or infinity.
    """
    path = header.path
    with open_archive(path, "an NPZ archive of plain arrays") as archive:
        names = set(archive.keys)
        poses = archive.array("poses") if "poses" in names else np.hstack([archive.array(one) for one, _ in _PARTS])
        trans = archive.array("trans") if "trans" in names else None
        betas = archive.array("betas") if "betas" in names else np.zeros(0)
        gender = _gender(archive, names)
    if trans is None or trans.shape != (header.frames, 3):
        got = "none" if trans is None else f"one of shape {trans.shape}"
        raise broken(path, f"an array 'trans' of shape ({header.frames}, 3)", got)
    _check_finite(path, "poses", poses)
    _check_finite(path, "trans", trans)
    _check_finite(path, "betas", betas)
    return Take(
        header,
        torch.from_numpy(poses.astype(np.float32)).view(header.frames, -1, 3),
        torch.from_numpy(trans.astype(np.float32)),
        torch.from_numpy(betas.astype(np.float32)).flatten(),
        gender,
    )


def broken(path: Path, expected: str, got: str) -> FormatError:
    """The error for a damaged file of AMASS."""
    return FormatError(where=str(path), expected=expected, got=got, cure="Copy the file again, or leave it out.")


def _poses_shape(path: Path, shapes: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    if "poses" in shapes:
        shape = shapes["poses"]
        if len(shape) != 2:
            raise broken(path, "poses of shape (frame, columns)", f"shape {shape}")
        return shape[0], shape[1]
    if any(part not in shapes for part, _ in _PARTS):
        return 0, 0
    frames = (*shapes["root_orient"], 0)[0]
    for part, width in _PARTS:
        if shapes[part] != (frames, width):
            raise broken(path, f"{part} of shape ({frames}, {width})", f"shape {shapes[part]}")
    return frames, sum(width for _, width in _PARTS)


def _gender(archive: Archive, names: set[str]) -> str:
    if "gender" not in names:
        return "neutral"
    try:
        value = archive.array("gender")
    except FormatError:  # an object array, which would need a pickle
        return "neutral"
    text = value.reshape(-1)[0] if value.size else ""
    return (text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)).lower()


def _check_finite(path: Path, name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind not in "fiu":
        raise broken(path, f"numbers in '{name}'", str(array.dtype))
    if not np.isfinite(array).all():
        raise broken(
            path, f"finite numbers in '{name}'", f"NaN or infinity at {np.argwhere(~np.isfinite(array))[0][0]}"
        )
