"""`WindowSet`: the features of a split's clips, encoded once, and the windows that can be cut out of them.

All clips lie one after the other in one float32 array, in memory or mapped from a cache folder:
`FOLDER/KEY/features.npy` and `index.json`. The index holds what the array was made from (source, split,
representation, phases); where that differs, the array is made again. Files are written atomically, the index last, so
that several processes may build the same cache at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from kinema.core.atomic import atomic_path, write_text
from kinema.core.errors import KinemaError, UsageError
from kinema.core.text import read_json
from kinema.data.source import Source, Split
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.edit import resample
from kinema.motion.motion import Clip, Motion
from kinema.representations.base import Representation, Statistics

Balance = Literal["windows", "clips", "subjects", "actions", "sqrt-actions"]
Deviation = Literal["frames", "clips"]
_VERSION = 2
_RATE_TOLERANCE = 5e-5  # as resampling takes it: frame times in files are rounded


@dataclass(frozen=True)
class ClipEntry:
    """One clip of the array: the rows `start:stop`, the recording's identity, its action and its subject."""

    start: int
    stop: int
    identity: str
    action: str | None
    subject: str = ""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one length: the row where each starts, its clip, and its probability `weight` (the sum is 1).

    `skipped` are the clips that are too short for a window. `length` is the number of frames of each window that exist:
    all, unless shorter clips are taken.
    """

    frames: int
    start: Int64[np.ndarray, " window"]
    clip: Int64[np.ndarray, " window"]
    weight: Float[np.ndarray, " window"]
    skipped: tuple[ClipEntry, ...]
    length: Int64[np.ndarray, " window"]

    def __len__(self) -> int:
        return len(self.start)


class WindowSet:
    """Features (own units, not standardised) of every clip of a split. Made by `build`."""

    def __init__(
        self, features: Float[np.ndarray, "row feat"], clips: Sequence[ClipEntry], actions: Sequence[str], fps: float
    ) -> None:
        self.features = features
        self.clips = tuple(clips)
        self.actions = tuple(actions)
        self.fps = fps
        self._path: Path | None = None

    @classmethod
    def build(
        cls,
        source: Source,
        split: Split,
        representation: Representation,
        *,
        cache: Path | str | None = None,
        phases: int = 1,
    ) -> WindowSet:
        """Encode a split at the representation's rate, or open its cache.

        With `phases` above 1, a recording whose rate is a whole multiple (at least `phases`) of the representation's
        also gives the frames that resampling drops, as clips of the same identity.

        Raises UsageError where the split has no clip, KinemaError where features are not finite.
        """
        if phases < 1:
            raise UsageError(expected="at least one phase", got=f"{phases}", cure="Give phases=1 or more.")
        if cache is None:
            return _encode(source, split, representation, phases)
        about = _describe(source, split, representation, phases)
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        folder, probe = Path(cache) / key, _probe(representation)
        if not _is_fresh(folder, about, probe):
            _write(folder, _encode(source, split, representation, phases), about, probe)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> WindowSet:
        """A cache that `build` wrote; its features are memory-mapped."""
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        features = np.load(folder / "features.npy", mmap_mode="r")
        clips = [ClipEntry(**entry) for entry in index["clips"]]
        opened = cls(features, clips, index["actions"], index["about"]["fps"])
        opened._path = folder
        return opened

    @property
    def identities(self) -> frozenset[str]:
        """The identities of the recordings, which a checkpoint keeps for leak checks."""
        return frozenset(clip.identity for clip in self.clips)

    def statistics(self, deviation: Deviation = "frames") -> Statistics:
        """Mean of every feature over all frames, and its deviation over all frames or ("clips") the mean over clips of
        the deviation within each."""
        features = torch.from_numpy(np.array(self.features))
        whole = Statistics.of(features)
        if deviation == "frames":
            return whole
        own = torch.stack([features[clip.start : clip.stop].std(0, correction=0) for clip in self.clips]).mean(0)
        return Statistics.with_deviation(whole.mean, own)

    def windows(
        self, frames: int, stride: int = 1, balance: Balance = "windows", *, shortest: int | None = None
    ) -> Windows:
        """All windows of `frames` frames that start every `stride` frames of a clip.

        `balance` is what is drawn equally often: windows, clips, subjects (and of a subject every clip), or actions
        (clips without one are an action of their own); with "sqrt-actions" the probability of an action is proportional
        to the square root of the number of its windows. Clips that are too short but have at least `shortest` frames
        give one window, of which only the first frames exist (None: they are skipped). Raises UsageError where no clip
        is long enough.
        """
        least = frames if shortest is None else min(shortest, frames)
        if frames < 1 or stride < 1:
            raise UsageError(
                expected="frames and stride of 1 or more",
                got=f"{frames}, {stride}",
                cure="Give a number of frames and a stride such as 1.",
            )
        long = [place for place, clip in enumerate(self.clips) if clip.stop - clip.start >= least]
        if not long:
            longest = max((clip.stop - clip.start for clip in self.clips), default=0)
            raise UsageError(
                expected=f"at least one clip of {least} frames at {self.fps:g} frames per second",
                got=f"{len(self.clips)} clips, the longest of {longest} frames",
                cure="Add longer recordings, or shorten the windows: for a forecast, "
                "--set stages.0.task.predicted=N stages.0.model.predicted=N.",
            )
        first, stop = (np.array([getattr(clip, end) for clip in self.clips], np.int64) for end in ("start", "stop"))
        starts = [np.arange(first[c], max(stop[c] - frames, first[c]) + 1, stride) for c in long]
        clip = np.repeat(np.array(long, dtype=np.int64), [len(start) for start in starts])
        skipped = tuple(entry for entry in self.clips if entry.stop - entry.start < least)
        start = np.concatenate(starts).astype(np.int64)
        length = np.minimum(stop[clip] - start, frames)
        return Windows(frames, start, clip, self._weights(clip, balance), skipped, length)

    def gather(
        self, start: Int64[np.ndarray, " batch"], frames: int, length: Int64[np.ndarray, " batch"] | None = None
    ) -> Float[Tensor, "batch frame feat"]:
        """The windows of `frames` rows that begin at the rows `start`, as a copy.

        Where `length` is less than `frames`, the last row of that length is repeated.
        """
        rows, width = self.features.shape
        if length is not None and bool((length < frames).any()):
            index = start[:, None] + np.minimum(np.arange(frames), length[:, None] - 1)
            return torch.from_numpy(np.asarray(self.features[index]))
        if len(start) and (int(start.min()) < 0 or int(start.max()) + frames > rows):
            raise UsageError(
                expected=f"windows within {rows} rows",
                got=f"one from row {start.max()}",
                cure="Pass the `start` that windows() gives.",
            )
        step = self.features.strides[0]
        # A view in which every row begins a window: a window is then one contiguous copy.
        runs = np.lib.stride_tricks.as_strided(
            self.features, (rows - frames + 1, frames * width), (step, self.features.itemsize), writeable=False
        )
        return torch.from_numpy(np.asarray(runs[start])).view(len(start), frames, width)

    def _weights(self, clip: Int64[np.ndarray, " window"], balance: Balance) -> Float[np.ndarray, " window"]:
        if balance == "windows":
            return np.full(len(clip), 1 / len(clip))
        if balance == "clips":
            group = clip
        elif balance in ("actions", "sqrt-actions"):
            names = sorted({entry.action or "" for entry in self.clips})
            group = np.array([names.index(entry.action or "") for entry in self.clips], dtype=np.int64)[clip]
        elif balance == "subjects":
            names = sorted({entry.subject for entry in self.clips})
            subject = np.array([names.index(entry.subject) for entry in self.clips], dtype=np.int64)
            there = np.zeros(len(self.clips), dtype=bool)
            there[clip] = True
            clips = np.bincount(subject[there], minlength=len(names))  # of each subject, those long enough
            return 1 / (np.count_nonzero(clips) * clips[subject[clip]] * np.bincount(clip)[clip])
        else:
            raise UsageError(
                expected="a balance among windows, clips, subjects, actions, sqrt-actions",
                got=f"'{balance}'",
                cure='Set balance="windows", or another of these.',
            )
        count = np.bincount(group)
        share = np.sqrt(count) if balance == "sqrt-actions" else np.sign(count)
        return (share / share.sum() / np.maximum(count, 1))[group]

    def __getstate__(self) -> dict[str, Any]:
        # A worker process maps the file again; its contents are not sent.
        return vars(self) | ({"features": None} if self._path is not None else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._path is not None:
            self.features = np.load(self._path / "features.npy", mmap_mode="r")


def _encode(source: Source, split: Split, representation: Representation, phases: int) -> WindowSet:
    parts: list[Float[np.ndarray, "row feat"]] = []
    entries: list[ClipEntry] = []
    row = 0
    for clip in source.clips(split):
        for phase in _phases(clip, representation.fps, phases):
            features = representation.encode(resample(phase, representation.fps)).to(torch.float32).numpy()
            if not np.isfinite(features).all():
                raise KinemaError(
                    expected=f"finite features of {clip.identity or 'every clip'}",
                    got="NaN or infinity",
                    cure="Look at the file with kinema info FILE, repair it with kinema repair FILE, or leave it out.",
                )
            parts.append(features)
            subject = source.subject(clip.identity)
            entries.append(ClipEntry(row, row + len(features), clip.identity, clip.action, subject))
            row += len(features)
    if not parts:
        raise UsageError(
            expected=f"clips in the split '{split}' of {source.name}",
            got="none",
            cure="Add recordings, or name recordings for that split in the source's `validation` where it has one.",
        )
    return WindowSet(np.concatenate(parts), entries, source.actions, representation.fps)


def _phases(clip: Clip, fps: float, phases: int) -> Iterator[Clip]:
    ratio = clip.fps / fps
    whole = round(ratio)
    count = phases if abs(ratio - whole) < _RATE_TOLERANCE * ratio and whole >= phases else 1
    for phase in range(count):
        first = phase * whole // count if count > 1 else 0
        if first < clip.frames:
            yield clip[first:] if first else clip


def _describe(source: Source, split: Split, representation: Representation, phases: int) -> dict[str, Any]:
    skeleton = representation.skeleton
    tree = json.dumps(
        [skeleton.joints, skeleton.parents, [[round(x, 5) for x in row] for row in skeleton.offsets.tolist()]]
    )
    return {
        "version": _VERSION, "source": source.stamp(), "split": split, "phases": phases,
        "representation": type(representation).__qualname__, "fps": representation.fps, "width": representation.width,
        "tokens": list(representation.token_of_feature), "joints": list(getattr(representation, "joints", ())),
        "skeleton": hashlib.sha256(tree.encode()).hexdigest(),
    }  # fmt: skip


def _probe(representation: Representation) -> list[float]:
    """The features of a fixed pose: they show that the code of a representation of the same name has changed."""
    joints = len(representation.skeleton)
    angles = torch.sin(torch.arange(3 * joints * 3, dtype=torch.float32)).view(3, joints, 3)
    root = torch.sin(torch.arange(9, dtype=torch.float32)).view(3, 3)
    motion = Motion(representation.skeleton, rotvec_to_rotmat(angles), root, representation.fps)
    return representation.encode(motion)[1].tolist()


def _write(folder: Path, built: WindowSet, about: dict[str, Any], probe: list[float]) -> None:
    with atomic_path(folder / "features.npy") as beside, beside.open("wb") as file:
        np.save(file, built.features)
    index = {"about": about, "probe": probe, "actions": built.actions, "clips": [asdict(clip) for clip in built.clips]}
    write_text(folder / "index.json", json.dumps(index))


def _is_fresh(folder: Path, about: dict[str, Any], probe: list[float]) -> bool:
    try:
        index = read_json(folder / "index.json")
        opened = WindowSet.open(folder)
        return (
            index["about"] == about
            and np.allclose(index["probe"], probe, atol=1e-4)
            and opened.features.shape == (opened.clips[-1].stop, about["width"])
            and all(map(str, opened.actions))
        )
    except (KinemaError, OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError, TokenError):
        return False  # damaged: it is made again
