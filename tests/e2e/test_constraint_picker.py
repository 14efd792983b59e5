"""Constraints on single buildings: made on the map, sent with a drawing, and kept by it."""

import pytest
from playwright.sync_api import expect

from tests import town as t
from tests.e2e.conftest import IDLE, faults_of, signed_in

PICKING = f"() => window.gridatlas?.picking && ({IDLE})()"
DRAWN = f"() => window.gridatlas?.editor && ({IDLE})()"

NEIGHBOURS = """same => {
  const {draft} = gridatlas.picking;
  for (const cell of draft.cells.filter(one => one.building && !one.unit))
    for (const index of draft.coverage.neighbours[draft.index(cell.atom)]) {
      const other = draft.cells[index];
      if (other.building && !other.unit && (other.grid === cell.grid) === same)
        return [cell, other].map(({atom, building, grid}) => ({atom, building, grid}));
    }
}"""
"""Two buildings side by side, in one grid or in two."""

ON_SCREEN = """atom => {
  const {draft} = gridatlas.picking, {lon, lat} = draft.cell(atom),
    box = document.querySelector('#constraint-map').getBoundingClientRect(),
    {x, y} = gridatlas.map.project([lon, lat]);
  return [x + box.x, y + box.y];
}"""

GRIDS_OF = """codes => codes.map(code =>
  gridatlas.editor.draft.cells.find(cell => cell.building === code).grid)"""


@pytest.fixture
def dialog(open_page, staff_site):
    """Return the page with the dialog of a drawing, and the map of the constraints, open."""

    def dialog(community, **how):
        page = open_page(
            f"{staff_site}/plan/c/{community}", session=signed_in(staff_site, "planner"), **how
        )
        page.locator("#draw").click()
        page.locator("dialog").get_by_role("button", name="在图上选择建筑").click()
        page.wait_for_function(PICKING)
        return page

    return dialog


def constrain(page, kind, pair):
    for one in pair:
        page.mouse.click(*page.evaluate(ON_SCREEN, one["atom"]))
    page.locator(f'[data-constraint="{kind}"]').click()


def test_buildings_constrained_together_apart_and_locked_are_so_in_the_plan(dialog):
    page = dialog(t.NORTH_GATE)
    parted, joined = (page.evaluate(NEIGHBOURS, same) for same in (True, False))
    constrain(page, "apart", parted)
    constrain(page, "together", joined)
    constrain(page, "locked", parted[:1])
    rows = page.locator("dialog.picker .found li")
    expect(rows).to_have_count(3)
    assert faults_of(page) == []
    rows.nth(2).get_by_role("button", name="删除").click()
    page.get_by_role("button", name="完成").click()
    fieldset = page.locator("dialog fieldset", has_text="建筑约束")
    expect(fieldset).to_contain_text("划入同一网格 1 · 划入不同网格 1")
    page.locator(".further summary").click()
    page.get_by_label("最多用时").fill("2")
    with page.expect_request("**/communities/*/plans") as sent:
        page.get_by_role("button", name="开始划分").click()
    asked = sent.value.post_data_json
    pair = sorted(one["building"] for one in parted)
    assert asked["apart"] == [pair]
    assert asked["together"] == [sorted(one["building"] for one in joined)]
    assert "locked" not in asked
    page.wait_for_url("**/plan/p/**", timeout=120_000)
    page.wait_for_function(DRAWN)
    assert len(set(page.evaluate(GRIDS_OF, pair))) == 2
    assert len(set(page.evaluate(GRIDS_OF, asked["together"][0]))) == 1


def test_lasso_chooses_whole_buildings_and_their_grids_are_locked(dialog):
    page = dialog(t.NORTH_GATE)
    page.locator('[data-tool="rectangle"]').click()
    box = page.locator("#constraint-map").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 70, steps=3)
    page.mouse.up()
    households = sum(building["households"] for building in t.buildings(t.NORTH_GATE))
    expect(page.locator("dialog .count")).to_contain_text(f"{households:,} 户")
    page.locator('[data-constraint="locked"]').click()
    page.get_by_role("button", name="完成").click()
    with page.expect_request("**/communities/*/plans") as sent:
        page.get_by_role("button", name="开始划分").click()
    asked = sent.value.post_data_json
    assert asked["before"] > 0
    assert len(asked["locked"]) > 1
    page.wait_for_url("**/plan/p/**", timeout=120_000)


def test_discarded_draft_leaves_a_community_with_its_buildings_to_choose_from(
    open_page, staff_site, dialog
):
    page = open_page(f"{staff_site}/plan/c/{t.RIVERSIDE}", session=signed_in(staff_site, "planner"))
    page.on("dialog", lambda asked: asked.accept())
    page.locator("article.plan").get_by_role("button", name="删除").click()
    expect(page.locator("#side")).to_contain_text("还没有方案")
    expect(
        page.locator("#crumbs").get_by_role("link", name="江滨<社区>", exact=True)
    ).to_be_visible()
    page = dialog(t.RIVERSIDE)
    shown = page.evaluate("gridatlas.picking.draft.cells.length")
    assert shown == len(t.buildings(t.RIVERSIDE))
    expect(page.locator('[data-constraint="together"]')).to_be_visible()
    expect(page.locator('[data-constraint="locked"]')).to_have_count(0)
    constrain(page, "together", [{"atom": 0}, {"atom": 1}])
    expect(page.locator("dialog.picker .found")).to_contain_text("划入同一网格")
