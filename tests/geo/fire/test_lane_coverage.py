"""Lanes along the long sides of buildings and between lanes, measured on plain layouts."""

import pytest
import shapely
from shapely.affinity import translate

from geo.fire import lane_coverage
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of


def lane(code: str, *points: tuple[float, float], **values: object) -> dict[str, object]:
    line = translate(shapely.LineString(points), EAST, NORTH)
    return {"code": code, "road_class": "local", "width_m": 6.0, "geom": line} | values


def house(wide: float, deep: float, x: float = 0.0, y: float = 0.0, **values: object):
    """Return a house by its south-west corner."""
    outline = translate(shapely.box(0, 0, wide, deep), EAST + x, NORTH + y)
    return {"code": "b", "geom": outline, "storeys_above": 11, "use": "residential"} | values


def along(in_force, building: dict[str, object], *roads: dict[str, object]):
    found = lane_coverage.check_lanes_along(
        snapshot_of(building=[building], road=list(roads)), in_force
    )
    return [(item.rule, item.measured) for item in found]


STREET = lane("street", (-50, -80), (150, -80))


@pytest.mark.parametrize(
    ("east", "found"),
    [(90.0, []), (89.0, [("lane_along_one", pytest.approx(89.0))])],
)
def test_lane_runs_along_90_percent_of_one_long_side_of_a_high_rise_of_dwellings(
    in_force, east, found
):
    spur = lane("spur", (0, -80), (0, -10), (east, -10))
    assert along(in_force, house(100, 15), STREET, spur) == found


@pytest.mark.parametrize(
    ("edge", "found"), [(15.0, []), (15.1, [("lane_along_one", pytest.approx(0.0))])]
)
def test_lane_runs_within_15_metres_of_the_wall(in_force, edge, found):
    """The lane is 6 m wide: its edge is 3 m nearer than its line."""
    road = lane("r", (-20, -edge - 3), (120, -edge - 3))
    assert along(in_force, house(100, 15), road) == found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"use": "residential", "storeys_above": 9}, []),
        ({"use": "residential", "storeys_above": 10}, []),
        ({"use": "office", "storeys_above": 6}, []),
        ({"use": "office", "storeys_above": 7}, [("lane_along_two", pytest.approx(0.0))]),
        ({"use": None, "storeys_above": 11}, []),
    ],
)
def test_one_lane_suffices_for_dwellings_but_not_for_a_public_high_rise(in_force, values, found):
    road = lane("r", (-20, -10), (120, -10))
    assert along(in_force, house(100, 15, **values), road) == found


@pytest.mark.parametrize(("deep", "found"), [(30.0, []), (30.1, ["lane_along_two"])])
def test_public_building_over_3000_square_metres_needs_two_lanes(in_force, deep, found):
    mall = house(100, deep, use="commercial", storeys_above=2)
    road = lane("r", (-20, -10), (120, -10))
    assert [rule for rule, _ in along(in_force, mall, road)] == found
    ring = lane("ring", (-20, -10), (120, -10), (120, 45), (-20, 45), (-20, -10))
    assert along(in_force, mall, ring) == []


def test_lane_that_no_engine_reaches_serves_no_side(in_force):
    narrow = lane("narrow", (0, -80), (0, -10), (100, -10), width_m=3.0)
    assert along(in_force, house(100, 15), STREET, narrow) == [("lane_along_one", 0.0)]


@pytest.mark.parametrize(
    ("wide", "found"), [(159.9, []), (160.2, [("b", pytest.approx(160.2, abs=0.05))])]
)
def test_lanes_around_a_building_are_at_most_160_metres_apart(in_force, wide, found):
    """A house 20 m from a lane lies between two streets that are too far apart."""
    block = lane("block", (0, 0), (wide, 0), (wide, 400), (0, 400), (0, 0))
    near = house(10, 10, 20, 195, storeys_above=3)
    findings = lane_coverage.check_lane_spacing(
        snapshot_of(building=[near], road=[block]), in_force
    )
    assert [(item.feature, item.measured) for item in findings] == found


def test_building_at_the_edge_of_town_lies_between_no_lanes(in_force):
    far = house(10, 10, 20, 150, storeys_above=3)
    city = snapshot_of(building=[far], road=[lane("r", (-500, 0), (500, 0))])
    assert lane_coverage.check_lane_spacing(city, in_force) == []


def test_a_lane_into_the_block_brings_its_lanes_nearer(in_force):
    block = lane("block", (0, 0), (200, 0), (200, 200), (0, 200), (0, 0))
    spur = lane("spur", (100, 0), (100, 110))
    near = house(10, 10, 20, 95, storeys_above=3)
    for roads, found in (([block], ["b"]), ([block, spur], [])):
        city = snapshot_of(building=[near], road=roads)
        assert [f.feature for f in lane_coverage.check_lane_spacing(city, in_force)] == found
