"""What is to be drawn: the graph, what of it is fixed beforehand, and what hangs together."""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import shapely

from geo.errors import InputError
from geo.partition import redraw, wishes
from geo.partition.atoms import Atoms, atoms_of
from geo.partition.cells import Cells, draw_cells
from geo.partition.chain import Before, Pairs
from geo.partition.community import Community, barriers_of, check
from geo.partition.coverage import Ints, Polygons
from geo.partition.graph import Graph, graph_of, joined_by_ways
from geo.partition.redraw import Placed, PlanBefore
from geo.partition.wishes import Wishes

STORED = "EPSG:4490"


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

    plan: PlanBefore
    placed: Placed
    before: Before


@dataclass(frozen=True)
class Task:
    """A community made ready for the search.

    Attributes
    ----------
    community, wishes, atoms, cells
        What is drawn, how, and of what.
    graph, land
        The graph of the land cells, and the cell of each of its nodes.
    node
        (a,) node of each atom.
    fixed, grids
        (n,) number of the fixed grid a node is in, -1 for none; the fixed grids.
    past
        What it goes on from.
    """

    community: Community
    wishes: Wishes
    atoms: Atoms
    cells: Cells
    graph: Graph
    land: Ints
    node: Ints
    fixed: Ints
    grids: tuple[Fixed, ...]
    past: Past | None

    @property
    def free(self) -> Ints:
        """Return the nodes that are left to the search."""
        return np.flatnonzero(self.fixed < 0)


def prepared(community: Community, asked: Wishes, plan: PlanBefore | None) -> Task:
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
    names, areas = wishes.grounds(community, asked, _in_metres(asked, community))
    atoms = atoms_of(community.buildings, community.units, asked.limits.upper)
    cells = draw_cells(community.polygon, atoms.footprints, barriers_of(community, areas))
    graph, land = graph_of(cells, atoms.households, atoms.compound)
    graph = joined_by_ways(graph, cells.polygons[land], community.roads.geometry.to_numpy())
    node_of_cell = np.full(len(cells.polygons), -1, dtype=np.int64)
    node_of_cell[land] = np.arange(len(land))
    node = node_of_cell[cell_of_atom(atoms, cells)]
    fixed = redraw.rows_at(areas, _points(graph)) if len(areas) else np.full(len(land), -1)
    task = Task(
        community,
        asked,
        atoms,
        cells,
        graph,
        land,
        node,
        fixed.astype(np.int64),
        tuple(Fixed("dedicated", name) for name in names),
        None,
    )
    return _without_empty(task if plan is None else _continuing(task, plan))


def _in_metres(asked: Wishes, community: Community) -> Polygons:
    """Return the areas asked for in the community's metres."""
    try:
        shapes = shapely.from_wkt([area.wkt for area in asked.areas])
    except shapely.GEOSException as error:
        raise InputError("area_unreadable", said=str(error)) from None
    series = gpd.GeoSeries(list(shapes), crs=STORED).to_crs(community.buildings.crs)
    inside: Polygons = shapely.intersection(series.to_numpy(), community.polygon)
    for area, shape in zip(asked.areas, inside, strict=True):
        if shapely.area(shape) == 0:
            raise InputError("area_outside", name=area.name, community=community.name)
    return inside


def _points(graph: Graph) -> Polygons:
    points: Polygons = np.asarray(shapely.points(graph.xy), dtype=object)
    return points


def cell_of_atom(atoms: Atoms, cells: Cells) -> Ints:
    """Return the cell of each atom; one outside the community takes the nearest cell."""
    cell = cells.cell_of_building.copy()
    lost = np.flatnonzero(cell < 0)
    if len(lost):
        cell[lost] = shapely.STRtree(cells.polygons).nearest(
            shapely.centroid(atoms.footprints[lost])
        )
    return cell


