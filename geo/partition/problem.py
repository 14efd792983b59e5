"""The partition problem of a community: its graph, its fixed grids and its constraints."""

from dataclasses import dataclass, replace

import numpy as np
import shapely

from geo import crs
from geo.errors import InputError
from geo.partition import previous_plan
from geo.partition.cells.atoms import Atoms, build_atoms
from geo.partition.cells.graph import Graph, build_graph
from geo.partition.cells.tessellation import Cells, build_cells
from geo.partition.cells.way_links import join_islands_by_ways
from geo.partition.community import Community, build_barriers, validate_community
from geo.partition.constraints import (
    Constraints,
    dedicated_areas,
    nodes_with_code,
)
from geo.partition.previous_plan import AtomLocations, PreviousPlan
from geo.partition.scoring.checks import MIN_FAULT_M2
from geo.partition.search.chains import PreviousLabels
from geo.partition.search.kernel import label_components
from geo.types import Bools, Ints, Points, Polygons


@dataclass(frozen=True)
class FixedGrid:
    """A grid that the search does not change: dedicated, or kept from the previous plan.

    Attributes
    ----------
    kind, name
        As in the table of grids.
    row
        Row of this grid in the previous plan, -1 for a new grid.
    """

    kind: str
    name: str
    row: int = -1


@dataclass(frozen=True)
class PreviousAssignment:
    """The previous plan, the grid in which it has each of today's atoms, and that of each node."""

    plan: PreviousPlan
    locations: AtomLocations
    labels: PreviousLabels


@dataclass(frozen=True)
class Problem:
    """A partition problem.

    Attributes
    ----------
    community, constraints, atoms, cells
        What is divided, under which constraints, and into which smallest units.
    unwalled_cells
        The cells without the outlines of required areas as barriers: every plan is scored on
        these, whoever drew it.
    graph, cell_of_node
        The graph of the land cells, and (n,) the cell of each of its nodes.
    node_of_atom
        (a,) node of each atom, -1 for none.
    fixed, fixed_grids
        (n,) number of the fixed grid of each node, -1 for none; the fixed grids.
    previous
        The previous plan, None where there is none or it is ignored.
    incomplete_areas
        Names of the required areas that get no land, or not all of theirs.
    """

    community: Community
    constraints: Constraints
    atoms: Atoms
    cells: Cells
    unwalled_cells: Cells
    graph: Graph
    cell_of_node: Ints
    node_of_atom: Ints
    fixed: Ints
    fixed_grids: tuple[FixedGrid, ...]
    previous: PreviousAssignment | None
    incomplete_areas: tuple[str, ...] = ()

    @property
    def free(self) -> Ints:
        """Return (f,) int64 the nodes that the search assigns to grids."""
        return np.flatnonzero(self.fixed < 0)


def build_problem(
    community: Community, constraints: Constraints, plan: PreviousPlan | None
) -> Problem:
    """Build the partition problem of a community.

    Parameters
    ----------
    plan
        The previous plan; it is ignored if the constraints are to start from scratch.

    Raises
    ------
    InputError
        If there is nothing to draw, or a constraint names something unknown or contradicts
        another.
    """
    validate_community(community)
    plan = None if constraints.fresh else plan
    if plan is None and (constraints.locked or constraints.only_touched or constraints.complete):
        raise InputError("constraint_without_plan", code=community.code, name=community.name)
    names, areas = dedicated_areas(
        community, constraints, _to_community_metres(constraints, community)
    )
    limits = constraints.limits
    atoms = build_atoms(community.buildings, community.units, limits.upper, limits.balance)
    unwalled_cells = cells = _build_cells(community, atoms)
    walls, kept_rows = areas, np.empty(0, dtype=np.int64)
    if plan is not None:
        locations = previous_plan.locate_atoms(plan, atoms)
        kept_rows = _find_kept_grids(plan, locations, atoms, constraints)
        walls = np.append(areas, plan.grids.geometry.iloc[kept_rows])
    walls = walls[_cut_cells(walls, unwalled_cells.polygons)]
    if len(walls):
        cells = _build_cells(community, atoms, walls)
    graph, cell_of_node = build_graph(cells, atoms.size, atoms.compound)
    ways = community.roads.geometry.to_numpy()
    graph = join_islands_by_ways(graph, cells.polygons[cell_of_node], ways)
    node_of_cell = np.full(len(cells.polygons), -1, dtype=np.int64)
    node_of_cell[cell_of_node] = np.arange(len(graph))
    problem = Problem(
        community,
        constraints,
        atoms,
        cells,
        unwalled_cells,
        graph,
        cell_of_node,
        node_of_cell[cells.cell_of_atom],
        previous_plan.locate_points(areas, node_points(graph)),
        tuple(FixedGrid("dedicated", name) for name in names),
        None,
    )
    if plan is not None:
        problem = _start_from_plan(problem, plan, locations, kept_rows)
    return _drop_islets(_drop_empty_fixed_grids(_fix_leftovers(problem)))


