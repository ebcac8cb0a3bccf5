"""`BenchmarkRows`: the columns of the exponential-map benchmarks as features, signs and units as in their files.

A row is 3 numbers of root translation and a rotation vector per joint (`io.expmap`). Models see the columns that vary:
70 of 117 (CMU), 54 of 99 (Human3.6M), listed in `motion.skeletons.cmu` and `motion.skeletons.h36m`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io.expmap import motion_to_rows
from kinema.motion.motion import Clip, Motion
from kinema.motion.skeleton import Skeleton
from kinema.representations.base import Representation, Statistics, with_rotations


class BenchmarkRows(Representation):
    """Chosen `columns` of the benchmark rows of a skeleton; the translation is in units of `unit` metres.

    With `wrap_path` a translation is treated like a rotation vector: its length is taken modulo 2 pi.
    Raises UsageError for columns that a row does not have, or whose mirror images are not among them.
    """

    space = "rotations"

    def __init__(
        self, skeleton: Skeleton, fps: float, columns: Sequence[int], unit: float, *, wrap_path: bool = False
    ) -> None:
        self.skeleton, self.fps, self.unit, self.wrap_path = skeleton, fps, unit, wrap_path
        self.columns = tuple(columns)
        all_columns = 3 + 3 * len(skeleton)
        mirrored = [3 + 3 * skeleton.mirror[(column - 3) // 3] + column % 3 for column in range(3, all_columns)]
        partner = [*range(3), *mirrored]
        chosen = set(self.columns)
        if not chosen <= set(range(all_columns)) or {partner[column] for column in chosen} != chosen:
            raise UsageError(
                expected=f"columns from 0 to {all_columns - 1}, each with the column of the mirrored joint",
                got=f"{len(chosen)} columns that are not so",
                cure="Use CMU38_VARYING or H36M32_VARYING (kinema.motion.skeletons), or none for all.",
            )
        self.width = len(self.columns)
        self.statistics = Statistics.none(self.width)
        self._swap = [self.columns.index(partner[column]) for column in self.columns]
        # A reflection across axis a negates the a-component of a position, and the other two of a rotation vector.
        across = skeleton.mirror_axis
        negated = [(column % 3 == across) == (column < 3) for column in self.columns]
        self._sign = torch.tensor([-1.0 if each else 1.0 for each in negated])

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """The path and the joints, numbered in the order in which they occur."""
        parts = sorted({column // 3 for column in self.columns})
        return tuple(parts.index(column // 3) for column in self.columns)

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """The columns of a clip's rows, as its file would have them."""
        self.check(clip)
        rows = motion_to_rows(with_rotations(clip), self.unit)
        if self.wrap_path:
            rows = torch.cat((_wrapped(rows[..., :3]), rows[..., 3:]), -1)
        return rows[..., list(self.columns)].float()

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Motion:
        """The pose in the frame of the root; joints whose columns are left out keep their rest rotation."""
        rows = features.new_zeros(*features.shape[:-1], 3 + 3 * len(self.skeleton))
        rows[..., list(self.columns)] = features
        vectors = rows[..., 3:].unflatten(-1, (-1, 3))
        rotations = rotvec_to_rotmat(-vectors)
        rotations[..., 0, :, :] = torch.eye(3).to(rotations)
        return Motion(self.skeleton, rotations, torch.zeros_like(rows[..., :3]), self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Joints exchanged; the path's component across the mirror and the rotations about the other axes negated."""
        return features[..., self._swap] * self._sign.to(features)


def _wrapped(vectors: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """Vectors of the same direction whose length is taken modulo 2 pi."""
    length = vectors.norm(dim=-1, keepdim=True)
    return vectors * (length % (2 * math.pi)) / length.clamp(min=1e-12)


@dataclass(frozen=True)
class BenchmarkRowsConfig:
    """`BenchmarkRows` as data. No `columns` means all of them; `unit` is in metres.

    With `standardise` the features are given the training set's mean 0 and deviation 1; without, they stay radians.
    """

    fps: float
    columns: tuple[int, ...] = ()
    unit: float = 1.0
    wrap_path: bool = False
    standardise: bool = True

    def build(self, skeleton: Skeleton) -> BenchmarkRows:
        """The representation on a skeleton, without statistics."""
        columns = self.columns or range(3 + 3 * len(skeleton))
        return BenchmarkRows(skeleton, self.fps, columns, self.unit, wrap_path=self.wrap_path)
