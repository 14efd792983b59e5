"""The main task of each page with the keyboard alone, from the first focus to the result.

Uploading data and appointing managers are in ``test_uploads`` and ``test_staff``, accounts in
``test_accounts``.
"""

import pytest
from playwright.sync_api import expect

from tests import town as t
from tests.e2e.conftest import signed_in
from tests.e2e.test_planner import READY, SAVED

MOST_TABS = 120


def tab_to(page, selector):
    """Press Tab until an element that matches has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_resident_finds_the_grid_of_a_building(open_page, address):
    page = open_page(address)
    page.wait_for_function("() => window.gridatlas")
    tab_to(page, "#search")
    page.keyboard.insert_text("1号楼")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel = page.locator("#panel")
    expect(panel).to_be_visible()
    tab_to(page, "#panel .close")
    page.keyboard.press("Enter")
    expect(panel).to_be_hidden()


def test_planner_copies_a_plan_moves_a_border_and_publishes(open_page, staff_site, client_of):
    page = open_page(f"{staff_site}/plan", session=signed_in(staff_site, "planner"))
    page.locator(".communities a").first.wait_for()
    tab_to(page, f'.communities a[href="/plan/c/{t.DRUM_TOWER}"]')
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/plan/c/{t.DRUM_TOWER}**")
    page.locator(".plan.published").wait_for()
    tab_to(page, ".plan.published h2 a")
    page.keyboard.press("Enter")
    page.wait_for_function(READY)
    tab_to(page, ".actions button.primary")  # copy as a draft
    page.keyboard.press("Enter")
    page.locator('[data-act="undo"]').wait_for()
    page.wait_for_function(READY)
    page.keyboard.press("s")
    panel = page.locator(".border-tool")
    panel.locator("select").wait_for()
    tab_to(page, ".border-tool select")
    for _ in range(panel.locator("option").count() - 1):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        if panel.locator("li", has_text="栋").filter(has_not_text="0 栋").count():
            break
    tab_to(page, ".border-tool [data-line]")
    page.keyboard.press("Space")
    expect(page.locator("#preview button.primary")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_function(SAVED)
    page.wait_for_function("() => gridatlas.editor.draft.plan.undo === 1")
    page.keyboard.press("Escape")
    tab_to(page, ".actions button.primary")  # publish
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    tab_to(page, "dialog textarea")
    page.keyboard.type("keyboard")
    tab_to(page, "dialog button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/plan/c/{t.DRUM_TOWER}**")
    plans = client_of("planner").get(f"/communities/{t.DRUM_TOWER}/plans?status=published").json()
    assert plans["items"][0]["note"] == "keyboard"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_fire_officer_opens_a_building_and_an_incident_there(open_page, staff_site, lang):
    page = open_page(f"{staff_site}/fire", session=signed_in(staff_site, "fire"), lang=lang)
    page.wait_for_function("() => window.gridatlas")
    tab_to(page, "#search")
    page.keyboard.insert_text("1号楼")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search.includes('building=')")
    page.locator("#side .actions button").nth(1).wait_for()
    tab_to(page, "#side .actions button:nth-of-type(2)")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search.includes('incident=')")
    page.locator("#side .wind").wait_for()
    page.evaluate("window.print = () => { window.printed = true }")
    tab_to(page, "#side .actions button.primary")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.printed")
