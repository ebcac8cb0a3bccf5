"""Every reader, small sound files for it, and what may become of them."""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib
import importlib.util
import json
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from fuzz_mutate import (
    BYTES,
    JSON,
    NPZ,
    TEXT,
    Mutator,
    bomb,
    deep_joints,
    inside_glb,
    inside_zip,
    inside_zlib,
    npy_pickle,
    pickled,
    safetensors,
)
from safetensors.torch import save_file
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader

from kinema.apps.batch import jobs
from kinema.apps.cli.train import read_recipe
from kinema.apps.studio import guard
from kinema.apps.studio.controls import Asking
from kinema.core import atomic
from kinema.core.constants import VERBS
from kinema.core.errors import KinemaError, UsageError
from kinema.core.safe_pickle import read_object_npz, read_pickle, read_torch
from kinema.core.text import read_json
from kinema.data.sources import babel, h36m_camera
from kinema.data.sources.amass import read_header, read_take
from kinema.data.sources.arrays import h5_array, open_h5
from kinema.data.sources.cmu import _Pack
from kinema.data.sources.folder import read_segments
from kinema.data.sources.packs import LabelledPack, RotationPack
from kinema.data.sources.position_archives import PositionArchive
from kinema.data.synthetic import Synthetic, perform
from kinema.data.windows import WindowSet
from kinema.io import constraints, keypoints, smpl
from kinema.io.formats import load_clip, save, sniff
from kinema.io.summary import summarise
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Motion
from kinema.motion.retargeting.joint_map import read_joint_map
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.pipeline.train import Means, train
from kinema.protocols.forecasting.sample_file import load_samples, sample_of
from kinema.recipes import RECIPES
from kinema.recipes.codec import to_json
from kinema.representations.positions import RootPositions
from kinema.training.checkpoint import RunFolder
from kinema.training.log import JsonLines
from little_amass import model_arrays, write_model, write_take
from positions_archive import take, write_archive
from small_bvh import SMALL_BVH, small_bvh_rows


@dataclass(frozen=True)
class Reader:
    """`write` puts sound files into a folder and names those that are spoilt; `read` is given the spoilt one."""

    write: Callable[[Path], Sequence[Path]]
    read: Callable[[Path], object]
    mutators: tuple[Mutator, ...]
    rare: tuple[Mutator, ...] = ()  # one in thirty: they are slow to make
    starts: tuple[str, ...] = ()  # what the reader itself starts


def _bvh(folder: Path) -> list[Path]:
    rows = "\n".join(small_bvh_rows(8))
    path = folder / "walk.bvh"
    path.write_text(f"{SMALL_BVH}MOTION\nFrames: 8\nFrame Time: 0.0333333\n{rows}\n")
    save(perform("walk", seconds=0.3, fps=30.0, seed=3), folder / "whole.bvh")
    return [path, path, folder / "whole.bvh"]


def _npz(folder: Path) -> list[Path]:
    motion = perform("walk", seconds=0.3, fps=30.0, seed=3)
    save(motion, folder / "a.npz")
    save(motion.points(), folder / "b.npz")
    return [folder / "a.npz", folder / "b.npz"]


def _expmap(folder: Path) -> list[Path]:
    rows = np.random.default_rng(0).normal(0, 0.3, (6, 117))
    (folder / "a.txt").write_text("\n".join(",".join(f"{one:.5f}" for one in row) for row in rows) + "\n")
    return [folder / "a.txt"]


