"""Constraints are met, refused before drawing, or reported as not met."""

from dataclasses import replace

import geopandas as gpd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.errors import InputError
from geo.partition.community import Community
from geo.partition.constraints import Area, Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.scoring.objective import Limits
from geo.partition.search.strategy import Effort
from tests.geo.partition.places import CRS, community, house, rows_of_houses, scattered

QUICK = Constraints(effort=Effort(generations=2, moves_per_node=200))
LAND = shapely.box(0, 0, 250, 250)


def village(**layers: list[dict[str, object]]) -> Community:
    return community(LAND, rows_of_houses(10, 10, 12), **layers)


def grid_of(drawing: Drawing) -> dict[str, str]:
    housed = drawing.members.dropna(subset=["building_code"])
    return dict(zip(housed["building_code"], housed["grid"], strict=True))


def reasons_of(drawing: Drawing) -> dict[str, dict[str, object]]:
    return dict(drawing.score.reasons)


def test_distant_houses_are_drawn_into_one_grid():
    corners = ("b00000", "b00009")
    assert len({grid_of(draw(village(), QUICK))[code] for code in corners}) == 2
    drawing = draw(village(), replace(QUICK, together=(corners,)))
    assert len({grid_of(drawing)[code] for code in corners}) == 1
    assert drawing.score.contiguous
    assert "together_unmet" not in reasons_of(drawing)


def test_neighbours_that_must_be_apart_are_in_different_grids():
    pair = ("b00044", "b00045")
    drawing = draw(village(), replace(QUICK, apart=(pair,)))
    assert grid_of(drawing)[pair[0]] != grid_of(drawing)[pair[1]]
    assert drawing.score.contiguous
    assert drawing.score.within_limits == 1.0


@pytest.mark.parametrize(
    ("constraints", "key"),
    [
        (
            {"together": (("b00000", "b00001"),), "apart": (("b00000", "b00001"),)},
            "constraints_contradict",
        ),
        ({"apart": (("b00000", "b00000"),)}, "constraints_contradict"),
        ({"apart": (("b00000", "nobody"),)}, "constraint_unknown_code"),
        ({"together": (("b00000", "nobody"),)}, "constraint_unknown_code"),
        ({"areas": (Area("x", "POLYGON ((0 0, 1 0, 1 1, 0 0))"),)}, "area_outside"),
        ({"areas": (Area("x", "POLYGON (("),)}, "area_unreadable"),
    ],
)
def test_impossible_constraint_is_refused(constraints, key):
    with pytest.raises(InputError) as refused:
        draw(village(), replace(QUICK, **constraints))
    assert refused.value.key == key
    assert str(refused.value)


def test_group_over_the_limit_is_reported():
    row = tuple(f"b{n:05d}" for n in range(50))
    drawing = draw(village(), replace(QUICK, together=(row,)))
    assert reasons_of(drawing)["together_over_limit"]["households"] == 600
    assert len({grid_of(drawing)[code] for code in row}) == 1


def test_compound_is_whole_by_constraint_at_any_cost():
    strip = shapely.box(0, 110, 250, 150)
    rows = rows_of_houses(10, 10, 12)
    for row in rows:
        row["compound_code"] = "c1" if row["geom"].intersects(strip) else None
    place = community(LAND, rows, compounds=[{"code": "c1", "gated": False, "geom": strip}])
    cheap_split = replace(QUICK, weights=replace(QUICK.weights, compound=0.0))
    assert draw(place, cheap_split).score.compounds_split == 1
    assert draw(place, replace(cheap_split, whole_compounds=True)).score.compounds_split == 0


def test_compound_over_the_limit_is_reported():
    rows = [row | {"compound_code": "c1"} for row in rows_of_houses(10, 10, 12)]
    walls = [{"code": "c1", "gated": True, "geom": LAND.buffer(-1)}]
    drawing = draw(community(LAND, rows, compounds=walls), replace(QUICK, whole_compounds=True))
    assert reasons_of(drawing)["compound_over_limit"]["households"] == 1200
    assert drawing.score.within_limits == 1.0


