"""The planner: drawing, editing with undo, conflicts, a cut network, comparing, publishing."""

import re

import pytest
import shapely
from playwright.sync_api import expect
from sqlalchemy import text

from geo.partition.scoring.objective import Weights
from tests import town as t
from tests.e2e.conftest import IDLE, PASSWORD, PHONE, faults_of, signed_in

READY = f"() => window.gridatlas?.editor && ({IDLE})()"
SAVED = "() => !gridatlas.editor.draft.isSaving"
GRIDS = "() => [...gridatlas.editor.draft.grids.keys()].sort()"

# The page does not look for edits of others while it is hidden.
HIDDEN = "Object.defineProperty(document, 'hidden', {value: true})"
PEN = "() => window.gridatlas?.map.getStyle().layers.some(one => one.id.startsWith('td-'))"

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
def session(staff_site):
    return signed_in(staff_site, "planner")


@pytest.fixture
def draft(client_of):
    """Return the number of a fresh draft of the plan in force in the first community."""
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    return planner.post(f"/plans/{shown['id']}/copy").json()["id"]


@pytest.fixture
def edit(open_page, staff_site, session, draft):
    """Return a function that opens the editor of the draft."""

    def edit(**how):
        page = open_page(f"{staff_site}/plan/p/{draft}", session=session, **how)
        page.wait_for_function(READY)
        return page

    return edit


def households(page):
    """Return the figures of the list on the screen, by grid."""
    return page.evaluate("""() => Object.fromEntries(
      [...document.querySelectorAll('.grids .pick')].map(row =>
        [row.dataset.code, Number(row.querySelector('b').textContent.replace(',', ''))]))""")


def expect_households(page, figures):
    """Wait until the list on the screen has some figures."""
    expect(page.locator(".grids .pick")).to_have_count(len(figures))
    for code, count in figures.items():
        expect(page.locator(f'.grids [data-code="{code}"] b')).to_have_text(f"{count:,}")


SAME = """() => {const {draft} = gridatlas.editor;
  return draft.coverage.touching(cell => draft.cells[cell].grid)
    .filter(([one, other]) => draft.grids.get(one).colour === draft.grids.get(other).colour)}"""


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


def test_signed_in_by_form_a_planner_draws_a_community(open_page, staff_site):
    page = open_page(f"{staff_site}/plan", faults_allowed=True)
    page.get_by_label("用户名").fill("planner")
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert faults_of(page) == []
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page.locator(".communities a")).to_have_count(3)
    page.get_by_label("按名称或编码查找").fill("江滨")
    page.locator(".communities a").click()
    page.get_by_role("button", name="划分网格").click()
    page.get_by_label("目标", exact=True).fill("350")
    page.get_by_role("button", name="开始划分").click()
    page.wait_for_url("**/plan/p/**")
    page.wait_for_function(READY)
    expect(page.locator("#side h1")).to_contain_text("江滨<社区>")
    assert sum(households(page).values()) == sum(
        building["households"] for building in t.buildings(t.RIVERSIDE)
    )


def test_move_shows_its_figures_at_once_is_kept_undone_and_redone_after_a_reload(edit):
    page = edit()
    before = households(page)
    to, cell = move_one(page)
    after = before | {
        to: before[to] + cell["households"],
        cell["grid"]: before[cell["grid"]] - cell["households"],
    }
    expect_households(page, after)
    page.wait_for_function(SAVED)
    expect_households(page, after)
    assert page.evaluate(SAME) == [], "neighbours differ in colour after a move too"
    page.reload()
    page.wait_for_function(READY)
    expect_households(page, after)
    page.keyboard.press("Control+z")
    expect(page.locator('[data-act="redo"]')).to_be_enabled()
    expect_households(page, before)
    page.locator('[data-act="redo"]').click()
    expect(page.locator('[data-act="redo"]')).to_be_disabled()
    expect_households(page, after)


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
    expect(asked).to_contain_text("超过上限")
    asked.get_by_role("button", name="取消").click()
    expect_households(page, before)
    assert page.evaluate(SAVED), "nothing is sent"
    assert page.evaluate("gridatlas.editor.draft.plan.revision") == 0


