"""What the documentation names exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("docs/architecture.md", "docs/architecture.zh-CN.md", "README.md", "README.zh-CN.md")
_FILE = re.compile(r"`((?:api|cli|etl|geo|maps)/[\w/]*(?:\.\w+)?)`")
_FUNCTION = re.compile(r"`((?:api|cli|etl|geo|maps)/[\w/]+\.py)`\s?[(（]`(\w+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES)
def test_files_and_links_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = {(ROOT / page).parent / link for link in _LINK.findall(text)}
    named = {ROOT / path for path in _FILE.findall(text)}
    assert named
    assert not [path for path in linked | named if not path.exists()]


@pytest.mark.parametrize("page", PAGES)
def test_names_in_brackets_are_defined_in_the_file_before_them(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [
        (path, name)
        for path, name in _FUNCTION.findall(text)
        if not re.search(
            rf"^(?:async )?(?:def|class) {name}\b", (ROOT / path).read_text("utf-8"), re.M
        )
    ]
    assert not missing


def test_index_of_decisions_lists_every_page():
    folder = ROOT / "docs" / "decisions"
    listed = set(_LINK.findall((folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in folder.glob("*.md")} - {"README.md"}


def public_functions() -> Iterator[tuple[str, ast.FunctionDef, str]]:
    """Yield the public functions and methods of the analysis and the imports, with docstrings."""
    for file in sorted(ROOT.glob("geo/**/*.py")) + sorted(ROOT.glob("etl/**/*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        owners = [tree, *(one for one in classes if not one.name.startswith("_"))]
        for node in (node for owner in owners for node in owner.body):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                name = f"{file.relative_to(ROOT)}:{node.name}"
                yield name, node, ast.get_docstring(node) or ""


def test_public_functions_over_numeric_arrays_state_the_shapes():
    """Types state the dtype: Ints is int64, Floats float64, Bools bool."""
    missing = []
    for name, function, docstring in public_functions():
        arguments = [*function.args.args, *function.args.kwonlyargs]
        hints = [function.returns, *(argument.annotation for argument in arguments)]
        named = {
            node.id for hint in hints if hint for node in ast.walk(hint) if hasattr(node, "id")
        }
        if named & {"Ints", "Floats", "Bools"} and not re.search(
            r"\([\w +]+,( ?[\w +]+)*\)", docstring
        ):
            missing.append(name)
    assert not missing


def test_public_functions_that_raise_say_so():
    missing = [
        name
        for name, function, docstring in public_functions()
        if any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(function))
        and "Raises\n---" not in docstring
        and not docstring.startswith(("Refuse ", "Raise ", "Check "))
    ]
    assert not missing
