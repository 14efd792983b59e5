"""Constraints of a drawing: limits, weights, must-link and cannot-link, locks, required areas."""

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
"""Land of a facility smaller than this (a kiosk, a clinic in a house) does not become a grid."""


@dataclass(frozen=True)
class Area:
    """A polygon in EPSG:4490, as well-known text, that becomes a dedicated grid."""

    name: str
    wkt: str


@dataclass(frozen=True)
class Constraints:
    """Constraints of a drawing.

    Attributes
    ----------
    together
        Must-link: groups of codes (buildings, units, compounds) that must be in one grid.
    apart
        Cannot-link: pairs of codes that must not be in one grid.
    locked
        Codes of grids of the previous plan that stay unchanged, and of buildings or units that
        stay in their grid.
    dedicated
        Categories of facility whose land becomes grids of their own.
    areas
        Polygons that become grids of their own.
    whole_compounds
        Whether every compound within the upper limit must be in one grid.
    fresh
        Whether to ignore the previous plan (``--from-scratch``).
    only_touched
        Whether to redraw only the grids in which something changed.
    complete
        Whether to finish or repair the previous plan with the least change (``--repair``).
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
    """Return names and (d,) polygons, in metres, of the areas that become dedicated grids.

    Parameters
    ----------
    areas
        (k,) polygons of ``constraints.areas`` in the community's metres.

    Notes
    -----
    Areas of the constraints take precedence; a facility whose land they cover is left out. A
    facility that is a point takes the compound around it, if that is uninhabited.
    """
    names, polygons = [area.name for area in constraints.areas], list(areas)
    if not constraints.dedicated:
        return names, areas
    facilities = community.facilities
    chosen = facilities[facilities["category"].isin(constraints.dedicated)]
    shapes = [_facility_land(shape, community) for shape in chosen.geometry]
    for name, shape in zip(chosen["name"], shapes, strict=True):
        inside = shapely.intersection(shape, community.polygon)
        free = shapely.difference(inside, shapely.union_all(np.array(polygons, dtype=object)))
        if shapely.area(free) >= MIN_DEDICATED_M2:
            names.append(name)
            polygons.append(free)
    return names, np.array(polygons, dtype=object)


def _facility_land(shape: shapely.Geometry, community: Community) -> shapely.Geometry:
    """Return the land of a facility: its polygon, or the uninhabited compound around it."""
    if shapely.get_dimensions(shape) == 2:
        return shape
    inhabited = community.buildings.loc[community.buildings["households"] > 0, "compound_code"]
    empty = community.compounds[~community.compounds["code"].isin(inhabited)]
    around = empty[empty.geometry.contains(shape)]
    return around.geometry.iloc[0] if len(around) else shapely.Polygon()


def nodes_with_code(
    code: str, constraint: str, community: Community, atoms: Atoms, node: Ints
) -> Ints:
    """Return (k,) int64 the nodes of a building, a unit or a compound.

    Parameters
    ----------
    constraint
        Name of the constraint, for the error.
    node
        (a,) int64 node of each atom, -1 for none.

    Raises
    ------
    InputError
        If the community has nothing with this code.
    """
    buildings = community.buildings
    of_compound = buildings.loc[buildings["compound_code"] == code, "code"]
    has_code = (atoms.building == code) | (atoms.unit == code)
    has_code |= np.isin(atoms.building, of_compound)
    if not has_code.any():
        key = "lock_unknown_code" if constraint == "lock" else "constraint_unknown_code"
        raise InputError(key, code=code, constraint=constraint, community=community.code)
    nodes: Ints = np.unique(node[has_code])
    return nodes[nodes >= 0]


def group_must_link(graph: Graph, groups: list[Ints]) -> Ints:
    """Return (n,) int64 the must-link group of each node, numbered from 0.

    Nodes of a group that are not adjacent are linked along the path with the fewest households;
    groups that share a node are merged; every other node is a group of its own.

    Parameters
    ----------
    groups
        (k,) int64 nodes of each group.
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
    """Return a group with the nodes on the paths that link its pieces."""
    if len(group) < 2:
        return group
    n = len(graph)
    inside = np.zeros(n, dtype=bool)
    inside[group] = True
    into = graph.households[graph.edges] * ~inside[graph.edges]
    weight = into.sum(axis=1) + 1.0
    matrix = coo_array((weight, graph.edges.T), shape=(n, n)).tocsr()
    _, via = shortest_path(matrix, directed=False, indices=int(group[0]), return_predecessors=True)
    inside[group[1:][via[group[1:]] < 0]] = False  # no path leads there
    for node in np.flatnonzero(inside):
        while via[node] >= 0 and not inside[via[node]]:
            node = via[node]
            inside[node] = True
    return np.flatnonzero(inside)


def cannot_link_pairs(
    constraints: Constraints, community: Community, atoms: Atoms, node: Ints, group: Ints
) -> Pairs:
    """Return (p, 2) int64 pairs of groups that must not be in one grid.

    Parameters
    ----------
    node, group
        (a,) int64 node of each atom, -1 for none, and (n,) int64 must-link group of each node.

    Raises
    ------
    InputError
        If both codes of a pair are in one group, or on one cell.
    """
    pairs: list[tuple[int, int]] = []
    for one, other in constraints.apart:
        first = group[nodes_with_code(one, "apart", community, atoms, node)]
        second = group[nodes_with_code(other, "apart", community, atoms, node)]
        first, second = first[first >= 0], second[second >= 0]
        if np.intersect1d(first, second).size:
            raise InputError("constraints_contradict", one=one, other=other)
        pairs += [(a, b) for a in first for b in second]
    return np.unique(np.array(pairs, dtype=np.int64).reshape(-1, 2), axis=0)
