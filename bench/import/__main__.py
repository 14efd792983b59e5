"""Benchmark of imports beside a bare ``ogr2ogr`` into the same server.

``./gridatlas bench import [--rows 1000000] [--large 5000000]``; needs ``ogr2ogr`` (Debian:
gdal-bin). With ``--fuzz MINUTES`` it instead imports files whose right reading is known. Runs in a
database cluster of its own, which is removed afterwards.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from sqlalchemy import Engine, NullPool, create_engine, text

import etl
from geo import db
from geo.db import cluster, local_server

assert etl.__doc__  # importing it tells GDAL which drivers to disable

ROWS_A_WRITE = 500_000
BUILDINGS_A_COMMUNITY = 1000
WEST, SOUTH = 112.0, 31.8

CHILD = """
import json, re, sys, time
from pathlib import Path
from sqlalchemy import NullPool, create_engine
from etl.pipeline.run import Request, import_file
from etl.input.mapping import validate_mapping
from geo.settings import Settings
url, layer, file, again = sys.argv[1:]
mapping = validate_mapping({"layer": layer, "source": "bench"}, "bench")
began = time.monotonic()
engine = create_engine(url, poolclass=NullPool)
done = import_file(engine, Request(layer, Path(file), mapping, again=again == "again"), Settings())
print(json.dumps({
    "seconds": time.monotonic() - began, "status": str(done.status),
    "touched": sum(c.rows_written for c in done.counts.values()),
    # The peak of this program alone: getrusage counts what its parent held when it forked.
    "memory": int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024,
}))
"""


def write_buildings(count: int, file: Path) -> Path:
    """Write buildings in rows, L-shaped, with the columns of a survey."""
    file.unlink(missing_ok=True)
    rng = np.random.default_rng(1)
    side = int(np.ceil(np.sqrt(count)))
    for start in range(0, count, ROWS_A_WRITE):
        i = np.arange(start, min(start + ROWS_A_WRITE, count))
        table = pa.table(_columns(i, rng) | {"geom": _shapes(i, side, rng)})
        pyogrio.write_arrow(
            table,
            file,
            driver="GPKG",
            layer="building",
            geometry_name="geom",
            geometry_type="MultiPolygon",
            crs="EPSG:4490",
            append=start > 0,
        )
    return file


def _columns(i: np.ndarray, rng: np.random.Generator) -> dict[str, object]:
    uses = np.array(["residential", "office", "commercial", "mixed"])
    structures = np.array(["reinforced_concrete", "brick_concrete"])
    n = len(i)
    return {
        "code": pa.array([f"B{k:09d}" for k in i]),
        "name": pa.array([f"{k % 40}号楼" for k in i]),
        "address": pa.array([f"胜利街{k % 300}号" for k in i]),
        "use": uses[rng.integers(0, 4, n)],
        "storeys_above": rng.integers(1, 30, n).astype("int32"),
        "height_m": np.round(rng.uniform(3, 90, n), 1),
        "structure": structures[rng.integers(0, 2, n)],
        "fire_class": rng.integers(1, 3, n).astype("int32"),
        "year_built": rng.integers(1970, 2024, n).astype("int32"),
        "households": rng.integers(0, 60, n).astype("int32"),
        "region_code": pa.array([community(k // BUILDINGS_A_COMMUNITY % 1000) for k in i]),
    }


def _shapes(i: np.ndarray, side: int, rng: np.random.Generator) -> pa.Array:
    n = len(i)
    x, y = WEST + (i % side) * 0.0003, SOUTH + (i // side) * 0.0002
    w, h = rng.uniform(0.0001, 0.0002, n), rng.uniform(0.00006, 0.00012, n)
    steps = [(0, 0), (1, 0), (1, 1), (0.5, 1), (0.5, 0.5), (0, 0.5), (0, 0)]
    corners = np.stack([np.stack([x + a * w, y + b * h], 1) for a, b in steps], 1)
    whole = shapely.multipolygons(shapely.polygons(corners), indices=np.arange(n))
    return pa.array(shapely.to_wkb(whole), type=pa.binary())


def community(number: int) -> str:
    return f"420602{number // 100 + 1:03d}{number % 100 + 1:03d}"


def write_communities(file: Path, changed: float = 0.0) -> Path:
    """Write 1,000 communities of ten streets that tile a district, with ragged borders."""
    rows = [("420600000000", _square(0, 0, 10, 100)), ("420602000000", _square(0, 0, 10, 100))]
    rows += [(f"420602{s + 1:03d}000", _square(s, 0, s + 1, 100)) for s in range(10)]
    edges = np.arange(101, dtype=float)
    for n in range(1000):
        street, at = divmod(n, 100)
        rows.append((community(n), _square(street, edges[at], street + 1, edges[at + 1])))
    if changed:
        for n in np.linspace(0, 998, int(1000 * changed / 2)).astype(int):
            street, at = divmod(int(n), 100)
            if at == 99:
                continue
            middle = edges[at + 1] + 0.1
            rows[12 + n] = (community(n), _square(street, edges[at], street + 1, middle))
            rows[13 + n] = (
                community(n + 1),
                _square(street, middle, street + 1, edges[at + 2]),
            )
    codes, shapes = zip(*rows, strict=True)
    names = [f"区划{code[6:]}" for code in codes]
    data = gpd.GeoDataFrame({"code": codes, "name": names}, geometry=list(shapes), crs="EPSG:4490")
    file.unlink(missing_ok=True)
    pyogrio.write_dataframe(data, file)
    return file


def _square(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """Return a rectangle whose borders have a corner every 50 m or so, as surveyed ones have."""
    box = shapely.box(
        WEST + west * 0.04, SOUTH + south * 0.003, WEST + east * 0.04, SOUTH + north * 0.003
    )
    return shapely.segmentize(box, 0.0005)


@contextmanager
def start_server(folder: Path) -> Iterator[Path]:
    home = folder / "home"
    home.mkdir(mode=0o755)
    local_server.ensure_running(home)
    try:
        yield home
    finally:
        local_server.stop(home)
        shutil.rmtree(cluster.data_directory(home).resolve(), ignore_errors=True)


@contextmanager
def create_database(home: Path, name: str) -> Iterator[str]:
    """Make a migrated database; it is gone after the block."""
    admin = create_engine(cluster.url(home, "postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = cluster.url(home, name)
    engine = create_engine(url, poolclass=NullPool)
    db.upgrade(engine)
    try:
        yield url
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def run_import(url: str, layer: str, file: Path, again: str = "once") -> dict[str, float]:
    command = [sys.executable, "-c", CHILD, url, layer, str(file), again]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run_ogr2ogr(home: Path, name: str, file: Path) -> float:
    user = cluster.data_directory(home).owner()
    target = f"PG:host={cluster.socket_directory(home)} user={user} dbname={name}"
    began = time.monotonic()
    command = ["ogr2ogr", "-f", "PostgreSQL", target, str(file), "-nln", "peer"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


class Reader:
    """A thread that reads the live table; keeps its longest wait and the states that it saw."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.over = engine, threading.Event()
        self.longest, self.seen = 0.0, set[tuple[str, ...]]()
        self.thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        with self.engine.connect() as connection:
            while not self.over.is_set():
                began = time.monotonic()
                rows = connection.scalars(
                    text("SELECT DISTINCT name FROM building WHERE code < 'B000001000'")
                ).all()
                self.longest = max(self.longest, time.monotonic() - began)
                self.seen.add(tuple(sorted(rows)))
                connection.rollback()
                time.sleep(0.01)

    def __enter__(self) -> "Reader":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def write_renamed(file: Path, to: Path) -> Path:
    """Write the first buildings of a file again, all of another name."""
    data = pyogrio.read_dataframe(file, max_features=200_000)
    data["name"] = to.stem
    to.unlink(missing_ok=True)
    pyogrio.write_dataframe(data, to, layer="building")
    return to


