"""Rotation packs: one NPZ file per data set (CMU BVH, HDM05, Bandai 1 and 2), several skeletons of one tree in each.

`rot` int16 (frame, joint, 3): local rotation vectors, radians = value * pi / 32767. `root` float32 metres, y up.
`start` (clip + 1): clip i is the rows `start[i]:start[i + 1]`. `parents`, `joints`, `offsets` (skeleton, joint, 3)
metres, `skel` which skeleton a clip uses, `label` into `labels`, `split` 0/1/2, `name`, `jumps` the frames in which a
joint rotates by more than a radian at once, `canon17` the indices of the canonical joints. Bandai's packs have `styles`
and for each clip its `style`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from kinema.core.errors import FormatError, UsageError, unknown_name
from kinema.data.source import LABELS, SPLITS, Source, Split, check_split, data_file, derived
from kinema.data.sources.arrays import Kind, read_archive
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.motion import Motion
from kinema.motion.names import CANON17
from kinema.motion.skeleton import Skeleton

Label = Literal["content", "style", "both"]
RADIANS_PER_STEP = math.pi / 32767
_ARRAYS: dict[str, tuple[Kind, int]] = {
    "rot": ("numbers", 3), "root": ("numbers", 2), "start": ("whole numbers", 1), "parents": ("whole numbers", 1),
    "offsets": ("numbers", 3), "joints": ("texts", 1), "skel": ("whole numbers", 1), "label": ("whole numbers", 1),
    "labels": ("texts", 1), "split": ("whole numbers", 1), "name": ("texts", 1), "jumps": ("whole numbers", 1),
    "canon17": ("whole numbers", 1), "fps": ("numbers", 0),
}  # fmt: skip

_DUPLICATES = {"dup", "dup_of_cmu_bvh"}  # arrays that name the same recording in another pack


@dataclass(frozen=True)
class _About:
    prefix: str  # of identities
    licence: str
    origin: str


_BANDAI = (
    "CC BY-NC 4.0, (c) 2022 Bandai Namco Research Inc.: non-commercial, ship nothing trained on it",
    "Get the Bandai-Namco-Research-Motiondataset (CC BY-NC 4.0, non-commercial).",
)
_CMU = (
    "CMU Graphics Lab Motion Capture Database: free for all uses, the data may not be resold",
    "Get the recordings from mocap.cs.cmu.edu (free for all uses, no resale).",
)
PACKS: dict[str, _About] = {
    "cmu_bvh": _About("cmu", *_CMU),
    "cmu_amc": _About("cmu", *_CMU),
    "cmu_neo30": _About("cmu", *_CMU),
    "cmu_daz30": _About("cmu", *_CMU),
    "m2m_cc0": _About("m2m", "CC0 1.0 (Mesh2Motion)", "Get the clips of mesh2motion-app (CC0)."),
    "hdm05": _About(
        "hdm05",
        "CC BY-SA 3.0 (HDM05, Mueller et al., CG-2007-2): share alike",
        "Get HDM05 from resources.mpi-inf.mpg.de/HDM05 (CC BY-SA 3.0).",
    ),
    "bandai1": _About("bandai1", *_BANDAI),
    "bandai2": _About("bandai2", *_BANDAI),
}


@dataclass(frozen=True)
class RotationPack(Source):
    """The recordings of `{pack}.npz` in the folder `root` (None: the folder that KINEMA_DATA names).

    `clean_only` leaves out clips in which a joint flips, `new_only` those that the file marks as part of another pack
    too; `exclude` are identities ("cmu/06_07") to leave out of every split, such as those that a benchmark tests on.
    `drop_first` leaves out the first row of every clip, which in cmu_bvh is an artificial T-pose.
    Raises UsageError for an unknown pack, MissingDataError where the file is not there, FormatError where it is not
    laid out as a pack.
    """

    pack: str
    root: str | None = None
    clean_only: bool = False
    exclude: tuple[str, ...] = ()
    new_only: bool = False
    drop_first: bool = False

    def __post_init__(self) -> None:
        if self.pack not in PACKS:
            raise unknown_name("rotation pack", self.pack, PACKS)

    @derived
    def name(self) -> str:
        """The pack's name."""
        return self.pack

    @derived
    def licence(self) -> str:
        """The licence of the data."""
        return PACKS[self.pack].licence

    @derived
    def actions(self) -> tuple[str, ...]:
        """The pack's labels, in its own order."""
        return self.contents

    @cached_property
    def contents(self) -> tuple[str, ...]:
        """What is done, as the pack labels it."""
        return tuple(str(label) for label in self._arrays["labels"])

    @property
    def fps(self) -> float:
        """Frames per second."""
        return float(self._arrays["fps"])

    @derived
    def skeleton(self) -> Skeleton:
        """The first of the pack's skeletons; the others share its tree and differ in bone lengths."""
        return self.skeletons[0]

    @cached_property
    def skeletons(self) -> tuple[Skeleton, ...]:
        """One for every body in the pack, with the pack's own canon17 table as aliases."""
        arrays = self._arrays
        joints = tuple(str(joint) for joint in arrays["joints"])
        aliases = {canon: joints[int(place)] for canon, place in zip(CANON17, arrays["canon17"], strict=True)}
        parents = tuple(int(parent) for parent in arrays["parents"])
        return tuple(
            Skeleton(self.pack, joints, parents, torch.from_numpy(offsets), aliases=aliases)
            for offsets in arrays["offsets"]
        )

    def clips(self, split: Split) -> Iterator[Motion]:
        """The clips of one split in the file's order."""
        check_split(split)
        arrays = self._arrays
        chosen = arrays["split"] == SPLITS.index(split)
        if self.clean_only:
            chosen = chosen & (arrays["jumps"] == 0)
        if self.new_only:
            for mark in _DUPLICATES & set(arrays):
                chosen = chosen & (arrays[mark] == "")
        return (self._clip(i) for i in map(int, np.flatnonzero(chosen)) if self.identity(i) not in self.exclude)

    def identity(self, clip: int) -> str:
        """The identity of the clip with that index in the file."""
        name = str(self._arrays["name"][clip])
        if self.pack == "cmu_bvh" and not re.fullmatch(r"\d+_\d+", name):
            return f"?cmu/bvh/{name}"  # themed collections whose trial numbers were lost
        return f"{PACKS[self.pack].prefix}/{name}"

    def _files(self) -> tuple[Path]:
        return (self.path,)

    def _clip(self, index: int) -> Motion:
        arrays = self._arrays
        begin, end = int(arrays["start"][index]), int(arrays["start"][index + 1])
        begin += self.drop_first and end - begin > 1
        rotvec = torch.from_numpy(arrays["rot"][begin:end].astype(np.float32)) * RADIANS_PER_STEP
        return Motion(
            self.skeletons[int(arrays["skel"][index])],
            rotvec_to_rotmat(rotvec),
            torch.from_numpy(arrays["root"][begin:end].astype(np.float32)),
            self.fps,
            action=self.contents[int(arrays["label"][index])],
            identity=self.identity(index),
        )

    @cached_property
    def path(self) -> Path:
        """Where the pack's file lies. Raises MissingDataError where it does not."""
        what = f"the rotation pack {self.pack}.npz (its layout: the docstring of kinema.data.sources.packs)"
        return data_file(self.root, f"{self.pack}.npz", what=what, origin=PACKS[self.pack].origin)

    @cached_property
    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = read_archive(self.path, _ARRAYS)
        _check_layout(self.path, arrays)
        return arrays


