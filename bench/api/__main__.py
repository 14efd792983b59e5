"""Measure the API under load, and tipg alone on the same tables in the same run.

    ./gridatlas bench api [--seconds 10]

The database of the installation (``gridatlas demo --no-serve`` or a larger sample city, drawn and
published) is served by one worker on the loopback interface. Tiles, points and items are requested
at fixed rates.
"""

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from sqlalchemy import text

from bench.api import against_tipg
from bench.api.edit_latency import measure_edits
from bench.api.search_queries import search_paths
from geo import db

LAYERS = ("building", "road", "water", "facility", "grid")
ZOOM = 15
EDITS = 40


@dataclass
class Result:
    """Latency of each request in seconds, number of failures, and total duration in seconds."""

    latencies_s: list[float]
    failed: int
    duration_s: float

    def row(self, name: str) -> str:
        """Return a line of the results table."""
        p50, p95 = np.percentile(self.latencies_s, [50, 95]) * 1000
        rate = len(self.latencies_s) / self.duration_s
        return (
            f"{name:42} {rate:8.0f}/s  p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  failed {self.failed}"
        )


class Client:
    """HTTP/1.1 client with keep-alive connections and little overhead of its own."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str, headers: str = "") -> tuple[int, str]:
        """Return status and header of a response; the body is read and discarded."""
        request = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n{headers}\r\n".encode()
        while True:
            if is_reused := bool(self._idle):
                reader, writer = self._idle.pop()
            else:
                reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**20)
            writer.write(request)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                break
            except (asyncio.IncompleteReadError, ConnectionError):
                if not is_reused:
                    raise  # a reused connection may have been closed by the server while idle
        length = re.search(r"(?i)content-length: (\d+)", head)
        if length:
            await reader.readexactly(int(length.group(1)))
        elif "chunked" in head.lower():
            while True:
                size = int(await reader.readline(), 16)
                await reader.readexactly(size + 2)
                if size == 0:
                    break
        self._idle.append((reader, writer))
        return int(head[9:12]), head


async def at_rate(client: Client, paths: Sequence[str], rate: float, seconds: float) -> Result:
    """Send requests at a fixed rate, however long responses take."""
    latencies_s: list[float] = []
    failed = 0

    async def send(path: str, due: float) -> None:
        nonlocal failed
        status, _ = await client.get(path)
        latencies_s.append(time.perf_counter() - due)
        failed += status >= 400

    began = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(paths[number % len(paths)], due)))
    await asyncio.gather(*tasks)
    return Result(latencies_s, failed, time.perf_counter() - began)


async def at_full_load(
    client: Client, paths: Sequence[str], headers: str, in_flight: int, seconds: float
) -> Result:
    """Send requests without pause, with a fixed number in flight."""
    latencies_s: list[float] = []
    failed = 0
    began = time.perf_counter()

    async def send_repeatedly(number: int) -> None:
        nonlocal failed
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            status, _ = await client.get(paths[number % len(paths)], headers)
            latencies_s.append(time.perf_counter() - start)
            failed += status >= 400
            number += 1

    await asyncio.gather(*(send_repeatedly(number) for number in range(in_flight)))
    return Result(latencies_s, failed, time.perf_counter() - began)


def random_places(count: int) -> list[tuple[float, float]]:
    """Return random points (longitude, latitude) near grids in force."""
    with db.get_engine().connect() as connection:
        rows = connection.execute(
            text(
                "SELECT ST_X(p), ST_Y(p) FROM (SELECT ST_PointOnSurface(geom) p "
                "FROM published.grid) g"
            )
        ).all()
    centres = [(float(x), float(y)) for x, y in rows]
    if not centres:
        sys.exit("No plan is in force. Run: ./gridatlas demo --no-serve")
    rng = random.Random(1)
    return [
        (x + rng.gauss(0, 2e-4), y + rng.gauss(0, 2e-4))
        for x, y in (rng.choice(centres) for _ in range(count))
    ]


def tile_of(lon: float, lat: float, z: int) -> str:
    """Return zoom, column and row of the tile at a point as a path."""
    row = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2
    return f"{z}/{int((lon + 180) / 360 * 2**z)}/{int(row * 2**z)}"


def serve() -> tuple[subprocess.Popen[str], str]:
    """Start a server with one worker and return its process and URL."""
    running = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    url = re.search(r"http://\S+?:\d+", running.stdout.readline())
    assert url is not None
    return running, url[0]


TIPG = """
import os, sys
os.environ.update(TIPG_DB_SCHEMAS='["public"]', TIPG_DB_SPATIAL_EXTENT='false',
                  TIPG_DB_DATETIME_EXTENT='false', DATABASE_URL='postgresql://any@localhost/any')
import asyncpg, uvicorn
from tipg.main import app
make = asyncpg.create_pool
asyncpg.create_pool = lambda dsn, **more: make(
    server_settings={'gridatlas.owner': 'on'}, **more)
uvicorn.run(app, host='127.0.0.1', port=int(sys.argv[1]), log_level='error')
"""


def serve_tipg(port: int) -> tuple[subprocess.Popen[str], str]:
    """Start tipg alone under the owner's role on the same tables and return its process and URL."""
    url = db.get_engine().url
    # Its settings require a host in the URL, so the connection comes from libpq's variables.
    environment = {
        "PGHOST": str(url.query.get("host", url.host or "")),
        "PGPORT": str(url.query.get("port", url.port or 5432)),
        "PGUSER": url.username or "",
        "PGDATABASE": url.database or "",
    }
    running = subprocess.Popen(
        [sys.executable, "-c", TIPG, str(port)], text=True, env=os.environ | environment
    )
    return running, f"http://127.0.0.1:{port}"


