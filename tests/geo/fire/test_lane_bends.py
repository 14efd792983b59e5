"""Whether an engine turns at bends between walls, against the formula of a ring in a corner."""

import math

import numpy as np
import pytest
import shapely
from shapely.affinity import translate

from geo.fire import fire_lanes, lane_bends
from geo.settings import settings
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of
from tests.geo.fire.test_lane_coverage import lane

SWEPT_M = 3.5
"""An engine of 2.5 m with 0.5 m to each side."""


def corner(width: float, gap: float = 0.0) -> dict[str, list[dict[str, object]]]:
    """Return a lane that bends by 90 degrees between walls, ``gap`` metres off its edges."""
    half = width / 2 + gap
    channel = shapely.LineString([(-80, 0), (0, 0), (0, 80)]).buffer(
        half, cap_style="flat", join_style="mitre"
    )
    walls = shapely.box(-70, -30, 40, 70).difference(channel)
    parts = [translate(part, EAST, NORTH) for part in walls.geoms]
    bend = lane("bend", (-80, 0), (0, 0), (0, 80), width_m=width, road_class="internal")
    return {
        "building": [{"code": f"b{k}", "geom": part} for k, part in enumerate(parts)],
        "road": [bend, lane("street", (-80, -200), (-80, 200))],
    }


def found(in_force, layers) -> list[float]:
    city = snapshot_of(**layers)
    rows = np.flatnonzero((city.road["code"] == "bend").to_numpy())
    return [item.measured for item in lane_bends.check_bends(city, in_force, rows)]


def radius_that_fits(width: float) -> float:
    cosine = math.cos(math.radians(45))
    return (width - SWEPT_M * cosine) / (1 - cosine)


@pytest.mark.parametrize(("width", "is_found"), [(6.05, False), (5.9, True)])
def test_engine_with_a_radius_of_12_metres_needs_6_metres_between_walls(in_force, width, is_found):
    assert (radius_that_fits(width) < 12.0) is is_found
    measured = found(in_force, corner(width))
    assert bool(measured) is is_found
    if is_found:
        assert measured == [pytest.approx(radius_that_fits(width), abs=0.5)]


def test_open_ground_beside_the_bend_leaves_room(in_force):
    layers = corner(4.0)
    assert found(in_force, layers) != []
    assert found(in_force, layers | {"building": []}) == []


def test_radius_is_that_of_the_engine_in_the_settings(in_force, monkeypatch):
    layers = corner(5.0)
    assert len(found(in_force, layers)) == 1
    monkeypatch.setenv("GRIDATLAS_ENGINE_TURNING_RADIUS_M", "8")
    settings.cache_clear()
    try:
        assert radius_that_fits(5.0) > 8
        assert found(in_force, layers) == []
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_bends_are_checked_with_the_lanes(in_force):
    rules = [
        item.rule for item in fire_lanes.check_fire_lanes(snapshot_of(**corner(4.0)), in_force)
    ]
    assert "lane_radius" in rules
