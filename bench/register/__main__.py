"""Measure the register at the size of a city: import, counts, workload grids and micro-grids.

``./gridatlas bench register [--rows 300000] [--size M]``: rows imported of buildings and of
dwellings, and the size of the sample city that is drawn. Each database is dropped afterwards.
Drawings are measured by their processor time, which other work on the machine changes little.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pyogrio
from sqlalchemy import Engine, insert, text

from bench.partition.places import database
from bench.partition.speed import first_community
from geo.model import Region
from geo.register.counts import Area, Selection, read_counts, read_unit_counts

imports = importlib.import_module("bench.import.__main__")

DWELLINGS_A_BUILDING = 30
CHANGES = 20
PROCESSORS = 2

AREAS = (Area.COMMUNITY, Area.STREET, Area.DISTRICT, Area.CITY)


def write_dwellings(count: int, file: Path) -> Path:
    """Write dwellings, thirty in each of the first buildings of the bench of imports."""
    number = pd.RangeIndex(count).to_series()
    building = (number // DWELLINGS_A_BUILDING).map("B{:09d}".format)
    door = number % DWELLINGS_A_BUILDING
    room = (door // 3 + 1).astype(str) + (door % 3 + 1).astype(str).str.zfill(2)
    columns = {
        "code": building + "-" + room,
        "building_code": building,
        "room": room,
        "occupancy": "owner",
        "residents": number % 5,
    }
    pyogrio.write_dataframe(pd.DataFrame(columns), file, layer="dwelling")
    return file


def add_regions(engine: Engine, communities: int) -> None:
    """Add the communities that the buildings of the bench of imports name, without borders."""
    codes = [imports.community(number) for number in range(communities)]
    rows = [{"code": "420600000000", "level": "city", "parent_code": None}]
    rows.append({"code": "420602000000", "level": "district", "parent_code": "420600000000"})
    streets = sorted({_above(code, Area.STREET) for code in codes})
    rows += [{"code": c, "level": "street", "parent_code": "420602000000"} for c in streets]
    rows += [
        {"code": c, "level": "community", "parent_code": _above(c, Area.STREET)} for c in codes
    ]
    with engine.begin() as connection:
        connection.execute(insert(Region), [row | {"name": row["code"]} for row in rows])


def measure_import(rows: int) -> None:
    """Import buildings and a register, then change dwellings one by one."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-bench-") as place, database() as engine:
        folder = Path(place)
        url = engine.url.render_as_string(hide_password=False)
        add_regions(engine, -(-rows // imports.BUILDINGS_A_COMMUNITY))
        files = {
            "building": imports.write_buildings(rows, folder / "buildings.gpkg"),
            "dwelling": write_dwellings(rows, folder / "dwellings.gpkg"),
        }
        rates = {}
        for layer, file in files.items():
            done = imports.run_import(url, layer, file)
            if done["touched"] != rows:
                raise SystemExit(f"{layer}: {done['touched']} of {rows} rows were imported")
            rates[layer] = rows / done["seconds"]
            imports.report(f"import of {layer}, rows a second", f"{rates[layer]:,.0f}", "-", True)
        ratio = rates["dwelling"] / rates["building"]
        imports.report("dwellings / buildings", f"{ratio:.2f}", ">= 0.5", ratio >= 0.5)
        measure_counts(engine)


def measure_counts(engine: Engine) -> None:
    """Change a dwelling and read the counts of its units and of all areas above them."""
    change = text("UPDATE dwelling SET residents = residents + 1 WHERE code = :code")
    codes = text("SELECT code, building_code FROM dwelling ORDER BY md5(code) LIMIT :count")
    regions = text("SELECT region_code FROM building WHERE code = :building")
    seconds = []
    with engine.connect() as connection:
        chosen = connection.execute(codes, {"count": CHANGES}).all()
        for code, building in chosen:
            community = connection.scalar(regions, {"building": building})
            connection.commit()
            started = time.perf_counter()
            connection.execute(change, {"code": code})
            connection.commit()
            read_unit_counts(connection, building, "admin")
            for area in AREAS:
                read_counts(connection, Selection(area, _above(community, area)), "admin", 1)
            seconds.append(time.perf_counter() - started)
    milliseconds = 1000 * median(seconds)
    figure = f"{milliseconds:.0f} ms, fastest {1000 * min(seconds):.0f} ms"
    imports.report("counts after a changed dwelling", figure, "<= 50 ms", milliseconds <= 50)


def _above(community: str, area: Area) -> str:
    """Return the code of the area that a community belongs to."""
    digits = {Area.CITY: 4, Area.DISTRICT: 6, Area.STREET: 9, Area.COMMUNITY: 12}[area]
    return community[:digits].ljust(12, "0")


def measure_drawings(size: str) -> None:
    """Draw the sample city by households and by workload, and divide its grids."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-bench-") as place, database() as engine:
        run_command(engine, "sample", "--load", "--size", size)
        first = ("draw", "--all", "--region", first_community(engine))
        run_command(engine, *first, "--balance", "workload")  # compiles the search
        households_s = run_command(engine, "draw", "--all", "--publish")
        workload_s = run_command(engine, "draw", "--all", "--from-scratch", "--balance", "workload")
        ratio = workload_s / households_s
        imports.report("drawing by workload / households", f"{ratio:.2f}", "<= 1.2", ratio <= 1.2)
        cards = Path(place) / "micro.json"
        micro_s = run_command(engine, "draw", "--all", "--micro", "--json", str(cards))
        figure = f"{micro_s / PROCESSORS:.0f} s"
        met = micro_s / PROCESSORS <= 60
        imports.report(f"micro-grids, on {PROCESSORS} processors", figure, "<= 60 s", met)
        report_shares(json.loads(cards.read_text(encoding="utf-8")))


def report_shares(cards: list[dict[str, Any]]) -> None:
    """Report the share of the micro-grids within the limits, where the units allow it."""
    micro = [card["micro"] for card in cards if card.get("micro")]
    parts, within = (sum(one[name] for one in micro) for name in ("parts", "within"))
    outside = sum(key == "micro_outside" for one in micro for key, _ in one["reasons"])
    possible = within / max(within + outside, 1)
    figure = f"{possible:.1%} ({within / max(parts, 1):.1%} of all)"
    imports.report("with 50 to 100 households", figure, ">= 95 %", possible >= 0.95)


def run_command(engine: Engine, *words: str) -> float:
    """Run a command; return its processor seconds, as if on one processor."""
    url = engine.url.render_as_string(hide_password=False)
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": os.fspath(Path.cwd())}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "cli.main", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="./gridatlas bench register", description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000, help="0 imports nothing")
    parser.add_argument("--size", default="M", help="of the sample city: S, M; empty draws nothing")
    options = parser.parse_args()
    if options.rows:
        measure_import(options.rows)
    if options.size:
        measure_drawings(options.size)


if __name__ == "__main__":
    main()
