"""Gaps in the data of roads: joined beside another road and at a compound's gate, not elsewhere."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy.sparse.csgraph import connected_components

from geo.network import road_joins, routing
from geo.network.road_joins import RoadJoin
from geo.network.roads import RoadGraph, build_road_graph

STREET = ([(0, 0), (200, 0)], {"width_m": 10.0})
LONG_STREET = ([(-300, 0), (500, 0)], {"width_m": 10.0})
COMPOUND = shapely.box(20, 9, 180, 150)


def frame(*rows: tuple[list[tuple[float, float]], dict[str, object]]) -> gpd.GeoDataFrame:
    usual = {"road_class": "local", "width_m": 6.0, "oneway": "no", "fire_lane": None}
    usual |= {"bridge": False, "tunnel": False}
    values = [usual | {"code": f"r{k}"} | more for k, (_, more) in enumerate(rows)]
    lines = [shapely.LineString(points) for points, _ in rows]
    return gpd.GeoDataFrame(values, geometry=lines, crs="EPSG:4546")


def joined(
    *rows: tuple[list[tuple[float, float]], dict[str, object]],
    compounds: tuple[shapely.Polygon, ...] = (),
) -> tuple[RoadGraph, list[RoadJoin]]:
    roads = frame(*rows)
    boundaries = np.asarray(shapely.boundary(np.array(compounds, dtype=object)), dtype=object)
    joins = road_joins.find_road_joins(build_road_graph(roads), boundaries, 3.0, 10.0)
    lines = road_joins.extend_roads(roads.geometry.to_numpy(), joins)
    return build_road_graph(roads, lines), joins


def metres(graph: RoadGraph, start: tuple[float, float], end: tuple[float, float]) -> float:
    at = [int(np.hypot(*(graph.xy - place).T).argmin()) for place in (start, end)]
    return float(routing.shortest_from_node(graph.walking_costs(), at[0])[0][at[1]])


def test_end_a_few_metres_from_a_carriageway_is_joined():
    graph, joins = joined(STREET, ([(50, 7.5), (50, 60)], {}))
    assert [(join.road, join.other, join.at_gate) for join in joins] == [(1, 0, False)]
    assert joins[0].gap_m == pytest.approx(2.5)
    assert metres(graph, (0, 0), (50, 60)) == pytest.approx(110)


def test_end_farther_than_the_tolerance_is_not_joined():
    graph, joins = joined(STREET, ([(50, 8.5), (50, 60)], {}))
    assert joins == []
    assert metres(graph, (0, 0), (50, 60)) == np.inf


@pytest.mark.parametrize("raised", ["bridge", "tunnel"])
def test_bridges_and_tunnels_are_not_joined(raised):
    assert joined(STREET, ([(50, 7), (50, 60)], {raised: True}))[1] == []
    assert joined((STREET[0], STREET[1] | {raised: True}), ([(50, 7), (50, 60)], {}))[1] == []


def test_end_that_overshoots_the_road_it_meets_is_no_gap():
    assert joined(STREET, ([(50, -2), (50, 60)], {}))[1] == []


def test_two_ends_that_face_each_other_are_one_gap():
    graph, joins = joined(([(0, 0), (50, 0)], {}), ([(54, 0), (100, 0)], {}))
    assert len(joins) == 1
    assert metres(graph, (0, 0), (100, 0)) == pytest.approx(100)


def test_isolated_roads_of_a_compound_are_joined_at_one_gate():
    inner = [([(30, 12), (30, 100)], {}), ([(30, 60), (170, 60)], {}), ([(170, 13), (170, 60)], {})]
    graph, joins = joined(LONG_STREET, *inner, compounds=(COMPOUND,))
    assert [(join.road, join.at_gate) for join in joins] == [(1, True)]
    assert joins[0].gap_m == pytest.approx(7)
    assert connected_components(graph.walking_costs())[0] == 1


def test_roads_that_reach_the_street_get_no_second_gate():
    inner = [([(30, 0), (30, 100)], {}), ([(30, 60), (170, 60)], {}), ([(170, 12), (170, 60)], {})]
    assert joined(LONG_STREET, *inner, compounds=(COMPOUND,))[1] == []


def test_isolated_road_away_from_any_boundary_stays_isolated():
    road = ([(50, 12), (50, 60)], {})
    assert joined(LONG_STREET, road)[1] == []
    assert joined(LONG_STREET, road, compounds=(shapely.box(20, -60, 180, 100),))[1] == []


def test_no_roads_have_no_joins():
    roads = frame(STREET).iloc[:0]
    empty = np.zeros(0, dtype=object)
    assert road_joins.find_road_joins(build_road_graph(roads), empty, 3.0, 10.0) == []
