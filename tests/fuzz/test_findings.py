"""What the fuzz run has found, each as the smallest file that shows it: a KinemaError now, in three parts."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzz_mutate import bomb

from kinema.apps.batch import jobs
from kinema.core import atomic
from kinema.core.errors import FormatError, KinemaError
from kinema.core.safe_pickle import read_object_npz, read_pickle, read_torch
from kinema.core.safe_zip import ROOM, read_npz
from kinema.core.text import DEEPEST, read_json
from kinema.data.sources.amass import read_header
from kinema.data.sources.babel import read_sequences
from kinema.data.sources.cmu import _Pack
from kinema.data.sources.folder import read_segments
from kinema.io import smpl
from kinema.io.bvh.parser import MOST_JOINTS, parse_bvh
from kinema.io.constraints import parse_path, read_constraints
from kinema.io.formats import load, load_clip, save, sniff
from kinema.io.keypoints import read
from kinema.motion.names import canon_by_name
from kinema.training.checkpoint import RunFolder
from kinema.training.log import JsonLines
from small_bvh import SMALL_BVH, small_bvh_rows

pytestmark = pytest.mark.usefixtures("unchecked")


def refused(call: Callable[[], object], says: str = "expected") -> None:
    with pytest.raises(KinemaError, match=says) as caught:
        call()
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.cure
    str(caught.value).encode()


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def lying(path: Path, shape: str, *, kind: str = "<f4", key: str = "poses") -> Path:
    """An archive of one array whose header says what is not so."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{key}.npy", np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little") + header + b"12345678"
        )
    return path


# Archives


def test_a_clip_whose_numbers_are_texts_or_tables(tmp_path: Path) -> None:
    from kinema.data.synthetic import perform

    save(perform("walk", seconds=0.2, fps=30.0, seed=3), tmp_path / "a.npz")
    whole: dict[str, Any] = dict(np.load(tmp_path / "a.npz"))
    assert load_clip(npz(tmp_path / "b.npz", **(whole | {"fps": np.array([[30.0]])}))).fps == 30
    for key in ("fps", "rest_offsets", "joint_names", "parents", "unit", "local_rot_mats", "root_positions"):
        for value in (np.array("text"), np.array([["x"]]), np.zeros((2, 0)), np.array(np.nan)):
            refused(lambda key=key, value=value: load_clip(npz(tmp_path / "b.npz", **(whole | {key: value}))))


@pytest.mark.parametrize("shape", ["(10995116277760,)", "(-1,)", "(2**60,)", "(3, 3", "(1,)"])
def test_an_array_that_claims_what_is_not_there(tmp_path: Path, shape: str) -> None:
    refused(lambda: read_npz(lying(tmp_path / "a.npz", shape)), "NPZ|as many numbers")
    refused(lambda: load_clip(tmp_path / "a.npz"))
    refused(lambda: smpl.load(tmp_path / "a.npz"))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(bomb(random.Random(0), b""))
    assert path.stat().st_size < ROOM / 30
    for reader in (read_npz, load_clip, smpl.load, read_torch):
        refused(lambda reader=reader: reader(path))
    refused(lambda: read_npz(path), "at most 100 times")


