"""Drawing the grids of a community, from its layers to polygons with codes and a score card.

task (atoms -> cells -> graph, wishes, plan before) -> search -> polygons -> score
"""

import time
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from geopandas.array import GeometryArray
from numpy.typing import NDArray

from geo.crs import STORAGE
from geo.geometry.shared_borders import Floats, Ints, Polygons, borders
from geo.partition import previous_plan, problem
from geo.partition.cells.atoms import Atoms
from geo.partition.cells.tessellation import Cells
from geo.partition.community import Community
from geo.partition.constraints import Area, Constraints
from geo.partition.previous_plan import PreviousPlan
from geo.partition.problem import Problem
from geo.partition.proof.optimality import prove_drawing, with_bound
from geo.partition.scoring.explanations import across_the_border, explain, unmet, with_codes
from geo.partition.scoring.numbering import grid_codes, serials
from geo.partition.scoring.objective import Weights
from geo.partition.scoring.review import members_of
from geo.partition.scoring.score_card import ScoreCard, score
from geo.partition.search.strategy import search_parts

REPAIR_LIMIT, REPAIR_MOVED = 20_000.0, 50.0
"""Weights for repairing a plan: the limits before all, then as few households moved as can be."""

LOCKED = 10**9
"""What is locked outweighs all households where it is asked which grid goes on."""

RELEASES = 4
"""How often the neighbours of grids that can't be redrawn alone are released."""


@dataclass(frozen=True)
class Drawing:
    """A drawn plan.

    Attributes
    ----------
    grids
        ``code``, ``name``, ``kind``, ``households`` and polygons in metres, in the order of codes.
    members
        One row a cell: ``grid`` (its code), ``building_code``, ``unit_code`` (None where there is
        none), ``households`` and the cell's polygon in metres. Two buildings on one cell are two
        rows, the land with the first.
    score
        The score card.
    parent
        Number of the plan that it goes on from.
    """

    community: str
    grids: gpd.GeoDataFrame
    members: gpd.GeoDataFrame
    score: ScoreCard
    wishes: Constraints
    parent: int | None = None


def draw(
    community: Community, wishes: Constraints | None = None, before: PreviousPlan | None = None
) -> Drawing:
    """Draw the grids of a community.

    Parameters
    ----------
    before
        The plan to go on from: few households move, grids keep their numbers and names.

    Raises
    ------
    InputError
        If there is nothing to draw, or a wish can't be understood.
    """
    began = time.monotonic()
    ready = problem.build_problem(community, wishes or Constraints(), before)
    label = search_labels(ready)
    for _ in range(RELEASES):
        rows = _neighbours_to_release(ready, label)
        if len(rows) == 0:
            break
        ready = problem.release_grids(ready, rows)
        label = search_labels(ready)
    if ready.wishes.prove:
        proof = prove_drawing(ready, label)
        return build_drawing(ready, proof.label, began, proof.slack)
    return build_drawing(ready, label, began)


def lower_bound_for_redraw(
    community: Community, before: PreviousPlan, wishes: Constraints
) -> float:
    """Return what no drawing costs less than that has the dedicated grids of a plan.

    It does not depend on the plan's other grids: the proof starts from the best drawing known.

    Parameters
    ----------
    wishes
        With the seconds that the proof may take.
    """
    kept = before.grids[~before.general()].to_crs(STORAGE)
    areas = tuple(map(Area, kept["name"], kept.geometry.to_wkt()))
    return draw(community, replace(wishes, fresh=True, areas=areas)).score.bound or 0.0


def search_labels(ready: Problem, weights: Weights | None = None, seed: int | None = None) -> Ints:
    """Return the grid of each node: those of the search first, the fixed ones after them.

    Parameters
    ----------
    weights, seed
        Other than those wished for.
    """
    wishes = ready.wishes
    if len(ready.free) == 0:
        return problem.merge_fixed(ready, np.empty(0, dtype=np.int64))
    part = problem.free_subproblem(ready)
    found = search_parts(
        part.graph,
        wishes.limits,
        weights or _weights(wishes),
        before=part.before,
        apart=part.apart,
        seed=wishes.seed if seed is None else seed,
        effort=wishes.effort,
    )
    return problem.merge_fixed(ready, found[part.group])


