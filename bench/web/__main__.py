"""Speed of what people see: ``./gridatlas bench web [--size S|M] [--home FOLDER]``.

On a city of its own in a folder of its own, served on the loopback to a headless Chromium with
software rendering. Every figure is printed beside what is required of it; the tiles of the one file
are measured against those made by the database in the same run.
"""

import argparse
import gzip
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from pmtiles.reader import Reader
from sqlalchemy import func, select

from api.core.caller import PUBLIC_CALLER, transaction_as
from api.tiles import tile_archive
from bench.web import lighthouse
from etl.pipeline.publish_frames import publish
from etl.sample import city
from geo import db
from geo.db import accounts, local_server
from geo.model import Building, Region
from geo.partition.constraints import Constraints
from geo.plans import store
from geo.plans.batch import draw_communities
from geo.plans.draw_runs import DrawOrder
from maps import build
from maps.paper.map_documents import street_atlas
from maps.paper.page_layout import PAPERS
from tests.e2e.conftest import CHROMIUM, FLAGS

PASSWORD = "measuring only"  # noqa: S105
BUILDINGS = 500
IDLE = "() => window.gridatlas?.map.loaded() && gridatlas.map.areTilesLoaded()"
EDITING = "() => window.gridatlas?.editor && gridatlas.map.loaded()"

MOVE = """async () => {
  await new Promise(done => setTimeout(done, 700));  // as a person would
  const {editor} = gridatlas, {draft} = editor, codes = [...draft.grids.keys()].sort();
  for (const to of codes) {
    const cell = draft.cells.find(cell => cell.grid !== to && cell.building
      && [...draft.coverage.neighbours[draft.index(cell.atom)]]
        .some(i => draft.cells[i].grid === to)
      && !draft.preview([cell.atom], to).changes.some(change => change.breaks));
    if (!cell) continue;
    editor.active = to;
    const before = draft.plan.revision, began = performance.now();
    const since = () => performance.now() - began;
    editor.handleSelected(new Set([cell.atom]), false);
    const own = since(), painted = new MessageChannel();
    const shown = await new Promise(done => {
      painted.port1.onmessage = () => done(since());  // after the picture, not only before it
      requestAnimationFrame(() => painted.port2.postMessage(0));
    });
    const times = {own, shown};
    while (!times.confirmed || !times.drawn) {
      if (!times.confirmed && draft.plan.revision > before) times.confirmed = since();
      if (!times.drawn && editor.view.isUpToDate) times.drawn = since();
      await new Promise(done => setTimeout(done, 2));
    }
    return times;
  }
}"""


def main() -> None:
    """Measure everything and print a line a figure."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--size", choices=("S", "M"), default="M")
    asked.add_argument("--home", type=Path, help="keep the city there for the next run")
    given = asked.parse_args()
    with installed(given.home), sync_playwright() as playwright:
        engine = prepared(given.size)
        build.build()
        with served() as address:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            tiles(engine, address)
            first_map(browser, address)
            moves(browser, engine, address)
            fire(browser, engine, address)
            browser.close()
            lighthouse.measure_pages(address)
        atlas(engine)


@contextmanager
def installed(home: Path | None) -> Iterator[None]:
    """Work in an installation of its own, which is stopped after."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-bench-") as folder:
        place = (home or Path(folder)).resolve()
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        Path(folder).chmod(0o755)
        os.environ["GRIDATLAS_HOME"] = os.fspath(place)
        os.environ.pop("DATABASE_URL", None)
        db.reset_engine()
        try:
            yield
        finally:
            db.reset_engine()
            local_server.stop(place)


