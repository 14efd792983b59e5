"""Isolation: as few valves as brute force finds, on any small network."""

from dataclasses import replace
from itertools import combinations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.network import isolation, pipes
from geo.network.pipes import PipeGraph


def network(
    nodes: dict[str, str], segments: list[tuple[str, str]], closed: tuple[str, ...] = ()
) -> PipeGraph:
    """Return a water network of nodes with their kinds, laid out on a circle."""
    count = len(nodes)
    turns = 2 * np.pi * np.arange(count) / count
    around = np.column_stack([np.cos(turns), np.sin(turns)]) * 100
    places = dict(zip(nodes, around.tolist(), strict=True))
    rows = [
        {"code": code, "kind": kind, "name": "", "in_service": True, "building_code": None}
        | {"is_open": code not in closed if kind == "valve" else None, "burial_depth_m": 1.0}
        | {"geom": shapely.Point(places[code])}
        for code, kind in nodes.items()
    ]
    lines = [
        {"code": f"s{k}", "from_node": a, "to_node": b, "diameter_mm": 100.0}
        | {"burial_depth_m": 1.0, "pressure_mpa": None, "material": None, "year_built": None}
        | {"geom": shapely.LineString([places[a], places[b]])}
        for k, (a, b) in enumerate(segments)
    ]
    frames = [gpd.GeoDataFrame(one, geometry="geom", crs="EPSG:4546") for one in (rows, lines)]
    table, xy = frames[0].drop(columns="geom"), frames[0].get_coordinates().to_numpy()
    return pipes.build_pipe_graph("water", frames[0].crs, table, xy, frames[1])


def codes(parts: isolation.Sectors, valves: np.ndarray) -> set[str]:
    return set(parts.graph.nodes["code"].to_numpy()[parts.valves[valves]])


def shut_off(graph: PipeGraph, segment: int, shut: set[str]) -> bool:
    """Return, by walking from the sources, whether no water gets to a segment."""
    kind = dict(zip(graph.nodes["code"], graph.nodes["kind"], strict=True))
    names = graph.nodes["code"].tolist()
    barred = shut | {names[n] for n in np.flatnonzero(graph.is_closed)}
    ends = [(names[a], names[b]) for a, b in graph.ends]
    wet_nodes = {code for code in names if kind[code] == "source"}
    wet_segments: set[int] = set()
    waiting = list(wet_nodes)
    while waiting:
        node = waiting.pop()
        if node in barred:
            continue
        for k, (a, b) in enumerate(ends):
            if node not in (a, b) or k in wet_segments:
                continue
            if kind[node] == "check_valve" and node != a:
                continue
            wet_segments.add(k)
            other = b if node == a else a
            # A check valve passes on only what is drawn into it.
            if kind[other] == "check_valve" and other == a:
                continue
            if other not in wet_nodes:
                wet_nodes.add(other)
                waiting.append(other)
    return segment not in wet_segments


KINDS = st.sampled_from(
    ["valve", "valve", "valve", "junction", "junction", "source", "hydrant", "check_valve"]
)


@st.composite
def networks(draw):
    count = draw(st.integers(2, 7))
    nodes = {f"n{k}": draw(KINDS) for k in range(count)}
    ends = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(ends, ends), min_size=1, max_size=10))
    segments = [(f"n{a}", f"n{b}") for a, b in pairs if a != b] or [("n0", "n1")]
    valves = [code for code, kind in nodes.items() if kind == "valve"]
    closed = tuple(draw(st.sets(st.sampled_from(valves)))) if valves else ()
    stuck = draw(st.sets(st.sampled_from(valves))) if valves else set()
    return nodes, segments, closed, draw(st.integers(0, len(segments) - 1)), stuck


