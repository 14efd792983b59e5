"""The public page: what is drawn, what a click tells, both languages, a phone."""

import io
import re

import httpx
import numpy as np
import pypdfium2 as pdfium
import pytest
import shapely
import zxingcpp
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import insert, text, update

from api.tiles import tile_archive
from geo import db
from geo.model import GridManager, GridPlan
from geo.settings import settings
from tests import town as t
from tests.e2e.conftest import IDLE, PHONE, TIMEOUT_S, answer, faults_of, hold_back
from tests.server import serving

DRAWN = """() => gridatlas.map.queryRenderedFeatures(undefined, {layers: ["grid-fill"]}).length"""


def ready(page):
    page.wait_for_function(IDLE)
    return page


def rendered(page, layer):
    """Return properties and shapes (in degrees) of what a layer shows."""
    found = page.evaluate(
        """layer => gridatlas.map.queryRenderedFeatures(undefined, {layers: [layer]})
                  .map(({properties, geometry}) => ({properties, geometry}))""",
        layer,
    )
    return [(one["properties"], shapely.geometry.shape(one["geometry"])) for one in found]


def pixel_of(page, x, y):
    """Return where a place of the town is on the screen."""
    place = page.evaluate(
        "place => {const {x, y} = gridatlas.map.project(place); return [x, y]}", t.degrees(x, y)
    )
    return tuple(round(part) for part in place)


def colour_at(page, *places):
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    return [picture[row, column] for column, row in (pixel_of(page, x, y) for x, y in places)]


def click_at(page, x, y):
    page.mouse.click(*pixel_of(page, x, y))


@pytest.fixture
def page(open_page, address):
    return ready(open_page(address))


def test_every_grid_is_drawn_with_its_number_and_the_ground_under_it(page):
    drawn = {grid["code"] for grid, _ in rendered(page, "grid-fill")}
    numbered = {label["code"] for label, _ in rendered(page, "grid-label")}
    assert len(drawn) == 12
    assert len(numbered) >= 10, "the panels may cover one or two"
    for layer in ("building", "road-arterial-fill", "road-local-fill", "railway", "water"):
        assert rendered(page, layer), layer


def test_neighbouring_grids_have_different_fills(page):
    grids = rendered(page, "grid-fill")
    for one, shape in grids:
        for other, beside in grids:
            if one["code"] < other["code"] and shape.distance(beside) < 1e-6:
                assert one["colour"] != other["colour"], (one["code"], other["code"])


def test_neighbours_differ_in_what_the_eye_sees(page):
    """Six grids of a community, each at a place without building, road or label."""
    centres = [(x + 105, y + 120) for y in (0, 200) for x in (600, 800, 1000)]
    seen = colour_at(page, *centres)
    for left, right in ((0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)):
        assert np.abs(seen[left] - seen[right]).max() > 20


def test_labels_are_ink_on_the_picture(open_page, address):
    """Without any glyph server the digits and the Chinese must still have been drawn."""
    page = ready(open_page(address, is_sharp=True))
    label = next(shape for grid, shape in rendered(page, "grid-label") if grid["serial"] == 3)
    column, row = page.evaluate(
        "place => {const {x, y} = gridatlas.map.project(place); return [x, y]}",
        list(label.coords[0]),
    )
    clip = {"x": column - 40, "y": row - 24, "width": 80, "height": 48}

    def picture():
        ready(page)
        return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L"))

    def write(words):
        page.evaluate(
            "words => gridatlas.map.setLayoutProperty('grid-label', 'text-field', words)", words
        )
        return picture().astype(int)

    blank, digits, chinese = write(""), write("412"), write("户数")
    for written in (digits, chinese):
        assert (blank - written > 40).sum() > 60
    assert (np.abs(digits - chinese) > 40).sum() > 60


def test_click_opens_the_grids_card_and_escape_closes_it(page):
    click_at(page, 905, 120)
    panel = page.locator("#panel")
    for words in ("第 5 网格", "钟鼓楼社区", f"{t.DRUM_TOWER}005", "16 栋"):
        expect(panel).to_contain_text(words)
    ready(page)
    assert [grid["code"] for grid, _ in rendered(page, "grid-selected")] != []
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_closed_card_stays_closed_when_its_manager_arrives(page):
    manager = f"**/grids/{t.DRUM_TOWER}005"
    panel = page.locator("#panel")
    with hold_back(page, manager) as held:
        with held.expect():
            click_at(page, 905, 120)
        expect(panel).to_be_visible()
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
    expect(panel).to_be_hidden()


