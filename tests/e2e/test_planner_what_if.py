"""What-ifs in the planner: choosing a change of communities, comparing, exporting."""

import geopandas as gpd
import pytest
from playwright.sync_api import expect
from sqlalchemy import func, insert, select

from geo import locks
from geo.locks import Lock
from geo.model import Account, GridPlan, Job
from tests import town as t
from tests.e2e.conftest import PHONE, faults_of, signed_in

MAP_READY = "() => window.gridatlas?.map?.getLayer?.('drawn-points') && gridatlas.map.loaded()"
RESULT_READY = "() => window.gridatlas?.other?.loaded() && gridatlas.map.loaded()"
LABELS = "one => gridatlas[one].queryRenderedFeatures({layers: ['grid-names']}).length"
CHANGED = """() => gridatlas.map.queryRenderedFeatures({layers: ['changed-buildings']})
  .filter(({properties}) => properties.community).length"""


@pytest.fixture
def planner_page(open_page, staff_site):
    def open_planner(path="/plan/what-if", **how):
        return open_page(f"{staff_site}{path}", session=signed_in(staff_site, "planner"), **how)

    return open_planner


def add_community(page, name):
    search = page.get_by_role("searchbox")
    search.fill(name)
    page.locator(".what-if .found").get_by_role("button", name=name).last.press("Enter")


def click_map(page, x, y):
    """Click a place of the town on the map."""
    place = page.evaluate("place => gridatlas.map.project(place)", list(t.degrees(x, y)))
    box = page.locator("#map canvas").bounding_box()
    page.mouse.click(box["x"] + place["x"], box["y"] + place["y"])


def figure(page, name):
    return page.locator(f'[data-figure="{name}"] td').first.locator("xpath=..").locator("td")


def test_border_is_moved_to_a_street_with_the_keyboard_and_exported(planner_page, town, tmp_path):
    with town.connect() as connection:
        plans = connection.scalar(select(func.count()).select_from(GridPlan))
    page = planner_page("/plan")
    page.get_by_role("link", name="社区调整推演").press("Enter")
    page.wait_for_function(MAP_READY)
    page.get_by_role("radio", name="移动两个社区之间的边界").press("Space")
    for name in ("北门社区", "钟鼓楼社区"):
        add_community(page, name)
    compare = page.get_by_role("button", name="对比", exact=True)
    expect(compare).to_be_disabled()
    street = page.get_by_role("combobox", name="道路、铁路或水系")
    street.select_option(label="800路 · 街道")
    assert faults_of(page) == []
    compare.press("Enter")
    page.wait_for_url("**/plan/what-if/**", timeout=90_000)
    page.wait_for_function(RESULT_READY)
    before, after = figure(page, "households").all_inner_texts()
    assert before == after
    assert page.evaluate(LABELS, "other") > 1
    assert page.evaluate(CHANGED) > 0
    expect(page.locator(".reasons")).to_contain_text("沿800路")
    page.get_by_text("变更社区的住户").press("Enter")
    expect(page.locator(".movers").first).to_contain_text("钟鼓楼社区 → 北门社区")
    page.get_by_text("调整前后的网格", exact=True).press("Enter")
    page.get_by_text("调整前后的社区", exact=True).press("Enter")
    assert faults_of(page) == []
    page.get_by_role("slider").press("ArrowLeft")
    with page.expect_download() as download:
        page.locator('[data-export="gpkg"]').press("Enter")
    file = tmp_path / "proposal.gpkg"
    download.value.save_as(file)
    buildings = gpd.read_file(file, layer="building")
    assert (buildings["community_before"] != buildings["community_after"]).any()
    with town.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(GridPlan)) == plans


def test_communities_chosen_on_the_map_are_merged(planner_page):
    page = planner_page(lang="en")
    page.wait_for_function(MAP_READY)
    for code in (t.NORTH_GATE, t.DRUM_TOWER):
        _, west, south, east, north = t.COMMUNITIES[code]
        click_map(page, (west + east) / 2, (south + north) / 2)
        expect(page.locator(".what-if .found").first).to_contain_text(code)
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/plan/what-if/**", timeout=90_000)
    page.wait_for_function(RESULT_READY)
    expect(page.locator(".movers").first).to_contain_text("钟鼓楼社区 → 北门社区 + 钟鼓楼社区")
    page.get_by_role("link", name="Try another change").click()
    expect(page.locator(".what-if .found").first).to_contain_text(t.DRUM_TOWER)


def test_line_is_drawn_on_a_phone_and_refused_where_it_divides_nothing(planner_page):
    page = planner_page(f"/plan/what-if?community={t.NORTH_GATE}", size=PHONE, lang="en")
    page.wait_for_function(MAP_READY)
    page.get_by_role("radio", name="Divide a community").check()
    page.get_by_role("radio", name="a drawn line").check()
    page.get_by_role("button", name="Add the middle of the map").click()
    click_map(page, 310, 250)
    expect(page.get_by_text("2 points")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert faults_of(page) == []
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".trouble")).to_contain_text("leaves all buildings", timeout=90_000)
    page.get_by_role("button", name="Clear the line").click()
    for y in (-15, 415):
        click_map(page, 300, y)
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/plan/what-if/**", timeout=90_000)
    page.wait_for_function(RESULT_READY)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert faults_of(page) == []


def test_open_comparison_is_followed_and_cancelled(planner_page, town):
    page = planner_page(lang="en", faults_allowed=True)  # the browser logs the refusal
    page.wait_for_function(MAP_READY)
    for name in ("北门社区", "钟鼓楼社区"):
        add_community(page, name)
    with town.connect() as other_worker:
        account = select(Account.id).where(Account.name == "planner")
        caller = {"role": "planner", "scope": t.STREET[:9], "networks": [], "name": "planner"}
        caller["account"] = other_worker.execute(account).scalar_one()
        row = {"kind": "what_if", "status": "running", "community_code": t.NORTH_GATE}
        add = insert(Job).values(row | {"caller": caller}).returning(Job.id)
        job = other_worker.execute(add).scalar_one()
        locks.acquire_for_session(other_worker, Lock.JOB, job)
        other_worker.commit()
        page.get_by_role("button", name="Compare").click()
        expect(page.locator(".trouble")).to_contain_text(f"({job})")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".trouble")).to_contain_text("Cancelled")
        locks.release(other_worker, Lock.JOB, job)
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/plan/what-if/**", timeout=90_000)
