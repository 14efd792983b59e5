"""Plans of any origin get the score card of our own drawings, and their faults are listed."""

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.partition.community import Community
from geo.partition.constraints import Area, Constraints
from geo.partition.draw import build_drawing, draw, lower_bound_for_redraw, search_labels
from geo.partition.plan_from_polygons import assign_to_communities, plan_from_polygons
from geo.partition.previous_plan import PreviousPlan
from geo.partition.problem import build_problem
from geo.partition.scoring.objective import Limits, cost
from geo.partition.scoring.review import review_plan
from geo.partition.scoring.score_card import ScoreCard
from geo.partition.search.strategy import Effort
from tests.geo.partition.places import CRS, community, house, rows_of_houses, scattered

QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100))
LAND = shapely.box(0, 0, 250, 250)


def village() -> Community:
    street = {"geom": shapely.LineString([(125, 0), (125, 250)])}
    return community(LAND, rows_of_houses(10, 10, 8), roads=[street])


def plan(*shapes: shapely.Geometry, **columns: list[str]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=CRS)


def reasons_of(card: ScoreCard) -> dict[str, dict[str, object]]:
    return dict(card.reasons)


def assert_same(one: ScoreCard, other: ScoreCard, **skipped: None) -> None:
    left, right = (card.as_json() | {"seconds": None} | skipped for card in (one, other))
    for name, value in left.items():
        assert right[name] == (
            pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
        ), name


@given(seed=st.integers(0, 10_000), count=st.integers(2, 60))
@settings(max_examples=25)
def test_our_plan_scored_from_its_polygons_gets_the_card_it_was_drawn_with(seed, count):
    roads = [{"geom": shapely.LineString([(200, 0), (200, 400)]), "road_class": "arterial"}]
    place = community(shapely.box(0, 0, 400, 400), scattered(seed, count), roads=roads)
    drawing = draw(place, QUICK)
    assert_same(review_plan(place, plan_from_polygons(drawing.grids, place)), drawing.score)


def test_building_on_the_far_part_of_another_counts_where_that_has_its_cell():
    far = shapely.MultiPolygon([house(10, 40, 30), house(150, 40, 20)])
    shapes = far, house(154, 44, 8), house(100, 40, 20), house(175, 45, 10)
    rows = [{"geom": shape, "households": 100 + n} for n, shape in enumerate(shapes)]
    place, limits = community(shapely.box(0, 0, 200, 100), rows), Limits(200, 100, 300)
    drawing = draw(place, Constraints(limits=limits, effort=QUICK.effort))
    assert_same(review_plan(place, plan_from_polygons(drawing.grids, place), limits), drawing.score)


def test_plan_with_a_dedicated_grid_gets_the_card_it_was_drawn_with():
    place = village()
    grounds = gpd.GeoSeries([shapely.box(100, 100, 160, 160)], crs=CRS).to_crs("EPSG:4490")
    constraints = Constraints(effort=QUICK.effort, areas=(Area("park", grounds.iloc[0].wkt),))
    drawing = draw(place, constraints)
    assert list(drawing.grids["kind"]) == ["general", "general", "dedicated"]
    card = review_plan(place, plan_from_polygons(drawing.grids.drop(columns="kind"), place))
    assert_same(card, drawing.score)


def test_required_area_does_not_change_the_score():
    # An arterial through an area and past it: north of it nobody lives but in the area.
    road = {"geom": shapely.LineString([(0, 130), (250, 130)]), "road_class": "arterial"}
    rows = rows_of_houses(4, 10, 3) + rows_of_houses(10, 5, 3)[4::10]
    place = community(LAND, rows, roads=[road])
    grounds = gpd.GeoSeries([shapely.box(0, 0, 100, 250)], crs=CRS).to_crs("EPSG:4490")
    drawing = draw(place, Constraints(effort=QUICK.effort, areas=(Area("a", grounds.iloc[0].wkt),)))
    assert_same(review_plan(place, plan_from_polygons(drawing.grids, place)), drawing.score)