@given(networks())
@settings(max_examples=200)
def test_cut_is_as_small_as_brute_force_finds(case):
    nodes, segments, closed, segment, stuck = case
    graph = network(nodes, segments, closed)
    parts = isolation.build_sectors(graph)
    names = graph.nodes["code"].to_numpy()
    held = np.flatnonzero(np.isin(names[parts.valves], list(stuck)))
    found = isolation.find_valve_cut(parts, int(parts.sector[segment]), held)
    free = [code for code in names[parts.valves] if code not in stuck]
    sets = (set(c) for size in range(len(free) + 1) for c in combinations(free, size))
    best = next((s for s in sets if shut_off(graph, segment, s)), None)
    assert found.is_possible == (best is not None)
    if best is not None:
        assert found.is_proven
        assert len(found.valves) == len(best)
        assert codes(parts, found.valves).isdisjoint(stuck)
        assert shut_off(graph, segment, codes(parts, found.valves))


@given(networks())
@settings(max_examples=100)
def test_what_loses_supply_is_what_water_no_longer_gets_to(case):
    nodes, segments, closed, segment, stuck = case
    graph = network(nodes, segments, closed)
    parts = isolation.build_sectors(graph)
    names = graph.nodes["code"].to_numpy()
    held = np.flatnonzero(np.isin(names[parts.valves], list(stuck)))
    found = isolation.find_valve_cut(parts, int(parts.sector[segment]), held)
    dry = isolation.find_lost_segments(parts, int(parts.sector[segment]), found)
    shut = codes(parts, found.valves)
    ends = graph.ends[np.isin(parts.sector, found.sources)]
    sources = set(names[np.unique(ends[graph.is_source[ends]])])
    left = {code: "junction" if code in sources else kind for code, kind in nodes.items()}
    after = network(left, segments, closed)
    assert shut_off(after, segment, shut)
    for k in range(len(graph.ends)):
        was_wet = not shut_off(graph, k, set())
        if was_wet and parts.sector[k] != parts.sector[segment]:
            assert dry[k] == shut_off(after, k, shut)
    assert dry[segment]


def test_ring_with_one_source_needs_both_sides_closed():
    graph = network(
        {"s": "source", "v1": "valve", "a": "junction", "v2": "valve"},
        [("s", "v1"), ("v1", "a"), ("a", "v2"), ("v2", "s")],
    )
    parts = isolation.build_sectors(graph)
    found = isolation.find_valve_cut(parts, int(parts.sector[1]))
    assert codes(parts, found.valves) == {"v1", "v2"}
    assert found.is_proven


def test_stuck_valve_widens_the_ring():
    nodes = {"s": "source", "v1": "valve", "a": "junction", "v2": "valve", "b": "junction"}
    graph = network(nodes, [("s", "v1"), ("v1", "a"), ("a", "v2"), ("v2", "b")])
    parts = isolation.build_sectors(graph)
    sector = int(parts.sector[3])
    near = isolation.find_valve_cut(parts, sector)
    assert codes(parts, near.valves) == {"v2"}
    ring = isolation.find_valve_cut(parts, sector, near.valves)
    assert codes(parts, ring.valves) == {"v1"}


def test_least_cut_nearest_to_the_break_is_taken():
    nodes = {"s": "source", "v1": "valve", "a": "hydrant", "v2": "valve", "b": "end"}
    graph = network(nodes, [("s", "v1"), ("v1", "a"), ("a", "v2"), ("v2", "b")])
    parts = isolation.build_sectors(graph)
    found = isolation.find_valve_cut(parts, int(parts.sector[3]))
    assert isolation.find_lost_segments(parts, int(parts.sector[3]), found).tolist() == [
        *(False, False, False, True)
    ]


def test_check_valve_holds_back_without_being_closed():
    nodes = {"s": "source", "v": "valve", "a": "junction", "c": "check_valve", "t": "source"}
    segments = [("s", "v"), ("v", "a"), ("a", "c"), ("c", "t")]
    graph = network(nodes, segments)
    parts = isolation.build_sectors(graph)
    # The device lets flow from a to t alone: the second source can't feed a.
    found = isolation.find_valve_cut(parts, int(parts.sector[1]))
    assert codes(parts, found.valves) == {"v"}


