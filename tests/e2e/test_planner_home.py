"""The planner's home: a map by state or pass rate, drafts to be published, drawing all."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from geo.model import GridPlan
from tests import town as t
from tests.e2e.conftest import IDLE, faults_of, hold_back, signed_in

COLOURS = """() => Object.fromEntries(gridatlas.map.queryRenderedFeatures({layers: ['communities']})
  .map(({properties}) => [properties.code, properties.colour]))"""


@pytest.fixture
def overview(open_page, staff_site):
    def open_overview(**how):
        page = open_page(f"{staff_site}/plan", session=signed_in(staff_site, "planner"), **how)
        page.locator(".communities a").first.wait_for()
        page.wait_for_function(IDLE)
        return page

    return open_overview


def test_map_shows_pass_rates_with_their_legend(overview, town):
    with town.begin() as connection:
        in_force = (GridPlan.community_code == t.DRUM_TOWER) & (GridPlan.status == "published")
        score = connection.execute(GridPlan.__table__.select().where(in_force)).one().score
        half = update(GridPlan).where(in_force)
        connection.execute(half.values(score=score | {"within_limits": 0.5}))
    page = overview()
    colour = f"() => ({COLOURS})()['{t.DRUM_TOWER}']"
    page.wait_for_function(colour)
    page.get_by_label("着色").select_option("rate")
    page.wait_for_function(f"() => ({colour})() === '#c8553d'")
    expect(page.locator(".states")).to_contain_text("达标不足 70% 1")
    expect(page.locator(".communities")).to_contain_text("网格达标 50%")
    assert faults_of(page) == []
    with town.begin() as connection:
        connection.execute(update(GridPlan).where(in_force).values(score=score))


def test_focus_stays_in_the_list_when_the_map_arrives(overview):
    page = overview()
    with hold_back(page, "**/style.json*") as held:
        with held.expect():
            page.reload()
        community = page.locator(".communities a").first
        community.focus()
    page.wait_for_function(IDLE)
    expect(community).to_be_focused()


def test_drafts_to_be_published_are_listed_and_lead_to_their_plan(overview, client_of):
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    draft = planner.post(f"/plans/{shown['id']}/copy").json()["id"]
    page = overview(lang="en")
    page.locator(".queue summary").press("Enter")
    entry = page.locator(f'.queue a[href="/plan/p/{draft}"]')
    expect(entry).to_be_visible()
    expect(page.locator(".queue")).to_contain_text("planner")
    assert faults_of(page) == []
    entry.press("Enter")
    page.wait_for_url(f"**/plan/p/{draft}**")


def test_all_communities_without_a_plan_are_drawn_one_after_another(overview, client_of):
    planner = client_of("planner")
    undrawn = [
        one["properties"]["code"]
        for one in planner.get("/regions?level=community").json()["features"]
        if one["properties"]["grids"] is None
    ]
    assert undrawn
    before = {
        code: planner.get(f"/communities/{code}/plans").json()["numberMatched"] for code in undrawn
    }
    page = overview()
    page.get_by_role("button", name=f"划分全部 {len(undrawn)} 个未划分社区").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("目标", exact=True).fill("350")
    dialog.get_by_role("button", name="开始划分").click()
    expect(page.get_by_text(f"已划分 {len(undrawn)}/{len(undrawn)} 个社区")).to_be_visible(
        timeout=90_000
    )
    for code in undrawn:
        plans = planner.get(f"/communities/{code}/plans").json()["items"]
        assert len(plans) == before[code] + 1
        assert plans[0]["limits"]["target"] == 350


def test_households_next_year_are_a_table_that_says_where_no_trend_is(overview):
    page = overview(lang="en")
    page.locator(".outlook summary").press("Enter")
    row = page.locator(".outlook tbody tr").filter(has_text="北门社区")
    expect(row).to_contain_text("fewer than two years on record")
    expect(page.locator(".outlook tbody tr").filter(has_text="江滨")).to_contain_text("not drawn")
    assert faults_of(page) == []
    row.get_by_role("link").click()
    page.wait_for_url(f"**/plan/c/{t.NORTH_GATE}**")
