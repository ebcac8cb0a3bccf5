"""AMASS (Mahmood et al., ICCV 2019): folders of npz files with SMPL-family rotations, from any of its releases.

`ROOT/DATASET/SUBJECT/NAME.npz`. Data sets have several spellings (`amass_files.plain`); the lists below are the split
of the stochastic benchmark (BeLFusion), twenty-two data sets of the SMPL-H release.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from kinema.core.errors import FormatError, UsageError
from kinema.data.source import Source, Split, check_split, data_folder, derived, missing_data
from kinema.data.sources.amass_files import Header, key, plain, read_header, read_take
from kinema.io import smpl
from kinema.motion import skeletons as catalog
from kinema.motion.edit import resample
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

BodyModel = Literal["smpl", "smplh", "smplx"]
TRAIN: tuple[str, ...] = (
    "ACCAD", "BMLhandball", "BMLmovi", "BMLrub", "CMU", "EKUT", "EyesJapanDataset", "KIT", "PosePrior", "TCDHands",
    "TotalCapture",
)  # fmt: skip
VAL: tuple[str, ...] = ("HumanEva", "HDM05", "SFU", "MoSh")
TEST: tuple[str, ...] = ("DFaust", "DanceDB", "GRAB", "HUMAN4D", "SOMA", "SSM", "Transitions")
WHAT = "AMASS (folders DATASET/SUBJECT/*_poses.npz or *_stageii.npz)"
ORIGIN = "Register at amass.is.tue.mpg.de (non-commercial research only, no redistribution) and unpack its archives."
LICENCE = "AMASS: non-commercial research only, by a licence of each user's own; nothing of it may be passed on"


@dataclass(frozen=True)
class Amass(Source):
    """The recordings below `root` (None: the folder that KINEMA_DATA names), as motions with y up.

    `datasets` selects data sets, in any of their spellings. `body` selects files by the columns of their poses (72
    smpl, 156 smplh, 165 smplx); None takes the kind of the first recording. `model` is the user's model file, or a
    folder of them by gender: bones are then those of each subject; without it they are an average body's. Rotations are
    resampled to `fps`; None keeps every rate. A clip's action is its data set, as `train`, `val` or `test` spell it.

    Files that are no recording (no poses, no frame rate), of another body or of an unlisted data set are left out and
    listed in `skipped`. A damaged file raises FormatError, or is skipped, too, with `skip_bad`. Raises MissingDataError
    where there is no recording, UsageError for an unlisted name in `datasets` or one listed twice.
    """

    root: str | None = None
    datasets: tuple[str, ...] = ()
    body: BodyModel | None = None
    fps: float | None = None
    model: str | None = None
    train: tuple[str, ...] = TRAIN
    val: tuple[str, ...] = VAL
    test: tuple[str, ...] = TEST
    skip_bad: bool = False

    name = "amass"
    licence = LICENCE

    def __post_init__(self) -> None:
        listed = [plain(dataset) for dataset in (*self.train, *self.val, *self.test)]
        if double := {one for one in listed if listed.count(one) > 1}:
            raise UsageError(
                expected="every data set in one split",
                got=f"{sorted(double)} twice",
                cure="Take each out of all lists but one.",
            )
        for dataset in self.datasets:
            if plain(dataset) not in listed:
                names = ", ".join((*self.train, *self.val, *self.test))
                raise UsageError(
                    expected=f"data sets among {names}",
                    got=f"'{dataset}'",
                    cure="Use one of these names, or list it in `train`, `val` or `test`.",
                )

    @derived
    def skeleton(self) -> Skeleton:
        """The body's skeleton in the catalogue, or of the user's own neutral model at its mean shape."""
        if self.model is None:
            return catalog.skeleton(smpl.BODIES[self.taken_body])
        return _own_body(self.model, "neutral").skeleton()

    @cached_property
    def taken_body(self) -> str:
        """The body whose files are taken."""
        return self.body or self._found[0][0].body

    @derived
    def actions(self) -> tuple[str, ...]:
        """The data sets that are there, in the order of the lists."""
        there = {plain(header.dataset) for header in self.recordings}
        return tuple(name for name in (*self.train, *self.val, *self.test) if plain(name) in there)

    def clips(self, split: Split) -> Iterator[Motion]:
        """The recordings of a split, by data set as it is listed, then by name."""
        check_split(split)
        for dataset in {"train": self.train, "val": self.val, "test": self.test}[split]:
            for header in self.recordings:
                if plain(header.dataset) == plain(dataset) and (clip := self._read(header)) is not None:
                    yield replace(clip, action=dataset)

    def motion(self, header: Header) -> Motion:
        """One recording, at its own rate or at `fps`."""
        take = read_take(header)
        motion = take.motion(None if self.model is None else _own_body(self.model, take.gender))
        return motion if self.fps is None else resample(motion, self.fps)

    @property
    def recordings(self) -> tuple[Header, ...]:
        """Every recording that is taken, by name; only headers are read."""
        return self._taken[0]

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Files that are left out, each with why."""
        return (*self._taken[1], *self._bad.items())

    @property
    def damaged(self) -> dict[str, Path]:
        """The damaged ones of the files that are `skipped` unread, by name."""
        return self._found[2]

    @cached_property
    def by_key(self) -> dict[str, Header]:
        """The recordings by `amass_files.key`, which all releases share."""
        return {key(header.name): header for header in reversed(self.recordings)}

    def _files(self) -> Iterator[Path]:
        return (header.path for header in self.recordings)

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the data sets."""
        root = data_folder(self.root, what=WHAT, origin=ORIGIN)
        return next((root / name for name in ("amass", "AMASS") if (root / name).is_dir()), root)

    def _read(self, header: Header) -> Motion | None:
        try:
            return self.motion(header)
        except FormatError as error:
            if not self.skip_bad:
                raise
            self._bad[header.name] = str(error)
            return None

    @cached_property
    def _bad(self) -> dict[str, str]:
        return {}

    @cached_property
    def _taken(self) -> tuple[tuple[Header, ...], tuple[tuple[str, str], ...]]:
        listed = {plain(name) for name in (*self.train, *self.val, *self.test)}
        wanted = {plain(name) for name in self.datasets} or listed
        found, skipped, _ = self._found
        kept: list[Header] = []
        why = list(skipped)
        for header in found:
            if plain(header.dataset) not in listed:
                why.append((header.name, f"its data set {header.dataset} is in no split"))
            elif header.body != self.taken_body:
                why.append((header.name, f"poses of {header.body}, not of {self.taken_body}"))
            elif plain(header.dataset) in wanted:
                kept.append(header)
        if not kept:
            raise missing_data(WHAT, f"no recording of {self.taken_body} below {self.folder}", ORIGIN)
        return tuple(kept), tuple(why)

    @cached_property
    def _found(self) -> tuple[tuple[Header, ...], tuple[tuple[str, str], ...], dict[str, Path]]:
        headers, skipped, damaged = list[Header](), list[tuple[str, str]](), dict[str, Path]()
        for path in _files(self.folder):
            name = path.relative_to(self.folder).as_posix().removesuffix(path.suffix)
            try:
                read = read_header(path, name)
            except FormatError as error:
                if not self.skip_bad:
                    raise
                read, damaged[name] = str(error), path
            if isinstance(read, str):
                skipped.append((name, read))
            else:
                headers.append(read)
        if not headers:
            raise missing_data(WHAT, f"{len(skipped)} npz files below {self.folder}, none a recording", ORIGIN)
        return tuple(headers), tuple(skipped), damaged


def model_folder(root: str | None) -> Path | None:
    """The folder of body models beside AMASS: `body_models/smplh` below `root`, or `body_models`, or `smplh`."""
    folder = data_folder(root, what=WHAT, origin=ORIGIN)
    named = (folder / "body_models" / "smplh", folder / "body_models", folder / "smplh")
    return next((one for one in named if one.is_dir()), None)


def _files(folder: Path) -> list[Path]:
    """Every npz that lies in the folder of a data set, in the order of names; links to folders are followed."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        if here == folder:
            folders[:] = [name for name in folders if name not in ("body_models", "smplh", "smplx", "dmpls")]
            continue
        found += [here / name for name in files if name.lower().endswith(".npz")]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


@lru_cache(maxsize=8)
def _own_body(model: str, gender: str) -> smpl.SmplBody:
    return smpl.load(smpl.find(model, gender))
