"""The page of cases: queue, map, live changes, steps by keyboard, filing, and access."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from geo.settings import settings
from tests import accounts
from tests import town as t
from tests.e2e.conftest import IDLE, PHONE, TIMEOUT_S, answer, faults_of, hold_back, signed_in

LAPTOP = {"width": 1440, "height": 900}
HERE = t.degrees(300, 350)


@pytest.fixture(scope="module", autouse=True)
def offices(town, staff_site) -> Iterator[None]:
    """Add a manager of a grid, the community's office and the street's."""
    before = settings().reports_per_minute
    settings().reports_per_minute = 100_000
    with town.begin() as connection:
        accounts.add(connection, "manager", "grid_manager")
        accounts.add(connection, "community", "office", scope=t.NORTH_GATE)
        accounts.add(connection, "street", "office", scope=t.STREET)
        at_place = text(
            "SELECT code FROM published.grid WHERE ST_Intersects(geom, ST_Point(:x, :y, 4490))"
        )
        place = {"x": HERE[0], "y": HERE[1]}
        grid = connection.execute(at_place, place).scalar_one()
        appoint = text(
            "INSERT INTO grid_manager (grid_code, name, account_id) "
            "SELECT :grid, '王芳', id FROM account WHERE name = 'manager'"
        )
        connection.execute(appoint, {"grid": grid})
    yield
    settings().reports_per_minute = before


@pytest.fixture
def report(staff_site):
    """Return a function that reports something from the public side and returns its number."""

    def report(description, kind="burst_pipe", **more):
        form = {"kind": kind, "lon": HERE[0], "lat": HERE[1], "description": description} | more
        filed = httpx.post(f"{staff_site}/reports", data=form, timeout=TIMEOUT_S)
        assert filed.status_code == 201, filed.text
        return filed.json()["number"]

    return report


@pytest.fixture
def cases_page(open_page, staff_site):
    def cases_page(name="community", path="/cases", size=LAPTOP, **how) -> Page:
        page = open_page(f"{staff_site}{path}", size, session=signed_in(staff_site, name), **how)
        page.wait_for_function(IDLE)
        live = "Live" if how.get("lang") == "en" else "实时更新"
        expect(page.locator("#side h1")).to_contain_text(live)
        return page

    return cases_page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_case_appears_in_the_open_page_without_reload(cases_page, report):
    page = cases_page()
    page.evaluate("window.isSamePage = true")
    number = report("东门水管爆裂")
    row = page.locator(f".queue a[data-number='{number}']")
    expect(row).to_contain_text("东门水管爆裂")
    expect(row).to_contain_text("待受理")
    shown = "number => gridatlas.map.querySourceFeatures('cases').some("
    page.wait_for_function(
        f"{shown}one => one.properties.number === number || one.properties.point_count)", arg=number
    )
    assert page.evaluate("window.isSamePage")


def test_case_filed_while_the_queue_is_read_stays_in_it(cases_page, report):
    page = cases_page()
    answers = []
    queue = re.compile(r"/casework/cases\?")
    page.route(queue, lambda route: answers.append((route, route.fetch())))
    with page.expect_request(queue):
        page.locator("[data-view=all]").click()
    while not answers:
        page.evaluate("() => new Promise(requestAnimationFrame)")
    number = report("读取期间登记")
    row = page.locator(f".queue a[data-number='{number}']")
    expect(row).to_be_visible()
    answer(page, *answers.pop())
    expect(row).to_be_visible()
    page.unroute(queue)


def test_case_opened_last_stays_when_an_earlier_one_arrives(cases_page, report):
    first, last = report("先打开"), report("后打开")
    page = cases_page()
    with hold_back(page, f"**/casework/cases/{first}") as held:
        with held.expect():
            page.locator(f".queue a[data-number='{first}']").click()
        page.locator(f".queue a[data-number='{last}']").click()
        expect(page.locator("#panel h1")).to_contain_text(last)
    expect(page.locator("#panel h1")).to_contain_text(last)


def test_case_is_handled_from_accepting_to_report_back_by_keys_alone(cases_page, report, town):
    number = report("水管漏水", contact="13800000000")
    page = cases_page("manager")
    panel = page.locator("#panel")
    row = page.locator(f".queue a[data-number='{number}']")
    expect(row).to_be_visible()
    for _ in range(page.locator(".queue a").count()):
        press(page, "j")
        if row.evaluate("row => row === document.activeElement"):
            break
    press(page, "Enter")
    expect(panel.locator("h1")).to_contain_text(number)
    expect(panel.locator("h1")).to_be_focused()
    for step in ("受理", "登记分类", "办理"):
        focus(page, panel.get_by_role("button", name=step, exact=True))
        press(page, "Enter")
        focus(page, panel.get_by_role("button", name=f"确认：{step}"))
        press(page, "Enter")
        expect(panel.locator(".history > li").last).to_contain_text(step)
    focus(page, panel.get_by_role("button", name="反馈", exact=True))
    press(page, "Enter")
    expect(panel.get_by_label("说明")).to_be_focused()
    page.keyboard.type("已修复")
    focus(page, panel.get_by_role("button", name="确认：反馈"))
    press(page, "Enter")
    expect(panel.locator(".history > li").last).to_contain_text("已修复")
    press(page, "Escape")
    expect(panel).to_be_hidden()
    expect(row).to_have_count(0)
    with town.connect() as connection:
        state = connection.execute(
            text("SELECT state FROM service_case WHERE number = :number"), {"number": number}
        )
        assert state.scalar_one() == "reported"


def focus(page: Page, target) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(80):
        if target.evaluate("one => one === document.activeElement"):
            return
        press(page, "Tab")
    raise AssertionError(f"no way by Tab to {target}")


def test_search_key_filters_and_address_are_kept(cases_page, report):
    number, other = report("树木倾倒甲"), report("树木倾倒乙")
    page = cases_page()
    press(page, "/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("倾倒甲")
    expect(page.locator(f".queue a[data-number='{other}']")).to_have_count(0)
    expect(page.locator(f".queue a[data-number='{number}']")).to_be_visible()
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("倾倒甲")
    expect(page.locator(".queue a")).to_have_count(1)
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV").click()
    lines = taken.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 2
    assert number in lines[1]


def test_step_on_a_case_that_changed_meanwhile_shows_it_as_it_is(cases_page, client_of, report):
    number = report("井盖松动")
    page = cases_page(path=f"/cases/{number}", faults_allowed=True)  # the answer is 412
    panel = page.locator("#panel")
    panel.get_by_role("button", name="受理", exact=True).click()
    client_of("street").post(
        f"/casework/cases/{number}/steps", data={"action": "note", "note": "请尽快"}
    ).raise_for_status()
    expect(page.locator(f".queue a[data-number='{number}']")).to_be_visible()
    panel.get_by_role("button", name="确认：受理").click()
    expect(page.locator("#notice")).to_contain_text("已有变化")
    expect(panel.locator(".history")).to_contain_text("请尽快")
    expect(panel.locator(".history > li")).to_have_count(2)


def test_office_files_a_case_at_a_place_on_the_map(cases_page, town):
    page = cases_page()
    page.get_by_role("button", name="登记事项").click()
    panel = page.locator("#panel")
    panel.get_by_label("类别").select_option("burst_pipe")
    panel.get_by_label("事项内容").fill("居民来电：漏水")
    panel.get_by_label("经度").fill(f"{HERE[0]:.6f}")
    panel.get_by_label("纬度").fill(f"{HERE[1]:.6f}")
    assert faults_of(page) == []
    panel.get_by_role("button", name="登记", exact=True).click()
    expect(panel).to_contain_text("查询码")
    panel.get_by_role("link", name="打开该事项").click()
    expect(panel.locator(".words").first).to_have_text("居民来电：漏水")
    expect(panel).to_contain_text("办事机构")


def test_refused_filing_keeps_what_was_typed(cases_page):
    page = cases_page(faults_allowed=True)  # the answer is 422
    page.get_by_role("button", name="登记事项").click()
    panel = page.locator("#panel")
    panel.get_by_label("类别").select_option("burst_pipe")
    panel.get_by_label("事项内容").fill("在别处")
    panel.get_by_label("经度").fill("100")
    panel.get_by_label("纬度").fill("20")
    panel.get_by_role("button", name="登记", exact=True).click()
    expect(panel.get_by_role("alert")).to_contain_text("不在本市范围内")
    expect(panel.get_by_label("事项内容")).to_have_value("在别处")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_no_serious_fault_of_access(cases_page, report, lang, size):
    number = report("护栏损坏")
    page = cases_page(lang=lang, size=size)
    expect(page.locator(f".queue a[data-number='{number}']")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert faults_of(page) == []
    page.locator(f".queue a[data-number='{number}']").click()
    expect(page.locator("#panel h1")).to_contain_text(number)
    page.locator("#panel .steps button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert faults_of(page) == []


def test_role_without_casework_is_asked_to_sign_in_again(open_page, staff_site):
    page = open_page(f"{staff_site}/cases", session=signed_in(staff_site, "planner"))
    dialog = page.locator("dialog.session")
    expect(dialog).to_contain_text("规划员")
    assert faults_of(page) == []
    expect(dialog.get_by_role("link")).to_have_attribute("href", "/plan")
