"""Tools of the planner: moving a border to a road, the list of steps, comments, copies of cards."""

import re

import pypdfium2
import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from tests import town as t
from tests.e2e.conftest import IDLE, answer, faults_of, hold_back, signed_in
from tests.e2e.test_planner import READY, SAVED, expect_households, households, move_one

ON_SCREEN = """place => {
  const {x, y} = gridatlas.map.project(place), box = document.querySelector('#map')
    .getBoundingClientRect();
  return [x + box.x, y + box.y];
}"""

DRAWN_LINES = "() => gridatlas.map.queryRenderedFeatures({layers: ['barriers']}).length"


@pytest.fixture
def draft(client_of):
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    return planner.post(f"/plans/{shown['id']}/copy").json()["id"]


@pytest.fixture
def edit(open_page, staff_site, draft):
    def edit(**how):
        address = f"{staff_site}/plan/p/{draft}"
        page = open_page(address, session=signed_in(staff_site, "planner"), **how)
        page.wait_for_function(READY)
        return page

    return edit


def grids_of(page):
    return page.evaluate(
        "() => Object.fromEntries(gridatlas.editor.draft.cells.map(cell => [cell.atom, cell.grid]))"
    )


def border_panel(page):
    page.get_by_role("button", name="移动边界", exact=True).click()
    panel = page.locator(".border-tool")
    panel.locator("select").wait_for()
    return panel


def test_border_is_moved_to_a_street_with_the_keyboard_and_is_one_step(edit, client_of, draft):
    page = edit()
    before = grids_of(page)
    page.locator("body").press("s")
    panel = page.locator(".border-tool")
    choice = panel.get_by_label("边界两侧")
    pair, line = None, None
    for value in choice.evaluate("node => [...node.options].map(one => one.value).slice(1)"):
        choice.select_option(value)
        lines = panel.locator("li label")
        for index in range(lines.count()):
            words = lines.nth(index).inner_text()
            if "栋" in words and not words.rstrip().endswith("0 栋，0 户"):
                pair, line = value, lines.nth(index)
                break
        if pair:
            break
    assert pair, "no pair of grids has a street to which its border can move"
    line.locator("input").focus()
    page.keyboard.press("Space")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("→")
    preview.get_by_role("button").first.click()
    page.wait_for_function(SAVED)
    after = grids_of(page)
    moved = {atom for atom in before if before[atom] != after[atom]}
    assert moved
    assert {before[atom] for atom in moved} | {after[atom] for atom in moved} <= set(
        pair.split(",")
    )
    edits = client_of("planner").get(f"/plans/{draft}/edits").json()["items"]
    assert len(edits) == 1
    page.keyboard.press("Control+z")
    page.wait_for_function("() => gridatlas.editor.draft.plan.undo === 0")
    assert grids_of(page) == before


