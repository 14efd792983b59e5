"""What is to be drawn: the graph, what of it is fixed beforehand, and what hangs together."""

from dataclasses import dataclass, replace

import numpy as np
import shapely

from geo import crs
from geo.errors import InputError
from geo.geometry.shared_borders import Ints, Mask, Polygons
from geo.partition import constraints, previous_plan
from geo.partition.cells.atoms import Atoms, atoms_of
from geo.partition.cells.graph import Graph, graph_of, join_islands_by_ways
from geo.partition.cells.tessellation import Cells, draw_cells
from geo.partition.community import Community, barriers_of, check
from geo.partition.constraints import Constraints
from geo.partition.previous_plan import AtomLocations, PreviousPlan
from geo.partition.scoring.checks import AREA_M2
from geo.partition.search.chains import Pairs, PreviousLabels
from geo.partition.search.kernel import label_components


@dataclass(frozen=True)
class Fixed:
    """A grid that is drawn before the search: dedicated, or left as it was.

    Attributes
    ----------
    kind, name
        As in the table of grids.
    row
        The grid before that it is, -1 for a new one.
    """

    kind: str
    name: str
    row: int = -1


@dataclass(frozen=True)
class Past:
    """The plan before, where it had the atoms of today, and its grid of every node."""

    plan: PreviousPlan
    placed: AtomLocations
    before: PreviousLabels


@dataclass(frozen=True)
class Problem:
    """A community made ready for the search.

    Attributes
    ----------
    community, wishes, atoms, cells
        What is drawn, how, and of what.
    plain
        The cells as they are without the walls of the areas asked for: by these a plan is
        scored, whoever drew it.
    graph, land
        The graph of the land cells, and the cell of each of its nodes.
    node
        (a,) node of each atom.
    fixed, grids
        (n,) number of the fixed grid a node is in, -1 for none; the fixed grids.
    past
        What it goes on from.
    lacking
        Names of grounds asked for that lack land, or all of it.
    """

    community: Community
    wishes: Constraints
    atoms: Atoms
    cells: Cells
    plain: Cells
    graph: Graph
    land: Ints
    node: Ints
    fixed: Ints
    grids: tuple[Fixed, ...]
    past: Past | None
    lacking: tuple[str, ...] = ()

    @property
    def free(self) -> Ints:
        """Return the nodes that are left to the search."""
        return np.flatnonzero(self.fixed < 0)


def build_problem(community: Community, asked: Constraints, plan: PreviousPlan | None) -> Problem:
    """Return what is to be drawn.

    Raises
    ------
    InputError
        If there is nothing to draw, or a wish names what is not there or contradicts another.
    """
    check(community)
    plan = None if asked.fresh else plan
    if plan is None and (asked.locked or asked.only_touched or asked.complete):
        raise InputError("wish_without_plan", code=community.code, name=community.name)
    names, areas = constraints.grounds(community, asked, _in_metres(asked, community))
    atoms = atoms_of(community.buildings, community.units, asked.limits.upper)
    plain = cells = _cells_of(community, atoms)
    if plan is None:
        walls = areas
    else:
        where = previous_plan.locate_atoms(plan, atoms)
        kept = _find_fixed_grids(plan, where, atoms, asked)
        walls = np.append(areas, plan.grids.geometry.iloc[kept])
    walls = walls[_cut_through(walls, plain.polygons)]
    if len(walls):
        cells = _cells_of(community, atoms, walls)
    graph, land = graph_of(cells, atoms.households, atoms.compound)
    graph = join_islands_by_ways(graph, cells.polygons[land], community.roads.geometry.to_numpy())
    node_of_cell = np.full(len(cells.polygons), -1, dtype=np.int64)
    node_of_cell[land] = np.arange(len(land))
    node = node_of_cell[cells.cell_of_building]
    fixed = previous_plan.rows_at(areas, _points(graph)) if len(areas) else np.full(len(land), -1)
    task = Problem(
        community,
        asked,
        atoms,
        cells,
        plain,
        graph,
        land,
        node,
        fixed.astype(np.int64),
        tuple(Fixed("dedicated", name) for name in names),
        None,
    )
    return _without_empty(task if plan is None else _continuing(task, plan, where, kept))


