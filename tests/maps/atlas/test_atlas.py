"""The atlas as files; tests/e2e opens it in a browser."""

import json
import re

import pytest
from sqlalchemy import update

from geo.errors import InputError, NotFoundError
from geo.messages import text
from geo.model import Grid, Region
from maps.atlas.atlas import write_atlas
from tests import town as t


def data_of(html):
    """Return the feature collections that a page holds."""
    found = re.findall(r"_add\((\{.*?\"type\": \"FeatureCollection\"\})\);", html)
    return [json.loads(collection) for collection in found]


@pytest.fixture(scope="module")
def pages(town, tmp_path_factory):
    return write_atlas(town, tmp_path_factory.mktemp("atlas"))


def test_index_page_comes_before_a_page_for_each_community(pages):
    names = [page.name for page in pages]
    assert names == ["index.html", *(f"{code}.html" for code in t.COMMUNITIES)]
    index = pages[0].read_text(encoding="utf-8")
    for code in t.COMMUNITIES:
        assert f'href="{code}.html"' in index
    assert "昭明街道" in index


def test_pages_are_self_contained(pages):
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", html) == []
        addresses = set(re.findall(r"https?://[\w.]+", html))
        assert addresses <= {"http://www.w3.org", "https://leafletjs.com"}, "only names in Leaflet"
        assert page.stat().st_size < 2_000_000


def test_page_has_grids_buildings_and_barriers(pages):
    html = pages[1].read_text(encoding="utf-8")
    collections = data_of(html)
    codes = [
        feature["properties"]["code"]
        for collection in collections
        for feature in collection["features"]
        if len(str(feature["properties"].get("code", ""))) == 15
    ]
    assert codes == [f"{t.NORTH_GATE}{serial:03d}" for serial in range(1, 7)]
    buildings = [f for c in collections for f in c["features"] if "号楼" in str(f["properties"])]
    assert len(buildings) >= len(t.buildings(t.NORTH_GATE))
    looks = {f["properties"].get("look") for c in collections for f in c["features"]}
    assert {"arterial", "local", "alley", "path"} <= looks
    for word in ("评分卡", "Score card", "83%", "铁路", "小区围墙"):
        assert word in html
    assert r"398 \u6237" in html


def test_names_are_escaped(pages):
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert "江滨<社区>" not in html
    assert "江滨&lt;社区&gt;" in pages[0].read_text(encoding="utf-8")


def test_template_syntax_in_a_name_is_literal(town, tmp_path):
    odd = "{{ 7 * 7 }}{% endraw %}`${1}"
    with town.begin() as connection:
        connection.execute(update(Region).where(Region.code == t.DRUM_TOWER).values(name=odd))
    try:
        index = write_atlas(town, tmp_path)[0].read_text(encoding="utf-8")
    finally:
        name = t.COMMUNITIES[t.DRUM_TOWER][0]
        with town.begin() as connection:
            connection.execute(update(Region).where(Region.code == t.DRUM_TOWER).values(name=name))
    assert odd in index


def test_unchanged_plan_gives_the_same_page_and_is_not_rewritten(town, tmp_path):
    first = write_atlas(town, tmp_path / "one")
    again = write_atlas(town, tmp_path / "two")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    before = [page.stat().st_mtime_ns for page in first]
    write_atlas(town, tmp_path / "one")
    assert [page.stat().st_mtime_ns for page in first] == before


def test_page_changes_only_where_the_plan_does(town, tmp_path):
    pages = write_atlas(town, tmp_path)
    before = {page.name: page.read_bytes() for page in pages}
    grid = Grid.code == f"{t.DRUM_TOWER}003"
    with town.begin() as connection:
        connection.execute(update(Grid).where(grid).values(households=512))
    try:
        write_atlas(town, tmp_path)
    finally:
        with town.begin() as connection:
            connection.execute(update(Grid).where(grid).values(households=400))
    changed = {page.name for page in pages if page.read_bytes() != before[page.name]}
    assert changed == {"index.html", f"{t.DRUM_TOWER}.html"}
    assert '<td class="off">512</td>' in (tmp_path / f"{t.DRUM_TOWER}.html").read_text()


def test_only_obsolete_pages_are_deleted(town, tmp_path):
    write_atlas(town, tmp_path)
    (tmp_path / "notes.html").write_text("mine")
    left = write_atlas(town, tmp_path, region=t.RIVERSIDE)
    assert {page.name for page in left} == {"index.html", f"{t.RIVERSIDE}.html"}
    assert {page.name for page in tmp_path.iterdir()} == {
        "index.html",
        f"{t.RIVERSIDE}.html",
        "notes.html",
        "atlas.json",
    }


def test_unmet_requirements_are_in_both_languages(pages):
    html = pages[1].read_text(encoding="utf-8")
    assert "未达标说明" in html
    for lang in ("zh", "en"):
        fields = t.SCORE["reasons"][0][1]
        assert text("reason.outside_limits", lang=lang, **fields) in html


def test_draft_is_marked(pages):
    assert "第 1 版（草案）" in pages[3].read_text(encoding="utf-8")
    assert "第 2 版 " in pages[1].read_text(encoding="utf-8")


def test_empty_region_creates_no_folder(town, tmp_path):
    with pytest.raises(NotFoundError) as refusal:
        write_atlas(town, tmp_path / "none", region="99")
    assert "99" in str(refusal.value)
    assert not (tmp_path / "none").exists()


def test_existing_file_as_folder_is_refused(town, tmp_path):
    (tmp_path / "atlas").write_text("")
    with pytest.raises(InputError):
        write_atlas(town, tmp_path / "atlas")
