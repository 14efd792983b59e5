"""Drawings with short ways: the part of the objective that the search kernel does not know.

A walk depends on the whole grid, through its service point, and so does the station that a grid
goes with: the kernel can't add them up edge by edge. Where ways have a weight, the search is
repeated on graphs in which neighbours that are far apart by ways, or near to different stations,
are dear to keep together, and each drawing is improved by moves of single nodes under the whole
objective; the best one is returned.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely

from geo.partition.cells.graph import Graph
from geo.partition.problem import Problem
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.scoring.stations import (
    build_network_to_stations,
    compute_further,
    find_stations,
)
from geo.partition.scoring.walking import WALK_UNIT, cap_walks
from geo.partition.search.kernel import label_components
from geo.partition.subproblem import Subproblem
from geo.types import Floats, Ints

DETOUR_FACTORS = (0.0, 2.0, 6.0)
"""Share of the ways' weight, in each search, that a detour between neighbours costs."""

MIN_GAIN = 1e-6


@dataclass(frozen=True)
class WayCosts:
    """Ways of the households in the inhabited buildings of a graph.

    Attributes
    ----------
    between
        (b, b) float64 metres by ways, at most LONGEST_WALK_M; None if walks have no weight.
    further
        For each kind of station, (b, s) float64 metres that each building goes further to each
        station than to the nearest one.
    households, node
        (b,) int64 households and node of each building.
    """

    between: Floats | None
    further: list[Floats]
    households: Ints
    node: Ints

    def of_grid(self, label: Ints, grid: int) -> Floats:
        """Return (2,) float64 walks and further ways in a grid of a (n,) int64 label, in units."""
        rows = np.flatnonzero(label[self.node] == grid)
        households = self.households[rows]
        walked = 0.0
        if self.between is not None and len(rows):
            walked = self.between[np.ix_(rows, rows)].dot(households).min()
        further = sum(households.dot(metres[rows]).min() for metres in self.further)
        return np.array([walked, further]) / WALK_UNIT

    def total(self, label: Ints) -> Floats:
        """Return (2,) float64 walks and further ways in all grids of a (n,) int64 label."""
        grids = np.unique(label[self.node]).tolist()
        total: Floats = np.sum([self.of_grid(label, grid) for grid in grids], axis=0)
        return total


def build_way_costs(problem: Problem, node_of_atom: Ints, weights: Weights) -> WayCosts | None:
    """Build the ways that weights count; None where they count none, or there are none.

    Parameters
    ----------
    node_of_atom
        (a,) int64 node of each atom, -1 for those that are left out.
    """
    has_stations = weights.station > 0 and len(find_stations(problem.community)) > 0
    if weights.walk == 0 and not has_stations:
        return None
    households = problem.atoms.size
    rows = np.flatnonzero((households > 0) & (node_of_atom >= 0))
    if len(rows) == 0:
        return None
    points = shapely.centroid(problem.atoms.footprints[rows])
    network, stations = build_network_to_stations(problem.community, points)
    if network is None:
        return None
    buildings = np.arange(len(rows))
    between = cap_walks(network.measure(buildings, buildings)) if weights.walk > 0 else None
    further = [
        compute_further(network.measure(buildings, kind)) for kind in stations if has_stations
    ]
    return WayCosts(between, further, households[rows], node_of_atom[rows])


def search_short_ways(
    part: Subproblem,
    ways: WayCosts,
    limits: Limits,
    weights: Weights,
    search: Callable[[Graph], Ints],
    seconds: float,
) -> Ints:
    """Search a drawing of low cost, ways included.

    Parameters
    ----------
    ways
        Of the nodes of the part.
    search
        Returns (n,) labels of low cost without ways for a graph.
    seconds
        Time limit of all moves after the searches.

    Returns
    -------
    label
        (n,) int64 grid of each node, as the search numbers them.
    """
    detours = _detour_costs(part.graph, ways, weights)
    drawings = []
    for factor in DETOUR_FACTORS:
        graph = replace(part.graph, inside=part.graph.inside + factor * detours)
        descent = _Descent(part, ways, limits, weights, search(graph).copy())
        descent.run(time.monotonic() + seconds / len(DETOUR_FACTORS))
        drawings.append(descent)
    return min(drawings, key=lambda drawing: drawing.objective()).label


