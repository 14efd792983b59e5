import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from geo.geometry.delaunay import triangulate
from geo.geometry.planar_faces import build_faces, build_faces_within, merge_faces, node_lines
from geo.geometry.point_bins import find_nearest_in_room, find_strongest_kinds, measure_gaps
from geo.geometry.shared_borders import inner_points

HUNDREDTHS = st.integers(0, 4000).map(lambda n: n / 100)
PLACE = st.tuples(HUNDREDTHS, HUNDREDTHS)
SQUARE = 5000.0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


def lines_of(*wkt):
    return np.array([shapely.from_wkt(f"LINESTRING ({one})") for one in wkt], dtype=object)


def same(polygons, others):
    return {one.normalize().wkb for one in polygons} == {one.normalize().wkb for one in others}


@given(st.lists(st.lists(PLACE, min_size=2, max_size=6), min_size=1, max_size=12))
def test_faces_are_those_that_geos_finds(paths):
    lines = np.array([shapely.LineString(one) for one in paths if len(set(one)) > 1], dtype=object)
    known = shapely.get_parts(shapely.polygonize([shapely.union_all(lines)]))
    found = build_faces(node_lines(lines))
    assert same(found.polygons, known)


@pytest.mark.parametrize(
    ("wkt", "areas", "holes"),
    [
        (["0 0, 9 0, 9 9, 0 9, 0 0", "2 2, 4 2, 4 4, 2 4, 2 2"], [4, 77], 1),  # an island
        (["0 0, 9 0, 9 9, 0 9, 0 0", "0 0, 2 1, 1 2, 0 0"], [1.5, 79.5], 1),  # that touches
        (["0 0, 2 0, 2 2, 0 2, 0 0", "2 2, 4 2, 4 4, 2 4, 2 2"], [4, 4], 0),  # corner to corner
        (["0 0, 9 0, 9 9, 0 9, 0 0", "9 4, 5 4", "5 4, 4 5"], [81], 0),  # a dead end
        (["0 0, 2 0, 2 2, 0 2, 0 0", "2 1, 5 1", "5 0, 7 0, 7 2, 5 2, 5 0"], [4, 4], 0),  # a bridge
    ],
)
def test_faces_of_irregular_lines(wkt, areas, holes):
    found = build_faces(node_lines(lines_of(*wkt)))
    assert sorted(shapely.area(found.polygons)) == areas
    assert shapely.get_num_interior_rings(found.polygons).sum() == holes
    assert shapely.is_valid(found.polygons).all()


@given(
    st.lists(st.tuples(PLACE, PLACE), min_size=1, max_size=10), st.randoms(use_true_random=False)
)
def test_merged_faces_are_a_coverage_with_the_unions_of_geos(pairs, random):
    land = shapely.box(0, 0, 40, 40)
    cuts = [shapely.LineString(pair) for pair in pairs if pair[0] != pair[1]]
    lines = node_lines(np.array([land.exterior, *cuts], dtype=object))
    parts = build_faces_within(lines, land)
    _, label = np.unique([random.randrange(4) for _ in parts.polygons], return_inverse=True)
    found = merge_faces(lines, parts, label)
    assert shapely.coverage_is_valid(found)
    assert shapely.area(found).sum() == pytest.approx(1600)
    for one, polygon in enumerate(found):
        assert polygon.equals(shapely.union_all(parts.polygons[label == one], grid_size=None))


@given(st.integers(1, 400), st.integers(0, 2**32 - 1), st.booleans())
def test_triangles_are_those_that_qhull_finds(count, seed, rows):
    random_numbers = np.random.default_rng(seed)
    points = random_numbers.uniform(-200, 200, (count, 2))
    if rows:  # houses in rows: points in a row, and four on a circle, but for a hair
        points = points.round(-1) + random_numbers.uniform(-1e-3, 1e-3, points.shape)
    fenced = np.concatenate([points, SQUARE])
    corners, beyond = triangulate(fenced)
    assert len(corners) == 2 * count + 2
    known = {tuple(sorted(one)) for one in Delaunay(fenced).simplices}
    found = {tuple(sorted(one)) for one in corners}
    assert len(found & known) >= 0.98 * len(known)  # a square has two pairs of triangles
    for triangle, across in enumerate(beyond):
        for over in across[across >= 0]:
            assert triangle in beyond[over]


@given(st.lists(st.tuples(PLACE, st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=30))
def test_gaps_and_nearest_are_those_of_all_pairs(rows):
    points = np.array([place for place, _, _ in rows])
    owner = np.array([of for _, of, _ in rows])
    room = np.array([at for _, _, at in rows])
    away = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    other = (owner[:, None] != owner) & (room[:, None] == room)
    least = np.where(other, away, np.inf).min(axis=1)
    assert measure_gaps(points, owner, room, 0.0, 15.0) == pytest.approx(np.minimum(least, 15.0))
    asked = points[::-1] + 3.0
    nearest = find_nearest_in_room(points, room, asked, room)
    away = np.hypot(*(asked[:, None] - points[None]).transpose(2, 0, 1))
    away[room[:, None] != room] = np.inf
    assert away[np.arange(len(asked)), nearest] == pytest.approx(away.min(axis=1))


@given(st.lists(PLACE, min_size=1, max_size=20), st.lists(st.tuples(PLACE, PLACE), max_size=8))
def test_strongest_kind_is_that_of_all_segments(places, segments):
    points, ends = np.array(places), np.array(segments, dtype=float).reshape(-1, 2, 2)
    kinds = np.arange(1, len(ends) + 1)
    lines = [shapely.LineString(one) for one in ends]
    near = [
        [k for k, one in zip(kinds, lines, strict=True) if one.dwithin(shapely.Point(p), 0.5)]
        for p in points
    ]
    assert list(find_strongest_kinds(points, ends, kinds, 0.5)) == [
        max(found, default=0) for found in near
    ]


def test_point_inside_a_polygon_is_not_in_its_spike():
    # The corner of a footprint cut to the border, a rounding error off it.
    corners = [(62.17933521164, 23.484010549), (63.83411168965, 24.520407756)]
    corners += [(62.9824395689, 23.987), (62.17933521164, 23.987)]
    spiked = shapely.Polygon(np.add(corners, (512_400.0, 3_543_200.0)))
    (point,) = inner_points(np.array([spiked], dtype=object))
    assert spiked.boundary.distance(point) > 0.05
    assert spiked.contains(point)
