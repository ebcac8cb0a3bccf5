"""HumanEva-I as joint positions: `data_3d_humaneva15.npz`, what the stochastic benchmarks are trained and tested on.

Three subjects, five actions, cut into chunks where markers were lost; 15 joints at 60 Hz. The data may not be passed
on; nothing of them is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kinema.core.errors import FormatError, UsageError, unknown_name
from kinema.data.source import Source, Split, check_split, file_stamp
from kinema.data.sources.h36m.rotations import Inventory
from kinema.data.sources.h36m.videopose3d import PositionArchive, action_of
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton

FPS = 60.0
TRAIN = ("Train/S1", "Train/S2", "Train/S3")
TEST = ("Validate/S1", "Validate/S2", "Validate/S3")
ACTIONS = ("Walking", "Jog", "ThrowCatch", "Gestures", "Box")
SHORTEST = 75  # frames: one window of the benchmark
# As the benchmark has it (Yuan and Kitani 2020).
DROPPED = frozenset(
    {("Train/S3", "Walking 1 chunk0"), ("Train/S3", "Walking 1 chunk2"), ("Validate/S3", "Walking 1 chunk4")}
)
ORIGIN = (
    "Ask for it at humaneva.is.tue.mpg.de (for research, no redistribution); data_3d_humaneva15.npz is what "
    "VideoPose3D's prepare_data_humaneva.py makes of it. The two multimodal files of other projects are not needed."
)
ARCHIVE = PositionArchive(
    file="data_3d_humaneva15.npz",
    joints=15,
    what="HumanEva-I as joint positions (data_3d_humaneva15.npz)",
    origin=ORIGIN,
)


@dataclass(frozen=True)
class HumanEvaPositions(Source):
    """The chunks of `data_3d_humaneva15.npz` in `root` (None: the folder that KINEMA_DATA names): metres, y up, 60 Hz.

    "train" are the training takes, "test" the validation takes of the same three subjects, as in every published row;
    `validation` names training subjects ("Train/S2") that are "val" instead. Three takes that the benchmark drops and
    chunks of fewer than `shortest` frames are left out. Raises MissingDataError where the file is not there,
    FormatError where it is damaged or lacks a subject, UsageError for a subject that is not trained on.
    """

    root: str | None = None
    validation: tuple[str, ...] = ()
    shortest: int = SHORTEST

    name = "humaneva_positions"
    licence = "HumanEva: for research only, by agreement of each user's own; nothing of it may be passed on"
    actions = ACTIONS
    fps = FPS

    def __post_init__(self) -> None:
        for subject in self.validation:
            if subject not in TRAIN:
                raise unknown_name("HumanEva training subject", subject, TRAIN)
        if self.shortest < 1:
            raise UsageError(expected="chunks of at least 1 frame", got=f"{self.shortest}", cure=f"Give {SHORTEST}.")

    @cached_property
    def skeleton(self) -> Skeleton:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The fifteen joints; there is no spine and no neck."""
        return catalog.skeleton("humaneva15")

    def clips(self, split: Split) -> Iterator[Points]:
        """The chunks of a split: by subject, then by name."""
        check_split(split)
        path = ARCHIVE.path(self.root)
        found = ARCHIVE.read(path)
        for subject in self.subjects(split):
            if not found.get(subject):
                raise FormatError(
                    where=str(path), expected=f"takes of {', '.join(TRAIN + TEST)}", got=f"none of {subject}",
                    cure=ORIGIN,
                )  # fmt: skip
            for take, array in found[subject].items():
                if (subject, take) not in DROPPED:
                    points = self._points(array, subject, take, str(path))
                    if points.frames >= self.shortest:
                        yield points

    def subjects(self, split: Split) -> tuple[str, ...]:
        """The subjects of a split, as the file calls them."""
        if split == "test":
            return TEST
        return tuple(subject for subject in TRAIN if (subject in self.validation) == (split == "val"))

    def subject(self, identity: str) -> str:
        """The folder of a take: its subject, as the file calls it."""
        return identity.rpartition("/")[0]

    def inventory(self) -> Inventory:
        """Every chunk that is there, looked through; missing are subjects without any.

        How many chunks there should be depends on how the markers were read. Raises MissingDataError where there is no
        file.
        """
        path = ARCHIVE.path(self.root)
        found = ARCHIVE.read(path)
        whole, damaged = list[str](), list[tuple[str, str]]()
        for subject in TRAIN + TEST:
            for take, array in found.get(subject, {}).items():
                try:
                    self._points(array, subject, take, str(path))
                    whole.append(f"{subject}/{take}")
                except FormatError as error:
                    damaged.append((f"{subject}/{take}", str(error)))
        missing = tuple(subject for subject in TRAIN + TEST if not found.get(subject))
        return Inventory(path, tuple(whole), missing, tuple(damaged))

    def stamp(self) -> str:
        """The fields, and the state of the file."""
        return f"{self!r} {file_stamp(ARCHIVE.path(self.root))}"

    def _points(self, array: object, subject: str, take: str, where: str) -> Points:
        positions = ARCHIVE.positions(array, f"{where}, {subject}, {take}")
        return Points(self.skeleton, positions, FPS, action_of(take), f"humaneva/{subject}/{take}")