def test_school_is_a_grid_of_its_own_and_a_kiosk_is_not():
    school = shapely.box(100, 100, 160, 160)
    rows = [row for row in rows_of_houses(10, 10, 14) if not row["geom"].intersects(school)]
    facilities = [
        {"category": "school", "name": "No. 1", "geom": school},
        {"category": "school", "name": "kiosk", "geom": shapely.box(10, 10, 20, 20)},
        {"category": "park", "name": "park", "geom": shapely.box(200, 200, 250, 250)},
    ]
    place = community(LAND, rows, facilities=facilities)
    drawing = draw(place, replace(QUICK, dedicated=("school",)))
    special = drawing.grids[drawing.grids["kind"] == "dedicated"]
    assert list(special["name"]) == ["No. 1"]
    assert list(special["code"]) == ["420606007001901"]
    assert special["geom"].iloc[0].symmetric_difference(school).area < 0.01
    assert drawing.score.within_limits == 1.0
    assert drawing.score.gap_m2 < 0.01


def test_hospital_that_is_a_point_takes_the_empty_compound_around_it():
    walls = shapely.box(100, 100, 160, 160)
    rows = [row for row in rows_of_houses(10, 10, 14) if not row["geom"].intersects(walls)]
    place = community(
        LAND,
        rows,
        compounds=[{"code": "c9", "gated": True, "geom": walls}],
        facilities=[{"category": "hospital", "name": "h", "geom": shapely.Point(130, 130)}],
    )
    drawing = draw(place, replace(QUICK, dedicated=("hospital",)))
    special = drawing.grids[drawing.grids["kind"] == "dedicated"]
    assert special["geom"].iloc[0].symmetric_difference(walls).area < 0.01


def test_required_area_becomes_a_grid():
    park = gpd.GeoSeries([shapely.box(0, 0, 80, 80)], crs=CRS)
    area = Area("park", park.to_crs("EPSG:4490").iloc[0].wkt)
    drawing = draw(village(), replace(QUICK, areas=(area,)))
    (grid,) = drawing.grids.loc[drawing.grids["kind"] == "dedicated", "geom"]
    # A house is never cut: the border goes around those that stand across it.
    assert grid.symmetric_difference(park.iloc[0]).area < 4 * 12 * 12
    assert drawing.score.contiguous


@given(seed=st.integers(0, 10_000), data=st.data())
@settings(max_examples=10)
def test_any_constraints_are_met_or_reported(seed, data):
    place = community(shapely.box(0, 0, 400, 400), scattered(seed, 40))
    code = st.sampled_from(sorted(place.buildings["code"]))
    groups = data.draw(st.lists(st.lists(code, min_size=2, max_size=3, unique=True), max_size=2))
    pairs = data.draw(st.lists(st.tuples(code, code), max_size=2))
    constraints = Constraints(
        limits=Limits(200, 100, 300),
        effort=Effort(generations=1, moves_per_node=100),
        together=tuple(map(tuple, groups)),
        apart=tuple(pairs),
    )
    try:
        drawing = draw(place, constraints)
    except InputError as error:
        assert error.key == "constraints_contradict"  # noqa: PT017 - a refusal is one right answer
        return
    assert drawing.score.contiguous
    assert drawing.score.gap_m2 < 0.01
    grid, unmet = grid_of(drawing), [key for key, _ in drawing.score.reasons]
    for group in groups:
        assert len({grid[code] for code in group}) == 1 or "together_unmet" in unmet
    for one, other in pairs:
        assert grid[one] != grid[other] or "apart_unmet" in unmet


IRREGULAR = {
    "two buildings overlapping": [house(50, 50, 30), house(70, 60, 30), house(120, 120)],
    "a building twice": [house(50, 50, 30), house(50, 50, 30), house(120, 120)],
    "one inside another": [house(50, 50, 60), house(60, 60, 10), house(160, 160)],
    "polygons without area": [
        shapely.Polygon([(10, 10), (20, 20), (10, 10)]),
        house(100, 100),
        shapely.Polygon([(150, 10), (160, 10), (170, 10)]),
    ],
    "a building across the border": [house(240, 100, 30), house(20, 20)],
    "a building beyond the border": [house(300, 100), house(20, 20)],
}


@pytest.mark.parametrize("name", IRREGULAR)
def test_irregular_buildings_are_drawn_with_all_households(name):
    rows = [{"geom": shape, "households": 150} for shape in IRREGULAR[name]]
    drawing = draw(community(LAND, rows), QUICK)
    assert drawing.grids["households"].sum() == 150 * len(rows)
    assert drawing.score.gap_m2 < 0.01
    assert drawing.score.overlap_m2 < 0.01
    assert drawing.members["building_code"].notna().sum() == len(rows)
    assert ("crosses_border" in reasons_of(drawing)) == ("border" in name)
