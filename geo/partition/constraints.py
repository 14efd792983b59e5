"""What a planner asks for: limits, weights, and what has to be together, apart or left alone."""

from dataclasses import dataclass, field

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, shortest_path

from geo.errors import InputError
from geo.partition.cells.atoms import Atoms
from geo.partition.cells.graph import Graph
from geo.partition.community import Community
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.search.chains import Pairs
from geo.partition.search.strategy import Effort
from geo.types import Ints, Polygons

MIN_DEDICATED_M2 = 2000.0
"""Grounds of a facility smaller than this (a kiosk, a clinic in a house) make no grid."""


@dataclass(frozen=True)
class Area:
    """A polygon in EPSG:4490 that is to be a dedicated grid, as well-known text."""

    name: str
    wkt: str


@dataclass(frozen=True)
class Constraints:
    """What a planner asks for.

    Attributes
    ----------
    together
        Groups of codes (buildings, units, compounds) that are to be in one grid.
    apart
        Pairs of codes that are not to be in one grid.
    locked
        Codes of grids of the plan before that stay as they are, and of buildings or units that
        stay in their grid.
    dedicated
        Categories of facility whose grounds become grids of their own.
    areas
        Polygons that become grids of their own.
    whole_compounds
        Whether a compound is kept in one grid by force, wherever it is within the upper limit.
    fresh
        Whether to forget the plan before.
    only_touched
        Whether only the grids in which something changed are drawn anew.
    complete
        Whether to finish or repair the plan before with the least change.
    prove
        Seconds to spend on a lower bound of the objective, 0 for none.
    """

    limits: Limits = field(default_factory=Limits)
    weights: Weights = field(default_factory=Weights)
    effort: Effort = field(default_factory=Effort)
    seed: int = 1
    together: tuple[tuple[str, ...], ...] = ()
    apart: tuple[tuple[str, str], ...] = ()
    locked: tuple[str, ...] = ()
    dedicated: tuple[str, ...] = ()
    areas: tuple[Area, ...] = ()
    whole_compounds: bool = False
    fresh: bool = False
    only_touched: bool = False
    complete: bool = False
    prove: float = 0.0


def dedicated_areas(
    community: Community, constraints: Constraints, areas: Polygons
) -> tuple[list[str], Polygons]:
    """Return names and polygons, in metres, of what is to be a dedicated grid.

    Parameters
    ----------
    areas
        The polygons of ``constraints.areas`` in the community's metres.

    Notes
    -----
    Polygons of the planner come first; a facility whose grounds they cover already is left out.
    A facility that is a point takes the compound around it, if that holds nobody.
    """
    names, polygons = [area.name for area in constraints.areas], list(areas)
    if not constraints.dedicated:
        return names, areas
    found = community.facilities
    chosen = found[found["category"].isin(constraints.dedicated)]
    shapes = [_grounds_of(shape, community) for shape in chosen.geometry]
    for name, shape in zip(chosen["name"], shapes, strict=True):
        own = shapely.intersection(shape, community.polygon)
        free = shapely.difference(own, shapely.union_all(np.array(polygons, dtype=object)))
        if shapely.area(free) >= MIN_DEDICATED_M2:
            names.append(name)
            polygons.append(free)
    return names, np.array(polygons, dtype=object)


def _grounds_of(shape: shapely.Geometry, community: Community) -> shapely.Geometry:
    """Return the grounds of a facility: its polygon, or the uninhabited compound around it."""
    if shapely.get_dimensions(shape) == 2:
        return shape
    inhabited = community.buildings.loc[community.buildings["households"] > 0, "compound_code"]
    empty = community.compounds[~community.compounds["code"].isin(inhabited)]
    around = empty[empty.geometry.contains(shape)]
    return around.geometry.iloc[0] if len(around) else shapely.Polygon()


def nodes_with_code(code: str, wish: str, community: Community, atoms: Atoms, node: Ints) -> Ints:
    """Return the nodes of a building, a unit or a compound.

    Parameters
    ----------
    wish
        Name of the wish for the error.
    node
        (a,) node of each atom.

    Raises
    ------
    InputError
        If the community has none of this code.
    """
    buildings = community.buildings
    own = buildings.loc[buildings["compound_code"] == code, "code"]
    hit = (atoms.building == code) | (atoms.unit == code) | np.isin(atoms.building, own)
    if not hit.any():
        key = "lock_unknown_code" if wish == "lock" else "wish_unknown_code"
        raise InputError(key, code=code, wish=wish, community=community.code)
    found: Ints = np.unique(node[hit])
    return found[found >= 0]


def group_must_link(graph: Graph, groups: list[Ints]) -> Ints:
    """Return the group of each node, numbered from 0, where some nodes have to be in one.

    Nodes of a group that do not touch are joined along the path with the fewest households;
    groups that share a node are one.

    Parameters
    ----------
    graph
        The graph.
    groups
        Nodes that have to be together.
    """
    n = len(graph)
    ends = [graph.edges[:0]]
    for group in groups:
        linked = _link_pieces(graph, group)
        ends.append(np.stack([linked[:-1], linked[1:]], axis=1))
    pairs = np.concatenate(ends)
    matrix = coo_array((np.ones(len(pairs)), pairs.T), shape=(n, n))
    return np.asarray(connected_components(matrix, directed=False)[1], dtype=np.int64)


def _link_pieces(graph: Graph, group: Ints) -> Ints:
    """Return a group with the nodes that link its pieces."""
    if len(group) < 2:
        return group
    n = len(graph)
    inside = np.zeros(n, dtype=bool)
    inside[group] = True
    into = graph.households[graph.edges] * ~inside[graph.edges]
    weight = into.sum(axis=1) + 1.0
    matrix = coo_array((weight, graph.edges.T), shape=(n, n)).tocsr()
    _, via = shortest_path(matrix, directed=False, indices=int(group[0]), return_predecessors=True)
    inside[group[1:][via[group[1:]] < 0]] = False  # nothing leads there
    for node in np.flatnonzero(inside):
        while via[node] >= 0 and not inside[via[node]]:
            node = via[node]
            inside[node] = True
    return np.flatnonzero(inside)


def cannot_link_pairs(
    constraints: Constraints, community: Community, atoms: Atoms, node: Ints, group: Ints
) -> Pairs:
    """Return the pairs of groups that are to be kept apart.

    Raises
    ------
    InputError
        If a pair is to be together too, or is one building on one cell.
    """
    found = []
    for one, other in constraints.apart:
        first = group[nodes_with_code(one, "apart", community, atoms, node)]
        second = group[nodes_with_code(other, "apart", community, atoms, node)]
        first, second = first[first >= 0], second[second >= 0]
        if np.intersect1d(first, second).size:
            raise InputError("wishes_contradict", one=one, other=other)
        found += [(a, b) for a in first for b in second]
    return np.unique(np.array(found, dtype=np.int64).reshape(-1, 2), axis=0)