def test_an_archive_may_unpack_to_what_motion_does(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", still=np.zeros((4_000_000,), np.float32))  # sixteen megabytes of nothing
    assert read_npz(tmp_path / "a.npz")["still"].shape == (4_000_000,)


def test_zip_files_of_odd_makes(tmp_path: Path) -> None:
    save_as = tmp_path / "a.npz"
    with zipfile.ZipFile(save_as, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.npy", b"x" * 100)
    refused(lambda: read_npz(save_as), "stored or deflated")
    whole = io.BytesIO()
    np.savez(whole, a=np.ones(3))
    data = bytearray(whole.getvalue())
    place = data.find(b"PK\x01\x02")
    for at, value in ((place, 0), (place + 6, 255), (place + 8, 1), (place + 10, 99)):  # magic, version, flags, method
        spoilt = bytearray(data)
        spoilt[at] = value
        save_as.write_bytes(spoilt)
        refused(lambda: read_npz(save_as))
        refused(lambda: sniff(tmp_path / "a.npz") and read_npz(save_as))
        refused(lambda: read_object_npz(save_as, "a"))
        refused(lambda: read_torch(save_as))


def test_texts_of_characters_that_there_are_not(tmp_path: Path) -> None:
    code = np.array([0x7FFFFFFF, 0xD800], np.uint32).view("<U2")
    refused(lambda: read_npz(npz(tmp_path / "a.npz", names=code)), "characters that there are not")
    assert read_npz(npz(tmp_path / "b.npz", names=np.array(["é😀", ""])))["names"].tolist() == ["é😀", ""]


def test_arrays_of_another_kind_or_shape(tmp_path: Path) -> None:
    names, rows = np.array(["train/running/running_1"]), np.zeros((5, 117), np.float32)
    good: dict[str, Any] = {"expmap": rows, "start": np.array([0, 5]), "name": names}
    _Pack(npz(tmp_path / "good.npz", **good))
    for change in (
        {"expmap": np.array(1.0)}, {"expmap": rows.astype(str)}, {"start": np.array(["0"])}, {"name": np.array("x")},
        {"start": np.array([[0], [5]])}, {"start": np.array([2, 5])}, {"trial": np.array(["", ""])},
    ):  # fmt: skip
        refused(lambda change=change: _Pack(npz(tmp_path / "a.npz", **(good | change))))
    parts = dict.fromkeys(("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand"), 1.0)
    refused(lambda: read_header(npz(tmp_path / "b.npz", **parts), "CMU/b"))


# JSON, CSV, logs


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000 + "]" * 200_000,
        '{"a":' * (DEEPEST + 5) + "1" + "}" * (DEEPEST + 5),
        "9" * 5000,
        "[1" + "0" * 400 + "]",
        '["\\ud800"]',
        "\x00",
        "",
    ],
)
def test_json_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    refused(lambda: read_json(path), "JSON")
    refused(lambda: read(path, fps=25.0))
    refused(lambda: list(read_sequences(path)))


