"""Folders that PoseGPT's own preprocessing wrote: `pose.pkl` and `action.pt`, a pair for each split.

`pose.pkl` is a pickled list of float tensors (frame, 75, 159 or 168): rotation vectors of SMPL, SMPL-H or SMPL-X from
the root on, then the translation in metres, at 30 frames per second, y **down** after that preprocessing.
Written by `save_into_array` it is `pose.pt` instead, one tensor (sequence, frame, column), with `valid.pt` (sequence,
frame) of ones where frames exist. `action.pt` is a tensor (sequence, class) of zeros and ones. The pickles are read
without running them (`kinema.core.safe_pickle`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import FormatError, UsageError
from kinema.core.safe_pickle import read_pickle, read_torch
from kinema.data.source import LABELS, SPLITS, Source, Split, check_split, data_folder, derived, missing_data
from kinema.data.sources.amass import WIDTHS
from kinema.data.sources.babel import CLASS_FILE, LICENCE, class_list
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io.smpl import BODIES
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

POSES, ARRAY, VALID, ACTIONS = "pose.pkl", "pose.pt", "valid.pt", "action.pt"
_WHAT = "a folder of PoseGPT's preprocessing (train_60/.../pose.pkl or pose.pt, and action.pt; val_60/...)"
_ORIGIN = "Run that preprocessing on BABEL and AMASS, or train on these themselves by kinema's source Babel."
_Y_UP = torch.tensor([1.0, -1.0, -1.0])  # a rotation by pi about x


@dataclass(frozen=True)
class PoseFolder(Source):
    """The sequences below `root` (None: the folder that KINEMA_DATA names), with y up and at `fps`.

    A split is the one `pose.pkl` or `pose.pt` below a folder whose name begins like it ("train_60"); one in `root`
    itself is "train". Classes have the names of `action_label_2_idx.json` of BABEL where that lies in `root`, else
    "class 0", "class 1" ... Raises MissingDataError where there is no such file, UsageError where a split has several,
    FormatError naming the sequence that is malformed.
    """

    root: str | None = None
    fps: float = 30.0
    licence: str = LICENCE

    name = "pose-folder"

    @derived
    def skeleton(self) -> Skeleton:
        """The catalogue's skeleton of the body that the first sequence has as many columns as."""
        path = self._pairs[0][1]
        return catalog.skeleton(BODIES[_body(path, 0, self._sequences(path)[0])])

    @derived
    def actions(self) -> tuple[str, ...]:
        """One name for each column of the labels."""
        path = self._pairs[0][1]
        count = self._labels(path, len(self._sequences(path))).shape[1]
        named = class_list(self._folder, count) if (self._folder / CLASS_FILE).is_file() else ()
        return (*named, *(f"class {place}" for place in range(len(named), count)))

    def clips(self, split: Split) -> Iterator[Motion]:
        """The sequences of a split in the file's order; those without a label have no action."""
        check_split(split)
        for path in (path for own, path in self._pairs if own == split):
            sequences = self._sequences(path)
            for place, (rows, label) in enumerate(zip(sequences, self._labels(path, len(sequences)), strict=True)):
                done = [self.actions[int(one)] for one in label.nonzero() if int(one) < len(self.actions)]
                yield self._motion(path, place, rows, LABELS.join(done) or None, f"{split}/{place}")

    def _files(self) -> list[Path]:
        beside = [path.with_name(name) for _, path in self._pairs for name in (path.name, VALID, ACTIONS)]
        return [file for file in beside if file.is_file()]

    def _motion(self, path: Path, place: int, rows: Tensor, action: str | None, name: str) -> Motion:
        if BODIES[_body(path, place, rows)] != self.skeleton.name:
            raise _damaged(
                path, place, f"a body of {len(self.skeleton)} joints, as the first", f"{rows.shape[1]} columns"
            )
        rotations = rotvec_to_rotmat(rows[:, :-3].float().unflatten(1, (-1, 3)))
        rotations[:, 0] = _Y_UP[:, None] * rotations[:, 0]
        # Windows of a recording whose name the file does not keep.
        return Motion(self.skeleton, rotations, rows[:, -3:].float() * _Y_UP, self.fps, action, f"?amass/pose/{name}")

    def _sequences(self, path: Path) -> list[Tensor]:
        if path.name == ARRAY:
            return _padded(path)
        found = read_pickle(path)
        if not isinstance(found, list) or not found:
            raise _damaged(path, None, "a list of sequences", type(found).__name__)
        return cast("list[Tensor]", found)

    def _labels(self, path: Path, count: int) -> Float[Tensor, "sequence class"]:
        labels: Any = (
            read_torch(path.with_name(ACTIONS)) if path.with_name(ACTIONS).is_file() else torch.zeros(count, 0)
        )
        if not isinstance(labels, Tensor) or labels.dim() != 2 or len(labels) != count:
            got = f"{tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
            raise _damaged(path.with_name(ACTIONS), None, f"labels of shape ({count}, classes)", got)
        return labels.float()

    @cached_property
    def _folder(self) -> Path:
        return data_folder(self.root, what=_WHAT, origin=_ORIGIN)

    @cached_property
    def _pairs(self) -> tuple[tuple[Split, Path], ...]:
        pairs: list[tuple[Split, Path]] = []
        for split in SPLITS:
            found = sorted(path for name in (POSES, ARRAY) for path in self._folder.glob(f"{split}*/**/{name}"))
            found += [self._folder / name for name in (POSES, ARRAY) if split == "train"]
            found = [path for path in found if path.is_file()]
            if len(found) > 1:
                got = " and ".join(str(path.relative_to(self._folder)) for path in found[:2])
                expected = f"one {POSES} or {ARRAY} of {split} below {self._folder}"
                raise UsageError(expected=expected, got=got, cure="Give one of their folders as root.")
            pairs.extend((split, path) for path in found)
        if not pairs:
            raise missing_data(_WHAT, f"no {POSES} or {ARRAY} below {self._folder}", _ORIGIN)
        return tuple(pairs)


