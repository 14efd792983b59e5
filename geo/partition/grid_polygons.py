"""The polygons of grids: each is the union of its cells."""

import numpy as np
import pandas as pd
import shapely

from geo.partition.cells.tessellation import Cells
from geo.types import Ints, Polygons


def assign_cells(cells: Cells, cell_of_node: Ints, label: Ints) -> Ints:
    """Return (c,) int64 the grid of each cell.

    A water or uninhabited islet goes to the grid with which it shares most shore, or to the
    nearest one.

    Parameters
    ----------
    cell_of_node, label
        (n,) int64 cell and grid of each node.
    """
    grid = np.full(len(cells.polygons), -1, dtype=np.int64)
    grid[cell_of_node] = label
    shared, _ = cells.borders
    while (grid < 0).any():
        left_wet, right_wet = grid[shared.left] < 0, grid[shared.right] < 0
        shore = (shared.left >= 0) & (left_wet != right_wet)
        if not shore.any():
            placed, rest = np.flatnonzero(grid >= 0), np.flatnonzero(grid < 0)
            nearest = shapely.STRtree(cells.polygons[placed]).nearest(cells.polygons[rest])
            grid[rest] = grid[placed[nearest]]
            break
        wet = np.where(left_wet, shared.left, shared.right)[shore]
        dry = np.where(left_wet, shared.right, shared.left)[shore]
        shores = pd.DataFrame({"cell": wet, "grid": grid[dry], "length": shared.length[shore]})
        shores = shores.groupby(["cell", "grid"], as_index=False).sum()
        longest = shores.sort_values(["cell", "length"]).drop_duplicates("cell", keep="last")
        grid[longest["cell"]] = longest["grid"]
    return grid


def unite_cells(cells: Polygons, grid: Ints) -> Polygons:
    """Return (g,) the union of the (c,) cells of each grid; ``grid`` is (c,) int64."""
    order = np.argsort(grid, kind="stable")
    groups = np.split(cells[order], np.cumsum(np.bincount(grid))[:-1])
    polygons = np.empty(len(groups), dtype=object)
    polygons[:] = [shapely.coverage_union_all(group) for group in groups]
    return polygons
