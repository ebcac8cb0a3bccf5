"""The user's own body model of the SMPL family: rest joints for any shape, as a skeleton of the catalogue.

Body models are licensed to each user and may not be passed on; kinema contains none. Read from a file:
`v_template` (vertex, 3), `shapedirs` (vertex, 3, shape), `J_regressor` (joint, vertex), `kintree_table` (2, joint; its
first row names the parents). Metres, y up, T-pose, facing +z. A file is an npz, or a pkl of plain arrays, which is not
executed; pickles of sparse matrices or of chumpy's arrays are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.errors import FormatError, MissingDataError, damaged
from kinema.core.safe_pickle import read_pickle
from kinema.core.safe_zip import read_npz
from kinema.motion import skeletons as catalog
from kinema.motion.skeleton import Skeleton

BODIES: dict[str, str] = {"smpl": "smpl24", "smplh": "smplh52", "smplx": "smplx55"}
"""Body of the family -> its skeleton in the catalogue."""
_KEYS = ("v_template", "shapedirs", "J_regressor", "kintree_table")
_SUFFIXES = (".npz", ".pkl")
_CURE = "Give the model file as its authors' site hands it out."
_ORIGIN = (
    "Register at smpl.is.tue.mpg.de, mano.is.tue.mpg.de (SMPL-H) or smpl-x.is.tue.mpg.de (research only, no "
    "redistribution) and name the file, or a folder with one file for each gender."
)


@dataclass(frozen=True, eq=False)
class SmplBody:
    """Rest joints as a linear function of shape: `places + directions @ betas` (metres).

    `body` is "smpl", "smplh" or "smplx".
    """

    body: str
    places: Float[Tensor, "joint 3"]
    directions: Float[Tensor, "joint 3 shape"]

    def joints(self, betas: Float[Tensor, " beta"] | None = None) -> Float[Tensor, "joint 3"]:
        """Rest places of the joints, float64. Betas that the model has no direction for count for nothing."""
        if betas is None:
            return self.places
        known = min(len(betas), self.directions.shape[-1])
        return self.places + self.directions[..., :known] @ betas[:known].to(self.places)

    def skeleton(self, betas: Float[Tensor, " beta"] | None = None) -> Skeleton:
        """The catalogue's skeleton of this body with this shape's bones; the root's offset is its rest place."""
        base = catalog.skeleton(BODIES[self.body])
        places = self.joints(betas)
        parents = list(base.parents)
        offsets = torch.cat((places[:1], places[1:] - places[parents[1:]]))
        return replace(base, offsets=offsets.to(torch.float32))


def load(path: Path | str) -> SmplBody:
    """The body in a model file.

    Raises MissingDataError where there is no such file, FormatError naming the key that is missing, misshapen or of
    another tree than SMPL's, SMPL-H's or SMPL-X's.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingDataError(expected="a body model of the SMPL family", got=f"no file at {path}", cure=_ORIGIN)
    found = dict(read_npz(path, _KEYS)) if path.suffix.lower() == ".npz" else _read_pickle(path)
    for key in _KEYS:
        if key not in found:
            raise _wrong(path, key, "it", f"only {', '.join(sorted(found)) or 'nothing'}")
    template = _numbers(path, "v_template", found)
    shapes = _numbers(path, "shapedirs", found)
    regressor = _numbers(path, "J_regressor", found)
    if min(template.ndim, shapes.ndim, regressor.ndim) == 0:
        raise _wrong(path, "v_template, shapedirs, J_regressor", "arrays", "a single number")
    vertices, joints = template.shape[0], regressor.shape[0]
    expected = {"v_template": (vertices, 3), "shapedirs": (vertices, 3, shapes.shape[-1])}
    expected["J_regressor"] = (joints, vertices)
    for key, array in (("v_template", template), ("shapedirs", shapes), ("J_regressor", regressor)):
        if array.shape != expected[key]:
            raise _wrong(path, key, f"an array of shape {expected[key]}", f"{array.shape}")
    return SmplBody(
        _body(path, joints, found),
        torch.from_numpy(regressor @ template),
        torch.from_numpy(np.einsum("jv,vcs->jcs", regressor, shapes)),
    )


def find(folder: Path | str, gender: str) -> Path:
    """The model file for a gender below a folder: `male/model.npz`, `SMPLX_MALE.npz`, `basicmodel_m_lbs ... .pkl`.

    A file is taken as it is. Where a gender has none, the neutral one is taken. Raises MissingDataError where that is
    not there either.
    """
    folder = Path(folder)
    if folder.is_file():
        return folder
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES) if folder.is_dir() else []
    for wanted in (gender.lower(), "neutral"):
        for path in files:
            words = set(re.findall(r"[a-z]+", path.relative_to(folder).as_posix().lower()))
            if words & {wanted, wanted[:1]}:
                return path
    what = f"a body model for '{gender}', or a neutral one"
    got = f"{len(files)} files below {folder}, none of them so named"
    raise MissingDataError(expected=what, got=got, cure=_ORIGIN)


def _body(path: Path, joints: int, found: Mapping[str, Any]) -> str:
    table = _numbers(path, "kintree_table", found)
    if table.ndim != 2 or not len(table):
        raise _wrong(path, "kintree_table", "an array of two rows", f"shape {table.shape}")
    parents = tuple(table[0].astype(np.int64).tolist())
    for body, name in BODIES.items():
        tree = catalog.skeleton(name).parents
        # The root's parent is written as -1, or as that in 32 bits without a sign.
        if len(tree) == joints == len(parents) and tree[1:] == parents[1:]:
            return body
    expected = "the tree of SMPL (24 joints), SMPL-H (52) or SMPL-X (55)"
    raise _wrong(path, "kintree_table", expected, f"another of {len(parents)} joints, {joints} of them regressed")


def _read_pickle(path: Path) -> dict[str, Any]:
    found = read_pickle(path)
    if not isinstance(found, dict):
        raise _wrong(path, None, "a dict of arrays", type(found).__name__)
    return {str(key): value for key, value in found.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _numbers(path: Path, key: str, found: Mapping[str, Any]) -> NDArray[np.float64]:
    value = found[key]
    if hasattr(value, "toarray"):  # a sparse matrix
        value = value.toarray()
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise _wrong(path, key, "finite numbers", f"an array of {array.dtype}")
    return array.astype(np.float64)


def _wrong(path: Path, key: str | None, expected: str, got: str) -> FormatError:
    where = path.name if key is None else f"{path.name}, key '{key}'"
    return damaged(where, expected, got, _CURE)
