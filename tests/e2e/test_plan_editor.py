"""The editor of a plan: panning, hints, Esc, search, a live score card, colours that stay."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import update

from geo.model import GridPlan
from tests import town as t
from tests.e2e.conftest import IDLE, hold_back, signed_in
from tests.e2e.test_planner import (
    AT_BORDER,
    GRIDS,
    READY,
    SAVED,
    expect_households,
    households,
    move_one,
    pick,
)

PLAN = "gridatlas.editor.draft.plan.id"
CENTRE = "() => gridatlas.map.getCenter().toArray()"


@pytest.fixture
def open_editor(open_page, staff_site, client_of):
    """Return a function that opens a fresh draft of the plan in force in the first community."""
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    draft = planner.post(f"/plans/{shown['id']}/copy").json()["id"]

    def open_editor(**how):
        page = open_page(
            f"{staff_site}/plan/p/{draft}", session=signed_in(staff_site, "planner"), **how
        )
        page.wait_for_function(READY)
        return page

    return open_editor


@pytest.fixture
def page(open_editor):
    return open_editor()


def middle(page):
    box = page.locator("#map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, button):
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down(button=button)
    page.mouse.move(x + 60, y + 40, steps=4)
    page.mouse.up(button=button)


def picture(page):
    page.wait_for_function(IDLE)
    clip = page.locator("#map").bounding_box()
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")).astype(int)


@pytest.mark.parametrize("tool", ["brush", "lasso", "rectangle", "click", "dedicated"])
def test_middle_right_and_space_drag_move_the_map_and_nothing_else(page, tool):
    pick(page, page.evaluate(GRIDS)[0])
    page.locator(f'[data-tool="{tool}"]').click()
    before = households(page)
    for how in ("middle", "right", "space"):
        seen, centre = picture(page), page.evaluate(CENTRE)
        if how == "space":
            page.mouse.move(*middle(page))
            page.keyboard.down(" ")
        drag(page, "left" if how == "space" else how)
        if how == "space":
            page.keyboard.up(" ")
        after = page.evaluate(CENTRE)
        assert after[0] < centre[0], how
        assert after[1] > centre[1], how
        moved = picture(page)
        # what was in the middle of the picture is 60 pixels to the right and 40 below
        part, shifted = seen[250:450, 300:700], moved[290:490, 360:760]
        assert (np.abs(part - shifted).max(axis=2) < 60).mean() > 0.8, how
    expect(page.locator(f'[data-tool="{tool}"]')).to_have_attribute("aria-pressed", "true")
    page.mouse.move(5, 5)  # off the map, where no move is shown
    expect_households(page, before)
    assert page.evaluate(SAVED), "nothing is sent"
    assert page.evaluate("gridatlas.editor.draft.plan.revision") == 0


def test_brush_without_a_grid_says_what_to_do_and_esc_leaves_the_tool_alone(page):
    page.locator('[data-tool="brush"]').click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("请先在左侧列表中选择网格")
    drag(page, "left")
    expect(preview).to_contain_text("请先在左侧列表中选择网格")
    expect(page.locator('.grids [aria-pressed="true"]')).to_have_count(0)
    grid = page.evaluate(GRIDS)[0]
    pick(page, grid)
    expect(preview).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator('[data-tool="click"]')).to_have_attribute("aria-pressed", "true")
    for _ in range(2):
        expect(page.locator(f'[data-code="{grid}"]')).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Escape")


def test_several_undos_pressed_at_once_are_all_done(page):
    before = households(page)
    to = page.evaluate(GRIDS)[0]
    pick(page, to)
    for _ in range(2):
        page.wait_for_function(SAVED)
        page.evaluate(
            """to => {const {editor} = gridatlas, {draft} = editor,
              cell = draft.cells.find(one => one.grid !== to && one.building
                && [...draft.coverage.neighbours[draft.index(one.atom)]]
                  .some(index => draft.cells[index].grid === to));
              draft.move(draft.preview([cell.atom], to))}""",
            to,
        )
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.wait_for_function(SAVED)
    assert page.evaluate("gridatlas.editor.draft.plan.undo") == 0
    expect_households(page, before)


def test_search_goes_to_a_building_and_marks_it(page):
    name, code = page.evaluate(
        """() => {const {cells} = gridatlas.editor.draft,
          {name, building} = cells.find(cell => cell.building);
          return [name, building]}"""
    )
    page.get_by_role("combobox", name="查找地址或建筑").fill(code)
    page.locator("#found [role=option]", has_text=name).first.click()
    page.locator(".maplibregl-marker").wait_for()
    expect(page.locator("#preview")).to_contain_text(name)
    pin = page.locator(".maplibregl-marker").bounding_box()
    x, y = middle(page)
    assert abs(pin["x"] + pin["width"] / 2 - x) < 30
    assert abs(pin["y"] + pin["height"] - y) < 30
    page.get_by_role("combobox", name="查找地址或建筑").fill("此处没有的地方")
    expect(page.locator("#found")).to_contain_text("未找到")


def figures(page):
    return page.evaluate("""() => Object.fromEntries(
      [...document.querySelectorAll('table.card tbody tr')].map(row =>
        [row.dataset.figure, [...row.querySelectorAll('td')].at(-1).innerText]))""")


def test_score_card_follows_a_move_and_is_completed_by_the_server(page):
    page.locator(".scores summary").click()
    page.locator("table.card").wait_for()
    before = figures(page)
    score = "() => gridatlas.editor.draft.score()"
    raw = page.evaluate(score)
    assert {"border_on_barrier", "polsby_popper", "walk_m", "compounds_split_all"} <= set(before)
    with hold_back(page, f"**/plans/{page.evaluate(PLAN)}"):  # the score of the server
        _, cell = move_one(page)
        assert cell["households"]
        at_once = figures(page)
        assert set(at_once) == set(before)
        after = page.evaluate(score)
        assert after["walk_m"] != raw["walk_m"]  # the change may be less than is shown
        for key in ("walk_m", "mean_deviation"):
            assert at_once[key] == f"{after[key]:.0f}", key
        expect(page.locator("td.outdated").first).to_be_visible()
    expect(page.locator("td.outdated")).to_have_count(0)
    expect(page.locator(".scores")).to_have_attribute("open", "")
    scored = figures(page)
    assert set(before) <= set(scored)
    for key in ("smallest", "largest", "mean_deviation", "compounds_split_all", "polsby_popper"):
        assert scored[key] == at_once[key], key
    assert abs(int(scored["walk_m"]) - int(at_once["walk_m"])) <= 1


def test_figure_of_the_score_card_leads_to_its_places(page):
    page.locator(".scores summary").click()
    zoom = page.evaluate("gridatlas.map.getZoom()")
    row = page.locator('[data-figure="barriers_inside_m"]')
    assert float(row.locator("td").inner_text()) > 0, "the railway runs through grids"
    row.get_by_role("button").click()
    page.wait_for_function(IDLE)
    shown = page.evaluate("gridatlas.map.getBounds().toArray().flat()")
    place = page.evaluate("gridatlas.editor.draft.places().barriers_inside_m[0]")
    assert shown[0] <= place[0] <= place[2] <= shown[2]
    assert shown[1] <= place[1] <= place[3] <= shown[3]
    assert page.evaluate("gridatlas.map.getZoom()") != zoom


def test_grids_keep_their_colours_over_moves_undo_and_reload(page):
    colours = (
        "() => Object.fromEntries([...gridatlas.editor.draft.grids]"
        ".map(([code, grid]) => [code, grid.colour]))"
    )
    before = page.evaluate(colours)
    to, cell = move_one(page)
    page.wait_for_function(SAVED)
    after = page.evaluate(colours)
    assert {code: after[code] for code in before if code not in (to, cell["grid"])} == {
        code: before[code] for code in before if code not in (to, cell["grid"])
    }
    page.mouse.move(5, 5)
    seen = picture(page)
    page.reload()
    page.wait_for_function(READY)
    assert page.evaluate(colours) == after
    page.mouse.move(5, 5)
    pick(page, to)
    assert (np.abs(picture(page) - seen).max(axis=2) < 40).mean() > 0.95


def test_split_makes_two_grids_within_the_limits_or_says_by_how_much_they_miss(page):
    whole = page.evaluate(GRIDS)
    first = page.evaluate(AT_BORDER, [whole[0]])["grid"]
    page.evaluate(
        "codes => gridatlas.editor.draft.send({kind: 'merge', grids: codes})", [whole[0], first]
    )
    page.wait_for_function(SAVED)
    merged = households(page)[whole[0]]
    pick(page, whole[0])
    page.locator('[data-act="split"]').click()
    expect(page.locator(".grids li")).to_have_count(len(whole))
    page.wait_for_function(SAVED)
    [made] = set(page.evaluate(GRIDS)) - set(whole[:1]) - (set(whole) - {first})
    parts = households(page)[whole[0]], households(page)[made]
    assert sum(parts) == merged
    lower, upper = page.evaluate(
        "() => [gridatlas.editor.draft.plan.limits.lower, gridatlas.editor.draft.plan.limits.upper]"
    )
    if 2 * lower <= merged <= 2 * upper:
        assert min(parts) >= lower
        assert max(parts) <= upper


def edit(client_of, number, **what):
    planner = client_of("planner")
    revision = planner.get(f"/plans/{number}").json()["revision"]
    answer = planner.post(
        f"/plans/{number}/edits", json=what, headers={"If-Match": f'"{revision}"'}
    )
    assert answer.status_code == 200
    return answer.json()


def test_comparison_follows_edits_made_elsewhere(page, client_of, staff_site):
    number = page.evaluate(PLAN)
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    page.goto(f"{staff_site}/plan/p/{number}/compare/{shown['id']}")
    moved = page.locator("dl.facts dd").first
    expect(moved).to_have_text("0")
    atom, other = next(
        (one["properties"], grid)
        for one in planner.get(f"/plans/{number}/atoms").json()["features"]
        for grid in [f"{t.NORTH_GATE}002"]
        if one["properties"]["households"] and one["properties"]["grid"] != grid
    )
    edit(client_of, number, kind="assign", atoms=[atom["atom"]], grid=other)
    expect(moved).to_have_text(str(atom["households"]))
    expect(page.locator(".movers")).to_contain_text(f"{atom['households']} 户")


def test_plans_with_different_limits_show_them_side_by_side(page, town, staff_site):
    number = page.evaluate(PLAN)
    rows = page.locator('[data-figure="limits"]')
    page.goto(f"{staff_site}/plan/c/{t.NORTH_GATE}")
    page.locator("table.card").wait_for()
    expect(rows).to_have_count(0)
    limits = {"limits": {"target": 350, "lower": 250, "upper": 450}}
    with town.begin() as connection:
        connection.execute(update(GridPlan).where(GridPlan.id == number).values(parameters=limits))
    page.reload()
    expect(rows).to_contain_text("350（250–450）")
    expect(rows).to_contain_text("400（300–500）")
    expect(
        page.locator("article", has=page.locator(f'a[href="/plan/p/{number}"]'))
    ).to_contain_text("目标 350")


def test_publishing_says_who_moves_and_an_archived_plan_is_restored(page, client_of, staff_site):
    before = page.evaluate("gridatlas.editor.draft.plan.parent")
    _, cell = move_one(page)
    page.wait_for_function(SAVED)
    name = page.evaluate("atom => gridatlas.editor.draft.cell(atom).name", cell["atom"])
    page.get_by_role("button", name="发布").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"1 栋建筑、{cell['households']} 户更换网格")
    dialog.locator(".movers summary").click()
    expect(dialog.locator(".movers")).to_contain_text(name)
    dialog.get_by_role("button", name="发布").click()
    page.wait_for_url(f"**/plan/c/{t.NORTH_GATE}**")
    old = page.locator("article.archived", has=page.locator(f'a[href="/plan/p/{before}"]'))
    old.get_by_role("button", name="恢复").click()
    expect(dialog).to_contain_text(f"{cell['households']} 户更换网格")
    dialog.get_by_role("button", name="恢复").click()
    expect(page.locator("#notice")).to_contain_text("已恢复")
    plans = client_of("planner").get(f"/communities/{t.NORTH_GATE}/plans").json()["items"]
    [in_force] = [plan for plan in plans if plan["status"] == "published"]
    assert in_force["parent"] == before


def test_plan_leaves_the_page_as_a_table_and_comes_back(open_editor, tmp_path):
    page = open_editor(faults_allowed=True)  # the browser logs the refused file
    grids = page.evaluate(GRIDS)
    before = households(page)
    page.get_by_role("button", name="文件").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="建筑所属网格（CSV）").click()
    file = tmp_path / "plan.csv"
    download.value.save_as(file)
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    row = next(number for number, line in enumerate(lines) if grids[0] in line)
    lines[row] = lines[row].replace(grids[0], grids[1])
    file.write_text("\n".join([*lines, f"nowhere,,,,,{grids[0]},"]), encoding="utf-8-sig")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("导入文件").set_input_files(file)
    expect(dialog.get_by_role("alert")).to_contain_text("nowhere")
    file.write_text("\n".join(lines), encoding="utf-8-sig")
    dialog.get_by_label("导入文件").set_input_files(file)
    expect(page.locator("#notice")).to_contain_text("户更换网格")
    moved = int(lines[row].split(",")[4])
    after = {grids[0]: before[grids[0]] - moved, grids[1]: before[grids[1]] + moved}
    expect_households(page, before | after)
    page.keyboard.press("Control+z")
    page.wait_for_function(SAVED)
    expect_households(page, before)


def test_home_shows_communities_in_the_colour_of_their_state(page, staff_site):
    page.goto(f"{staff_site}/plan")
    page.wait_for_function(
        "() => window.gridatlas?.map.getLayer('communities') && "
        "gridatlas.map.queryRenderedFeatures({layers: ['communities']}).length"
    )
    page.wait_for_function(IDLE)
    clip = page.locator("#map").bounding_box()
    seen = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")).astype(int)

    def colour(x, y):
        column, row = page.evaluate(
            "place => {const {x, y} = gridatlas.map.project(place); return [x, y]}",
            list(t.degrees(x, y)),
        )
        return seen[int(row), int(column)]

    drafted, published = colour(100, 130), colour(1110, 300)
    assert drafted[0] > drafted[2] + 40, "a draft waits: orange"
    assert published[1] > published[0] + 20, "in force: green"
    page.mouse.click(
        *page.evaluate(
            """place => {const {x, y} = gridatlas.map.project(place),
              box = document.querySelector('#map').getBoundingClientRect();
              return [x + box.x, y + box.y]}""",
            list(t.degrees(1110, 300)),
        )
    )
    page.wait_for_url(f"**/plan/c/{t.DRUM_TOWER}**")
