"""A real browser before a real server; every page watched for faults and foreign hosts."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import (
    APIResponse,
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
    expect,
    sync_playwright,
)
from sqlalchemy import Engine

from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.search.strategy import Effort
from geo.plans import community_layers, store
from maps import build
from tests import accounts
from tests import town as little_town
from tests.accounts import PASSWORD
from tests.server import serving

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# The tests measure no time: without windows, and with an emulated GPU for the maps alone, the same
# pages take some 40 % less processor time.
HEADLESS = shutil.which("chromium-headless-shell") or CHROMIUM
CHEAP_FLAGS = ("--disable-gpu-compositing", "--disable-gpu-rasterization")
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
LOCAL = {"file", "data", "blob"}
# A machine of CI may be several times slower than this one; a wait ends when its condition holds.
TIMEOUT_S = 60
expect.set_options(timeout=1000 * TIMEOUT_S)
# A map is drawn in software. Pages keep their size in it, but it has a quarter of the pixels.
COARSE_MAPS = "Object.defineProperty(window, 'devicePixelRatio', {get: () => 0.5})"
# Whether the map, and an editor's changes on it, are drawn and nothing of it moves any more.
IDLE = """() => {
  const {map, editor, picking} = window.gridatlas ?? {};
  if (!map?.loaded() || (editor ?? picking)?.view.isUpToDate === false) return false;
  return new Promise(done => { map.once('idle', () => done(true)); map.triggerRepaint(); });
}"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=HEADLESS, args=[*FLAGS, *CHEAP_FLAGS])
        browser.on("context", lambda context: context.set_default_timeout(1000 * TIMEOUT_S))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def town(shared_database: Engine) -> Engine:
    build.install_tools()
    build.build()
    little_town.build(shared_database)
    return shared_database


@pytest.fixture(scope="module")
def address(town: Engine) -> Iterator[str]:
    with serving(town) as address:
        yield address


QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100))
AXE = (build.WEB / "node_modules" / "axe-core" / "axe.min.js").read_text
CHECKED = """async () => (await axe.run(document, {resultTypes: ["violations"],
  runOnly: ["wcag2a", "wcag2aa", "wcag21aa"]})).violations
  .filter(one => ["serious", "critical"].includes(one.impact))
  .map(one => [one.id, one.nodes.map(node => node.html).slice(0, 3)])"""


@pytest.fixture(scope="module")
def staff_site(town: Engine, address: str) -> str:
    """Return the address of a server with accounts, and really drawn plans in force."""
    with town.begin() as connection:
        for role in ("planner", "fire", "importer", "admin"):
            scope = little_town.STREET if role == "planner" else ""
            accounts.add(connection, role, role, scope=scope)
        accounts.add(connection, "second", "planner", scope=little_town.STREET)
        for community in (little_town.NORTH_GATE, little_town.DRUM_TOWER):
            drawing = draw(community_layers.read_community(connection, community), QUICK)
            store.publish(connection, store.store_drawing(connection, drawing, "planner"))
    return address


@pytest.fixture(scope="module")
def client_of(staff_site: str) -> Iterator[Callable[[str], httpx.Client]]:
    """Return the client of the API that an account has."""
    made: dict[str, httpx.Client] = {}

    def client_of(name: str) -> httpx.Client:
        if name not in made:
            bearer = {"Authorization": f"Bearer {signed_in(staff_site, name)['access_token']}"}
            made[name] = httpx.Client(
                base_url=staff_site,
                headers=bearer,
                timeout=TIMEOUT_S,
                # the server may close an idle connection just when it is used again
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return made[name]

    yield client_of
    for client in made.values():
        client.close()


def signed_in(address: str, name: str) -> dict[str, str]:
    """Return the session of an account, as the page keeps it."""
    grant = {"grant_type": "password", "username": name, "password": PASSWORD}
    return (
        httpx.post(f"{address}/auth/token", data=grant, timeout=TIMEOUT_S).raise_for_status().json()
    )


def faults_of(page: Page) -> list[object]:
    """Return what axe-core finds serious on a page."""
    page.evaluate(AXE(encoding="utf-8"))
    return page.evaluate(CHECKED)


class HeldRequests:
    """Requests for an address that wait to be answered."""

    def __init__(self, page: Page, address: str | re.Pattern[str]) -> None:
        self.page, self.address = page, address
        self.routes: list[Route] = []

    @contextmanager
    def expect(self) -> Iterator[None]:
        """Run a block that makes such a request; return when it is held back."""
        count = len(self.routes)
        with self.page.expect_request(self.address):
            yield
        while len(self.routes) == count:
            self.page.evaluate("() => new Promise(requestAnimationFrame)")


@contextmanager
def hold_back(page: Page, address: str | re.Pattern[str]) -> Iterator[HeldRequests]:
    """Hold back requests for an address; those still held at the end of the block go on there."""
    held = HeldRequests(page, address)
    is_open = False

    def handle(route: Route) -> None:
        if is_open:
            route.continue_()
        else:
            held.routes.append(route)

    page.route(address, handle)
    yield held
    is_open = True
    while held.routes:
        answer(page, held.routes.pop(0))
    page.unroute(address)


def answer(page: Page, route: Route, response: APIResponse | None = None) -> None:
    """Answer a request, as the server does or did; return when the page has handled it."""
    with page.expect_event("requestfinished", lambda request: request == route.request):
        if response:
            route.fulfill(response=response)
        else:
            route.continue_()
    # the page handles answers in their order
    page.evaluate("() => fetch('/health').then(answer => answer.text())")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


def is_fault(message: ConsoleMessage) -> bool:
    """Return whether a page is at fault; Chromium itself reads maps back to compose the page."""
    is_read_back = "GPU stall due to ReadPixels" in message.text
    return message.type in ("error", "warning") and not is_read_back


class Watch:
    """What a page did that it should not have."""

    def __init__(self, context: BrowserContext) -> None:
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("request", lambda request: self._request(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        if is_fault(message):
            self.faults.append(message.text)

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in LOCAL:
            self.hosts.add(parts.netloc)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens an address; faults and foreign hosts fail the test after.

    Maps move and show labels at once; they are coarse unless a test looks at their pixels.
    """
    contexts: list[BrowserContext] = []
    watched: list[tuple[Watch, str]] = []

    def open_page(
        address: str | Path,
        size: dict[str, int] = DESKTOP,
        *,
        faults_allowed: bool = False,
        session: dict[str, str] | None = None,
        lang: str = "zh",
        script: str = "",
        is_sharp: bool = False,
    ) -> Page:
        url = address.as_uri() if isinstance(address, Path) else address
        context = browser.new_context(
            viewport=size, locale="zh-CN", has_touch=size is PHONE, reduced_motion="reduce"
        )
        contexts.append(context)
        if not faults_allowed:
            watched.append((Watch(context), urlsplit(url).netloc))
        if session:
            kept = json.dumps(json.dumps(session))
            context.add_init_script(
                "if (origin !== 'null' && !localStorage.getItem('gridatlas.session')) "
                f"localStorage.setItem('gridatlas.session', {kept})"
            )
        if lang != "zh":
            chosen = f"localStorage.setItem('gridatlas.language', '{lang}')"
            context.add_init_script(f"if (origin !== 'null') {chosen}")
        if not is_sharp:
            context.add_init_script(COARSE_MAPS)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    for watch, own_host in watched:
        assert watch.faults == []
        assert watch.hosts <= {own_host}
