"""The command line as a whole: quick help, exit codes, one clear line per error."""

import subprocess
import sys

import pytest

from command import run
from kinema.apps.cli import app


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from kinema.apps.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
        "assert 'numpy' not in sys.modules, 'numpy was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "forecast" in done.stdout


def test_the_commands_are_these() -> None:
    commands = {name for name in app if not name.startswith("-")}
    assert commands == {
        "convert", "data", "demo", "doctor", "eval", "export", "forecast", "generate", "inbetween", "info", "models",
    "recipes", "render", "repair", "retarget", "studio", "train", "upsample", "view",
    }  # fmt: skip


def test_misuse_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("forecast") == 2
    assert run("info", "--nonsense", "x.bvh") == 2
    assert run("nosuchverb") == 2
    capsys.readouterr()
    assert run("forecast", "simlpe-cmu", "x.bvh", "--secnds", "3") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("kinema: Unknown option")
    assert said.endswith("--seconds? `kinema forecast --help` says what it takes.")


COMMANDS = [
    "convert", "data", "demo", "doctor", "eval", "export", "forecast", "generate", "inbetween", "info", "models",
    "recipes", "render", "repair", "retarget", "studio", "train", "upsample", "view",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert "Usage: kinema" in capsys.readouterr().out
