"""docs/add-a-model.md does what it says: its blocks run, one after the other, in one file."""

import re
from pathlib import Path

import pytest

from kinema.recipes import RECIPES
from kinema.recipes.kinds import KINDS

PAGE = Path(__file__).parents[1] / "docs" / "add-a-model.md"


def test_the_page_makes_a_model_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    assert sum(block.count("\n") for block in blocks[:2]) < 80, "a model and its recipe take under 80 lines"
    module: dict[str, object] = {"__name__": "drift_page"}
    kinds, recipes = dict(KINDS), dict(RECIPES)
    try:
        exec(compile("\n".join(blocks), str(PAGE), "exec", dont_inherit=True), module)
        assert "9 frames on kinema24" in capsys.readouterr().out
        assert (tmp_path / "runs/drift/model.safetensors").is_file()
    finally:
        KINDS.clear()
        KINDS.update(kinds)
        RECIPES.clear()
        RECIPES.update(recipes)
