"""Ways to stations along one street, told by hand."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.plan_from_polygons import plan_from_polygons
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.scoring.review import review_plan
from geo.partition.scoring.stations import find_stations
from tests.geo.partition.places import community
from tests.geo.partition.scoring.test_review import QUICK
from tests.geo.partition.scoring.test_walking import LAND, card_of, houses, road

STREET = road((0, 150), (1400, 150))
WEST, EAST = shapely.box(0, 0, 400, 300), shapely.box(400, 0, 1400, 300)
SERVICE = "service_station"


def station(x: float, category: str = SERVICE, y: float = 150) -> dict[str, object]:
    return {"geom": shapely.Point(x, y), "category": category, "name": f"{category}{x}"}


def street(*stations: dict[str, object], households: int = 20, gap: int = 200) -> Community:
    """Return houses 10 m from a street, from x = 100 to x = 1300."""
    centres = [(x, 160) for x in range(100, 1301, gap)]
    built = houses(*centres, households=households)
    return community(LAND, built, roads=[STREET], facilities=list(stations))


def test_grid_goes_with_the_station_to_which_its_ways_are_shortest_together():
    # Houses at 100, 300 | 500 to 1300. The nearest station of the house at 500 is that at 200.
    where = street(station(200), station(1000))
    card = card_of(where, WEST, EAST)
    ways = [100, 100, 500, 300, 100, 100, 300]
    assert card.station_m == pytest.approx(10 + np.mean(ways))
    assert card.station_other == pytest.approx(1 / 7)
    assert len(card.places["station_other"]) == 1
    weighed = card_of(where, WEST, EAST, station=10.0)
    further = 20 * (500 - 300) / 10_000
    assert weighed.station_cost == pytest.approx(10 * further)
    assert weighed.objective - card.objective == pytest.approx(10 * further)


def test_each_kind_counts_and_a_kind_with_one_station_does_not():
    stations = station(200), station(1000), station(100, "micro_station"), station(700, "police")
    one = card_of(street(*stations), WEST, EAST)
    assert one.station_m == card_of(street(*stations[:2]), WEST, EAST).station_m
    two = card_of(street(*stations, station(900, "fire_station")), WEST, EAST, station=1.0)
    # Fire: the house at 500 is as near to 100 as to 900; service: it goes 200 m further.
    assert two.station_cost == pytest.approx(20 * 200 / 10_000)
    assert two.station_other == pytest.approx(1 / 7)


def test_one_station_costs_nothing_and_shows_no_figure():
    card = card_of(street(station(200)), WEST, EAST, station=50.0)
    assert (card.station_m, card.station_other, card.station_cost) == (None, None, 0.0)


def test_service_station_of_the_neighbours_does_not_count_but_their_fire_station_does():
    across = 320
    where = street(station(200), station(900, y=across), station(300, "micro_station"))
    assert find_stations(where) == []
    near = street(station(300, "micro_station"), station(900, "fire_station", y=across))
    assert [len(places) for places in find_stations(near)] == [2]


def test_household_that_reaches_no_station_goes_no_further():
    where = street(station(200), station(1000))
    ways = [road((0, 150), (600, 150)), road((1200, 150), (1400, 150))]
    apart = community(
        LAND, houses((100, 160), (1300, 160)), roads=ways, facilities=[station(200), station(500)]
    )
    card = card_of(apart, LAND, station=10.0)
    assert (card.station_m, card.station_other, card.station_cost) == (110, 0.0, 0.0)
    assert card_of(where, LAND).station_m > 110


def test_weight_of_stations_moves_the_border_to_where_their_ways_are_equal():
    # 13 houses of 20 households; the ways to 100 and 900 are equal at 500: 5 houses are west of it.
    where = street(station(100), station(900), gap=100)
    limits = Limits(target=130, lower=60, upper=200)
    usual = draw(where, Constraints(limits=limits)).score
    drawing = draw(where, Constraints(limits=limits, weights=Weights(station=200.0)))
    assert usual.station_other > 0
    assert drawing.score.station_other == drawing.score.station_cost == 0
    assert drawing.score.within_limits == 1.0
    assert review_plan(where, plan_from_polygons(drawing.grids, where)).station_other == 0


def cost_by_hand(where: Community, drawing: Drawing, places: list[int]) -> float:
    """Return 100 households x 100 m beyond the nearest station, along one straight street."""
    away = np.abs(where.buildings.centroid.x.to_numpy()[:, None] - np.array(places))
    further = (away - away.min(axis=1, keepdims=True)) * 20
    grids = drawing.members.set_index("building_code")["grid"][where.buildings["code"]].to_numpy()
    return sum(further[grids == grid].sum(axis=0).min() for grid in np.unique(grids)) / 10_000


@given(
    places=st.lists(st.integers(0, 1400), min_size=1, max_size=4),
    weight=st.sampled_from([1.0, 30.0]),
)
@settings(max_examples=8)
def test_weight_of_stations_draws_no_dearer_and_its_cost_is_that_by_hand(places, weight):
    where = street(*map(station, places), gap=100)
    limits, weights = Limits(target=60, lower=20, upper=100), Weights(station=weight)
    drawing = draw(where, replace(QUICK, limits=limits, weights=weights))
    usual = draw(where, replace(QUICK, limits=limits))
    by_hand = weight * cost_by_hand(where, drawing, places)
    assert drawing.score.station_cost == pytest.approx(by_hand, abs=1e-6)
    assert len(places) > 1 or by_hand == 0
    scored = review_plan(where, plan_from_polygons(usual.grids, where), limits, weights)
    assert drawing.score.objective <= scored.objective + 1e-3


def test_bound_holds_where_stations_have_a_weight():
    where = street(station(100), station(900), gap=100)
    constraints = Constraints(
        limits=Limits(target=130, lower=60, upper=200), weights=Weights(station=50.0), prove=1.0
    )
    card = draw(where, constraints).score
    plain = draw(where, replace(constraints, weights=Weights())).score
    assert card.bound <= plain.objective + 1e-6
    assert card.bound <= card.objective
