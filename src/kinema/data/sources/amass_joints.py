"""Joint positions of AMASS as Render-In-Between keeps them: one HDF5 file, `{dataset}/{motion}/joints`.

Each is float64 (frame, 52, 3), metres, z up: the 52 joints of SMPL-H with global motion. HDF5 is written by h5py, of
the extra `data`.

The file is built from the user's AMASS and SMPL-H model: every recording becomes a file of its own first, by a job
(`kinema.apps.batch.amass_joints`); the HDF5 is written at the end, atomically.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinema.core.atomic import atomic_path
from kinema.core.errors import FormatError
from kinema.data.sources.amass import TO_Y_UP, Amass, plain, read_header, read_take
from kinema.data.sources.arrays import require_h5py
from kinema.geometry.kinematics import forward_kinematics
from kinema.io import smpl
from kinema.motion.edit import resample

JOINTS = 52
TRAIN: tuple[str, ...] = (
    "CMU", "MPI_Limits", "TotalCapture", "Eyes_Japan_Dataset", "KIT", "DFaust_67", "BMLhandball", "BMLmovi", "EKUT",
    "TCD_handMocap", "BioMotionLab_NTroje", "ACCAD",
)  # fmt: skip
TEST: tuple[str, ...] = ("Transitions_mocap", "SSM_synced", "HumanEva", "MPI_HDM05", "SFU", "MPI_mosh")
_KEPT = (0.1, 0.9)  # what the release keeps of every recording
_RELEASED_BETAS = 10


@dataclass(frozen=True)
class Building:
    """How the file is made: `fps` None keeps every recording's rate, `released` takes the male body for all subjects.

    The release did both. It also added soft-tissue shapes, which are left out here: they move joints little and need
    another licensed file. With one `fps` the reader's single rate holds for all recordings.
    """

    fps: float | None = 60.0
    released: bool = False


def recordings_of(amass: Path | str) -> dict[str, Path]:
    """The files of the release's data sets by their names in the HDF5; damaged ones are among them and fail when read.

    Files without poses or rate are left out. Raises MissingDataError where there is no recording, FormatError where two
    would have one name.
    """
    source = Amass(str(amass), (), "smplh", None, None, TRAIN, (), TEST, skip_bad=True)
    whole = [(header.name, header.path) for header in source.recordings]
    files: dict[str, Path] = {}
    for place, path in (*whole, *source.damaged.items()):
        name = _name(place)
        if name is None:
            continue
        if name in files:
            raise FormatError(where=str(path), expected="one recording of each name", got=f"{name} twice",
                              cure="Keep one of the two.")  # fmt: skip
        files[name] = path
    return files


def write_hdf5(out: Path, parts: dict[str, Path], how: Building) -> None:
    """The HDF5 of all parts (.npy, by name), written atomically. Raises UsageError where h5py is not installed."""
    with atomic_path(out) as beside, require_h5py().File(beside, "w") as file:
        for name, path in parts.items():
            joints = file.create_dataset(f"{name}/joints", data=np.load(path))
            if how.fps is not None:
                joints.attrs["fps"] = how.fps


def read_joints(
    path: Path, model: Path, bodies: dict[str, smpl.SmplBody], how: Building
) -> Float[np.ndarray, "frame joint 3"]:
    """The middle eight tenths of a recording as joint positions: float64, metres, z up. `bodies` caches models.

    Raises FormatError for a damaged recording or a model that is not SMPL-H's, MissingDataError for a missing model.
    """
    header = read_header(path, path.stem)
    if isinstance(header, str):
        raise FormatError(where=str(path), expected="a recording", got=header, cure="Leave it out.")
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
    kept_on = (kept.rotations.double(), kept.root.double(), shaped.offsets.double(), shaped.parents)
    return (forward_kinematics(*kept_on)[0] @ TO_Y_UP.double()).numpy()


def _name(place: str) -> str | None:
    """`{dataset}/{subject}_{file}.npz` in the release's spelling; None for a data set that the release lacks."""
    dataset, *rest = place.split("/")
    known = next((name for name in (*TRAIN, *TEST) if plain(name) == plain(dataset)), None)
    return None if known is None else f"{known}/{'_'.join(rest)}.npz"
