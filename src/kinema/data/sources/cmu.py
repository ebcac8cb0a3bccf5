"""The CMU forecasting benchmark of ConvSeq2Seq (Li et al., CVPR 2018): eight actions, five train files and a test file.

Rows are frames at 120 Hz, although published horizons count every second one as 40 ms: a translation in ASF units and
38 rotation vectors for row vectors, so they are negated in a `Motion`. Row 0 of every file is a T-pose that the
conversion added. All subjects share one skeleton. Ten of the 48 files are hard to get and may be absent
(`CmuForecast.missing`); any other file that is absent is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import FormatError, unknown_name
from kinema.data.source import Source, Split, check_split, data_folder, derived, missing_data
from kinema.data.sources.arrays import read_archive
from kinema.geometry.rotations import euler_to_rotmat, rotmat_to_rotvec
from kinema.io.bvh.parser import BvhText, parse_bvh
from kinema.io.expmap import load, rows_to_motion
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

FPS = 120.0
UNIT = 0.0564444  # metres per ASF unit: 0.0254 / 0.45
COLUMNS = 117
SHORTEST = 75  # rows: what one window of the benchmark takes at its own rate
ACTIONS = (
    "basketball", "basketball_signal", "directing_traffic", "jumping", "running", "soccer", "walking", "washwindow",
)  # fmt: skip
BENCHMARK: tuple[str, ...] = tuple(
    f"{part}/{action}/{action}_{k}" for part, files in (("train", 5), ("test", 1)) for action in ACTIONS
    for k in range(1, files + 1)
)  # fmt: skip
OFTEN_MISSING: tuple[str, ...] = (
    "test/basketball_signal/basketball_signal_1", "test/directing_traffic/directing_traffic_1",
    *(f"train/directing_traffic/directing_traffic_{k}" for k in (2, 3, 5)),
    *(f"train/washwindow/washwindow_{k}" for k in (1, 2, 3, 4, 5)),
)  # fmt: skip
# Which trial of the CMU archive a file is, found by comparing values, frame counts and root paths.
_TRIALS: dict[str, tuple[str | None, ...]] = {
    "train/basketball": ("06_02", "06_03", "06_04", "06_05", "06_06"), "train/directing_traffic": ("13_26",),
    "train/jumping": ("13_11", None, "13_19", "13_32", "13_39"),
    "train/running": ("35_17", None, "35_23", None, "35_24"),
    "train/soccer": ("10_01", "10_02", "10_03", "10_05", "10_06"),
    "train/walking": ("02_01", "05_01", "06_01", "07_01", "07_02"), "test/basketball": ("06_07",),
    "test/running": ("16_35",), "test/soccer": ("11_01",), "test/walking": ("35_01",), "test/washwindow": ("14_12",),
}  # fmt: skip
TRIALS: dict[str, str] = {
    f"{group}/{group.split('/')[1]}_{k}": trial
    for group, trials in _TRIALS.items()
    for k, trial in enumerate(trials, 1)
    if trial is not None
} | {"test/walking_extra/walking_23": "35_34"}
_WHAT = "the CMU forecasting benchmark (cmu_forecast.npz, or the text tree {train,test}/ACTION/ACTION_K.txt)"
_ORIGIN = (
    "Get the folder data/cmu_mocap of the ConvSeq2Seq repository (recordings: mocap.cs.cmu.edu; free for all uses, "
    "the data may not be resold)."
)


@dataclass(frozen=True)
class CmuForecast(Source):
    """The benchmark's files below `root` (None: the folder that KINEMA_DATA names).

    `drop_first` leaves out row 0, the T-pose. `validation` are train files ("running_4") that are "val" instead.
    `extra` adds the `walking_extra` files, which no published result uses, each to the split of its folder. Raises
    MissingDataError where the data are not there, FormatError where a file is malformed, UsageError where `validation`
    names no train file.
    """

    root: str | None = None
    drop_first: bool = True
    validation: tuple[str, ...] = ()
    extra: bool = False

    name = "cmu_forecast"
    licence = "CMU Graphics Lab Motion Capture Database: free for all uses, the data may not be resold"
    actions = ACTIONS
    fps = FPS

    @derived
    def skeleton(self) -> Skeleton:
        """The benchmark's one skeleton, 38 joints, true metres."""
        return catalog.skeleton("cmu38")

    @property
    def missing(self) -> tuple[str, ...]:
        """The absent ones of the files that are hard to get."""
        return tuple(name for name in OFTEN_MISSING if name not in self._found.names)

    def clips(self, split: Split) -> Iterator[Motion]:
        """The motions of one split's files at 120 Hz, in the order of `names`."""
        return (motion for _, motion in self.recordings(split))

    def recordings(self, split: Split) -> Iterator[tuple[str, Motion]]:
        """Name within the benchmark and motion of one split's files, in the order of `names`."""
        names = self.names(split)
        return ((name, self._motion(name)) for name in names)

    def names(self, split: Split) -> tuple[str, ...]:
        """Names within the benchmark ("train/running/running_4") of one split's files: by action, then the extra ones.

        Raises MissingDataError naming the first file that is absent and not hard to get.
        """
        check_split(split)
        held = self._held_out()
        part = "test/" if split == "test" else "train/"
        for name in BENCHMARK:
            if name.startswith(part) and name not in self._found.names and name not in OFTEN_MISSING:
                raise missing_data(_WHAT, f"{self._found.place} without {name}", _ORIGIN)
        extra = sorted(set(self._found.names) - set(BENCHMARK), key=_numbered) if self.extra else ()
        present = [name for name in BENCHMARK if name in self._found.names]
        return tuple(
            name for name in (*present, *extra) if name.startswith(part) and (name in held) == (split == "val")
        )

    def _files(self) -> tuple[Path, ...]:
        return self._found.paths

    def identity(self, name: str) -> str:
        """The identity of a file's recording: "cmu/06_07", or "?cmu/train/running_4" where the trial is unknown."""
        if trial := self._found.trials.get(name) or TRIALS.get(name):
            return f"cmu/{trial}"
        part, folder, file = name.split("/")
        # An extra file has the name of a benchmark file; its folder tells them apart.
        return f"?cmu/{part}/{folder}/{file}" if folder.endswith("_extra") else f"?cmu/{part}/{file}"

    def _motion(self, name: str) -> Motion:
        motion = self._found.motion(name, self.skeleton)
        if motion.frames < SHORTEST:
            raise _unlike(f"{self._found.place}: {name}", f"at least {SHORTEST} rows", f"{motion.frames}")
        action = name.split("/")[1].removesuffix("_extra")
        return replace(motion[1:] if self.drop_first else motion, action=action, identity=self.identity(name))

    def _held_out(self) -> frozenset[str]:
        train = {name.rsplit("/", 1)[1]: name for name in BENCHMARK if name.startswith("train/")}
        present = {short: name for short, name in train.items() if name in self._found.names}
        for held in self.validation:
            if held not in present and held not in present.values():
                raise unknown_name("train file to hold out", held, present)
        return frozenset(present.get(held, held) for held in self.validation)

    @cached_property
    def _found(self) -> _Pack | _Tree:
        folder = data_folder(self.root, what=_WHAT, origin=_ORIGIN)
        pack = folder if folder.is_file() else folder / "cmu_forecast.npz"
        if pack.is_file():
            return _Pack(pack)
        for tree in (folder, folder / "cmu_mocap"):
            if (tree / "train").is_dir() or (tree / "test").is_dir():
                return _Tree(tree)
        raise missing_data(_WHAT, f"neither of them in {folder}", _ORIGIN)


