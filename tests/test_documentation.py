"""What the documentation names exists."""

import re
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