def _padded(path: Path) -> list[Tensor]:
    """The sequences of one array, without padding."""
    poses, valid = (read_torch(path), read_torch(path.with_name(VALID)))
    if not isinstance(poses, Tensor) or poses.dim() != 3 or not len(poses):
        got = f"shape {tuple(poses.shape)}" if isinstance(poses, Tensor) else type(poses).__name__
        raise _damaged(path, None, "an array (sequence, frame, column)", got)
    if not isinstance(valid, Tensor) or valid.shape != poses.shape[:2]:
        got = f"shape {tuple(valid.shape)}" if isinstance(valid, Tensor) else type(valid).__name__
        raise _damaged(path.with_name(VALID), None, f"ones and zeros of shape {tuple(poses.shape[:2])}", got)
    return [rows[there] for rows, there in zip(poses, valid > 0, strict=True)]


def _body(path: Path, place: int, rows: object) -> str:
    widths = {columns + 3: body for columns, body in WIDTHS.items()}
    fits = isinstance(rows, Tensor) and rows.dim() == 2 and rows.shape[1] in widths and rows.is_floating_point()
    if not fits or not len(cast("Tensor", rows)) or not bool(cast("Tensor", rows).isfinite().all()):
        got = f"{rows.dtype} of shape {tuple(rows.shape)}" if isinstance(rows, Tensor) else type(rows).__name__
        raise _damaged(path, place, f"finite numbers of {', '.join(map(str, widths))} columns", got)
    return widths[cast("Tensor", rows).shape[1]]


def _damaged(path: Path, place: int | None, expected: str, got: str) -> FormatError:
    where = str(path) if place is None else f"{path}, sequence {place}"
    return FormatError(
        where=where, expected=expected, got=got, cure="Make the file again with PoseGPT's preprocessing."
    )
