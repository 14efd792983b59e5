"""Drawings for the households expected, stored with those of today."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geo.errors import InputError
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.forecast import Forecast, draw_for_forecast, expect, round_to_total
from geo.partition.search.strategy import Effort
from tests.geo.partition.places import CRS, community, house, rows_of_houses

QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100))
LAND = shapely.box(0, 0, 500, 100)


def planned(*buildings: tuple[float, int]) -> gpd.GeoDataFrame:
    rows = [
        {"geom": house(x, 40, 20), "households": count, "name": f"P{x}"} for x, count in buildings
    ]
    return gpd.GeoDataFrame(rows, geometry="geom", crs=CRS).to_crs("EPSG:4490")


def test_grids_leave_room_for_planned_buildings():
    place = community(LAND, rows_of_houses(10, 4, 15))  # 600 households in the west half
    forecast = Forecast(planned((300, 200), (350, 100), (420, 200)))
    made = draw_for_forecast(place, forecast, QUICK)
    assert made.planned == 3
    assert (made.card.households, made.card.within_limits) == (1100, 1.0)
    today = made.drawing
    assert today.score.households == 600
    assert today.score.grids == made.card.grids
    assert (today.score.gap_m2, today.score.overlap_m2) == (0.0, 0.0)
    assert today.members["building_code"].dropna().sort_values().tolist() == sorted(
        place.buildings["code"]
    )
    assert today.grids["households"].sum() == 600
    assert today.parent is None
    assert {key for key, _ in today.score.reasons} <= {"outside_today"}


def test_growth_is_drawn_for_and_stored_without():
    place = community(LAND, rows_of_houses(20, 4, 10))  # 800 households: 2 grids
    assert draw(place, QUICK).score.grids == 2
    made = draw_for_forecast(place, Forecast(growth=0.5), QUICK)
    assert (made.card.households, made.card.grids) == (1200, 3)
    assert (made.drawing.score.households, made.drawing.score.grids) == (800, 3)


def test_whole_households_add_up_to_the_growth():
    grown = round_to_total(np.full(100, 1.03))
    assert grown.sum() == 103
    assert set(grown.tolist()) == {1, 2}


def test_planned_buildings_elsewhere_are_refused():
    place = community(LAND, rows_of_houses(10, 4, 15))
    with pytest.raises(InputError) as refused:
        draw_for_forecast(place, Forecast(planned((900, 200))), QUICK)
    assert refused.value.key == "planned_elsewhere"


def test_community_is_left_as_it_was():
    place = community(LAND, rows_of_houses(10, 4, 15))
    before = place.buildings.copy()
    grown, added = expect(place, Forecast(planned((300, 200)), 0.1))
    assert (len(grown.buildings), added) == (41, 1)
    assert place.buildings.equals(before)
