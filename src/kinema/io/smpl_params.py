"""Motion as parameters of the SMPL family: AMASS in all its dialects, and the results of video lifters.

Read are NPZ files (AMASS: `poses` or its parts, `trans`, either key of the rate), PyTorch's files (GVHMR) and pickles
(WHAM, 4D-Humans, 3DPW, AIST++), plain or as joblib compresses them; nothing of them is run. Poses are rotation vectors
or matrices, translations metres. No body model is needed: bones are those of the catalogue's average body, and the
pelvis rests below the origin of the parameters as it does in the average bodies of the family. Written is AMASS's
layout: SMPL-H, z up, with the shape (`betas`, `gender`) of the file that the clip came from.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.atomic import atomic_path
from kinema.core.errors import FormatError, damaged, warn_of_file
from kinema.core.safe_pickle import read_any
from kinema.core.safe_zip import open_archive
from kinema.geometry.rotations import nearest_rotation, rotmat_to_rotvec, rotvec_to_rotmat
from kinema.io.conventions import check_one, no_rate, one_person, upright
from kinema.motion import skeletons as catalogue
from kinema.motion.interpolation import interpolate
from kinema.motion.motion import FileLayout, Motion
from kinema.motion.orientation import from_up
from kinema.motion.retargeting import retarget
from kinema.motion.skeletons.smpl import rest_pelvis

Record = Mapping[str, Any]
_JOINTS = {22: "smpl22", 24: "smpl24", 52: "smplh52", 55: "smplx55"}
_POSES = ("pose_world", "poses", "pose", "smpl_poses", "fullpose", "full_pose")
_ROOTS = ("global_orient", "root_orient", "poses_root", "smpl_orient")
_BODIES = ("body_pose", "pose_body", "poses_body")
_HANDS = (("pose_jaw", "pose_eye"), ("pose_hand",))
_TRANSLATIONS = ("trans_world", "trans", "transl", "smpl_trans", "translation", "pred_trans")
_RATES = ("mocap_framerate", "mocap_frame_rate", "mocap_fps", "frame_rate", "framerate", "fps")
_IDS = ("frame_ids", "frame_id")
_SHAPES = ("betas", "gender", "genders", "smpl_scaling")
_GENDERS = {"m": "male", "f": "female", "n": "neutral"}
_USUAL = {"smpl_params_global": 30.0, "smpl_params_incam": 30.0, "poses_60Hz": 30.0, "smpl_poses": 60.0}
_MOST = 1_000_000  # frames


def is_params(keys: Any) -> bool:
    """Whether a file with these keys holds parameters of the SMPL family."""
    names = set(keys)
    return bool(names & {*_POSES, *_USUAL}) or (bool(names & {*_ROOTS}) and bool(names & {*_BODIES}))


def load(path: Path | str, *, fps: float | None = None, person: str | None = None, up: str | None = None) -> Motion:
    """One person's motion with y up. AMASS has z up; of other files the motion is looked at, or `up` says.

    Frames that `frame_ids` leaves out are interpolated. Raises FormatError where the file holds no such parameters, or
    no rate while `fps` is not given; UsageError for a person who is not there.
    """
    path = Path(path)
    whole = _arrays(path) if path.suffix.lower() == ".npz" else read_any(path)
    people = _people(whole)
    if not people:
        keys = ", ".join(map(str, whole))[:80] if isinstance(whole, dict) else type(whole).__name__
        raise _wrong(path, "poses of the SMPL family (poses, or global_orient and body_pose)", keys or "nothing")
    person = one_person(path, tuple(people), person, lambda one: len(_poses(path, people[one])))
    record = people[person]
    clip = _motion(path, record, fps)
    usual = "z" if path.suffix.lower() == ".npz" and set(_RATES[:2]) & set(record) else None
    return cast("Motion", upright(clip, up, path.name, unsaid="the file does not say what is up", usual=usual))


def people_in(path: Path) -> tuple[str, ...]:
    """The names by which `load` takes people. Raises FormatError as it does."""
    return tuple(_people(_arrays(path) if path.suffix.lower() == ".npz" else read_any(path)))


def save(motion: Motion, path: Path | str) -> None:
    """Write a clip in AMASS's layout (SMPL-H, 52 joints, z up), atomically; another body is retargeted first.

    Shape and gender are those of the file that the clip came from; betas are zeros where it has none, or, with a
    warning, where they are of another model (SMPL-X). Raises UsageError for a batch.
    """
    check_one(motion)
    body = catalogue.skeleton("smplh52")
    own = len(motion.skeleton) <= len(body) and motion.skeleton.joints[:22] == body.joints[:22]
    betas, gender = _shape(motion, Path(path))
    if not own or motion.offsets is not None:
        motion = retarget(motion, body)
    rotations = torch.eye(3).repeat(motion.frames, len(body), 1, 1)
    kept = [joint for joint, name in enumerate(motion.skeleton.joints) if name in body.joints]
    rotations[:, body.indices([motion.skeleton.joints[joint] for joint in kept])] = motion.rotations[:, kept]
    up = from_up(Motion(body, rotations, motion.root, motion.fps), "z")
    trans = up.root.double().numpy() - rest_pelvis(body).double().numpy()
    with atomic_path(path) as beside, beside.open("wb") as file:
        np.savez_compressed(
            file,
            poses=rotmat_to_rotvec(up.rotations.double()).flatten(1).numpy(),
            trans=trans,
            betas=betas,
            gender=np.array(gender),
            mocap_framerate=np.float64(motion.fps),
        )


def _shape(motion: Motion, path: Path) -> tuple[NDArray[np.float64], str]:
    """The betas and the gender that are written: SMPL and SMPL-H have one space of shapes, SMPL-X another."""
    layout = motion.layout
    gender = layout.gender if layout is not None and layout.gender else "neutral"
    betas = np.array(layout.betas if layout is not None else ())
    if betas.any() and len(motion.skeleton) not in (24, 52):
        warn_of_file(path, f"betas of {motion.skeleton.name} are no betas of SMPL-H: zeros are written")
        betas = np.zeros(16)
    return (betas if len(betas) else np.zeros(16)), gender


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The plain arrays of an NPZ; pickled ones (markers, labels) are left out."""
    found: dict[str, NDArray[Any]] = {}
    with open_archive(path, "an NPZ archive of arrays") as archive:
        for key in archive.keys:
            if is_params([key]) or key in (*_BODIES, *_ROOTS, *_TRANSLATIONS, *_RATES, *_SHAPES, *sum(_HANDS, ())):
                with contextlib.suppress(*([FormatError] if key in _SHAPES else [])):  # a gender that is a pickle
                    found[key] = archive.array(key)
    return found