def test_card_of_the_last_click_stays_when_an_earlier_answer_arrives(page):
    grids = re.compile(r"/grids\?")
    panel = page.locator("#panel")
    with hold_back(page, grids) as held:
        for place in ((905, 120), (705, 120)):
            with held.expect():
                click_at(page, *place)
        answer(page, held.routes.pop())
        expect(panel).to_contain_text(f"{t.DRUM_TOWER}004")
    expect(panel).to_contain_text(f"{t.DRUM_TOWER}004")


def test_click_beside_every_grid_closes_the_card(page):
    click_at(page, 905, 120)
    page.locator("#panel").wait_for(state="visible")
    click_at(page, 500, 520)
    page.locator("#panel").wait_for(state="hidden")


def test_click_on_a_far_community_comes_nearer(page):
    page.evaluate("gridatlas.map.jumpTo({zoom: 11.5})")
    ready(page)
    click_at(page, 900, 200)
    page.wait_for_function("() => gridatlas.map.getZoom() > 14")


def test_language_is_switched_and_remembered(page):
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    expect(page.locator("h1")).to_have_text("襄阳市网格图谱")
    expect(page.locator("#brand p")).to_contain_text("12 个网格")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#brand p")).to_contain_text("12 grids")
    expect(page.locator("#legend")).to_contain_text("Compound wall")
    page.reload()
    ready(page)
    assert page.evaluate("document.documentElement.lang") == "en"
    label = page.evaluate(
        "JSON.stringify(gridatlas.map.getLayoutProperty('grid-label', 'text-field'))"
    )
    assert "households" in label


def test_list_leads_to_a_community(page):
    page.get_by_role("button", name="社区列表").click()
    rows = page.locator("#list li button")
    expect(rows).to_have_count(3)
    expect(rows.nth(2)).to_have_text("江滨<社区>未划分")
    rows.nth(1).click()
    ready(page)
    lon, lat = t.degrees(900, 200)
    centre = page.evaluate("gridatlas.map.getCenter()")
    assert abs(centre["lng"] - lon) < 1e-3
    assert abs(centre["lat"] - lat) < 1e-3


def test_far_out_communities_take_the_place_of_grids(page):
    page.evaluate("gridatlas.map.jumpTo({zoom: 11.5})")
    ready(page)
    assert {area["code"] for area, _ in rendered(page, "community-fill")} == set(t.COMMUNITIES)
    assert rendered(page, "grid-fill") == []
    assert rendered(page, "community-label")


def test_phone_has_everything_within_reach(open_page, address):
    page = ready(open_page(address, PHONE))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert len({grid["code"] for grid, _ in rendered(page, "grid-fill")}) == 12
    click_at(page, 905, 120)
    panel = page.locator("#panel")
    panel.wait_for(state="visible")
    box = panel.bounding_box()
    assert box["x"] == 0
    assert box["y"] + box["height"] == pytest.approx(PHONE["height"], abs=1)
    assert box["height"] < PHONE["height"] / 2
    panel.get_by_role("button", name="关闭").click()
    expect(panel).to_be_hidden()
    for name in ("English", "社区列表"):
        size = page.get_by_role("button", name=name).bounding_box()
        assert min(size["width"], size["height"]) >= 34


def test_cut_network_is_said_and_the_map_stays(open_page, address):
    page = ready(open_page(address, faults_allowed=True))
    page.context.set_offline(True)
    click_at(page, 905, 120)
    expect(page.locator("#notice")).to_contain_text("服务器无响应")
    assert rendered(page, "grid-fill")
    page.context.set_offline(False)
    click_at(page, 905, 120)
    page.locator("#panel").wait_for(state="visible")


