"""The fire queries on city M: ``./gridatlas bench fire``.

Makes a private database in a temporary home, loads city M, and prints each figure beside what is
required of it. ``--home FOLDER`` uses an installation that holds city M already.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import networkx
import numpy as np
import shapely
from sqlalchemy import Connection, Engine, text

from bench.fire import served
from geo import db
from geo.db import local_server
from geo.fire import briefing, finding_refresh, hydrants, incident, station_response
from geo.fire.cities import list_cities
from geo.fire.context import FireContext, FireContextCache
from geo.network import isolation, pipes, routing, shutoff
from geo.network.isolation import Sectors
from geo.network.pipes import PipeGraph
from geo.network.roads import RoadGraph
from geo.types import Bools

DRIVING_DISTANCE = text(
    "SELECT node, min(agg_cost) FROM pgr_drivingDistance("
    "'SELECT id, source, target, cost, reverse_cost FROM road_edge', :nodes, 240, true) "
    "GROUP BY node"
)

ROUNDS = 100
SEED = 7


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="bench fire")
    parser.add_argument("--home", type=Path)
    home_option = parser.parse_args().home
    with tempfile.TemporaryDirectory(
        prefix="gridatlas-bench-", ignore_cleanup_errors=True
    ) as folder:
        home = home_option or Path(folder) / "home"
        os.environ["GRIDATLAS_HOME"] = os.fspath(home)
        os.environ.pop("DATABASE_URL", None)
        Path(folder).chmod(0o755)
        home.mkdir(mode=0o755, exist_ok=True)
        db.reset_engine()
        try:
            if home_option is None:
                _load_city()
            _measure(db.get_engine())
        finally:
            db.get_engine().dispose()
            if home_option is None:
                local_server.stop(home)


def _load_city() -> None:
    from etl.pipeline.publish_frames import publish
    from etl.sample.city import sample_city

    db.upgrade()
    publish(db.get_engine(), sample_city("M", 1), "sample:M:1")


def _measure(engine: Engine) -> None:
    contexts = FireContextCache()
    with engine.connect() as connection:
        city = list_cities(connection)[0]
        started = time.perf_counter()
        context = contexts.context_of(connection, city)
        _ = context.vehicle_reach, context.costs_to_stations, context.is_high_rise
        show("reading city M once", time.perf_counter() - started, None, "s")
    _all_overlays(engine, contexts, city)
    with engine.connect() as connection:
        context = contexts.context_of(connection, city)
        _calls(connection, contexts, context)
        _isolation(connection, contexts, city)
        _response(connection, context)
        _routes(context)
    _over_http(engine, contexts, context)


def show(name: str, value: float, required: float | None, unit: str) -> None:
    """Print a figure beside what is required."""
    wanted = "" if required is None else f"   required {required:g} {unit}"
    print(f"{name:58s} {value:10.3f} {unit}{wanted}", flush=True)


def p95(name: str, calls: list[Callable[[], object]], required: float) -> None:
    """Print the 95th percentile of the milliseconds of calls."""
    calls[0]()
    times = []
    for call in calls:
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1000)
    show(f"{name}, p95 of {len(calls)}", float(np.percentile(times, 95)), required, "ms")


def _all_overlays(engine: Engine, contexts: FireContextCache, city: str) -> None:
    with engine.begin() as connection:
        for table in ("fire_finding", "fire_area", "fire_overlay"):
            connection.execute(text(f"TRUNCATE {table}"))
    started = time.perf_counter()
    written = finding_refresh.refresh_findings(engine, contexts, city)
    show("all overlays of the city from nothing", time.perf_counter() - started, 120, "s")
    print("   ", ", ".join(f"{name} {count}" for name, count in written.items()))
    times = []
    for _ in range(5):
        _change_one_building(engine)
        started = time.perf_counter()
        finding_refresh.refresh_findings(engine, contexts, city)
        times.append(time.perf_counter() - started)
    show("after one building changed, median of 5", float(np.median(times)), 1, "s")


def _change_one_building(engine: Engine) -> None:
    """Do what a publication of one building does: its row and the layer's revision move."""
    with engine.begin() as connection:
        newest = "(SELECT max(revision) + 1 FROM layer_revision)"
        connection.execute(
            text(
                f"UPDATE building SET height_m = height_m + 0.1, revision = {newest} "  # noqa: S608
                "WHERE code = (SELECT code FROM building ORDER BY md5(code || clock_timestamp()) "
                "LIMIT 1)"
            )
        )
        connection.execute(
            text(f"UPDATE layer_revision SET revision = {newest} WHERE layer = 'building'")  # noqa: S608
        )