def test_json_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    assert read_json(tmp_path / "a.json") == {"a": "ÿ"}
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{\x00")
    refused(lambda: read_json(tmp_path / "a.json"), "JSON")


_MARK = {"x": 0.1, "y": 0.2}


@pytest.mark.parametrize(
    "page",
    [
        {"frames": 5},
        {"frames": [{"frame": "x", "landmarks": [_MARK] * 33}]},
        {"frames": [{"frame": None, "landmarks": [_MARK] * 33}]},
        {"frames": [{"landmarks": 5}]},
        {"frames": [{"landmarks": {"a": 1}}]},
        {"frames": [{"landmarks": [0, _MARK]}]},
        {"frames": [{"landmarks": [None]}]},
        {"frames": [{"landmarks": [_MARK] * 33}], "width": "a", "height": 2},
        {"frames": [{"landmarks": [_MARK] * 33}], "width": None, "height": 2},
        {"instance_info": 5},
        {"instance_info": [{"frame_id": "x", "instances": []}]},
        {"instance_info": [{"frame_id": None, "instances": []}]},
        {"instance_info": [{"frame_id": 1, "instances": 5}]},
        [{"frame_id": 1, "instances": None}],
        {"images": 5, "annotations": [{"image_id": 1, "keypoints": [1] * 51}]},
        {"images": [{"id": 1}], "annotations": 5},
    ],
)
def test_keypoints_with_other_things_for_lists_and_numbers(tmp_path: Path, page: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(page))
    refused(lambda: read(tmp_path / "a.json", fps=25.0, size=None if "width" in page else (10, 10)))


def test_babel_with_other_things_for_labels(tmp_path: Path) -> None:
    for annotation in (3, True, {"labels": 5}, {"labels": {"act_cat": None}}):
        page = {"1": {"feat_p": "a/b", "frame_ann": annotation, "seq_ann": None}}
        (tmp_path / "train.json").write_text(json.dumps(page))
        refused(lambda: list(read_sequences(tmp_path / "train.json")), "labels, a list")


def test_a_table_that_is_not_text(tmp_path: Path) -> None:
    for data, says in (
        (b"\xfffile,action\n", "the columns"),
        (b'file,action\na,"' + b"x" * 200_000, "a table of text"),
    ):
        (tmp_path / "labels.csv").write_bytes(data)
        refused(lambda: list(read_segments(tmp_path / "labels.csv", set())), says)


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[1]", b'{"loss": 1}', b'{"step": {}}', b"[" * 100_000, b"1"])
def test_a_log_that_was_damaged_is_kept_as_far_as_it_is_whole(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 2}\n')
    JsonLines(tmp_path / "log.jsonl", 5).close()
    assert (tmp_path / "log.jsonl").read_bytes() == b'{"step": 1}\n'


# BVH


@pytest.mark.parametrize("count", ["²", "9" * 5000])
def test_counts_that_look_like_digits(count: str) -> None:
    rows = "\n".join(small_bvh_rows(2))
    for text in (
        f"{SMALL_BVH}MOTION\nFrames: {count}\nFrame Time: 0.1\n{rows}\n",
        f"{SMALL_BVH.replace('CHANNELS 6', f'CHANNELS {count}')}MOTION\nFrames: 2\nFrame Time: 0.1\n{rows}\n",
    ):
        refused(lambda text=text: parse_bvh(text.encode(), "a.bvh"), "number")


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("name", ["J", "J{}"])
def test_more_joints_than_any_body_has(deep: bool, name: str) -> None:
    one = "JOINT {} {{\nOFFSET 0 1 0\n"
    many = [one.format(name.format(i)) for i in range(MOST_JOINTS + 5)]
    inner = "".join(many) + "}\n" * len(many) if deep else "}\n".join(many) + "}\n"
    text = f"HIERARCHY\nROOT Hips {{\nOFFSET 0 0 0\nCHANNELS 3 Xrotation Yrotation Zrotation\n{inner}}}\nMOTION\n"
    refused(lambda: parse_bvh(text.encode(), "a.bvh"), "joints|a cycle")


# Pickles


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b".",
        b"\x80\x05\x96" + (2**33).to_bytes(8, "little") + b".",
        b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",  # a tuple of a tuple of ..., hashed by recursion
        b"\x80\x02)" + b"q\x01\x86h\x01" * 3,
    ],
)
def test_pickles_that_ask_for_too_much(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    refused(lambda: read_pickle(tmp_path / "a.pkl"), "a whole pickle")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02Nr\xf0\xff\xff\xff.",  # remembered as number 4294967280: in C a table of 64 gigabytes
        b"\x80\x02Np4000000000\n.",
        b"\x80\x04\x95" + (2**50).to_bytes(8, "little") + b"N.",
    ],
)
def test_pickles_that_number_what_they_remember_by_large_numbers_take_no_memory(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    tracemalloc.start()
    try:
        assert read_pickle(tmp_path / "a.pkl") is None
        assert tracemalloc.get_traced_memory()[1] < 10**6  # bytes; the largest of the three numbers is 2**50
    finally:
        tracemalloc.stop()


# HDF5


def test_hdf5_that_claims_what_is_not_there(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    from kinema.data.sources.arrays import h5_array, open_h5
    from kinema.protocols.forecasting.sample_file import load_samples

    path = tmp_path / "a.h5"

    def read_joints() -> None:
        with open_h5(path) as file:
            h5_array(file["CMU/a"], "joints", path)

    with h5py.File(path, "w") as file:
        file.create_dataset("CMU/a/joints", shape=(10**9, 52, 3), dtype="f8", chunks=(10, 52, 3))
        file.create_group("CMU/b/joints")
    refused(read_joints, "no larger than its file")
    refused(lambda: load_samples(path), "an array 'CMU'")
    data = path.read_bytes()
    for name in (b"SNOD", b"TREE", b"HEAP"):
        path.write_bytes(data.replace(name, b"XXXX"))
        refused(read_joints)
        refused(lambda: load_samples(path))


def test_hdf5_texts_that_are_none(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    from kinema.protocols.forecasting.sample_file import load_samples

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["action"] = np.array([b"\xff\xfe"])
    refused(lambda: load_samples(tmp_path / "a.h5"), "HDF5")


# Checkpoints


@pytest.mark.parametrize(
    "change", [{"trained_on": 0.5}, {"step": []}, {"mirror": []}, {"mirror": [0]}, {"mirror": [10**9]}]
)
def test_a_checkpoint_with_other_things_in_its_place(tmp_path: Path, change: dict[str, Any]) -> None:
    from kinema.pipeline.checkpoints.checkpoint import load_model
    from kinema.pipeline.open import WEIGHTS

    shipped = WEIGHTS / "simlpe-cmu"
    facts = json.loads((shipped / "config.json").read_text())
    mirror = change.get("mirror")
    facts |= {"skeleton": facts["skeleton"] | change} if mirror is not None else change
    (tmp_path / "config.json").write_text(json.dumps(facts))
    (tmp_path / facts["weights"]).write_bytes((shipped / facts["weights"]).read_bytes())
    if mirror == []:  # found by name, as where it was never given
        load_model(tmp_path)
    else:
        refused(lambda: load_model(tmp_path))


def test_a_name_of_many_thousand_letters_takes_no_memory_to_speak_of() -> None:
    """Every beginning of every name was counted: two gigabytes for one of 70,000 letters."""
    names = [f"prefix_{part}" for part in ("Hips", "Spine", "Head", "LeftUpLeg", "LeftFoot")]
    tracemalloc.start()
    assert canon_by_name([*names, "prefix_" + "a" * 70_000])["pelvis"] == "prefix_Hips"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20  # the names themselves and some copies of them


@pytest.mark.parametrize("key", ["bufferViews", "accessors", "animations"])
def test_a_character_whose_lists_are_something_else(tmp_path: Path, key: str) -> None:
    from kinema.io.gltf.load import save_into

    data = (Path(__file__).parents[1] / "io" / "cases" / "character.glb").read_bytes()
    path = tmp_path / "a.glb"
    path.write_bytes(data)
    clip = load(path)
    size = int.from_bytes(data[12:16], "little")
    page = json.dumps({**json.loads(data[20 : 20 + size]), key: {"a": 1}}).encode().ljust(size)
    path.write_bytes(data[:12] + len(page).to_bytes(4, "little") + data[16:20] + page + data[20 + size :])
    refused(lambda: save_into(clip, tmp_path / "b.glb"))
    assert not (tmp_path / "b.glb").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", b'[{"kind": ["pin"]}]'),
        ("a.json", b'[""]'),
        ("a.csv", b"frame,x,z\n0,0,0\nnan,1,1\n"),
        ("a.csv", b"\x9d\xff\n"),
        ("nowhere.csv", None),
    ],
)
def test_constraints_that_are_none(tmp_path: Path, name: str, text: bytes | None) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text)
    refused(lambda: parse_path(str(path)) if path.suffix == ".csv" else read_constraints(path))


