"""The table of rooms: which package may import which (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "kinema"
ALLOWED = {
    "core": set(),
    "geometry": set(),
    "motion": {"geometry"},
    "io": {"geometry", "motion"},
    "representations": {"geometry", "motion", "io"},
    "nn": {"geometry"},
    "data": {"geometry", "motion", "io", "representations"},
    "metrics": {"geometry", "motion"},
    "viz": {"geometry", "motion"},
    "models": {"geometry", "nn"},
    "protocols": {"geometry", "data", "metrics", "motion", "io", "representations"},
    "training": {"data", "metrics", "models.base", "motion"},
    "recipes": {
        "geometry", "motion", "nn", "data", "metrics", "viz", "models", "protocols", "training", "representations",
    },
    "pipeline": {
        "geometry", "motion", "io", "representations", "nn", "data", "metrics", "models", "protocols", "training",
        "recipes",
    },
    "apps": {
        "geometry", "motion", "io", "representations", "nn", "data", "metrics", "models", "protocols", "training",
        "recipes", "pipeline", "viz",
    },
}  # fmt: skip
FILES = [path for room in ALLOWED for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("kinema."):
            names.add(node.module.removeprefix("kinema."))
        elif isinstance(node, ast.Import):
            names |= {a.name.removeprefix("kinema.") for a in node.names if a.name.startswith("kinema.")}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for name in imported(path):
        ours = name.split(".")[0]
        allowed = ours in {"core", room} or any(name == a or name.startswith(a + ".") for a in ALLOWED[room])
        assert allowed, f"{path.relative_to(ROOT)} may not import kinema.{name}"
        if room == "models" and ours == "models" and path.name != "__init__.py":
            own = name.startswith(f"models.{path.parent.name}.")
            assert own or name == "models.base", f"a model may not import another system's file: {name}"


def test_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms == set(ALLOWED)