def test_gap_is_reported_with_its_place():
    place = village()
    halves = (shapely.box(0, 0, 125, 250), shapely.box(125, 0, 250, 190))
    card = review_plan(place, plan_from_polygons(plan(*halves), place))
    assert card.gap_m2 == pytest.approx(125 * 60)
    reason = reasons_of(card)["land_in_no_grid"]
    point = gpd.GeoSeries.from_xy([reason["lon"]], [reason["lat"]], crs="EPSG:4490").to_crs(CRS)
    assert shapely.box(125, 190, 250, 250).contains(point.iloc[0])
    assert reasons_of(card)["households_in_no_grid"]["households"] == 5 * 2 * 8
    assert card.households == 800 - 80


def test_barriers_inside_a_grid_are_counted_with_and_without_households_beyond():
    road = {"geom": shapely.LineString([(0, 130), (250, 130)]), "road_class": "arterial"}
    south = community(LAND, rows_of_houses(10, 5, 3), roads=[road])
    card = review_plan(south, plan_from_polygons(plan(LAND), south))
    assert card.straddled_m == 0
    assert card.barriers_inside_m == pytest.approx(250, abs=1)
    assert card.places["straddled_m"] == []
    [place] = card.places["barriers_inside_m"]
    line = gpd.GeoSeries([road["geom"]], crs=CRS).to_crs("EPSG:4490")
    assert place == pytest.approx(line.total_bounds, abs=2e-5)
    both = community(LAND, rows_of_houses(10, 10, 8), roads=[road])
    card = review_plan(both, plan_from_polygons(plan(LAND), both))
    assert card.straddled_m == pytest.approx(card.barriers_inside_m) == pytest.approx(250, abs=1)
    assert card.places["straddled_m"] == card.places["barriers_inside_m"]


def test_compound_too_large_for_one_grid_counts_as_divided_but_not_as_avoidable():
    rows = [row | {"compound_code": "c"} for row in rows_of_houses(10, 10, 8)]
    place = community(LAND, rows)
    halves = plan(shapely.box(0, 0, 125, 250), shapely.box(125, 0, 250, 250))
    card = review_plan(place, plan_from_polygons(halves, place), Limits(400, 300, 500))
    assert (card.compounds_split_all, card.compounds_split) == (1, 0)
    card = review_plan(place, plan_from_polygons(halves, place), Limits(400, 300, 900))
    assert (card.compounds_split_all, card.compounds_split) == (1, 1)


def test_overlap_and_land_outside_are_reported():
    place = village()
    shapes = (shapely.box(0, 0, 150, 250), shapely.box(125, 0, 260, 250))
    card = review_plan(place, plan_from_polygons(plan(*shapes, code=["A", "B"]), place))
    assert card.overlap_m2 == pytest.approx(25 * 250 + 10 * 250)
    assert reasons_of(card)["grids_overlap"]["grid"] == "A"
    assert reasons_of(card)["grids_overlap"]["other"] == "B"
    assert reasons_of(card)["grids_overlap"]["area"] == pytest.approx(25 * 250)
    assert reasons_of(card)["grids_beyond"]["area"] == pytest.approx(2500)


def test_grid_in_pieces_is_reported():
    place = village()
    pieces = shapely.MultiPolygon([shapely.box(0, 0, 50, 250), shapely.box(200, 0, 250, 250)])
    card = review_plan(place, plan_from_polygons(plan(pieces, shapely.box(50, 0, 200, 250)), place))
    assert not card.contiguous
    assert reasons_of(card)["grid_in_pieces"] == {"grid": "1", "count": 2}


def test_buildings_cut_by_a_border_are_reported():
    place = village()
    card = review_plan(
        place,
        plan_from_polygons(plan(shapely.box(0, 0, 250, 112), shapely.box(0, 112, 250, 250)), place),
    )
    cut = [fields for key, fields in card.reasons if key == "building_cut"]
    assert len(cut) == 5
    assert {fields["count"] for fields in cut} == {2}
    assert reasons_of(card)["more_buildings_cut"] == {"count": 5}
    # A building belongs to the grid that has most of it: here each has 6 m of 12, the first wins.
    assert card.households == 800


