"""The pages of the documentation do what they say: their commands and their Python run, and the names are there."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import run
from kinema.apps.cli import app
from kinema.data.synthetic import perform
from kinema.io.formats import FORMATS, load, save
from kinema.motion.skeletons import SKELETONS
from kinema.protocols.registry import PROTOCOLS
from kinema.recipes import RECIPES, recipe
from kinema.recipes.kinds import KINDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ("index", "upsample", "repair", "generate", "files", "train", "python", "extend", "your-own-data")
NOT_HERE = ("make ", " DATA", " DIR", " RUN", " --all ")  # what needs more than a test has
COMING_FROM = {
    "from-smrnet": "smrnet-faithful",
    "from-conv-seq2seq": "conv-seq2seq-faithful-h36m",
    "from-render-in-between": "render-in-between-faithful",
    "from-action-gan": "action-gan-faithful",
    "from-simlpe": "simlpe-faithful-h36m",
    "from-posegpt": "posegpt-faithful classifier-posegpt",
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip = perform("walk", seconds=1.2, fps=30.0, seed=3)
    (tmp_path / "kinema-demo").mkdir()
    save(clip, "walk.bvh")
    save(clip, "kinema-demo/forecast.bvh")
    (tmp_path / "takes").mkdir()
    for number in range(3):
        save(perform("walk", seconds=4.0, fps=30.0, seed=number), f"takes/walk{number}.bvh")
    text = (DOCS / f"{name}.md").read_text()
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for command in block.splitlines():
            if not any(word in command for word in NOT_HERE):
                assert run(*shlex.split(command)[1:]) == 0, command
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    tables = [(table, dict(table)) for table in (KINDS, FORMATS, PROTOCOLS, SKELETONS)]
    commands = set(app)
    try:
        exec(compile("\n".join(blocks), f"{name}.md", "exec", dont_inherit=True), {"__name__": f"{name}_page"})
    finally:
        for table, before in tables:
            table.clear()
            table.update(before)  # type: ignore[arg-type]
        for command in set(app) - commands:
            del app[command]
    if name == "upsample":
        assert load("slow.bvh").frames == 8 * (clip.frames - 1) + 1


@pytest.mark.parametrize("page", COMING_FROM)
def test_names_on_the_pages_for_those_who_come_from_elsewhere_are_there(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text()
    here = "\n".join(line.split("|")[2] for line in text.splitlines() if line.startswith("|"))
    assert set(re.findall(r"kinema ([a-z]+)", here)) <= set(app)
    assert set(re.findall(r"kinema train ([a-z0-9-]+)", here)) <= set(RECIPES)
    assert set(re.findall(r"--protocol ([a-z0-9-]+)", here)) <= set(PROTOCOLS)
    recipes = [recipe(name) for name in COMING_FROM[page].split()]
    known = {name for one in recipes for name in (*names(one), *(stage.name for stage in one.stages))}
    settings = text.split("\n## ", 1)[1]
    for line in settings.splitlines():
        if line.startswith("|") and "had no effect" not in line:
            row = re.sub(r"= `[^`]*`((,| or|, or) `[^`]*`)*", "", line.split("|")[2])
            for told in re.findall(r"`([a-z][a-z_.*]+)`", row):
                if told not in RECIPES:
                    assert told.split(".")[-1] in known, f"{page}: {told}"


def names(part: object) -> Iterator[str]:
    """Every field of a recipe, at any depth."""
    for entry in dataclasses.fields(part):  # type: ignore[arg-type]
        yield entry.name
        value = getattr(part, entry.name)
        for one in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(one):
                yield from names(one)


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]))
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
