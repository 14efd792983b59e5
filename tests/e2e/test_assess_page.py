"""The assessment page: ranking, map, trend, files, and access."""

import io
from datetime import timedelta

import openpyxl
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from geo.casework import assessment
from geo.clock import today
from tests import accounts
from tests import town as t
from tests.e2e.conftest import IDLE, PHONE, faults_of, signed_in

LAPTOP = {"width": 1440, "height": 900}

ADD_CASE = text(
    "INSERT INTO service_case (number, kind, flow, channel, state, description, geom, region_code, "
    "grid_code, handler_code, level, involved, due_at) VALUES (:number, 'burst_pipe', 'service', "
    "'page', 'filed', 'x', 'SRID=4490;POINT(112 32)', :region, :grid, :grid, 'grid', ARRAY[:grid], "
    "now()) RETURNING id"
)
ADD_EVENT = text(
    "INSERT INTO case_event (case_id, at, role, action, state, data) VALUES (:case, :at, 'system', "
    ":action, 'filed', jsonb_build_object('grid', CAST(:grid AS text), "
    "'region', CAST(:region AS text), 'due_at', CAST(:due AS text)))"
)


@pytest.fixture(scope="module")
def measured(town, staff_site):
    """Return the grids of a community, with cases in two closed months; the first is the best."""
    with town.begin() as connection:
        accounts.add(connection, "community", "office", scope=t.NORTH_GATE)
        codes = text("SELECT code FROM published.grid WHERE starts_with(code, :it) ORDER BY code")
        grids = connection.execute(codes, {"it": t.NORTH_GATE}).scalars().all()[:2]
        newest = today().replace(day=1) - timedelta(days=40)
        serial = 0
        for day in (newest.replace(day=5), (newest - timedelta(days=31)).replace(day=5)):
            for place, grid in enumerate(grids):
                serial += 1
                values = {"number": f"{serial:016d}", "grid": grid, "region": grid[:12]}
                values["case"] = connection.execute(ADD_CASE, values).scalar_one()
                values["due"] = f"{day + timedelta(days=7)}T08:00:00Z"
                steps = (("file", 0), ("accept", 1), ("report_back", 2 if place == 0 else 12))
                for action, after in steps:
                    moment = f"{day + timedelta(days=after)}T04:00:00Z"
                    connection.execute(ADD_EVENT, values | {"action": action, "at": moment})
        assert len(assessment.close_months(connection)) >= 2
    return grids


@pytest.fixture
def assess_page(open_page, staff_site, measured):
    def assess_page(path="/assess", size=LAPTOP, **how) -> Page:
        page = open_page(
            f"{staff_site}{path}", size, session=signed_in(staff_site, "community"), **how
        )
        page.locator("#side tbody tr").first.wait_for()
        page.wait_for_function(IDLE)
        return page

    return assess_page


def test_areas_are_ranked_and_coloured_by_the_chosen_indicator(assess_page, measured):
    page = assess_page(f"/assess?month={month_of(measured)}")
    first = page.locator("#side tbody tr").first
    expect(first.locator("td").first).to_have_text("1")
    expect(first.locator("[data-area]")).to_have_attribute("data-area", measured[0])
    page.get_by_label("地图着色").select_option("on_time")
    expect(page.locator("#key b")).to_have_text("按期办结率")
    colours = (
        "() => Object.fromEntries(gridatlas.map.querySourceFeatures('areas').map("
        "one => [one.properties.code, one.properties.colour]))"
    )
    page.wait_for_function(f"code => ({colours})()[code] === '#253494'", arg=measured[0])
    page.wait_for_function(
        f"code => !['#253494', undefined].includes(({colours})()[code])", arg=measured[1]
    )
    page.get_by_label("层级").select_option("community")
    expect(page.locator("#side tbody tr")).to_have_count(1)


def month_of(grids) -> str:
    """Return the newest month with cases."""
    return f"{today().replace(day=1) - timedelta(days=40):%Y-%m}"


def test_trend_of_an_area_is_shown_by_keyboard_and_kept_in_the_address(assess_page, measured):
    page = assess_page(f"/assess?month={month_of(measured)}&by=on_time")
    name = page.locator(f"[data-area='{measured[1]}']")
    name.focus()
    page.keyboard.press("Enter")
    trend = page.locator(".trend")
    expect(trend.locator("tbody tr").first).to_contain_text("0 %")
    assert trend.locator("tbody tr").count() >= 2
    assert trend.locator("circle").count() >= 2
    page.reload()
    expect(trend.get_by_role("heading")).to_contain_text("趋势")


def test_ranking_is_taken_as_a_workbook(assess_page, measured):
    page = assess_page(f"/assess?month={month_of(measured)}")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Excel").click()
    content = io.BytesIO(taken.value.path().read_bytes())
    sheet = openpyxl.load_workbook(content).worksheets[0]
    assert any(measured[0] in map(str, row) for row in sheet.iter_rows(values_only=True))


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_no_serious_fault_of_access(assess_page, measured, lang, size):
    page = assess_page(f"/assess?area={measured[0]}", size=size, lang=lang)
    page.locator(".trend").wait_for()
    page.locator(".formulas summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert faults_of(page) == []
