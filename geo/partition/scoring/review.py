"""The score card of a plan of polygons, whoever drew it."""

from dataclasses import replace

import numpy as np
import shapely

from geo.partition import previous_plan
from geo.partition.cells.atoms import Atoms
from geo.partition.cells.tessellation import Cells
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.previous_plan import PreviousPlan
from geo.partition.problem import Problem, build_problem
from geo.partition.scoring import checks
from geo.partition.scoring.explanations import (
    explain_reasons,
    find_buildings_across_border,
    replace_numbers_by_codes,
)
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.scoring.score_card import Members, ScoreCard, score
from geo.types import Ints, Polygons

TRACE_M2 = 1e-6
"""A building with less ground than this is taken to be where its cell is."""


STAND_IN_RADIUS_M = 0.01
"""Radius of a place that stands for a building."""


def review_plan(
    community: Community,
    plan: PreviousPlan,
    limits: Limits | None = None,
    weights: Weights | None = None,
    before: PreviousPlan | None = None,
) -> ScoreCard:
    """Return the score card of a plan, with all that is wrong with it.

    Parameters
    ----------
    plan
        Its polygons; members are found anew, by where the buildings stand.
    before
        The plan against which households that moved are counted.
    """
    constraints = Constraints(limits=limits or Limits(), weights=weights or Weights(), fresh=True)
    problem = build_problem(community, constraints, None)
    polygons = plan.grids.geometry.to_numpy()
    grounds = undisputed_footprints(problem.atoms, problem.cells)
    grid = locate_in_grids(grounds, polygons)
    card = score(
        polygons,
        build_members(problem.atoms, grid),
        community,
        problem.cells,
        constraints.limits,
        constraints.weights,
        ~plan.general(),
        None if before is None else _count_moved_households(before, plan, problem.atoms, grid),
    )
    found = [
        *explain_reasons(card.reasons, problem, _of_nodes(problem, grid, polygons)),
        *checks.find_cut_buildings(polygons, grounds, problem.atoms.names()),
        *find_buildings_across_border(problem),
    ]
    return replace(card, reasons=replace_numbers_by_codes(tuple(found), list(plan.grids["code"])))


def build_members(atoms: Atoms, grid: Ints) -> Members:
    """Return the atoms as members of grids, for the score card."""
    centres = shapely.get_coordinates(shapely.centroid(atoms.footprints))
    return Members(grid, atoms.households, centres, atoms.compound, atoms.names())


def undisputed_footprints(atoms: Atoms, cells: Cells) -> Polygons:
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
    grounds[none] = shapely.intersection(shapely.buffer(nearest, STAND_IN_RADIUS_M), own)
    return grounds


def locate_in_grids(grounds: Polygons, polygons: Polygons) -> Ints:
    """Return the grid in which most of each ground lies, -1 for none."""
    found = np.full(len(grounds), -1, dtype=np.int64)
    ground, grid = shapely.STRtree(polygons).query(grounds, predicate="intersects")
    shared = shapely.area(shapely.intersection(grounds[ground], polygons[grid]))
    order = np.lexsort((-grid, shared))
    found[ground[order]] = grid[order]
    return found


def _of_nodes(problem: Problem, grid: Ints, polygons: Polygons) -> Ints:
    """Return the grid of each node: that of its building, else that of its land."""
    label = previous_plan.locate_points(
        polygons, np.asarray(shapely.points(problem.graph.xy), dtype=object)
    )
    order = np.argsort(problem.atoms.households, kind="stable")
    order = order[problem.node_of_atom[order] >= 0]
    label[problem.node_of_atom[order]] = grid[order]
    return label


def _count_moved_households(
    before: PreviousPlan, plan: PreviousPlan, atoms: Atoms, grid: Ints
) -> int:
    """Return the households in another grid than before."""
    where = previous_plan.locate_atoms(before, atoms)
    inside = grid >= 0
    there = previous_plan.AtomLocations(
        where.grid[inside], where.known[inside], where.households[inside]
    )
    households = atoms.households[inside]
    rows = previous_plan.match_to_previous_grids(
        before, there, households, grid[inside], ~plan.general()
    )
    return previous_plan.count_moved_households(there, households, rows[grid[inside]])
