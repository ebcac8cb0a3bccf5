"""Human3.6M and HumanEva-I as joint positions, in the archives that VideoPose3D (Pavllo et al. 2019) prepares.

One NPZ file holds one pickled dictionary `positions_3d`, subject -> take -> float (frame, joint, 3), metres, z up. The
pickle is read by `kinema.core.safe_pickle`, which runs nothing of it. The stochastic benchmarks use both files. Their
authors license the data to each user, and they may not be passed on; nothing of them is here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import FormatError, UsageError, unknown_name
from kinema.core.safe_pickle import read_object_npz
from kinema.data.source import Inventory, Source, Split, check_split, data_file, derived, take_inventory
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.h36m import H36M32_TO_17

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
        return data_file(root, self.file, f"data/{self.file}", what=self.what, origin=self.origin)

    def read(self, path: Path) -> Takes:
        """Subjects and takes in the order of their names, which differs between copies of the file.

        Raises FormatError where the file holds something else.
        """
        found = read_object_npz(path, KEY)
        subjects = cast("dict[Any, Any]", found) if isinstance(found, dict) else {}
        if not subjects or not all(isinstance(takes, dict) for takes in subjects.values()):
            raise FormatError(
                where=f"{path}, {KEY}",
                expected="a dictionary of subjects, each with a dictionary of takes",
                got=type(found).__name__,
                cure=f"Make {self.file} again with VideoPose3D's preparation.",
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
        positions = torch.from_numpy(array.astype(np.float32))
        if not len(positions):
            raise _damaged(where, "at least one frame", "none")
        if not bool(positions.isfinite().all()):
            frame = int((~positions.isfinite()).flatten(1).any(1).nonzero()[0])
            raise _damaged(where, "finite positions", f"NaN or infinity in frame {frame}")
        reach = float((positions[0] - positions[0, :1]).norm(dim=-1).max())
        if not _REACH[0] < reach < _REACH[1]:
            raise _damaged(where, "positions in metres", f"a body whose farthest joint is {reach:.3g} from its root")
        return torch.stack((positions[..., 0], positions[..., 2], -positions[..., 1]), -1)  # z up to y up


class _Archived(Source):
    """What both sources do: takes of subjects from one archive, divided by subject."""

    archive: ClassVar[PositionArchive]
    identities: ClassVar[str]  # what identities begin with
    train: ClassVar[tuple[str, ...]]
    test: ClassVar[tuple[str, ...]]
    dropped: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    kept: ClassVar[tuple[int, ...] | None] = None  # joints
    fps: ClassVar[float]
    root: str | None
    validation: tuple[str, ...]
    shortest: int = 1

    def clips(self, split: Split) -> Iterator[Points]:
        """The takes of a split: by subject, then by name."""
        check_split(split)
        path = self.archive.path(self.root)
        found = self.archive.read(path)
        for subject in self.subjects(split):
            if not found.get(subject):
                raise FormatError(
                    where=str(path),
                    expected=f"takes of {', '.join(self.train + self.test)}",
                    got=f"none of {subject}",
                    cure=self.archive.origin,
                )
            for take, array in found[subject].items():
                if (subject, take) not in self.dropped:
                    points = self._points(array, subject, take, path)
                    if points.frames >= self.shortest:
                        yield points

    def subjects(self, split: Split) -> tuple[str, ...]:
        """The subjects of a split, as the file calls them."""
        if split == "test":
            return self.test
        return tuple(subject for subject in self.train if (subject in self.validation) == (split == "val"))

    def subject(self, identity: str) -> str:
        """The folder of a take: its subject, as the file calls it."""
        return identity.rpartition("/")[0]

    def inventory(self) -> Inventory:
        """Every take that is there, looked through, and what is missing. Raises MissingDataError without the file."""
        path = self.archive.path(self.root)
        found = self.archive.read(path)
        reads = (
            (f"{subject}/{take}", partial(self._points, array, subject, take, path))
            for subject in self.train + self.test
            for take, array in found.get(subject, {}).items()
        )
        return take_inventory(path, reads, self._missing(found))

    def _missing(self, found: Takes) -> list[str]:
        """Subjects without any take: how many chunks there should be depends on how the markers were read."""
        return [subject for subject in self.train + self.test if not found.get(subject)]

    def _files(self) -> tuple[Path]:
        return (self.archive.path(self.root),)

    def _points(self, array: object, subject: str, take: str, path: Path) -> Points:
        positions = self.archive.positions(array, f"{path}, {subject}, {take}")
        positions = positions if self.kept is None else positions[:, list(self.kept)]
        return Points(self.skeleton, positions, self.fps, action_of(take), f"{self.identities}/{subject}/{take}")


@dataclass(frozen=True)
class H36MPositions(_Archived):
    """The takes of `data_3d_h36m.npz` in `root` (None: the folder that KINEMA_DATA names): h36m17, metres, y up, 50 Hz.

    Seven subjects, two takes of each of 15 actions. S9 and S11 are "test"; `validation` names subjects that are "val";
    the others are "train". `action` is the action without the take's number. Raises MissingDataError where the file or
    a subject is not there, FormatError where it is damaged, UsageError for a subject that is tested on or unknown.
    """

    root: str | None = None
    validation: tuple[str, ...] = ("S8",)

    name = "h36m_positions"
    licence = "Human3.6M: academic use only, by a licence of each user's own; nothing of it may be passed on"
    actions = (
        "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting",
        "SittingDown", "Smoking", "Waiting", "WalkDog", "WalkTogether", "Walking",
    )  # fmt: skip
    archive = PositionArchive(
        file="data_3d_h36m.npz",
        joints=32,
        what="Human3.6M as joint positions (data_3d_h36m.npz)",
        origin="Register at vision.imar.ro/human3.6m (free for academic use, no redistribution); data_3d_h36m.npz is "
        "what VideoPose3D's prepare_data_h36m.py makes of its D3 positions. The two multimodal files of other projects "
        "are not needed.",
    )
    identities, train, test = "h36m", ("S1", "S5", "S6", "S7", "S8"), ("S9", "S11")
    kept, fps = tuple(H36M32_TO_17), 50.0

    def __post_init__(self) -> None:
        for subject in self.validation:
            if subject not in self.train + self.test:
                raise unknown_name("Human3.6M subject", subject, self.train)
            if subject in self.test:
                raise UsageError(
                    expected="validation subjects that are not tested on", got=subject, cure="Choose S1, S5, S6 ... S8."
                )

    @derived
    def skeleton(self) -> Skeleton:
        """The seventeen joints, in canon17's order."""
        return catalog.skeleton("h36m17")

    def _missing(self, found: Takes) -> list[str]:
        """Takes: there are two of every action, but one of S11 is damaged at the origin, and nobody has it."""
        missing = list[str]()
        for subject in self.train + self.test:
            there = Counter(map(action_of, found.get(subject, {})))
            for action in self.actions:
                lacking = 2 - ((subject, action) == ("S11", "Directions")) - there[action]
                missing += [f"{subject}/{action} (a take)"] * lacking
        return missing


