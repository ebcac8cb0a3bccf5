"""Human3.6M as exponential maps: the text tree that the forecasting benchmarks share (Jain et al. 2016).

`S{1,5,6,7,8,9,11}/{action}_{1,2}.txt`, 99 columns: root translation in millimetres and 32 rotation vectors, at 50 Hz.
Two clips of 15 actions by seven subjects: 210 files. The data are licensed to each user by their authors and may not
be passed on; nothing of them is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path

from kinema.core.errors import FormatError, UsageError, unknown_name
from kinema.data.source import Inventory, Source, Split, check_split, data_file, derived, missing_data, take_inventory
from kinema.io.expmap import load
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

FPS = 50.0
UNIT = 1e-3  # metres per unit of the files' translation
SHORTEST = 150  # rows: what one window of 75 frames takes at half the rate
SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
TEST_SUBJECT = 5
ACTIONS = (
    "walking", "eating", "smoking", "discussion", "directions", "greeting", "phoning", "posing", "purchases", "sitting",
    "sittingdown", "takingphoto", "waiting", "walkingdog", "walkingtogether",
)  # fmt: skip
CLIPS = (1, 2)
WHAT = "Human3.6M as exponential maps (the text tree S{1,5,6,7,8,9,11}/ACTION_{1,2}.txt, 99 columns)"
ORIGIN = (
    "Register at vision.imar.ro/human3.6m (free for academic use, no redistribution); the exponential-map text files "
    "are the ones that the Structural-RNN benchmark (Jain et al. 2016) made of its D3 angles."
)


@dataclass(frozen=True)
class H36MExpmap(Source):
    """The benchmark's files below `root` or a folder `h36m` in it (None: the folder that KINEMA_DATA names).

    Subject 5 is "test"; `validation` are subjects that are "val"; the others are "train". `actions` selects actions.
    Raises MissingDataError where a file is not there, FormatError where one is malformed, UsageError where an action or
    a subject is not in the set.
    """

    root: str | None = None
    actions: tuple[str, ...] = ACTIONS
    validation: tuple[int, ...] = (11,)

    name = "h36m_expmap"
    licence = "Human3.6M: academic use only, by a licence of each user's own; nothing of it may be passed on"
    fps = FPS

    def __post_init__(self) -> None:
        for action in self.actions:
            if action not in ACTIONS:
                raise unknown_name("Human3.6M action", action, ACTIONS)
        for subject in self.validation:
            if subject not in SUBJECTS or subject == TEST_SUBJECT:
                raise UsageError(
                    expected=f"validation subjects among {', '.join(map(str, SUBJECTS))}, without {TEST_SUBJECT}",
                    got=f"{subject}",
                    cure="Give validation=(11,), or others of them.",
                )

    @derived
    def skeleton(self) -> Skeleton:
        """The benchmark's one skeleton, 32 joints."""
        return catalog.skeleton("h36m32")

    def clips(self, split: Split) -> Iterator[Motion]:
        """The motions of a split's subjects at 50 Hz: by subject, then action, then clip."""
        check_split(split)
        return (self.motion(*file) for file in product(self.subjects(split), self.actions, CLIPS))

    def subjects(self, split: Split) -> tuple[int, ...]:
        """The subjects of a split."""
        if split == "test":
            return (TEST_SUBJECT,)
        rest = [subject for subject in SUBJECTS if subject != TEST_SUBJECT]
        return tuple(subject for subject in rest if (subject in self.validation) == (split == "val"))

    def motion(self, subject: int, action: str, clip: int) -> Motion:
        """One file."""
        path = self.folder / f"S{subject}" / f"{action}_{clip}.txt"
        if not path.is_file():
            raise missing_data(WHAT, f"{self.folder} without {path.relative_to(self.folder)}", ORIGIN)
        motion = load(path, self.skeleton, FPS, UNIT)
        if motion.frames < SHORTEST:
            raise FormatError(
                where=str(path),
                expected=f"at least {SHORTEST} rows",
                got=f"{motion.frames}",
                cure="Copy the file again: it is cut short.",
            )
        return replace(motion, action=action, identity=f"h36m/S{subject}/{action}_{clip}")

    def inventory(self) -> Inventory:
        """Every file that should be there, read to its end. Raises MissingDataError where there is no tree at all."""
        files = product(SUBJECTS, self.actions, CLIPS)
        return take_inventory(
            self.folder, ((f"S{file[0]}/{file[1]}_{file[2]}.txt", partial(self.motion, *file)) for file in files)
        )

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("S*/*.txt"))

    @cached_property
    def folder(self) -> Path:
        """The folder that holds S1, S5 ... Raises MissingDataError where there is none."""
        places = [f"{folder}S{subject}" for folder in ("", "h36m/", "dataset/") for subject in SUBJECTS]
        return data_file(self.root, *places, what=WHAT, origin=ORIGIN).parent
