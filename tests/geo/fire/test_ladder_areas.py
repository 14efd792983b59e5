"""Ladder operating areas: how long they have to be beside outlines of known sides."""

import pytest
import shapely
from shapely.affinity import translate

from geo.fire import ladder_areas
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of

OUTLINES = {
    "block": (shapely.box(0, 0, 60, 15), 60.0),
    "chamfered": (shapely.Polygon([(0, 0), (60, 0), (60, 15), (3, 15), (0, 12)]), 60.0),
    "angle": (shapely.Polygon([(0, 0), (60, 0), (60, 15), (15, 15), (15, 40), (0, 40)]), 60.0),
    "square": (shapely.box(0, 0, 30, 30), 30.0),
    "round": (shapely.Point(15, 15).buffer(15), 23.5),
}


@pytest.mark.parametrize("name", OUTLINES)
def test_area_is_as_long_as_a_long_side_or_a_quarter_of_a_round_outline(in_force, name):
    outline, required = OUTLINES[name]
    tower = {"code": "t", "geom": translate(outline, EAST, NORTH), "storeys_above": 18}
    city = snapshot_of(building=[tower | {"height_m": 54.0, "high_rise": True}])
    areas = ladder_areas.find_best_ladder_areas(city, in_force, 0, tall=True)
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
    city = snapshot_of(building=[tower, *others])
    areas = ladder_areas.find_best_ladder_areas(city, in_force, 0, tall=True)
    assert areas.reason == reason