def test_valve_at_a_dead_end_is_never_closed():
    nodes = {"s": "source", "v": "valve", "a": "junction", "dead": "valve"}
    graph = network(nodes, [("s", "v"), ("v", "a"), ("a", "dead")])
    parts = isolation.build_sectors(graph)
    assert codes(parts, isolation.find_valve_cut(parts, int(parts.sector[1])).valves) == {"v"}


def test_networks_of_one_kind_that_touch_nowhere_don_t_mix():
    nodes = {"s": "source", "v": "valve", "a": "end", "t": "source", "w": "valve", "b": "end"}
    graph = network(nodes, [("s", "v"), ("v", "a"), ("t", "w"), ("w", "b")])
    parts = isolation.build_sectors(graph)
    found = isolation.find_valve_cut(parts, int(parts.sector[1]))
    assert codes(parts, found.valves) == {"v"}
    dry = isolation.find_lost_segments(parts, int(parts.sector[1]), found)
    assert dry.tolist() == [False, True, False, False]


def test_segment_without_a_valve_to_its_source_can_t_be_isolated():
    graph = network({"s": "source", "a": "junction", "b": "end"}, [("s", "a"), ("a", "b")])
    parts = isolation.build_sectors(graph)
    assert not isolation.find_valve_cut(parts, int(parts.sector[1])).is_possible


def test_shutting_the_source_dries_all_that_depends_on_it():
    nodes = {"s": "source", "a": "junction", "v": "valve", "b": "end"}
    nodes |= {"t": "source", "w": "valve", "c": "end"}
    pairs = [("s", "a"), ("a", "v"), ("v", "b"), ("t", "w"), ("w", "a"), ("t", "c")]
    graph = network(nodes, pairs)
    parts = isolation.build_sectors(graph)
    found = isolation.find_valve_cut(parts, int(parts.sector[0]))
    assert not found.is_possible
    assert codes(parts, found.valves) == {"w"}
    assert found.sources.tolist() == [parts.sector[0]]
    dry = isolation.find_lost_segments(parts, int(parts.sector[0]), found)
    assert dry.tolist() == [True, True, True, False, True, False]


def test_part_that_no_source_feeds_needs_nothing_closed_and_is_named():
    nodes = {"s": "source", "a": "end", "b": "junction", "v": "valve"}
    graph = network(nodes, [("s", "a"), ("b", "v")])
    parts = isolation.build_sectors(graph)
    found = isolation.find_valve_cut(parts, int(parts.sector[1]))
    assert found.is_possible
    assert len(found.valves) == 0
    kinds = {fault.kind for fault in graph.faults}
    assert "island" in kinds


def test_loose_ends_crossings_and_nothings_are_named():
    frames = network({"s": "source", "a": "junction", "b": "end"}, [("s", "a")])
    nodes, lines = frames.nodes, frames.segments
    extra = [
        {"code": "across", "geom": shapely.LineString([(0, -50), (40, 90)])},
        {"code": "nothing", "geom": shapely.LineString([(500, 500), (500, 500)])},
    ]
    segments = gpd.GeoDataFrame([*lines.to_dict("records"), *extra], geometry="geom", crs=lines.crs)
    graph = pipes.build_pipe_graph("water", lines.crs, nodes, frames.xy, segments)
    kinds = {(fault.kind, fault.code) for fault in graph.faults}
    assert ("loose_end", "across") in kinds
    assert ("zero_length", "nothing") in kinds
    assert ("loose_end", "s0") in kinds
    assert ("crossing", "s0") in kinds