def _calls(connection: Connection, contexts: FireContextCache, context: FireContext) -> None:
    random = np.random.default_rng(SEED)
    snapshot = context.snapshot
    rows = random.choice(len(snapshot.building), ROUNDS, replace=False)
    codes = snapshot.building["code"].to_numpy()[rows]

    def brief(code: str) -> Callable[[], object]:
        return lambda: briefing.building_briefing(connection, contexts, code, "zh")

    p95("building briefing, one call", [brief(code) for code in codes], 60)
    middles = snapshot.to_degrees(shapely.centroid(snapshot.walls[rows]))

    def at(place: shapely.Point) -> Callable[[], object]:
        def call() -> object:
            current = contexts.context_of(connection, snapshot.city)
            mains = contexts.hydrant_mains(connection, snapshot.city)
            return incident.incident_briefing(
                connection, current, place.x, place.y, 300.0, mains, "zh"
            )

        return call

    p95("incident view, 300 m", [at(place) for place in middles], 80)


def _isolation(connection: Connection, contexts: FireContextCache, city: str) -> None:
    """Isolate on city M's water network and a copy of it: over 100,000 segments."""
    graph = contexts.pipe_sectors(connection, city, "water").graph
    doubled = isolation.build_sectors(_double_network(graph))
    _ = doubled.flow, doubled.graph.faults
    random = np.random.default_rng(SEED)
    codes = doubled.graph.segment_codes[random.choice(len(graph.ends), ROUNDS, replace=False)]
    count = len(doubled.graph.ends)
    calls = [_isolate(connection, doubled, str(code)) for code in codes]
    p95(f"isolation, {count:,} segments", calls, 60)


def _isolate(connection: Connection, parts: Sectors, code: str) -> Callable[[], object]:
    return lambda: shutoff.plan_shutoff(connection, parts, code, lang="zh")


def _double_network(graph: PipeGraph) -> PipeGraph:
    """Return a network with a copy of it 30 km to the east, joined to nothing."""
    import pandas as pd

    def append_copy(frame: object, columns: tuple[str, ...]) -> object:
        other = frame.copy()
        for name in columns:
            other[name] = other[name].where(other[name].isna(), other[name] + "'")
        return pd.concat([frame, other], ignore_index=True)

    nodes = append_copy(graph.nodes, ("code",))
    segments = append_copy(graph.segments, ("code", "from_node", "to_node"))
    away = segments.geometry[len(graph.segments) :].translate(30_000.0)
    segments.loc[away.index, "geom"] = away
    current = graph.xy[: len(graph.nodes)]
    xy = np.concatenate([current, current + np.array([30_000.0, 0.0])])
    return pipes.build_pipe_graph(graph.network, graph.crs, nodes, xy, segments)


def _response(connection: Connection, context: FireContext) -> None:
    snapshot, rules = context.snapshot, context.rules
    started = time.perf_counter()
    station_response.compute_response_areas(snapshot, rules, [2.0, 3.0, 4.0, 5.0])
    show(
        f"response areas of {len(snapshot.station)} stations", time.perf_counter() - started, 5, "s"
    )
    graph = snapshot.graph
    passable = station_response.is_passable(snapshot, rules, graph)
    drive = graph.driving_costs(passable)
    near = shapely.STRtree(shapely.points(graph.xy)).nearest(snapshot.station.geometry.to_numpy())
    ours, seconds = time_best_of(
        lambda: routing.shortest_from_nearest(drive, np.unique(near), 240.0)[0]
    )
    show("driving times in memory", seconds * 1000, None, "ms")
    if not _has_pgrouting(connection):
        print("pgr_drivingDistance: left out, pgRouting is not on this server")
        return
    _write_edges(connection, graph, passable)
    nodes = {"nodes": [int(node) for node in np.unique(near)]}
    theirs, peer = time_best_of(lambda: connection.execute(DRIVING_DISTANCE, nodes).all())
    reached = np.flatnonzero(ours <= 240.0)
    same = set(reached.tolist()) == {row[0] for row in theirs}
    show("pgr_drivingDistance, same graph", peer * 1000, None, "ms")
    show(f"times faster (same reach: {same})", peer / seconds, 5, "x")
    apart = max(abs(ours[node] - cost) for node, cost in theirs)
    show("largest difference of a driving time", float(apart), 1e-3, "s")


