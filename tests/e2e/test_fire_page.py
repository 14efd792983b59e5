"""The fire page: a building in two gestures, the incident circle, the shut-off, overlays."""

import re
import unicodedata

import httpx
import pypdfium2
import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import insert, text

from geo.fire.rules import Overlay
from geo.model import BuildingUnit, Entity, Facility, PipeNode, PipeSegment
from tests import town as t
from tests.e2e.conftest import IDLE, PHONE, TIMEOUT_S, faults_of, hold_back, signed_in

SIGNS = """sign => gridatlas.map.querySourceFeatures('answer')
  .filter(one => one.properties.sign === sign).map(one => one.properties.code || '')"""
MARKED = f"sign => ({SIGNS})(sign).length > 0"


@pytest.fixture(scope="module")
def equipped(town, staff_site):
    """Return the address with hydrants, a station, a stairwell and a gas main in the town."""

    def point(x, y):
        return "SRID=4490;POINT({} {})".format(*t.degrees(x, y))

    hydrants = [
        {"code": f"h{x}", "network": "water", "kind": "hydrant", "in_service": True}
        | {"flow_l_s": 20.0, "is_open": None, "geom": point(x, 394)}
        for x in (30, 250)
    ]
    kinds = ["source", "valve", "junction", "valve", "end"]
    gas = [
        {"code": f"g{place}", "network": "gas", "kind": kind, "in_service": None}
        | {"flow_l_s": None, "is_open": None, "geom": point(place * 100, 384)}
        for place, kind in enumerate(kinds)
    ]
    main = [
        {"code": f"gas{place}", "network": "gas", "from_node": f"g{place}"}
        | {"to_node": f"g{place + 1}", "diameter_mm": 200.0}
        | {"geom": t.line((place * 100, 384), (place * 100 + 100, 384))}
        for place in range(4)
    ]
    unit = {"code": "u1", "building_code": "b001-001", "name": "1单元", "households": 12}
    with town.begin() as connection:
        connection.execute(insert(PipeNode), hydrants + gas)
        connection.execute(insert(PipeSegment), main)
        station = {"code": "fs", "category": "fire_station", "name": "昭明消防站"}
        connection.execute(insert(Facility), station | {"geom": point(400, 396)})
        connection.execute(insert(BuildingUnit), unit | {"geom": point(20, 30)})
    return staff_site


@pytest.fixture
def open_fire_page(open_page, equipped):
    def open_fire_page(path="/fire", **how):
        page = open_page(f"{equipped}{path}", session=signed_in(equipped, "fire"), **how)
        page.locator(".overlays").wait_for()  # which is shown once the map takes clicks
        page.wait_for_function(IDLE)
        return page

    return open_fire_page


def screen(page, x, y):
    return page.evaluate(
        """place => {const {x, y} = gridatlas.map.project(place),
          box = document.querySelector('#map').getBoundingClientRect();
          return [x + box.x, y + box.y]}""",
        list(t.degrees(x, y)),
    )


def click(page, x, y):
    page.mouse.click(*screen(page, x, y))


def near(page, x, y, zoom=17):
    page.evaluate(
        "([place, zoom]) => gridatlas.map.jumpTo({center: place, zoom})",
        [list(t.degrees(x, y)), zoom],
    )
    page.wait_for_function(IDLE)


def test_building_is_found_by_two_gestures(open_fire_page):
    page = open_fire_page()
    page.get_by_role("combobox").fill("1号楼")
    page.get_by_role("option").first.click()
    panel = page.locator("#side")
    panel.get_by_role("heading", level=1).filter(has_text="1号楼").wait_for()
    for words in ("地上 6 层", "昭明消防站", "消防车道", "网格与网格管理员"):
        expect(panel).to_contain_text(words)
    page.wait_for_function(IDLE)
    expect(page).to_have_url(re.compile("building="))
    for sign in ("building", "hydrant"):
        page.wait_for_function(MARKED, arg=sign)
    page.reload()
    panel.get_by_role("heading", level=1).filter(has_text="1号楼").wait_for()