def test_public_sees_no_drafts_even_where_nothing_is_published(open_page, address, town):
    published = GridPlan.status == "published"
    with town.begin() as connection:
        connection.execute(update(GridPlan).where(published).values(status="draft"))
    try:
        page = ready(open_page(address))
        expect(page.locator("#draft")).to_be_hidden()
        assert rendered(page, "grid-fill") == []
    finally:
        with town.begin() as connection:
            ours = GridPlan.community_code != t.RIVERSIDE
            connection.execute(update(GridPlan).where(ours).values(status="published"))


def test_empty_database_says_what_to_do(open_page, database):
    with serving(database) as address:
        page = open_page(address)
        expect(page.locator("#notice")).to_contain_text("gridatlas demo")
        page.close()


@pytest.fixture(scope="module")
def staffed(town):
    grid = f"{t.NORTH_GATE}001"
    manager = {"grid_code": grid, "name": "王秀兰", "phone": "139 0000 0001", "duties": "走访"}
    with town.begin() as connection:
        connection.execute(insert(GridManager), manager)
    return grid


def test_resident_finds_the_manager_by_searching_a_building(page, staffed):
    field = page.get_by_role("combobox")
    field.fill("北门社区第1网格")
    page.get_by_role("option").first.wait_for()
    field.press("Enter")
    panel = page.locator("#panel")
    expect(panel.locator(".manager")).to_contain_text("王秀兰")
    expect(panel.get_by_role("link")).to_have_attribute("href", "tel:13900000001")
    field.fill("1号楼")
    page.get_by_role("option").first.click()
    page.locator(".maplibregl-marker").wait_for()
    assert faults_of(page) == []


def test_own_position_opens_the_grid_there(browser, address):
    lon, lat = t.degrees(905, 120)
    place = {"longitude": lon, "latitude": lat}
    context = browser.new_context(geolocation=place, permissions=["geolocation"], locale="zh-CN")
    page = context.new_page()
    page.goto(address)
    ready(page)
    page.get_by_role("button", name="我的位置").click()
    expect(page.locator("#panel")).to_contain_text(f"{t.DRUM_TOWER}005")
    context.close()


def test_scanned_code_opens_the_card_of_its_grid(open_page, address, staffed):
    page = open_page(f"{address}/?grid={staffed}", PHONE)
    page.locator("#panel .manager").wait_for()
    expect(page.locator("#panel")).to_contain_text(staffed)


def test_baked_tiles_draw_the_same_map(open_page, address, town):
    engine = db.api_engine(db.api_url(town.url))
    made = tile_archive.bake(engine)
    engine.dispose()
    page = open_page(f"{address}/?baked")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    ready(page)
    page.wait_for_function(DRAWN)
    assert any(made.name in url for url in asked)
    assert not any("/tiles/" in url for url in asked)
    assert len({grid["code"] for grid, _ in rendered(page, "grid-fill")}) == 12
    assert rendered(page, "building")


def test_help_is_short_ends_by_escape_and_leads_staff_to_their_pages(page):
    page.get_by_role("button", name="帮助").click()
    expect(page.locator(".tour")).to_contain_text("地址")
    assert faults_of(page) == []
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("button", name="下一步").click()
    expect(page.locator(".tour").get_by_role("button", name="下一步")).to_have_count(0)
    page.locator(".tour").press("Escape")
    expect(page.locator(".tour, .spot")).to_have_count(0)
    page.locator("#list-toggle").click()
    links = page.locator("#list footer a")
    pages = [link.get_attribute("href") for link in links.all()]
    assert pages == ["/plan", "/fire", "/data", "/cases", "/assess"]


def test_first_visit_is_led_once(browser, address):
    context = browser.new_context(locale="zh-CN")
    context.add_init_script("Object.defineProperty(navigator, 'webdriver', {get: () => false})")
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".tour").get_by_role("button", name="下一步")).to_be_focused()
    page.locator(".tour").get_by_role("button", name="结束").click()
    page.reload()
    ready(page)
    expect(page.locator(".tour")).to_have_count(0)
    context.close()


