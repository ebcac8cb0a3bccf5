"""Archives of joint positions as VideoPose3D (Pavllo et al. 2019) makes them: `positions_3d`, subject -> take -> array.

One NPZ file that holds one pickled dictionary; arrays are float (frame, joint, 3), metres, z up. The pickle is read by
`kinema.core.safe_pickle`, which runs nothing of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import FormatError
from kinema.core.safe_pickle import read_object_npz
from kinema.data.source import data_folder, missing_data

KEY = "positions_3d"
_REACH = (0.3, 3.0)  # metres from the root to the farthest joint, of any body in metres
Takes = dict[str, dict[str, object]]


@dataclass(frozen=True)
class PositionArchive:
    """One such file: its name, how many joints it has, what it is and where to get it (both for errors)."""

    file: str
    joints: int
    what: str
    origin: str

    def path(self, root: str | None) -> Path:
        """The file in `root` or in a folder `data` of it. Raises MissingDataError where it is not there."""
        folder = data_folder(root, what=self.what, origin=self.origin)
        for path in (folder / self.file, folder / "data" / self.file):
            if path.is_file():
                return path
        raise missing_data(self.what, f"no {self.file} in {folder}", self.origin)

    def read(self, path: Path) -> Takes:
        """Subjects and takes in the order of their names: that of the file differs between copies.

        Raises FormatError where the file holds something else.
        """
        found = read_object_npz(path, KEY)
        subjects = cast("dict[Any, Any]", found) if isinstance(found, dict) else {}
        if not subjects or not all(isinstance(takes, dict) for takes in subjects.values()):
            raise FormatError(
                where=f"{path}, {KEY}",
                expected="a dictionary of subjects, each with a dictionary of takes",
                got=type(found).__name__,
                cure=f"Check that the file is {self.file} as VideoPose3D's preparation writes it.",
            )
        return {
            str(subject): {str(take): subjects[subject][take] for take in sorted(subjects[subject], key=str)}
            for subject in sorted(subjects, key=str)
        }

    def positions(self, array: object, where: str) -> Float[Tensor, "frame joint 3"]:
        """A take's array with y up. Raises FormatError where it is no array of finite positions in metres."""
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape[1:] != (self.joints, 3):
            shape = f" of shape {array.shape}" if isinstance(array, np.ndarray) else ""
            raise _damaged(where, f"real numbers of shape (frame, {self.joints}, 3)", f"{type(array).__name__}{shape}")
        places = torch.from_numpy(array.astype(np.float32))
        if not len(places):
            raise _damaged(where, "at least one frame", "none")
        if not bool(places.isfinite().all()):
            frame = int((~places.isfinite()).flatten(1).any(1).nonzero()[0])
            raise _damaged(where, "finite positions", f"NaN or infinity in frame {frame}")
        reach = float((places[0] - places[0, :1]).norm(dim=-1).max())
        if not _REACH[0] < reach < _REACH[1]:
            raise _damaged(where, "positions in metres", f"a body whose farthest joint is {reach:.3g} from its root")
        # Turned about x by a quarter: what pointed up (z) is y, and what was y points back.
        return torch.stack((places[..., 0], places[..., 2], -places[..., 1]), -1)


def action_of(take: str) -> str:
    """The action that a take's name tells: "Walking" of "Walking", "Walking 1" and "Walking 1 chunk0"."""
    return re.sub(r"( \d+)?( chunk\d+)?$", "", take)


def _damaged(where: str, expected: str, got: str) -> FormatError:
    return FormatError(where=where, expected=expected, got=got, cure="The file is damaged or another: make it again.")