def test_building_is_opened_by_a_click_and_its_sheet_is_a_pdf(open_fire_page, equipped):
    page = open_fire_page()
    near(page, 100, 100)
    click(page, 130, 131)
    page.get_by_role("button", name="打印建筑消防卡片").wait_for()
    code = page.evaluate("new URLSearchParams(location.search).get('building')")
    bearer = {"Authorization": f"Bearer {signed_in(equipped, 'fire')['access_token']}"}
    sheet = httpx.get(
        f"{equipped}/fire/buildings/{code}/sheet.pdf", headers=bearer, timeout=TIMEOUT_S
    )
    assert sheet.content.startswith(b"%PDF")


def test_what_is_found_on_site_is_recorded_in_the_panel(open_fire_page):
    page = open_fire_page("/fire?building=b001-001")
    items = page.locator("#side .items")
    expect(items.locator("li", has_text="切断电源位置")).to_contain_text("未采集")
    items.get_by_role("button", name="填写现场采集").click()
    items.get_by_label("切断电源位置：情况").fill("总闸")
    items.get_by_label("切断电源位置：位置").fill("东侧配电间")
    items.get_by_label("采集人").fill("王五")
    items.get_by_role("button", name="保存").click()
    line = items.locator("li", has_text="切断电源位置")
    expect(line).to_contain_text("总闸 · 东侧配电间")
    expect(line).to_contain_text("王五")
    others = items.locator("li").count() - 1
    expect(items.locator("li", has_text="未采集")).to_have_count(others)
    assert faults_of(page) == []


def test_plan_is_attached_opened_and_removed_in_the_panel(open_fire_page, tmp_path):
    picture = tmp_path / "floor.png"
    Image.new("RGB", (400, 300), "white").save(picture)
    page = open_fire_page("/fire?building=b001-002")
    plans = page.locator("#side .plans")
    expect(plans).to_contain_text("未附图纸")
    plans.get_by_role("button", name="添加图纸").click()
    plans.get_by_label("楼层或部位").fill("3 层平面图")
    plans.get_by_label("PDF、JPEG").set_input_files(picture)
    plans.get_by_role("button", name="添加", exact=True).click()
    plan = plans.get_by_role("button", name="3 层平面图", exact=True)
    expect(plan).to_be_visible()
    assert faults_of(page) == []
    with page.expect_popup() as opened:
        plan.click()
    tab = opened.value
    tab.wait_for_function("() => document.images[0]?.naturalWidth === 400")
    plans.get_by_role("button", name="删除 3 层平面图").click()
    expect(page.locator("#side .plans")).to_contain_text("未附图纸")


def test_key_units_and_what_stands_around_a_building_are_listed(open_fire_page, town):
    with town.begin() as connection:
        place = "SRID=4490;POINT({} {})".format(*t.degrees(20, 30))
        hotel = {"code": "hotel", "name": "甲宾馆", "building_code": "b001-001", "geom": place}
        connection.execute(insert(Entity), hotel | {"key_unit": True})
    page = open_fire_page()
    page.get_by_role("button", name="全市重点单位").click()
    page.locator("#side").get_by_role("button", name="甲宾馆").click()
    panel = page.locator("#side")
    expect(panel).to_contain_text("毗邻情况")
    for words in ("重点单位", "甲宾馆", "东 2号楼", "分单元人数"):
        expect(panel).to_contain_text(words)


def test_micro_stations_are_drawn_with_their_overlay(open_fire_page, town):
    with town.begin() as connection:
        place = "SRID=4490;POINT({} {})".format(*t.degrees(300, 200))
        micro = {"code": "micro", "category": "micro_station", "name": "微型站", "geom": place}
        connection.execute(insert(Facility), micro)
    page = open_fire_page()
    near(page, 300, 200, 14)
    page.get_by_label("微型消防站").check()
    page.wait_for_function(
        "() => gridatlas.map.queryRenderedFeatures({layers: ['micro-station']}).length === 1"
    )
    expect(page.locator("#layer-legend")).to_contain_text("微型消防站")


def test_incident_circle_lists_people_by_grid_and_grows(open_fire_page):
    page = open_fire_page()
    page.get_by_role("button", name="事故范围").click()
    near(page, 300, 200, 16)
    click(page, 300, 200)
    panel = page.locator("#side")
    expect(panel.get_by_role("heading", level=1)).to_have_text("事故范围")
    expect(panel).to_contain_text("疏散")
    page.get_by_label("半径").fill("500")
    expect(panel).to_contain_text("半径 500 m")
    expect(page).to_have_url(re.compile("incident="))
    assert faults_of(page) == []


