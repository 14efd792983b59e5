"""Walks by streets and paths, on land whose walks can be told by hand."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.plan_from_polygons import plan_from_polygons
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.scoring.review import review_plan
from geo.partition.scoring.score_card import ScoreCard
from geo.partition.scoring.walking import build_network
from tests.geo.partition.places import community, house
from tests.geo.partition.scoring.test_review import plan

LAND = shapely.box(0, 0, 1400, 300)
LIMITS = Limits(target=60, lower=20, upper=200)


def road(*points: tuple[float, float], road_class: str = "path") -> dict[str, object]:
    return {"geom": shapely.LineString(points), "road_class": road_class}


def houses(*centres: tuple[float, float], households: int = 20) -> list[dict[str, object]]:
    return [{"geom": house(x - 6, y - 6), "households": households} for x, y in centres]


def card_of(where: Community, *grids: shapely.Geometry, **weights: float) -> ScoreCard:
    plan_of = plan_from_polygons(plan(*grids), where)
    return review_plan(where, plan_of, LIMITS, Weights(**weights))


def points(*xy: tuple[float, float]) -> np.ndarray:
    return np.array([shapely.Point(place) for place in xy], dtype=object)


def lines(*coords: list[tuple[float, float]]) -> np.ndarray:
    found = np.empty(len(coords), dtype=object)
    found[:] = [shapely.LineString(line) for line in coords]
    return found


def test_walk_goes_to_the_way_along_it_and_from_it():
    where = points((0, 10), (300, 20), (50, -5))
    network = build_network(lines([(0, 0), (100, 0)], [(100, 0), (300, 0)]), where)
    walks = network.measure(np.arange(3), np.arange(3))
    assert walks[0].tolist() == pytest.approx([0, 10 + 300 + 20, 10 + 50 + 5])
    assert (walks == walks.T).all()


def test_two_buildings_at_one_way_do_not_walk_round_its_ends():
    # A way whose ends a shorter one joins: along it, or over the other.
    ring = lines([(0, 0), (0, 100), (300, 100), (300, 0)], [(0, 0), (300, 0)])
    network = build_network(ring, points((100, 110), (200, 110), (0, 0)))
    walks = network.measure(np.arange(3), np.arange(3))
    assert walks[0, 1] == pytest.approx(10 + 100 + 10)
    assert walks[0, 2] == pytest.approx(10 + 100 + 100)


def test_ways_that_meet_between_their_vertices_are_joined():
    crossing = lines([(0, 0), (200, 0)], [(100, 0.02), (100, 100)])
    walks = build_network(crossing, points((0, 0), (100, 100))).measure(np.arange(2), np.arange(2))
    assert walks[0, 1] == pytest.approx(200, abs=0.2)


def test_no_walk_leads_to_a_way_apart():
    apart = lines([(0, 0), (100, 0)], [(0, 200), (100, 200)])
    walks = build_network(apart, points((0, 0), (0, 200))).measure(np.arange(2), np.arange(2))
    assert np.isinf(walks[0, 1])


def test_service_point_is_the_building_with_the_shortest_walks():
    where = community(
        LAND, houses((100, 160), (200, 160), (900, 160)), roads=[road((0, 150), (1400, 150))]
    )
    card = card_of(where, LAND)
    (point,) = card.service_points
    assert (point.grid, point.building, point.far) == ("1", "b00001", 20)
    assert point.walk_m == pytest.approx((120 + 0 + 720) / 3)
    assert card.walk_ways_m == pytest.approx(280)
    assert card.walk_far == pytest.approx(1 / 3)
    assert len(card.places["walk_far"]) == 1


def test_household_without_a_way_is_far_but_not_in_the_mean():
    ways = [road((0, 150), (300, 150)), road((800, 150), (1000, 150))]
    where = community(LAND, houses((100, 160), (200, 160), (900, 160)), roads=ways)
    card = card_of(where, LAND)
    assert card.walk_ways_m == pytest.approx(60)
    assert card.walk_far == pytest.approx(1 / 3)


def test_expressway_is_no_way_to_walk():
    way = road((0, 150), (1400, 150), road_class="expressway")
    where = community(LAND, houses((100, 160), (900, 160)), roads=[way])
    card = card_of(where, LAND)
    assert (card.walk_ways_m, card.walk_far, card.service_points) == (None, None, ())


def test_walks_count_in_the_objective_by_their_weight():
    where = community(LAND, houses((100, 160), (200, 160)), roads=[road((0, 150), (1400, 150))])
    cards = [card_of(where, LAND, walk=weight) for weight in (0.0, 10.0)]
    walked = 20 * 120 / 10_000
    assert cards[1].objective - cards[0].objective == pytest.approx(10 * walked)
    assert cards[1].walk_cost == pytest.approx(10 * walked)


def back_to_back() -> Community:
    """Return houses back to back between two long streets that meet only at their west end."""
    rows = [(60 + 60 * i, y) for i in range(20) for y in (130, 170)]
    streets = [[(20, 110), (1300, 110)], [(20, 190), (1300, 190)], [(20, 110), (20, 190)]]
    return community(LAND, houses(*rows, households=10), roads=[road(*ends) for ends in streets])


def test_weight_of_walks_draws_shorter_walks():
    where = back_to_back()
    limits = Limits(target=200, lower=150, upper=250)
    usual = draw(where, Constraints(limits=limits)).score
    short = draw(where, Constraints(limits=limits, weights=Weights(walk=100.0))).score
    assert short.within_limits == usual.within_limits == 1.0
    assert short.contiguous
    assert short.walk_ways_m < 0.8 * usual.walk_ways_m


def test_bound_holds_where_walks_have_a_weight():
    where = back_to_back()
    limits = Limits(target=200, lower=150, upper=250)
    constraints = Constraints(limits=limits, weights=Weights(walk=50.0), prove=2.0)
    card = draw(where, constraints).score
    plain = draw(where, replace(constraints, weights=Weights())).score
    assert card.bound <= plain.objective + 1e-6
    assert card.bound <= card.objective
