"""Fire lanes on either side of the figures, on ground without anything else."""

import pytest
import shapely

from geo.fire import fire_lanes
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
