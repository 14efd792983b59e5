"""Splitting a grid: along the street, within the limits, compounds in one piece."""

import numpy as np
import pytest
import shapely

from geo.partition.cells.barriers import Barriers, Kind
from geo.partition.scoring.objective import Limits
from geo.plans.grid_split import split_in_two

COLUMNS, ROWS, SIDE_M = 10, 6, 50.0


def cells():
    """Return a block of 10 by 6 square cells, row by row."""
    return np.array(
        [
            shapely.box(x * SIDE_M, y * SIDE_M, (x + 1) * SIDE_M, (y + 1) * SIDE_M)
            for y in range(ROWS)
            for x in range(COLUMNS)
        ],
        dtype=object,
    )


NO_BARRIERS = Barriers(np.empty(0, object), np.empty(0, np.int8), np.empty(0, object))


def street(*xy):
    lines = np.array([shapely.LineString(xy)], dtype=object)
    return Barriers(lines, np.array([Kind.STREET], dtype=np.int8), np.empty(0, dtype=object))


def split(barriers, limits, households=None, compound=None):
    count = COLUMNS * ROWS
    households = np.full(count, 13) if households is None else households
    compound = np.full(count, -1) if compound is None else compound
    return split_in_two(cells(), households, compound, barriers, limits)


def sizes(half, households=13):
    return sorted((np.bincount(half) * households).tolist())


@pytest.mark.parametrize("column", [4, 5, 6])
def test_split_follows_the_street_that_keeps_both_halves_within_the_limits(column):
    x = column * SIDE_M
    half = split(street((x, 0), (x, ROWS * SIDE_M)), Limits(400, 300, 500)).reshape(ROWS, COLUMNS)
    assert len(np.unique(half[:, :column])) == 1
    assert len(np.unique(half[:, column:])) == 1
    assert half[0, 0] != half[0, -1]


def test_split_along_a_street_at_the_edge_would_leave_a_grid_too_small_and_is_not_made():
    half = split(street((50, 0), (50, ROWS * SIDE_M)), Limits(400, 300, 500))
    assert min(sizes(half)) >= 300
    assert max(sizes(half)) <= 500


def test_halves_are_in_one_piece_each():
    households = np.random.default_rng(3).integers(0, 30, COLUMNS * ROWS)
    half = split(street((0, 120), (500, 180)), Limits(400, 300, 500), households)
    for part in (0, 1):
        land = shapely.union_all(cells()[half == part])
        assert shapely.get_num_geometries(land) == 1
    assert np.bincount(half, households).min() >= 300


def test_compound_that_fits_in_one_grid_is_not_divided():
    compound = np.full((ROWS, COLUMNS), -1)
    compound[1:, 3:7] = 0
    wall = street((150, 300), (150, 50), (350, 50), (350, 300))
    half = split(wall, Limits(400, 300, 500), compound=compound.ravel())
    assert len(np.unique(half.reshape(ROWS, COLUMNS)[1:, 3:7])) == 1
    assert min(sizes(half)) >= 300


def test_two_cells_are_split_one_to_one():
    two = split_in_two(cells()[:2], np.array([500, 100]), np.array([-1, -1]), NO_BARRIERS, Limits())
    assert sorted(two.tolist()) == [0, 1]
