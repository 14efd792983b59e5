"""Figures of the rules on either side, in layouts whose answer is known by hand."""

import pytest
import shapely

from geo.fire import fire_lanes, hydrant_places, hydrants, separation, vehicle_access
from tests.geo.fire.conftest import snapshot_of
from tests.geo.fire.test_hydrants import house, hydrant, street

HIGH = {"height_m": 60.0, "high_rise": True, "use": "office"}
LOW = {"height_m": 12.0, "high_rise": False, "use": "office"}

TABLE = [
    ("separation_high_high", HIGH | {"fire_class": 1}, HIGH | {"fire_class": 2}, 13.0),
    *(
        (f"separation_high_{k}", HIGH | {"fire_class": 1}, LOW | {"fire_class": k}, metres)
        for k, metres in ((2, 9.0), (3, 11.0), (4, 14.0))
    ),
    *(
        (f"separation_{a}_{b}", LOW | {"fire_class": a}, LOW | {"fire_class": b}, metres)
        for a, b, metres in (
            *((2, 2, 6.0), (2, 3, 7.0), (2, 4, 9.0)),
            *((3, 3, 8.0), (3, 4, 10.0), (4, 4, 12.0)),
        )
    ),
]


@pytest.mark.parametrize(("rule", "one", "other", "metres"), TABLE, ids=[row[0] for row in TABLE])
def test_buildings_stand_as_far_apart_as_table_5_2_2_says(in_force, rule, one, other, metres):
    for gap, expected in ((metres, []), (metres - 0.1, [rule])):
        snapshot = snapshot_of(
            building=[house("a", 0, 0, 60.0, **one), house("b", 60 + gap, 0, 60.0, **other)]
        )
        assert [f.rule for f in separation.check_separation(snapshot, in_force)] == expected


@pytest.mark.parametrize(
    ("gap", "rule"), [(0.09, "separation_adjoining"), (0.11, "separation_4_4")]
)
def test_walls_up_to_a_tenth_of_a_metre_apart_adjoin(in_force, gap, rule):
    old = LOW | {"fire_class": 4}
    snapshot = snapshot_of(
        building=[house("a", 0, 0, 60.0, **old), house("b", 60 + gap, 0, 60.0, **old)]
    )
    assert [f.rule for f in separation.check_separation(snapshot, in_force)] == [rule]


@pytest.mark.parametrize(
    ("height", "gap", "proof"),
    [
        (20.0, 3.5, "protected"),
        (20.0, 3.4, "fire_wall"),
        (60.0, 4.0, "protected"),
        (60.0, 3.9, "fire_wall"),
        (100.0, 8.0, "protected"),
        (100.1, 8.0, None),
    ],
)
def test_proof_that_a_smaller_distance_needs_follows_its_figure(in_force, height, gap, proof):
    high = {"height_m": height, "high_rise": height > 24, "use": "office", "fire_class": 1}
    low = LOW | {"fire_class": 2}
    snapshot = snapshot_of(
        building=[house("a", 0, 0, 60.0, **high), house("b", 60 + gap, 0, 60.0, **low)]
    )
    if height == 20.0:
        assert gap < 6.0
    (finding,) = separation.check_separation(snapshot, in_force)
    assert finding.detail["proof"] == proof


@pytest.mark.parametrize(("apart", "count"), [(120.0, 0), (120.5, 1)])
def test_hydrants_along_a_street_stand_at_most_120_metres_apart(in_force, apart, count):
    nodes = [hydrant("a", 100, 6), hydrant("b", 100 + apart, 6)]
    snapshot = snapshot_of(road=[street("r", (0, 0), (200 + apart, 0))], pipe_node=nodes)
    findings = hydrant_places.check_hydrant_spacing(snapshot, in_force)
    assert [f.rule for f in findings] == ["hydrant_spacing"] * count


