"""Building Render-In-Between's file of joints (`AmassJoints`) from one's own AMASS and SMPL-H model.

Every recording becomes a file of its own first, beside the target, so that a run that was stopped goes on where it
was; the HDF5 is put together at the end, whole or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinema.atomic import atomic_path, write_text
from kinema.data.amass import Amass
from kinema.data.amass_files import TO_Y_UP, Header, plain, read_take
from kinema.data.amass_joints import JOINTS, TEST, TRAIN
from kinema.data.archive import require_h5py
from kinema.errors import FormatError, UsageError
from kinema.geometry.kinematics import forward_kinematics
from kinema.motion.edit import resample
from kinema.motion.files import smpl

_KEPT = (0.1, 0.9)  # what the release keeps of every recording
_RELEASED_BETAS = 10


@dataclass(frozen=True)
class Building:
    """How the file is made: `fps` None keeps every recording's rate, `released` takes the male body for everybody.

    The release did both, and had soft-tissue shapes of its own on top, which are left out here: they move joints by
    little and need another licensed file. At one `fps` the reader's single rate is true of all.
    """

    fps: float | None = 60.0
    released: bool = False


@dataclass(frozen=True)
class Progress:
    """One recording of `total`: its name in the file, and whether it was made now or was there."""

    done: int
    total: int
    name: str
    made: bool


def build_joints(
    amass: Path | str, model: Path | str, out: Path | str, how: Building | None = None
) -> Iterator[Progress]:
    """Make the file; each recording is told of as it is done, and the file is there once this is exhausted.

    The middle eight tenths of every recording, as in the release: `{dataset}/{subject}_{name}.npz/joints`, float64
    (frame, 52, 3), metres, z up. Recordings of other data sets than the release's, and files without poses or rate,
    are left out. Raises MissingDataError where there is no recording or model, FormatError naming a broken file, or a
    model that is not SMPL-H's, UsageError where an unfinished run beside `out` was made in another way, KinemaError
    where h5py is not installed.
    """
    how = how or Building()
    h5py, out = require_h5py(), Path(out)
    source = Amass(str(amass), (), "smplh", None, None, TRAIN, (), TEST)
    parts = _parts(out, how, model)
    bodies: dict[str, smpl.SmplBody] = {}
    names: dict[str, Path] = {}
    for place, header in enumerate(source.recordings):
        name = _name(header)
        if name in names:
            raise FormatError(where=str(header.path), expected="one recording of each name", got=f"{name} twice",
                              cure="Keep one of the two.")  # fmt: skip
        names[name] = parts / f"{name}.npy"
        missing = not names[name].is_file()
        if missing:
            joints = _joints(header, Path(model), bodies, how)
            with atomic_path(names[name]) as beside, beside.open("wb") as file:
                np.save(file, joints)
        yield Progress(place + 1, len(source.recordings), name, missing)
    with atomic_path(out) as beside, h5py.File(beside, "w") as file:
        _fill(file, names, how)
    shutil.rmtree(parts)


def _fill(file: Any, names: dict[str, Path], how: Building) -> None:
    for name, path in names.items():
        joints = file.create_dataset(f"{name}/joints", data=np.load(path))
        if how.fps is not None:
            joints.attrs["fps"] = how.fps


def _joints(
    header: Header, model: Path, bodies: dict[str, smpl.SmplBody], how: Building
) -> Float[np.ndarray, "frame joint 3"]:
    take = read_take(header)
    gender = "male" if how.released else take.gender
    if gender not in bodies:
        bodies[gender] = smpl.load(smpl.find(model, gender))
    body = bodies[gender]
    if body.places.shape[0] != JOINTS:
        raise FormatError(where=str(model), expected="a model of SMPL-H, of 52 joints", got=body.body,
                          cure="Name the folder of the SMPL-H models.")  # fmt: skip
    shaped = body.skeleton(take.betas[:_RELEASED_BETAS]) if how.released else body.skeleton(take.betas)
    motion = take.on(shaped, shaped.offsets[0])
    kept = motion[int(_KEPT[0] * motion.frames) : max(int(_KEPT[1] * motion.frames), 1)]
    kept = kept if how.fps is None else resample(kept, how.fps)
    places, _ = forward_kinematics(kept.rotations.double(), kept.root.double(), shaped.offsets.double(), shaped.parents)
    return (places @ TO_Y_UP.double()).numpy()


def _name(header: Header) -> str:
    """`{dataset}/{subject}_{file}.npz`; the data set in the release's spelling, which its reader looks for."""
    dataset, *rest = header.name.split("/")
    dataset = next(name for name in (*TRAIN, *TEST) if plain(name) == plain(dataset))
    return f"{dataset}/{'_'.join(rest)}.npz"


def _parts(out: Path, how: Building, model: Path | str) -> Path:
    parts = out.with_name(f"{out.name}.parts")
    said = json.dumps({**asdict(how), "model": str(Path(model).resolve())}, sort_keys=True)
    note = parts / "how.json"
    if note.is_file() and (before := note.read_text(encoding="utf-8")) != said:
        raise UsageError(
            expected=f"an unfinished run in {parts} that was made with {said}",
            got=before,
            cure="Finish it as it was begun, or remove that folder.",
        )
    write_text(note, said)
    return parts
