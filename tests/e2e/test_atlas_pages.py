"""The atlas as someone opens it who was sent the files: no server, no network."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import Engine

from maps.atlas.atlas import write_atlas
from tests import town as t
from tests.e2e.conftest import PHONE

FILLS = """() => [...document.querySelectorAll('.leaflet-areas-pane path')]
                 .map(path => path.getAttribute('fill'))"""


@pytest.fixture(scope="module")
def pages(town: Engine, tmp_path_factory):
    return write_atlas(town, tmp_path_factory.mktemp("atlas"))


@pytest.fixture
def opened(open_page, pages):
    def opened(number, *size):
        page = open_page(pages[number], *size)
        page.wait_for_function("() => document.querySelector('.leaflet-control-scale')")
        return page

    return opened


def test_grids_are_drawn_in_different_colours_with_numbers_and_households(opened):
    page = opened(1)
    fills = page.evaluate(FILLS)
    assert len(fills) == 6
    for left, right in ((0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)):
        assert fills[left] != fills[right]
    labels = page.locator(".grid-label").all_inner_texts()
    assert labels[0].split() == ["1", "398", "户"]
    assert len(labels) == 6


def test_buildings_roads_and_borders_lie_in_their_order(opened):
    page = opened(1)
    count = "name => document.querySelectorAll(`.leaflet-${name}-pane path`).length"
    assert page.evaluate(count, "buildings") >= len(t.buildings(t.NORTH_GATE))
    assert page.evaluate(count, "lines") > 10
    levels = [
        page.evaluate("name => +getComputedStyle(document.querySelector(name)).zIndex", selector)
        for selector in (f".leaflet-{name}-pane" for name in ("areas", "buildings", "lines"))
    ]
    assert levels == sorted(levels)


def test_click_on_a_grid_and_on_a_building_tell_what_they_are(opened):
    page = opened(1)
    page.locator("tr[data-code]").nth(4).click()
    popup = page.locator(".leaflet-popup-content")
    expect(popup).to_contain_text("第 5 网格 Grid 5")
    expect(popup).to_contain_text("户数 Households")
    page.get_by_role("button", name="Close popup").click()
    expect(popup).to_have_count(0)
    page.locator(".leaflet-buildings-pane path").nth(20).click()
    expect(popup).to_contain_text("号楼")
    expect(popup).to_contain_text("住宅 residential")


def test_layers_go_and_come_back(opened):
    page = opened(1)
    page.locator(".leaflet-control-layers").hover()
    box = page.get_by_label("建筑 Buildings")
    buildings = page.locator(".leaflet-buildings-pane path")
    before = buildings.count()
    assert before > 50
    box.uncheck()
    expect(buildings).to_have_count(0)
    box.check()
    expect(buildings).to_have_count(before)


def test_contents_lead_to_a_community_and_back(opened):
    page = opened(0)
    expect(page.locator(".leaflet-areas-pane path")).to_have_count(3)
    page.get_by_role("link", name="江滨<社区>").click()
    page.wait_for_url(f"**/{t.RIVERSIDE}.html")
    expect(page.locator("h1")).to_have_text("江滨<社区>网格图")
    page.get_by_role("link", name="图册目录").click()
    page.wait_for_url("**/index.html")


def test_phone_shows_the_map_above_the_tables(opened):
    page = opened(1, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    drawing = page.locator(".folium-map").bounding_box()
    tables = page.locator("aside").bounding_box()
    assert drawing["height"] > 400
    assert tables["y"] >= drawing["y"] + drawing["height"] - 1