def test_split_merge_and_lock(edit):
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


def screen(page, x, y):
    """Return where a place of the town is on the screen."""
    return page.evaluate(
        """place => {const {x, y} = gridatlas.map.project(place),
          box = document.querySelector('#map').getBoundingClientRect();
          return [x + box.x, y + box.y]}""",
        list(t.degrees(x, y)),
    )


def trace(page, corners):
    """Draw a polygon corner by corner, closing it at its first."""
    for x, y in [*corners, corners[0]]:
        page.mouse.move(*screen(page, x, y), steps=3)
        page.mouse.click(*screen(page, x, y))
        page.evaluate("() => new Promise(requestAnimationFrame)")  # the line follows the pointer


def test_polygon_drawn_corner_by_corner_becomes_a_dedicated_grid(edit, client_of, draft):
    page = edit()
    before = page.evaluate(GRIDS)
    tool = page.locator('[data-tool="dedicated"]')
    tool.click()
    page.locator("#preview", has_text="逐点画出范围").wait_for()
    page.wait_for_function(
        "() => gridatlas.map.getStyle().layers.some(l => l.id.startsWith('td-'))"
    )
    trace(page, [(5, 5), (95, 5), (95, 95), (5, 95)])
    preview = page.locator("#preview")
    expect(preview).to_contain_text("新网格")
    expect(preview).not_to_contain_text("超过上限")
    preview.get_by_role("button", name="仍要移动").click()
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 1")
    [made] = set(page.evaluate(GRIDS)) - set(before)
    row = page.locator(".grids li").filter(has=page.locator(f'[data-code="{made}"]'))
    expect(row).to_contain_text("专属")
    grids = client_of("planner").get(f"/plans/{draft}/grids").json()["features"]
    kinds = {one["properties"]["code"]: one["properties"]["kind"] for one in grids}
    assert kinds[made] == "dedicated"
    page.keyboard.press("Control+z")
    expect(row).to_have_count(0)
    page.wait_for_function(SAVED)
    assert page.evaluate(GRIDS) == before, "one gesture is one step"
    tool.click()
    page.keyboard.press("Escape")
    expect(preview).to_be_hidden()


def test_eraser_gives_buildings_back_to_their_grid_of_before(edit):
    page = edit()
    before = households(page)
    move_one(page)
    page.wait_for_function(SAVED)
    page.reload()  # what was before is known after a reload too
    page.wait_for_function(READY)
    page.get_by_label("着色").select_option("moved")
    expect(page.locator(".shades")).to_contain_text("与原方案不同")
    page.get_by_role("button", name="橡皮").click()
    moved = page.evaluate(
        """() => {const {draft} = gridatlas.editor,
          cell = draft.cells.find(one => draft.homeOf(one.atom) !== one.grid),
          box = document.querySelector('#map').getBoundingClientRect(),
          {x, y} = gridatlas.map.project([cell.lon, cell.lat]);
          return [x + box.x, y + box.y]}"""
    )
    page.mouse.move(*moved)
    page.mouse.down()
    page.mouse.move(moved[0] + 3, moved[1], steps=2)
    page.mouse.up()
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 2")
    expect_households(page, before)


def test_grid_is_named_and_a_link_to_look_lets_nobody_edit(
    edit, open_page, staff_site, session, draft
):
    page = edit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pick(page, page.evaluate(GRIDS)[0])
    page.get_by_label("网格名称").fill("北门东片")
    page.get_by_label("网格名称").press("Enter")
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 1")
    expect(page.locator(".grids")).to_contain_text("北门东片")
    page.get_by_role("button", name="分享").click()
    expect(page.locator("#notice")).to_contain_text("只读链接已复制")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{staff_site}/plan/p/{draft}?view")
    seen = open_page(link, session=session)
    seen.wait_for_function(READY)
    expect(seen.locator("[data-tool]")).to_have_count(0)
    assert not seen.evaluate("gridatlas.editor.draft.isEditable")
    seen.get_by_role("button", name="修改").click()
    seen.wait_for_function("() => gridatlas.editor?.draft.isEditable")


