"""AMASS (Mahmood et al., ICCV 2019): folders of npz files with SMPL-family rotations, from any of its releases.

`ROOT/DATASET/SUBJECT/NAME.npz`. Data sets have several spellings (`plain`); the lists below are the split of the
stochastic benchmark (BeLFusion), twenty-two data sets of the SMPL-H release. SMPL and SMPL-H releases (`*_poses.npz`)
write `poses` (frame, 72 or 156) and `mocap_framerate`; the SMPL-X release (`*_stageii.npz`) writes `poses` (frame,
165), or its parts, and `mocap_frame_rate`. Rotation vectors in radians, `trans` in metres, z up. Files of shapes and
calibration among them are no recordings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.errors import FormatError, UsageError
from kinema.core.safe_zip import Archive, open_archive
from kinema.data.source import Source, Split, check_split, data_folder, derived, missing_data
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io import smpl
from kinema.motion import skeletons as catalog
from kinema.motion.edit import resample
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.smpl import rest_pelvis

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
        """The recordings by `key`, which all releases share."""
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
        raise _broken(path, f"poses of {', '.join(map(str, WIDTHS))} columns", f"{width}")
    if not 0 < rate < float("inf"):
        raise _broken(path, "a positive frame rate", f"{rate}")
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

    def motion(self, body: smpl.SmplBody | None = None) -> Motion:
        """The recording with y up, on the user's `body` in the subject's shape, or on the catalogue's average one.

        The pelvis is at `trans` plus its rest position in the shaped body. Without a body that position is the assumed
        one of `rest_pelvis`, which moves the whole recording by a constant.
        """
        if body is None:
            average = catalog.skeleton(smpl.BODIES[self.header.body])
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
        raise _broken(path, f"an array 'trans' of shape ({header.frames}, 3)", got)
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


def _broken(path: Path, expected: str, got: str) -> FormatError:
    return FormatError(where=str(path), expected=expected, got=got, cure="Copy the file again, or leave it out.")


def _poses_shape(path: Path, shapes: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    if "poses" in shapes:
        shape = shapes["poses"]
        if len(shape) != 2:
            raise _broken(path, "poses of shape (frame, columns)", f"shape {shape}")
        return shape[0], shape[1]
    if any(part not in shapes for part, _ in _PARTS):
        return 0, 0
    frames = (*shapes["root_orient"], 0)[0]
    for part, width in _PARTS:
        if shapes[part] != (frames, width):
            raise _broken(path, f"{part} of shape ({frames}, {width})", f"shape {shapes[part]}")
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
        raise _broken(path, f"numbers in '{name}'", str(array.dtype))
    if not np.isfinite(array).all():
        raise _broken(
            path, f"finite numbers in '{name}'", f"NaN or infinity at {np.argwhere(~np.isfinite(array))[0][0]}"
        )