def _continuing(task: Task, plan: PlanBefore) -> Task:
    """Return the task that goes on from a plan: its dedicated and locked grids are fixed."""
    asked, atoms = task.wishes, task.atoms
    where = redraw.placed(plan, atoms)
    label, counted = redraw.nodes_before(plan, where, atoms, task.node, _points(task.graph))
    kept = ~plan.general() | plan.grids["code"].isin(asked.locked).to_numpy()
    if asked.only_touched:
        kept |= ~redraw.touched(plan, where, atoms)
    locked = np.zeros(len(label), dtype=bool)
    for code in set(asked.locked) - set(plan.grids["code"]):
        locked[wishes.nodes_of(code, "lock", task.community, atoms, task.node)] = True
    return _keeping(task, Past(plan, where, Before(label, counted, locked)), np.flatnonzero(kept))


def _keeping(task: Task, past: Past, rows: Ints) -> Task:
    """Return the task that goes on from a plan, some grids of which are fixed."""
    number = np.full(len(past.plan.grids) + 1, -1, dtype=np.int64)
    number[rows] = len(task.grids) + np.arange(len(rows))
    old = past.plan.grids.iloc[rows]
    grids = [
        Fixed(kind, name, int(row))
        for kind, name, row in zip(old["kind"], old["name"], rows, strict=True)
    ]
    fixed = np.where(task.fixed >= 0, task.fixed, number[past.before.label])
    return replace(task, fixed=fixed, grids=(*task.grids, *grids), past=past)


def released(task: Task, rows: Ints) -> Task:
    """Return the task with some grids of the plan before no longer fixed."""
    gone = np.array([grid.row in set(rows.tolist()) for grid in task.grids], dtype=bool)
    fixed = np.where((task.fixed >= 0) & np.append(gone, False)[task.fixed], -1, task.fixed)
    return _without_empty(replace(task, fixed=fixed))


def _without_empty(task: Task) -> Task:
    """Return the task without fixed grids that have no land."""
    used, number = np.unique(task.fixed[task.fixed >= 0], return_inverse=True)
    fixed = task.fixed.copy()
    fixed[fixed >= 0] = number
    return replace(task, fixed=fixed, grids=tuple(task.grids[i] for i in used))


def groups(task: Task) -> Ints:
    """Return the group of each free node: what the planner wants together, compounds by force."""
    graph = task.graph.subgraph(task.free)
    place = np.full(len(task.graph), -1, dtype=np.int64)
    place[task.free] = np.arange(len(task.free))
    together = []
    for codes in task.wishes.together:
        named = [
            wishes.nodes_of(code, "together", task.community, task.atoms, task.node)
            for code in codes
        ]
        together.append(place[np.concatenate(named)])
    if task.wishes.whole_compounds:
        held = np.bincount(graph.compound + 1, graph.households)[1:]
        fits = np.flatnonzero((held > 0) & (held <= task.wishes.limits.upper))
        together += [np.flatnonzero(graph.compound == compound) for compound in fits]
    return wishes.joined(graph, [np.unique(nodes[nodes >= 0]) for nodes in together])


def apart(task: Task, group: Ints) -> Pairs:
    """Return the pairs of groups to be kept apart."""
    of_node = np.full(len(task.graph) + 1, -1, dtype=np.int64)
    of_node[task.free] = group
    return wishes.pairs_apart(task.wishes, task.community, task.atoms, task.node, of_node)


def before_of(task: Task, group: Ints) -> Before | None:
    """Return the plan before of each group of free nodes: that of its most households."""
    if task.past is None:
        return None
    own = task.past.before.of(task.free)
    general = np.append(task.past.plan.general(), False)
    label = np.where(general[own.label], own.label, -1)
    households = task.graph.households[task.free]
    order = np.lexsort((households, own.counted, own.locked, label >= 0))
    groups = int(group.max(initial=-1)) + 1
    found = Before(
        np.full(groups, -1, dtype=np.int64), np.zeros(groups, bool), np.zeros(groups, bool)
    )
    found.label[group[order]] = label[order]
    found.counted[group[order]] = own.counted[order]
    found.locked[group[order]] = own.locked[order] & (label[order] >= 0)
    return found


@dataclass(frozen=True)
class Part:
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
    before: Before | None
    apart: Pairs


def left_to_search(task: Task) -> Part:
    """Return the free part of a task as a problem of its own."""
    group = groups(task)
    graph = task.graph.subgraph(task.free).contracted(group)
    return Part(graph, group, before_of(task, group), apart(task, group))


def with_fixed(task: Task, own: Ints) -> Ints:
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