@pytest.fixture
def incident(open_fire_page):
    """Return a page with an incident in the middle of the first community."""
    lon, lat = t.degrees(300, 200)
    page = open_fire_page(f"/fire?incident={lon:.6f},{lat:.6f},300")
    expect(page.locator("#side h1")).to_have_text("事故范围")
    page.wait_for_function(IDLE)
    return page


def test_wind_shows_the_sector_downwind_and_whom_it_holds(incident):
    page = incident
    panel = page.locator("#side .wind")
    expect(panel).to_contain_text("仅供参考")
    panel.get_by_label("来风方向").select_option("0")
    panel.get_by_label("风速").fill("6")
    panel.get_by_label("风速").press("Tab")
    expect(panel).to_contain_text("下风向建筑")
    page.wait_for_function(MARKED, arg="wind")
    inside = page.locator("#side dl").first.locator("dd").first.inner_text()
    assert 0 < int(panel.locator("dd").first.inner_text()) < int(inside)
    panel.get_by_label("风速").fill("0")
    panel.get_by_label("风速").press("Tab")
    expect(panel.locator("dd").first).to_have_text(inside)
    assert faults_of(page) == []


def test_water_is_ranked_with_what_it_gives_together(incident):
    heading = incident.get_by_role("heading", name="可用水源（按取用顺序）")
    lines = heading.locator("xpath=..").locator("li").all_inner_texts()
    assert lines
    assert all(words.startswith(("消火栓", "取水点")) for words in lines)
    metres = [
        float(re.search(r"([\d.,]+) m", words)[1].replace(",", ""))
        for words in lines
        if "路径未知" not in words and "停用" not in words
    ]
    assert metres == sorted(metres)


def test_distance_and_area_are_measured_on_the_map_and_with_the_keyboard(open_fire_page):
    page = open_fire_page()
    near(page, 300, 200, 16)
    page.get_by_role("button", name="测量", exact=True).click()
    for place in ((250, 150), (350, 150), (350, 250)):
        click(page, *place)
    expect(page.locator("#side dd").last).to_have_text(re.compile("m²$"))
    expect(page.locator("#side")).to_contain_text("总长")
    total = float(page.locator("#side dd").first.inner_text().split()[0].replace(",", ""))
    assert total == pytest.approx(200, abs=6)
    page.get_by_role("button", name="重新测量").press("Enter")
    page.get_by_role("button", name="添加地图中心点").press("Enter")
    page.wait_for_function(MARKED, arg="measured")
    assert faults_of(page) == []


def test_building_that_arrives_late_does_not_replace_the_measurement(open_fire_page):
    page = open_fire_page()
    page.get_by_role("combobox").fill("1号楼")
    layout = re.compile(r"/fire/buildings/[^?]+$")
    with hold_back(page, layout) as held:
        with held.expect():
            page.get_by_role("option").first.click()
        page.get_by_role("button", name="测量", exact=True).click()
    expect(page.locator("#side h1")).to_have_text("测量")


def test_incident_is_printed_with_its_map_and_lists(incident):
    page = incident
    page.evaluate("window.print = () => { window.printed = true }")
    page.get_by_role("button", name="打印本页").click()
    page.wait_for_function("() => window.printed")
    page.emulate_media(media="print")
    for shown in ("#map canvas", "#side h1"):
        expect(page.locator(shown)).to_be_visible()
    for hidden in ("#head", "#overlays"):
        expect(page.locator(hidden)).to_be_hidden()
    height = page.locator("#side").evaluate("node => node.scrollHeight - node.clientHeight")
    assert height <= 1, "nothing of the lists is cut off"
    pdf = pypdfium2.PdfDocument(page.pdf(prefer_css_page_size=True))
    words = "".join(sheet.get_textpage().get_text_range() for sheet in pdf)
    assert "可用水源" in unicodedata.normalize("NFKC", words)
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    expect(page.locator("body")).not_to_have_class(re.compile("printing"))


