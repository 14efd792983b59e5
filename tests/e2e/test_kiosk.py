"""The terminal of a service hall: by touch alone, and nothing stays of a visitor."""

import httpx
import pytest
from playwright.sync_api import expect

from geo.settings import settings
from tests import town as t
from tests.e2e.conftest import IDLE, PHONE, TIMEOUT_S, faults_of, hold_back

TERMINAL = {"width": 1080, "height": 1920}
PLACE = (300, 350)


@pytest.fixture(scope="module", autouse=True)
def unhurried():
    before = settings().reports_per_minute, settings().follow_ups_per_minute
    settings().reports_per_minute = settings().follow_ups_per_minute = 100_000
    yield
    settings().reports_per_minute, settings().follow_ups_per_minute = before


@pytest.fixture
def open_kiosk(open_page, address):
    def open_kiosk(size=TERMINAL, lang="zh", query="", **options):
        page = open_page(f"{address}/kiosk?lang={lang}{query}", size, **options)
        page.locator(".tiles button").first.wait_for()
        return page

    return open_kiosk


def tap(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def tap_map(page, place=PLACE):
    page.wait_for_function(IDLE)
    position = page.evaluate(
        "place => {const {x, y} = gridatlas.map.project(place); return {x, y}}", t.degrees(*place)
    )
    page.locator("#map").click(position=position)


def enter(page, characters):
    for character in characters:
        tap(page, character)


def report(page):
    """Report a burst pipe by touch, up to the check."""
    tap(page, "反映问题")
    tap(page, "城市管理事件")
    tap(page, "管道破裂")
    tap_map(page)
    page.get_by_text("北门社区第").wait_for()
    tap(page, "下一步")
    tap(page, "损坏或破损")
    tap(page, "有危险，请尽快处理")
    tap(page, "下一步")
    enter(page, "13800138000")
    tap(page, "下一步")
    page.get_by_role("heading", name="请核对").wait_for()


@pytest.fixture
def timed_kiosk(open_kiosk):
    """Return a page whose time a test can stop and advance."""
    page = open_kiosk()
    page.clock.install()
    page.reload()
    page.locator(".tiles button").first.wait_for()
    return page


def leave_untouched(page):
    """Stop the time of a page between the warning and the reset, which follows after 60 s."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 10)
    page.clock.fast_forward(36_000)
    expect(page.locator("#still")).to_be_visible()


def test_visitor_reports_by_touch_and_follows_up(open_kiosk, town):
    page = open_kiosk()
    report(page)
    expect(page.locator("main")).to_contain_text("13800138000")
    tap(page, "提交")
    page.locator(".receipt").wait_for()
    number = page.locator(".number").inner_text()
    secret = page.locator(".secret").inner_text().replace(" ", "")
    with town.connect() as connection:
        case = connection.exec_driver_sql(
            "SELECT channel, description FROM service_case WHERE number = %s", (number,)
        ).one()
    assert tuple(case) == ("kiosk", "损坏或破损；有危险，请尽快处理")

    tap(page, "重新开始")
    tap(page, "查询进度")
    enter(page, number)
    tap(page, "下一步")
    enter(page, secret)
    tap(page, "下一步")
    page.locator(".case").get_by_role("heading", name=number).wait_for()
    expect(page.locator("input:not([type=radio]), textarea")).to_have_count(0)


def test_idle_reset_wipes_what_a_visitor_entered(timed_kiosk):
    page = timed_kiosk
    history = page.evaluate("history.length")
    report(page)
    page.evaluate("localStorage.setItem('a', '1'); sessionStorage.setItem('b', '2')")
    leave_untouched(page)
    expect(page.get_by_text("秒后重新开始")).to_be_visible()
    page.clock.fast_forward(30_000)
    page.clock.resume()
    page.get_by_role("button", name="我的网格和管理员").wait_for()
    assert "13800138000" not in page.content()
    assert page.evaluate("[localStorage.length, sessionStorage.length, history.length]") == [
        *(0, 0),
        history,
    ]
    expect(page.locator("canvas")).to_have_count(0)
    tap(page, "反映问题")
    tap(page, "城市管理事件")
    tap(page, "管道破裂")
    page.get_by_text("尚未选择地点").wait_for()


def test_touch_in_time_keeps_what_was_entered(timed_kiosk):
    page = timed_kiosk
    tap(page, "查询进度")
    enter(page, "12")
    leave_untouched(page)
    tap(page, "继续")
    page.clock.run_for(1000)
    expect(page.locator("#still")).to_be_hidden()
    page.clock.fast_forward(30_000)
    expect(page.locator(".keypad output")).to_have_text("12")


def test_visitor_finds_the_grid_and_prints_its_card(open_kiosk):
    lon, lat = t.degrees(*PLACE)
    page = open_kiosk(query=f"&place={lon:.6f},{lat:.6f}")
    page.evaluate("window.print = () => { window.printed = true }")
    tap(page, "我的网格和管理员")
    tap(page, "就在本终端所在处")
    page.locator("#panel").get_by_text("北门社区").wait_for()
    tap(page, "打印联系卡")
    assert page.evaluate("window.printed")


def test_nothing_can_be_chosen_while_the_language_changes(open_kiosk):
    page = open_kiosk()
    with hold_back(page, "**/locale/en*"):
        with page.expect_request("**/locale/en*"):
            tap(page, "English")
        expect(page.locator("#screen button")).to_have_count(0)
    expect(page.get_by_role("button", name="中文")).to_be_visible()


def test_no_link_leads_away_from_the_terminal(open_kiosk):
    page = open_kiosk()
    tap(page, "个人信息说明")
    page.locator(".legal h1").wait_for()
    before, asked = page.url, []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "document.querySelector('main').append(Object.assign(document.createElement('a'),"
        " {href: '/plan', textContent: 'away'}))"
    )
    page.get_by_text("away").click()
    page.evaluate("() => fetch('/kiosk/settings').then(answer => answer.text())")  # comes after
    assert asked == [f"{before.partition('?')[0]}/settings"]
    assert page.url == before


def test_wrong_secret_is_named(open_kiosk, address):
    page = open_kiosk(faults_allowed=True)
    tap(page, "查询进度")
    enter(page, "12")
    tap(page, "下一步")
    page.get_by_text("编号为 16 位数字").wait_for()
    enter(page, "34567890123456")
    tap(page, "下一步")
    enter(page, "A" * 16)
    tap(page, "下一步")
    expect(page.locator("#notice")).to_contain_text("1234567890123456")


def test_setting_is_served(address):
    answer = httpx.get(f"{address}/kiosk/settings", timeout=TIMEOUT_S)
    assert answer.json() == {"idle_s": 60}


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [TERMINAL, PHONE], ids=["terminal", "phone"])
def test_screen_readers_can_read_every_screen(open_kiosk, size, lang):
    page = open_kiosk(size, lang)
    assert faults_of(page) == []

    def check(*choices):
        page.locator("#restart").click()
        page.locator(".tiles button").nth(3).wait_for()
        for choice in choices:
            page.locator("#screen .tiles button").nth(choice).click()
        assert faults_of(page) == [], choices
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], choices

    for choices in ((2,), (3,), (3, 0), (3, 0, 0), (1,), (1, 1)):
        check(*choices)
    check(1, 1, 0)
    tap_map(page)
    page.locator(".steps .primary").click()
    assert faults_of(page) == []
    small = page.evaluate(
        "[...document.querySelectorAll('main button')].map(one => one.getBoundingClientRect())"
        ".filter(({width, height}) => Math.min(width, height) < 60).length"
    )
    assert small == 0
