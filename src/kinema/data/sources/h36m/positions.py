"""Human3.6M as joint positions: `data_3d_h36m.npz`, what the stochastic benchmarks are trained and tested on.

Seven subjects, two takes of each of 15 actions (one of S11's was never usable), 32 joints at 50 Hz, of which 17 are
kept. The data are licensed to each user by their authors and may not be passed on; nothing of them is here.
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
from kinema.motion.skeletons.h36m import H36M32_TO_17

FPS = 50.0
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
TEST_SUBJECTS = ("S9", "S11")
ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Waiting", "WalkDog", "WalkTogether", "Walking",
)  # fmt: skip
_LOST = ("S11", "Directions")  # one of its takes is damaged at the origin, and nobody has it
ORIGIN = (
    "Register at vision.imar.ro/human3.6m (free for academic use, no redistribution); data_3d_h36m.npz is what "
    "VideoPose3D's prepare_data_h36m.py makes of its D3 positions. The two multimodal files of other projects are not "
    "needed."
)
ARCHIVE = PositionArchive(
    file="data_3d_h36m.npz", joints=32, what="Human3.6M as joint positions (data_3d_h36m.npz)", origin=ORIGIN
)


@dataclass(frozen=True)
class H36MPositions(Source):
    """The takes of `data_3d_h36m.npz` in `root` (None: the folder that KINEMA_DATA names): h36m17, metres, y up, 50 Hz.

    S9 and S11 are "test"; `validation` names subjects that are "val"; the others are "train". `action` is the action
    without the take's number. Raises MissingDataError where the file or a subject is not there, FormatError where it
    is damaged, UsageError for a subject that is not in the set or tested on.
    """

    root: str | None = None
    validation: tuple[str, ...] = ("S8",)

    name = "h36m_positions"
    licence = "Human3.6M: academic use only, by a licence of each user's own; nothing of it may be passed on"
    actions = ACTIONS
    fps = FPS

    def __post_init__(self) -> None:
        for subject in self.validation:
            if subject not in SUBJECTS:
                raise unknown_name("Human3.6M subject", subject, SUBJECTS)
            if subject in TEST_SUBJECTS:
                raise UsageError(
                    expected="validation subjects that are not tested on", got=subject, cure="Choose S1, S5, S6 ... S8."
                )

    @cached_property
    def skeleton(self) -> Skeleton:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The seventeen joints, in canon17's order."""
        return catalog.skeleton("h36m17")

    def clips(self, split: Split) -> Iterator[Points]:
        """The takes of a split's subjects: by subject, then by the take's name."""
        check_split(split)
        path = ARCHIVE.path(self.root)
        subjects = ARCHIVE.read(path)
        for subject in self.subjects(split):
            if not subjects.get(subject):
                raise FormatError(
                    where=str(path), expected=f"takes of {', '.join(SUBJECTS)}", got=f"none of {subject}", cure=ORIGIN
                )
            for take, array in subjects[subject].items():
                yield self._points(array, subject, take, str(path))

    def subjects(self, split: Split) -> tuple[str, ...]:
        """The subjects of a split."""
        if split == "test":
            return TEST_SUBJECTS
        rest = [subject for subject in SUBJECTS if subject not in TEST_SUBJECTS]
        return tuple(subject for subject in rest if (subject in self.validation) == (split == "val"))

    def subject(self, identity: str) -> str:
        """The folder of a take: its subject, as the file calls it."""
        return identity.rpartition("/")[0]

    def inventory(self) -> Inventory:
        """Every take that should be there, looked through. Raises MissingDataError where there is no file."""
        path = ARCHIVE.path(self.root)
        subjects = ARCHIVE.read(path)
        whole, missing, damaged = list[str](), list[str](), list[tuple[str, str]]()
        for subject in SUBJECTS:
            takes = subjects.get(subject, {})
            for take, array in takes.items():
                try:
                    self._points(array, subject, take, str(path))
                    whole.append(f"{subject}/{take}")
                except FormatError as error:
                    damaged.append((f"{subject}/{take}", str(error)))
            for action in ACTIONS:
                lacking = 2 - ((subject, action) == _LOST) - sum(action_of(take) == action for take in takes)
                missing += [f"{subject}/{action} (a take)"] * lacking
        return Inventory(path, tuple(whole), tuple(missing), tuple(damaged))

    def stamp(self) -> str:
        """The fields, and the state of the file."""
        return f"{self!r} {file_stamp(ARCHIVE.path(self.root))}"

    def _points(self, array: object, subject: str, take: str, where: str) -> Points:
        positions = ARCHIVE.positions(array, f"{where}, {subject}, {take}")[:, list(H36M32_TO_17)]
        return Points(self.skeleton, positions, FPS, action_of(take), f"h36m/{subject}/{take}")
