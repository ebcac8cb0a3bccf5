"""`kinema data`: a check that names what is missing, and benchmark rows from a BVH."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import run
from kinema.data.sources.h36m_rotations import ACTIONS, SUBJECTS
from little_amass import write_model, write_take
from positions_archive import h36m_subjects, humaneva_subjects, write_archive

ROW = ",".join(["0.5"] * 99) + "\n"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    for subject in SUBJECTS:
        (tmp_path / f"S{subject}").mkdir()
        for action in ACTIONS:
            for clip in (1, 2):
                (tmp_path / f"S{subject}" / f"{action}_{clip}.txt").write_text(ROW * 150)
    return tmp_path


def test_a_whole_tree(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "check", "h36m-expmap", "--root", str(whole)) == 0
    assert "210 of 210 files" in capsys.readouterr().out


def test_what_is_missing_and_what_is_damaged(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (whole / "S5" / "posing_2.txt").unlink()
    (whole / "S11" / "eating_1.txt").write_text(ROW * 20 + "1,2,3\n")
    assert run("data", "check", "h36m-expmap", "--root", str(whole)) == 4
    out, err = capsys.readouterr()
    assert "missing: S5/posing_2.txt" in out
    assert "eating_1.txt, line 21: expected 99 columns" in out
    assert "208 whole, 1 missing, 1 damaged" in err
    assert "vision.imar.ro" in err
    assert run("data", "check", "h36m-expmap", "--root", str(whole), "--json") == 4
    found = json.loads(capsys.readouterr().out)
    assert found["missing"] == ["S5/posing_2.txt"]
    assert list(found["damaged"]) == ["S11/eating_1.txt"]


def test_no_data_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "check", "h36m-expmap", "--root", str(tmp_path)) == 3
    assert "academic use" in capsys.readouterr().err
    assert run("data", "check", "h36m-expmap", "--root", str(tmp_path / "nowhere")) == 3
    assert run("data", "check", "h36m") == 2


def test_amass_is_read_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_take(tmp_path / "CMU/01/01_01_poses.npz")
    write_take(tmp_path / "CMU/01/shape.npz", poses=None)
    assert run("data", "check", "amass", "--root", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "1 recordings of smplh, of CMU." in out
    assert "left out: CMU/01/shape: no poses" in out
    path = write_take(tmp_path / "CMU/01/01_02_poses.npz")
    path.write_bytes(path.read_bytes()[:2000])
    write_take(tmp_path / "CMU/01/01_03_poses.npz", trans=None)
    assert run("data", "check", "amass", "--root", str(tmp_path), "--json") == 4
    found = json.loads(capsys.readouterr().out)
    assert sorted(found["damaged"]) == ["CMU/01/01_02_poses", "CMU/01/01_03_poses"]
    assert (found["whole"], found["left_out"]) == (1, {"CMU/01/shape": "no poses"})
    assert run("data", "check", "amass", "--root", str(tmp_path / "CMU")) == 3


def test_a_file_of_joints_is_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("h5py")
    write_take(tmp_path / "amass/CMU/01/01_01_poses.npz")
    model = write_model(tmp_path / "model.npz")
    out = tmp_path / "joints.h5"
    assert run("data", "amass-joints", str(tmp_path / "amass"), "--model", str(model), "-o", str(out)) == 0
    assert "1 recordings" in capsys.readouterr().out
    assert out.is_file()


def test_positions_of_human36m(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subjects = h36m_subjects(5)
    write_archive(tmp_path / "data_3d_h36m.npz", subjects)
    assert run("data", "check", "h36m-positions", "--root", str(tmp_path)) == 0
    assert "209 of 209 takes" in capsys.readouterr().out
    del subjects["S9"]["Posing 1"]
    subjects["S5"]["Walking"] *= 1000
    write_archive(tmp_path / "data_3d_h36m.npz", subjects)
    assert run("data", "check", "h36m-positions", "--root", str(tmp_path)) == 4
    out, err = capsys.readouterr()
    assert "missing: S9/Posing (a take)" in out
    assert "S5, Walking: expected positions in metres" in out
    assert "207 whole, 1 missing, 1 damaged" in err
    assert "multimodal files of other projects are not needed" in err


def test_positions_of_humaneva(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "check", "humaneva-positions", "--root", str(tmp_path)) == 3
    assert "humaneva.is.tue.mpg.de" in capsys.readouterr().err
    subjects = humaneva_subjects(80)
    write_archive(tmp_path / "data_3d_humaneva15.npz", subjects)
    assert run("data", "check", "humaneva-positions", "--root", str(tmp_path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["whole"] == 30
    del subjects["Validate/S2"]
    write_archive(tmp_path / "data_3d_humaneva15.npz", subjects)
    assert run("data", "check", "humaneva-positions", "--root", str(tmp_path)) == 4
    assert "missing: Validate/S2" in capsys.readouterr().out