def _weights(wishes: Constraints) -> Weights:
    if wishes.complete:
        return replace(wishes.weights, limit=REPAIR_LIMIT, moved=REPAIR_MOVED)
    return wishes.weights


def _neighbours_to_release(ready: Problem, label: Ints) -> Ints:
    """Return the grids left as they were that border on a redrawn one outside the limits."""
    if not ready.wishes.only_touched or ready.past is None:
        return np.empty(0, dtype=np.int64)
    limits, graph = ready.wishes.limits, ready.graph
    grids = int(label.max()) + 1
    first_fixed = grids - len(ready.grids)
    households = np.bincount(label, graph.households, grids)
    bad = (households < limits.lower) | (households > limits.upper)
    bad[first_fixed:] = False
    ends = np.concatenate([label[graph.edges], label[graph.edges][:, ::-1]])
    beside = np.unique(ends[bad[ends[:, 0]], 1])
    rows = [
        ready.grids[number].row
        for number in beside[beside >= first_fixed] - first_fixed
        if ready.grids[number].kind == "general"
    ]
    locked = set(ready.wishes.locked)
    codes = ready.past.plan.grids["code"]
    return np.array([row for row in rows if codes.iloc[row] not in locked], dtype=np.int64)


def build_drawing(ready: Problem, label: Ints, began: float, slack: float | None = None) -> Drawing:
    """Return the drawing with some assignment of nodes to grids.

    Parameters
    ----------
    label
        (n,) grid of each node, as :func:`searched` numbers them.
    began
        When the work began, for the score card.
    slack
        By how much another drawing may be cheaper, at most, where that is known.
    """
    community, wishes, atoms, cells = (
        ready.community,
        ready.wishes,
        ready.atoms,
        ready.cells,
    )
    grid_of_cell = _with_waters(cells, ready.land, label)
    polygons = _polygons(cells.polygons, grid_of_cell)
    grid = grid_of_cell[cells.cell_of_building]
    first_fixed = len(polygons) - len(ready.grids)
    kinds = ["general"] * first_fixed + [fixed.kind for fixed in ready.grids]
    dedicated = np.array([kind == "dedicated" for kind in kinds], dtype=bool)
    rows = _origin(ready, grid, dedicated)
    codes, names = _assign_codes_and_names(ready, polygons, dedicated, rows)
    moved = None
    if ready.past is not None:
        moved = previous_plan.count_moved_households(
            ready.past.placed, atoms.households, rows[grid]
        )
    card = score(
        polygons,
        members_of(atoms, grid),
        community,
        ready.plain,
        wishes.limits,
        wishes.weights,
        dedicated,
        moved,
    )
    reasons = explain(card.reasons, ready, label)
    reasons += unmet(ready, label, rows) + across_the_border(ready)
    said = with_codes(reasons, codes)
    card = replace(card, reasons=said, seconds=time.monotonic() - began)
    if slack is not None:
        unmoved = card.objective - wishes.weights.moved * (card.moved or 0)
        card = with_bound(card, unmoved - slack)
    households = np.bincount(grid, atoms.households, len(codes)).astype(np.int64)
    order = np.argsort(codes)
    grids = gpd.GeoDataFrame(
        {
            "code": np.array(codes)[order],
            "name": np.array(names)[order],
            "kind": np.array(kinds)[order],
            "households": households[order],
            "geom": GeometryArray(polygons[order], crs=community.buildings.crs),
        },
        geometry="geom",
    )
    return Drawing(
        community.code,
        grids,
        _member_frame(codes, atoms, cells, grid_of_cell, community.buildings.crs),
        card,
        wishes,
        None if ready.past is None else ready.past.plan.number,
    )