# Whether the address holds the view that the map shows at rest.
VIEW_IS_KEPT = """() => {
  const [zoom, lat, lng] = (location.hash.match(/map=([^&]*)/)?.[1] ?? '').split('/').map(Number);
  const {map} = gridatlas, centre = map.getCenter();
  const isSamePlace = Math.hypot(centre.lng - lng, centre.lat - lat) < 1e-4;
  return isSamePlace && Math.abs(zoom - map.getZoom()) < 0.1;
}"""
# Whether the pin is below the header and above the card of a phone.
PIN_IS_CLEAR = """() => {
  const [bar, pin, card] = ['#bar', '.maplibregl-marker', '#panel']
    .map(one => document.querySelector(one)?.getBoundingClientRect());
  return pin && bar.bottom < pin.bottom && pin.bottom < card.top;
}"""


def test_address_keeps_grid_and_place_and_a_reload_shows_them(page, staffed):
    field = page.get_by_role("combobox")
    field.fill("北门社区第1网格")
    page.get_by_role("option").first.wait_for()
    field.press("Enter")
    page.locator("#panel .manager").wait_for()
    expect(page).to_have_url(re.compile(f"grid={staffed}"))
    lon, lat = t.degrees(905, 120)
    page.goto(f"{page.url.split('?')[0]}?place={lon:.6f},{lat:.6f}")
    expect(page).to_have_url(re.compile(f"grid={t.DRUM_TOWER}005"))
    ready(page)
    page.wait_for_function(VIEW_IS_KEPT)
    before, view = page.evaluate("location.href"), page.evaluate("gridatlas.map.getCenter()")
    page.reload()
    expect(page.locator("#panel")).to_contain_text(f"{t.DRUM_TOWER}005")
    ready(page)
    expect(page.locator(".maplibregl-marker")).to_have_count(1)
    assert page.evaluate("gridatlas.map.getCenter()") == pytest.approx(view, abs=1e-4)
    expect(page).to_have_url(before)
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="中文").wait_for()
    page.locator("#panel").get_by_text("Grid 5").wait_for()
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("grid=|place="))


def test_pin_is_beside_the_card_on_a_phone(open_page, address):
    for x, y in ((905, 120), (905, 20), (300, 390)):
        lon, lat = t.degrees(x, y)
        page = open_page(f"{address}/?place={lon:.6f},{lat:.6f}", PHONE)
        page.locator("#panel").wait_for(state="visible")
        page.wait_for_function(PIN_IS_CLEAR)


def test_click_under_the_card_of_a_phone_moves_into_view(open_page, address):
    page = ready(open_page(address, PHONE))
    page.evaluate("place => gridatlas.map.jumpTo({center: place, zoom: 17})", t.degrees(905, 200))
    ready(page)
    page.mouse.click(200, 780)
    page.locator("#panel").wait_for(state="visible")
    assert page.locator("#panel").bounding_box()["y"] < 780


def test_position_outside_the_city_is_reported_and_the_map_stays(browser, address):
    beijing = {"longitude": 116.39, "latitude": 39.9}
    context = browser.new_context(geolocation=beijing, permissions=["geolocation"], locale="zh-CN")
    page = context.new_page()
    page.goto(address)
    ready(page)
    before = page.evaluate("gridatlas.map.getCenter()")
    page.get_by_role("button", name="我的位置").click()
    page.get_by_role("status").get_by_text("不在本市范围内").wait_for()
    assert page.evaluate("gridatlas.map.getCenter()") == before
    context.close()


def test_card_is_shared_as_link_and_qr_code(open_page, town, staffed, monkeypatch):
    monkeypatch.setenv("GRIDATLAS_SITE", "https://grid.example")
    settings.cache_clear()
    try:
        with serving(town) as address:
            page = open_page(f"{address}/?grid={staffed}", PHONE)
            page.get_by_role("button", name="分享").click()
            section = page.get_by_role("region", name="分享")
            picture = section.get_by_role("img")
            picture.wait_for()
            link = f"https://grid.example/?grid={staffed}"
            expect(section.get_by_role("textbox")).to_have_value(link)
            ready(page)
            shown = Image.open(io.BytesIO(picture.screenshot()))
            assert [code.text for code in zxingcpp.read_barcodes(shown)] == [link]
            assert faults_of(page) == []
            page.close()
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_link_that_arrives_late_is_not_put_on_another_card(open_page, address, staffed):
    page = ready(open_page(f"{address}/?grid={staffed}"))
    with hold_back(page, "**/share*") as held:
        with held.expect():
            page.get_by_role("button", name="分享").click()
        page.keyboard.press("Escape")
        expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("#panel .share")).to_have_count(0)


