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


def test_nn_holds_what_two_systems_use() -> None:
    """A part of one system lives in that system's folder; what nn/ itself builds on counts for who uses the builder."""
    modules = {path.stem for path in (ROOT / "nn").glob("*.py")} - {"__init__"}
    users: dict[str, set[str]] = {module: set() for module in modules}
    inside: dict[str, set[str]] = {module: set() for module in modules}
    for path in FILES:
        place = path.relative_to(ROOT).with_suffix("").parts
        for name in imported(path):
            if name.startswith("nn."):
                module = name.split(".")[1]
                if place[0] == "nn":
                    inside[module].add(place[1])
                elif place[:2] != ("models", "base"):
                    users[module].add(".".join(place[:2]))  # a system is a folder or a file of models/
    for module in modules:
        systems = {user for user in users[module].union(*(users[by] for by in inside[module])) if user[:7] == "models."}
        assert len(systems) > 1, f"nn/{module}.py serves {sorted(systems)}: move it into that folder"
