"""Roads as a graph: joined where they meet at grade, and nowhere else."""

import geopandas as gpd
import numpy as np
import pytest
import rustworkx
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from geo.network import roads, routing


def network(*rows: tuple[list[tuple[float, float]], dict[str, object]]) -> roads.RoadGraph:
    defaults = {"road_class": "local", "width_m": 8.0, "oneway": "no", "bridge": False}
    defaults |= {"tunnel": False, "clear_height_m": None, "max_weight_t": None, "fire_lane": None}
    rows_of_roads = [defaults | {"code": f"r{k}"} | more for k, (_, more) in enumerate(rows)]
    lines = [shapely.LineString(points) for points, _ in rows]
    return roads.build_road_graph(gpd.GeoDataFrame(rows_of_roads, geometry=lines, crs="EPSG:4546"))


def metres(graph: roads.RoadGraph, start: tuple[float, float], end: tuple[float, float]) -> float:
    at = [int(np.hypot(*(graph.xy - place).T).argmin()) for place in (start, end)]
    return float(routing.shortest_from_node(graph.walking_costs(), at[0])[0][at[1]])


def test_roads_that_cross_at_grade_are_joined():
    graph = network(([(0, 0), (100, 0)], {}), ([(50, -50), (50, 50)], {}))
    assert metres(graph, (0, 0), (50, 50)) == pytest.approx(100)


def test_bridge_is_joined_at_its_ends_alone():
    graph = network(
        ([(0, 0), (100, 0)], {"bridge": True}),
        ([(50, -50), (50, 50)], {}),
        ([(100, 0), (100, 50)], {}),
    )
    assert metres(graph, (0, 0), (50, 50)) == np.inf
    assert metres(graph, (0, 0), (100, 50)) == pytest.approx(150)


def test_road_that_ends_under_a_bridge_does_not_climb_it():
    graph = network(([(0, 0), (100, 0)], {"bridge": True}), ([(50, -50), (50, 0)], {}))
    assert metres(graph, (0, 0), (50, -50)) == np.inf


def test_end_inside_a_carriageway_reaches_that_road():
    graph = network(
        ([(0, 0), (100, 0)], {"width_m": 20.0}),
        ([(50, 9), (50, 60)], {}),
        ([(20, 12), (20, 60)], {}),
    )
    assert graph.links == 1
    assert metres(graph, (0, 0), (50, 60)) == pytest.approx(110)
    assert metres(graph, (0, 0), (20, 60)) == np.inf


def test_road_without_length_is_left_out_and_named():
    graph = network(([(0, 0), (100, 0)], {}), ([(50, 0), (50, 0)], {"code": "nothing"}))
    assert graph.zero_length == ["nothing"]
    assert connected_components(graph.walking_costs())[0] == 1


def test_one_way_road_is_driven_one_way_and_walked_both():
    graph = network(([(0, 0), (100, 0)], {"oneway": "forward"}))
    drive = graph.driving_costs(np.ones(1, dtype=bool))
    start, end = graph.ends[0]
    assert np.isfinite(routing.shortest_from_node(drive, int(start))[0][end])
    assert np.isinf(routing.shortest_from_node(drive, int(end))[0][start])
    assert metres(graph, (100, 0), (0, 0)) == pytest.approx(100)


def test_dead_end_is_driven_into_and_out_of_again():
    graph = network(([(0, 0), (100, 0)], {}), ([(50, 0), (50, 60)], {"road_class": "internal"}))
    drive = graph.driving_costs(np.ones(len(graph.ends), dtype=bool))
    end = int(np.hypot(*(graph.xy - (50, 60)).T).argmin())
    west = int(np.hypot(*(graph.xy - (0, 0)).T).argmin())
    there, back = (
        routing.shortest_from_node(drive, west)[0][end],
        routing.shortest_from_node(drive, end)[0][west],
    )
    assert there == pytest.approx(50 / (30 / 3.6) + 60 / (15 / 3.6))
    assert back == pytest.approx(there)


def test_one_way_dead_end_is_a_trap_that_no_engine_is_led_through():
    graph = network(
        ([(0, 0), (100, 0)], {}),
        ([(50, 0), (50, 60)], {"oneway": "forward"}),
    )
    drive = graph.driving_costs(np.ones(len(graph.ends), dtype=bool))
    end = int(np.hypot(*(graph.xy - (50, 60)).T).argmin())
    assert np.isfinite(routing.shortest_from_node(drive, 0)[0][end])
    assert np.isinf(routing.shortest_from_node(drive, end)[0]).sum() == graph.nodes - 1


def test_places_become_nodes_of_their_own():
    graph = network(([(0, 0), (100, 0)], {}), ([(100, 0), (100, 80)], {}))
    whole, node = roads.split_at_places(
        graph, np.array([0, 1, 0, 0]), np.array([30.0, 40.0, 0.0, 30.0])
    )
    assert node[0] == node[3]
    assert whole.xy[node[0]] == pytest.approx((30, 0))
    assert whole.xy[node[2]] == pytest.approx((0, 0))
    walk = routing.shortest_from_node(whole.walking_costs(), int(node[0]))[0]
    assert walk[node[1]] == pytest.approx(110)
    assert whole.length.sum() == pytest.approx(graph.length.sum())


points = st.tuples(st.integers(0, 8), st.integers(0, 8)).map(lambda p: (p[0] * 10.0, p[1] * 10.0))


@given(st.lists(st.tuples(points, points), min_size=1, max_size=12))
@settings(max_examples=60)
def test_ways_over_any_streets_are_those_of_an_independent_graph(pairs):
    pairs = [pair for pair in pairs if pair[0] != pair[1]] or [((0.0, 0.0), (10.0, 0.0))]
    graph = network(*((list(pair), {"width_m": 1.0}) for pair in pairs))
    drawn = shapely.union_all([shapely.LineString(pair) for pair in pairs])
    assert shapely.length(drawn) <= graph.length.sum() + 1e-6
    other = rustworkx.PyGraph()
    other.add_nodes_from(range(graph.nodes))
    for (a, b), far in zip(graph.ends.tolist(), graph.length.tolist(), strict=True):
        other.add_edge(a, b, far)
    walk = graph.walking_costs()
    expected = rustworkx.dijkstra_shortest_path_lengths(other, 0, float)
    found = routing.shortest_from_node(walk, 0)[0]
    reached = {node: value for node, value in enumerate(found) if np.isfinite(value) and node}
    assert reached == pytest.approx(dict(expected))


@given(st.lists(st.tuples(points, points), min_size=2, max_size=10))
@settings(max_examples=60)
def test_streets_on_the_ground_are_joined_exactly_where_they_touch(pairs):
    pairs = [pair for pair in pairs if pair[0] != pair[1]] or [((0.0, 0.0), (10.0, 0.0))]
    graph = network(*((list(pair), {"width_m": 0.1}) for pair in pairs))
    lines = [shapely.LineString(pair) for pair in pairs]
    together = rustworkx.PyGraph()
    together.add_nodes_from(range(len(lines)))
    for a, one in enumerate(lines):
        for b in range(a):
            if one.distance(lines[b]) < 0.04:
                together.add_edge(a, b, None)
    apart = [d for a in lines for b in lines if 0 < (d := a.distance(b)) < 0.6]
    if not apart:
        assert connected_components(graph.walking_costs())[0] == len(
            rustworkx.connected_components(together)
        )
