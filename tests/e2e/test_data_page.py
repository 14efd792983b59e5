"""The import page: a held import approved and rolled back, quarantine corrected, layers viewed."""

import json
import re

import pytest
from playwright.sync_api import expect

from etl.pipeline.run import Request, import_file
from geo.settings import Settings
from tests.e2e.conftest import IDLE, PHONE, faults_of, hold_back, signed_in
from tests.etl.delivery import houses, mapping, write

SHOWN = "() => gridatlas.map.querySourceFeatures('shown').length > 0"


@pytest.fixture(scope="module")
def delivered(town, staff_site, tmp_path_factory):
    """Return a run held for removing too much."""
    folder = tmp_path_factory.mktemp("runs")
    runs = []
    for count in (40, 20):
        data = houses(count, code=[f"d{i:03d}" for i in range(count)])
        file = write(data, folder / f"{count}.gpkg")
        asked = Request("building", file, mapping(source="survey"))
        runs.append(import_file(town, asked, Settings()))
    assert [run.status for run in runs] == ["published", "held"]
    return runs[-1].run


@pytest.fixture
def open_data_page(open_page, staff_site, delivered):
    def open_data_page(path="/data", **how):
        page = open_page(f"{staff_site}{path}", session=signed_in(staff_site, "importer"), **how)
        page.wait_for_function(IDLE)
        page.locator("#side h1").wait_for()
        return page

    return open_data_page


def test_held_import_is_seen_approved_and_rolled_back(open_data_page, delivered):
    page = open_data_page("/data?status=held")
    page.locator(".runs a").first.click()
    side = page.locator("#side")
    side.locator("table.card").wait_for()
    page.wait_for_function(SHOWN)
    expect(page).to_have_url(re.compile(f"/data/runs/{delivered}(#|$)"))
    expect(side.locator(".trouble")).to_contain_text("将被移除")
    assert faults_of(page) == []
    side.get_by_role("button", name="批准").click()
    page.get_by_role("dialog").wait_for()
    assert faults_of(page) == []
    page.get_by_role("dialog").get_by_role("button", name="批准").click()
    expect(page.locator("#notice")).to_contain_text("已批准")
    expect(side.locator(".badge").first).to_have_text("已发布")
    expect(side).to_contain_text("20 项变化中绘出 20 项轮廓")
    expect(side).to_contain_text("等待审批之前用时")
    side.get_by_role("button", name="回滚").click()
    page.get_by_role("dialog").wait_for()
    assert faults_of(page) == []
    page.get_by_role("dialog").get_by_role("button", name="回滚").click()
    expect(side.locator(".badge").first).to_have_text("已回滚")
    page.get_by_role("link", name="隔离要素").click()
    expect(side.get_by_role("heading", level=1)).to_have_text("隔离要素")
    assert faults_of(page) == []


def test_run_that_was_left_while_it_loaded_does_not_come_back(open_data_page, delivered):
    page = open_data_page()
    run = f"**/imports/runs/{delivered}"
    title = page.locator("#side h1")
    with hold_back(page, run) as held:
        with held.expect():
            page.locator(f"a[href='/data/runs/{delivered}']").click()
        page.get_by_role("link", name="隔离要素").click()
        expect(title).to_have_text("隔离要素")
    expect(title).to_have_text("隔离要素")


@pytest.fixture(scope="module")
def refused(town, staff_site, tmp_path_factory):
    """Return the run of ten houses, two of which were refused for their households."""
    data = houses(10, code=[f"q{i:03d}" for i in range(10)])
    data.loc[3, "households"], data.loc[5, "households"] = -1, -2
    file = write(data, tmp_path_factory.mktemp("refused") / "houses.gpkg")
    run = import_file(town, Request("building", file, mapping(source="refused")), Settings())
    assert run.status == "published"
    return run.run


def test_run_lists_columns_and_layers_of_the_file_that_it_did_not_use(
    open_data_page, town, tmp_path
):
    data = houses(3, code=["u0", "u1", "u2"], 备注=["a", "b", "c"], 建筑高=[1, 2, 3])
    file = write(data, tmp_path / "two.gpkg", layer="building")
    write(houses(2), file, layer="树木", append=True)
    outcome = import_file(town, Request("building", file, mapping(source="unused")), Settings())

    side = open_data_page(f"/data/runs/{outcome.run}").locator("#side")

    columns = side.locator("details", has_text="文件中未使用的列").locator("li")
    expect(columns).to_have_count(2)
    expect(columns.filter(has_text="备注")).to_be_visible()
    expect(columns.filter(has_text="建筑高")).to_contain_text("高度")
    layers = side.locator("details", has_text="文件中未导入的图层").locator("li")
    expect(layers).to_have_text(["树木"])


def test_quarantine_is_taken_home_mended_brought_back_and_replayed(
    open_data_page, refused, tmp_path
):
    page = open_data_page(f"/data/runs/{refused}")
    side = page.locator("#side")
    expect(side).to_contain_text("共 2 个")
    side.locator("details", has_text="q003").locator("summary").click()
    expect(side.locator("details", has_text="q003")).to_contain_text("-1")
    with page.expect_download() as taken:
        side.get_by_role("button", name="下载 geojson").click()
    held = json.loads(taken.value.path().read_text(encoding="utf-8"))
    assert [one["properties"]["code"] for one in held["features"]] == ["q003", "q005"]
    held["features"][0]["properties"]["households"] = 31
    mended = tmp_path / "mended.geojson"
    mended.write_text(json.dumps(held), encoding="utf-8")
    side.locator("input[type=file]").set_input_files(mended)
    expect(page.locator("#notice")).to_contain_text("仍隔离 1 个")
    page.goto(f"{page.url.split('/data')[0]}/data/layers/building/q003")
    expect(side.locator(".facts").first).to_contain_text("31")
    page.get_by_role("link", name="隔离要素").click()
    expect(side.locator(".runs > li")).to_have_count(1)
    side.get_by_role("button", name="重新导入").click()
    expect(page.locator("#notice")).to_contain_text("仍隔离 1 个")


def test_layers_are_browsed_to_a_feature_and_its_history(open_data_page, delivered):
    page = open_data_page("/data/layers")
    side = page.locator("#side")
    side.get_by_role("link", name="建筑").click()
    side.get_by_role("searchbox").fill("d00")
    side.get_by_role("button", name="查找").click()
    expect(side).to_contain_text("个要素")
    side.get_by_role("link", name="d007").click()
    expect(side.get_by_role("heading", level=1)).to_have_text("7号楼")
    expect(side.locator(".history li")).to_have_count(1)
    expect(page).to_have_url(re.compile("/data/layers/building/d007(#|$)"))
    page.wait_for_function(SHOWN)
    assert faults_of(page) == []
    page.go_back()
    expect(side.get_by_role("searchbox")).to_have_value("d00")


def test_english_phone_and_no_serious_fault_of_access(open_data_page):
    page = open_data_page(size=PHONE, lang="en")
    expect(page.locator("#side h1")).to_have_text("Import runs")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert faults_of(page) == []
