"""What the README shows works as it stands there, and what the cards of shipped models say agrees with their files."""

import json
import re
import shlex
from pathlib import Path

import pytest

import kinema as kn
from command import run
from kinema.apps.cli import app
from kinema.data.samples import sample
from kinema.io.formats import load, save

README = (Path(__file__).parents[1] / "README.md").read_text()
WEIGHTS = Path(kn.__file__).parent / "weights"


def test_the_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(block, "README.md", "exec", dont_inherit=True), {"__name__": "readme"})
    whole, walk = load("walk-and-next.bvh"), sample("walk")
    assert whole.frames == walk.frames + 24  # 0.4 s at 60 frames per second
    assert whole.skeleton.joints == walk.skeleton.joints


def test_the_verbs_of_the_table_and_the_constraint_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(sample("punch")[:60], "capture.bvh")
    save(sample("run"), "mine.bvh")
    verbs = README.split("## The verbs")[1].split("\n## ")[0]
    commands = re.findall(r"^(?:\| `)?kinema ([^`\n]+)", verbs, re.MULTILINE)
    assert len(commands) == 9
    for command in commands:
        words = shlex.split(command)
        assert run(*words) == 0, command
        assert Path(words[words.index("-o") + 1]).exists(), command


def test_the_two_commands_stand_in_the_first_screen() -> None:
    top = "\n".join(README.splitlines()[:25])
    assert "make demo" in top
    assert "make test" in top


def test_every_verb_of_the_table_exists() -> None:
    commands = set(re.findall(r"`kinema ([a-z]+)", README))
    assert commands <= {name for name in app if not name.startswith("-")}


def test_the_links_lead_somewhere() -> None:
    root = Path(__file__).parents[1]
    for page in (root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in WEIGHTS.glob("*/config.json")), ids=lambda path: path.name
)
def test_the_card_and_the_facts_of_a_shipped_model_give_the_same_licence(folder: Path) -> None:
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    first = text.split("\n\n")[1]
    assert "license: apache-2.0\n" in front
    assert "Apache-2.0" in first
    assert json.loads((folder / "config.json").read_text())["licence"].startswith("Apache-2.0")