def test_border_and_street_are_taken_from_the_map(edit):
    page = edit()
    panel = border_panel(page)
    page.wait_for_function(IDLE)
    between = page.evaluate("""() => {
      const {draft} = gridatlas.editor, grid = cell => draft.cells[cell].grid;
      const [one, other] = draft.coverage.touching(grid)[0];
      const [from, to] = draft.coverage.bordersBetween(grid, one, other)[0];
      return [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    }""")
    page.mouse.click(*page.evaluate(ON_SCREEN, between))
    expect(panel.locator("li").first).to_be_visible()
    page.wait_for_function(DRAWN_LINES)
    page.wait_for_function(IDLE)
    place, line = page.evaluate("""() => {
      const box = document.querySelector('#map').getBoundingClientRect();
      const features = gridatlas.map.queryRenderedFeatures({layers: ['barriers']});
      for (const feature of features) {
        const path = feature.geometry.type === 'LineString' ? feature.geometry.coordinates
          : feature.geometry.coordinates[0];
        for (let at = 1; at < path.length; at++) {
          const middle = [0, 1].map(axis => (path[at][axis] + path[at - 1][axis]) / 2);
          const {x, y} = gridatlas.map.project(middle);
          const hit = gridatlas.map.queryRenderedFeatures([[x - 9, y - 9], [x + 9, y + 9]],
            {layers: ['barriers']});
          if (x > 40 && y > 80 && x < box.width - 40 && y < box.height - 80)
            return [[x + box.x, y + box.y], String(hit[0].properties.id)];
        }
      }
    }""")
    page.mouse.click(*place)
    expect(panel.locator(f'[data-line="{line}"]')).to_be_checked()
    for _ in range(2):  # the first cancels the move that is asked about, if there is one
        page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_steps_are_listed_and_undone_back_to_one_of_them(edit):
    page = edit()
    before = households(page)
    move_one(page)
    page.wait_for_function(SAVED)
    first = households(page)
    page.locator('[data-act="lock"]').click()
    page.wait_for_function("() => gridatlas.editor.draft.plan.undo === 2")
    page.get_by_text("操作记录").click()
    steps = page.locator(".steps li")
    expect(steps).to_have_count(2)
    expect(steps.first).to_contain_text("锁定或解锁")
    expect(steps.nth(1)).to_contain_text("移动建筑")
    expect(steps.nth(1)).to_contain_text("planner")
    page.get_by_role("button", name="撤销到此").click()
    page.wait_for_function("() => gridatlas.editor.draft.plan.undo === 1")
    expect_households(page, first)
    expect(page.locator(".steps .undone")).to_have_count(1)
    page.keyboard.press("Control+z")
    page.wait_for_function("() => gridatlas.editor.draft.plan.undo === 0")
    expect_households(page, before)
    expect(page.locator(".steps .undone")).to_have_count(2)
    page.locator(".steps .undone").first.get_by_role("button", name="重做到此").click()
    page.wait_for_function("() => gridatlas.editor.draft.plan.undo === 2")
    expect_households(page, first)


def test_steps_of_an_outdated_list_cannot_be_undone(edit):
    page = edit()
    page.get_by_text("操作记录").click()
    for grids in ("0", "1"):
        with page.expect_response("**/edits"):
            page.locator('.grids [aria-label^="锁定"]').nth(int(grids)).click()
    undo = page.get_by_role("button", name="撤销到此")
    expect(undo).to_be_enabled()
    with hold_back(page, re.compile(r"/edits\?")):
        page.keyboard.press("Control+z")
        page.wait_for_function("() => gridatlas.editor.draft.plan.undo === 1")
        expect(undo).to_be_disabled()
    expect(page.locator(".steps .undone")).to_have_count(1)
    expect(undo).to_have_count(0)


def test_comment_is_put_on_a_place_and_resolved(edit, client_of, draft):
    page = edit()
    page.get_by_text("批注（0 条未处理）").click()
    page.get_by_role("button", name="添加批注").click()
    expect(page.locator("#preview")).to_contain_text("点击批注位置")
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("批注内容").fill("这条边界应沿围墙")
    assert faults_of(page) == []
    dialog.get_by_role("button", name="保存").click()
    expect(page.locator(".comment-pin")).to_have_count(1)
    expect(page.locator(".comments li")).to_contain_text("这条边界应沿围墙")
    [kept] = client_of("planner").get(f"/plans/{draft}/comments").json()["items"]
    centre = page.evaluate("() => gridatlas.map.getCenter().toArray()")
    assert (kept["lon"], kept["lat"]) == pytest.approx(centre, abs=1e-4)
    page.get_by_role("button", name="标为已处理").click()
    expect(page.locator(".comment-pin")).to_have_count(0)
    expect(page.locator(".comments summary")).to_contain_text("0 条未处理")
    assert faults_of(page) == []


def test_comment_is_written_on_a_plan_in_force_with_the_keyboard_only(
    open_page, staff_site, client_of
):
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    session = signed_in(staff_site, "planner")
    page = open_page(f"{staff_site}/plan/p/{shown['id']}", session=session, lang="en")
    page.wait_for_function(READY)
    page.locator(".comments summary").press("Enter")
    page.locator("#add-comment").press("Enter")
    page.locator("#side").press("Enter")  # the middle of the map
    page.get_by_role("dialog").get_by_label("Comment").fill("Why not along the wall?")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".comments li")).to_contain_text("Why not along the wall?")


