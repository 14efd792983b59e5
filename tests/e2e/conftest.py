"""A real browser before a real server; every page watched for faults and foreign hosts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from sqlalchemy import Engine

from maps import build
from tests import town as little_town
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
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
LOCAL = {"file", "data", "blob"}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def town(shared_database: Engine) -> Engine:
    build.build()
    little_town.build(shared_database)
    return shared_database


@pytest.fixture(scope="module")
def address(town: Engine) -> Iterator[str]:
    with serving(town) as address:
        yield address


class Watch:
    """What a page did that it should not have."""

    def __init__(self, context: BrowserContext) -> None:
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("request", lambda request: self._request(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in LOCAL:
            self.hosts.add(parts.netloc)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens an address; faults and foreign hosts fail the test after."""
    watched: list[tuple[Watch, str, BrowserContext]] = []

    def open_page(
        address: str | Path, size: dict[str, int] = DESKTOP, *, faults_allowed: bool = False
    ) -> Page:
        url = address.as_uri() if isinstance(address, Path) else address
        context = browser.new_context(viewport=size, locale="zh-CN", has_touch=size is PHONE)
        if not faults_allowed:
            watched.append((Watch(context), urlsplit(url).netloc, context))
        page = context.new_page()
        page.goto(url)
        return page

    yield open_page
    for watch, own_host, context in watched:
        context.close()
        assert watch.faults == []
        assert watch.hosts <= {own_host}
