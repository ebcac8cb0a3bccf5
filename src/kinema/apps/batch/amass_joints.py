"""Render-In-Between's file of joints from one's own AMASS, as a job: see `kinema.data.sources.amass_joints`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinema.apps.batch.jobs import Do, Made, Piece
from kinema.core.atomic import atomic_path
from kinema.data.sources.amass_joints import Building, read_joints, recordings_of
from kinema.io import smpl


@dataclass(frozen=True)
class AmassFitting:
    """Joint places of a recording by the user's own body model."""

    model: Path
    how: Building

    def stamp(self) -> Mapping[str, Any]:
        """All but the file."""
        return {"verb": "amass-joints", "model": str(self.model.resolve()), **asdict(self.how)}

    def open(self) -> Do:
        """Body models are loaded as recordings ask for them."""
        bodies: dict[str, smpl.SmplBody] = {}

        def do(piece: Piece) -> Made:
            joints = read_joints(piece.source, self.model, bodies, self.how)
            with atomic_path(piece.target) as beside, beside.open("wb") as file:
                np.save(file, joints)
            return Made((piece.target,), {"frames": len(joints)})

        return do


def amass_pieces(amass: Path, parts: Path) -> dict[str, Piece]:
    """The recordings by their names in the HDF5, each with its part below `parts`. Raises as `recordings_of`."""
    parts = parts.resolve()
    return {name: Piece(path, parts / f"{name}.npy") for name, path in recordings_of(amass).items()}