def _keypoints(folder: Path) -> list[Path]:
    chance = np.random.default_rng(0)

    def spots(count: int, width: int = 3) -> Any:
        return (chance.random((count, width)) * [100.0, 100.0, 1.0, 1.0][:width]).tolist()

    def flat(count: int) -> list[float]:
        return [one for spot in spots(count) for one in spot]

    record = {"category_id": 1, "score": 2.5, "idx": 7, "box": [1.0, 2.0, 30.0, 40.0]}
    names = ("x", "y", "z", "visibility")
    coco = [{"image_id": i, "keypoints": flat(17), "id": i, **record} for i in range(3)]
    frames = [{"pose_landmarks": [dict(zip(names, one, strict=True)) for one in spots(33, 4)]} for _ in range(2)]
    two = [{"keypoints": spots(17, 2), "keypoint_scores": [0.5] * 17, "bbox": [[0, 1, 2, 3]]} for _ in range(2)]
    pages: dict[str, Any] = {
        "alpha.json": [{"image_id": f"{i}.jpg", "keypoints": flat(17), **record} for i in range(4)],
        "two.json": [{"image_id": f"{i // 2}.jpg", "keypoints": flat(17), "score": 1.0} for i in range(6)],
        "coco.json": {"images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(3)], "annotations": coco},
        "mmpose.json": {"meta_info": {}, "instance_info": [{"frame_id": i, "instances": two} for i in range(3)]},
        "mediapipe.json": {"frames": frames, "width": 640, "height": 480},
    }
    (folder / "openpose").mkdir()
    for i in range(3):
        person = {"person_id": [-1], "pose_keypoints_2d": flat(25), "hand_left_keypoints_2d": flat(21)}
        pages[f"openpose/a_{i:04d}_keypoints.json"] = {"version": 1.3, "people": [person]}
    for name, page in pages.items():
        (folder / name).write_text(json.dumps(page))
    return [folder / name for name in pages]


def _read_keypoints(path: Path) -> None:
    keypoints.read(path.parent if "openpose" in path.parts else path, fps=25.0)


def _table(folder: Path) -> list[Path]:
    motion = perform("walk", seconds=0.2, fps=30.0, seed=3)
    save(motion, folder / "a.csv")
    save(motion.points(), folder / "b.csv")
    return [folder / "a.csv", folder / "b.csv"]


def _joint_map(folder: Path) -> list[Path]:
    (folder / "map.toml").write_text('[joints]\npelvis = "Hips"\nl_hip = "LeftUpLeg"\nhead = "Head"\n')
    return [folder / "map.toml"]


def _glb(folder: Path) -> list[Path]:
    save(perform("walk", seconds=0.2, fps=30.0, seed=3), folder / "a.glb")
    return [folder / "a.glb"]


def _labels(folder: Path) -> list[Path]:
    (folder / "a.csv").write_text(
        "file,action,style,start,end\n" + "".join(f"{i}.bvh,walk,old,{i}.5,9\n" for i in range(6))
    )
    return [folder / "a.csv"]


def _read_labels(path: Path) -> None:
    list(read_segments(path, {f"{i}.bvh" for i in range(6)}))


def _checkpoint(folder: Path) -> list[Path]:
    chosen = RECIPES["simlpe"]().tiny().with_steps(2)
    train(chosen, folder / "run", means=Means(device="cpu"))
    run = folder / "run"
    return [run / "config.json", run / "config.json", run / "model.safetensors", *run.glob("state*"), run / "log.jsonl"]


def _read_checkpoint(path: Path) -> None:
    load_model(path.parent)
    RunFolder(path.parent).state()
    JsonLines(path.parent / "log.jsonl", 1).close()


def _recipes(folder: Path) -> list[Path]:
    paths = [folder / f"{name}.json" for name in RECIPES]
    for path in paths:
        path.write_text(json.dumps(to_json(RECIPES[path.stem]())))
    return paths


def _pickles(folder: Path) -> list[Path]:
    holdings = {
        "S1": {"Walking": np.arange(24, dtype=np.float32).reshape(2, 4, 3)},
        "o": np.array([{1: 2}, None], object),
        "more": (1, 2.5, "text", b"bytes", [1, {2}], np.float32(3)),
    }
    paths = [folder / f"{protocol}.pkl" for protocol in range(6)]
    for path in paths:
        path.write_bytes(pickle.dumps(holdings, protocol=int(path.stem)))
    return paths


def _torch_file(folder: Path) -> list[Path]:
    torch.save({"a": torch.randn(3, 4), "b": [torch.arange(5), {"c": torch.ones(2).half()}]}, folder / "a.pt")
    return [folder / "a.pt"]


def _legacy_torch_file(folder: Path) -> list[Path]:
    held = {"a": torch.randn(3, 4), "b": [torch.arange(5), {"c": torch.ones(2).half()}]}
    torch.save(held, folder / "a.pth", _use_new_zipfile_serialization=False)
    return [folder / "a.pth"]


_ARCHIVE = PositionArchive("a.npz", 17, "positions", "somewhere")


def _positions(folder: Path) -> list[Path]:
    write_archive(folder / "a.npz", {"S1": {"Walking 1": take(6, 17, 0), "Sitting": take(4, 17, 1)}})
    return [folder / "a.npz"]


def _read_positions(path: Path) -> None:
    read_object_npz(path, "positions_3d")
    for takes in _ARCHIVE.read(path).values():
        for name, array in takes.items():
            _ARCHIVE.positions(array, name)


def _amass(folder: Path) -> list[Path]:
    return [write_take(folder / f"{body}.npz", body=body, frames=8) for body in ("smpl", "smplh", "smplx")]


def _read_amass(path: Path) -> None:
    header = read_header(path, f"CMU/{path.name}")
    if not isinstance(header, str):
        read_take(header).motion()


def _babel(folder: Path) -> list[Path]:
    labels = [
        {"act_cat": ["walk", "turn"], "start_t": 0.0, "end_t": 2.5},
        {"act_cat": None, "start_t": 2.5, "end_t": 3},
    ]
    page = {
        str(i): {
            "feat_p": f"a/CMU/{i}.npz",
            "frame_ann": {"labels": labels} if i % 2 else None,
            "seq_ann": {"labels": [{"act_cat": ["sit"]}]},
        }
        for i in range(4)
    }
    (folder / "train.json").write_text(json.dumps(page))
    (folder / "action_label_2_idx.json").write_text(json.dumps({"walk": 0, "sit": 1}))
    return [folder / "train.json", folder / "train.json", folder / "action_label_2_idx.json"]


def _read_babel(path: Path) -> None:
    list(babel.read_sequences(path.parent / "train.json"))
    babel.class_list(path.parent, 60)


def _smpl(folder: Path) -> list[Path]:
    with (folder / "a.pkl").open("wb") as file:
        pickle.dump(model_arrays("smpl"), file, protocol=2)
    return [write_model(folder / "a.npz", "smpl"), folder / "a.pkl"]


def _pack(folder: Path) -> list[Path]:
    chance = np.random.default_rng(0)
    body = catalog.skeleton("smpl24")
    joints = len(body)
    np.savez_compressed(
        folder / "bandai2.npz",
        rot=chance.integers(-9000, 9000, (9, joints, 3)).astype(np.int16),
        root=chance.normal(size=(9, 3)).astype(np.float32),
        start=np.array([0, 4, 9]),
        parents=np.array(body.parents),
        offsets=body.offsets.numpy()[None],
        joints=np.array(body.joints),
        skel=np.zeros(2, int),
        label=np.array([1, 0]),
        labels=np.array(["walk", "run"]),
        split=np.zeros(2, int),
        name=np.array(["a", "b"]),
        jumps=np.zeros(2, int),
        canon17=np.arange(17),
        fps=np.float32(30),
        meta=np.array("{}"),
        style=np.array([0, 1]),
        styles=np.array(["x", "y"]),
    )
    return [folder / "bandai2.npz"]


def _read_pack(path: Path) -> None:
    list(RotationPack("bandai2", str(path.parent)).clips("train"))
    list(LabelledPack("bandai2", str(path.parent), label="both").clips("train"))


def _cmu(folder: Path) -> list[Path]:
    rows = np.random.default_rng(0).normal(0, 0.3, (9, 117)).astype(np.float32)
    names = np.array(["train/running/running_1", "test/running/running_1"])
    np.savez_compressed(
        folder / "a.npz", expmap=rows, start=np.array([0, 4, 9]), name=names, trial=np.array(["", "1_1"])
    )
    return [folder / "a.npz"]


def _read_cmu(path: Path) -> None:
    pack = _Pack(path)
    for name in pack.names:
        pack.motion(name, catalog.skeleton("cmu38"))


def _samples(folder: Path) -> list[Path]:
    import h5py

    arrays: dict[str, Any] = {key: np.ones((2, 3, 4, 3), np.float32) for key in ("observed", "truth", "prediction")}
    arrays |= {
        "start": np.arange(2),
        "fps": np.array(25.0),
        "parents": np.arange(-1, 3),
        "rest_offsets": np.ones((4, 3)),
    }
    arrays |= {
        "action": np.array(["walk", "run"]),
        "joint_names": np.array(["a", "b", "c", "d"]),
        "skeleton": np.array("x"),
    }
    np.savez(folder / "a.npz", **arrays)
    with h5py.File(folder / "a.h5", "w") as file:
        for key, value in arrays.items():
            file[key] = value.astype("S") if value.dtype.kind == "U" else value  # as h5py keeps texts
    return [folder / "a.npz", folder / "a.h5"]


def _h5(folder: Path) -> list[Path]:
    import h5py

    standing = np.zeros((3, 52, 3))
    standing[:, 15] = (0.1, -0.2, 1.6)
    with h5py.File(folder / "joints.h5", "w") as file:
        file["CMU/a.npz/joints"] = standing
        file["SFU/b.npz/joints"] = standing
    with h5py.File(folder / "cameras.h5", "w") as file:
        for subject in (*h36m_camera.TRAIN, *h36m_camera.TEST):
            group = file.create_group(f"subject{subject}/camera1")
            group["R"], group["T"] = np.eye(3), np.array([[0.0], [5000.0], [0.0]])
            group["f"], group["c"], group["k"], group["p"] = (
                np.ones((2, 1)),
                np.ones((2, 1)),
                np.zeros((3, 1)),
                np.zeros((2, 1)),
            )
            group["Name"] = np.array([[ord(letter)] for letter in h36m_camera.CAMERA], dtype=np.uint16)
    with h5py.File(folder / "Walking.h5", "w") as file:
        file["3D_positions"] = np.random.default_rng(0).normal(size=(96, 310)) * 300 + 900
    return [folder / "joints.h5", folder / "cameras.h5", folder / "Walking.h5"]


def _read_h5(path: Path) -> None:
    if path.name == "joints.h5":
        with open_h5(path) as file:
            h5_array(file["CMU/a.npz"], "joints", path)
        return
    h36m_camera.H36MCamera(str(path.parent))._observed(path.parent / "Walking.h5", 1)


_PLACES = RootPositions(catalog.skeleton("smpl24"), 30.0, catalog.skeleton("smpl24").joints)


def _cache(folder: Path) -> list[Path]:
    _read_cache(folder / "x" / "y")
    return [path for path in folder.rglob("*") if path.is_file()]


def _read_cache(path: Path) -> None:
    source = Synthetic(clips_per_action=1, seconds=0.3, fps=30.0, actions=("walk",))
    places = RootPositions(source.skeleton, 30.0, source.skeleton.joints)
    WindowSet.build(source, "train", places, cache=path.parents[1]).windows(4)


def _safetensors(folder: Path) -> list[Path]:
    (folder / "run").mkdir()
    save_file({"a": torch.ones(3), "b": torch.zeros(2, 2).half()}, folder / "run" / "model.safetensors")
    needed = dict.fromkeys(("kinema", "recipe", "stage", "skeleton", "trained_on", "licence"), "")
    config = {"format_version": 1, "step": 1, "weights": "model.safetensors", **needed}
    (folder / "run" / "config.json").write_text(json.dumps(config))
    return [folder / "run" / "model.safetensors"]


# Readers are imported when a file of their kind is met; here before, since an import is seen as code that is run.
for _module in (
    "asf_amc",
    "bvh.load",
    "csv",
    "expmap",
    "gltf.load",
    "keypoints.mmpose",
    "npz",
    "points",
    "smpl_params",
):
    importlib.import_module(f"kinema.io.{_module}")
_CASES = Path(__file__).parents[1] / "io" / "cases"


def _cases(*names: str) -> Callable[[Path], list[Path]]:
    """Writes cases of tests/io."""

    def write(folder: Path) -> list[Path]:
        return [Path(shutil.copy(_CASES / name, folder / name)) for name in names]

    return write


def _acclaim(folder: Path) -> list[Path]:
    bones = "begin\nid {0}\nname {1}\ndirection 0 -1 0\nlength 2\naxis 0 0 90 XYZ\ndof rx ry rz\nend\n"
    head = ":version 1.10\n:units\nlength 0.45\nangle deg\n:root\norder TX TY TZ RX RY RZ\naxis XYZ\n:bonedata\n"
    tree = ":hierarchy\nbegin\nroot hip\nhip femur\nend\n"
    (folder / "02.asf").write_text(head + bones.format(1, "hip") + bones.format(2, "femur") + tree)
    rows = "".join(f"{n}\nroot 1 17 {n} 0 0 0\nhip 1 2 3\nfemur 0 {n} 0\n" for n in range(1, 5))
    (folder / "02_01.amc").write_text(f":FULLY-SPECIFIED\n:DEGREES\n{rows}")
    return [folder / "02.asf", folder / "02_01.amc"]


def _read_acclaim(path: Path) -> None:
    load_clip(path.parent / "02_01.amc", fps=120.0)


def _named_points(folder: Path) -> list[Path]:
    names = ("Hip", "Neck", "LAnkle", "RAnkle")
    axes = "\t".join(f"{axis}{n}" for n in range(1, 5) for axis in "XYZ")
    head = "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n60\t60\t3\t4\tmm\n"
    labels = "Frame#\tTime\t" + "\t\t\t".join(names)
    rows = "\n".join(f"{n}\t{n / 60}\t" + "\t".join(map(str, range(100 * n, 100 * n + 1200, 100))) for n in range(3))
    (folder / "a.trc").write_text(f"PathFileType\t4\t(X/Y/Z)\ta.trc\n{head}{labels}\n\t\t{axes}\n\n{rows}\n")
    columns = ",".join(f"{name}_{axis}" for name in names for axis in "xyz")
    np.savetxt(folder / "b.csv", np.arange(36.0).reshape(3, 12), delimiter=",", header=columns, comments="")
    return [folder / "a.trc", folder / "b.csv"]


def _arrays(folder: Path) -> list[Path]:
    np.save(folder / "humanml.npy", np.full((5, 263), 0.9))
    return [Path(shutil.copy(_CASES / "joints22.npy", folder)), folder / "humanml.npy"]


def _read_array(path: Path) -> None:
    load_clip(path, fps=20.0, skeleton=catalog.skeleton("smpl22"))


def _in_space(folder: Path) -> list[Path]:
    marks = [{"x": 0.01 * n, "y": 0.02 * n, "z": 0.0, "visibility": 0.9} for n in range(33)]
    pages = [{"frame": n, "pose_world_landmarks": [marks]} for n in range(3)]
    (folder / "world.jsonl").write_text("\n".join(map(json.dumps, pages)))
    people = [{"keypoints": [[0.1 * n, 0.2, 0.3] for n in range(17)], "keypoint_scores": [1.0] * 17}]
    (folder / "lifted.json").write_text(json.dumps([{"frame_id": n, "instances": people} for n in range(3)]))
    return [folder / "world.jsonl", folder / "lifted.json"]


def _read_any_person(path: Path) -> None:
    load_clip(path, fps=30.0)


def _foreign_npz(folder: Path) -> list[Path]:
    """The arrays of Kimodo: positions and both kinds of rotations, without names and rate."""
    save(perform("walk", seconds=0.3, fps=30.0, seed=3), folder / "whole.npz")
    kept = ("posed_joints", "global_rot_mats", "local_rot_mats", "root_positions")
    with np.load(folder / "whole.npz") as whole:
        np.savez(folder / "a.npz", **{key: whole[key] for key in kept})
    return [folder / "a.npz"]


def _gltf(folder: Path) -> list[Path]:
    """The character as JSON, its buffer inside."""
    data = (_CASES / "character.glb").read_bytes()
    size = int.from_bytes(data[12:16], "little")
    page, rest = json.loads(data[20 : 20 + size]), data[20 + size + 8 :]
    page["buffers"][0] |= {"uri": "data:application/octet-stream;base64," + base64.b64encode(rest).decode()}
    (folder / "a.gltf").write_text(json.dumps(page))
    return [folder / "a.gltf"]


def _read_gltf(path: Path) -> None:
    from kinema.io.gltf.load import save_into

    clip = load_clip(path)
    assert isinstance(clip, Motion)
    save_into(clip, path.with_name("into.gltf"))


def _more_keypoints(folder: Path) -> list[Path]:
    shutil.copy(_CASES / "gap2.json", folder)
    person = {"keypoints": [one for n in range(17) for one in (n * 3.0, n * 2.0, 0.9)], "scores": 1.5, "idx": 1}
    (folder / "poseflow.json").write_text(json.dumps({f"{n}.jpg": [person] for n in range(3)}))
    shown = {"keypoints": [[n * 3.0, n * 2.0] for n in range(17)], "keypoint_scores": [0.9] * 17}
    (folder / "picture.json").write_text(json.dumps([shown | {"bbox": [[0, 0, 9, 9]]}]))
    marks = [{"x": 0.01 * n, "y": 0.02, "z": 0.0, "visibility": 0.9} for n in range(33)]
    (folder / "lines.jsonl").write_text("\n".join(json.dumps({"pose_landmarks": marks}) for _ in range(3)))
    return [folder / name for name in ("gap2.json", "poseflow.json", "picture.json", "lines.jsonl")]


def _read_more_keypoints(path: Path) -> None:
    read = keypoints.read(path, fps=25.0, size=(640.0, 480.0))
    if read.format != "mmpose" or path.name != "picture.json":
        keypoints.write(dict(read.people), path.with_name(f"back{path.suffix}"), read)


def _constraint_files(folder: Path) -> list[Path]:
    page = [
        {"kind": "pin", "joint": "r_wrist", "frames": [4], "positions": [[0.3, 1.2, 0.5]]},
        {"kind": "plant", "foot": "left", "start": 1, "end": 3},
        {"kind": "loop"},
    ]
    (folder / "a.json").write_text(json.dumps(page))
    (folder / "path.csv").write_text("frame,x,z,heading\n0,0,0,0\n30,1.5,0.2,90\n")
    return [folder / "a.json", folder / "path.csv"]


def _read_constraints(path: Path) -> None:
    if path.suffix == ".csv":
        constraints.parse_path(str(path))
    else:
        constraints.read_constraints(path)


def _ledger(folder: Path) -> list[Path]:
    (folder / "a.npz").write_bytes(b"12345")
    row = {"target": "a.npz", "stamp": "0" * 32, "files": {"a.npz": 5}, "facts": {"frames": 3}}
    (folder / jobs.LEDGER).write_text(f"{json.dumps(row)}\n" * 2)
    return [folder / jobs.LEDGER]


def _read_ledger(path: Path) -> None:
    with jobs._Ledger.opened(path.parent) as ledger:
        ledger.kept(path.parent.resolve() / "a.npz")


def _lock_file(folder: Path) -> list[Path]:
    facts = {"process": 7, "machine": "here", "since": "2020-01-01 00:00:00", "what": "a training"}
    (folder / atomic.LOCK).write_text(json.dumps(facts))
    return [folder / atomic.LOCK]


def _read_lock(path: Path) -> None:
    """Another process holds the folder, and then no longer: what it left is taken over."""
    import fcntl

    data = path.read_bytes()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with contextlib.suppress(UsageError), atomic.hold(path.parent, "a job"):
            raise AssertionError("a lock that is held was taken")
    with atomic.hold(path.parent, "a job"):
        pass
    path.write_bytes(data)


class _Page:
    """Stands for viser's page: a control is a plain object with the facts that it was made with."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def control(label: str, *given: Any, min: float | None = None, max: float | None = None, **_: Any) -> Any:  # noqa: A002
            made = SimpleNamespace(label=label, value=given[0] if given else "", on_update=lambda _: None)
            if name == "add_dropdown":
                made.options, made.value = given[0], given[0][0]
            if name == "add_slider":
                made.min, made.max, made.value = given[0], given[1], given[3]
            if name == "add_number":
                made.min, made.max = min, max
            return made

        return control


def _studio_values(folder: Path) -> list[Path]:
    asking = _asking()
    page = {name: field.value for name, field in asking.fields.items()}
    page |= {"model": asking.model.value, "verb": asking.verb.value}
    (folder / "values.json").write_text(json.dumps(page))
    return [folder / "values.json"]


@functools.cache
def _asking() -> Asking:
    model = SimpleNamespace(deterministic=False, actions=("walk", "run"), adapter=None, has_temperature=True)
    desk = SimpleNamespace(verbs=lambda: VERBS, menu=lambda _: ("auto", "linear"), open=lambda _: model)
    return Asking(cast("Any", _Page()), cast("Any", desk), lambda call: call)


def _read_studio_values(path: Path) -> object:
    """What a page may send: each value is checked, then the question is made of them all."""
    page, asking = read_json(path), _asking()
    controls = {**asking.fields, "model": asking.model, "verb": asking.verb}
    before = {name: control.value for name, control in controls.items()}
    try:
        for name, value in page.items() if isinstance(page, dict) else ():
            if name in controls:
                guard.check_value(controls[name], value)
                controls[name].value = value
        guard.check_value(asking.verb, asking.verb.value)
        return asking.question
    except KinemaError as error:
        guard.page_words(error)
        raise
    finally:
        for name, control in controls.items():
            control.value = before[name]


def _requests(folder: Path) -> list[Path]:
    (folder / "a.txt").write_text("/tok/index.html?x=1\nHost: 127.0.0.1:8080\nOrigin: http://127.0.0.1:8080\n")
    return [folder / "a.txt"]


def _read_request(path: Path) -> None:
    first, *rest = path.read_bytes().decode("latin-1").split("\n")
    headers = Headers()
    for line in rest:
        with contextlib.suppress(InvalidHeader):  # refused by the server before it asks us
            name, _, value = line.partition(": ")
            headers[name] = value
    guard.refusal(first, headers, "tok", local=True)


READERS: dict[str, Reader] = {
    "bvh": Reader(_bvh, summarise, TEXT, (deep_joints,)),
    "npz": Reader(_npz, summarise, NPZ, (bomb,)),
    "expmap": Reader(_expmap, lambda path: load_clip(path, fps=120.0), TEXT),
    "keypoints": Reader(_keypoints, _read_keypoints, JSON),
    "table": Reader(_table, load_clip, TEXT),
    "joint map": Reader(_joint_map, read_joint_map, TEXT),
    "glb": Reader(_glb, sniff, BYTES),
    "character": Reader(_cases("character.glb"), load_clip, (*BYTES, *[inside_glb] * 5)),
    "dialects of bvh": Reader(_cases("quaternion_channels.bvh", "zero_offsets.bvh", "mmd_utf8.bvh"), summarise, TEXT),
    "acclaim": Reader(_acclaim, _read_acclaim, TEXT),
    "named points": Reader(_named_points, _read_any_person, TEXT),
    "arrays": Reader(_arrays, _read_array, BYTES),
    "keypoints in space": Reader(_in_space, _read_any_person, JSON),
    "smpl npz": Reader(_cases("mini_poses.npz", "mini_parts_only.npz"), _read_any_person, NPZ, (bomb,)),
    "smpl pickles": Reader(_cases("wham_output.pkl", "3dpw.pkl"), _read_any_person, (*BYTES, *[pickled] * 4)),
    "smpl compressed": Reader(_cases("phalp.pkl"), _read_any_person, (*BYTES, *[inside_zlib(pickled)] * 4)),
    "smpl torch": Reader(_cases("hmr4d_results.pt"), _read_any_person, (*NPZ, *[inside_zip(pickled)] * 5), (bomb,)),
    "foreign npz": Reader(_foreign_npz, summarise, NPZ, (bomb,)),
    "gltf": Reader(_gltf, _read_gltf, JSON),
    "more keypoints": Reader(_more_keypoints, _read_more_keypoints, JSON),
    "constraints": Reader(_constraint_files, _read_constraints, JSON),
    "ledger": Reader(_ledger, _read_ledger, JSON),
    "lock": Reader(_lock_file, _read_lock, JSON),
    "studio values": Reader(_studio_values, _read_studio_values, JSON),
    "studio requests": Reader(_requests, _read_request, TEXT),
    "labels": Reader(_labels, _read_labels, TEXT),
    "checkpoint": Reader(_checkpoint, _read_checkpoint, (*JSON, safetensors, safetensors)),
    "safetensors": Reader(_safetensors, lambda path: RunFolder(path.parent).weights(), (*BYTES, *[safetensors] * 5)),
    "recipe": Reader(_recipes, lambda path: read_recipe(str(path), None, tiny=False), JSON),
    "pickle": Reader(_pickles, read_pickle, (*BYTES, *[pickled] * 4)),
    "torch": Reader(_torch_file, read_torch, (*NPZ, *[inside_zip(pickled)] * 5), (bomb,)),
    "legacy torch": Reader(_legacy_torch_file, read_torch, (*BYTES, *[pickled] * 5)),
    "positions": Reader(_positions, _read_positions, (*NPZ, *[inside_zip(npy_pickle)] * 5), (bomb,)),
    "amass": Reader(_amass, _read_amass, NPZ, (bomb,)),
    "babel": Reader(_babel, _read_babel, JSON),
    "smpl": Reader(_smpl, smpl.load, (*NPZ, pickled), (bomb,)),
    "pack": Reader(_pack, _read_pack, NPZ, (bomb,)),
    "cmu": Reader(_cmu, _read_cmu, NPZ, (bomb,)),
    "samples": Reader(_samples, lambda path: sample_of(load_samples(path)), NPZ, (bomb,)),
    "h5": Reader(_h5, _read_h5, BYTES),
    "cache": Reader(_cache, _read_cache, (*JSON, *BYTES)),
}
if importlib.util.find_spec("ezc3d") is not None:
    READERS["c3d"] = Reader(_cases("markers.c3d"), load_clip, BYTES, starts=("subprocess.Popen", "os.posix_spawn"))
