"""Several cities in one database: which one a page opens on, and whose totals it shows."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert

from geo.model import Grid, GridPlan, Region
from tests import accounts
from tests import town as t
from tests.e2e.conftest import IDLE, faults_of, signed_in

FAR_CITY = "430100000000"
FAR_DISTRICT, FAR_STREET = "430102000000", "430102001000"
FAR_COMMUNITIES = ("430102001001", "430102001002")
WEST, SOUTH, SIDE = 112.97, 28.19, 0.004
BOUNDS = "() => gridatlas.map.getBounds().toArray().flat()"


def square(index):
    west = WEST + index * SIDE
    corners = [(west, SOUTH), (west + SIDE, SOUTH), (west + SIDE, SOUTH + SIDE)]
    path = ",".join(f"{x} {y}" for x, y in [*corners, (west, SOUTH + SIDE), corners[0]])
    return f"SRID=4490;MULTIPOLYGON((({path})))"


@pytest.fixture(scope="module")
def cities(town, staff_site):
    """Add a second city with two communities, of which none is drawn."""
    levels = ((FAR_CITY, "长沙市", "city", None), (FAR_DISTRICT, "芙蓉区", "district", FAR_CITY))
    regions = [
        {"code": code, "name": name, "level": level, "parent_code": parent, "geom": None}
        for code, name, level, parent in (
            *levels,
            (FAR_STREET, "文艺路街道", "street", FAR_DISTRICT),
        )
    ]
    regions += [
        {
            "code": code,
            "name": f"远方社区{index}",
            "level": "community",
            "parent_code": FAR_STREET,
            "geom": square(index),
        }
        for index, code in enumerate(FAR_COMMUNITIES)
    ]
    with town.begin() as connection:
        connection.execute(insert(Region), regions)
        accounts.add(connection, "far", "fire", scope=FAR_CITY)
    return staff_site


def draw_far_city(town):
    plan = {
        "community_code": FAR_COMMUNITIES[0],
        "version": 1,
        "status": "published",
        "published_at": t.DRAWN_AT,
    }
    with town.begin() as connection:
        number = connection.execute(insert(GridPlan).values(plan).returning(GridPlan.id)).scalar()
        grid = {
            "plan_id": number,
            "code": f"{FAR_COMMUNITIES[0]}001",
            "households": 321,
            "valid_from": t.DRAWN_AT,
            "geom": square(0),
        }
        connection.execute(insert(Grid).values(grid))


def is_shown(page, lon, lat):
    page.wait_for_function(IDLE)
    west, south, east, north = page.evaluate(BOUNDS)
    assert east - west < 1, "not a view of the world"
    return west < lon < east and south < lat < north


def test_pages_open_on_the_drawn_city_and_count_its_drawn_communities(open_page, cities):
    page = open_page(cities)
    assert is_shown(page, *t.degrees(600, 300))
    expect(page.locator("#brand p")).to_contain_text("2 个社区")
    page.locator("#list-toggle").click()
    expect(page.locator("#list")).to_contain_text("北门社区")
    expect(page.locator("#list")).not_to_contain_text("远方社区")
    for name, account in (("fire", "fire"), ("data", "importer")):
        page = open_page(f"{cities}/{name}", session=signed_in(cities, account))
        assert is_shown(page, *t.degrees(600, 300)), name


def test_page_opens_on_the_region_of_the_caller(open_page, cities):
    page = open_page(f"{cities}/fire", session=signed_in(cities, "far"))
    assert is_shown(page, WEST + SIDE, SOUTH + SIDE / 2)


def test_of_two_drawn_cities_the_reader_chooses_one(open_page, cities, town):
    draw_far_city(town)
    for path, account in (("", None), ("/fire", "fire"), ("/data", "importer"), ("/plan", "admin")):
        session = signed_in(cities, account) if account else None
        page = open_page(f"{cities}{path}", session=session)
        dialog = page.get_by_role("dialog", name="选择城市")
        expect(dialog.get_by_role("button")).to_have_count(2)
        expect(dialog).to_contain_text("1 个社区 · 1 个网格 · 321 户")
        assert faults_of(page) == []
        dialog.get_by_role("button", name="长沙市").click()
        assert is_shown(page, WEST + SIDE, SOUTH + SIDE / 2), path
        page.reload()
        assert is_shown(page, WEST + SIDE, SOUTH + SIDE / 2), path
        expect(dialog).to_have_count(0)
        if path == "":
            expect(page.locator("#brand h1")).to_contain_text("长沙市")
            expect(page.locator("#brand p")).to_contain_text("1 个社区 · 1 个网格 · 321 户")
        if path == "/plan":
            expect(page.locator(".communities a")).to_have_count(2)