def resident_memory_mb(process: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE") / 1e6


async def wait_until_ready(client: Client, path: str) -> None:
    """Wait until a server responds; exit after a minute."""
    for _ in range(300):
        try:
            await client.get(path)
            return
        except OSError:
            await asyncio.sleep(0.2)
    sys.exit(f"No response from {path}")


async def measure_against_tipg(seconds: float) -> None:
    """Print the rates of requests to ``/ogc`` and to tipg alone, one after the other, in ratios."""
    points = random_places(200)
    requests = against_tipg.comparisons(
        list(dict.fromkeys(tile_of(*point, against_tipg.ZOOM) for point in points))
    )
    running, base = serve()
    peer, peer_base = serve_tipg(8123)
    try:
        ours, theirs = Client(base), Client(peer_base)
        await wait_until_ready(ours, "/health")
        await wait_until_ready(theirs, "/healthz")
        for request in requests:
            rates, failed = [], 0
            for client, paths in ((ours, request.ours), (theirs, request.theirs)):
                await at_full_load(client, paths, "", against_tipg.CLIENTS, 0.5)  # warm up
                result = await at_full_load(client, paths, "", against_tipg.CLIENTS, seconds)
                rates.append(len(result.latencies_s) / result.duration_s)
                failed += result.failed
            print(
                f"{request.name:28} {rates[0]:7.0f}/s  tipg {rates[1]:7.0f}/s  "
                f"{rates[0] / rates[1]:5.2f} x (>= 1 x)  failed {failed}"
            )
    finally:
        for process in (running, peer):
            process.terminate()
            process.wait(30)


async def measure(seconds: float) -> None:
    """Run all measurements and print their results."""
    points = random_places(500)
    tiles = list(dict.fromkeys(f"/tiles/{tile_of(*point, ZOOM)}" for point in points))
    running, base = serve()
    try:
        client = Client(base)
        await wait_until_ready(client, "/health")
        for path in tiles[:20]:
            await client.get(path)
        before = resident_memory_mb(running.pid)
        print(
            (await at_rate(client, tiles, 50, seconds)).row("tile, 5+ layers, 50/s (p95 <= 60 ms)")
        )
        ours = await at_full_load(client, tiles, "", 4, seconds)
        print(ours.row("tile, 5+ layers, flat out"))
        _, head = await client.get(tiles[0])
        etag = re.search(r"(?i)etag: (\S+)", head)
        tag = etag[1] if etag else ""
        not_modified = await at_full_load(
            client, tiles[:1], f"If-None-Match: {tag}\r\n", 16, seconds
        )
        print(not_modified.row("tile with If-None-Match (>= 2,000/s)"))
        point_paths = [f"/grids?lon={x:.6f}&lat={y:.6f}" for x, y in points]
        print(
            (await at_rate(client, point_paths, 200, seconds)).row(
                "/grids?lon=&lat= 200/s (p95 <= 10 ms)"
            )
        )
        items = "/ogc/collections/building/items?limit=1000&bbox="
        boxes = [f"{items}{x - 0.01},{y - 0.01},{x + 0.01},{y + 0.01}" for x, y in points[:50]]
        print(
            (await at_rate(client, boxes, 2, seconds)).row(
                "/ogc items, bbox, 1,000 (p95 <= 150 ms)"
            )
        )
        for kind, paths in search_paths().items():
            result = await at_rate(client, paths, 20, seconds)
            print(result.row(f"/search, {kind}, 20/s (p95 <= 20 ms)"))
        print(
            f"memory of the worker: {before:.0f} MB before, "
            f"{resident_memory_mb(running.pid):.0f} MB after"
        )
        began = time.perf_counter()
        buildings, latencies_s = await asyncio.to_thread(measure_edits, base, EDITS)
        name = f"edit, {buildings} buildings (<= 100 ms)"
        print(Result(latencies_s, 0, time.perf_counter() - began).row(name))
    finally:
        running.terminate()
        running.wait(30)
    peer, base = serve_tipg(8123)
    try:
        client = Client(base)
        await wait_until_ready(client, "/healthz")
        layer_paths = [
            f"/collections/public.{name}/tiles/WebMercatorQuad/{path.removeprefix('/tiles/')}"
            for path in tiles
            for name in LAYERS
        ]
        theirs = await at_full_load(client, layer_paths, "", 4, seconds)
        print(theirs.row("tipg alone, one layer a tile"))
        ratio = (len(ours.latencies_s) / ours.duration_s) / (
            len(theirs.latencies_s) / theirs.duration_s / len(LAYERS)
        )
        print(f"tiles of 5 layers a second against tipg: {ratio:.1f} x (>= 2 x)")
    finally:
        peer.terminate()
        peer.wait(30)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tipg", action="store_true", help="only the ratios to tipg")
    options = parser.parse_args()
    if not options.tipg:
        asyncio.run(measure(options.seconds))
    asyncio.run(measure_against_tipg(options.seconds))


if __name__ == "__main__":
    main()
