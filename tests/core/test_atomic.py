"""What atomic writes do to what is there already."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kinema.core.atomic import LOCK, atomic_path, hold, write_text
from kinema.core.errors import KinemaError, UsageError


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text("old")
    file.chmod(0o600)
    write_text(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real/walk.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert [file.name for file in (tmp_path / "real").iterdir()] == ["walk.txt"]


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join(20)
    assert heard == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_null_device_stays() -> None:
    write_text(os.devnull, "gone")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinemaError, match="folder"):
        write_text(tmp_path, "x")


def test_the_longest_name_works(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 250 + ".txt")
    write_text(file, "long")
    assert file.read_text() == "long"


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "walk.txt"
    file.write_text("old")

    def fails() -> None:
        with atomic_path(file) as beside:
            beside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["walk.txt"]


def test_a_held_folder_names_its_process(tmp_path: Path) -> None:
    with (
        hold(tmp_path, "a training"),
        pytest.raises(UsageError, match=rf"a training, process {os.getpid()} on"),
        hold(tmp_path, "another"),
    ):
        pass
    with hold(tmp_path, "the next"):
        pass


def test_a_folder_made_for_nothing_does_not_stay(tmp_path: Path) -> None:
    with hold(tmp_path / "new", "a training"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from kinema.core.atomic import hold\n"
        "with hold(Path(sys.argv[1]), 'a training'):\n    print('held', flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match=f"process {other.pid}"), hold(tmp_path, "ours"):
        pass
    other.kill()
    other.wait()
    with hold(tmp_path, "ours"):
        assert (tmp_path / LOCK).is_file()