def test_pipe_is_shut_off_and_a_valve_that_sticks_gives_the_next_ring(open_fire_page):
    page = open_fire_page()
    page.get_by_role("button", name="关阀").click()
    near(page, 150, 384)
    click(page, 150, 384)
    panel = page.locator("#side")
    expect(panel.get_by_role("heading", level=1)).to_have_text("关阀")
    valves = panel.locator("section", has_text="需关闭的阀门")
    expect(valves).to_contain_text("g1")
    page.wait_for_function(IDLE)
    click(page, 100, 384)
    expect(panel.locator("section", has_text="无法关闭的阀门")).to_contain_text("g1")
    expect(page).to_have_url(re.compile("stuck=g1"))
    assert faults_of(page) == []


def test_city_never_checked_says_so_and_is_checked_on_demand(open_fire_page, town):
    with town.begin() as connection:
        for table in ("fire_finding", "fire_overlay"):
            connection.execute(text(f"DELETE FROM {table}"))
    page = open_fire_page()
    box = page.locator(".overlays")
    expect(box).to_contain_text("尚未按规范检查")
    expect(box.locator(".counts", has_text="未检查")).to_have_count(len(Overlay))
    expect(box.locator(".count")).to_have_count(0)  # no zeros where nobody looked
    assert faults_of(page) == []
    box.get_by_role("button", name="立即检查").click()
    expect(box).to_contain_text("检查于")
    expect(box.locator(".count")).to_have_count(4 * len(Overlay))


def test_overlays_go_on_with_counts_and_findings_in_view(open_fire_page):
    page = open_fire_page()
    box = page.locator(".overlays")
    expect(box.get_by_role("checkbox")).to_have_count(len(Overlay))
    box.get_by_label("消防救援站").or_(box.get_by_role("checkbox").last).first.check()
    expect(box.locator(".findings")).to_contain_text("当前范围内")
    shown = page.evaluate("gridatlas.map.getLayoutProperty('station', 'visibility')")
    assert shown == "visible"
    assert faults_of(page) == []


def test_layers_have_a_legend_and_say_where_to_zoom_in(open_fire_page):
    page = open_fire_page()
    legend = page.locator("#layer-legend")
    page.get_by_role("checkbox").first.wait_for()
    expect(legend.locator("li")).to_have_count(0)
    page.get_by_role("button", name="关阀").click()
    for words in ("给水管", "燃气管", "阀门"):
        expect(legend).to_contain_text(words)
    page.evaluate("gridatlas.map.jumpTo({zoom: 14})")
    expect(legend.locator("li", has_text="阀门")).to_contain_text("放大地图后显示")
    page.evaluate("gridatlas.map.jumpTo({zoom: 16})")
    expect(legend.locator("li", has_text="阀门")).not_to_contain_text("放大")
    assert faults_of(page) == []


def test_findings_have_addresses_and_close_buildings_are_listed_by_block(
    open_fire_page, town, client_of
):
    with town.begin() as connection:
        moved = "UPDATE building SET geom = ST_Translate(geom, 0.00033, 0), address = :address"
        address = {"address": "建设街181号", "code": "b001-001"}
        connection.execute(text(f"{moved} WHERE code = :code"), address)
    client_of("admin").post("/fire/findings/refresh", timeout=120).raise_for_status()
    page = open_fire_page()
    page.get_by_role("checkbox").first.wait_for()
    page.locator("#overlay-separation").check()
    block = page.locator(".findings .block").first
    expect(block).to_contain_text("栋建筑间距不足")
    before = page.evaluate("gridatlas.map.getZoom()")
    block.get_by_role("button", name="在地图上查看").click()
    page.wait_for_function("zoom => gridatlas.map.getZoom() > zoom", arg=before)
    found = client_of("fire").get("/fire/findings?building=b001-001").json()["features"]
    assert {one["properties"]["address"] for one in found if one["id"]} >= {"建设街181号"}


def test_english_phone_and_no_serious_fault_of_access(open_fire_page):
    page = open_fire_page("/fire?building=b001-001", size=PHONE, lang="en")
    page.get_by_role("button", name="Print the building sheet").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    expect(page.locator("#side")).to_contain_text("Nearest hydrants")
    assert faults_of(page) == []