@dataclass(frozen=True)
class HumanEvaPositions(_Archived):
    """The chunks of `data_3d_humaneva15.npz` in `root` (None: the folder that KINEMA_DATA names): metres, y up, 60 Hz.

    Three subjects, five actions, cut into chunks where markers were lost. "train" are the training takes, "test" the
    validation takes of the same subjects, as in every published row; `validation` names training subjects ("Train/S2")
    that are "val" instead. Three takes that the benchmark drops (Yuan and Kitani 2020) and chunks of fewer than
    `shortest` frames are left out. Raises MissingDataError where the file is not there, FormatError where it is damaged
    or lacks a subject, UsageError for a subject that is not trained on.
    """

    root: str | None = None
    validation: tuple[str, ...] = ()
    shortest: int = 75  # one window of the benchmark

    name = "humaneva_positions"
    licence = "HumanEva: for research only, by agreement of each user's own; nothing of it may be passed on"
    actions = ("Walking", "Jog", "ThrowCatch", "Gestures", "Box")
    archive = PositionArchive(
        file="data_3d_humaneva15.npz",
        joints=15,
        what="HumanEva-I as joint positions (data_3d_humaneva15.npz)",
        origin="Ask for it at humaneva.is.tue.mpg.de (for research, no redistribution); data_3d_humaneva15.npz is what "
        "VideoPose3D's prepare_data_humaneva.py makes of it. The two multimodal files of other projects are not "
        "needed.",
    )
    identities, fps = "humaneva", 60.0
    train = ("Train/S1", "Train/S2", "Train/S3")
    test = ("Validate/S1", "Validate/S2", "Validate/S3")
    dropped = frozenset(
        {("Train/S3", "Walking 1 chunk0"), ("Train/S3", "Walking 1 chunk2"), ("Validate/S3", "Walking 1 chunk4")}
    )

    def __post_init__(self) -> None:
        for subject in self.validation:
            if subject not in self.train:
                raise unknown_name("HumanEva training subject", subject, self.train)
        if self.shortest < 1:
            raise UsageError(expected="chunks of at least 1 frame", got=f"{self.shortest}", cure="Give shortest=75.")

    @derived
    def skeleton(self) -> Skeleton:
        """The fifteen joints; there is no spine and no neck."""
        return catalog.skeleton("humaneva15")


def action_of(take: str) -> str:
    """The action that a take's name gives: "Walking" of "Walking", "Walking 1" and "Walking 1 chunk0"."""
    return re.sub(r"( \d+)?( chunk\d+)?$", "", take)


def _damaged(where: str, expected: str, got: str) -> FormatError:
    return FormatError(
        where=where, expected=expected, got=got, cure="Make the file again with VideoPose3D's preparation."
    )