@pytest.mark.parametrize(
    "line",
    [
        b'{"target": {}, "stamp": "0", "files": {}, "facts": {}}',
        b'{"target": "a", "stamp": "0", "files": [], "facts": {}}',
        b'{"target": "a", "stamp": "0", "files": {"%s": 1}, "facts": {}}' % (b"A" * 5000),
        b'{"target": "a", "stamp": "0", "files": {"\\u0000": 1}, "facts": {}}',
        b'{"target": "\\ud800", "stamp": "0", "files": {}, "facts": {}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_lines_of_a_ledger_that_are_none_are_dropped(tmp_path: Path, line: bytes) -> None:
    (tmp_path / jobs.LEDGER).write_bytes(line + b"\n")
    with jobs._Ledger.opened(tmp_path) as ledger:
        assert ledger.kept(tmp_path.resolve() / "a") is None


@pytest.mark.parametrize("text", [b"\xff\xff", b"[" * 100_000, b"[]", b'{"what": "%s"}' % (b"A" * 9000)])
def test_a_lock_with_other_things_in_it(tmp_path: Path, text: bytes) -> None:
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / atomic.LOCK).write_bytes(text)
    with (tmp_path / atomic.LOCK).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def take() -> None:
            with atomic.hold(tmp_path, "a job"):
                pass

        refused(take)
    take()
    assert not (tmp_path / atomic.LOCK).exists()


@pytest.mark.parametrize("value", [np.array("text"), np.zeros((0, 3, 3)), np.float32(1), np.zeros((2, 3, 2))])
def test_an_npz_without_names_whose_arrays_do_not_fit(tmp_path: Path, value: Any) -> None:
    arrays = {"posed_joints": np.zeros((2, 3, 3)), "root_positions": np.zeros((2, 3))}
    arrays |= {key: np.tile(np.eye(3), (2, 3, 1, 1)) for key in ("global_rot_mats", "local_rot_mats")}
    for key in ("posed_joints", "global_rot_mats", "local_rot_mats"):
        refused(lambda key=key: load_clip(npz(tmp_path / "a.npz", **(arrays | {key: value}))))


def test_contacts_at_a_rate_beyond_all_numbers() -> None:
    from kinema.motion.feet.contacts import velocities

    assert velocities(torch.zeros(3, 4, 3), 1e300).shape == (3, 4, 3)


def test_a_killed_run_leaves_no_temporary_tensors(tmp_path: Path) -> None:
    """Found by killing: the library writes tensors to a hidden file of its own, which outlived the run."""
    run = RunFolder(tmp_path)
    (tmp_path / ".tmpsZQxY2").write_bytes(b"half of a checkpoint")
    run.tidy(keep=("model.safetensors",))
    assert not list(tmp_path.iterdir())


def test_sound_files_are_still_read(tmp_path: Path) -> None:
    from kinema.data.synthetic import perform

    motion = perform("walk", seconds=0.2, fps=30.0, seed=3)
    for name in ("a.bvh", "a.npz"):
        save(motion, tmp_path / name)
        assert load_clip(tmp_path / name).frames == motion.frames
    with pytest.raises(FormatError):
        read_json(tmp_path / "a.bvh")
