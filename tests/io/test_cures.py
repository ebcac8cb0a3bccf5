"""No dead ends: what an error tells a user to type works when it is typed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from cyclopts import CycloptsError

from command import run
from kinema.apps.cli import app
from kinema.core.errors import KinemaError, KinemaWarning

VERBS = tuple(name for name in app if not name.startswith("-"))
# Where a command ends in a sentence.
_END = re.compile(r"[`;()>\"]|[.,](?=\s|$)|: |\s(?:or|and|first|then|for|prints?|lists?|writes?|wrote|where|in|to)\b")
CASES = Path(__file__).parent / "cases"
SOURCES = Path(__file__).parents[2] / "src" / "kinema"
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+(?!\w)")


def follow(capsys: pytest.CaptureFixture[str], *words: str, steps: int = 3) -> list[str]:
    """The command with the options that its errors name, one after the other, until it succeeds."""
    used = list(words)
    for _ in range(steps):
        capsys.readouterr()
        code = run(*used)
        told = capsys.readouterr().err
        if code == 0:
            return used
        found = re.search(r"(--[a-z-]+) ([\w.]+)", told)
        assert found, told
        assert found[1] not in used, told
        used += [found[1], found[2]]
    raise AssertionError(f"no end of cures: {used}")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("frame_time_zero.bvh", {"--source-fps"}),
        ("joints22.npy", {"--source-skeleton", "--source-fps"}),
        ("wham_output.pkl", {"--source-fps"}),
        ("ap.json", {"--source-fps"}),
        ("mp.json", {"--source-fps", "--picture"}),
    ],
)
@pytest.mark.parametrize("verb", ["info", "convert"])
def test_errors_lead_to_a_file_that_is_read(
    verb: str, name: str, options: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [str(tmp_path / "out.npz")] if verb == "convert" else []
    used = follow(capsys, verb, str(CASES / name), *out)
    assert set(used) >= options
    if out:
        assert run("info", out[0]) == 0  # what kinema wrote it reads, without further options


def test_a_text_of_exponential_maps_says_its_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savetxt(tmp_path / "walking_1.txt", np.zeros((3, 117)), delimiter=",")
    assert "--source-fps" in follow(capsys, "info", str(tmp_path / "walking_1.txt"))


def test_points_with_unseen_ones_are_repaired_first_as_the_error_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    joints = np.load(CASES / "joints22.npy")
    joints[7, 3] = np.nan
    np.save(tmp_path / "holes.npy", joints)
    monkeypatch.chdir(tmp_path)
    about = ("--source-skeleton", "smpl22", "--source-fps", "20")
    assert run("forecast", "holes.npy", "--method", "zero-velocity", *about) == 2
    told = capsys.readouterr().err
    command = re.search(r"Type kinema (repair \S+ -o (\S+))", told)
    assert command, told
    assert run(*command[1].split(), *about) == 0
    with pytest.warns(KinemaWarning, match="inverse kinematics"):
        assert run("forecast", command[2], "--method", "zero-velocity") == 0


def test_every_option_that_a_reader_names_is_one_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    known: set[str] = set()
    for verb in ("info", "convert", "retarget", "repair", "forecast", "render"):
        assert run(verb, "--help") == 0
        known |= set(_OPTION.findall(capsys.readouterr().out))
    named: dict[str, str] = {}
    for path in [*(SOURCES / "io").rglob("*.py"), *(SOURCES / "core").glob("safe_*.py")]:
        if path.name in ("fbx.py", "constraints.py"):
            continue  # options of Blender, and of verbs that have constraints
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= dict.fromkeys(_OPTION.findall(node.value), path.name)
    assert {"--source-fps", "--unit", "--up", "--source-skeleton", "--picture"} <= set(named)
    assert not {option: where for option, where in named.items() if option not in known}


def commands() -> dict[str, str]:
    """Every command in the text of a cure, with the file where it stands; what is filled in is X."""
    found: dict[str, str] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else ()
            named = any(getattr(one, "id", "") in ("cure", "_CURE", "_ORIGIN") for one in targets)
            if not named and not (isinstance(node, ast.keyword) and node.arg == "cure"):
                continue
            inner = [part for whole in ast.walk(node) if isinstance(whole, ast.JoinedStr) for part in whole.values]
            for part in ast.walk(node):
                if part in inner:
                    continue
                text = part.value if isinstance(part, ast.Constant) else ""
                if isinstance(part, ast.JoinedStr):
                    text = "".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in part.values)
                for match in re.finditer(rf"kinema (?:{'|'.join(VERBS)})\b", str(text)):
                    words = str(text)[match.start() :]
                    end = _END.search(words, len(match[0]))
                    found[words[: end.start() if end else None].strip()] = path.name
    return found


def test_every_command_that_a_cure_names_is_one_of_the_command_line() -> None:
    """It parses with the options and the arguments that it has; a verb alone is a pointer to it."""
    every = commands()
    assert len(every) > 25
    wrong: list[str] = []
    for command, where in every.items():
        words = command.split()[1:]
        if len(words) == 1:
            continue
        try:
            app.parse_args(words, print_error=False, exit_on_error=False)
        except (CycloptsError, KinemaError) as error:
            wrong.append(f"{where}: {command}: {' '.join(str(error).split())[:120]}")
    assert not wrong
