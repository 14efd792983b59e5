"""Lanes through long buildings and into courts, on layouts whose lengths are known by hand."""

import pytest
import shapely
from shapely.affinity import translate

from geo.fire import lane_passages
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of
from tests.geo.fire.test_lane_coverage import house, lane

STREET = lane("street", (-100, -20), (500, -20), width_m=16.0)


def found(in_force, building: dict[str, object], *roads: dict[str, object]):
    city = snapshot_of(building=[building], road=list(roads))
    return [
        (item.rule, pytest.approx(item.measured, abs=0.05))
        for item in lane_passages.check_passages(city, in_force)
    ]


def ring_of(x: float, deep: float) -> dict[str, object]:
    around = [(-7, -7), (x + 7, -7), (x + 7, deep + 7), (-7, deep + 7), (-7, -7)]
    return lane("ring", *around)


@pytest.mark.parametrize(
    ("wide", "expected"), [(150.0, []), (150.5, [("lane_through_street", 150.5)])]
)
def test_building_over_150_metres_along_a_street_needs_a_lane_through_it(in_force, wide, expected):
    assert found(in_force, house(wide, 15), STREET) == expected


@pytest.mark.parametrize(
    ("edge", "expected"), [(15.0, [("lane_through_street", 160.0)]), (15.5, [])]
)
def test_wall_runs_along_a_street_within_15_metres_of_its_edge(in_force, edge, expected):
    street = lane("street", (-100, -edge - 8), (500, -edge - 8), width_m=16.0)
    assert found(in_force, house(160, 15), street) == expected


def test_walls_to_two_streets_are_not_added(in_force):
    across = lane("across", (140, -100), (140, 300), width_m=16.0)
    assert found(in_force, house(120, 100), STREET, across) == []


@pytest.mark.parametrize(
    ("wide", "expected"), [(220.0, []), (220.5, [("lane_through_total", 220.5)])]
)
def test_building_over_220_metres_in_total_needs_a_lane_through_it(in_force, wide, expected):
    far = lane("street", (-100, -60), (500, -60))
    assert found(in_force, house(wide, 15), far) == expected


@pytest.mark.parametrize(("leg", "expected"), [(117, []), (118.5, ["lane_through_total"])])
def test_total_length_of_an_l_is_that_of_both_wings(in_force, leg, expected):
    """An L with legs of 117 and 118 m and 15 m of depth is 220 m long."""
    outline = shapely.union(shapely.box(0, 0, leg, 15), shapely.box(0, 0, 15, 118))
    building = {"code": "b", "geom": translate(outline, EAST, NORTH), "use": "office"}
    far = lane("street", (-100, -60), (500, -60))
    city = snapshot_of(building=[building], road=[far])
    rules = [item.rule for item in lane_passages.check_passages(city, in_force)]
    assert rules == expected


def test_lane_through_the_building_or_a_ring_around_it_suffices(in_force):
    through = lane("through", (80, -20), (80, 40))
    narrow = lane("narrow", (80, -20), (80, 40), width_m=3.0)
    spur = lane("spur", (-7, -20), (-7, -7))
    broken = [("lane_through_street", 160.0)]
    assert found(in_force, house(160, 15), STREET, through) == []
    assert found(in_force, house(160, 15), STREET, narrow) == broken
    assert found(in_force, house(160, 15), STREET, ring_of(160, 15), spur) == []
    assert found(in_force, house(160, 15), STREET, ring_of(160, 15)) == broken


def court(short: float) -> dict[str, object]:
    outline = shapely.box(0, 0, 80, short + 24).difference(shapely.box(12, 12, 68, short + 12))
    return {"code": "b", "geom": translate(outline, EAST, NORTH), "use": "office"}


@pytest.mark.parametrize(("short", "expected"), [(24.0, []), (24.5, [("lane_court", 24.5)])])
def test_court_over_24_metres_should_have_a_lane_into_it(in_force, short, expected):
    assert found(in_force, court(short), STREET) == expected


def test_lane_into_the_court_suffices_if_an_engine_passes_it(in_force):
    into = lane("into", (40, -20), (40, 25))
    low = lane("into", (40, -20), (40, 25), clear_height_m=3.0)
    assert found(in_force, court(30), STREET, into) == []
    assert found(in_force, court(30), STREET, low) == [("lane_court", 30.0)]
