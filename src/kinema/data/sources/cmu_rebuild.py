"""Rows of the CMU forecasting benchmark from a CMU BVH: how its text files were made.

The benchmark's files are the 2010 MotionBuilder-friendly BVH conversion of the CMU archive (its 38 joints, end sites
among them, in the order of the file), whole takes at 120 Hz with the T-pose that the conversion put in front. A joint's
three numbers are minus the rotation vector of Rz Ry Rx, the order of its channels; those of an end site are zero. The
root was composed as Rz Rx Ry from the same angles, a mistake that is repeated here so that rows come out as they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import FormatError
from kinema.data.sources.cmu import FPS
from kinema.geometry.rotations import euler_to_rotmat, rotmat_to_rotvec
from kinema.io.bvh.parser import BvhText, parse_bvh
from kinema.motion import skeletons as catalog

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
