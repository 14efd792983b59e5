"""Routes to a building and to a place on the map, on streets whose lengths are known by hand."""

import pytest
import shapely

from geo.fire import supply_routes
from geo.fire.context import FireContext
from geo.fire.vehicle_access import vehicle_from_settings
from tests.geo.fire.conftest import snapshot_of
from tests.geo.fire.test_hydrants import house, hydrant, street

STATION = {"code": "s", "category": "fire_station", "name": "s", "geom": shapely.Point(0, 0)}


def context_of(in_force, **layers) -> FireContext:
    return FireContext(snapshot_of(**layers), in_force, vehicle_from_settings(in_force))


@pytest.mark.parametrize(("x", "metres"), [(150.0, 66.0), (300.0, 216.0)])
def test_hose_to_a_place_is_laid_along_the_street_from_either_side(in_force, x, metres):
    """6 m from the hydrant to the street, along it, and 10 m to the place."""
    context = context_of(
        in_force, road=[street("r", (0, 0), (400, 0))], pipe_node=[hydrant("h", 100, 6)]
    )
    place = supply_routes.point_destination(context, shapely.Point(x, -10))
    [route] = supply_routes.nearest_hose_routes(context, place)
    assert route.length == pytest.approx(metres)


def test_drive_to_a_building_counts_the_hose_from_the_road_to_its_wall(in_force):
    context = context_of(
        in_force,
        road=[street("r", (0, 0), (1000, 0))],
        building=[house("b", 500, 30)],
        facility=[STATION],
    )
    [drive] = supply_routes.nearest_drive_routes(
        context, supply_routes.building_destination(context, 0)
    )
    assert drive.stops_short == pytest.approx(30)
    assert drive.seconds == pytest.approx(drive.length / (30 / 3.6) + 30)
    assert 500 <= drive.length <= 510


def test_engine_does_not_reach_a_building_that_others_enclose(in_force):
    ring = shapely.box(480, 20, 520, 60) - shapely.box(485, 25, 515, 55)
    hut, yard = house("b", 495, 35), house("a", 0, 0, geom=ring)
    context = context_of(
        in_force, road=[street("r", (0, 0), (1000, 0))], building=[yard, hut], facility=[STATION]
    )
    reached = [
        supply_routes.describe_nearest_stations(
            context, supply_routes.building_destination(context, row)
        )[0]["reached"]
        for row in (0, 1)
    ]
    assert reached == [True, False]
