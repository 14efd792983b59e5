"""Ladder operating areas: how long they have to be beside outlines of known sides."""

import pytest
import shapely
from shapely.affinity import translate

from geo.fire import ladder_areas, vehicle_access
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of

OUTLINES = {
    "block": (shapely.box(0, 0, 60, 15), 60.0),
    "chamfered": (shapely.Polygon([(0, 0), (60, 0), (60, 15), (3, 15), (0, 12)]), 60.0),
    "angle": (shapely.Polygon([(0, 0), (60, 0), (60, 15), (15, 15), (15, 40), (0, 40)]), 60.0),
    "square": (shapely.box(0, 0, 30, 30), 30.0),
    "round": (shapely.Point(15, 15).buffer(15), 23.5),
}


def lane(code: str, y: float, west: float, east: float, **values: object) -> dict[str, object]:
    """Return a lane from west to east, 4.5 m wide."""
    line = translate(shapely.LineString([(west, y), (east, y)]), EAST, NORTH)
    return {"code": code, "road_class": "internal", "width_m": 4.5, "geom": line} | values


def lanes_around() -> list[dict[str, object]]:
    """Return a lane that passes 12 m from every side of outlines of up to 60 x 40 m."""
    ring = translate(shapely.box(-12, -12, 72, 52).exterior, EAST, NORTH)
    return [{"code": "ring", "road_class": "internal", "width_m": 4.5, "geom": ring}]


def best_areas(city, rules):
    reach = vehicle_access.find_vehicle_reach(city, vehicle_access.vehicle_from_settings(rules))
    return ladder_areas.find_best_ladder_areas(city, rules, reach, 0, tall=True)


def block(**values: object) -> dict[str, object]:
    """Return a tower of 60 x 15 m."""
    outline = translate(shapely.box(0, 0, 60, 15), EAST, NORTH)
    usual = {"code": "t", "geom": outline, "storeys_above": 18, "height_m": 54.0, "use": "office"}
    return usual | values


@pytest.mark.parametrize("name", OUTLINES)
def test_area_is_as_long_as_a_long_side_or_a_quarter_of_a_round_outline(in_force, name):
    outline, required = OUTLINES[name]
    tower = {"code": "t", "geom": translate(outline, EAST, NORTH), "storeys_above": 18}
    tower |= {"height_m": 54.0, "high_rise": True}
    city = snapshot_of(building=[tower], road=[*lanes_around()])
    areas = best_areas(city, in_force)
    assert areas.required == pytest.approx(required, abs=0.3)
    assert areas.reason is None


@pytest.mark.parametrize(("gap", "reason"), [(59.0, "too_short"), (60.0, None)])
def test_area_shorter_than_the_long_side_is_found(in_force, gap, reason):
    """Walls on three sides and beside the fourth leave some metres for the truck."""
    tower = {"code": "t", "geom": translate(shapely.box(0, 0, 60, 15), EAST, NORTH)}
    walls = [(-30, 20, 90, 30), (-20, -20, -8, 35), (68, -20, 80, 35), (gap, -18, 66, -6)]
    others = [
        {"code": f"w{k}", "geom": translate(shapely.box(*box), EAST, NORTH), "storeys_above": 2}
        for k, box in enumerate(walls)
    ]
    tower |= {"storeys_above": 18, "height_m": 54.0, "high_rise": True}
    city = snapshot_of(building=[tower, *others], road=[lane("s", -14, -60, 120)])
    areas = best_areas(city, in_force)
    assert areas.reason == reason


def findings(in_force, building: list[dict[str, object]], road: list[dict[str, object]]):
    found = ladder_areas.check_ladder_areas(snapshot_of(building=building, road=road), in_force)
    return [(item.rule, item.measured, item.required, item.other) for item in found]


@pytest.mark.parametrize(
    ("edge", "found"),
    [(14.9, []), (15.1, [("ladder_lane", None, None, None)])],
)
def test_area_is_joined_to_a_lane_up_to_15_metres_from_its_edge(in_force, edge, found):
    """The area reaches from 10 to 20 m from the wall, the lane is 4.5 m wide."""
    road = [lane("s", -20 - edge - 2.25, -60, 120)]
    assert findings(in_force, [block()], road) == found


@pytest.mark.parametrize(
    ("width", "found"),
    [(3.5, []), (3.4, [("ladder_lane", None, None, None)])],
)
def test_a_lane_that_is_too_narrow_for_the_engine_joins_nothing(in_force, width, found):
    """The engine of the settings is 2.5 m wide and keeps 0.5 m free on each side."""
    road = [lane("street", -200, -60, 120, width_m=12.0)]
    spur = translate(shapely.LineString([(30, -200), (30, -15)]), EAST, NORTH)
    road.append({"code": "spur", "road_class": "internal", "width_m": width, "geom": spur})
    assert findings(in_force, [block()], road) == found


def test_a_fence_between_lane_and_area_separates_them(in_force):
    fence = {"code": "c", "gated": True}
    fence |= {"geom": translate(shapely.box(-25, -25, 85, 40), EAST, NORTH)}
    road = [lane("s", -30, -60, 120)]
    city = snapshot_of(building=[block()], road=road, compound=[fence])
    found = ladder_areas.check_ladder_areas(city, in_force)
    assert [item.rule for item in found] == ["ladder_lane"]


@pytest.mark.parametrize(
    ("depth", "found"),
    [(4.0, []), (4.1, [("ladder_podium", None, 4.0, "p")])],
)
def test_podium_between_area_and_tower_is_at_most_4_metres_deep(in_force, depth, found):
    """Long buildings 12 m from the other three sides leave no room for an area there."""
    podium = translate(shapely.box(0, -depth, 60, 0), EAST, NORTH)
    walls = [(-30, 27, 90, 40), (-20, -20, -8, 42), (68, -20, 80, 42)]
    others = [
        {"code": f"w{k}", "geom": translate(shapely.box(*box), EAST, NORTH), "storeys_above": 2}
        for k, box in enumerate(walls)
    ]
    low = {"code": "p", "geom": podium, "storeys_above": 3, "use": "commercial"}
    assert findings(in_force, [block(), low, *others], [lane("s", -16, -60, 120)]) == found


@pytest.mark.parametrize(
    ("slope", "found"),
    [(-3.0, []), (3.1, [("ladder_slope", 3.1, 3.0, None)])],
)
def test_area_should_not_be_steeper_than_3_percent_where_a_slope_is_on_record(
    in_force, slope, found
):
    assert findings(in_force, [block()], [lane("s", -15, -60, 120, slope_percent=slope)]) == found
