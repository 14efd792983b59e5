"""Drawings with short walks: the part of the objective that the search kernel does not know.

A walk depends on the whole grid, through its service point, so the kernel can't add it up edge by
edge. Where walks have a weight, the search is repeated on graphs in which neighbours that are far
apart by ways are dear to keep together, and each drawing is improved by moves of single nodes under
the whole objective; the best one is returned.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely

from geo.partition.cells.graph import Graph
from geo.partition.problem import Problem
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.scoring.walking import WALK_UNIT, build_way_network, cap_walks
from geo.partition.search.kernel import label_components
from geo.partition.subproblem import Subproblem
from geo.types import Floats, Ints

DETOUR_FACTORS = (0.0, 2.0, 6.0)
"""Share of the walks' weight, in each search, that a detour between neighbours costs."""

MIN_GAIN = 1e-6


@dataclass(frozen=True)
class WalkCosts:
    """Walks between the inhabited buildings of a graph.

    Attributes
    ----------
    between
        (b, b) float64 metres by ways, at most LONGEST_WALK_M.
    households, node
        (b,) int64 households and node of each building.
    """

    between: Floats
    households: Ints
    node: Ints

    def of_rows(self, rows: Ints) -> float:
        """Return the walks of (k,) buildings of one grid, in units of the objective."""
        if len(rows) == 0:
            return 0.0
        walks = self.between[np.ix_(rows, rows)].dot(self.households[rows])
        return float(walks.min()) / WALK_UNIT

    def of_grid(self, label: Ints, grid: int) -> float:
        """Return the walks in one grid of (n,) labels."""
        return self.of_rows(np.flatnonzero(label[self.node] == grid))

    def total(self, label: Ints) -> float:
        """Return the walks in all grids of (n,) labels."""
        return sum(self.of_grid(label, int(grid)) for grid in np.unique(label[self.node]))


def build_walk_costs(problem: Problem, node_of_atom: Ints) -> WalkCosts | None:
    """Build the walks of a problem; None where there are no ways.

    Parameters
    ----------
    node_of_atom
        (a,) int64 node of each atom, -1 for those that are left out.
    """
    households = problem.atoms.households
    rows = np.flatnonzero((households > 0) & (node_of_atom >= 0))
    if len(rows) == 0:
        return None
    points = shapely.centroid(problem.atoms.footprints[rows])
    network = build_way_network(problem.community, points)
    if network is None:
        return None
    between = cap_walks(network.measure(np.arange(len(rows))))
    return WalkCosts(between, households[rows], node_of_atom[rows])


def search_short_walks(
    part: Subproblem,
    walks: WalkCosts,
    limits: Limits,
    weights: Weights,
    search: Callable[[Graph], Ints],
    seconds: float,
) -> Ints:
    """Search a drawing of low cost, walks included.

    Parameters
    ----------
    walks
        Of the nodes of the part.
    search
        Returns (n,) labels of low cost without walks for a graph.
    seconds
        Time limit of the moves after the searches.

    Returns
    -------
    label
        (n,) int64 grid of each node, as the search numbers them.
    """
    until = time.monotonic() + seconds
    detours = _detour_costs(part.graph, walks) * weights.walk
    drawings = []
    for factor in DETOUR_FACTORS:
        graph = replace(part.graph, inside=part.graph.inside + factor * detours)
        descent = _Descent(part, walks, limits, weights, search(graph).copy())
        descent.run(until)
        drawings.append(descent)
    return min(drawings, key=lambda drawing: drawing.objective()).label


def _detour_costs(graph: Graph, walks: WalkCosts) -> Floats:
    """Return (m,) what the detour between the nodes of each edge is worth, in units of walks."""
    building = np.full(len(graph), -1, dtype=np.int64)
    order = np.argsort(walks.households, kind="stable")
    building[walks.node[order]] = order  # the one with the most households
    one, other = building[graph.edges].T
    straight = np.hypot(*(graph.xy[graph.edges[:, 0]] - graph.xy[graph.edges[:, 1]]).T)
    detour = np.maximum(walks.between[one, other] - straight, 0.0)
    households = np.minimum(*graph.households[graph.edges].T)
    return np.where((one >= 0) & (other >= 0), detour * households / WALK_UNIT, 0.0)


@dataclass
class _Descent:
    """Labels that moves of single nodes improve."""

    part: Subproblem
    walks: WalkCosts
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
                change = after - current + self._walk_change(moved, node)
                if change < -MIN_GAIN and self._stays_connected(moved, int(self.label[node])):
                    self.label, current, improves = moved, after, True

    def objective(self) -> float:
        """Return the whole cost of the labels."""
        return self._base_cost(self.label) + self.weights.walk * self.walks.total(self.label)

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
        """Return the cost without walks."""
        used, compact = np.unique(label, return_inverse=True)
        before, previous = self.part.before, None
        if before is not None:
            place = np.minimum(np.searchsorted(used, before.label), len(used) - 1)
            previous = np.where(used[place] == before.label, place, len(used))
            previous = np.where(before.counted & (before.label >= 0), previous, -1)
        compact = compact.ravel().astype(np.int64)
        return cost(self.part.graph, compact, self.limits, self.weights, previous).total

    def _walk_change(self, moved: Ints, node: int) -> float:
        grids = int(self.label[node]), int(moved[node])
        after = sum(self.walks.of_grid(moved, grid) for grid in grids)
        before = sum(self.walks.of_grid(self.label, grid) for grid in grids)
        return self.weights.walk * (after - before)

    def _stays_connected(self, moved: Ints, grid: int) -> bool:
        """Return whether the grid that a node leaves has as many pieces as before."""
        start, neighbour, _ = self.part.graph.rows

        def pieces(label: Ints) -> int:
            return len(np.unique(label_components(start, neighbour, label)[label == grid]))

        return pieces(moved) <= pieces(self.label)
