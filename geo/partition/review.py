"""The score card of a plan of polygons, whoever drew it."""

from dataclasses import replace

import numpy as np
import shapely

from geo.partition import faults, redraw, task
from geo.partition.atoms import Atoms
from geo.partition.cells import Cells
from geo.partition.community import Community
from geo.partition.coverage import Ints, Polygons
from geo.partition.objective import Limits, Weights
from geo.partition.reasons import across_the_border, explained, with_codes
from geo.partition.redraw import PlanBefore
from geo.partition.score import Members, ScoreCard, score
from geo.partition.task import Task
from geo.partition.wishes import Wishes

TRACE_M2 = 1e-6
"""A building with less ground than this is taken to be where its cell is."""


PLACE_M = 0.01
"""Radius of a place that stands for a building."""


def reviewed(
    community: Community,
    plan: PlanBefore,
    limits: Limits | None = None,
    weights: Weights | None = None,
    before: PlanBefore | None = None,
) -> ScoreCard:
    """Return the score card of a plan, with all that is wrong with it.

    Parameters
    ----------
    plan
        Its polygons; members are found anew, by where the buildings stand.
    before
        The plan against which households that moved are counted.
    """
    wishes = Wishes(limits=limits or Limits(), weights=weights or Weights(), fresh=True)
    ready = task.prepared(community, wishes, None)
    polygons = plan.grids.geometry.to_numpy()
    grounds = grounds_of(ready.atoms, ready.cells)
    grid = grids_of(grounds, polygons)
    card = score(
        polygons,
        members_of(ready.atoms, grid),
        community,
        ready.cells,
        wishes.limits,
        wishes.weights,
        ~plan.general(),
        None if before is None else _moved(before, plan, ready.atoms, grid),
    )
    found = [
        *explained(card.reasons, ready, _of_nodes(ready, grid, polygons)),
        *faults.cuts(polygons, grounds, ready.atoms.names()),
        *across_the_border(ready),
    ]
    return replace(card, reasons=with_codes(tuple(found), list(plan.grids["code"])))


def members_of(atoms: Atoms, grid: Ints) -> Members:
    """Return the atoms as members of grids, for the score card."""
    centres = shapely.get_coordinates(shapely.centroid(atoms.footprints))
    return Members(grid, atoms.households, centres, atoms.compound, atoms.names())


def grounds_of(atoms: Atoms, cells: Cells) -> Polygons:
    """Return the ground on which each atom stands: what of its footprint is its own.

    Where two footprints overlap the ground is the larger one's; where a footprint has no ground
    at all, the place of its cell that is nearest to it stands for it.
    """
    cell = cells.cell_of_building
    grounds: Polygons = shapely.intersection(atoms.footprints, cells.polygons[cell])
    none = shapely.area(grounds) < TRACE_M2
    centres, own = shapely.centroid(atoms.footprints[none]), cells.polygons[cell[none]]
    nearest = shapely.get_point(shapely.shortest_line(own, centres), 0)
    # It lies on the cell's border: what of the place is beyond is another's.
    grounds[none] = shapely.intersection(shapely.buffer(nearest, PLACE_M), own)
    return grounds


def grids_of(grounds: Polygons, polygons: Polygons) -> Ints:
    """Return the grid in which most of each ground lies, -1 for none."""
    found = np.full(len(grounds), -1, dtype=np.int64)
    ground, grid = shapely.STRtree(polygons).query(grounds, predicate="intersects")
    shared = shapely.area(shapely.intersection(grounds[ground], polygons[grid]))
    order = np.lexsort((-grid, shared))
    found[ground[order]] = grid[order]
    return found


def _of_nodes(ready: Task, grid: Ints, polygons: Polygons) -> Ints:
    """Return the grid of each node: that of its building, else that of its land."""
    label = redraw.rows_at(polygons, np.asarray(shapely.points(ready.graph.xy), dtype=object))
    order = np.argsort(ready.atoms.households, kind="stable")
    order = order[ready.node[order] >= 0]
    label[ready.node[order]] = grid[order]
    return label


def _moved(before: PlanBefore, plan: PlanBefore, atoms: Atoms, grid: Ints) -> int:
    """Return the households in another grid than before."""
    where = redraw.placed(before, atoms)
    inside = grid >= 0
    there = redraw.Placed(where.grid[inside], where.known[inside], where.households[inside])
    households = atoms.households[inside]
    rows = redraw.continued_from(before, there, households, grid[inside], ~plan.general())
    return redraw.moved(there, households, rows[grid[inside]])