def _uninhabited_parts(problem: Problem) -> tuple[Ints, Bools]:
    """Return the component of each free node, and which components nobody lives in."""
    free = problem.graph.subgraph(problem.free)
    parts, part = free.components()
    return part, np.bincount(part, free.households, parts) == 0


def _fix_leftovers(problem: Problem) -> Problem:
    """Add land without households that only fixed grids surround to one of them.

    It goes to the grid with which it shares most border; a locked grid does not change.
    """
    part, is_uninhabited = _uninhabited_parts(problem)
    if problem.fixed.max(initial=-1) < 0 or not is_uninhabited.any():
        return problem
    graph, fixed = problem.graph, problem.fixed.copy()
    part_of_node = np.full(len(graph), -1, dtype=np.int64)
    part_of_node[problem.free] = np.where(is_uninhabited[part], part, -1)
    locked = [grid.row for grid in problem.fixed_grids if _is_locked(problem, grid)]
    can_grow = np.array([grid.row not in locked for grid in problem.fixed_grids])
    ends = np.concatenate([graph.edges, graph.edges[:, ::-1]])
    ends_grid = fixed[ends[:, 1]]
    useful = (part_of_node[ends[:, 0]] >= 0) & (ends_grid >= 0) & can_grow[ends_grid]
    shared = np.zeros((len(is_uninhabited), len(problem.fixed_grids)))
    np.add.at(
        shared,
        (part_of_node[ends[useful, 0]], ends_grid[useful]),
        np.tile(graph.length, 2)[useful],
    )
    goes = (part_of_node >= 0) & (shared.max(axis=1) > 0)[part_of_node]
    fixed[goes] = shared.argmax(axis=1)[part_of_node[goes]]
    return replace(problem, fixed=fixed)


def _is_locked(problem: Problem, grid: FixedGrid) -> bool:
    if problem.previous is None or grid.row < 0:
        return False
    return problem.previous.plan.grids["code"].iloc[grid.row] in problem.constraints.locked


def _drop_islets(problem: Problem) -> Problem:
    """Return the problem without the land that nobody lives on and that nothing connects.

    Like the waters, it goes with a grid next to it. If nobody lives in the whole community, its
    largest part stays.
    """
    graph, free = problem.graph, problem.free
    part, is_uninhabited = _uninhabited_parts(problem)
    borders_fixed = np.zeros(len(graph), dtype=bool)
    is_between = (problem.fixed[graph.edges] < 0).sum(axis=1) == 1
    borders_fixed[graph.edges[is_between]] = True
    is_uninhabited[part[borders_fixed[free]]] = False
    if is_uninhabited.all() and len(free) == len(graph):
        area = np.bincount(part, graph.area[free], len(is_uninhabited))
        is_uninhabited[area.argmax()] = False
    if not is_uninhabited.any():
        return problem
    nodes = np.setdiff1d(np.arange(len(graph)), free[is_uninhabited[part]])
    number = np.full(len(graph) + 1, -1, dtype=np.int64)
    number[nodes] = np.arange(len(nodes))
    previous = problem.previous
    return replace(
        problem,
        graph=graph.subgraph(nodes),
        cell_of_node=problem.cell_of_node[nodes],
        node_of_atom=number[problem.node_of_atom],
        fixed=problem.fixed[nodes],
        previous=previous and replace(previous, labels=previous.labels.of(nodes)),
    )


def _to_community_metres(constraints: Constraints, community: Community) -> Polygons:
    """Return the required areas clipped to the community, in its metres."""
    try:
        shapes = shapely.from_wkt(np.array([area.wkt for area in constraints.areas], dtype=object))
    except shapely.GEOSException as error:
        raise InputError("area_unreadable", said=str(error)) from None
    areas = crs.transform(shapes, crs.STORAGE, community.buildings.crs)
    inside: Polygons = shapely.intersection(areas, community.polygon)
    for area, shape in zip(constraints.areas, inside, strict=True):
        if shapely.area(shape) == 0:
            raise InputError("area_outside", name=area.name, community=community.name)
    return inside


def _cut_cells(areas: Polygons, cells: Polygons) -> Bools:
    """Return which areas consist not only of whole cells."""
    area, cell = shapely.STRtree(cells).query(areas, predicate="intersects")
    inside = shapely.area(shapely.intersection(areas[area], cells[cell]))
    is_cut = (inside > MIN_FAULT_M2) & (inside < shapely.area(cells[cell]) - MIN_FAULT_M2)
    cuts = np.zeros(len(areas), dtype=bool)
    cuts[area[is_cut]] = True
    return cuts


def node_points(graph: Graph) -> Points:
    """Return (n,) a point of each node."""
    points: Points = np.asarray(shapely.points(graph.xy), dtype=object)
    return points