def test_grid_outside_the_limits_is_reported_with_the_reason():
    rows = [{"code": "tower", "geom": house(20, 20), "households": 900}]
    rows += [{"geom": house(200, 200), "households": 350}]
    place = community(LAND, rows)
    halves = (shapely.box(0, 0, 125, 250), shapely.box(125, 0, 250, 250))
    card = review_plan(place, plan_from_polygons(plan(*halves), place))
    assert reasons_of(card)["atom_over_limit"]["name"] == "tower"
    assert card.within_limits == 0.5


def test_households_moved_are_counted_against_another_plan():
    place = village()
    before = plan_from_polygons(
        plan(shapely.box(0, 0, 125, 250), shapely.box(125, 0, 250, 250)), place
    )
    after = plan_from_polygons(
        plan(shapely.box(0, 0, 150, 250), shapely.box(150, 0, 250, 250)), place
    )
    assert review_plan(place, after, previous=before).moved == 10 * 8
    assert review_plan(place, before, previous=before).moved == 0


def test_codes_that_are_missing_or_twice_are_replaced():
    place = village()
    shapes = [shapely.box(n, 0, n + 1, 1) for n in range(4)]
    frame = plan(*shapes, code=["x", "x", None, "y"], kind=["", "Dedicated", None, "general"])
    plan_read = plan_from_polygons(frame, place)
    assert list(plan_read.grids["code"]) == ["1", "2", "3", "y"]
    assert list(plan_read.grids["kind"]) == ["general", "dedicated", "general", "general"]


def test_polygon_belongs_to_the_community_with_most_of_it():
    towns = gpd.GeoSeries([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)]).to_numpy()
    shapes = pd.Series(
        [shapely.box(8, 0, 11, 1), shapely.box(9, 0, 12, 1), shapely.box(30, 0, 31, 1)]
    )
    assert assign_to_communities(shapes.to_numpy(), towns).tolist() == [0, 1, -1]


@given(seed=st.integers(0, 10_000), count=st.integers(2, 50))
@settings(max_examples=15)
def test_objective_of_the_graph_is_that_measured_on_the_polygons(seed, count):
    roads = [{"geom": shapely.LineString([(0, 210), (400, 190)]), "road_class": "arterial"}]
    place = community(shapely.box(0, 0, 400, 400), scattered(seed, count), roads=roads)
    problem = build_problem(place, QUICK, None)
    label = search_labels(problem)
    expected = cost(problem.graph, label, QUICK.limits, QUICK.weights).total
    assert build_drawing(problem, label, 0.0).score.objective == pytest.approx(expected, rel=1e-6)


def test_proof_is_on_the_card_and_the_drawing_no_worse():
    place = community(LAND, rows_of_houses(5, 4, 45))
    plain = draw(place, QUICK).score
    proved = draw(place, Constraints(effort=QUICK.effort, prove=600.0)).score
    assert proved.objective <= plain.objective + 1e-6
    assert proved.bound == pytest.approx(proved.objective, rel=1e-3)
    assert 0.0 <= proved.gap <= 1e-3
    assert plain.bound is None


def test_bound_of_a_plan_with_a_dedicated_grid_is_that_of_drawings_with_it():
    place = community(LAND, rows_of_houses(5, 4, 45))
    yard = Area(
        "yard", gpd.GeoSeries([shapely.box(0, 0, 60, 60)], crs=CRS).to_crs(4490).to_wkt().iloc[0]
    )
    constraints = Constraints(effort=QUICK.effort, areas=(yard,), prove=600.0)
    best = draw(place, constraints)
    assert list(best.grids["kind"]).count("dedicated") == 1
    plan = PreviousPlan(best.grids, best.members)
    bound = lower_bound_for_redraw(place, plan, Constraints(effort=QUICK.effort, prove=600.0))
    assert bound == pytest.approx(best.score.bound, rel=1e-3)