def test_papers_are_offered_and_the_list_is_saved(edit):
    page = edit()
    page.get_by_role("button", name="打印").click()
    dialog = page.get_by_role("dialog")
    for name in ("网格图 A3", "网格图 A4", "网格图 8K"):
        expect(dialog.get_by_role("button", name=name)).to_be_visible()
    assert faults_of(page) == []
    with page.expect_download() as taken:
        dialog.get_by_role("button", name="分配清单").click()
    assert taken.value.suggested_filename == f"{t.NORTH_GATE}.xlsx"


def test_step_on_an_old_state_is_explained_and_can_be_made_again(edit, client_of, draft):
    page = edit(faults_allowed=True, script=HIDDEN)
    other = client_of("second")
    grids = page.evaluate(GRIDS)
    renamed = {"kind": "rename", "grid": grids[-1], "name": "东片"}
    answer = other.post(f"/plans/{draft}/edits", json=renamed, headers={"If-Match": '"0"'})
    assert answer.status_code == 200
    before = households(page)
    to, cell = move_one(page)
    notice = page.locator("#notice")
    expect(notice).to_contain_text("second")
    expect(page.locator(".grids")).to_contain_text("东片")
    expect_households(page, before)
    notice.get_by_role("button").click()
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 2")
    figures = page.locator(f'.grids [data-code="{to}"] b')
    expect(figures).to_have_text(f"{before[to] + cell['households']:,}")


def test_cut_network_keeps_the_step_and_sends_it_later(edit, client_of, draft):
    page = edit(faults_allowed=True)
    before = households(page)
    page.context.set_offline(True)
    to, cell = move_one(page)
    expect(page.locator("#notice")).to_contain_text("联网后自动提交")
    figures = page.locator(f'.grids [data-code="{to}"] b')
    expect(figures).to_have_text(f"{before[to] + cell['households']:,}")
    page.context.set_offline(False)
    page.wait_for_function(SAVED)
    assert client_of("planner").get(f"/plans/{draft}").json()["revision"] == 1


def test_session_that_ended_asks_again_over_the_page(edit, client_of, draft):
    page = edit(faults_allowed=True)
    spoil = """() => {const kept = JSON.parse(localStorage.getItem('gridatlas.session'));
      localStorage.setItem('gridatlas.session',
        JSON.stringify({...kept, access_token: 'x.y.z', refresh_token: 'gone'}))}"""
    page.context.set_offline(True)  # or a look at what others do may ask before the move
    page.evaluate(spoil)
    move_one(page)
    page.context.set_offline(False)
    page.get_by_label("用户名").fill("planner")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_function(SAVED)
    assert client_of("planner").get(f"/plans/{draft}").json()["revision"] == 1


MAP_AT = """(share) => {
    const { left, top, width, height } = document.querySelector("#map").getBoundingClientRect();
    const shown = document.elementFromPoint(left + share * width, top + height / 2);
    return shown.closest("#map, #other").id;
}"""


def test_what_differs_from_the_plan_in_force_is_shown_and_published(edit, client_of, draft):
    page = edit()
    _, cell = move_one(page)
    page.wait_for_function(SAVED)
    page.get_by_role("button", name="对比").click()
    page.wait_for_url("**/compare/**")
    expect(page.locator(".movers")).to_contain_text(f"{cell['households']} 户")
    assert [page.evaluate(MAP_AT, share) for share in (0.25, 0.75)] == ["other", "map"]
    page.get_by_label("左右滑动").press("ArrowRight")
    expect(page.locator("#map")).to_have_attribute("style", re.compile("51%"))
    page.get_by_label("左右滑动").press("Home")
    assert [page.evaluate(MAP_AT, share) for share in (0.25, 0.75)] == ["map", "map"]
    page.go_back()
    page.wait_for_function(READY)
    page.get_by_role("button", name="发布").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("说明").fill("调整一栋")
    dialog.get_by_role("button", name="发布").click()
    page.wait_for_url(f"**/plan/c/{t.NORTH_GATE}**")
    page.locator(".plan.published h2").wait_for()
    assert client_of("planner").get(f"/plans/{draft}").json()["status"] == "published"


