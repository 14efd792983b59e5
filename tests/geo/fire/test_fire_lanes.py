"""Fire lanes on either side of the figures, on ground without anything else."""

from dataclasses import replace

import pytest
import shapely

from geo.fire import fire_lanes
from geo.fire.vehicle_access import vehicle_from_settings
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of


def lane(**values: object) -> dict[str, object]:
    line = shapely.LineString([(EAST, NORTH), (EAST, NORTH + 100)])
    return {"code": "lane", "road_class": "internal", "width_m": 5.0, "geom": line} | values


@pytest.mark.parametrize(
    ("slope", "found"),
    [
        (8.0, []),
        (-8.1, [("lane_slope", "low", 8.0)]),
        (10.0, [("lane_slope", "low", 8.0)]),
        (10.1, [("lane_slope_most", "high", 10.0)]),
    ],
)
def test_lane_should_not_exceed_8_percent_and_shall_not_exceed_10(in_force, slope, found):
    city = snapshot_of(road=[lane(slope_percent=slope)])
    findings = fire_lanes.check_lane_attributes(city, in_force, rows=city.graph.road[:1])
    assert [(f.rule, f.severity.value, f.required) for f in findings] == found


def dead_end(length: float, room: float, **values: object) -> dict[str, list[dict[str, object]]]:
    """Return a street and a dead end between two walls that leave a square of some metres."""
    street = shapely.LineString([(EAST - 200, NORTH), (EAST, NORTH), (EAST + 200, NORTH)])
    end = NORTH + length
    line = shapely.LineString([(EAST, NORTH), (EAST, end)])
    half = room / 2 + 0.01
    walls = shapely.box(EAST - 60, NORTH + 10, EAST + 60, end + 60)
    free = shapely.box(EAST - half, NORTH, EAST + half, end + half)
    return {
        "road": [
            {"code": "street", "road_class": "secondary", "width_m": 12.0, "geom": street},
            lane(geom=line),
        ],
        "building": [
            {"code": "w", "geom": shapely.difference(walls, free), "storeys_above": 3} | values
        ],
    }


@pytest.mark.parametrize(("length", "found"), [(39.0, []), (41.0, ["lane_turning"])])
def test_dead_end_over_40_metres_needs_a_place_to_turn(in_force, length, found):
    city = snapshot_of(**dead_end(length, 8.0))
    findings = fire_lanes.check_dead_ends(city, in_force, rows=city.graph.road)
    assert [finding.rule for finding in findings] == found


@pytest.mark.parametrize(
    ("room", "found"),
    [
        (7.0, [("lane_turning", "medium", 6.0)]),
        (12.0, [("lane_turning_heavy", "low", 12.0)]),
        (15.0, [("lane_turning_heavy", "low", 15.0)]),
        (18.0, []),
    ],
)
def test_heavy_engines_should_have_18_metres_to_turn(in_force, room, found):
    city = snapshot_of(**dead_end(100.0, room))
    findings = fire_lanes.check_dead_ends(city, in_force, rows=city.graph.road)
    assert [(f.rule, f.severity.value, f.measured) for f in findings] == found


def head(arm: float, angles: tuple[float, float]) -> dict[str, list[dict[str, object]]]:
    """Return a dead end of 100 m in a gap of 4.2 m with two arms as wide, from the lane's edge."""
    layout = dead_end(100.0, 4.2)
    end = shapely.Point(EAST, NORTH + 100)
    free = [
        shapely.affinity.rotate(
            shapely.box(EAST - 2.1, NORTH + 100, EAST + 2.1, NORTH + 100 + arm + 2.1),
            angle,
            origin=end,
        )
        for angle in angles
    ]
    wall = layout["building"][0]
    wall["geom"] = shapely.difference(
        wall["geom"], shapely.union_all([*free, shapely.buffer(end, 3.0)])
    )
    return layout


@pytest.mark.parametrize("angles", [(90.0, -90.0), (45.0, -45.0), (60.0, -60.0)])
@pytest.mark.parametrize(("arm", "found"), [(12.0, []), (11.8, ["lane_turning"])])
def test_t_and_y_heads_with_arms_of_12_metres_are_turning_places(in_force, angles, arm, found):
    city = snapshot_of(**head(arm, angles))
    light = replace(vehicle_from_settings(in_force), weight_t=10.0)
    findings = fire_lanes.check_dead_ends(city, in_force, city.graph.road, light)
    assert [finding.rule for finding in findings] == found


@pytest.mark.parametrize(("stub", "found"), [(11.0, ["lane"]), (12.0, [])])
def test_stub_beside_a_dead_end_helps_if_an_engine_fits_into_it(in_force, stub, found):
    """The lane is 60 m long; 30 m before its end a stub of some metres leads into a gap."""
    layout = dead_end(60.0, 8.0)
    wall, foot = layout["building"][0], NORTH + 30
    side = shapely.LineString([(EAST, foot), (EAST + stub, foot)])
    gap = shapely.box(EAST, foot - 2.5, EAST + stub, foot + 2.5)
    wall["geom"] = shapely.difference(wall["geom"], gap)
    layout["road"].append(lane(code="stub", geom=side))
    city = snapshot_of(**layout)
    findings = fire_lanes.check_dead_ends(city, in_force, city.graph.road)
    assert [finding.feature for finding in findings] == found


@pytest.mark.parametrize("length", [10.0, 13.0, 16.0])
def test_engine_of_any_length_turns_where_a_square_as_long_is_free(in_force, length):
    city = snapshot_of(**dead_end(100.0, max(length, 12.0)))
    engine = replace(vehicle_from_settings(in_force), weight_t=10.0, length_m=length)
    assert fire_lanes.check_dead_ends(city, in_force, city.graph.road, engine) == []
