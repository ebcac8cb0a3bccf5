"""FBX without a Blender: how one is found, and what is said of one that does not do its work."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from command import run
from kinema.core.errors import KinemaError, UsageError
from kinema.data.synthetic import perform
from kinema.io import fbx
from kinema.io import formats as files
from kinema.io.fbx import find_blender, run_in_blender
from kinema.motion.motion import Motion


def walk() -> Motion:
    return perform("walk", seconds=0.2, fps=30.0, seed=3)


def program(path: Path, text: str) -> Path:
    """A stand-in for Blender: `$last` is the path of its job."""
    path.write_text(f"#!/bin/sh\nfor last; do :; done\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_where_blender_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINEMA_BLENDER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KinemaError, match=r"none on the search path.*--blender"):
        find_blender()
    there = program(tmp_path / "blender", "exit 0")
    assert find_blender() == there
    other = program(tmp_path / "other", "exit 0")
    monkeypatch.setenv("KINEMA_BLENDER", str(other))
    assert find_blender() == other
    assert find_blender(there) == there
    with pytest.raises(UsageError, match="nothing that can be run at"):
        find_blender(tmp_path / "missing")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(UsageError, match="nothing that can be run at"):
        find_blender(tmp_path / "text")


def test_the_application_is_called_otherwise_than_a_python(tmp_path: Path) -> None:
    said = tmp_path / "said"
    for name, first in (("blender-4.5", "--background"), ("python", "-I")):
        run_in_blender(
            program(tmp_path / name, f'echo "$1" > {said}; cat "$last" >> {said}'),
            tmp_path / "script.py", {"a": 1}, tmp_path, seconds=10,
        )  # fmt: skip
        option, job = said.read_text().split("\n", 1)
        assert option == first
        assert json.loads(job) == {"a": 1}


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("echo No module named bpy >&2; exit 1", r"exit code 1 \(No module named bpy\).*4\.2 or newer"),
        ("exit 3", r"exit code 3 \(no message\)"),
        ("exit 0", "no file from blender"),
        ("sleep 20", "no result, and it was stopped"),
    ],
)
def test_a_blender_that_fails_leaves_nothing(tmp_path: Path, does: str, says: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(KinemaError, match=says) as caught:
        fbx.save(walk(), out / "walk.fbx", blender=program(tmp_path / "blender", does), seconds=1.0)
    assert caught.value.cure
    assert not list(out.iterdir())


def test_an_fbx_is_read_through_the_blender_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KINEMA_BLENDER", raising=False)
    files.save(walk(), tmp_path / "walk.glb")
    fake = program(
        tmp_path / "fake",
        f"""{sys.executable} - "$last" <<'END'
import json, pathlib, shutil, sys
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
shutil.copy({str(tmp_path / "walk.glb")!r}, job["target"])
pathlib.Path(job["report"]).write_text(json.dumps({{"frames": 6, "bones": 24, "fps": 30}}))
END""",
    )
    (tmp_path / "in.fbx").write_bytes(b"Kaydara FBX Binary  ")
    assert run("convert", tmp_path / "in.fbx", tmp_path / "out.npz", "--blender", fake) == 0
    assert files.load(tmp_path / "out.npz").frames == walk().frames
    assert "KINEMA_BLENDER" not in os.environ
    capsys.readouterr()
    monkeypatch.setenv("KINEMA_BLENDER", str(fake))
    assert run("convert", tmp_path / "in.fbx", tmp_path / "out.npz", "--animation", "7") == 2
    assert "an animation among" in capsys.readouterr().err


def test_other_frames_than_were_given_are_refused(tmp_path: Path) -> None:
    fake = program(
        tmp_path / "fake",
        f"""{sys.executable} - "$last" <<'END'
import json, pathlib, sys
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
pathlib.Path(job["target"]).write_text("fbx")
pathlib.Path(job["report"]).write_text(json.dumps({{"frames": 5, "bones": 24}}))
END""",
    )
    with pytest.raises(KinemaError, match="an FBX of 6 frames and 24 bones; got 5 frames and 24 bones"):
        files.save(walk(), tmp_path / "walk.fbx", blender=fake)
    assert not (tmp_path / "walk.fbx").exists()


def test_a_program_of_another_machine(tmp_path: Path) -> None:
    foreign = tmp_path / "blender"
    foreign.write_bytes(b"\x7fELF?")
    foreign.chmod(0o755)
    with pytest.raises(KinemaError, match="to start"):
        fbx.save(walk(), tmp_path / "walk.fbx", blender=foreign)
