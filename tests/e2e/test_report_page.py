"""The online site: residents report, follow up and rate; the page on personal information."""

import io

import httpx
import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import Engine

from geo.casework.actors import Actor
from geo.casework.case_store import StepRequest, take_step
from geo.casework.workflow import Action
from geo.settings import settings
from tests import town as t
from tests.e2e.conftest import DESKTOP, IDLE, PHONE, TIMEOUT_S, faults_of, hold_back

OFFICE = Actor("office", "office", t.STREET[:9])
HERE = (300, 350)


@pytest.fixture(scope="module", autouse=True)
def unhurried():
    before = settings().reports_per_minute, settings().follow_ups_per_minute
    settings().reports_per_minute = settings().follow_ups_per_minute = 100_000
    yield
    settings().reports_per_minute, settings().follow_ups_per_minute = before


@pytest.fixture
def open_report(open_page, address):
    def open_report(size=DESKTOP, part="", **options):
        page = open_page(f"{address}/report{part}", size, **options)
        page.wait_for_function(IDLE)
        return page

    return open_report


def picture(colour="red"):
    out = io.BytesIO()
    Image.new("RGB", (2400, 1200), colour).save(out, "JPEG")
    return {"name": "IMG_1.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def tap_map(page, place=HERE):
    position = page.evaluate(
        "place => {const {x, y} = gridatlas.map.project(place); return {x, y}}", t.degrees(*place)
    )
    page.locator("#map").click(position=position)


def fill(page, kind="burst_pipe", words="水管裂了"):
    page.locator(f"input[name=kind][value={kind}]").check()
    page.locator("textarea").fill(words)


def ticket_of(page):
    page.locator(".receipt").wait_for()
    secret = page.locator(".secret").inner_text().replace(" ", "")
    return page.locator(".number").inner_text(), secret


def report_back(engine: Engine, number: str) -> None:
    """Handle a case as its office does."""
    for action in (Action.ACCEPT, Action.REGISTER, Action.HANDLE, Action.REPORT_BACK):
        with engine.begin() as connection:
            step = StepRequest(action, "已修好", kind="burst_pipe")
            take_step(connection, number, step, OFFICE)


def cases(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM service_case").scalar_one()


def test_resident_reports_with_a_photo_follows_up_and_rates(open_report, town):
    page = open_report(PHONE)
    tap_map(page)
    page.get_by_text("北门社区第").wait_for()
    fill(page)
    page.locator("input[type=file]").set_input_files([picture()])
    page.locator(".photos img").wait_for()
    page.get_by_role("button", name="提交").click()
    number, secret = ticket_of(page)
    page.locator(".qr").get_by_text("只能在本机打开").wait_for()
    expect(page.get_by_role("heading", name="已收到您反映的问题")).to_be_focused()

    page.get_by_role("button", name="查询进度").click()
    page.get_by_role("heading", name=number).wait_for()
    expect(page.locator("[aria-current=step]")).to_have_text("待受理")
    page.locator("textarea").fill("还在漏")
    page.get_by_role("button", name="补充").click()
    page.locator(".events").get_by_text("还在漏").wait_for()

    report_back(town, number)
    page.get_by_role("button", name="刷新").click()
    page.get_by_label("4 分").check()
    page.get_by_role("button", name="评议").click()
    page.locator(".facts").get_by_text("4 分 – 满意").wait_for()
    expect(page.get_by_role("button", name="评议")).to_have_count(0)
    with town.connect() as connection:
        photo = connection.exec_driver_sql(
            "SELECT photo FROM case_photo p JOIN service_case c ON c.id = p.case_id "
            "WHERE number = %s",
            (number,),
        ).scalar_one()
    assert Image.open(io.BytesIO(photo)).size == (1600, 800)
    assert secret


# Photos are not shrunk before the test lets them be.
PHOTOS_HELD = """const shrink = window.createImageBitmap;
window.createImageBitmap = (file) =>
  new Promise((done) => { window.goOn = () => done(shrink(file)); });"""


def test_photo_that_is_still_being_shrunk_is_sent_too(open_report, town):
    page = open_report(script=PHOTOS_HELD)
    tap_map(page)
    fill(page, words="照片还在处理")
    page.locator("input[type=file]").set_input_files([picture()])
    page.locator("#view button.primary").click()
    expect(page.locator("#view button.primary")).to_be_disabled()
    page.evaluate("goOn()")
    ticket_of(page)
    with town.connect() as connection:
        photos = connection.exec_driver_sql(
            "SELECT count(*) FROM case_photo p JOIN service_case c ON c.id = p.case_id "
            "WHERE c.description = '照片还在处理'"
        )
        assert photos.scalar_one() == 1


def test_link_opens_the_case_and_leaves_no_secret_in_the_address(open_report, address, town):
    lon, lat = t.degrees(*HERE)
    form = {"kind": "burst_pipe", "lon": lon, "lat": lat, "description": "水管裂了"}
    filed = httpx.post(f"{address}/reports", data=form, timeout=TIMEOUT_S).raise_for_status().json()
    headers = {"Case-Secret": filed["secret"]}
    link = httpx.get(
        f"{address}/reports/{filed['number']}/link", headers=headers, timeout=TIMEOUT_S
    )
    url = link.raise_for_status().json()["url"]
    page = open_report(part=url.partition("/report")[2])
    page.get_by_role("heading", name=filed["number"]).wait_for()
    assert filed["secret"] not in page.evaluate("location.href")
    wrong = httpx.get(link.url, headers={"Case-Secret": "A" * 16}, timeout=TIMEOUT_S)
    assert wrong.status_code == 404


def test_case_that_arrives_late_does_not_replace_another_tab(open_report, address):
    lon, lat = t.degrees(*HERE)
    form = {"kind": "burst_pipe", "lon": lon, "lat": lat, "description": "水管裂了"}
    filed = httpx.post(f"{address}/reports", data=form, timeout=TIMEOUT_S).json()
    page = open_report()
    page.locator("#tabs a[href='#follow']").click()
    page.get_by_label("编号").fill(filed["number"])
    page.get_by_label("查询码").fill(filed["secret"])
    case = f"**/reports/{filed['number']}"
    with hold_back(page, case):
        with page.expect_request(case):
            page.locator("#view button.primary").click()
        page.locator("#tabs a[href='#guide']").click()
        expect(page.get_by_role("heading", name="办事指南")).to_be_visible()
    expect(page.locator(".case")).to_have_count(0)


def test_place_is_searched_for_before_the_kinds_arrive(open_report):
    page = open_report()
    kinds = "**/reports/kinds*"
    with hold_back(page, kinds):
        with page.expect_request(kinds):
            page.reload()
        page.locator("#search").fill("1号楼")
        page.get_by_role("option").first.click()
    expect(page.locator("#place output")).to_contain_text("网格")


def test_file_that_is_no_photo_is_named_at_the_field_and_nothing_is_filed(open_report, town):
    page = open_report(faults_allowed=True)
    before = cases(town)
    tap_map(page)
    fill(page)
    page.locator("input[type=file]").set_input_files(
        [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no photo" * 50}]
    )
    page.locator(".photos img").wait_for()
    page.get_by_role("button", name="提交").click()
    photos = page.locator(".field", has=page.locator("input[type=file]"))
    photos.locator(".message:not(:empty)").wait_for()
    expect(page.locator("textarea")).to_have_value("水管裂了")
    assert cases(town) == before


def test_place_outside_the_city_is_named_at_the_place(open_report, town):
    page = open_report(faults_allowed=True)
    before = cases(town)
    page.evaluate("gridatlas.map.jumpTo({center: [116.4, 39.9]})")
    page.get_by_role("button", name="把图钉放在地图中央").click()
    fill(page)
    page.get_by_role("button", name="提交").click()
    expect(page.locator("#place .message")).to_contain_text("116.4")
    assert cases(town) == before


def test_fields_that_are_missing_are_named_and_the_first_takes_the_focus(open_report):
    page = open_report()
    page.get_by_role("button", name="提交").click()
    expect(page.locator("[role=alert]:not(:empty)")).to_have_count(4)
    expect(page.locator("#search")).to_be_focused()


def test_lost_answer_is_asked_for_again_with_the_same_key(open_report, town):
    page = open_report(faults_allowed=True)
    before, keys, devices = cases(town), [], set()

    def lose_first_answer(route):
        if route.request.method == "POST":
            keys.append(route.request.headers["idempotency-key"])
            devices.add(route.request.headers["device-token"])
            if len(keys) == 1:
                route.fetch()
                return route.abort()
        return route.continue_()

    page.route("**/reports", lose_first_answer)
    tap_map(page)
    fill(page)
    page.get_by_role("button", name="提交").click()
    page.get_by_text("重新提交不会重复登记").wait_for()
    expect(page.locator("textarea")).to_have_value("水管裂了")
    page.get_by_role("button", name="重试").click()
    ticket_of(page)
    assert len(keys) == 2
    assert (len(set(keys)), len(devices)) == (1, 1)
    assert cases(town) == before + 1


def test_changing_the_language_keeps_what_was_typed(open_report):
    page = open_report()
    tap_map(page)
    fill(page)
    page.locator("#language").click()
    page.get_by_role("button", name="Send").wait_for()
    page.get_by_text("grid 2").wait_for()
    page.get_by_label("Burst pipe").wait_for()
    expect(page.locator("textarea")).to_have_value("水管裂了")
    expect(page.locator("input[name=kind]:checked")).to_have_value("burst_pipe")


def press_until(page, key, reached, most=80):
    for _ in range(most):
        if page.evaluate(reached):
            return
        page.keyboard.press(key)
    pytest.fail(f"not reached with {key}: {reached}")


def test_keyboard_alone_reports(open_report):
    page = open_report()
    press_until(page, "Tab", "() => document.activeElement.matches('canvas')")
    page.keyboard.press("Enter")
    page.wait_for_function("() => /网格/.test(document.querySelector('output').textContent)")
    press_until(page, "Tab", "() => document.activeElement.matches('[type=search]:not(#search)')")
    page.keyboard.type("管道破裂")
    press_until(page, "Tab", "() => document.activeElement.name === 'kind'")
    page.keyboard.press("Space")
    press_until(page, "Tab", "() => document.activeElement.matches('textarea')")
    page.keyboard.type("水管裂了")
    press_until(page, "Tab", "() => document.activeElement.matches('button.primary')")
    page.keyboard.press("Enter")
    ticket_of(page)


def test_released_cases_are_listed_nearby(open_report, address, town):
    page = open_report()
    tap_map(page)
    fill(page, "small_advertisement", "墙上有广告")
    page.get_by_role("button", name="提交").click()
    number, _ = ticket_of(page)
    page.locator("#tabs").get_by_text("身边事项").click()
    page.locator(".nearby li").first.wait_for()
    expect(page.locator(".nearby")).not_to_contain_text("非法小广告")
    with town.begin() as connection:
        take_step(connection, number, StepRequest(Action.RELEASE), OFFICE)
    page.get_by_role("button", name="搜索此处").click()
    page.locator(".nearby").get_by_text("非法小广告").wait_for()
    expect(page.locator(".nearby")).not_to_contain_text("墙上")


def test_service_guide_leads_to_the_report_of_a_kind(open_report):
    page = open_report(PHONE)
    page.locator("#tabs").get_by_text("办事指南").click()
    page.locator("#view details summary").first.click()
    expect(page.get_by_role("heading", name="所需材料").first).to_be_visible()
    page.locator("#view details").first.get_by_role("button", name="我要反映").click()
    page.locator("input[name=kind]:checked").wait_for()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_screen_readers_can_read_every_part(open_report, size, lang):
    page = open_report(size, lang=lang)
    for part in ("new", "follow", "nearby", "guide"):
        page.locator(f"#tabs a[href='#{part}']").click()
        page.locator(f"#tabs a[href='#{part}'][aria-current]").wait_for()
        assert faults_of(page) == [], part
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], part
    page.locator("#tabs a[href='#new']").click()
    page.locator("button.primary").click()
    assert faults_of(page) == []
    tap_map(page)
    fill(page)
    page.locator("button.primary").click()
    ticket_of(page)
    assert faults_of(page) == []
    page.locator("#view .ways button").nth(2).click()
    page.locator(".case").wait_for()
    assert faults_of(page) == []


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", "不建重点人员名单"), ("en", "No lists of persons")]
)
def test_page_on_personal_information_is_linked_and_readable(open_report, lang, words):
    page = open_report(PHONE, lang=lang)
    page.locator("#privacy").click()
    page.get_by_text(words).wait_for()
    assert faults_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_public_page_leads_to_the_report(open_page, address):
    page = open_page(address, PHONE)
    page.locator("#report").click()
    page.wait_for_url("**/report")