class _Pack:
    """The benchmark in one NPZ file."""

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self.paths = (path,)
        arrays = read_archive(path, {"expmap": ("numbers", 2), "start": ("whole numbers", 1), "name": ("texts", 1)})
        self._rows, start = arrays["expmap"], arrays["start"]
        names = [str(name) for name in arrays["name"]]
        if self._rows.shape[1] != COLUMNS:
            expected = f"{COLUMNS} columns (a translation and 38 rotation vectors)"
            raise _unlike(f"{path}: expmap", expected, f"{self._rows.shape[-1]}")
        rising = len(start) == len(names) + 1 and int(start[0]) == 0 and not bool((np.diff(start) < 1).any())
        if not rising or int(start[-1]) != len(self._rows):
            expected = f"{len(names) + 1} rising row numbers that end at {len(self._rows)}"
            raise _unlike(f"{path}: start", expected, f"{len(start)}, the last {start[-1:]}")
        self._span = {name: (int(start[i]), int(start[i + 1])) for i, name in enumerate(names)}
        self.names = tuple(names)
        trials = arrays.get("trial", np.array([""] * len(names)))
        if trials.shape != (len(names),):
            raise _unlike(f"{path}: trial", f"one for each of {len(names)} names", f"shape {trials.shape}")
        self.trials: Mapping[str, str] = {n: str(trial) for n, trial in zip(names, trials, strict=True) if str(trial)}

    def motion(self, name: str, skeleton: Skeleton) -> Motion:
        begin, end = self._span[name]
        rows = self._rows[begin:end]
        bad = np.flatnonzero(~np.isfinite(rows).all(1))
        if len(bad):
            raise _unlike(
                f"{self.place}: {name}, row {bad[0]}", "finite numbers", f"NaN or infinity in {len(bad)} rows"
            )
        return rows_to_motion(torch.from_numpy(rows), skeleton, FPS, UNIT)