def test_sheet_of_a_plan_is_printed_for_planners_only(client_of, draft, public_site):
    sheet = client_of("planner").get(f"/plans/{draft}/sheet.pdf?paper=A4")
    assert sheet.status_code == 200
    assert sheet.content.startswith(b"%PDF")
    assert client_of("fire").get(f"/plans/{draft}/sheet.pdf").status_code == 403
    book = client_of("planner").get(f"/plans/{draft}/assignment.xlsx")
    assert book.content.startswith(b"PK")
    for name in ("cards", "notice"):
        paper = client_of("planner").get(f"/communities/{t.NORTH_GATE}/{name}.pdf")
        assert paper.content.startswith(b"%PDF")


def ask_for_three(page):
    """Ask for three drawings of the community on the page, and wait until they are there."""
    page.get_by_role("button", name="划分网格").click()
    page.get_by_label("方案个数").fill("3")
    start = page.get_by_label("划分方式")
    if start.count():
        start.select_option("yes")
    before = page.locator("article.plan").count()
    page.get_by_role("button", name="开始划分").click()
    page.wait_for_function(
        "before => document.querySelectorAll('article.plan').length > before",
        arg=before,
        timeout=90_000,
    )


def test_alternatives_stand_side_by_side(open_page, staff_site, session):
    page = open_page(f"{staff_site}/plan/c/{t.RIVERSIDE}", session=session)
    ask_for_three(page)
    expect(page.get_by_text("综合代价最低")).to_have_count(1)
    assert page.locator("table.card thead th").count() >= 3
    assert page.locator("table.card .best").count() > 0


def test_fewer_alternatives_than_asked_for_are_said(open_page, staff_site, session):
    page = open_page(f"{staff_site}/plan/c/{t.NORTH_GATE}", session=session)
    ask_for_three(page)
    expect(page.locator("#notice")).to_contain_text("个（要求 3 个）")


def test_area_drawn_on_the_map_is_asked_for(open_page, staff_site, session):
    page = open_page(f"{staff_site}/plan/c/{t.DRUM_TOWER}", session=session)
    page.get_by_role("button", name="划分网格").click()
    page.get_by_role("button", name="在图上绘制专属范围").click()
    page.wait_for_function(PEN)
    page.wait_for_function(IDLE)
    box = page.locator("#area-map").bounding_box()

    def on_screen(x, y):
        place = "place => {const {x, y} = gridatlas.map.project(place); return [x, y]}"
        column, row = page.evaluate(place, list(t.degrees(x, y)))
        return box["x"] + column, box["y"] + row

    corners = [(805, 205), (995, 205), (995, 395), (805, 395)]
    for corner in [*corners, corners[0]]:
        page.mouse.move(*on_screen(*corner), steps=3)
        page.mouse.click(*on_screen(*corner))
        page.evaluate("() => new Promise(requestAnimationFrame)")
    picker = page.get_by_role("dialog", name="在图上绘制专属范围")
    picker.get_by_label("网格名称").fill("鼓楼广场")
    assert faults_of(page) == []
    picker.get_by_role("button", name="完成").click()
    own = page.locator("fieldset", has_text="单独成网格的设施")
    expect(own).to_contain_text("鼓楼广场")
    page.locator(".further summary").click()
    page.get_by_label("形状紧凑").select_option("3")
    page.locator(".weights").get_by_label("少变动住户").select_option("3")
    page.get_by_label("沿路步行距离短").select_option("1")
    page.get_by_label("按就近服务站、消防站划分").select_option("3")
    page.get_by_label("最多用时").fill("2")
    with page.expect_request("**/communities/*/plans") as sent:
        page.get_by_role("button", name="开始划分").click()
    asked = sent.value.post_data_json
    assert asked["seconds"] == 2
    assert asked["weights"] == {
        "compactness": 3 * Weights().compactness,
        "moved": 3 * Weights().moved,
        "walk": 20,
        "station": 60,
    }
    [area] = asked["areas"]
    assert area["name"] == "鼓楼广场"
    ring = shapely.Polygon(area["geometry"]["coordinates"][0])
    assert ring.contains(shapely.Point(t.degrees(900, 300)))
    page.wait_for_url("**/plan/p/**")
    page.wait_for_function(READY)
    expect(page.locator(".grids")).to_contain_text("鼓楼广场")


