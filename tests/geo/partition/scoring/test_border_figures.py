"""Figures of borders, on land whose figures can be told by hand: squares of 200 m."""

from dataclasses import replace

import pytest
import shapely

from geo.partition.community import Community
from geo.partition.plan_from_polygons import plan_from_polygons
from geo.partition.scoring.objective import Limits
from geo.partition.scoring.review import review_plan
from geo.partition.scoring.score_card import ScoreCard
from tests.geo.partition.places import community, house, layer
from tests.geo.partition.scoring.test_review import plan

LAND = shapely.box(0, 0, 200, 200)
WEST, EAST = shapely.box(0, 0, 100, 200), shapely.box(100, 0, 200, 200)
CORNERS = [(20, 20), (20, 160), (160, 20), (160, 160)]


def place(**layers: list[dict[str, object]]) -> Community:
    houses = [{"geom": house(x, y), "households": 20} for x, y in CORNERS]
    return community(LAND, layers.pop("houses", houses), **layers)


def card_of(where: Community, *grids: shapely.Geometry, **options: Limits) -> ScoreCard:
    return review_plan(where, plan_from_polygons(plan(*grids), where), **options)


def halves(*inner: tuple[float, float]) -> tuple[shapely.Geometry, shapely.Geometry]:
    """Return the land west and east of a line from (100, 0) over points to (100, 200)."""
    west = shapely.Polygon([(0, 0), (100, 0), *inner, (100, 200), (0, 200)])
    return west, shapely.difference(LAND, west)


def road(*points: tuple[float, float], road_class: str = "local") -> dict[str, object]:
    return {"geom": shapely.LineString(points), "road_class": road_class}


def test_straight_border_has_no_spike_and_no_narrow_land():
    card = card_of(place(), WEST, EAST)
    assert (card.spikes, card.narrow_m2, card.beside_street_m) == (0, 0, 0)


def test_thorn_of_one_grid_into_another_is_a_spike():
    # 30 m long and 4 m wide: an angle of 8 degrees.
    assert card_of(place(), *halves((100, 98), (130, 100), (100, 102))).spikes == 1


def test_zigzag_has_a_spike_per_sharp_turn():
    turns = [(100, 80), (130, 82), (100, 84), (130, 86), (100, 88)]
    assert card_of(place(), *halves(*turns)).spikes == 3


def test_wide_corner_is_no_spike():
    assert card_of(place(), *halves((100, 80), (130, 100), (100, 120))).spikes == 0


def test_sharp_corner_between_two_streets_is_no_spike():
    turns = (100, 98), (130, 100), (100, 102)
    streets = [road((100, 0), turns[0], turns[1]), road(turns[1], turns[2], (100, 200))]
    assert card_of(place(roads=streets), *halves(*turns)).spikes == 0


def test_sharp_corner_on_the_outline_of_the_community_is_no_spike():
    wedge = shapely.Polygon([(0, 0), (200, 0), (0, 20)])
    assert card_of(place(), wedge, shapely.difference(LAND, wedge)).spikes == 0


def test_tail_narrower_than_five_metres_counts_with_its_area():
    tail = (100, 100), (120, 100), (120, 103), (100, 103)
    assert card_of(place(), *halves(*tail)).narrow_m2 == pytest.approx(60)
    wide = (100, 100), (120, 100), (120, 106), (100, 106)
    assert card_of(place(), *halves(*wide)).narrow_m2 == pytest.approx(0)


def test_border_beside_a_street_counts_only_where_it_is_near_and_not_on_it():
    side_street = place(roads=[road((110, 0), (110, 80), (100, 80), (100, 200))])
    assert card_of(side_street, WEST, EAST).beside_street_m == pytest.approx(80, abs=0.1)
    far_street = place(roads=[road((113, 0), (113, 200))])
    assert card_of(far_street, WEST, EAST).beside_street_m == 0
    crossed = place(roads=[road((0, 100), (200, 100))])
    assert card_of(crossed, WEST, EAST).beside_street_m == pytest.approx(24, abs=0.1)
    alley = place(roads=[road((110, 0), (110, 200), road_class="alley")])
    assert card_of(alley, WEST, EAST).beside_street_m == 0


def test_arterial_counts_inside_a_grid_with_people_on_both_sides():
    arterial = road((100, 0), (100, 200), road_class="arterial")
    card = card_of(place(roads=[arterial]), LAND)
    assert card.arterial_inside_m == pytest.approx(200)
    assert card.straddled_m == pytest.approx(200)
    assert card_of(place(roads=[arterial]), WEST, EAST).arterial_inside_m == 0
    west_only = [{"geom": house(20, 20), "households": 20}, {"geom": house(160, 20)}]
    assert card_of(place(roads=[arterial], houses=west_only), LAND).arterial_inside_m == 0


def test_railway_counts_inside_a_grid_with_people_on_both_sides():
    rails = layer([{"geom": shapely.LineString([(0, 90), (200, 90)]), "tunnel": False}], "tunnel")
    card = card_of(replace(place(), railways=rails), LAND)
    assert (card.railway_inside_m, card.arterial_inside_m) == (pytest.approx(200), 0)


def test_stream_and_river_count_inside_a_grid_with_people_on_both_sides():
    stream = {"geom": shapely.LineString([(100, 0), (100, 200)]), "kind": "canal"}
    assert card_of(place(waters=[stream]), LAND).water_inside_m == pytest.approx(200)
    river = {"geom": shapely.box(90, 0, 110, 200), "kind": "river"}
    bridge = road((0, 100), (200, 100))
    card = card_of(place(waters=[river], roads=[bridge]), LAND)
    assert card.water_inside_m == pytest.approx(200)
    assert card.straddled_m == 0
    assert card_of(place(waters=[river], roads=[bridge]), WEST, EAST).water_inside_m == 0


def test_pond_inside_a_grid_has_people_on_one_side_only():
    pond = {"geom": shapely.box(90, 90, 110, 110), "kind": "lake"}
    assert card_of(place(waters=[pond]), LAND).water_inside_m == 0


def test_compound_too_large_for_a_grid_is_split_unavoidably():
    houses = [
        {"geom": house(x, y), "households": 20, "compound_code": "north" if y > 100 else "south"}
        for x, y in CORNERS
    ]
    roomy = card_of(place(houses=houses), WEST, EAST, limits=Limits(40, 20, 60))
    assert (roomy.compounds_split, roomy.compounds_split_all) == (2, 2)
    tight = card_of(place(houses=houses), WEST, EAST, limits=Limits(30, 20, 35))
    assert (tight.compounds_split, tight.compounds_split_all) == (0, 2)
