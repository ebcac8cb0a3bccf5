"""House rules that a machine can keep."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAPERS = "\n".join(path.read_text() for path in (ROOT / "docs" / "papers").glob("*.md"))


def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in SOURCES]


def test_constructors_take_no_bag_of_arguments_and_nobody_prints_outside_the_command_line() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                assert node.args.kwarg is None, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                assert "cli" in path.parts, path


@pytest.mark.parametrize("banned", ["pickle.load", "torch.load", "eval(", "exec(", "allow_pickle=True", ".cuda()"])
def test_nothing_that_could_run_what_a_file_says(banned: str) -> None:
    found = [path for path in SOURCES if re.search(rf"(?<![\w.]){re.escape(banned)}", path.read_text())]
    assert not found


def test_every_difference_from_a_paper_is_in_a_ledger() -> None:
    """A `# Differs:` tag stands in a file whose system has a page under docs/papers; the page's table says how."""
    tagged = {path for path in SOURCES if "# Differs:" in path.read_text()}
    assert tagged
    for path in tagged:
        pages = (ROOT / "docs" / "papers" / f"{name}.md" for name in (path.stem, path.parent.name))
        page = next((page for page in pages if page.is_file()), None)
        assert page, f"{path} differs from a paper, and no ledger says how"
        assert "|---|" in page.read_text(), page


def test_the_tests_that_the_ledgers_name_exist() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    pages = PAPERS + (ROOT / "docs" / "reliability.md").read_text()
    for name in re.findall(r"\b(test_\w+)\b(?!\.py)", pages):
        if not name.endswith(".py") and f"{name}.py" not in pages:
            assert f"def {name}" in text, name


def test_the_test_files_that_the_docs_name_exist() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    named = set(re.findall(r"\btests/[\w/]+\.py\b", text))
    assert len(named) > 20
    assert not [name for name in sorted(named) if not (ROOT / name).is_file()]


def test_a_public_class_has_a_name_of_its_own() -> None:
    """Two classes of one name make two meanings of one word; a reader then has to look which is meant."""
    found: dict[str, list[str]] = {}
    for path, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert len(found) > 200
    assert not {name: paths for name, paths in found.items() if len(paths) > 1}


def test_an_error_about_a_missing_package_names_an_extra_that_there_is() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    named = [
        node.args[1].value
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "require"
        and path.parent.name not in ("training", "recipes")
        if len(node.args) == 3 and isinstance(node.args[1], ast.Constant) and isinstance(node.args[2], ast.Constant)
    ]
    assert len(named) > 5
    assert set(named) <= set(extras)


def test_what_benchmarks_and_examples_import_from_kinema_is_there() -> None:
    for path in (
        *(ROOT / "benchmarks").rglob("*.py"),
        *(ROOT / "examples").rglob("*.py"),
        *(ROOT / "docs").glob("*.py"),
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kinema"):
                there = importlib.import_module(node.module or "")
                for name in node.names:
                    if not hasattr(there, name.name):
                        importlib.import_module(f"{node.module}.{name.name}")