def report(what: str, figure: str, wanted: str, met: bool) -> None:
    print(f"{'ok  ' if met else 'MISS'} {what:58} {figure:>22}   wanted {wanted}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--large", type=int, default=0, help="also measure memory at so many")
    options.add_argument("--repeat", type=int, default=1)
    options.add_argument("--fuzz", type=float, default=0, help="only compare readings, in minutes")
    chosen = options.parse_args()
    if chosen.fuzz:
        raise SystemExit(compare_readings(chosen.fuzz))
    if shutil.which("ogr2ogr") is None:
        raise SystemExit("ogr2ogr is missing: apt-get install gdal-bin")
    with tempfile.TemporaryDirectory(prefix="gridatlas-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        file = write_buildings(chosen.rows, folder / "buildings.gpkg")
        with start_server(folder) as home:
            first = measure_loads(home, file, chosen)
            measure_borders(home, folder)
            measure_readers(home, folder, file)
            measure_memory(home, folder, first, chosen)


def compare_readings(minutes: float) -> int:
    """Import files whose right reading is known; return whether one was read otherwise."""
    from tests.etl.import_fuzz import fuzz

    with tempfile.TemporaryDirectory(prefix="gridatlas-bench-") as place:
        Path(place).chmod(0o755)
        with start_server(Path(place)) as home, create_database(home, "fuzz") as url:
            engine = create_engine(url)
            count, wrong = fuzz(engine, minutes, start=int(time.time()))
            engine.dispose()
    report(
        f"{count:,} deliveries in {minutes:g} minutes, read wrongly", str(wrong), "0", wrong == 0
    )
    return int(wrong > 0)


def measure_loads(home: Path, file: Path, chosen: argparse.Namespace) -> float:
    ogr_s, first_s, reread_s, skipped_s = [], [], [], []
    peak = 0.0
    for round_ in range(chosen.repeat):
        with create_database(home, f"load{round_}") as url:
            ogr_s.append(run_ogr2ogr(home, f"load{round_}", file))
            first = run_import(url, "building", file)
            first_s.append(first["seconds"])
            peak = max(peak, first["memory"])
            again = run_import(url, "building", file, "again")
            assert again["touched"] == 0
            reread_s.append(again["seconds"])
            skipped_s.append(run_import(url, "building", file)["seconds"])
    ogr, load = statistics.median(ogr_s), statistics.median(first_s)
    rate = chosen.rows / load
    report("ogr2ogr, rows a second", f"{chosen.rows / ogr:,.0f}", "-", True)
    report("import, rows a second", f"{rate:,.0f}", "-", True)
    report("import / ogr2ogr", f"{ogr / load:.2f}", ">= 0.5", ogr / load >= 0.5)
    ratio = statistics.median(reread_s) / load
    report("same file, read again / first load", f"{ratio:.2f}", "<= 0.5", ratio <= 0.5)
    ratio = statistics.median(skipped_s) / load
    report("same file, skipped / first load", f"{ratio:.2f}", "<= 0.5", ratio <= 0.5)
    return peak


def measure_borders(home: Path, folder: Path) -> None:
    with create_database(home, "borders") as url:
        run_import(url, "region", write_communities(folder / "regions.gpkg"))
        done = run_import(url, "region", write_communities(folder / "moved.gpkg", 0.01))
        said = f"{done['seconds']:.1f} s, {done['touched']:.0f} changed"
        met = done["seconds"] <= 20 and done["touched"] > 0
        report("1,000 communities, 1 % changed", said, "<= 20 s", met)


def measure_readers(home: Path, folder: Path, file: Path) -> None:
    os.environ["GRIDATLAS_GUARD_CHANGED_PERCENT"] = "100"
    files = [write_renamed(file, folder / f"{name}.gpkg") for name in ("old", "new")]
    with create_database(home, "readers") as url:
        with Reader(create_engine(url, poolclass=NullPool)) as reader:
            for one in files:
                run_import(url, "building", one)
        whole = reader.seen == {(), ("old",), ("new",)}
        said = f"{reader.longest:.2f} s, {'whole' if whole else reader.seen}"
        met = reader.longest <= 1 and whole
        report(
            "readers while 200,000 rows come and change: wait, states", said, "<= 1 s, whole", met
        )


def measure_memory(home: Path, folder: Path, first: float, chosen: argparse.Namespace) -> None:
    report(f"peak memory at {chosen.rows:,} rows", f"{first:.0f} MB", "<= 1024 MB", first <= 1024)
    if chosen.large:
        large = write_buildings(chosen.large, folder / "large.gpkg")
        with create_database(home, "large") as url:
            peak = run_import(url, "building", large)["memory"]
        met = peak <= min(1024, first * 1.1)
        report(f"peak memory at {chosen.large:,} rows", f"{peak:.0f} MB", "no growth", met)


if __name__ == "__main__":
    main()
