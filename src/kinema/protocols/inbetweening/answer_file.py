"""The answer file: ground truth, answer of a method and straight lines for each clip, as HDF5 (extra `data`).

`{cell}/{recording}` is a group of `gt`, `pred` and `interp`, each of shape (joint, dim, frame) as Render-In-Between's
evaluation writes them: metres with y up, or units of the picture with y down. Its attributes are `fps` and the body
(`skeleton`, `joint_names`, `parents`, `rest_offsets`); the file's are `protocol`, `model` and `format_version`.
Only the first window of a recording is stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.core.atomic import atomic_path
from kinema.core.errors import FormatError, UsageError, unknown_name
from kinema.data.sources.arrays import h5_array, open_h5, require_h5py
from kinema.motion.motion import Clip, Points
from kinema.motion.skeleton import Skeleton

Keep = Callable[[str, Clip, Mapping[str, Clip]], None]
"""Stores ground truth and answers by method under the name of a cell."""
PARTS = ("gt", "pred", "interp")
_CURE = "Write the file again with `kinema eval MODEL --protocol rib --answers FILE.h5`."


@dataclass(frozen=True, eq=False)
class Answered:
    """One clip of a file: the ground truth, the method's answer, and straight lines through the given frames."""

    name: str
    model: str
    ground_truth: Points
    answer: Points
    lines: Points


@contextlib.contextmanager
def write_answers(path: Path, protocol: str, model: str) -> Generator[Keep]:
    """A function that stores answers in a new file; the file appears when the block ends without an error.

    Raises UsageError for a suffix other than .h5, or without h5py.
    """
    if path.suffix != ".h5":
        raise UsageError(
            expected="a file of answers that ends in .h5", got=str(path), cure=f"Use {path.with_suffix('.h5').name}."
        )
    h5py = require_h5py()
    with atomic_path(path) as beside, h5py.File(beside, "w") as file:
        file.attrs.update({"protocol": protocol, "model": model, "format_version": 1})

        def keep(cell: str, ground_truth: Clip, answers: Mapping[str, Clip]) -> None:
            if model in answers:
                group = file.create_group(f"{cell}/{ground_truth.identity}")
                _write(group, ground_truth, answers[model], answers["linear"])

        yield keep


def is_answer_file(path: Path) -> bool:
    """True for an answer file, by suffix and attributes."""
    if path.suffix != ".h5" or not path.is_file():
        return False
    with open_h5(path) as file:
        return {"protocol", "model"} <= set(file.attrs)


def load_answer(path: Path, clip: str | None = None) -> Answered:
    """One clip (default: the first). Raises UsageError for an unknown clip, FormatError for a damaged file."""
    with open_h5(path) as file:
        names: list[str] = []
        file.visit(lambda name: names.append(name.removesuffix("/gt")) if name.endswith("/gt") else None)
        if not names:
            raise FormatError(where=str(path), expected="at least one clip", got="none", cure=_CURE)
        name = clip or names[0]
        if name not in names:
            raise unknown_name("clip", name, names)
        ground_truth, answer, lines = (_read(file[name], part, path) for part in PARTS)
        return Answered(name, str(file.attrs["model"]), ground_truth, answer, lines)


def _write(group: Any, ground_truth: Clip, answer: Clip, lines: Clip) -> None:
    for part, clip in zip(PARTS, (ground_truth, answer, lines), strict=True):
        array = clip.points().positions[0].permute(1, 2, 0).float().numpy()
        group.create_dataset(part, data=array, compression="gzip", shuffle=True)
    body = ground_truth.skeleton
    facts = {"skeleton": body.name, "joint_names": list(body.joints), "parents": body.parents}
    group.attrs.update({"fps": ground_truth.fps, **facts, "rest_offsets": body.offsets.numpy()})


def _read(group: Any, part: str, path: Path) -> Points:
    facts, array = group.attrs, h5_array(group, part, path)
    joints, parents = tuple(map(str, facts["joint_names"])), tuple(map(int, facts["parents"]))
    if array.ndim != 3 or array.shape[0] != len(joints) or array.shape[1] not in (2, 3) or not array.shape[2]:
        expected, got = f"shape ({len(joints)}, 2 or 3, frames)", f"{array.shape}"
        raise FormatError(where=f"{path}, {group.name}/{part}", expected=expected, got=got, cure=_CURE)
    body = Skeleton(str(facts["skeleton"]), joints, parents, torch.from_numpy(np.asarray(facts["rest_offsets"])))
    return Points(body, torch.from_numpy(array).float().permute(2, 0, 1).contiguous(), float(facts["fps"]))
