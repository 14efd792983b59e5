"""Drawings are within the limits where possible, contiguous, complete and reproducible."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.errors import InputError
from geo.partition.cells.graph import build_graph
from geo.partition.cells.tessellation import build_cells
from geo.partition.community import Community, build_barriers
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.plan_from_polygons import plan_from_polygons
from geo.partition.problem import build_problem
from geo.partition.scoring.objective import Balance, Limits
from geo.partition.scoring.review import review_plan
from geo.partition.search.strategy import Effort, search
from tests.geo.partition.places import community, house, is_contiguous, rows_of_houses, scattered

QUICK = Constraints(effort=Effort(generations=1, moves_per_node=200))


def check(drawing: Drawing, land: shapely.Geometry, households: int) -> None:
    grids = drawing.grids.geometry.to_numpy()
    assert shapely.coverage_is_valid(grids)
    assert drawing.score.gap_m2 < 0.01
    assert drawing.score.overlap_m2 < 0.01
    assert abs(shapely.area(grids).sum() - land.area) < 0.01
    assert drawing.grids["households"].sum() == households
    assert drawing.members["households"].sum() == households
    assert set(drawing.members["grid"]) == set(drawing.grids["code"])
    by_grid = drawing.members.groupby("grid")["households"].sum()
    assert (by_grid.loc[drawing.grids["code"]].to_numpy() == drawing.grids["households"]).all()


def test_even_rows_become_grids_within_the_limits():
    land = shapely.box(0, 0, 250, 250)
    drawing = draw(community(land, rows_of_houses(10, 10, 16)))
    check(drawing, land, 1600)
    assert drawing.score.contiguous
    assert drawing.score.within_limits == 1.0
    assert len(drawing.grids) == 4
    assert drawing.score.reasons == ()


@given(seed=st.integers(0, 10_000), count=st.integers(2, 60))
@settings(max_examples=25)
def test_any_community_is_covered_with_all_households(seed, count):
    land = shapely.box(0, 0, 400, 400)
    rows = scattered(seed, count)
    drawing = draw(
        community(land, rows, roads=[{"geom": shapely.LineString([(200, 0), (200, 400)])}]), QUICK
    )
    check(drawing, land, sum(row["households"] for row in rows))
    assert drawing.score.contiguous


def test_same_seed_draws_the_same_grids():
    place = community(shapely.box(0, 0, 400, 400), scattered(3, 60))
    one, other = draw(place, QUICK), draw(place, QUICK)
    assert one.grids.equals(other.grids)
    assert one.members.equals(other.members)


def test_border_prefers_the_street():
    street = {"geom": shapely.LineString([(125, 0), (125, 250)])}
    place = community(shapely.box(0, 0, 250, 250), rows_of_houses(10, 10, 8), roads=[street])
    drawing = draw(place)
    assert len(drawing.grids) == 2
    assert drawing.score.border_on_barrier == pytest.approx(1.0)


def test_compound_is_kept_whole():
    quarter = shapely.box(0, 0, 125, 125)
    rows = rows_of_houses(10, 10, 12)
    for row in rows:
        row["compound_code"] = "c1" if row["geom"].within(quarter) else None
    walled = [{"code": "c1", "gated": True, "geom": quarter}]
    drawing = draw(community(shapely.box(0, 0, 250, 250), rows, compounds=walled))
    assert drawing.score.compounds_split == 0


def test_tower_over_limit_is_split_by_unit():
    tower = {"code": "tower", "geom": shapely.box(50, 100, 140, 120), "households": 900}
    units = [
        {
            "code": f"u{n}",
            "building_code": "tower",
            "households": 300,
            "geom": shapely.Point(x, 110),
        }
        for n, x in enumerate((65, 95, 125))
    ]
    land = shapely.box(0, 0, 200, 200)
    drawing = draw(community(land, [tower], units=units))
    check(drawing, land, 900)
    assert sorted(drawing.members["unit_code"].dropna()) == ["u0", "u1", "u2"]
    assert drawing.score.largest <= 500


def test_households_beyond_the_border_count_for_the_limits():
    # Built since the border was drawn: they belong to the nearest grid, which has to have room.
    rows = rows_of_houses(10, 10, 10)
    rows += [{"geom": house(260, y), "households": 40} for y in range(5, 240, 25)]
    land = shapely.box(0, 0, 250, 250)
    drawing = draw(community(land, rows))
    check(drawing, land, 1400)
    assert drawing.score.within_limits == 1.0


def test_tower_without_area_is_in_its_units_grids_all_the_same():
    tower = {"code": "t", "geom": shapely.Polygon([(9, 9), (60, 9), (9, 9)]), "households": 900}
    units = [
        {"code": f"u{n}", "building_code": "t", "households": 450, "geom": shapely.Point(9, 9)}
        for n in (0, 1)
    ]
    land = shapely.box(0, 0, 200, 200)
    drawing = draw(community(land, [tower, {"geom": house(100, 100)}], units=units), QUICK)
    check(drawing, land, 900)
    (_, fields), *_ = [reason for reason in drawing.score.reasons if reason[0] == "same_ground"]
    assert fields["of_it"] == 900


def test_tower_over_limit_without_units_is_reported():
    rows = [{"code": "T12", "geom": house(100, 100, 30), "households": 2000}]
    rows += rows_of_houses(3, 3, 40)
    drawing = draw(community(shapely.box(0, 0, 200, 200), rows))
    (key, fields), *_ = drawing.score.reasons
    assert key == "atom_over_limit"
    assert fields["name"] == "T12"
    assert fields["of_it"] == 2000


def test_few_households_behind_a_large_building_are_reported():
    rows = [{"code": "gate", "geom": shapely.box(130, 0, 160, 60), "households": 420}]
    rows += [{"geom": house(x, 20), "households": 50} for x in (20, 60, 100)]
    rows += [{"geom": house(x, 20), "households": 100} for x in (180, 220, 260, 300)]
    land = shapely.box(0, 0, 340, 60)
    drawing = draw(community(land, rows))
    ((key, fields),) = drawing.score.reasons
    assert key == "only_way"
    assert (fields["name"], fields["of_it"], fields["behind"]) == ("gate", 420, 150)


def test_community_below_the_lower_limit_is_one_grid_and_says_so():
    drawing = draw(community(shapely.box(0, 0, 100, 100), rows_of_houses(2, 2, 20)))
    figures = {"grid": "420606007001001", "households": 80, "lower": 300, "upper": 500}
    assert drawing.score.reasons == (("community_below_limit", figures),)


def test_two_that_must_be_apart_divide_a_community_of_one_grid():
    rows = rows_of_houses(4, 4, 25)
    apart = (("b00000", "b00015"),)
    drawing = draw(community(shapely.box(0, 0, 100, 100), rows), Constraints(apart=apart))
    assert drawing.score.grids == 2
    assert "apart_unmet" not in {key for key, _ in drawing.score.reasons}


def test_total_that_does_not_divide_is_reported():
    drawing = draw(community(shapely.box(0, 0, 250, 300), rows_of_houses(5, 11, 10)))
    assert {key for key, _ in drawing.score.reasons} == {"total_does_not_divide"}


@pytest.mark.parametrize(
    "rows",
    [
        [{"geom": house(10, 10), "households": 30}],
        [{"geom": house(10, 10), "households": 0}],
        [{"geom": house(x, 10), "households": 300} for x in (10, 30, 50)],
        [*rows_of_houses(8, 8, 0), {"geom": house(220, 220), "households": 800}],
    ],
    ids=["one building", "nobody lives there", "all in one corner", "one tower among empty houses"],
)
def test_irregular_communities_are_drawn(rows):
    land = shapely.box(0, 0, 250, 250)
    drawing = draw(community(land, rows), QUICK)
    check(drawing, land, sum(row["households"] for row in rows))


def test_community_in_three_parts_and_a_ring():
    ring = shapely.box(0, 0, 300, 300).difference(shapely.box(100, 100, 200, 200))
    parts = [ring, shapely.box(350, 0, 450, 100), shapely.box(350, 200, 450, 300)]
    land = shapely.MultiPolygon(parts)
    rows = [row for row in rows_of_houses(18, 12, 8) if row["geom"].within(land)]
    drawing = draw(community(land, rows), QUICK)
    check(drawing, land, 8 * len(rows))
    assert drawing.score.contiguous


@pytest.mark.parametrize(
    ("land", "rows", "key"),
    [
        (shapely.box(0, 0, 9, 9), [], "community_without_buildings"),
        (None, [{"geom": house(1, 1)}], "community_without_border"),
    ],
)
def test_nothing_to_draw_is_refused(land, rows, key):
    with pytest.raises(InputError) as refused:
        draw(community(land, rows))
    assert refused.value.key == key


def test_twenty_thousand_buildings_in_one_community():
    rows = rows_of_houses(160, 125, 1, pitch=20.0, side=10.0)
    land = shapely.box(0, 0, 3200, 2500)
    place = community(land, rows)
    cells = build_cells(land, place.buildings.geometry.to_numpy(), build_barriers(place))
    graph, _ = build_graph(cells, np.ones(len(rows), np.int64), np.full(len(rows), -1))
    label = search(graph, effort=Effort(generations=1, moves_per_node=10))
    assert is_contiguous(graph, label)
    assert len(np.unique(label)) >= 40


def river_with_islands(bridges: int) -> Community:
    """Return two inhabited islands in a river, an islet without people, and a piece far away."""
    sides = (shapely.box(0, 0, 250, 100), shapely.box(0, 200, 250, 300))
    islet = shapely.box(100, 140, 130, 160)
    river = shapely.box(0, 100, 250, 200).difference(islet)
    land = shapely.MultiPolygon([shapely.box(0, 0, 250, 300), shapely.box(400, 0, 420, 20)])
    rows = [
        {"geom": house(x, y), "households": 25}
        for side in sides
        for x in range(10, 230, 30)
        for y in (int(side.bounds[1]) + 20, int(side.bounds[1]) + 60)
    ]
    bridge = [{"geom": shapely.LineString([(x, 80), (x, 220)])} for x in (20, 220)[:bridges]]
    waters = [{"geom": river, "kind": "river"}]
    return community(land, rows, waters=waters, roads=bridge)


def test_uninhabited_islets_go_with_a_neighbour():
    drawing = draw(river_with_islands(0))
    check(drawing, river_with_islands(0).polygon, 800)
    assert (drawing.grids["households"] > 0).all()
    assert drawing.score.contiguous


def test_land_between_a_required_area_and_the_border_goes_with_the_area():
    land = shapely.box(0, 0, 250, 250)
    school = {"category": "school", "name": "S", "geom": shapely.box(0, 200, 250, 235)}
    rows = rows_of_houses(10, 7, 12)
    drawing = draw(
        community(land, rows, facilities=[school]), replace(QUICK, dedicated=("school",))
    )
    general = drawing.grids[drawing.grids["kind"] == "general"]
    assert (general["households"] > 0).all()
    assert len(drawing.grids) == len(general) + 1
    check(drawing, land, 840)


def test_community_without_people_is_one_grid():
    land = shapely.MultiPolygon([shapely.box(0, 0, 100, 100), shapely.box(200, 0, 250, 50)])
    drawing = draw(community(land, [{"geom": house(20, 20)}]), QUICK)
    assert len(drawing.grids) == 1
    assert drawing.score.gap_m2 < 0.01


def test_grid_across_a_bridge_costs_the_length_of_the_bridge():
    place = river_with_islands(1)
    graph = build_problem(place, Constraints(), None).graph
    assert graph.components()[0] == 1
    link = graph.length == 0
    assert graph.inside[link] == pytest.approx([100])
    whole = Constraints(limits=Limits(target=800, lower=700, upper=900))
    drawing = draw(place, whole)
    assert len(drawing.grids) == 1
    assert drawing.score.border_cost == pytest.approx(100)
    assert drawing.score.contiguous


def test_workload_is_balanced_instead_of_households():
    land = shapely.box(0, 0, 250, 250)
    place = community(land, rows_of_houses(10, 10, 16))
    west = np.array([house.centroid.x < 125 for house in place.buildings.geometry])
    buildings = place.buildings.assign(workload=np.where(west, 24, 8))
    limits = Limits(balance=Balance.WORKLOAD)
    drawing = draw(replace(place, buildings=buildings), Constraints(limits=limits))
    check(drawing, land, 1600)
    assert drawing.score.within_limits == 1.0
    assert drawing.grids["workload"].between(300, 500).all()
    assert drawing.score.workload == 1600
    assert drawing.score.largest_households > 500
    review = review_plan(
        replace(place, buildings=buildings), plan_from_polygons(drawing.grids, place), limits
    )
    assert review.objective == pytest.approx(drawing.score.objective)
    assert (review.workload, review.households) == (1600, 1600)


def test_building_over_the_upper_limit_of_workload_is_divided():
    tower = {"geom": shapely.box(0, 0, 60, 20), "code": "T", "households": 300}
    rows = [tower, *({"geom": house(x, 60), "households": 60} for x in (0, 20, 40))]
    units = [
        {"code": f"T{n}", "building_code": "T", "households": 100, "geom": shapely.Point(x, 10)}
        for n, x in enumerate((10, 30, 50))
    ]
    place = community(shapely.box(-10, -10, 80, 90), rows, units=units)
    buildings = place.buildings.assign(workload=[600, 60, 60, 60])
    limits = Limits(balance=Balance.WORKLOAD)
    drawing = draw(replace(place, buildings=buildings), Constraints(limits=limits))
    divided = drawing.members[drawing.members["unit_code"].notna()]
    assert divided["workload"].tolist() == [200, 200, 200]
    assert divided["households"].tolist() == [100, 100, 100]


def test_grid_outside_the_limits_is_explained_by_its_workload():
    place = community(shapely.box(0, 0, 250, 250), rows_of_houses(4, 2, 16))
    buildings = place.buildings.assign(workload=10)
    drawing = draw(
        replace(place, buildings=buildings), Constraints(limits=Limits(balance=Balance.WORKLOAD))
    )
    [(key, fields)] = drawing.score.reasons
    assert key == "community_below_limit_workload"
    assert (fields["households"], fields["lower"]) == (80, 300)
