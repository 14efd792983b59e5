"""Cells: an exact tiling in which no building is cut, whatever lies in the community."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from geo.partition.cells.barriers import Barriers, Kind, build_rooms, clip_barriers
from geo.partition.cells.graph import CUT_FACTOR, Graph, build_graph
from geo.partition.cells.tessellation import Cells, build_cells
from tests.geo.partition.places import house, scattered

LAND = shapely.box(0, 0, 400, 400)


def barriers(*lines: tuple[list[tuple[float, float]], Kind], water: list = ()) -> Barriers:
    drawn = np.array([shapely.LineString(points) for points, _ in lines], dtype=object)
    kinds = np.array([kind for _, kind in lines], dtype=np.int8)
    return Barriers(drawn, kinds, np.array(water, dtype=object))


def feet_of(*polygons: shapely.Geometry) -> np.ndarray:
    feet = np.empty(len(polygons), dtype=object)
    feet[:] = polygons
    return feet


def check_tiling(cells: Cells, land: shapely.Geometry) -> None:
    assert shapely.coverage_is_valid(cells.polygons)
    assert abs(shapely.area(cells.polygons).sum() - land.area) < 1e-6 * max(land.area, 1)
    assert shapely.area(shapely.difference(land, shapely.union_all(cells.polygons))) < 1e-6


metres = st.floats(-50, 450).map(lambda value: round(value, 3))


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 40),
    streets=st.lists(
        st.tuples(
            *(st.tuples(metres, metres) for _ in range(2)),
            st.sampled_from([Kind.ALLEY, Kind.STREET, Kind.ARTERIAL, Kind.WALL]),
        ),
        max_size=6,
    ),
)
@settings(max_examples=60)
def test_cells_tile_any_community_and_cut_no_building(seed, count, streets):
    buildings = [row["geom"] for row in scattered(seed, count)]
    cut = barriers(*(([a, b], kind) for a, b, kind in streets if a != b))
    cells = build_cells(LAND, feet_of(*buildings), cut)
    check_tiling(cells, LAND)
    placed = cells.cell_of_atom
    assert (placed >= 0).all()
    # What two overlapping buildings share goes to the larger one.
    alone = [
        b
        for b in range(count)
        if not any(buildings[b].intersects(buildings[o]) for o in range(count) if o != b)
    ]
    for b in alone:
        outside = shapely.intersection(buildings[b], LAND).difference(cells.polygons[placed[b]])
        assert outside.area < 1e-6


@pytest.mark.parametrize(("seed", "count"), [(105, 40), (89, 50), (111, 50)])
def test_cell_of_footprints_that_touch_or_overlap_is_in_one_piece(seed, count):
    # A slit without area where outlines touch; a footprint that two larger ones all but part.
    buildings = [row["geom"] for row in scattered(seed, count)]
    cells = build_cells(LAND, feet_of(*buildings), barriers())
    assert (shapely.get_num_geometries(cells.polygons) == 1).all()


@given(seed=st.integers(0, 10_000))
@example(seed=151)  # a corner of 1 m2 of a building across the border
@settings(max_examples=30)
def test_every_building_of_a_turned_community_stands_on_its_own_cell(seed):
    random = np.random.default_rng(seed)
    corner = (371_000, 3_543_000)
    square = shapely.affinity.translate(shapely.box(0, 0, 200, 200), *corner)
    land = shapely.affinity.rotate(square, random.uniform(0, 90))
    feet = feet_of(
        *(shapely.affinity.translate(row["geom"], *corner) for row in scattered(seed, 30, 200))
    )
    ends = np.array(corner) + random.uniform(0, 200, (4, 2, 2))
    cells = build_cells(land, feet, barriers(*((list(pair), Kind.STREET) for pair in ends)))
    check_tiling(cells, land)
    inside = shapely.area(shapely.intersection(feet, land)) > 0.01
    own = cells.polygons[cells.cell_of_atom[inside]]
    assert (shapely.area(shapely.intersection(feet[inside], own)) > 0).all()


@given(angle=st.floats(0, 6.28), turn=st.floats(0, 90), off=st.floats(-50, 50))
@settings(max_examples=200)
def test_any_street_across_the_community_cuts_it_in_two(angle, turn, off):
    land = shapely.affinity.rotate(shapely.box(371_000, 4_839_000, 371_400, 4_839_300), turn)
    middle = np.array([land.centroid.x + off, land.centroid.y])
    reach = 900 * np.array([np.cos(angle), np.sin(angle)])
    street = barriers(([tuple(middle - reach), tuple(middle + reach)], Kind.STREET))
    assert len(build_rooms(land, clip_barriers(street, land))) == 2


def test_border_runs_half_way_between_two_buildings():
    cells = build_cells(LAND, feet_of(house(100, 190), house(200, 190)), barriers())
    border = shapely.intersection(*cells.polygons)
    middle = (112 + 200) / 2
    reach = shapely.box(0, 180, 400, 210)
    assert (
        shapely.hausdorff_distance(
            border.intersection(reach), shapely.LineString([(middle, 180), (middle, 210)])
        )
        < 0.5
    )


def test_border_follows_a_street_that_is_not_half_way():
    street = ([(120, -10), (120, 410)], Kind.STREET)
    cells = build_cells(LAND, feet_of(house(90, 190), house(300, 190)), barriers(street))
    assert cells.polygons[cells.cell_of_atom[0]].bounds[2] == pytest.approx(120)


def test_building_across_a_street_is_whole_on_the_side_of_most_of_it():
    street = ([(105, -10), (105, 410)], Kind.STREET)
    feet = feet_of(house(100, 190), house(40, 190), house(300, 190))
    cells = build_cells(LAND, feet, barriers(street))
    check_tiling(cells, LAND)
    own = cells.polygons[cells.cell_of_atom[0]]
    assert feet[0].difference(own).area < 1e-9
    assert own.intersection(shapely.box(0, 0, 95, 400)).area < 1.0


def test_building_twice_and_building_in_building_share_a_cell():
    feet = feet_of(house(100, 100, 30), house(100, 100, 30), house(110, 110, 5), house(300, 300))
    cells = build_cells(LAND, feet, barriers())
    assert cells.cell_of_atom[0] == cells.cell_of_atom[1] == cells.cell_of_atom[2]
    check_tiling(cells, LAND)


def test_zero_area_and_outside_footprints_have_no_cell():
    feet = feet_of(house(100, 100), shapely.Polygon([(1, 1), (2, 2), (1, 1)]), house(500, 500))
    assert build_cells(LAND, feet, barriers()).cell_of_atom.tolist() == [0, -1, -1]


def test_community_all_of_whose_buildings_lie_outside_is_one_cell():
    cells = build_cells(LAND, feet_of(house(500, 500)), barriers())
    check_tiling(cells, LAND)
    assert cells.cell_of_atom.tolist() == [-1]


def test_community_in_parts_with_a_hole_is_tiled():
    ring = shapely.box(0, 0, 200, 200).difference(shapely.box(80, 80, 120, 120))
    land = shapely.MultiPolygon([ring, shapely.box(250, 0, 400, 200)])
    cells = build_cells(land, feet_of(house(10, 10), house(150, 150), house(300, 50)), barriers())
    check_tiling(cells, land)


def test_strip_between_wall_and_street_goes_to_those_behind_the_wall():
    wall = ([(10, 10), (190, 10), (190, 390), (10, 390), (10, 10)], Kind.WALL)
    street = ([(200, -10), (200, 410)], Kind.STREET)
    feet = feet_of(house(170, 200), house(206, 200))
    cells = build_cells(LAND, feet, barriers(wall, street))
    behind = cells.polygons[cells.cell_of_atom[0]]
    assert behind.bounds[2] == pytest.approx(200)
    check_tiling(cells, LAND)


def test_water_is_a_cell_of_its_own():
    river = shapely.box(180, 0, 220, 400)
    shores = [(list(river.exterior.coords), Kind.RIVER)]
    feet = feet_of(house(100, 190), house(300, 190))
    cells = build_cells(LAND, feet, barriers(*shores, water=[river]))
    assert cells.water.sum() == 1
    assert cells.polygons[cells.water][0].equals(river)


def test_dead_end_street_divides_as_far_as_it_goes():
    lane = ([(200, -10), (200, 250)], Kind.ALLEY)
    feet = feet_of(house(120, 100), house(205, 100), house(120, 320), house(250, 320))
    cells = build_cells(LAND, feet, barriers(lane))
    check_tiling(cells, LAND)
    one, other = (
        cells.polygons[cells.cell_of_atom[0]],
        cells.polygons[cells.cell_of_atom[1]],
    )
    shared = shapely.intersection(one, other).intersection(shapely.box(0, 20, 400, 180))
    assert shared.bounds[0] == pytest.approx(200)


def dual_carriageway() -> tuple[Cells, Graph]:
    """Return rows of houses on both sides of an arterial of two carriageways 12 m apart."""
    lanes = [([(x, -10), (x, 410)], Kind.ARTERIAL) for x in (194, 206)]
    feet = [house(x, y) for x in (150, 240) for y in range(20, 380, 40)]
    cells = build_cells(LAND, feet_of(*feet), barriers(*lanes))
    people = np.full(len(feet), 20, dtype=np.int64)
    return cells, build_graph(cells, people, np.full(len(feet), -1))[0]


def test_border_between_carriageways_lies_on_the_arterial():
    cells, graph = dual_carriageway()
    west = graph.xy[:, 0] < 200
    crosses = west[graph.edges[:, 0]] != west[graph.edges[:, 1]]
    assert graph.length[crosses].sum() == pytest.approx(400, rel=0.05)
    assert graph.cut[crosses] == pytest.approx(CUT_FACTOR[Kind.ARTERIAL] * graph.length[crosses])
    assert graph.inside[crosses] == pytest.approx(graph.length[crosses])
    check_tiling(cells, LAND)


def test_cell_lies_in_the_room_of_its_building():
    # More of the cell lies in the strip between the carriageways than around the house.
    lanes = [([(x, -10), (x, 410)], Kind.ARTERIAL) for x in (14, 32)]
    cells = build_cells(LAND, feet_of(house(1, 200, 12), house(250, 200)), barriers(*lanes))
    rooms = build_rooms(LAND, clip_barriers(barriers(*lanes), LAND))
    own = cells.room[cells.cell_of_atom]
    assert rooms[own[0]].contains(house(2, 201, 10))
    assert rooms[own[1]].contains(house(250, 200))


def rows_face_to_face(count: int, gap: float) -> list[shapely.Geometry]:
    """Return two rows of houses, each house of one row between two of the other."""
    south = [house(20 + 40 * i, 150) for i in range(count)]
    return south + [house(40 + 40 * i, 162 + gap) for i in range(count)]


def border_between_rows(straighten_m: float) -> shapely.Geometry:
    feet = feet_of(*rows_face_to_face(8, 20))
    cells = build_cells(LAND, feet, barriers(), straighten_m)
    check_tiling(cells, LAND)
    south, north = (
        shapely.union_all(cells.polygons[cells.cell_of_atom[rows]])
        for rows in (slice(0, 8), slice(8, 16))
    )
    return shapely.line_merge(shapely.intersection(south, north)).intersection(
        shapely.box(40, 0, 330, 400)
    )


def test_border_between_staggered_rows_of_houses_is_straight():
    zigzag, straight = border_between_rows(0.3), border_between_rows(4.0)
    assert straight.length - 290 < 0.4 * (zigzag.length - 290)


@given(seed=st.integers(0, 10_000), count=st.integers(2, 40))
@example(seed=4751, count=14)  # an end in open ground moves far, beside a house
@example(seed=7014, count=27)
@settings(max_examples=60)
def test_straight_border_keeps_clear_of_footprints(seed, count):
    feet = feet_of(*(row["geom"] for row in scattered(seed, count)))
    alone = shapely.STRtree(feet).query(feet, predicate="dwithin", distance=2.0)
    lonely = np.bincount(alone[0], minlength=count) == 1
    feet = feet[lonely]
    assume(len(feet) > 1)
    cells = build_cells(LAND, feet, barriers())
    check_tiling(cells, LAND)
    assert len(cells.polygons) == len(feet)
    inner = shapely.difference(
        shapely.union_all(shapely.boundary(cells.polygons)), shapely.buffer(LAND.boundary, 0.1)
    )
    assert (shapely.distance(feet, inner) > 0.1).all()
