"""The catalogues: both languages say everything, with the same fields, and nothing is missing."""

import ast
import string
import tomllib
from pathlib import Path

import pytest

from geo import messages
from geo.errors import InputError

pytestmark = pytest.mark.locale

ROOT = Path(messages.__file__).resolve().parent.parent
PACKAGES = ("geo", "etl", "api", "maps", "cli")
ERRORS = {"InputError", "NotFoundError", "SetupError", "GridatlasError", "require_found"}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_texts_with_the_same_fields():
    english = messages.catalogue("en")
    # the English help of commands is in their code
    chinese = {
        key: text for key, text in messages.catalogue("zh").items() if not key.startswith("help.")
    }
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert fields(text) == fields(chinese[key]), key


def test_a_text_says_one_grid_and_two_grids():
    texts = [messages.text("page.grids_unit", lang="en", grids=count) for count in (1, 2)]
    assert texts == ["1 grid", "2 grids"]
    assert messages.text("page.grids_unit", lang="zh", grids=1) == "1 个网格"


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_no_text_is_defined_in_two_files(language):
    files = sorted((ROOT / "geo" / "locale" / language).glob("*.toml"))
    keys = [
        (table, key)
        for file in files
        for table, texts in tomllib.loads(file.read_text(encoding="utf-8")).items()
        for key in texts
    ]
    assert sorted(keys) == sorted(set(keys))


def calls() -> list[tuple[str, str]]:
    """Return the place and the key of every text that the program asks for by a plain name."""
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and node.args):
                    continue
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    place = f"{file.relative_to(ROOT)}:{node.lineno}"
                    if name in ERRORS:
                        found.append((place, f"error.{first.value}"))
                    elif (
                        name in {"text", "print_text"}
                        and "." in first.value
                        and " " not in first.value
                    ):
                        found.append((place, first.value))
                    elif name in {"progress", "report"}:
                        found.append((place, f"progress.{first.value}"))
    return found


def test_every_text_that_is_asked_for_is_there():
    missing = [(place, key) for place, key in calls() if key not in messages.catalogue("en")]
    assert missing == []


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"GRIDATLAS_LANG": "zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"GRIDATLAS_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_language_is_that_of_the_person(monkeypatch, environment, language):
    for name in ("GRIDATLAS_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert messages.language() == language


def test_error_is_one_line_in_the_language_of_the_person(monkeypatch):
    error = InputError("file_empty", file="a.shp")
    assert error.message("en") == "a.shp is empty (0 bytes). Download it again."
    assert error.message("zh").startswith("a.shp 是空文件")
