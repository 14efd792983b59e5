"""Measure casework at the size of a city: the queue, the map, the assessment, and many reports.

    GRIDATLAS_HOME=/tmp/bench ./gridatlas bench casework [--rate 100] [--seconds 60]

A city of 50 communities and 600 grids with cases of a month (two events each) is written to an
installation without regions, which is served by two workers. Each time is the median of several
requests of a client on the same machine.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, func, select, text

from geo import db
from geo.casework.assessment import measure_month
from geo.clock import today
from geo.db import accounts
from geo.model import CaseEvent, GridManager, Region, ServiceCase

CITY = Path(__file__).with_name("city.sql")
PASSWORD = "only for measuring"  # noqa: S105
COMMUNITY, GRID = "420602001001", "420602001001001"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "admin": {},
    "city": {"role": "office", "scope": "4206"},
    "community": {"role": "office", "scope": COMMUNITY},
    "manager": {"role": "grid_manager", "grids": [GRID]},
}
HERE = {"lon": 112.1005, "lat": 32.0005}
"""A place in the manager's grid."""

REPEATS = 5
QUERIES = {
    "newest": "",
    "running, first due": "running=true&order=due",
    "a kind": "kind=noise",
    "a community": f"region={COMMUNITY}",
    "common words": "q=漏水",
    "rare words": "q=第4242件",
    "words of no case": "q=没有这样的事项",
    "a number": "q=20990101",
}
VIEWS = {
    "the city": "bbox=112.0,31.9,112.3,32.2&zoom=12",
    "some communities": "bbox=112.10,32.00,112.13,32.02&zoom=14",
    "some streets": "bbox=112.100,32.000,112.106,32.004&zoom=17",
}


def fill_city(engine: Engine, cases: int) -> None:
    """Write the city, its cases and the accounts, unless that was done."""
    with engine.begin() as connection:
        if connection.execute(select(func.count()).select_from(Region)).scalar_one():
            known = select(func.count()).select_from(GridManager)
            if connection.execute(known).scalar_one() != 600:
                raise SystemExit("GRIDATLAS_HOME holds another city. Name an empty folder.")
            return
        for statement in CITY.read_text(encoding="utf-8").split(";\n"):
            connection.execute(text(statement), {"cases": cases} if ":cases" in statement else {})
        for name, values in ACCOUNTS.items():
            accounts.add_account(
                connection, name, **({"role": name, "password": PASSWORD} | values)
            )


@contextmanager
def serving() -> Iterator[str]:
    """Serve the installation with two workers; yield the address."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--workers", "2"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        found = re.search(r"http://\S+?:\d+", running.stdout.readline())
        assert found is not None
        for _ in range(300):
            try:
                httpx.get(f"{found[0]}/health", timeout=10)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield found[0]
    finally:
        running.terminate()
        running.wait(30)


def sign_in(base: str, name: str) -> httpx.Client:
    """Return the client of an account."""
    form = {"grant_type": "password", "username": name, "password": PASSWORD}
    token = httpx.post(f"{base}/auth/token", data=form, timeout=60).raise_for_status().json()
    headers = {"Authorization": f"Bearer {token['access_token']}", "Accept-Encoding": "gzip"}
    return httpx.Client(base_url=base, headers=headers, timeout=120)


def measure_reading(base: str) -> None:
    """Print the times of pages of the queue and of the map, by account."""
    for name in ACCOUNTS:
        with sign_in(base, name) as client:
            for what, query in QUERIES.items():
                _print_get(client, f"{name}: queue, {what}", f"/casework/cases?limit=50&{query}")
            _print_get(client, f"{name}: numbers", "/casework/summary")
            for what, query in VIEWS.items():
                _print_get(client, f"{name}: map of {what}", f"/casework/map?{query}")


def _print_get(client: httpx.Client, what: str, path: str) -> None:
    times_s = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        answer = client.get(path).raise_for_status()
        times_s.append(time.perf_counter() - start)
    size_kb = len(answer.content) / 1000
    print(f"{what:45} {median(times_s) * 1000:8.0f} ms  {size_kb:8.0f} KB")


def measure_assessment(connection: Connection) -> None:
    """Print the time of measuring the month before."""
    events = connection.execute(select(func.count()).select_from(CaseEvent)).scalar_one()
    month = (today().replace(day=1) - timedelta(days=1)).replace(day=1)
    start = time.perf_counter()
    measures = measure_month(connection, month)
    elapsed_s = time.perf_counter() - start
    print(f"assessment of {len(measures)} areas, {events:,} events: {elapsed_s:.1f} s")


async def measure_reports(base: str, rate: int, seconds: int) -> None:
    """Print what became of reports sent at a rate, and how soon they were on a manager's screen."""
    form = {"kind": "noise", "description": "bench"} | {k: str(v) for k, v in HERE.items()}
    statuses: Counter[str] = Counter()
    sent_at: dict[str, float] = {}
    seen_at: dict[str, float] = {}
    times_s: list[float] = []
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=base, timeout=90, limits=limits) as client:

        async def send() -> None:
            start = time.perf_counter()
            try:
                answer = await client.post("/reports", data=form)
            except httpx.TransportError as error:
                statuses[type(error).__name__] += 1
                return
            times_s.append(time.perf_counter() - start)
            statuses[str(answer.status_code)] += 1
            if answer.status_code == 201:
                sent_at[answer.json()["number"]] = start

        watching = asyncio.create_task(_watch(base, seen_at))
        await asyncio.sleep(3)
        start = time.perf_counter()
        tasks = []
        for n in range(rate * seconds):
            await asyncio.sleep(max(0, start + n / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(send()))
        await asyncio.gather(*tasks)
        await asyncio.sleep(5)
        watching.cancel()
    delays_s = sorted(seen_at[one] - sent_at[one] for one in sent_at if one in seen_at)
    print(f"{rate} reports a second for {seconds} s: {dict(statuses)}")
    print(f"  answers: median {median(times_s) * 1000:.0f} ms, last {max(times_s) * 1000:.0f} ms")
    if delays_s:
        p99 = delays_s[int(len(delays_s) * 0.99)]
        print(
            f"  on the screen: {len(delays_s)} of {len(sent_at)}, median "
            f"{median(delays_s) * 1000:.0f} ms, 99 % within {p99 * 1000:.0f} ms"
        )


async def _watch(base: str, seen_at: dict[str, float]) -> None:
    """Note when each case arrives on a manager's screen."""
    token = sign_in(base, "manager").headers["Authorization"]
    async with httpx.AsyncClient(base_url=base, timeout=None) as client:  # noqa: S113
        headers = {"Authorization": token}
        async with client.stream("GET", "/casework/events", headers=headers) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: {"):
                    seen_at.setdefault(json.loads(line[6:])["number"], time.perf_counter())


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    db.upgrade()
    engine = db.get_engine()
    fill_city(engine, options.cases)
    with serving() as base:
        measure_reading(base)
        with engine.connect() as connection:
            measure_assessment(connection)
            count = select(func.count()).select_from(ServiceCase)
            before = connection.execute(count).scalar_one()
        asyncio.run(measure_reports(base, 1, 10))
        asyncio.run(measure_reports(base, options.rate, options.seconds))
        with engine.connect() as connection:
            print(f"  cases filed: {connection.execute(count).scalar_one() - before}")


if __name__ == "__main__":
    main()