def _origin(ready: Problem, grid: Ints, dedicated: NDArray[np.bool_]) -> Ints:
    """Return the row of the grid before that each grid goes on from, -1 for a new one."""
    rows = np.full(len(dedicated), -1, dtype=np.int64)
    if ready.past is None:
        return rows
    past = ready.past
    # A grid with something that is locked in it is the grid that it is locked in.
    locked = np.append(past.before.locked, False)[ready.node]  # an atom on water has no node
    weight = np.where(locked, LOCKED, ready.atoms.households)
    rows = previous_plan.match_to_previous_grids(past.plan, past.placed, weight, grid, dedicated)
    own = np.array([fixed.row for fixed in ready.grids], dtype=np.int64)
    known = np.flatnonzero(own >= 0)
    rows[np.isin(rows, own[known])] = -1
    rows[len(rows) - len(own) + known] = own[known]
    return rows


def _assign_codes_and_names(
    ready: Problem, polygons: Polygons, dedicated: NDArray[np.bool_], rows: Ints
) -> tuple[list[str], list[str]]:
    """Return the code and the name of each grid; one that goes on from another keeps them."""
    centres: Floats = shapely.get_coordinates(shapely.centroid(polygons))
    kept = None
    names = [""] * (len(polygons) - len(ready.grids)) + [fixed.name for fixed in ready.grids]
    if ready.past is not None:
        plan = ready.past.plan
        kept = previous_plan.serials_before(plan, rows, ready.community.code)
        old = np.append(plan.grids["name"].to_numpy(dtype=object), "")[rows]
        names = [name or before for name, before in zip(names, old, strict=True)]
    serial = serials(centres, shapely.area(polygons), dedicated, kept)
    return grid_codes(ready.community.code, serial), names


def _with_waters(cells: Cells, land: Ints, label: Ints) -> Ints:
    """Return the grid of each cell: a water goes to the grid with which it shares most shore."""
    grid = np.full(len(cells.polygons), -1, dtype=np.int64)
    grid[land] = label
    shared = borders(cells.polygons)
    while (grid < 0).any():
        one, other = shared.left, shared.right
        one_wet, other_wet = grid[one] < 0, grid[other] < 0
        shore = (one >= 0) & (one_wet != other_wet)
        if not shore.any():
            grid[grid < 0] = 0
            break
        wet = np.where(one_wet, one, other)[shore]
        dry = np.where(one_wet, other, one)[shore]
        claims = pd.DataFrame({"cell": wet, "grid": grid[dry], "length": shared.length[shore]})
        longest = claims.groupby(["cell", "grid"], as_index=False).sum()
        longest = longest.sort_values(["cell", "length"]).drop_duplicates("cell", keep="last")
        grid[longest["cell"]] = longest["grid"]
    return grid


def _polygons(cells: Polygons, grid: Ints) -> Polygons:
    """Return the union of the cells of each grid."""
    order = np.argsort(grid, kind="stable")
    groups = np.split(cells[order], np.cumsum(np.bincount(grid))[:-1])
    polygons = np.empty(len(groups), dtype=object)
    polygons[:] = [shapely.coverage_union_all(group) for group in groups]
    return polygons


def _member_frame(
    codes: list[str], atoms: Atoms, cells: Cells, grid_of_cell: Ints, crs: object
) -> gpd.GeoDataFrame:
    empty = np.setdiff1d(np.arange(len(cells.polygons)), cells.cell_of_building)
    cell = np.concatenate([cells.cell_of_building, empty])
    nobody = np.full(len(empty), None, dtype=object)
    land = np.full(len(cell), shapely.MultiPolygon(), dtype=object)
    first = np.unique(cell, return_index=True)[1]
    land[first] = cells.polygons[cell[first]]
    return gpd.GeoDataFrame(
        {
            # As objects: pandas makes NaN of None among texts.
            "building_code": pd.Series(np.append(atoms.building, nobody), dtype=object),
            "unit_code": pd.Series(np.append(atoms.unit, nobody), dtype=object),
            "households": np.append(atoms.households, np.zeros(len(empty), dtype=np.int64)),
            "grid": np.array(codes)[grid_of_cell[cell]],
            "geom": GeometryArray(land, crs=crs),
        },
        geometry="geom",
    )
