"""Outlines that cross or touch themselves, or lie over each other."""

import pytest
import shapely

from tests.etl.delivery import ANYTHING, X, Y, box, bring, divisions, geojson, mapping, rows

SQUARE = [(0, 0), (20, 0), (20, 20), (0, 20), (0, 0)]


def outline(*corners, holes=()):
    place = [
        shapely.Polygon([(112.14 + x * X, 32.04 + y * Y) for x, y in ring])
        for ring in (corners, *holes)
    ]
    return shapely.Polygon(place[0].exterior, [hole.exterior for hole in place[1:]])


def parts(*rings):
    return shapely.multipolygons([outline(*ring) for ring in rings])


def moved(ring, x, y):
    return [(a + x, b + y) for a, b in ring]


@pytest.mark.parametrize(
    "shape",
    [
        outline((0, 0), (20, 20), (20, 0), (0, 20), (0, 0)),
        outline((0, 0), (30, 20), (30, 0), (0, 5), (0, 0)),
        outline((0, 0), (20, 0), (0, 20), (20, 20), (10, 10), (0, 0)),
        outline(*SQUARE, holes=[[(4, 4), (12, 12), (12, 4), (4, 12), (4, 4)]]),
        parts(SQUARE, [(40, 0), (60, 20), (60, 0), (40, 20), (40, 0)]),
        parts(SQUARE, [(6, 6), (14, 6), (14, 14), (6, 14), (6, 6)]),
    ],
    ids=["equal lobes", "unequal lobes", "crossing at a corner", "hole", "a part", "nested parts"],
)
def test_an_outline_with_two_readings_goes_to_quarantine(database, tmp_path, shape):
    file = geojson(tmp_path / "a.geojson", ({"code": "crossed"}, shape))
    bring(database, "building", file, mapping(guard=ANYTHING))
    assert rows(database, "SELECT code FROM building") == []
    assert rows(database, "SELECT code, reason FROM quarantine") == [
        ("crossed", "outline_doubtful")
    ]


@pytest.mark.parametrize(
    ("shape", "area", "repair"),
    [
        (
            outline((0, 0), (20, 0), (20, 20), (0, 20), (0, 9), (-1.5, 9), (1, 11), (0, 0)),
            396,
            "made_valid",
        ),
        (
            outline(
                (0, 0), (10, 0), (10, 10), (20, 10), (20, 20), (10, 20), (10, 10), (0, 10), (0, 0)
            ),
            200,
            "made_valid",
        ),
        (outline(*SQUARE[:-1], *SQUARE), 400, "made_valid"),
        (parts(SQUARE, moved(SQUARE, 20, 0)), 800, "made_valid"),
        (parts(SQUARE, moved(SQUARE, 15, 0)), 700, "made_valid"),
        (
            outline((0, 0), (20, 0), (20, 10), (35, 10), (20, 10), (20, 20), (0, 20), (0, 0)),
            400,
            "spike",
        ),
    ],
    ids=["tiny loop", "touching corners", "drawn twice", "shared edge", "overlap", "spike"],
)
def test_a_harmless_fault_is_repaired(database, tmp_path, shape, area, repair):
    outcome = bring(database, "building", geojson(tmp_path / "a.geojson", ({"code": "b"}, shape)))
    assert outcome.report["repairs"]["building"][repair] == 1
    [(found,)] = rows(database, "SELECT ST_Area(geom::geography) FROM building")
    assert found == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize(
    ("upper_x", "upper_y", "pieces"),
    [(0, 200.05, 1), (0, 200.8, 1), (200, 200, 2), (0, 203, 2)],
    ids=["slit of 5 cm", "slit of 80 cm", "touching in a corner", "stream of 3 m"],
)
def test_slit_between_the_parts_of_a_region_is_closed(database, tmp_path, upper_x, upper_y, pieces):
    lower, upper = box(0, 0, 200, 200), box(upper_x, upper_y, 200, 200)
    land = shapely.multipolygons([lower, upper])
    outcome = divisions(database, tmp_path, ("420602001001", land))
    (row,) = rows(
        database,
        "SELECT ST_NumGeometries(geom), ST_IsValid(geom), ST_Contains(geom, ST_Buffer("
        "ST_GeomFromText(:inside, 4490), -0.00001)) FROM region WHERE code = '420602001001'",
        inside=land.wkt,
    )
    assert row == (pieces, True, True)
    closed = outcome.report["repairs"].get("region", {}).get("slit", 0)
    assert closed == (pieces == 1)