@pytest.mark.parametrize(
    ("kerb", "expected"),
    [
        (0.4, ["hydrant_kerb_least"]),
        (0.5, []),
        (2.0, []),
        (2.1, ["hydrant_kerb_most"]),
    ],
)
def test_hydrant_stands_half_a_metre_to_two_metres_from_the_kerb(in_force, kerb, expected):
    snapshot = snapshot_of(
        road=[street("r", (0, 0), (100, 0))], pipe_node=[hydrant("h", 50, 5 + kerb)]
    )
    findings = hydrant_places.check_hydrant_positions(snapshot, in_force)
    assert [f.rule for f in findings] == expected


@pytest.mark.parametrize(("wall", "expected"), [(5.0, []), (4.9, ["hydrant_wall"])])
def test_hydrant_should_stand_5_metres_from_walls(in_force, wall, expected):
    snapshot = snapshot_of(
        building=[house("b", 45, 6 + wall)],
        road=[street("r", (0, 0), (100, 0))],
        pipe_node=[hydrant("h", 50, 6)],
    )
    findings = hydrant_places.check_hydrant_positions(snapshot, in_force)
    assert [f.rule for f in findings] == expected


@pytest.mark.parametrize(("north", "expected"), [(143.0, []), (146.0, ["hydrant_route"])])
def test_hose_from_a_hydrant_is_at_most_150_metres_long(in_force, north, expected):
    """From 6 m beside the street, up a lane, to a wall at its end."""
    snapshot = snapshot_of(
        building=[house("b", 0, 0, geom=shapely.box(45, north, 55, north + 1))],
        road=[street("r", (0, 0), (100, 0)), street("l", (50, 0), (50, north - 1))],
        pipe_node=[hydrant("h", 50, -6)],
    )
    found = {f.rule for f in hydrants.check_hydrant_coverage(snapshot, in_force)}
    assert sorted(found - {"hydrant_radius"}) == expected


@pytest.mark.parametrize(
    ("lane", "expected"),
    [
        ({"width_m": 4.0}, []),
        ({"width_m": 3.9}, ["lane_width"]),
        ({"clear_height_m": 4.0}, []),
        ({"clear_height_m": 3.9}, ["lane_height"]),
    ],
)
def test_lane_is_4_metres_wide_and_high(in_force, lane, expected):
    snapshot = snapshot_of(road=[street("r", (0, 0), (10, 0), road_class="internal", **lane)])
    findings = fire_lanes.check_lane_attributes(snapshot, in_force, snapshot.graph.road)
    assert [f.rule for f in findings] == expected


@pytest.mark.parametrize(("wall", "expected"), [(5.0, []), (4.9, ["lane_wall"])])
def test_recorded_fire_lane_should_be_5_metres_from_walls(in_force, wall, expected):
    lane = street("r", (0, 0), (10, 0), road_class="internal", fire_lane=True)
    snapshot = snapshot_of(building=[house("b", 0, 5 + wall)], road=[lane])
    findings = fire_lanes.check_wall_distance(snapshot, in_force, snapshot.graph.road)
    assert [f.rule for f in findings] == expected


@pytest.mark.parametrize(("metres", "expected"), [(79.5, []), (80.5, ["engine_reach"])])
def test_engine_gets_within_80_metres_of_hose(in_force, metres, expected):
    """A lane too narrow for it leads from the street to the wall."""
    snapshot = snapshot_of(
        building=[house("b", 45, metres)],
        road=[
            street("r", (0, 0), (400, 0)),
            street("l", (50, 0), (50, metres - 1), road_class="alley", width_m=2.0),
        ],
    )
    findings = vehicle_access.check_vehicle_reach(snapshot, in_force)
    assert [f.rule for f in findings] == expected


@pytest.mark.parametrize(("metres", "expected"), [(499.0, "engine_reach"), (501.0, "road_within")])
def test_building_over_500_metres_from_any_road_is_reached_by_none(in_force, metres, expected):
    snapshot = snapshot_of(building=[house("b", 45, metres)], road=[street("r", (0, 0), (400, 0))])
    findings = vehicle_access.check_vehicle_reach(snapshot, in_force)
    assert [f.rule for f in findings] == [expected]
