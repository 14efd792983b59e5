"""Micro-grids: 6 to 8 connected parts of 50 to 100 households, units whole, stable."""

import numpy as np
import pandas as pd
import pytest
import shapely

from geo.geometry.shared_borders import find_borders
from geo.partition.cells.barriers import Barriers
from geo.partition.cells.graph import connected_parts
from geo.partition.micro.divide import MicroGrids, divide_grid, plausible_parts
from geo.partition.micro.unit_cells import UnitCells, divide_cells

WIDE, DEEP = 60.0, 30.0
NO_BARRIERS = Barriers(np.empty(0, object), np.empty(0, np.int8), np.empty(0, object))
NO_WAYS = np.empty(0, dtype=object)


def slabs(columns: int, rows: int, households: int, units: int) -> UnitCells:
    """Return a grid of slabs, each with a number of stairwell units along it."""
    members, stairs = [], {}
    for number in range(columns * rows):
        x, y = number % columns * WIDE, number // columns * DEEP
        code = f"b{number:03d}"
        footprint = shapely.box(x + 5, y + 8, x + WIDE - 5, y + 20)
        cell = shapely.box(x, y, x + WIDE, y + DEEP)
        members.append((code, None, households, cell, footprint))
        places = np.linspace(x + 5, x + WIDE - 5, 2 * units + 1)[1::2]
        stairs[code] = pd.DataFrame(
            {
                "code": [f"{code}U{n}" for n in range(units)],
                "households": households // units,
                "geom": [shapely.Point(place, y + 20) for place in places],
            }
        )
    columns_of = ["building_code", "unit_code", "households", "geom", "footprint"]
    return divide_cells(pd.DataFrame(members, columns=columns_of), stairs)


def check(cells: UnitCells, drawn: MicroGrids) -> None:
    assert shapely.coverage_is_valid(drawn.polygons)
    assert shapely.area(drawn.polygons).sum() == pytest.approx(shapely.area(cells.polygons).sum())
    assert (shapely.get_num_geometries(drawn.polygons) == 1).all()
    sums = np.bincount(drawn.part, cells.households, len(drawn.serials))
    assert sums.tolist() == drawn.households.tolist()
    assert len(set(drawn.serials.tolist())) == len(drawn.serials)


def test_grid_of_400_becomes_six_to_eight_parts_within_the_limits():
    cells = slabs(3, 4, 36, 3)
    drawn = divide_grid(cells, NO_BARRIERS, NO_WAYS)
    check(cells, drawn)
    assert 6 <= len(drawn.serials) <= 8
    assert ((drawn.households >= 50) & (drawn.households <= 100)).all()
    assert drawn.reasons == []


def test_stairwell_units_are_whole_and_tile_their_building():
    cells = slabs(2, 2, 120, 4)
    assert len(cells.polygons) == 16
    assert cells.households.tolist() == [30] * 16
    assert shapely.coverage_is_valid(cells.polygons)
    borders = find_borders(cells.polygons)
    inner = borders.left >= 0
    edges = np.stack([borders.left[inner], borders.right[inner]], axis=1)
    assert connected_parts(16, edges)[0] == 1


def test_missing_unit_codes_are_none_beside_units_of_a_large_building():
    cell, east = shapely.box(0, 0, 60, 30), shapely.box(60, 0, 120, 30)
    columns = ["building_code", "unit_code", "households", "geom", "footprint"]
    rows = [("b1", float("nan"), 20, cell, cell), ("b2", "b2U1", 120, east, east)]
    cells = divide_cells(pd.DataFrame(rows, columns=columns), {})
    assert cells.unit.tolist() == [None, "b2U1"]
    assert cells.names().tolist() == ["b1", "b2U1"]


@pytest.mark.parametrize(
    ("columns", "rows", "households", "key"),
    [(2, 4, 36, "micro_too_few"), (4, 7, 36, "micro_too_many")],
)
def test_grid_that_can_not_have_the_parts_gets_the_nearest_and_a_reason(
    columns, rows, households, key
):
    cells = slabs(columns, rows, households, 3)
    drawn = divide_grid(cells, NO_BARRIERS, NO_WAYS)
    check(cells, drawn)
    assert ((drawn.households >= 50) & (drawn.households <= 100)).all()
    [(found, fields)] = drawn.reasons
    assert found == key
    assert fields["total"] == columns * rows * households
    assert fields["parts"] == len(drawn.serials)


def test_unit_over_the_upper_limit_is_a_part_by_itself_and_named():
    cells = slabs(3, 2, 240, 2)
    drawn = divide_grid(cells, NO_BARRIERS, NO_WAYS)
    check(cells, drawn)
    assert drawn.households.max() == 120
    assert {key for key, _ in drawn.reasons} == {"micro_unit_over", "micro_too_many"}
    assert sum(key == "micro_unit_over" for key, _ in drawn.reasons) == 12


def test_numbers_of_parts_prefer_the_programme_then_parts_within_the_limits():
    assert plausible_parts(np.full(40, 10))[0] == 6
    assert plausible_parts(np.full(30, 10))[:2] == [6, 5]
    assert plausible_parts(np.full(20, 10))[0] == 4
    assert plausible_parts(np.full(100, 10))[0] == 10
    assert plausible_parts(np.array([30])) == [1]
    assert plausible_parts(np.zeros(3, dtype=np.int64)) == [1]


def test_parts_keep_their_serials_when_the_grid_is_drawn_again():
    cells = slabs(3, 4, 36, 3)
    first = divide_grid(cells, NO_BARRIERS, NO_WAYS, seed=3)
    numbers = {int(serial): int(serial) % 7 + 11 for serial in first.serials}
    before = {
        name: numbers[int(first.serials[part])]
        for name, part in zip(cells.names(), first.part, strict=True)
    }
    grown = UnitCells(
        cells.polygons,
        cells.node,
        cells.households + (np.arange(len(cells.households)) == 0),
        cells.building,
        cells.unit,
    )
    again = divide_grid(grown, NO_BARRIERS, NO_WAYS, before)
    after = {
        name: int(again.serials[part]) for name, part in zip(grown.names(), again.part, strict=True)
    }
    assert after == before


def test_islands_are_divided_each_by_itself():
    west, east = slabs(2, 3, 36, 3), slabs(2, 3, 36, 3)
    away = UnitCells(
        np.concatenate(
            [
                west.polygons,
                shapely.transform(east.polygons, lambda xy: xy + np.array([500.0, 0.0])),
            ]
        ),
        np.concatenate([west.node, east.node + len(west.polygons)]),
        np.concatenate([west.households, east.households]),
        np.concatenate([west.building, "e" + east.building]),
        np.concatenate([west.unit, "e" + east.unit]),
    )
    drawn = divide_grid(away, NO_BARRIERS, NO_WAYS)
    check(away, drawn)
    again = divide_grid(
        away,
        NO_BARRIERS,
        NO_WAYS,
        dict(zip(away.names(), drawn.serials[drawn.part].tolist(), strict=True)),
    )
    assert again.serials[again.part].tolist() == drawn.serials[drawn.part].tolist()
