"""Draw the grids of a community: from its layers to polygons with codes and a score card.

build problem (atoms -> cells -> graph, constraints, previous plan) -> search -> polygons -> score
"""

import time
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from geopandas.array import GeometryArray

from geo.crs import STORAGE
from geo.partition import previous_plan
from geo.partition.cells.graph import Graph
from geo.partition.community import Community
from geo.partition.constraints import Area, Constraints
from geo.partition.grid_polygons import assign_cells, unite_cells
from geo.partition.previous_plan import PreviousPlan
from geo.partition.problem import Problem, build_problem, release_grids
from geo.partition.proof.optimality import add_bound, prove_drawing
from geo.partition.scoring.explanations import (
    explain_reasons,
    find_buildings_across_border,
    find_unknown_households,
    find_unmet_constraints,
    replace_numbers_by_codes,
)
from geo.partition.scoring.naming import propose_names
from geo.partition.scoring.numbering import assign_serials, grid_codes
from geo.partition.scoring.objective import Balance, Weights
from geo.partition.scoring.review import add_households, build_members
from geo.partition.scoring.score_card import ScoreCard, score
from geo.partition.scoring.walking import name_service_points
from geo.partition.search.short_ways import build_way_costs, search_short_ways
from geo.partition.search.strategy import search_parts
from geo.partition.subproblem import free_subproblem, merge_fixed
from geo.types import Bools, Floats, Ints, Objects, Polygons

REPAIR_LIMIT_WEIGHT, REPAIR_MOVED_WEIGHT = 20_000.0, 50.0
"""Weights for repairing a plan: the limits have priority, then as few moves as possible."""

LOCKED_HOUSEHOLDS = 10**9
"""Weight of a locked atom when grids are matched to those of the previous plan: it decides."""

MAX_RELEASES = 4
"""Times that the neighbours of grids that can't be redrawn by themselves are released."""


@dataclass(frozen=True)
class Drawing:
    """A drawn plan.

    Attributes
    ----------
    grids
        ``code``, ``name``, ``kind``, ``households``, ``workload`` (None where households are
        balanced) and polygons in metres, ordered by code.
    members
        One row per cell: ``grid`` (its code), ``building_code``, ``unit_code`` (None where there
        is none), ``households``, ``workload`` and the cell's polygon in metres. Two buildings on
        one cell are two rows, of which the first has the polygon.
    score
        The score card.
    constraints
        The constraints it was drawn under.
    parent
        Number of the previous plan that it starts from.
    """

    community: str
    grids: gpd.GeoDataFrame
    members: gpd.GeoDataFrame
    score: ScoreCard
    constraints: Constraints
    parent: int | None = None


def draw(
    community: Community,
    constraints: Constraints | None = None,
    previous: PreviousPlan | None = None,
) -> Drawing:
    """Draw the grids of a community.

    Parameters
    ----------
    previous
        The plan to start from: few households move, grids keep their numbers and names.

    Raises
    ------
    InputError
        If there is nothing to draw, or a constraint names something unknown or contradicts
        another.
    """
    started = time.monotonic()
    problem = build_problem(community, constraints or Constraints(), previous)
    label = search_labels(problem)
    for _ in range(MAX_RELEASES):
        rows = _neighbours_to_release(problem, label)
        if len(rows) == 0:
            break
        problem = release_grids(problem, rows)
        label = search_labels(problem)
    if problem.constraints.prove:
        proof = prove_drawing(problem, label)
        return build_drawing(problem, proof.label, started, proof.slack)
    return build_drawing(problem, label, started)


def lower_bound_for_redraw(
    community: Community, previous: PreviousPlan, constraints: Constraints
) -> float:
    """Return a lower bound on the cost of every drawing with the dedicated grids of a plan.

    The plan's other grids do not matter: the proof starts from the best drawing found.

    Parameters
    ----------
    constraints
        With the seconds that the proof may take.
    """
    dedicated = previous.grids[~previous.is_general()].to_crs(STORAGE)
    areas = tuple(map(Area, dedicated["name"], dedicated.geometry.to_wkt()))
    return draw(community, replace(constraints, fresh=True, areas=areas)).score.bound or 0.0