def _people(whole: Any, depth: int = 3) -> dict[str, Record]:
    """The records with poses, by person."""
    if isinstance(whole, list):
        whole = dict(enumerate(cast("list[Any]", whole)))
    if not isinstance(whole, dict) or not depth:
        return {}
    record = {str(key): value for key, value in cast("dict[Any, Any]", whole).items()}
    if any(_is_list_of_arrays(record.get(key)) for key in _POSES):
        return _of_lists(record)
    if is_params(record) and not {"smpl_params_global", "smpl_params_incam"} & set(record):
        return {"0": record}
    if frames := [
        value for value in record.values() if isinstance(value, dict) and isinstance(value.get("smpl"), list)
    ]:
        return _tracked(record, frames)
    if "smpl_params_global" in record:
        return {"0": {**record["smpl_params_global"], "smpl_params_global": None}}
    found: dict[str, Record] = {}
    for key, value in record.items():
        inner = _people(value, depth - 1)
        found |= {key if len(inner) == 1 else f"{key}/{name}": one for name, one in inner.items()}
    return found


def _is_list_of_arrays(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and getattr(cast("list[Any]", value)[0], "ndim", 0) == 2


def _of_lists(record: Record) -> dict[str, Record]:
    """3DPW: every key has a list with an array per person."""
    count = len(next(record[key] for key in _POSES if isinstance(record.get(key), list)))
    lists = {key: value for key, value in record.items() if isinstance(value, list) and len(value) == count}
    plain = {key: value for key, value in record.items() if key in (*_RATES, *_USUAL)}
    return {str(one): {**plain, **{key: value[one] for key, value in lists.items()}} for one in range(count)}


def _tracked(record: Record, frames: list[Any]) -> dict[str, Record]:
    """4D-Humans: a record for every frame, in it a list of people and their track ids."""
    people: dict[str, dict[str, list[Any]]] = {}
    for index, frame in enumerate(value for value in record.values() if any(value is one for one in frames)):
        tracks = frame.get("tid", frame.get("tracked_ids", range(len(frame["smpl"]))))
        for place, (track, body) in enumerate(zip(tracks, frame["smpl"], strict=False)):
            own = people.setdefault(
                str(int(track)), {"frame_ids": [], "global_orient": [], "body_pose": [], "trans": []}
            )
            camera = frame.get("camera", ())
            where = np.asarray(camera[place] if place < len(camera) else (0, 0, 0), dtype=np.float64).reshape(-1)[:3]
            for key, value in (("frame_ids", index), ("trans", where)):
                own[key].append(value)
            for key in ("global_orient", "body_pose"):
                own[key].append(np.asarray(body[key], dtype=np.float64).reshape(-1, 3, 3))
    return dict(people)


def _motion(path: Path, record: Record, fps: float | None) -> Motion:
    poses = _poses(path, record)
    if len(poses) == 0:
        raise _wrong(path, "at least one frame", "none")
    if poses.shape[1] not in _JOINTS:
        if poses.shape[1] < 22:
            raise _wrong(path, f"poses of {', '.join(map(str, _JOINTS))} joints", f"{poses.shape[1]}")
        poses = poses[:, :22]
    body = catalogue.skeleton(_JOINTS[poses.shape[1]])
    trans = _first(path, record, _TRANSLATIONS)
    if trans is None:
        warn_of_file(path, "no translation: the body stays where it is")
        trans = np.zeros((len(poses), 3))
    if trans.shape != (len(poses), 3):
        raise _wrong(path, f"a translation of shape ({len(poses)}, 3)", f"one of shape {trans.shape}")
    scaling = _first(path, record, ("smpl_scaling",))  # AIST++: file units in a metre
    if scaling is not None and scaling.size == 1 and scaling.item() > 0:
        trans = trans / scaling.item()
    root = torch.from_numpy(trans).float() + rest_pelvis(body)
    betas = _first(path, record, ("betas",))
    betas = () if betas is None or not betas.size else betas.reshape(-1, betas.shape[-1] if betas.ndim else 1).mean(0)
    layout = FileLayout(body.joints, (), 1.0, "", betas=tuple(map(float, betas)), gender=_gender(record))
    clip = Motion(body, poses, root, _rate(path, record, fps), identity=f"file/{path.stem}", layout=layout)
    ids = _first(path, record, _IDS)
    return clip if ids is None else _without_gaps(path, clip, ids.reshape(-1))


def _gender(record: Record) -> str:
    value = record.get("gender", record.get("genders", ""))
    value = np.asarray(value).reshape(-1).tolist()[:1]
    text = value[0].decode("ascii", "replace") if value and isinstance(value[0], bytes) else str(*value)
    return _GENDERS.get(text.lower()[:1], "")


def _without_gaps(path: Path, clip: Motion, ids: NDArray[Any]) -> Motion:
    """The clip with every frame from the first number to the last; those in between are interpolated."""
    steps = np.diff(ids)
    if len(ids) != clip.frames or (steps <= 0).any() or ids[-1] - ids[0] >= _MOST:
        raise _wrong(path, "frame_ids that rise, one for each pose", f"{len(ids)} of them for {clip.frames} poses")
    missing = int(ids[-1] - ids[0]) + 1 - len(ids)
    if not missing:
        return clip
    warn_of_file(
        path, f"{missing} frames are missing ({int((steps > 1).sum())} gaps in frame_ids); they are interpolated"
    )
    clock = torch.from_numpy((ids - ids[0]).astype(np.float64)) / clip.fps
    at = torch.arange(int(ids[-1] - ids[0]) + 1, dtype=torch.float64) / clip.fps
    return interpolate(clip, torch.ones(clip.frames, dtype=torch.bool), at, method="linear", times=clock)


def _poses(path: Path, record: Record) -> Float[Tensor, "frame joint 3 3"]:
    """Local rotations, whatever form they have."""
    whole = _first(path, record, _POSES)
    if whole is None:
        root, body = _first(path, record, _ROOTS), _first(path, record, _BODIES)
        if root is None or body is None:
            raise _wrong(path, "global_orient and body_pose", "one of them")
        more = [[_first(path, record, (key,)) for key in keys] for keys in _HANDS]
        parts = [root, body, *(itertools.chain(*more) if more[1][0] is not None else ())]
        count = len(root) if root.ndim else 0
        return torch.cat([_matrices(path, part, count) for part in parts if part is not None], 1)
    return _matrices(path, whole, len(whole) if whole.ndim else 0)


def _matrices(path: Path, array: NDArray[np.float64], frames: int) -> Float[Tensor, "frame joint 3 3"]:
    """Rotation vectors or matrices of some joints, in whatever shape, as matrices."""
    tail = (3, 3) if array.ndim > 2 and array.shape[-2:] == (3, 3) else (3,)
    if not frames or array.shape[:1] != (frames,) or array.size % (frames * int(np.prod(tail))):
        raise _wrong(path, "rotation vectors or matrices of every joint in every frame", f"an array of {array.shape}")
    values = torch.from_numpy(array.reshape(frames, -1, *tail))
    return (nearest_rotation(values) if len(tail) == 2 else rotvec_to_rotmat(values)).float()


def _first(path: Path, record: Record, names: tuple[str, ...]) -> NDArray[np.float64] | None:
    """The first of these keys that is there, as finite numbers."""
    for name in names:
        if (value := record.get(name)) is not None:
            try:
                array = np.asarray(value, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise _wrong(path, f"numbers in '{name}'", str(error)[:60]) from error
            if not np.isfinite(array).all():
                raise _wrong(path, f"finite numbers in '{name}'", "NaN or infinity")
            return array
    return None


def _rate(path: Path, record: Record, fps: float | None) -> float:
    if fps is not None:
        return fps
    rate = _first(path, record, _RATES)
    if rate is not None and rate.size == 1 and 0 < rate.item() < float("inf"):
        return float(rate.item())
    for key, usual in _USUAL.items():
        if key in record:
            warn_of_file(
                path, f"the file says no rate; {usual:g} frames per second are taken, --source-fps overrides it"
            )
            return usual
    raise no_rate(path.name, "the file")


def _wrong(path: Path, expected: str, got: str) -> FormatError:
    cure = "Export SMPL parameters again: poses (frame, 72, 156 or 165), trans (frame, 3) and the rate."
    return damaged(path.name, expected, got, cure)