@dataclass(frozen=True)
class LabelledPack(RotationPack):
    """A rotation pack whose clips are labelled by what is done, by how, or by both ("walk & elderly").

    `label` "content" gives the pack's own labels (10 in bandai2, 11 in hdm05, 21 coarse ones in cmu_bvh), "style" its
    styles (7 in bandai2), "both" the contents followed by the styles, each clip with one of either. `described` are
    pairs (text, label): a clip whose description contains the text has that label in place of the pack's own; the first
    pair that fits counts. Raises UsageError where a pack has no styles, or no descriptions and some are asked for,
    otherwise as `RotationPack`.
    """

    label: Label = "content"
    described: tuple[tuple[str, str], ...] = ()

    @derived
    def styles(self) -> tuple[str, ...]:
        """The labels that say how something is done."""
        return () if self.label == "content" else tuple(str(style) for style in self._style_arrays["styles"])

    @derived
    def actions(self) -> tuple[str, ...]:
        """Contents, then styles, as far as `label` selects them."""
        named = tuple(label for _, label in self.described if label not in self.contents)
        return (() if self.label == "style" else tuple(dict.fromkeys((*self.contents, *named)))) + self.styles

    def clips(self, split: Split) -> Iterator[Motion]:
        """The clips of one split in the file's order."""
        clips = super().clips(split)
        if self.described:
            clips = (replace(clip, action=self._said(clip)) for clip in clips)
        return clips if self.label == "content" else self._styled(clips)

    def _said(self, clip: Motion) -> str | None:
        text = self._descriptions[clip.identity]
        return next((label for part, label in self.described if part in text), clip.action)

    @cached_property
    def _descriptions(self) -> dict[str, str]:
        found = self._arrays.get("description")
        if found is None or found.shape != self._arrays["name"].shape:
            raise UsageError(
                expected="a pack with a description of each clip (cmu_bvh, cmu_amc)",
                got=self.pack,
                cure="Leave described empty.",
            )
        return {self.identity(clip): str(text) for clip, text in enumerate(found)}

    def _styled(self, clips: Iterator[Motion]) -> Iterator[Motion]:
        arrays = self._style_arrays
        style_of = {
            self.identity(clip): str(arrays["styles"][style]) for clip, style in enumerate(arrays["style"].tolist())
        }
        for clip in clips:
            style = style_of[clip.identity]
            yield replace(clip, action=style if self.label == "style" else f"{clip.action}{LABELS}{style}")

    @cached_property
    def _style_arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = self._arrays
        if not {"style", "styles"} <= set(arrays):
            raise UsageError(
                expected="a pack with styles (bandai1, bandai2)", got=self.pack, cure='Set label="content".'
            )
        names, style, styles = arrays["name"], arrays["style"], arrays["styles"]
        among = style.dtype.kind in "iu" and bool(((style >= 0) & (style < styles.size)).all())
        if style.shape != names.shape or styles.ndim != 1 or not among:
            expected = f"one of {styles.size} styles for each of {names.size} clips"
            raise _damaged(f"{self.path}: style", expected, f"{style.dtype} of shape {style.shape}")
        return arrays