# No frame is drawn from the moment that there is a map.
FRAMES_HELD = """const draw = requestAnimationFrame, frames = [];
window.requestAnimationFrame = (frame) =>
  frames.isGoingOn || !document.querySelector('.maplibregl-canvas') ? draw(frame)
    : frames.push(frame);
window.goOn = () => { frames.isGoingOn = true; frames.forEach(draw); };"""


def test_card_of_the_address_is_shown_though_the_map_has_no_style_yet(open_page, address, staffed):
    page = open_page(f"{address}/?report", script=FRAMES_HELD)
    with page.expect_response(f"**/grids/{staffed}") as grid:
        page.goto(f"{address}/?grid={staffed}")
    grid.value.finished()
    page.evaluate("() => fetch('/health').then(answer => answer.text())")  # comes after
    expect(page.locator("#notice")).to_be_hidden()
    page.evaluate("goOn()")
    expect(page.locator("#panel .manager")).to_contain_text("王秀兰")


def test_address_of_this_machine_is_shared_without_a_qr_code(open_page, address, staffed):
    page = open_page(f"{address}/?grid={staffed}")
    page.get_by_role("button", name="分享").click()
    section = page.get_by_role("region", name="分享")
    expect(section.get_by_role("textbox")).to_have_value(f"{address}/?grid={staffed}")
    expect(section).to_contain_text("只能在本机打开")
    expect(section.get_by_role("img")).to_have_count(0)


def test_print_shows_the_whole_chosen_grid(open_page, address, staffed):
    page = open_page(f"{address}/?grid={staffed}")
    page.locator("#panel .manager").wait_for()
    ready(page)
    page.evaluate("gridatlas.map.jumpTo({zoom: 19})")
    page.evaluate("window.print = () => { window.printed = true }")
    page.get_by_role("button", name="打印").click()
    page.wait_for_function("() => window.printed")
    page.emulate_media(media="print")
    ready(page)
    view = shapely.box(*page.evaluate("gridatlas.map.getBounds().toArray().flat()"))
    grid = shapely.box(*httpx.get(f"{address}/grids/{staffed}", timeout=TIMEOUT_S).json()["bbox"])
    assert view.contains(grid)
    assert rendered(page, "grid-selected")
    pdf = pdfium.PdfDocument(page.pdf(format="A4"))
    words = "".join(pdf[0].get_textpage().get_text_range().split())
    assert staffed in words
    assert "王秀兰" in words
    page.emulate_media(media="screen")


def test_browser_in_english_changes_to_chinese_before_the_city_arrives(browser, address):
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    with hold_back(page, "**/regions*"):
        page.goto(address)
        page.get_by_role("button", name="中文").click()
    page.get_by_role("button", name="English").wait_for()
    expect(page.locator(f'#list [data-code="{t.NORTH_GATE}"]')).to_contain_text("户")
    page.reload()
    page.get_by_role("button", name="English").wait_for()
    context.close()


def test_list_of_communities_tells_residents_without_figures_of_one_or_two(page, town):
    insert_dwelling = text(
        "INSERT INTO dwelling (code, building_code, residents, geom) "
        "SELECT code || '-101', code, :residents, ST_PointOnSurface(geom) FROM building "
        "WHERE region_code = :region ORDER BY code LIMIT 1"
    )
    with town.begin() as connection:
        for region, residents in ((t.NORTH_GATE, 12), (t.RIVERSIDE, 2)):
            connection.execute(insert_dwelling, {"region": region, "residents": residents})
    page.reload()
    ready(page)
    expect(page.locator(f'#list [data-code="{t.NORTH_GATE}"]')).to_contain_text("居民 12 人")
    expect(page.locator(f'#list [data-code="{t.RIVERSIDE}"]')).not_to_contain_text("居民")
    figures = "**/register/communities*"
    with hold_back(page, figures) as held:
        for _ in range(2):  # to English and back, before the figures arrive
            with held.expect():
                page.locator("#language").click()
    row = page.locator(f'#list [data-code="{t.NORTH_GATE}"]')
    expect(row).to_contain_text("居民 12 人")
    expect(row.locator("small")).to_have_count(2)