def test_ten_copies_of_the_card_of_one_grid_are_printed(
    open_page, staff_site, client_of, public_site
):
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    session = signed_in(staff_site, "planner")
    page = open_page(f"{staff_site}/plan/p/{shown['id']}?view", session=session)
    page.wait_for_function(READY)
    page.get_by_role("button", name="打印").click()
    dialog = page.get_by_role("dialog")
    assert faults_of(page) == []
    dialog.locator("select").select_option(index=1)
    dialog.get_by_label("每张卡片份数").fill("0")
    expect(dialog.get_by_role("button", name="民情联系服务卡")).to_be_disabled()
    dialog.get_by_label("每张卡片份数").fill("10")
    page.evaluate("window.open = () => null")  # a tab that shows a PDF
    with page.expect_request(lambda request: "cards.pdf" in request.url) as printed:
        dialog.get_by_role("button", name="民情联系服务卡").click()
    pdf = pypdfium2.PdfDocument(planner.get(printed.value.url).content)
    assert len(pdf) == 1
    assert pdf[0].get_textpage().get_text_range().count("民情联系服务卡") == 10


def test_residents_of_the_register_are_shown_by_grid_and_building(town, edit):
    with town.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dwelling (code, building_code, residents, need_help, geom) "
                "SELECT code || '-101', code, 3, 1, ST_PointOnSurface(geom) FROM building"
            )
        )
    page = edit()
    expect(page.locator(".grids .people").first).to_be_visible()
    buildings = page.evaluate("""() => {
      const {cells, grids} = gridatlas.editor.draft;
      return Object.fromEntries([...grids.keys()].map(code => [code, new Set(cells
        .filter(cell => cell.building && cell.grid === code).map(cell => cell.building)).size]));
    }""")
    for code, count in buildings.items():
        words = page.locator(f'.pick[data-code="{code}"] .people')
        expect(words).to_have_text(f"居民 {3 * count} 人，需协助 {count} 人")
    page.wait_for_function(IDLE)
    place = page.evaluate("""() => {
      const cell = gridatlas.editor.draft.cells.find(cell => cell.building && cell.lon);
      return [cell.lon, cell.lat];
    }""")
    page.mouse.move(*page.evaluate(ON_SCREEN, place))
    expect(page.locator("#preview")).to_contain_text("居民 3 人，需协助 1 人")


def go_to(page, path):
    """Follow a link to a place within the planner."""
    page.evaluate(
        "path => { history.pushState(null, '', path); dispatchEvent(new Event('popstate')); }", path
    )


def test_figures_of_a_plan_that_was_left_do_not_bring_back_its_grids(edit, client_of):
    plans = client_of("planner").get(f"/communities/{t.DRUM_TOWER}/plans?status=published")
    other = plans.json()["items"][0]["id"]
    page = edit()
    figures = "**/register/counts/building*"
    with hold_back(page, figures) as held:
        with held.expect():
            page.reload()
        page.wait_for_function(READY)
        with held.expect():
            go_to(page, f"/plan/p/{other}?view")
        codes = page.locator(".grids .pick")
        expect(codes.first).to_have_attribute("data-code", re.compile(t.DRUM_TOWER))
        while held.routes:
            answer(page, held.routes.pop(0))
            expect(codes.first).to_have_attribute("data-code", re.compile(t.DRUM_TOWER))


def test_place_that_was_left_while_it_loaded_does_not_come_back(edit):
    page = edit()
    plans = f"**/communities/{t.DRUM_TOWER}/plans*"
    with hold_back(page, plans) as held:
        with held.expect():
            go_to(page, f"/plan/c/{t.DRUM_TOWER}")
        go_to(page, "/plan/staff")
        page.locator(".staff tbody tr").first.wait_for()
    expect(page.locator(".staff tbody tr").first).to_be_visible()
    expect(page.locator("article.plan")).to_have_count(0)


def test_edit_that_is_answered_after_the_plan_was_left_does_not_bring_it_back(edit):
    page = edit()
    with hold_back(page, "**/edits") as held:
        with held.expect():
            page.locator('[data-act="lock"]').click()
        go_to(page, "/plan/staff")
        page.locator(".staff tbody tr").first.wait_for()
    expect(page.locator(".staff tbody tr").first).to_be_visible()
    expect(page.locator(".grids")).to_have_count(0)