def test_ends_at_one_place_are_joined_without_a_node():
    frames = network({"s": "source", "a": "end"}, [("s", "a")])
    at = frames.xy
    rows = [
        {"code": "p", "from_node": "s", "geom": shapely.LineString([at[0], (0, 7)])},
        {"code": "q", "to_node": "a", "geom": shapely.LineString([(0.02, 7), at[1]])},
    ]
    segments = gpd.GeoDataFrame(rows, geometry="geom", crs=frames.crs)
    for name in ("to_node", "from_node", "diameter_mm", "burial_depth_m"):
        segments[name] = segments.get(name)
    graph = pipes.build_pipe_graph("water", frames.crs, frames.nodes, at, segments)
    assert graph.ends[0, 1] == graph.ends[1, 0] == len(frames.nodes)
    assert [fault.kind for fault in graph.faults] == ["missing_node"]
    assert graph.length.sum() == pytest.approx(200, abs=30)


def test_doubles_parallels_and_valves_beside_a_pipe_are_named():
    nodes = {"s": "source", "a": "junction", "b": "end"}
    nodes |= {"on": "valve", "beside": "valve", "away": "valve"}
    frames = network(nodes, [("s", "a"), ("a", "b")])
    xy = frames.xy.copy()
    xy[3] = xy[[0, 1]].mean(axis=0)
    xy[4], xy[5] = xy[[1, 2]].mean(axis=0) - 1.5, xy[3] + 60
    lines = frames.segments
    first, second = lines.to_dict("records")
    bent = shapely.LineString([xy[1], xy[1] + 9, xy[2] + 9, xy[2]])
    more = [
        {**first, "code": "far", "geom": shapely.LineString([xy[0] - 60, xy[1] - 3])},
        {**first, "code": "reversed", "geom": shapely.reverse(first["geom"])},
        {**second, "code": "twin", "from_node": "b", "to_node": "a", "geom": bent},
    ]
    segments = gpd.GeoDataFrame([first, second, *more], geometry="geom", crs=lines.crs)
    graph = pipes.build_pipe_graph("water", lines.crs, frames.nodes, xy, segments)
    faults = {(one.kind, one.code, one.other) for one in graph.faults}
    assert faults == {
        ("duplicate", "reversed", "s0"),
        ("far_end", "far", ""),
        ("parallel", "far", "s0"),
        ("parallel", "twin", "s1"),
        ("loose_valve", "on", "s0"),
        ("loose_valve", "beside", "s1"),
        ("lone_valve", "away", ""),
    }


def test_valve_out_of_service_is_not_relied_on_and_reported():
    nodes = {"s": "source", "v": "valve", "w": "valve", "a": "junction", "e": "end"}
    graph = network(nodes, [("s", "v"), ("v", "w"), ("w", "a"), ("a", "e")])
    parts = isolation.build_sectors(graph)
    cut = isolation.find_valve_cut(parts, int(parts.sector[2]))
    assert codes(parts, cut.valves) == {"w"}

    graph.nodes.loc[graph.nodes["code"] == "w", "in_service"] = False
    broken = isolation.build_sectors(replace(graph))
    cut = isolation.find_valve_cut(broken, int(broken.sector[2]))
    assert codes(broken, cut.valves) == {"v"}
    assert [(fault.kind, fault.code) for fault in broken.graph.faults] == [("broken_valve", "w")]


def test_abandoned_pipe_connects_nothing():
    nodes = {"s": "source", "a": "junction", "b": "end", "old": "valve"}
    ends = [("s", "a"), ("a", "b"), ("a", "old"), ("old", "b")]
    graph = network(nodes, ends)
    states = ["in_use", None, "abandoned", "empty"]
    graph = pipes.build_pipe_graph(
        "water", graph.crs, graph.nodes, graph.xy, graph.segments.assign(status=states)
    )
    assert graph.segment_codes.tolist() == ["s0", "s1"]
    assert graph.node_codes.tolist() == ["s", "a", "b"]
    assert graph.missing_counts["pipe_unused"] == 2
    assert not graph.faults
