"""The planner: drawing, editing with undo, conflicts, a cut network, comparing, publishing."""

import pytest
from playwright.sync_api import expect

from tests import town as t
from tests.e2e.conftest import PASSWORD, PHONE, faults_of, signed_in

READY = "() => window.gridatlas?.editor && gridatlas.map.loaded() && gridatlas.map.areTilesLoaded()"
SAVED = "() => !gridatlas.editor.draft.busy"
GRIDS = "() => [...gridatlas.editor.draft.grids.keys()].sort()"

AT_BORDER = """([to]) => {
  const {draft} = gridatlas.editor, box = document.querySelector('#map').getBoundingClientRect();
  const found = draft.cells.filter(cell => cell.grid !== to && cell.building
    && [...draft.coverage.neighbours[draft.index(cell.atom)]].some(i => draft.cells[i].grid === to)
    && !draft.preview([cell.atom], to).changes.some(change => change.breaks));
  return found.map(cell => {
    const {x, y} = gridatlas.map.project([cell.lon, cell.lat]);
    return {x: x + box.x, y: y + box.y, atom: cell.atom, grid: cell.grid,
            households: cell.households};
  })[0];
}"""


@pytest.fixture
def session(desks):
    return signed_in(desks, "planner")


@pytest.fixture
def draft(client_of):
    """Return the number of a fresh draft of the plan in force in the first community."""
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    return planner.post(f"/plans/{shown['id']}/copy").json()["id"]


@pytest.fixture
def edit(open_page, desks, session, draft):
    """Return a function that opens the editor of the draft."""

    def edit(**how):
        page = open_page(f"{desks}/plan/p/{draft}", session=session, **how)
        page.wait_for_function(READY)
        return page

    return edit


def households(page):
    """Return the figures of the list on the screen, by grid."""
    rows = page.locator(".grids .pick")
    return {
        row.get_attribute("data-code"): int(row.locator("b").inner_text().replace(",", ""))
        for row in rows.all()
    }


def pick(page, code):
    page.locator(f'.grids [data-code="{code}"]').click()


def move_one(page):
    """Move a building at a border into the first grid by a click; return what was moved."""
    to = page.evaluate(GRIDS)[0]
    pick(page, to)
    cell = page.evaluate(AT_BORDER, [to])
    page.mouse.move(cell["x"], cell["y"])
    page.locator("#preview").wait_for(state="visible")
    page.mouse.click(cell["x"], cell["y"])
    return to, cell


def test_signed_in_by_form_a_planner_draws_a_community(open_page, desks):
    page = open_page(f"{desks}/plan", faults_allowed=True)
    page.get_by_label("用户名").fill("planner")
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.locator(".communities a").first.wait_for()
    assert page.locator(".communities a").count() == 3
    page.get_by_label("按名称或代码查找").fill("江滨")
    page.locator(".communities a").click()
    page.get_by_role("button", name="划分网格").click()
    page.get_by_label("目标户数").fill("350")
    page.get_by_role("button", name="开始划分").click()
    page.get_by_role("progressbar").wait_for()
    page.wait_for_url("**/plan/p/*", timeout=60_000)
    page.wait_for_function(READY)
    assert "江滨<社区>" in page.locator("#side h1").inner_text()
    assert sum(households(page).values()) == sum(
        building["households"] for building in t.buildings(t.RIVERSIDE)
    )
    page.context.close()


def test_move_shows_its_figures_at_once_is_kept_undone_and_redone_after_a_reload(edit):
    page = edit()
    before = households(page)
    to, cell = move_one(page)
    after = before | {
        to: before[to] + cell["households"],
        cell["grid"]: before[cell["grid"]] - cell["households"],
    }
    assert households(page) == after
    page.wait_for_function(SAVED)
    assert households(page) == after
    page.reload()
    page.wait_for_function(READY)
    assert households(page) == after
    page.keyboard.press("Control+z")
    expect(page.locator('[data-act="redo"]')).to_be_enabled()
    assert households(page) == before
    page.locator('[data-act="redo"]').click()
    expect(page.locator('[data-act="redo"]')).to_be_disabled()
    assert households(page) == after


def test_lasso_that_breaks_a_grid_asks_first(edit):
    page = edit()
    before = households(page)
    to = page.evaluate(GRIDS)[0]
    pick(page, to)
    page.get_by_role("button", name="套索").click()
    box = page.locator("#map").bounding_box()
    left, right = box["x"] + 60, box["x"] + box["width"] - 60
    top, bottom = box["y"] + 90, box["y"] + box["height"] - 40
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
    asked = page.locator("#preview.asking")
    asked.wait_for()
    assert "超过上限" in asked.inner_text()
    page.get_by_role("button", name="算了").click()
    assert households(page) == before
    assert page.evaluate("gridatlas.editor.draft.plan.revision") == 0


