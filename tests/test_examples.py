"""Every example runs as it stands there, in an empty folder, without data."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
LEFT = {
    "forecast.py": {"forecast.bvh", "forecast.html"},
    "inbetween.py": {"between.bvh", "inbetween.html"},
    "upsample.py": {"slow.bvh"},
    "repair.py": {"repaired.bvh"},
    "generate.py": {"generated.npz", "generated.html"},
    "train_your_own.py": {"runs"},
}
SAID = {
    "upsample.py": "unchanged: True",
    "repair.py": "missing in 10 frames",
    "train_your_own.py": "zero-velocity:",
    "inbetween.py": "render-in-between",
}


@pytest.mark.parametrize("name", LEFT)
def test_the_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert LEFT[name] <= {path.name for path in tmp_path.iterdir()}
    assert SAID.get(name, "") in capsys.readouterr().out


def test_each_of_them_is_short() -> None:
    assert set(LEFT) <= {path.name for path in EXAMPLES.glob("*.py")}
    for name in LEFT:
        assert len((EXAMPLES / name).read_text().splitlines()) < 30, name


NOTEBOOKS = {
    "your_clip.ipynb": {"forecast.bvh", "between.bvh"},
    "train_on_your_folder.ipynb": {"takes", "runs"},
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_cells_of_the_notebook_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads((EXAMPLES / name).read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")  # outputs are not kept
    exec(compile("\n".join(code), name, "exec", dont_inherit=True), {"__name__": "notebook"})
    assert NOTEBOOKS[name] <= {path.name for path in tmp_path.iterdir()}
