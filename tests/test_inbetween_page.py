"""docs/inbetween.md does what it says: every command and the Python block run."""

import re
import shlex
from pathlib import Path

import pytest

from command import run
from kinema.data.synthetic import perform
from kinema.io.formats import load, save
from kinema.pipeline.completion.gap_plan import Gap, choose

PAGE = (Path(__file__).parents[1] / "docs" / "inbetween.md").read_text()


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    save(perform("walk", seconds=1.4, fps=30.0, seed=1), "sit.bvh")
    save(perform("wave", seconds=1.4, fps=30.0, seed=2), "stand.bvh")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 9
    for command in commands:
        assert run(*shlex.split(command)[1:]) == 0, command
    assert load("between.bvh").frames == 52  # the later command: ten of context on both sides
    assert load("slow.bvh").frames == 8 * (load("stand.bvh").frames - 1) + 1
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    capsys.readouterr()
    exec(compile(block, "inbetween.md", "exec", dont_inherit=True), {"__name__": "page"})
    assert "10 24 render-in-between render-in-between beats every curve" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "gap"),
    [
        ("| movement on both sides | up to 1 s | `squad` |", Gap(0.9, 2, False, "rotations")),
        ("| movement on both sides | longer | `pchip` |", Gap(1.1, 2, False, "rotations")),
        ("| single keys | up to 0.3 s | `squad` |", Gap(0.3, 0, False, "positions")),
        ("| single keys | up to 0.6 s | `pchip` |", Gap(0.5, 0, False, "rotations")),
        ("| single keys | longer | `linear` |", Gap(0.7, 0, False, "picture")),
    ],
)
def test_the_rule_is_the_one_that_the_page_states(row: str, gap: Gap) -> None:
    assert row in PAGE
    assert f"`{choose(gap)[0]}`" in row
