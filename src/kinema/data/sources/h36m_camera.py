"""Human3.6M through one camera: the 2-D clips of the action GAN (Yu et al., AAAI 2020, as its code was released).

`S{1,5,6,7,8,9,11}/MyPoses/3D_positions/{Action}[ _1].h5`, key `3D_positions`: 96 x frames, world millimetres, 50 Hz;
and `cameras.h5` with groups `subject{s}/camera{c}` of R (stored transposed), T, f, c, k, p and Name (character codes).
The data are licensed to each user by their authors and may not be passed on; nothing of them is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from kinema.core.errors import FormatError, MissingDataError
from kinema.data.source import Source, Split, check_split, data_file, derived, missing_data
from kinema.data.sources.arrays import h5_array, open_h5
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton

FPS = 50.0
TRAIN, TEST = (1, 5, 7, 8, 9), (11,)
ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Sitting", "SittingDown", "Smoking",
    "Walking",
)  # fmt: skip
CAMERA = "55011271"
_SKIPPED = 300  # frames at the start of every take that are never used
_WHAT = "Human3.6M positions and cameras (h36m/S1/MyPoses/3D_positions/*.h5 and h36m/cameras.h5)"
_ORIGIN = (
    "Register at vision.imar.ro/human3.6m (free for academic use, no redistribution); the h5 files are those that the "
    "3d-pose-baseline benchmark (Martinez et al. 2017) made of it."
)


@dataclass(frozen=True)
class CalibratedCamera:
    """World to camera R (X - T), radial k1..k3 and tangential p1, p2 distortion, focal lengths and centre in pixels."""

    rotation: Float[np.ndarray, "3 3"]
    position: Float[np.ndarray, " 3"]
    focal: Float[np.ndarray, " 2"]
    centre: Float[np.ndarray, " 2"]
    radial: Float[np.ndarray, " 3"]
    tangential: Float[np.ndarray, " 2"]

    def see(self, world: Float[np.ndarray, "*b 3"]) -> tuple[Float[np.ndarray, "*b 2"], Float[np.ndarray, "*b"]]:
        """Pixels, y down, and depths in millimetres."""
        observed = (world - self.position) @ self.rotation.T
        depth = observed[..., 2]
        x = observed[..., :2] / depth[..., None]
        square = (x**2).sum(-1)
        stretch = 1 + sum(k * square**power for power, k in enumerate(self.radial, start=1))
        p0, p1 = self.tangential
        bent = x * (stretch + p0 * x[..., 1] + p1 * x[..., 0])[..., None] + np.array([p1, p0]) * square[..., None]
        return self.focal * bent + self.centre, depth


@dataclass(frozen=True)
class H36MCamera(Source):
    """Ten actions in one camera's view: pixels relative to the hip, scaled to the mean depth of the training takes.

    2-D points, x to the right and y up, at 50 Hz; the first 6 s of a take are left out. Subjects 1, 5, 7, 8, 9 are
    "train", 11 is "test"; `validation` is a training subject that is "val" instead. `root` is the folder with S1 ...
    and cameras.h5, or one with a folder `h36m` of them (None: the folder that KINEMA_DATA names). Raises
    MissingDataError where a file is not there, FormatError where one is malformed, UsageError without h5py.
    """

    root: str | None = None
    validation: int = 0

    name = "h36m_camera"
    licence = "Human3.6M: academic use only, by a licence of each user's own; nothing of it may be passed on"
    actions = tuple(action.lower() for action in ACTIONS)

    @derived
    def skeleton(self) -> Skeleton:
        """The recordings' 32 joints."""
        return catalog.skeleton("h36m32")

    def clips(self, split: Split) -> Iterator[Points]:
        """The takes of a split's subjects: by subject, then action, then take."""
        check_split(split)
        held_out = (self.validation,) if self.validation in TRAIN else ()
        chosen = {"train": [one for one in TRAIN if one not in held_out], "val": held_out, "test": TEST}
        for subject in chosen[split]:
            for action in ACTIONS:
                for path in self._takes(subject, action):
                    pixels, depth = self._observed(path, subject)
                    pixels = (pixels - pixels[:, :1]) * (depth[:, :1] / self._mean_depth)[..., None]
                    flat = torch.from_numpy(pixels * [1.0, -1.0]).float()[_SKIPPED:]
                    identity = f"h36m/S{subject}/{path.stem}"
                    yield Points(self.skeleton, flat, FPS, action.lower(), identity)

    def _files(self) -> list[Path]:
        return [self.folder / "cameras.h5", *sorted(self.folder.glob("S*/MyPoses/3D_positions/*.h5"))]

    @cached_property
    def folder(self) -> Path:
        """The folder that holds cameras.h5. Raises MissingDataError where there is none."""
        return data_file(self.root, "cameras.h5", "h36m/cameras.h5", what=_WHAT, origin=_ORIGIN).parent

    @cached_property
    def _mean_depth(self) -> float:
        """Of the hip, over all frames of the training takes, in millimetres."""
        depths = [
            self._observed(path, s)[1][:, 0] for s in TRAIN for action in ACTIONS for path in self._takes(s, action)
        ]
        return float(np.concatenate(depths).mean())

    def _takes(self, subject: int, action: str) -> list[Path]:
        """The two takes of an action: "Sitting" is not "SittingDown", "Walking" not "WalkTogether"."""
        folder = self.folder / f"S{subject}" / "MyPoses" / "3D_positions"
        named = [path for path in folder.glob(f"{action}*.h5") if path.stem.split(" ")[0] == action]
        takes = sorted(named, key=lambda path: path.stem)
        if len(takes) != 2:
            raise missing_data(_WHAT, f"{len(takes)} of 2 takes of {action} in {folder}", _ORIGIN)
        return takes

    def _observed(self, path: Path, subject: int) -> tuple[Float[np.ndarray, "T 32 2"], Float[np.ndarray, "T 32"]]:
        with _open(path) as file:
            positions = h5_array(file, "3D_positions", path)
        numbers = positions.dtype.kind == "f" and bool(np.isfinite(positions).all())
        if not numbers or positions.ndim != 2 or positions.shape[0] != 96 or positions.shape[1] <= _SKIPPED:
            raise FormatError(
                where=f"{path}: 3D_positions",
                expected=f"96 rows and more than {_SKIPPED} columns of finite numbers",
                got=f"{positions.dtype} of shape {positions.shape}" + ("" if numbers else ", not all of them finite"),
                cure="Make the file again with the 3d-pose-baseline benchmark's scripts.",
            )
        return self._cameras[subject].see(positions.T.astype(np.float64).reshape(-1, 32, 3))

    @cached_property
    def _cameras(self) -> dict[int, CalibratedCamera]:
        path, found = self.folder / "cameras.h5", dict[int, CalibratedCamera]()
        with _open(path) as file:
            for subject in (*TRAIN, *TEST):
                for number in range(1, 5):
                    group = file.get(f"subject{subject}/camera{number}")
                    if group is not None and _name(group, path) == CAMERA:
                        found[subject] = _camera(group, path)
        lacking = [subject for subject in (*TRAIN, *TEST) if subject not in found]
        if lacking:
            raise FormatError(
                where=str(path),
                expected=f"camera {CAMERA} of every subject",
                got=f"none for {', '.join(map(str, lacking))}",
                cure="Copy cameras.h5 of the 3d-pose-baseline benchmark again.",
            )
        return found


def _open(path: Path) -> AbstractContextManager[Any]:
    if not path.is_file():
        raise MissingDataError(expected=f"a file {path}", got="none", cure=_ORIGIN)
    return open_h5(path)


def _name(group: Any, path: Path) -> str:
    return "".join(chr(int(code)) for code in h5_array(group, "Name", path).reshape(-1) if 0 <= code < 128)


def _camera(group: Any, path: Path) -> CalibratedCamera:
    flat: dict[str, NDArray[np.float64]] = {}
    for key, count in {"R": 9, "T": 3, "f": 2, "c": 2, "k": 3, "p": 2}.items():
        array = h5_array(group, key, path)
        if array.size != count or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise FormatError(
                where=f"{path}, {group.name}/{key}",
                expected=f"{count} finite numbers",
                got=f"{array.dtype} of shape {array.shape}",
                cure="Copy cameras.h5 of the 3d-pose-baseline benchmark again.",
            )
        flat[key] = array.reshape(-1).astype(np.float64)
    return CalibratedCamera(flat["R"].reshape(3, 3).T, flat["T"], flat["f"], flat["c"], flat["k"], flat["p"])
