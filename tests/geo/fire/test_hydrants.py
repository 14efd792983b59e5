"""Hydrants: straight radius, hose route, spacing along streets, kerb and wall."""

import numpy as np
import pytest
import rustworkx
import shapely

from geo.fire import hydrant_places, hydrants
from tests.geo.fire.conftest import snapshot_of


def street(code: str, *points: tuple[float, float], **more: object) -> dict[str, object]:
    defaults = {"road_class": "local", "width_m": 10.0, "name": "长虹路"}
    return {"code": code, "geom": shapely.LineString(points)} | defaults | more


def house(code: str, x: float, y: float, size: float = 10.0, **more: object) -> dict[str, object]:
    return {"code": code, "geom": shapely.box(x, y, x + size, y + size), "households": 0} | more


def hydrant(code: str, x: float, y: float, **more: object) -> dict[str, object]:
    row = {"code": code, "kind": "hydrant", "network": "water", "in_service": True}
    return row | {"geom": shapely.Point(x, y)} | more


def rules_of(findings):
    return sorted((item.rule, item.feature) for item in findings)


def test_house_beyond_the_radius_is_found_with_its_uncovered_part(in_force):
    snapshot = snapshot_of(
        building=[house("near", 20, 10), house("far", 145, 10)],
        road=[street("r", (0, 0), (400, 0))],
        pipe_node=[hydrant("h", 0, 6)],
    )
    straight = [
        f for f in hydrants.check_hydrant_coverage(snapshot, in_force) if f.rule == "hydrant_radius"
    ]
    assert [f.feature for f in straight] == ["far"]
    assert straight[0].measured == pytest.approx(np.hypot(155, 14))
    assert 0 < straight[0].geometry.area < 100


def test_hose_goes_round_where_the_straight_line_would_do(in_force):
    snapshot = snapshot_of(
        building=[house("b", 45, 100)],
        road=[street("a", (0, 0), (100, 0)), street("b", (100, 0), (100, 95), (0, 95))],
        pipe_node=[hydrant("h", 50, 6)],
    )
    findings = hydrants.check_hydrant_coverage(snapshot, in_force)
    assert [f.rule for f in findings] == ["hydrant_route"]
    metres, _ = hydrants.hose_routes(snapshot)
    # 6 to the road, 50 to the corner, 95 up, 45 along to the corner of the house, 5 to its wall.
    assert metres[0] == pytest.approx(6 + 50 + 95 + 45 + 5, abs=10.1)
    assert findings[0].shortfall == pytest.approx(metres[0] - 150)


def test_hydrant_out_of_service_or_failed_covers_nothing(in_force):
    snapshot = snapshot_of(
        building=[house("b", 20, 12)],
        road=[street("r", (0, 0), (400, 0))],
        pipe_node=[hydrant("h", 30, 6, in_service=False)],
    )
    findings = hydrants.check_hydrant_coverage(snapshot, in_force)
    assert {f.rule for f in findings} == {"hydrant_radius", "hydrant_route"}
    assert all(f.measured is None for f in findings)
    assert [f.rule for f in hydrant_places.check_hydrant_positions(snapshot, in_force)] == [
        "hydrant_out"
    ]


def test_gap_along_a_street_spans_its_pieces(in_force):
    pieces = [street(f"r{k}", (100 * k, 0), (100 * (k + 1), 0)) for k in range(3)]
    snapshot = snapshot_of(road=pieces, pipe_node=[hydrant("a", 50, 6), hydrant("b", 250, -6)])
    findings = hydrant_places.check_hydrant_spacing(snapshot, in_force)
    assert [(f.feature, f.measured) for f in findings] == [("r1", pytest.approx(200))]
    assert shapely.length(findings[0].geometry) == pytest.approx(200)


def test_wide_street_needs_hydrants_on_both_sides(in_force):
    nodes = [hydrant(f"h{x}", x, 32) for x in range(0, 301, 100)]
    snapshot = snapshot_of(road=[street("r", (0, 0), (300, 0), width_m=61.0)], pipe_node=nodes)
    findings = hydrant_places.check_hydrant_spacing(snapshot, in_force)
    assert [f.detail["kind"] for f in findings] == ["right"]
    narrower = snapshot_of(road=[street("r", (0, 0), (300, 0), width_m=60.0)], pipe_node=nodes)
    assert hydrant_places.check_hydrant_spacing(narrower, in_force) == []


def test_hydrant_inside_a_building_and_in_the_carriageway_is_found(in_force):
    snapshot = snapshot_of(
        building=[house("b", 20, 8)],
        road=[street("r", (0, 0), (100, 0))],
        pipe_node=[
            *(hydrant("inside", 25, 9), hydrant("carriageway", 60, 4)),
            *(hydrant("right", 80, 6), hydrant("off", 90, 8)),
        ],
    )
    findings = hydrant_places.check_hydrant_positions(snapshot, in_force)
    assert rules_of(findings) == [
        ("hydrant_kerb_least", "carriageway"),
        ("hydrant_kerb_most", "inside"),
        ("hydrant_kerb_most", "off"),
        ("hydrant_wall", "inside"),
    ]
    inside = next(f for f in findings if f.rule == "hydrant_wall")
    assert inside.detail["kind"] == "inside"


def test_city_without_hydrants_is_reported(in_force):
    snapshot = snapshot_of(building=[house("b", 0, 10)], road=[street("r", (0, 0), (100, 0))])
    assert {f.detail["kind"] for f in hydrants.check_hydrant_coverage(snapshot, in_force)} == {
        "none"
    }
    assert [item.key for item in hydrants.missing_hydrant_data(snapshot.hydrant)] == ["no_hydrants"]


def test_hose_routes_of_the_sample_are_those_of_an_independent_search(city):
    access = city.access
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(access.graph.nodes))
    for (a, b), far in zip(access.graph.ends.tolist(), access.graph.length.tolist(), strict=True):
        graph.add_edge(a, b, far)
    metres, hydrant_row = hydrants.hose_routes(city)
    rows = np.random.default_rng(5).choice(len(city.building), 60, replace=False)
    use = np.flatnonzero(city.hydrant_works & (access.hydrant >= 0))
    for row in rows:
        node = int(access.building[row])
        far = dict(rustworkx.dijkstra_shortest_path_lengths(graph, node, float)) | {node: 0.0}
        ways = [far.get(int(access.hydrant[h]), np.inf) + access.hydrant_gap[h] for h in use]
        expected = min(ways) + access.building_gap[row]
        if expected < hydrants.ROUTE_LIMIT_M:
            assert metres[row] == pytest.approx(expected, abs=1e-6)
            assert hydrant_row[row] >= 0
