"""What a terminal shows while a command works, and what Ctrl-C leaves behind."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import run
from kinema.apps.cli.console import shown_while_working
from kinema.core.progress import pieces, progress_to, report_progress
from kinema.io.bvh import save as decimals

BEFORE_TORCH = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            os.write(2, b"<torch>")

sys.meta_path.insert(0, Watch())
from kinema.apps.cli import main
main(sys.argv[1:])
"""


# Says when a model begins to answer, which never ends.
BUSY = """
import os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests run in the background
from kinema.models.smrnet.model import SMRNet

predict = SMRNet.predict

def busy(*given, **options):
    os.write(2, b"<busy>")
    while True:
        try:
            predict(*given, **options)
        except KeyboardInterrupt:
            if "lost" not in os.environ["KINEMA_TEST_INTERRUPT"]:
                raise  # else as a library that swallows it

SMRNet.predict = busy
sys.argv[0] = "kinema"
runpy.run_module("kinema", run_name="__main__")
"""


@pytest.mark.parametrize("interrupt", ["heard", "lost"])
def test_an_interrupt_ends_a_long_answer_and_leaves_nothing(
    tmp_path: Path, interrupt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINEMA_TEST_INTERRUPT", interrupt)
    words = ["forecast", "sample:walk", "--model", "smrnet", "--samples", "60", "-o", "out.npz"]
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", BUSY, *words], cwd=tmp_path, stderr=pipe, text=True) as child:
        assert child.stderr is not None
        told = child.stderr.read(6)
        child.send_signal(signal.SIGINT)
        told += child.communicate(timeout=60)[1]  # where it hangs
    assert told == "<busy>kinema: interrupted\n"
    assert child.returncode == 130
    assert not list(tmp_path.iterdir())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output and standard error, as one terminal."""
    both = Terminal()
    monkeypatch.setattr(sys, "stdout", both)
    monkeypatch.setattr(sys, "stderr", both)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    return both


def test_something_is_shown_before_torch_is_imported(write_bvh: Callable[..., Path]) -> None:
    pty = pytest.importorskip("pty", reason="no terminals of one's own on this system")
    file = str(write_bvh())
    child, master = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-c", BEFORE_TORCH, "info", file])
    shown = b""
    while True:
        try:
            part = os.read(master, 2**16)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    assert os.waitpid(child, 0)[1] == 0, shown
    assert 0 <= shown.index(b"kinema info: start") < shown.index(b"<torch>")
    assert shown.rindex(b"kinema info: start") < shown.index(b"joints"), "the line stood between lines of output"


def test_a_line_tells_how_far_and_gives_way_to_output(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with shown_while_working(["repair", "walk.bvh"]):
        assert "kinema repair: start" in terminal.getvalue()
        for _ in pieces(100, 10, "write"):
            pass
        assert "kinema repair: write" in terminal.getvalue()
        print("a result")
        before, after = terminal.getvalue().split("a result")
        assert before.endswith(("\x1b[2K", "\x1b[?25h")) or re.search(r"\x1b\[2K\s*$", before), before[-40:]
        assert "kinema" not in after
        report_progress("measure", 1, 2)
        assert "kinema repair: measure" in terminal.getvalue().split("a result")[1]
    assert sys.stdout is terminal


@pytest.mark.parametrize("arguments", [[], ["--help"], ["info", "--help"], ["train", "simlpe"]])
def test_what_is_quick_or_has_a_display_of_its_own_shows_no_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    terminal = terminal_of(monkeypatch)
    with shown_while_working(arguments):
        report_progress("write", 1, 2)
    assert terminal.getvalue() == ""


def test_nobody_is_told_twice_and_the_last_piece_takes_the_rest() -> None:
    told: list[tuple[str, int, int]] = []
    with progress_to(lambda *words: told.append(words)):
        spans = list(pieces(25, 10, "count"))
        with progress_to(None):
            assert list(pieces(5, 10, "count")) == [slice(0, 5)]
    assert spans == [slice(0, 10), slice(10, 25)]
    assert told == [("count", 10, 25), ("count", 25, 25)]
    assert list(pieces(0, 10)) == []


def test_ctrl_c_while_writing_leaves_the_old_file(
    write_bvh: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_bvh(frames=1500)
    target = tmp_path / "out" / "long.bvh"
    target.parent.mkdir()
    target.write_text("the old one")
    calls: list[int] = []
    real = decimals.decimal_lines

    def interrupted(rows: object) -> bytes:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(rows)  # type: ignore[arg-type]

    monkeypatch.setattr(decimals, "decimal_lines", interrupted)
    assert run("convert", str(file), str(target)) == 130
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in target.parent.iterdir()] == ["long.bvh"]
    assert target.read_text() == "the old one"
