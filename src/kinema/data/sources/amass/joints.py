"""Joint positions of AMASS as Render-In-Between keeps them: one HDF5 file, `{dataset}/{motion}/joints`.

Each is float64 (frame, 52, 3), metres, z up: the 52 joints of SMPL-H with global motion. The released builder kept
every frame of recordings at 60 to 250 Hz and no rate with them, while its configuration takes 60: so the rate is the
caller's to say (`fps`). HDF5 is read by h5py, of the extra `data`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.core.errors import FormatError
from kinema.data.source import Split, check_split, file_stamp, missing_data
from kinema.data.sources.arrays import h5_array, open_h5
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton

JOINTS = 52
RELEASED_FPS = 60.0  # what the released configuration takes every recording for
TRAIN: tuple[str, ...] = (
    "CMU", "MPI_Limits", "TotalCapture", "Eyes_Japan_Dataset", "KIT", "DFaust_67", "BMLhandball", "BMLmovi", "EKUT",
    "TCD_handMocap", "BioMotionLab_NTroje", "ACCAD",
)  # fmt: skip
TEST: tuple[str, ...] = ("Transitions_mocap", "SSM_synced", "HumanEva", "MPI_HDM05", "SFU", "MPI_mosh")
_LISTS: dict[Split, tuple[str, ...]] = {"train": TRAIN, "val": (), "test": TEST}
_ORIGIN = "Build it from AMASS (amass.is.tue.mpg.de, non-commercial, on request) and a body model of one's own."


@dataclass(frozen=True)
class AmassJoints:
    """The recordings of `file` (`AMASS_3D_joints.h5`) at `fps` frames per second, as points on `smplh52`, y up.

    `z_up` False is for a file whose positions have y up already. Raises MissingDataError where the file is not there,
    FormatError where it is not laid out so, UsageError where h5py is not installed.
    """

    file: str
    fps: float
    z_up: bool = True
    name: str = "amass-joints"
    licence: str = "AMASS: non-commercial research only; nothing trained on it may be shipped"

    @property
    def skeleton(self) -> Skeleton:
        """SMPL-H's 52 joints; the rest offsets are an average body's."""
        return catalog.skeleton("smplh52")

    def recordings(self, split: Split) -> Iterator[Points]:
        """The recordings of the data sets of a split, by data set and name; "val" has none.

        Raises FormatError naming the recording where one is not (frame, 52, 3) or not finite.
        """
        check_split(split)
        with self._open() as file:
            for dataset in _LISTS[split]:
                for motion in sorted(file[dataset]) if dataset in file else ():
                    yield self._points(file[dataset][motion], f"{dataset}/{motion}")

    def names(self) -> dict[Split, tuple[str, ...]]:
        """The data sets of each split that the file holds."""
        with self._open() as file:
            return {split: tuple(name for name in names if name in file) for split, names in _LISTS.items()}

    def stamp(self) -> str:
        """The fields, and the state of the file."""
        return f"{self!r} {file_stamp(Path(self.file))}"

    def _points(self, group: Any, name: str) -> Points:
        where = f"{Path(self.file).name}, {name}"
        array = h5_array(group, "joints", Path(self.file))
        if array.ndim != 3 or array.shape[1:] != (JOINTS, 3) or not len(array) or array.dtype.kind != "f":
            raise _damaged(f"{where}/joints", f"real numbers of shape (frame, {JOINTS}, 3)",
                           f"{array.dtype} of shape {array.shape}")  # fmt: skip
        if not np.isfinite(array).all():
            frame = int(np.argwhere(~np.isfinite(array))[0][0])
            raise _damaged(f"{where}/joints", "finite numbers", f"NaN or infinity in frame {frame}")
        positions = torch.from_numpy(array.astype(np.float32))
        if self.z_up:
            # Turned about x by a quarter: what pointed up (z) is y, and what was y points back.
            positions = torch.stack((positions[..., 0], positions[..., 2], -positions[..., 1]), -1)
        return Points(self.skeleton, positions, self.fps, identity=f"amass/{name}")

    def _open(self) -> AbstractContextManager[Any]:
        path = Path(self.file)
        if not path.is_file():
            raise missing_data("AMASS_3D_joints.h5 ({dataset}/{motion}/joints)", f"no file at {path}", _ORIGIN)
        return open_h5(path)


def _damaged(where: str, expected: str, got: str) -> FormatError:
    return FormatError(where=where, expected=expected, got=got, cure="The file is damaged or another: build it again.")