def search_labels(
    problem: Problem, weights: Weights | None = None, seed: int | None = None
) -> Ints:
    """Search the grid of each node.

    Parameters
    ----------
    weights, seed
        Instead of those of the constraints.

    Returns
    -------
    label
        (n,) int64, numbered from 0: the grids of the search first, then the fixed ones.
    """
    constraints = problem.constraints
    if len(problem.free) == 0:
        return merge_fixed(problem, np.empty(0, dtype=np.int64))
    if weights is None:
        weights = constraints.weights
        if constraints.complete:
            weights = replace(weights, limit=REPAIR_LIMIT_WEIGHT, moved=REPAIR_MOVED_WEIGHT)
    part = free_subproblem(problem)

    def search(graph: Graph) -> Ints:
        return search_parts(
            graph,
            constraints.limits,
            weights,
            before=part.before,
            apart=part.apart,
            seed=constraints.seed if seed is None else seed,
            effort=constraints.effort,
        )

    group_of_node = np.full(len(problem.graph) + 1, -1, dtype=np.int64)
    group_of_node[problem.free] = part.group
    node_of_atom = group_of_node[problem.node_of_atom]
    ways = build_way_costs(problem, node_of_atom, weights)
    if ways is None:
        label_of_group = search(part.graph)
    else:
        label_of_group = search_short_ways(
            part, ways, constraints.limits, weights, search, constraints.effort.seconds
        )
    return merge_fixed(problem, label_of_group[part.group])


def _neighbours_to_release(problem: Problem, label: Ints) -> Ints:
    """Return the rows of kept grids that border on a redrawn one outside the limits."""
    if not problem.constraints.only_touched or problem.previous is None:
        return np.empty(0, dtype=np.int64)
    limits, graph = problem.constraints.limits, problem.graph
    grids = int(label.max()) + 1
    first_fixed = grids - len(problem.fixed_grids)
    households = np.bincount(label, graph.households, grids)
    outside = (households < limits.lower) | (households > limits.upper)
    outside[first_fixed:] = False
    ends = np.concatenate([label[graph.edges], label[graph.edges][:, ::-1]])
    adjacent = np.unique(ends[outside[ends[:, 0]], 1])
    rows = [
        problem.fixed_grids[number].row
        for number in adjacent[adjacent >= first_fixed] - first_fixed
        if problem.fixed_grids[number].kind == "general"
    ]
    codes = problem.previous.plan.grids["code"]
    locked = set(problem.constraints.locked)
    return np.array([row for row in rows if codes.iloc[row] not in locked], dtype=np.int64)


def build_drawing(
    problem: Problem, label: Ints, started: float, slack: float | None = None
) -> Drawing:
    """Build the drawing of an assignment of nodes to grids.

    Parameters
    ----------
    label
        (n,) int64 grid of each node, numbered as by :func:`search_labels`.
    started
        :func:`time.monotonic` at the start, for the duration on the score card.
    slack
        How much cheaper another drawing can be at most, None if unknown.
    """
    cells, system = problem.cells, problem.community.buildings.crs
    grid_of_cell = assign_cells(cells, problem.cell_of_node, label)
    polygons = unite_cells(cells.polygons, grid_of_cell)
    grid = grid_of_cell[cells.cell_of_atom]
    searched = len(polygons) - len(problem.fixed_grids)
    kinds = np.array(["general"] * searched + [fixed.kind for fixed in problem.fixed_grids])
    rows = _match_previous_grids(problem, grid, kinds == "dedicated")
    codes, names = _assign_codes_and_names(problem, polygons, grid, kinds == "dedicated", rows)
    card = _score_drawing(problem, label, polygons, grid, kinds == "dedicated", rows)
    card = replace(
        card,
        reasons=replace_numbers_by_codes(card.reasons, codes),
        service_points=name_service_points(card.service_points, codes),
        seconds=time.monotonic() - started,
    )
    if slack is not None:
        moves = problem.constraints.weights.moved * (card.moved or 0)
        beyond_bound = moves + card.walk_cost + card.station_cost
        card = add_bound(card, card.objective - beyond_bound - slack)
    if problem.constraints.limits.balance is Balance.WORKLOAD:
        moved = _count_moved(problem, rows[grid], problem.atoms.households)
        card = add_households(card, problem.atoms, grid, kinds == "dedicated", moved)
    order = np.argsort(codes)
    grids = gpd.GeoDataFrame(
        {
            "code": np.array(codes)[order],
            "name": np.array(names)[order],
            "kind": kinds[order],
            "households": _sum_by_grid(problem.atoms.households, grid, len(codes))[order],
            "workload": _workload(problem, _sum_by_grid(problem.atoms.size, grid, len(codes)))[
                order
            ],
            "geom": GeometryArray(polygons[order], crs=system),
        },
        geometry="geom",
    )
    members = _member_frame(problem, codes, grid_of_cell)
    parent = None if problem.previous is None else problem.previous.plan.number
    return Drawing(problem.community.code, grids, members, card, problem.constraints, parent)


def _sum_by_grid(sizes: Ints, grid: Ints, grids: int) -> Ints:
    return np.bincount(grid, sizes, grids).astype(np.int64)


def _workload(problem: Problem, sizes: Ints) -> Objects:
    """Return sizes if they are workloads, else None for each."""
    is_workload = problem.constraints.limits.balance is Balance.WORKLOAD
    return sizes.astype(object) if is_workload else np.full(len(sizes), None, dtype=object)