def test_broken_plan_is_repaired(open_page, staff_site, session, client_of, draft):
    page = open_page(f"{staff_site}/plan/c/{t.NORTH_GATE}", session=session)
    grids = client_of("planner").get(f"/plans/{draft}/grids").json()["features"]
    merged = {"kind": "merge", "grids": [one["properties"]["code"] for one in grids[:2]]}
    answer = client_of("planner").post(
        f"/plans/{draft}/edits", json=merged, headers={"If-Match": '"0"'}
    )
    assert answer.status_code == 200
    page.goto(f"{staff_site}/plan/p/{draft}")
    page.wait_for_function(READY)
    expect(page.locator(".trouble summary")).to_contain_text("1 个网格未达标")
    page.get_by_role("button", name="自动修补").click()
    page.wait_for_url("**/plan/p/**")
    page.wait_for_function("id => gridatlas.editor?.draft.plan.id > id", arg=draft)
    expect(page.locator(".well")).to_be_visible()


def test_drawing_is_cancelled(open_page, staff_site, session, town):
    page = open_page(f"{staff_site}/plan/c/{t.DRUM_TOWER}", session=session)
    page.get_by_role("button", name="划分网格").click()
    before = page.locator("article.plan").count()
    with town.begin() as connection:
        connection.execute(
            text("LOCK TABLE grid_plan IN SHARE MODE")
        )  # no drawing is stored meanwhile
        page.get_by_role("button", name="开始划分").click()
        page.get_by_role("progressbar").wait_for()
        page.locator(".progress").get_by_role("button", name="取消").click()
        expect(page.locator("#notice")).to_contain_text("已取消")
    page.reload()
    expect(page.locator("article.plan")).to_have_count(before)


def test_help_leads_through_the_page(edit):
    page = edit()
    page.get_by_role("button", name="帮助").click()
    assert faults_of(page) == []
    for _ in range(4):
        page.get_by_role("button", name="下一步").click()
    page.locator(".tour").press("Escape")
    expect(page.locator(".tour")).to_have_count(0)
    expect(page.locator(".spot")).to_have_count(0)


def test_no_dialog_of_the_planner_has_a_serious_fault(edit, staff_site):
    """The pages themselves are checked in ``test_accessibility``."""
    page = edit()
    pick(page, page.evaluate(GRIDS)[0])
    page.get_by_label("着色").select_option("deviation")
    page.get_by_role("button", name="发布").click()
    page.get_by_role("dialog").wait_for()
    assert faults_of(page) == []
    page.goto(f"{staff_site}/plan/c/{t.NORTH_GATE}")
    page.get_by_role("button", name="划分网格").click()
    page.locator(".further summary").click()
    assert faults_of(page) == []


def test_english_phone_and_no_serious_fault_of_access(edit):
    page = edit(size=PHONE, lang="en")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    expect(page.get_by_role("button", name="Publish")).to_be_visible()
    to = page.evaluate(GRIDS)[0]
    pick(page, to)
    cell = page.evaluate(AT_BORDER, [to])
    page.touchscreen.tap(cell["x"], cell["y"])
    page.wait_for_function("() => gridatlas.editor.draft.plan.revision === 1")
    assert faults_of(page) == []