@contextmanager
def served() -> Iterator[str]:
    """Serve the installation in a process of its own; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with suppress(httpx.TransportError):
                httpx.get(f"{address}/health")
                break
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def prepared(size: str) -> Any:
    """Return the database with the city, its grids and its accounts."""
    db.upgrade()
    engine = db.get_engine()
    with engine.connect() as connection:
        there = connection.execute(select(func.count()).select_from(Building)).scalar()
        drawn = store.score_cards_in_force(connection)
    if not there:
        publish(engine, city.sample_city(size, 1), f"sample:{size}:1")
    with engine.connect() as connection:
        wanted = [one for one in store.list_communities(connection) if one[0] not in drawn]
    if wanted:
        list(draw_communities(engine, DrawOrder(tuple(wanted), Constraints(), publish=True)))
    with engine.begin() as connection:
        if not accounts.list_accounts(connection):
            accounts.add_account(connection, "planner", "admin", PASSWORD)
    return engine


def tiles(engine: Any, address: str) -> None:
    """Measure the tiles of the public map: from the file against from the database."""
    signed_in = db.api_engine()
    began = time.perf_counter()
    made = tile_archive.bake(signed_in)
    assert made is not None
    say(
        "public tiles baked",
        f"{time.perf_counter() - began:.1f} s, {made.stat().st_size / 1e6:.1f} MB",
    )
    with transaction_as(signed_in, PUBLIC_CALLER, readonly=True) as connection:
        wanted = list(tile_archive.tiles_covering(tile_archive._extents(connection)))
    signed_in.dispose()
    chosen = [tile for tile in wanted if tile.z >= 14][:: max(1, len(wanted) // 300)]
    data = made.read_bytes()
    reader = Reader(lambda offset, length: data[offset : offset + length])
    places = _ranges(reader, chosen)

    file = [(f"/baked/{made.name}", f"bytes={at}-{at + length - 1}") for at, length in places]
    live = [(f"/tiles/{tile.z}/{tile.x}/{tile.y}", "") for tile in chosen]
    grids = "/ogc/collections/grid/tiles/WebMercatorQuad"
    standard = [(f"{grids}/{tile.z}/{tile.y}/{tile.x}?f=mvt", "") for tile in chosen]
    fast = rate(address, file)
    say("tiles a second from the file", f"{fast:.0f}")
    for name, asked in (("the database", live), ("/ogc, one layer", standard)):
        found = rate(address, asked)
        say(f"tiles a second from {name}", f"{found:.0f}", f"{fast / found:.1f} x (>= 10 x)")


def _ranges(reader: Reader, chosen: list[Any]) -> list[tuple[int, int]]:
    """Return where tiles lie in the file, as a reader with its directory at hand asks for them."""
    asked: list[tuple[int, int]] = []
    read = reader.get_bytes

    def noted(offset: int, length: int) -> Any:
        asked.append((offset, length))
        return read(offset, length)

    reader.get_bytes = noted
    found = []
    for tile in chosen:
        asked.clear()
        if reader.get(tile.z, tile.x, tile.y):
            found.append(asked[-1])
    return found


def rate(address: str, asked: list[tuple[str, str]]) -> float:
    """Return how many tiles a second come over one connection, the second of two rounds.

    The client is the plainest there is: what it spends itself is spent on every kind of tile.

    Parameters
    ----------
    asked
        Path, and range of bytes if any, of each tile.
    """
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        for path, piece in asked:
            headers = {"Range": piece} if piece else {"Accept-Encoding": "gzip"}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            # 404: of /ogc, a tile outside the box of the public layers, in the archive's margin
            assert answer.status in (200, 204, 206, 404), (path, answer.status)
            if body and (piece or answer.headers["Content-Encoding"] == "gzip"):
                gzip.decompress(body)
        seconds = time.perf_counter() - began
    connection.close()
    return len(asked) / seconds


def first_map(browser: Browser, address: str) -> None:
    """Measure the first map of the public page with nothing kept, and what it transfers."""
    seconds, bytes_ = [], []
    for _ in range(3):
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN")
        page = context.new_page()
        received = counted(context.new_cdp_session(page))
        began = time.perf_counter()
        page.goto(address)
        page.wait_for_function(IDLE, timeout=60_000)
        seconds.append(time.perf_counter() - began)
        bytes_.append(sum(received))
        context.close()
    say("first map, cold", f"{statistics.median(seconds):.2f} s", "(<= 2.5 s)")
    say("transferred before it", f"{statistics.median(bytes_) / 1000:.0f} KB", "(<= 600 KB)")


def counted(session: CDPSession) -> list[int]:
    """Return the list in which the sizes of what a page receives are noted."""
    received: list[int] = []
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda one: received.append(one["encodedDataLength"]))
    return received


def moves(browser: Browser, engine: Any, address: str) -> None:
    """Measure moves of one building in the community with nearest to five hundred."""
    count = select(Building.region_code, func.count().label("buildings"))
    with engine.connect() as connection:
        rows = connection.execute(
            count.join(Region, Region.code == Building.region_code).group_by(Building.region_code)
        ).all()
    community, buildings = min(rows, key=lambda row: abs(row[1] - BUILDINGS))
    session = signed_in(address)
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    with httpx.Client(base_url=address, headers=bearer, timeout=60) as client:
        shown = client.get(f"/communities/{community}/plans?status=published").json()["items"][0]
        draft = client.post(f"/plans/{shown['id']}/copy").json()["id"]
    page = opened(browser, f"{address}/plan/p/{draft}", session)
    figures = [page.evaluate(MOVE) for _ in range(12)]
    page.context.close()
    times = {name: [one[name] for one in figures[2:]] for name in figures[0]}
    for name, what, required in (
        ("own", "a move, the page's own work", "(<= 50 ms)"),
        ("shown", f"new figures on screen, {buildings} buildings", "(<= 50 ms)"),
        ("drawn", "the map drawn anew", ""),
        ("confirmed", "confirmed by the server", "(<= 300 ms)"),
    ):
        median, largest = statistics.median(times[name]), max(times[name])
        say(what, f"{median:.1f} ms, largest {largest:.0f}", required)


def fire(browser: Browser, engine: Any, address: str) -> None:
    """Measure a building's answer: on an open desk from choosing it, and on a desk not yet open.

    The city is read before, as it is once somebody of the fire department has signed in.
    """
    with engine.connect() as connection:
        street = select(Building.address).where(Building.address != "").limit(1)
        words = connection.execute(street).scalar_one()
    session = signed_in(address)
    page = entered(browser, f"{address}/fire", session)
    page.wait_for_function(IDLE, timeout=60_000)
    chosen = [_answered(page, words) for _ in range(4)]
    place = page.url.split("#")[0]
    page.context.close()
    cold = []
    for _ in range(3):
        began = time.perf_counter()
        page = entered(browser, place, session)
        page.locator("#side h2").first.wait_for(timeout=60_000)
        cold.append(time.perf_counter() - began)
        page.context.close()
    for what, seconds in (("fire desk, a building chosen", chosen[1:]), ("the same, cold", cold)):
        say(f"{what}, first answer", f"{statistics.median(seconds):.2f} s", "(<= 1 s)")


def _answered(page: Page, words: str) -> float:
    """Return the seconds from choosing the first building found to what is said of it."""
    page.evaluate("document.querySelector('#side').replaceChildren()")
    page.get_by_role("combobox").fill("")
    page.get_by_role("combobox").fill(words)
    found = page.get_by_role("option").first
    found.wait_for()
    began = time.perf_counter()
    found.click()
    page.locator("#side h2").first.wait_for(timeout=120_000)
    return time.perf_counter() - began


def signed_in(address: str) -> dict[str, Any]:
    grant = {"grant_type": "password", "username": "planner", "password": PASSWORD}
    answer = httpx.post(f"{address}/auth/token", data=grant, timeout=60).raise_for_status()
    session: dict[str, Any] = answer.json()
    return session


def opened(browser: Browser, address: str, session: dict[str, Any]) -> Page:
    page = entered(browser, address, session)
    page.wait_for_function(EDITING, timeout=60_000)
    return page


def entered(browser: Browser, address: str, session: dict[str, Any]) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN")
    kept = json.dumps(json.dumps(session))
    context.add_init_script(
        f"if (origin !== 'null') localStorage.setItem('gridatlas.session', {kept})"
    )
    page = context.new_page()
    page.goto(address)
    return page


def atlas(engine: Any) -> None:
    """Measure the atlas of the street office with nearest to twelve communities."""
    street = func.left(Region.code, 9).label("street")
    counted_streets = (
        select(street, func.count()).where(Region.level == "community").group_by(street)
    )
    with engine.connect() as connection:
        chosen, communities = min(
            connection.execute(counted_streets), key=lambda row: abs(row[1] - 12)
        )
        began = time.perf_counter()
        made = street_atlas(connection, chosen, PAPERS["A3"])
        seconds = time.perf_counter() - began
    say(
        f"atlas of {communities} communities",
        f"{seconds:.1f} s, {len(made.pdf) / 1e6:.1f} MB",
        "(<= 60 s, <= 20 MB)",
    )


def say(what: str, figure: str, required: str = "") -> None:
    print(f"{what:<45} {figure:>26}  {required}", flush=True)


if __name__ == "__main__":
    main()
