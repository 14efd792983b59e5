"""The page of ``gridatlas what-if`` as someone opens it who was sent the file."""

import pytest
from playwright.sync_api import expect
from typer.testing import CliRunner

from cli.main import app
from tests import town as t

GRIDS = "() => document.querySelectorAll('.leaflet-areas-pane path').length"
MOVED = """() => document.querySelectorAll(
             '.leaflet-buildings-pane path[fill="#b3261e"]').length"""


@pytest.mark.usefixtures("english")
def test_map_shows_the_grids_before_and_after_beside_the_figures(town, open_page, tmp_path):
    file = tmp_path / "moved.html"
    words = ("what-if", "move", t.NORTH_GATE, t.DRUM_TOWER, "--along", "800路", "--seconds", "0.5")
    done = CliRunner().invoke(app, [*words, "--page", str(file)])
    assert done.exit_code == 0, done.output
    page = open_page(file)
    page.wait_for_function("() => document.querySelector('.leaflet-control-scale')")
    before, after = page.get_by_role("radio").all()
    expect(after).to_be_checked()
    labels = page.locator(".grid-label b")
    expect(labels).to_have_count(12)
    assert page.evaluate(GRIDS) == 12
    assert page.evaluate(MOVED) == 32
    table = page.locator("table").inner_text()
    for words in ("Before", "After", "北门社区", "钟鼓楼社区", "together", "Border, m"):
        assert words in table
    assert page.locator("table").evaluate("one => one.scrollWidth <= one.parentNode.clientWidth")
    before.click()
    page.wait_for_function(f"() => ({GRIDS})() === 12")
    assert [one for one in labels.all_inner_texts() if one == "1"] == ["1", "1"]
    page.mouse.click(*_middle(page))
    popup = page.locator(".leaflet-popup-content")
    expect(popup).to_contain_text("Households")


def _middle(page) -> tuple[float, float]:
    box = page.locator(".grid-label").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
