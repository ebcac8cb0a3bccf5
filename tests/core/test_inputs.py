"""An input is never overwritten by accident, and may be a pipe."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from command import run
from kinema.core.errors import UsageError
from kinema.io import formats
from kinema.io.formats import load
from kinema.io.summary import summarise

Write = Callable[..., Path]


def test_an_output_that_is_the_input_needs_overwrite(
    write_bvh: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walk = write_bvh(24)
    before, link = walk.read_bytes(), tmp_path / "link.bvh"
    link.symlink_to(walk)
    for command in (
        ("convert", walk, walk, "--fps", "15"),
        ("convert", walk, link, "--fps", "15"),
        ("upsample", walk, "--rate", "2", "--model", "linear", "-o", walk),
        ("forecast", walk, "--model", "zero-velocity", "--seconds", "0.2", "-o", walk),
    ):
        assert run(*command) == 2
        told = capsys.readouterr().err
        assert "not the input" in told
        assert "--overwrite" in told
        assert walk.read_bytes() == before
    assert run("convert", walk, walk, "--fps", "15", "--overwrite") == 0
    assert load(walk).fps == pytest.approx(15)
    assert run("convert", walk, walk, "--fps", "30") == 2  # the leave is for one command


def test_a_sample_that_would_get_the_name_of_the_input_is_refused(write_bvh: Write, tmp_path: Path) -> None:
    walk = write_bvh(24, name="walk-2.bvh")
    before = walk.read_bytes()
    model = ("--model", "zero-velocity", "--seconds", "0.2", "--samples", "2")
    assert run("forecast", walk, *model, "-o", tmp_path / "walk.bvh") == 2
    assert walk.read_bytes() == before


def test_folders_likewise(write_bvh: Write, tmp_path: Path) -> None:
    takes = tmp_path / "takes"
    takes.mkdir()
    walk = write_bvh(24).rename(takes / "walk.bvh")
    before = walk.read_bytes()
    assert run("convert", takes, takes, "--fps", "15") == 2
    (takes / "takes").mkdir()
    (takes / "takes" / "walk.bvh").write_bytes(before)
    assert run("convert", takes / "takes", takes, "--fps", "15") == 0  # that is no file of the folder takes/takes
    walk.write_bytes(before)
    inner = takes / "takes"
    (inner / "takes").mkdir()
    (inner / "takes" / "walk.bvh").write_bytes(before)
    assert run("convert", inner, takes, "--fps", "15") == 2  # takes/walk.bvh of inner/takes would be inner/walk.bvh
    assert (inner / "walk.bvh").read_bytes() == before
    assert run("convert", inner, inner, "--fps", "15", "--overwrite") == 0
    assert load(inner / "walk.bvh").fps == pytest.approx(15)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name, which this system has not")
def test_a_pipe_is_read_to_its_end(write_bvh: Write, tmp_path: Path) -> None:
    walk, pipe = write_bvh(24), tmp_path / "f.bvh"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(walk.read_bytes()))
    writer.start()
    assert load(pipe).frames == 24
    writer.join()
    writer = threading.Thread(target=lambda: pipe.write_bytes(walk.read_bytes()))
    writer.start()
    assert summarise(pipe).frames == 24
    writer.join()


def test_standard_input_is_read_and_its_size_is_bounded(
    write_bvh: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = write_bvh(24).read_bytes()
    for command in (
        ("convert", "-", tmp_path / "a.npz"),
        ("forecast", "-", "--model", "zero-velocity", "--seconds", "0.2", "-o", tmp_path / "b.bvh"),
    ):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        assert run(*command) == 0
        assert Path(command[-1]).is_file()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"no motion at all")))
    capsys.readouterr()
    assert run("convert", "-", tmp_path / "c.npz") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr(formats, "_LARGEST_STREAM", 100)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    with pytest.raises(UsageError, match="stdin"):
        load("-")