def _has_pgrouting(connection: Connection) -> bool:
    known = text("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgrouting')")
    return bool(connection.execute(known).scalar())


def _write_edges(connection: Connection, graph: RoadGraph, passable: Bools) -> None:
    """Write the graph as pgRouting reads it: seconds each way, -1 where an engine can't pass."""
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS pgrouting CASCADE"))
    connection.execute(
        text(
            "CREATE TEMP TABLE road_edge (id bigint PRIMARY KEY, source bigint, target bigint, "
            "cost float, reverse_cost float)"
        )
    )
    oneway = graph.column("oneway")
    there = np.where(passable & (oneway != "backward"), graph.seconds, -1.0)
    back = np.where(passable & (oneway != "forward"), graph.seconds, -1.0)
    ends = graph.ends.tolist()
    with connection.connection.driver_connection.cursor() as cursor:
        with cursor.copy("COPY road_edge FROM STDIN") as stream:
            for piece, (source, target) in enumerate(ends):
                stream.write_row((piece, source, target, float(there[piece]), float(back[piece])))
        cursor.execute("CREATE INDEX ON road_edge (source)")
        cursor.execute("CREATE INDEX ON road_edge (target)")
        cursor.execute("ANALYZE road_edge")


def _over_http(engine: Engine, contexts: FireContextCache, context: FireContext) -> None:
    """Ask a served worker: the first call after its start, then calls in turn."""
    snapshot = context.snapshot
    random = np.random.default_rng(SEED + 1)
    rows = random.choice(len(snapshot.building), ROUNDS, replace=False)
    codes = snapshot.codes[rows].tolist()
    middles = snapshot.to_degrees(shapely.centroid(snapshot.walls[rows]))
    with engine.connect() as connection:
        pipe = contexts.pipe_sectors(connection, snapshot.city, "water").graph.segment_codes
    broken = pipe[random.choice(len(pipe), ROUNDS, replace=False)].tolist()
    briefings = [f"/fire/buildings/{code}" for code in codes]
    incidents = [f"/fire/incident?lon={at.x:.6f}&lat={at.y:.6f}&radius=300" for at in middles]
    shut = [f"/networks/water/segments/{code}/isolation" for code in broken]
    with served.caller(engine) as caller:
        started = time.perf_counter()
        caller.get(briefings[0])
        show(
            "first briefing after the server's start, waiting",
            time.perf_counter() - started,
            None,
            "s",
        )
        caller.rest(served.READY_S)
        for name, asked, required in (
            ("building briefing over HTTP", briefings, 60),
            ("incident view over HTTP, 300 m", incidents, 80),
            (f"isolation over HTTP, {len(pipe):,} segments", shut, 60),
        ):
            p95(name, [partial(caller.get, path) for path in asked], required)


def time_best_of(call: Callable[[], object], times: int = 3) -> tuple[object, float]:
    """Return what a call returns, and the seconds of its quickest run."""
    best = np.inf
    for _ in range(times):
        started = time.perf_counter()
        found = call()
        best = min(best, time.perf_counter() - started)
    return found, best


def _routes(context: FireContext) -> None:
    """Hold hose routes against networkx over the same pieces of road."""
    snapshot, access = context.snapshot, context.snapshot.access
    graph = networkx.Graph()
    for (a, b), far in zip(access.graph.ends.tolist(), access.graph.length.tolist(), strict=True):
        if a != b and far < graph.get_edge_data(a, b, {"weight": np.inf})["weight"]:
            graph.add_edge(a, b, weight=far)
    use = np.flatnonzero(snapshot.hydrant_works & (access.hydrant >= 0))
    for row in use.tolist():
        graph.add_edge(("hydrant", row), int(access.hydrant[row]), weight=access.hydrant_gap[row])
    metres, _ = hydrants.hose_routes(snapshot)
    rows = np.random.default_rng(SEED).choice(len(snapshot.building), 200, replace=False)
    worst = 0.0
    for row in rows.tolist():
        limit = hydrants.ROUTE_LIMIT_M
        ways = networkx.single_source_dijkstra_path_length(
            graph, int(access.building[row]), cutoff=limit
        )
        found = min((far for node, far in ways.items() if isinstance(node, tuple)), default=np.inf)
        expected = found + access.building_gap[row]
        if np.isfinite(expected) or np.isfinite(metres[row]):
            worst = max(worst, abs(expected - metres[row]))
    show("hose routes against networkx, 200 buildings, difference", worst, 1e-6, "m")


if __name__ == "__main__":
    main()