def _detour_costs(graph: Graph, ways: WayCosts, weights: Weights) -> Floats:
    """Return (m,) what it costs by ways to keep the nodes of each edge together."""
    costs = np.zeros(len(graph.edges))
    one, other = graph.edges.T
    for metres in ways.further:
        of_node = np.zeros((len(graph), metres.shape[1]))
        np.add.at(of_node, ways.node, metres * ways.households[:, None])
        costs += weights.station * (of_node[one] + of_node[other]).min(axis=1)
    if ways.between is not None:
        building = np.full(len(graph), -1, dtype=np.int64)
        order = np.argsort(ways.households, kind="stable")
        building[ways.node[order]] = order  # the one with the most households
        straight = np.hypot(*(graph.xy[one] - graph.xy[other]).T)
        detour = np.maximum(ways.between[building[one], building[other]] - straight, 0.0)
        households = np.minimum(graph.households[one], graph.households[other])
        is_inhabited = (building[graph.edges] >= 0).all(axis=1)
        costs += weights.walk * np.where(is_inhabited, detour * households, 0.0)
    return costs / WALK_UNIT


@dataclass
class _Descent:
    """Labels that moves of single nodes improve."""

    part: Subproblem
    ways: WayCosts
    limits: Limits
    weights: Weights
    label: Ints

    def run(self, until: float) -> None:
        """Move nodes to adjacent grids as long as that gains and there is time."""
        current, improves = self._base_cost(self.label), True
        while improves and time.monotonic() < until:
            improves = False
            for node, grid in self._moves():
                if time.monotonic() > until:
                    return
                if self.label[node] == grid or not self._is_allowed(node, grid):
                    continue
                moved = self.label.copy()
                moved[node] = grid
                after = self._base_cost(moved)
                change = after - current + self._way_change(moved, node)
                if change < -MIN_GAIN and self._stays_connected(moved, int(self.label[node])):
                    self.label, current, improves = moved, after, True

    def objective(self) -> float:
        """Return the whole cost of the labels."""
        of_ways = self.weights.of_ways() @ self.ways.total(self.label)
        return self._base_cost(self.label) + float(of_ways)

    def _moves(self) -> Iterator[tuple[int, int]]:
        """Yield each node at a border with the grid on the other side."""
        ends = np.concatenate([self.part.graph.edges, self.part.graph.edges[:, ::-1]])
        apart = self.label[ends[:, 0]] != self.label[ends[:, 1]]
        moves = np.stack([ends[apart, 0], self.label[ends[apart, 1]]], axis=1)
        yield from map(tuple, np.unique(moves, axis=0).tolist())

    def _is_allowed(self, node: int, grid: int) -> bool:
        """Return whether a node may move to an adjacent grid under locks and cannot-links."""
        before, apart = self.part.before, self.part.apart
        if before is not None and before.locked[node]:
            return False
        partners = np.concatenate([apart[apart[:, 0] == node, 1], apart[apart[:, 1] == node, 0]])
        if (self.label[partners] == grid).any():
            return False
        start, neighbour, _ = self.part.graph.rows
        is_beside = self.label[neighbour[start[node] : start[node + 1]]] == grid
        return bool(is_beside.any() and (self.label == self.label[node]).sum() > 1)

    def _base_cost(self, label: Ints) -> float:
        """Return the cost without ways."""
        used, compact = np.unique(label, return_inverse=True)
        before, previous = self.part.before, None
        if before is not None:
            place = np.minimum(np.searchsorted(used, before.label), len(used) - 1)
            previous = np.where(used[place] == before.label, place, len(used))
            previous = np.where(before.counted & (before.label >= 0), previous, -1)
        compact = compact.ravel().astype(np.int64)
        return cost(self.part.graph, compact, self.limits, self.weights, previous).total

    def _way_change(self, moved: Ints, node: int) -> float:
        grids = int(self.label[node]), int(moved[node])
        changes = [self.ways.of_grid(moved, g) - self.ways.of_grid(self.label, g) for g in grids]
        return float(self.weights.of_ways() @ np.sum(changes, axis=0))

    def _stays_connected(self, moved: Ints, grid: int) -> bool:
        """Return whether the grid that a node leaves has as many pieces as before."""
        start, neighbour, _ = self.part.graph.rows

        def pieces(label: Ints) -> int:
            return len(np.unique(label_components(start, neighbour, label)[label == grid]))

        return pieces(moved) <= pieces(self.label)