def _in_metres(asked: Constraints, community: Community) -> Polygons:
    """Return the areas asked for in the community's metres."""
    try:
        shapes = shapely.from_wkt(np.array([area.wkt for area in asked.areas], dtype=object))
    except shapely.GEOSException as error:
        raise InputError("area_unreadable", said=str(error)) from None
    areas = crs.transform(shapes, crs.STORAGE, community.buildings.crs)
    inside: Polygons = shapely.intersection(areas, community.polygon)
    for area, shape in zip(asked.areas, inside, strict=True):
        if shapely.area(shape) == 0:
            raise InputError("area_outside", name=area.name, community=community.name)
    return inside


def _cut_through(areas: Polygons, cells: Polygons) -> Mask:
    """Return which areas are not made of whole cells."""
    area, cell = shapely.STRtree(cells).query(areas, predicate="intersects")
    inside = shapely.area(shapely.intersection(areas[area], cells[cell]))
    parted = (inside > AREA_M2) & (inside < shapely.area(cells[cell]) - AREA_M2)
    found = np.zeros(len(areas), dtype=bool)
    found[area[parted]] = True
    return found


def _points(graph: Graph) -> Polygons:
    points: Polygons = np.asarray(shapely.points(graph.xy), dtype=object)
    return points


def _cells_of(community: Community, atoms: Atoms, walls: Polygons | None = None) -> Cells:
    """Return cells that house every atom: one beyond the community takes the nearest land cell."""
    cells = draw_cells(community.polygon, atoms.footprints, barriers_of(community, walls))
    lost = np.flatnonzero(cells.cell_of_building < 0)
    land = np.flatnonzero(~cells.water)
    if len(lost) == 0 or len(land) == 0:
        return cells
    centres = shapely.centroid(atoms.footprints[lost])
    cell = cells.cell_of_building.copy()
    cell[lost] = land[shapely.STRtree(cells.polygons[land]).nearest(centres)]
    return replace(cells, cell_of_building=cell)


def _find_fixed_grids(
    plan: PreviousPlan, where: AtomLocations, atoms: Atoms, asked: Constraints
) -> Ints:
    """Return the grids of a plan that stay as they are, outline and all."""
    kept = ~plan.general() | plan.grids["code"].isin(asked.locked).to_numpy()
    if asked.only_touched:
        kept |= ~previous_plan.find_changed_grids(plan, where, atoms)
    return np.flatnonzero(kept)


def _continuing(task: Problem, plan: PreviousPlan, where: AtomLocations, kept: Ints) -> Problem:
    """Return the task that goes on from a plan: its dedicated and locked grids are fixed."""
    asked, atoms = task.wishes, task.atoms
    label, counted = previous_plan.nodes_before(plan, where, atoms, task.node, _points(task.graph))
    named = plan.grids["code"].isin(asked.locked).to_numpy()
    locked = np.zeros(len(label), dtype=bool)
    for code in set(asked.locked) - set(plan.grids["code"]):
        locked[constraints.nodes_of(code, "lock", task.community, atoms, task.node)] = True
    past = Past(plan, where, PreviousLabels(label, counted, locked))
    return _keeping(task, past, kept, named)


def _keeping(task: Problem, past: Past, rows: Ints, named: Mask) -> Problem:
    """Return the task that goes on from a plan, some grids of which are fixed.

    Parameters
    ----------
    rows, named
        The grids to be kept, and (g,) which are locked by their code: these are kept before all
        else, and in pieces if need be.
    """
    number = np.full(len(past.plan.grids) + 1, -1, dtype=np.int64)
    number[rows] = len(task.grids) + np.arange(len(rows))
    old = past.plan.grids.iloc[rows]
    grids = [
        Fixed(kind, name, int(row))
        for kind, name, row in zip(old["kind"], old["name"], rows, strict=True)
    ]
    held = np.append(named, False)[past.before.label]
    kept = number[past.before.label]
    if task.wishes.complete:
        kept[~held & _lesser_piece(task.graph, kept)] = -1
    lost = np.unique(task.fixed[held & (task.fixed >= 0)])
    return replace(
        task,
        fixed=np.where((task.fixed >= 0) & ~held, task.fixed, kept),
        grids=(*task.grids, *grids),
        past=past,
        lacking=tuple(task.grids[grid].name for grid in lost),
    )