class _Tree:
    """The benchmark as text files in folders, as its authors published it."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self.paths = tuple(sorted(folder.glob("*/*/*.txt")))
        names = (path.relative_to(folder).with_suffix("").as_posix() for path in self.paths)
        self._path = dict(zip(names, self.paths, strict=True))
        self.names = tuple(self._path)
        self.trials: Mapping[str, str] = {}

    def motion(self, name: str, skeleton: Skeleton) -> Motion:
        return load(self._path[name], skeleton, FPS, UNIT)


def _unlike(where: str, expected: str, got: str) -> FormatError:
    cure = "Copy the file of the CMU benchmark again."
    return FormatError(where=where, expected=expected, got=got, cure=cure)


def _numbered(name: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name))


_POSITIONS = ("Xposition", "Yposition", "Zposition")
_TURNS = ("Zrotation", "Yrotation", "Xrotation")
_CURE = "Give the file of the 2010 MotionBuilder-friendly conversion by B. Hahne (cgspeed); it has 38 joints with Hips."


def benchmark_rows(path: Path | str) -> Float[Tensor, "frame 117"]:
    """The rows, float64: translation in the file's unit, then 38 rotation vectors for row vectors.

    Raises FormatError where the file is no BVH, or not one of that conversion (other joints, channels, or rate).
    """
    path = Path(path)
    text = parse_bvh(path.read_bytes(), path.name)
    _check(text, path.name)
    vectors = torch.zeros(len(text.values), len(text.joints), 3, dtype=torch.float64)
    column = 0
    for joint, channels in enumerate(text.channels):
        if channels:
            column += len(channels) - 3
            angles = torch.from_numpy(np.deg2rad(text.values[:, column : column + 3]))  # about Z, Y, X
            vectors[:, joint] = -rotmat_to_rotvec(
                root_rotation(angles) if joint == 0 else euler_to_rotmat(angles, "ZYX")
            )
            column += 3
    return torch.cat((torch.from_numpy(text.values[:, :3]), vectors.flatten(1)), 1)


def root_rotation(angles: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The benchmark's root from the angles about Z, Y and X of its channels: Rz Rx Ry, where Rz Ry Rx was meant."""
    return euler_to_rotmat(angles[..., [0, 2, 1]], "ZXY")


def _check(text: BvhText, name: str) -> None:
    body = catalog.skeleton("cmu38")
    if tuple(text.parents) != body.parents:
        first = ", ".join(text.joints[:4])
        raise _other(name, f"the {len(body)} joints of the benchmark", f"{len(text.joints)} joints ({first} ...)")
    for joint, channels in enumerate(text.channels):
        wanted = () if joint in text.end_sites else _TURNS if joint else (*_POSITIONS, *_TURNS)
        if channels != wanted:
            raise _other(name, f"the channels {' '.join(wanted)} of {text.joints[joint]}", " ".join(channels) or "none")
    seconds = float(text.frame_time)
    if abs(seconds * FPS - 1) > 0.01:
        raise _other(name, f"a frame time of 1/{FPS:g} s", f"{text.frame_time}")


def _other(name: str, expected: str, got: str) -> FormatError:
    return FormatError(where=name, expected=expected, got=got, cure=_CURE)