def _check_layout(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    frames, joints, clips = len(arrays["rot"]), len(arrays["joints"]), len(arrays["name"])
    expected = {"rot": (frames, joints, 3), "root": (frames, 3), "start": (clips + 1,), "parents": (joints,)}
    expected |= dict.fromkeys(("skel", "label", "split", "jumps"), (clips,))
    expected |= {"canon17": (len(CANON17),), "offsets": (len(arrays["offsets"]), joints, 3)}
    for key, shape in expected.items():
        if arrays[key].shape != shape:
            raise _damaged(f"{path}: {key}", f"shape {shape}", f"shape {arrays[key].shape}")
    start = arrays["start"]
    if bool((np.diff(start) < 1).any()) or int(start[0]) != 0 or int(start[-1]) != frames:
        raise _damaged(f"{path}: start", f"rising row numbers from 0 to {frames}", f"{start[0]} to {start[-1]}")
    if arrays["rot"].dtype != np.int16:
        raise _damaged(f"{path}: rot", "16-bit integers (radians = value * pi / 32767)", str(arrays["rot"].dtype))
    bounds = {"skel": len(arrays["offsets"]), "label": len(arrays["labels"]), "split": len(SPLITS), "canon17": joints}
    for key, count in bounds.items():
        if arrays[key].size and not (int(arrays[key].min()) >= 0 and int(arrays[key].max()) < count):
            raise _damaged(f"{path}: {key}", f"numbers from 0 to {count - 1}", f"{arrays[key].max()} among them")
    if not np.isfinite(arrays["root"]).all():
        raise _damaged(f"{path}: root", "finite numbers", "NaN or infinity")


def _damaged(where: str, expected: str, got: str) -> FormatError:
    return FormatError(where=where, expected=expected, got=got, cure="Copy or build the pack again.")
