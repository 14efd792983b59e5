"""The data desk: a held import approved and taken back, the quarantine seen."""

import pytest
from playwright.sync_api import expect

from etl.imports import Request, import_file
from geo.settings import Settings
from tests.e2e.conftest import PHONE, faults_of, signed_in
from tests.etl.delivery import houses, mapping, write

READY = "() => window.gridatlas && gridatlas.map.loaded()"


@pytest.fixture(scope="module")
def delivered(town, desks, tmp_path_factory):
    """Return a run held for removing too much."""
    folder = tmp_path_factory.mktemp("desk")
    runs = []
    for count in (40, 20):
        data = houses(count, code=[f"d{i:03d}" for i in range(count)])
        file = write(data, folder / f"{count}.gpkg")
        asked = Request("building", file, mapping(source="desk"))
        runs.append(import_file(town, asked, Settings()))
    assert [run.status for run in runs] == ["published", "held"]
    return runs[-1].run


@pytest.fixture
def desk(open_page, desks, delivered):
    def desk(path="/data", **how):
        page = open_page(f"{desks}{path}", session=signed_in(desks, "importer"), **how)
        page.wait_for_function(READY, timeout=60_000)
        page.locator("#side h1").wait_for()
        return page

    return desk


def test_held_import_is_seen_approved_and_rolled_back(desk, delivered):
    page = desk("/data?status=held")
    page.locator(".runs a").first.click()
    side = page.locator("#side")
    side.locator("table.card").wait_for()
    page.wait_for_function("() => gridatlas.map.querySourceFeatures('shown').length > 0")
    assert page.url.split("#")[0].endswith(f"/data/runs/{delivered}")
    side.get_by_role("button", name="批准").click()
    page.get_by_role("dialog").get_by_role("button", name="批准").click()
    expect(page.locator("#notice")).to_contain_text("已批准", timeout=30_000)
    expect(side.locator(".badge").first).to_have_text("已发布")
    side.get_by_role("button", name="回滚").click()
    page.get_by_role("dialog").get_by_role("button", name="回滚").click()
    expect(side.locator(".badge").first).to_have_text("已回滚", timeout=30_000)
    page.get_by_role("link", name="隔离的要素").click()
    expect(side.get_by_role("heading", level=1)).to_have_text("隔离的要素")


def test_english_phone_and_no_serious_fault_of_access(desk):
    page = desk(size=PHONE, lang="en")
    assert "Import runs" in page.locator("#side").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert faults_of(page) == []