def _lesser_piece(graph: Graph, grid: Ints) -> Mask:
    """Return which nodes are in a piece of their grid that has not the most land of it."""
    piece = label_components(*graph.rows[:2], grid)
    area = np.bincount(piece, graph.area)[piece]
    most = np.zeros(int(grid.max(initial=-1)) + 2)  # the last is of those in none
    np.maximum.at(most, grid, area)
    lesser: Mask = (grid >= 0) & (area < most[grid])
    return lesser


def release_grids(task: Problem, rows: Ints) -> Problem:
    """Return the task with some grids of the plan before no longer fixed."""
    gone = np.array([grid.row in set(rows.tolist()) for grid in task.grids], dtype=bool)
    fixed = np.where((task.fixed >= 0) & np.append(gone, False)[task.fixed], -1, task.fixed)
    return _without_empty(replace(task, fixed=fixed))


def _without_empty(task: Problem) -> Problem:
    """Return the task without fixed grids that have no land."""
    used, number = np.unique(task.fixed[task.fixed >= 0], return_inverse=True)
    fixed = task.fixed.copy()
    fixed[fixed >= 0] = number
    gone = [grid.name for n, grid in enumerate(task.grids) if n not in used and grid.row < 0]
    return replace(
        task,
        fixed=fixed,
        grids=tuple(task.grids[i] for i in used),
        lacking=tuple(dict.fromkeys((*task.lacking, *gone))),
    )


def groups(task: Problem) -> Ints:
    """Return the group of each free node: what the planner wants together, compounds by force."""
    graph = task.graph.subgraph(task.free)
    place = np.full(len(task.graph), -1, dtype=np.int64)
    place[task.free] = np.arange(len(task.free))
    together = []
    for codes in task.wishes.together:
        named = [
            constraints.nodes_of(code, "together", task.community, task.atoms, task.node)
            for code in codes
        ]
        together.append(place[np.concatenate(named)])
    if task.wishes.whole_compounds:
        held = np.bincount(graph.compound + 1, graph.households)[1:]
        fits = np.flatnonzero((held > 0) & (held <= task.wishes.limits.upper))
        together += [np.flatnonzero(graph.compound == compound) for compound in fits]
    return constraints.group_must_link(graph, [np.unique(nodes[nodes >= 0]) for nodes in together])


def apart(task: Problem, group: Ints) -> Pairs:
    """Return the pairs of groups to be kept apart."""
    of_node = np.full(len(task.graph) + 1, -1, dtype=np.int64)
    of_node[task.free] = group
    return constraints.pairs_apart(task.wishes, task.community, task.atoms, task.node, of_node)


def before_of(task: Problem, group: Ints) -> PreviousLabels | None:
    """Return the plan before of each group of free nodes: that of its most households."""
    if task.past is None:
        return None
    own = task.past.before.of(task.free)
    general = np.append(task.past.plan.general(), False)
    label = np.where(general[own.label], own.label, -1)
    households = task.graph.households[task.free]
    order = np.lexsort((households, own.counted, own.locked, label >= 0))
    groups = int(group.max(initial=-1)) + 1
    found = PreviousLabels(
        np.full(groups, -1, dtype=np.int64), np.zeros(groups, bool), np.zeros(groups, bool)
    )
    found.label[group[order]] = label[order]
    found.counted[group[order]] = own.counted[order]
    found.locked[group[order]] = own.locked[order] & (label[order] >= 0)
    return found


@dataclass(frozen=True)
class Subproblem:
    """What of a task is left to the search: nodes that have to be together are one.

    Attributes
    ----------
    graph, group
        The graph of the groups, and the group of each free node.
    before, apart
        Of the groups.
    """

    graph: Graph
    group: Ints
    before: PreviousLabels | None
    apart: Pairs


def free_subproblem(task: Problem) -> Subproblem:
    """Return the free part of a task as a problem of its own."""
    group = groups(task)
    graph = task.graph.subgraph(task.free).contracted(group)
    return Subproblem(graph, group, before_of(task, group), apart(task, group))


def merge_fixed(task: Problem, own: Ints) -> Ints:
    """Return the grid of each node, numbered from 0: the free nodes' grids, then the fixed ones.

    Parameters
    ----------
    own
        (f,) grid of each free node.
    """
    label = np.zeros(len(task.graph), dtype=np.int64)
    names, number = np.unique(own, return_inverse=True)
    label[task.free] = number.ravel()
    held = task.fixed >= 0
    label[held] = len(names) + task.fixed[held]
    return label
