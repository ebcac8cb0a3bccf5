"""The command line as a whole: quick help, exit codes, one clear line per error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import run
from kinema.apps.cli import app

HELP_OF_ALL = """
import sys
from kinema.apps.cli import app, main

def commands(group, before=()):
    for name in group:
        if not name.startswith("-"):
            yield (*before, name)
            yield from commands(group[name], (*before, name))

every = [(), *commands(app)]
for command in every:
    try: main([*command, "--help"])
    except SystemExit as stop: assert not stop.code, (command, stop.code)
    for package in ("torch", "numpy"):
        assert package not in sys.modules, f"{package} was imported for {command}"
assert len(every) > 20, every
"""


def test_help_of_no_command_imports_torch() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "forecast" in done.stdout


def test_no_model_is_imported_to_look_at_a_file_or_convert_it(write_bvh: Callable[..., Path], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from kinema.apps.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "names = {name for name in sys.modules if name.startswith('kinema.')}\n"
        "rooms = {name.split('.')[1] for name in names - {'kinema.pipeline', 'kinema.pipeline.requests'}}\n"
        "assert rooms <= {'apps', 'core', 'geometry', 'io', 'motion'}, rooms\n"
        "assert 'torch._dynamo' not in sys.modules and 'scipy' not in sys.modules\n"
    )
    file = str(write_bvh())
    for arguments in (("info", file), ("convert", file, str(tmp_path / "o.npz"), "--fps", "24")):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_commands_are_these() -> None:
    commands = {name for name in app if not name.startswith("-")}
    assert commands == {
        "convert", "data", "demo", "doctor", "eval", "export", "forecast", "generate", "inbetween", "info", "join",
    "loop", "mcp", "models",
    "recipes", "render", "repair", "retarget", "serve", "studio", "train", "upsample", "view",
    }  # fmt: skip


def test_misuse_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("forecast") == 2
    assert run("info", "--nonsense", "x.bvh") == 2
    assert run("nosuchverb") == 2
    capsys.readouterr()
    assert run("forecast", "simlpe-cmu", "x.bvh", "--secnds", "3") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("kinema: Unknown option")
    assert said.endswith("--seconds? `kinema forecast --help` lists the options.")


COMMANDS = [
    "convert", "data", "demo", "doctor", "eval", "export", "forecast", "generate", "inbetween", "info", "join",
    "loop", "mcp", "models",
    "recipes", "render", "repair", "retarget", "serve", "studio", "train", "upsample", "view",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert "Usage: kinema" in capsys.readouterr().out