def _count_moved(problem: Problem, row: Ints, sizes: Ints) -> int | None:
    """Return the (a,) sizes of the atoms that left their previous grid, summed.

    Parameters
    ----------
    row
        (a,) row of each atom's grid in the previous plan, -1 for a new grid.
    """
    if problem.previous is None:
        return None
    return previous_plan.count_moved_households(problem.previous.locations, sizes, row)


def _score_drawing(
    problem: Problem, label: Ints, polygons: Polygons, grid: Ints, dedicated: Bools, rows: Ints
) -> ScoreCard:
    """Score a drawing; its reasons name grids by their numbers.

    Parameters
    ----------
    label, grid
        (n,) grid of each node, (a,) grid of each atom.
    polygons, dedicated, rows
        (g,) grids, which are dedicated, and their rows in the previous plan.
    """
    constraints = problem.constraints
    card = score(
        polygons,
        build_members(problem.atoms, grid),
        problem.community,
        problem.unwalled_cells,
        constraints.limits,
        constraints.weights,
        dedicated,
        _count_moved(problem, rows[grid], problem.atoms.size),
    )
    reasons = explain_reasons(card.reasons, problem, label)
    reasons += find_unmet_constraints(problem, label, rows) + find_unknown_households(problem)
    return replace(card, reasons=reasons + find_buildings_across_border(problem))


def _match_previous_grids(problem: Problem, grid: Ints, dedicated: Bools) -> Ints:
    """Return the row in the previous plan of each grid, -1 for a new one."""
    rows = np.full(len(dedicated), -1, dtype=np.int64)
    if problem.previous is None:
        return rows
    previous = problem.previous
    # An atom on water has no node. A grid with a locked atom is the grid the atom is locked in.
    locked = np.append(previous.labels.locked, False)[problem.node_of_atom]
    weight = np.where(locked, LOCKED_HOUSEHOLDS, problem.atoms.households)
    rows = previous_plan.match_to_previous_grids(
        previous.plan, previous.locations, weight, grid, dedicated
    )
    fixed_rows = np.array([fixed.row for fixed in problem.fixed_grids], dtype=np.int64)
    kept = np.flatnonzero(fixed_rows >= 0)
    rows[np.isin(rows, fixed_rows[kept])] = -1
    rows[len(rows) - len(fixed_rows) + kept] = fixed_rows[kept]
    return rows


def _assign_codes_and_names(
    problem: Problem, polygons: Polygons, grid: Ints, dedicated: Bools, rows: Ints
) -> tuple[list[str], list[str]]:
    """Return the code and the name of each grid; one of the previous plan keeps them."""
    centres: Floats = shapely.get_coordinates(shapely.centroid(polygons))
    community, fixed_grids = problem.community.code, problem.fixed_grids
    kept_serials = None
    names = [""] * (len(polygons) - len(fixed_grids)) + [fixed.name for fixed in fixed_grids]
    if problem.previous is not None:
        plan = problem.previous.plan
        kept_serials = previous_plan.previous_serials(plan, rows, community)
        previous_names = np.append(plan.grids["name"].to_numpy(dtype=object), "")[rows]
        names = [name or previous for name, previous in zip(names, previous_names, strict=True)]
    names = propose_names(problem.community, problem.atoms, grid, centres, names, dedicated)
    serials = assign_serials(centres, shapely.area(polygons), dedicated, kept_serials)
    return grid_codes(community, serials), names


def _member_frame(problem: Problem, codes: list[str], grid_of_cell: Ints) -> gpd.GeoDataFrame:
    """Return one row per atom, and one per cell without a building."""
    atoms, cells = problem.atoms, problem.cells
    empty = np.setdiff1d(np.arange(len(cells.polygons)), cells.cell_of_atom)
    cell = np.concatenate([cells.cell_of_atom, empty])
    no_codes = np.full(len(empty), None, dtype=object)
    land = np.full(len(cell), shapely.MultiPolygon(), dtype=object)
    first = np.unique(cell, return_index=True)[1]
    land[first] = cells.polygons[cell[first]]
    return gpd.GeoDataFrame(
        {
            # As objects: pandas turns None among strings into NaN.
            "building_code": pd.Series(np.append(atoms.building, no_codes), dtype=object),
            "unit_code": pd.Series(np.append(atoms.unit, no_codes), dtype=object),
            "households": np.append(atoms.households, np.zeros(len(empty), dtype=np.int64)),
            "workload": _workload(
                problem, np.append(atoms.size, np.zeros(len(empty), dtype=np.int64))
            ),
            "grid": np.array(codes)[grid_of_cell[cell]],
            "geom": GeometryArray(land, crs=problem.community.buildings.crs),
        },
        geometry="geom",
    )
