"""`kinema info` and `kinema convert`: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from command import run
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io import formats as files
from kinema.motion.edit import rest_pose
from kinema.motion.retargeting.rest_poses import has_t_pose, with_rest
from small_bvh import SMALL_BVH

Writer = Callable[..., Path]
Captured = pytest.CaptureFixture[str]


def facts(capsys: Captured, *arguments: str | Path) -> dict:
    assert run("info", *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_info_as_json(write_bvh: Writer, capsys: Captured) -> None:
    found = facts(capsys, write_bvh(61, name="cmu_02_01.bvh", frame_time="0.0166667"))
    assert found["format"] == "bvh"
    assert (found["joints"], found["end_sites"], found["frames"]) == (5, 2, 61)
    assert (found["fps"], found["frame_time"], found["duration"]) == (60.0, "0.0166667", 1.0)
    assert (found["unit"], found["unit_name"], found["unit_inferred"]) == (0.01, "cm", True)
    assert found["up"] == "y"
    assert 1.3 < found["height"] < 2.0
    assert found["canon17_matched"] == 17 - len(found["canon17_missing"])
    assert {"pelvis", "head"}.isdisjoint(found["canon17_missing"])
    assert "r_hip" in found["canon17_missing"]
    assert found["channel_orders"]["XYZ position, ZXY rotation"] == 1
    assert found["channel_orders"]["YZX rotation"] == 1
    assert found["identity"] == "cmu/02_01"


def test_info_in_words(write_bvh: Writer, capsys: Captured) -> None:
    assert run("info", write_bvh(5)) == 0
    out, err = capsys.readouterr()
    for part in ("5 and 2 end sites", "5 at 30 per second", "inferred", "--unit", "canon17"):
        assert part in " ".join(out.split())
    assert err == ""


def test_info_tells_what_looks_wrong(write_bvh: Writer, capsys: Captured) -> None:
    still = "0 90 0 " + "0 " * 15
    bent = "0 95 0 " + "0 " * 3 + "0 0 40 " + "0 30 0 " * 3
    flipped = "0 95 0 " + "0 " * 3 + "0 0 40 " + "0 170 0 " * 3
    path = write_bvh(rows=[still, *[bent] * 6, flipped, *[bent] * 4], count=99)
    warnings = "\n".join(facts(capsys, path)["warnings"])
    assert "says 99 but 12 are there" in warnings
    assert "looks like a rest pose" in warnings
    assert "2 frames turn a joint by more than 1 rad" in warnings
    assert "m below the floor" not in warnings
    assert "height" not in warnings
    assert "a height of 162 m is unusual" in "\n".join(facts(capsys, path, "--unit", "1")["warnings"])
    sunk = write_bvh(rows=["0 20 0 " + "0 " * 15] * 4)
    assert "'LeftFoot_end' goes 0.70 m below the floor" in "\n".join(facts(capsys, sunk)["warnings"])


def test_info_of_a_body_that_lies_along_z(write_bvh: Writer, capsys: Captured) -> None:
    found = facts(capsys, write_bvh(rows=["0 0 90 0 90 0 " + "0 " * 12] * 3))
    assert found["up"] == "z"
    assert "stands along z" in "\n".join(found["warnings"])


def test_info_of_npz_and_expmap(write_bvh: Writer, tmp_path: Path, capsys: Captured) -> None:
    files.save(files.load(write_bvh(5)), tmp_path / "walk.npz")
    found = facts(capsys, tmp_path / "walk.npz")
    assert (found["format"], found["frames"], found["rotations"]) == ("npz", 5, True)
    (tmp_path / "rows.txt").write_text((",".join(["0.1"] * 117) + "\n") * 4)
    assert run("info", tmp_path / "rows.txt") == 1
    assert "--source-fps" in capsys.readouterr().err
    assert facts(capsys, tmp_path / "rows.txt", "--source-fps", "120")["joints"] == 31


def test_convert_there_and_back(write_bvh: Writer, tmp_path: Path, capsys: Captured) -> None:
    path = write_bvh(31)
    assert run("convert", path, tmp_path / "walk.npz") == 0
    assert run("convert", tmp_path / "walk.npz", tmp_path / "again.bvh") == 0
    assert run("convert", path, tmp_path / "walk.glb") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "31 frames of 7 joints at 30 per second" in err
    again, first = files.load(tmp_path / "again.bvh", unit=0.01), files.load(path)
    torch.testing.assert_close(again.points().positions, first.points().positions, atol=1e-6, rtol=0)
    assert (tmp_path / "walk.glb").read_bytes()[:4] == b"glTF"


def test_convert_resamples(write_bvh: Writer, tmp_path: Path) -> None:
    assert run("convert", write_bvh(31), tmp_path / "slow.bvh", "--fps", "10") == 0
    slow = files.load(tmp_path / "slow.bvh")
    assert (slow.fps, slow.frames) == (10.0, 11)


def test_a_bvh_keeps_its_rest_pose_unless_a_t_pose_is_asked_for(tmp_path: Path) -> None:
    walk = perform("walk", seconds=1.0, fps=30.0, seed=3)
    random = torch.Generator().manual_seed(5)
    turned = rotvec_to_rotmat(torch.randn(1, len(walk.skeleton), 3, generator=random))
    odd = with_rest(walk, replace(rest_pose(walk.skeleton), rotations=turned))
    source = tmp_path / "odd.bvh"
    files.save(odd, source, rest="source")
    for name, wish, is_t in (("same.bvh", (), False), ("t.bvh", ("--rest", "tpose"), True)):
        assert run("convert", source, tmp_path / name, *wish) == 0
        there = files.load(tmp_path / name)
        assert has_t_pose(there) is is_t
        here = files.load(source).points().positions
        torch.testing.assert_close(there.points().positions, here, atol=2e-6, rtol=0)
    # An NPZ has no file's rest pose to keep: what is written from it rests in a T.
    assert run("convert", source, tmp_path / "odd.npz") == 0
    assert run("convert", tmp_path / "odd.npz", tmp_path / "again.bvh") == 0
    assert has_t_pose(files.load(tmp_path / "again.bvh"))
    assert run("convert", tmp_path / "odd.npz", tmp_path / "own.bvh", "--rest", "source") == 0
    assert not has_t_pose(files.load(tmp_path / "own.bvh"))


def test_convert_to_csv_and_back(write_bvh: Writer, tmp_path: Path) -> None:
    assert run("convert", write_bvh(31), tmp_path / "walk.csv") == 0
    assert run("convert", tmp_path / "walk.csv", tmp_path / "again.bvh", "--rest", "source") == 0
    again, first = files.load(tmp_path / "again.bvh", unit=0.01), files.load(tmp_path / "walk.bvh")
    torch.testing.assert_close(again.points().positions, first.points().positions, atol=2e-6, rtol=0)


def test_misuse_of_rest_and_blender(
    write_bvh: Writer, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = re.sub(r"(ROOT|JOINT) (\w+)", lambda found: f"{found[1]} {found[2][::-1]}", SMALL_BVH)
    path = write_bvh(4, header=nameless)
    monkeypatch.delenv("KINEMA_BLENDER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for target, more, code, says in (
        ("out.bvh", ("--rest", "tpose"), 2, "at least four joints"),
        ("out.bvh", ("--rest", "apose"), 2, "rest"),
        ("out.glb", ("--blender",), 2, "Only FBX goes through Blender"),
        ("out.fbx", (), 1, "Install Blender and name its program in KINEMA_BLENDER (convert: --blender PATH)"),
        ("out.fbx", ("--blender",), 1, "none on the search path"),
        ("out.fbx", ("--blender", tmp_path / "blender"), 2, "nothing that can be run at"),
    ):
        assert run("convert", path, tmp_path / target, *more) == code
        assert says in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("*out.*"))


@pytest.mark.shared
def test_convert_to_another_skeleton(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "bvh" / "cmu_02_03.bvh"
    assert run("convert", source, tmp_path / "run.npz", "--to", "canon17", "--fps", "30") == 0
    there = files.load(tmp_path / "run.npz")
    assert len(there.skeleton) == 17
    here = files.load(source)
    ours = here.points().positions[::4, here.skeleton.indices(["l_ankle", "pelvis"])]
    theirs = there.points().positions[:, there.skeleton.indices(["l_ankle", "pelvis"])]
    # The same shape of the path, whatever the size of the body: it goes the same way, as far to within a quarter.
    way, other = (path[-1, 1] - path[1, 1] for path in (ours, theirs))
    assert torch.nn.functional.cosine_similarity(way, other, dim=0) > 0.99
    assert 0.75 < float(other.norm() / way.norm()) < 1.33


def bad_npz(path: Path) -> None:
    np.savez(path, posed_joints=np.zeros((3, 2, 3)), fps=30.0, joint_names=np.array([{}, {}], dtype=object))


def bad_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y")


@pytest.mark.parametrize(
    ("name", "make", "code", "message"),
    [
        ("walk.bvh", lambda path: None, 2, "no file at"),
        ("walk.bvh", lambda path: path.write_text("HIERARCHY\nROOT a\n{\n"), 1, "walk.bvh, line 3"),
        ("walk.bvh", bad_zip, 1, "a zip archive"),
        ("walk.npz", bad_npz, 1, "key 'joint_names'"),
        ("walk.txt", lambda path: path.write_text(",".join(["1"] * 116)), 1, "got 116"),
        ("walk.abc", lambda path: path.write_text("?"), 2, "a file suffix among"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: Captured, name: str, make: Callable[[Path], None], code: int, message: str
) -> None:
    make(tmp_path / name)
    before = set(tmp_path.iterdir())
    assert run("convert", tmp_path / name, tmp_path / "out.npz", "--source-fps", "120") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("kinema: ")
    assert message in err
    assert set(tmp_path.iterdir()) == before


def test_misuse_of_convert(write_bvh: Writer, tmp_path: Path, capsys: Captured) -> None:
    path = write_bvh(4)
    assert run("convert", path, tmp_path / "out.npz", "--to", "canon71") == 2
    assert "canon17" in capsys.readouterr().err
    assert run("convert", path, tmp_path / "out.usd") == 2
    assert run("convert", path, tmp_path / "out.npz", "--fps", "0") == 2
    assert not list(tmp_path.glob("out.*"))


def test_a_survivable_oddity_is_one_line_on_standard_error(write_bvh: Writer, tmp_path: Path) -> None:
    path = write_bvh(4, count=9)
    done = subprocess.run(
        [sys.executable, "-m", "kinema", "convert", str(path), str(tmp_path / "out.npz")],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert lines[0] == "kinema: walk.bvh: 'Frames:' says 9 but 4 are there; all of those were read"
    assert len(lines) == 2
    assert done.stdout == ""