def test_split_merge_lock_and_a_dedicated_grid(edit):
    page = edit()
    grids = page.evaluate(GRIDS)
    pick(page, grids[0])
    page.locator('[data-act="split"]').click()
    expect(page.locator(".grids li")).to_have_count(len(grids) + 1)
    page.wait_for_function(SAVED)
    for code in sorted(set(page.evaluate(GRIDS)) - set(grids[1:])):
        row = page.locator(".grids li").filter(has=page.locator(f'[data-code="{code}"]'))
        row.get_by_role("checkbox").check()
    page.locator('[data-act="merge"]').click()
    expect(page.locator(".grids li")).to_have_count(len(grids))
    page.wait_for_function(SAVED)
    page.locator('[data-act="lock"]').click()
    expect(page.locator(".grids li.locked")).to_have_count(len(grids))


def test_step_on_an_old_state_is_explained_and_can_be_made_again(edit, client_of, draft):
    page = edit(faults_allowed=True)
    other = client_of("second")
    grids = page.evaluate(GRIDS)
    renamed = {"kind": "rename", "grid": grids[-1], "name": "东片"}
    page.route("**/plans/*", lambda route: route.abort())  # the page can't look meanwhile
    answer = other.post(f"/plans/{draft}/edits", json=renamed, headers={"If-Match": '"0"'})
    assert answer.status_code == 200
    page.unroute("**/plans/*")
    before = households(page)
    to, cell = move_one(page)
    notice = page.locator("#notice")
    expect(notice).to_contain_text("second")
    assert households(page) == before
    assert "东片" in page.locator(".grids").inner_text()
    notice.get_by_role("button").click()
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 2")
    assert households(page)[to] == before[to] + cell["households"]
    page.context.close()


def test_cut_network_keeps_the_step_and_sends_it_later(edit, client_of, draft):
    page = edit(faults_allowed=True)
    before = households(page)
    page.context.set_offline(True)
    to, cell = move_one(page)
    expect(page.locator("#notice")).to_contain_text("联网后自动送出")
    assert households(page)[to] == before[to] + cell["households"]
    page.context.set_offline(False)
    page.wait_for_function(SAVED)
    assert client_of("planner").get(f"/plans/{draft}").json()["revision"] == 1
    page.context.close()


def test_session_that_ended_asks_again_over_the_page(edit, client_of, draft):
    page = edit(faults_allowed=True)
    spoil = """() => {const kept = JSON.parse(localStorage.getItem('gridatlas.session'));
      localStorage.setItem('gridatlas.session',
        JSON.stringify({...kept, access_token: 'x.y.z', refresh_token: 'gone'}))}"""
    page.evaluate(spoil)
    move_one(page)
    page.get_by_label("用户名").fill("planner")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_function(SAVED)
    assert client_of("planner").get(f"/plans/{draft}").json()["revision"] == 1
    page.context.close()


def test_what_differs_from_the_plan_in_force_is_shown_and_published(edit, client_of, draft):
    page = edit()
    _, cell = move_one(page)
    page.wait_for_function(SAVED)
    page.get_by_role("button", name="对比").click()
    page.wait_for_url("**/compare/*")
    page.locator(".movers summary").wait_for()
    assert f"{cell['households']} 户" in page.locator(".movers").inner_text()
    page.get_by_label("左右滑动").press("ArrowRight")
    assert "51%" in page.locator("#map").get_attribute("style")
    page.go_back()
    page.wait_for_function(READY)
    page.get_by_role("button", name="发布").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("说明").fill("调整一栋")
    dialog.get_by_role("button", name="发布").click()
    page.wait_for_url(f"**/plan/c/{t.NORTH_GATE}")
    page.locator(".plan.published h2").wait_for()
    assert client_of("planner").get(f"/plans/{draft}").json()["status"] == "published"


def test_sheet_of_a_plan_is_printed_for_planners_only(client_of, draft):
    sheet = client_of("planner").get(f"/plans/{draft}/sheet.pdf?paper=A4")
    assert sheet.status_code == 200
    assert sheet.content.startswith(b"%PDF")
    assert client_of("fire").get(f"/plans/{draft}/sheet.pdf").status_code == 403
    book = client_of("planner").get(f"/plans/{draft}/assignment.xlsx")
    assert book.content.startswith(b"PK")
    for name in ("cards", "notice"):
        paper = client_of("planner").get(f"/communities/{t.NORTH_GATE}/{name}.pdf")
        assert paper.content.startswith(b"%PDF")


def test_english_phone_and_no_serious_fault_of_access(edit, open_page, desks, session):
    page = edit(size=PHONE, lang="en")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert "Grid 1" in page.locator(".grids").inner_text()
    to = page.evaluate(GRIDS)[0]
    pick(page, to)
    cell = page.evaluate(AT_BORDER, [to])
    page.touchscreen.tap(cell["x"], cell["y"])
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 1")
    assert faults_of(page) == []
    wide = open_page(f"{desks}/plan/c/{t.NORTH_GATE}", session=session)
    wide.locator(".plan svg").first.wait_for()
    assert faults_of(wide) == []