def _build_cells(community: Community, atoms: Atoms, walls: Polygons | None = None) -> Cells:
    """Build the cells; an atom outside the community is put on the nearest land cell."""
    cells = build_cells(community.polygon, atoms.footprints, build_barriers(community, walls))
    outside = np.flatnonzero(cells.cell_of_atom < 0)
    land = np.flatnonzero(~cells.water)
    if len(outside) == 0 or len(land) == 0:
        return cells
    centres = shapely.centroid(atoms.footprints[outside])
    cell_of_atom = cells.cell_of_atom.copy()
    cell_of_atom[outside] = land[shapely.STRtree(cells.polygons[land]).nearest(centres)]
    return replace(cells, cell_of_atom=cell_of_atom)


def _find_kept_grids(
    plan: PreviousPlan, locations: AtomLocations, atoms: Atoms, constraints: Constraints
) -> Ints:
    """Return the rows of the grids of a plan that stay unchanged with their outline."""
    is_kept = ~plan.is_general() | plan.grids["code"].isin(constraints.locked).to_numpy()
    if constraints.only_touched:
        is_kept |= ~previous_plan.find_changed_grids(plan, locations, atoms)
    return np.flatnonzero(is_kept)


def _start_from_plan(
    problem: Problem, plan: PreviousPlan, locations: AtomLocations, kept_rows: Ints
) -> Problem:
    """Return the problem with the labels of a plan and the kept grids fixed."""
    constraints, atoms = problem.constraints, problem.atoms
    label, counted = previous_plan.locate_nodes(
        plan, locations, atoms, problem.node_of_atom, node_points(problem.graph)
    )
    locked = np.zeros(len(label), dtype=bool)
    for code in set(constraints.locked) - set(plan.grids["code"]):
        nodes = nodes_with_code(code, "lock", problem.community, atoms, problem.node_of_atom)
        locked[nodes] = True
    previous = PreviousAssignment(plan, locations, PreviousLabels(label, counted, locked))
    is_locked_grid = plan.grids["code"].isin(constraints.locked).to_numpy()
    return _fix_grids(problem, previous, kept_rows, is_locked_grid)


def _fix_grids(
    problem: Problem, previous: PreviousAssignment, rows: Ints, is_locked_grid: Bools
) -> Problem:
    """Return the problem with some grids of the previous plan fixed.

    Parameters
    ----------
    rows
        Rows of the grids to fix.
    is_locked_grid
        (g,) grids locked by their code: these take precedence over required areas, and stay even
        where they lie in several pieces.
    """
    number = np.full(len(previous.plan.grids) + 1, -1, dtype=np.int64)
    number[rows] = len(problem.fixed_grids) + np.arange(len(rows))
    grids = previous.plan.grids.iloc[rows]
    fixed_grids = [
        FixedGrid(kind, name, int(row))
        for kind, name, row in zip(grids["kind"], grids["name"], rows, strict=True)
    ]
    locked = np.append(is_locked_grid, False)[previous.labels.label]
    fixed = number[previous.labels.label]
    if problem.constraints.complete:
        fixed[~locked & _lies_in_smaller_piece(problem.graph, fixed)] = -1
    displaced = np.unique(problem.fixed[locked & (problem.fixed >= 0)])
    return replace(
        problem,
        fixed=np.where((problem.fixed >= 0) & ~locked, problem.fixed, fixed),
        fixed_grids=(*problem.fixed_grids, *fixed_grids),
        previous=previous,
        incomplete_areas=tuple(problem.fixed_grids[grid].name for grid in displaced),
    )


def _lies_in_smaller_piece(graph: Graph, grid: Ints) -> Bools:
    """Return which nodes lie in a piece of their grid that is not its largest by area."""
    piece = label_components(*graph.rows[:2], grid)
    area = np.bincount(piece, graph.area)[piece]
    largest = np.zeros(int(grid.max(initial=-1)) + 2)  # the last entry is for nodes without grid
    np.maximum.at(largest, grid, area)
    smaller: Bools = (grid >= 0) & (area < largest[grid])
    return smaller


def release_grids(problem: Problem, rows: Ints) -> Problem:
    """Return the problem with some grids of the previous plan no longer fixed.

    Parameters
    ----------
    rows
        (k,) int64 rows of these grids in the previous plan.
    """
    is_released = np.isin([grid.row for grid in problem.fixed_grids], rows)
    fixed = np.where(
        (problem.fixed >= 0) & np.append(is_released, False)[problem.fixed], -1, problem.fixed
    )
    return _drop_empty_fixed_grids(replace(problem, fixed=fixed))


def _drop_empty_fixed_grids(problem: Problem) -> Problem:
    """Return the problem without fixed grids that have no land, renumbered."""
    used, number = np.unique(problem.fixed[problem.fixed >= 0], return_inverse=True)
    fixed = problem.fixed.copy()
    fixed[fixed >= 0] = number
    landless = [
        grid.name
        for grid_number, grid in enumerate(problem.fixed_grids)
        if grid_number not in used and grid.row < 0
    ]
    return replace(
        problem,
        fixed=fixed,
        fixed_grids=tuple(problem.fixed_grids[grid] for grid in used),
        incomplete_areas=tuple(dict.fromkeys((*problem.incomplete_areas, *landless))),
    )
