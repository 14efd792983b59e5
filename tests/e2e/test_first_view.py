"""What a page loads before its first view: texts first, the map library only for maps."""

import re

import pytest
from playwright.sync_api import expect

from tests.accounts import PASSWORD
from tests.e2e.conftest import IDLE, PHONE, hold_back

STAFF_PAGES = ("/plan", "/fire", "/data", "/cases", "/assess", "/field", "/admin")
MAP_CODE = re.compile(r"/static/assets/maplibre-gl[\w.-]*\.js$")
MAX_SCRIPTS = 4
MAX_SCRIPT_BYTES = 120_000
NOTE_SHIFTS = """const shifts = [], observer = new PerformanceObserver(note);
function note(list) { shifts.push(...list.getEntries()); }
observer.observe({type: "layout-shift", buffered: true});
window.shift = () => {
  note({getEntries: () => observer.takeRecords()});
  return shifts.reduce((sum, {value, hadRecentInput}) => sum + (hadRecentInput ? 0 : value), 0);
}"""


@pytest.fixture
def scripts(browser, staff_site):
    """Return a function that opens a page signed out and lists its scripts with their sizes."""
    contexts = []

    def scripts(path):
        context = browser.new_context(viewport=PHONE, locale="zh-CN")
        contexts.append(context)
        page, found = context.new_page(), {}
        page.on("response", lambda answer: found.setdefault(answer.url, answer))
        page.goto(staff_site + path)
        expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        scripts = {url: one for url, one in found.items() if url.endswith(".js")}
        return page, {url: len(one.body()) for url, one in scripts.items()}

    yield scripts
    for context in contexts:
        context.close()


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_signing_in_does_not_wait_for_the_map_library(scripts, path):
    _, sizes = scripts(path)
    assert not [url for url in sizes if MAP_CODE.search(url)]
    sizes = {url: size for url, size in sizes.items() if not url.endswith("/worker.js")}
    assert len(sizes) <= MAX_SCRIPTS, sizes
    assert sum(sizes.values()) <= MAX_SCRIPT_BYTES, sizes


def test_the_planner_loads_while_the_reader_types(scripts):
    page, _ = scripts("/plan")
    with page.expect_response(MAP_CODE):
        page.locator("input[name=username]").fill("planner")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.locator("#side h1")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "words"), [("/", "#list h2, #list li"), ("/report", "#view textarea")]
)
def test_residents_read_and_write_before_there_is_a_map(browser, staff_site, path, words):
    context = browser.new_context(viewport=PHONE, locale="zh-CN")
    page = context.new_page()
    page.route(MAP_CODE, lambda route: None)  # never answered
    page.goto(staff_site + path)
    expect(page.locator(words).first).to_be_attached()
    expect(page.locator("h1")).not_to_be_empty()
    context.close()


@pytest.mark.parametrize(
    ("path", "control"),
    [("/", "#here"), ("/report", "#language"), ("/fire", "#help"), ("/field", "#language")],
)
def test_controls_are_shown_once_they_work(browser, staff_site, path, control):
    context = browser.new_context(viewport=PHONE, locale="zh-CN")
    page = context.new_page()
    with hold_back(page, "**/locale/*") as held:
        with held.expect():
            page.goto(staff_site + path)
        expect(page.locator(control)).to_be_attached()
        expect(page.locator(control)).to_be_hidden()
    expect(page.locator(control)).to_be_visible()
    context.close()


@pytest.mark.parametrize("path", ["/", "/report"])
def test_nothing_moves_while_the_map_comes(browser, staff_site, path):
    context = browser.new_context(viewport=PHONE, locale="zh-CN")
    context.add_init_script(NOTE_SHIFTS)
    page = context.new_page()
    page.goto(staff_site + path)
    page.wait_for_function(IDLE)
    assert page.evaluate("shift()") <= 0.03
    context.close()
