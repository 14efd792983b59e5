"""A connected graph as the proof processes it: node order, pairs of nodes, and rules of cost."""

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.proof.node_order import order_nodes
from geo.partition.proof.states import Rules
from geo.partition.scoring.objective import (
    Limits,
    Weights,
    cost,
    count_needed_grids,
    household_terms,
)
from geo.partition.search.chains import Pairs, PreviousLabels
from geo.types import Floats, Ints

SHARE_OF_AREA, SHARE_OF_LENGTH = 2.0**-24, 2.0**-30
"""Units of sums, as shares of the total: the rounding error is far below TOLERANCE."""

FORBIDDEN_COST = 1e9
"""Cost of a forbidden combination."""


class Piece:
    """A connected graph with an order of its nodes, processed from either end.

    Cannot-link and must-link pairs are edges too, but do not connect their nodes.
    """

    def __init__(
        self,
        graph: Graph,
        nodes: Ints,
        limits: Limits,
        weights: Weights,
        before: PreviousLabels | None,
        apart: Pairs,
    ) -> None:
        whole = len(nodes) == len(graph)
        self.graph = graph if whole else graph.subgraph(nodes)
        self.limits, self.weights = limits, weights
        place = np.full(len(graph), -1, dtype=np.int64)
        place[nodes] = np.arange(len(nodes))
        must_link, cannot_link = _pairs_of_locked_nodes(before)
        cannot_link = np.concatenate([apart, cannot_link])
        together, away = (
            place[pairs][(place[pairs] >= 0).all(axis=1)] for pairs in (must_link, cannot_link)
        )
        self.edges = np.concatenate([self.graph.edges, together, away])
        extra, none = np.zeros(len(together) + len(away)), np.zeros(len(together))
        forbidden = np.full(len(away), FORBIDDEN_COST)
        self.same = np.concatenate([weights.border * self.graph.inside, none, forbidden])
        self.differ = np.concatenate(
            [
                weights.border * self.graph.cut,
                np.full(len(together), FORBIDDEN_COST),
                np.zeros(len(away)),
            ]
        )
        self.linked = np.append(np.ones(len(self.graph.edges), bool), extra > 0)
        self.order = order_nodes(len(nodes), self.edges)
        self.needed = count_needed_grids(self.graph.compound, self.graph.households, limits)
        self.rules = _build_rules(self.graph, limits, weights)
        length = np.append(self.graph.length, extra)
        self.length = np.floor(length / self.rules.metres).astype(np.int64)

    def cost(self, label: Ints) -> float:
        """Return the cost of a (n,) int64 label, FORBIDDEN_COST if it violates a pair."""
        one, other = label[self.edges].T
        wrong = (np.where(one == other, self.same, self.differ) >= FORBIDDEN_COST).any()
        return FORBIDDEN_COST if wrong else cost(self.graph, label, self.limits, self.weights).total


def _pairs_of_locked_nodes(before: PreviousLabels | None) -> tuple[Pairs, Pairs]:
    """Return the must-link and the cannot-link pairs of locked nodes."""
    none = np.empty((0, 2), dtype=np.int64)
    if before is None or not before.locked.any():
        return none, none
    nodes = np.flatnonzero(before.locked)
    nodes = nodes[np.argsort(before.label[nodes], kind="stable")]
    grid = before.label[nodes]
    chained = np.stack([nodes[:-1], nodes[1:]], axis=1)[grid[1:] == grid[:-1]]
    first = nodes[np.unique(grid, return_index=True)[1]]
    one, other = np.triu_indices(len(first), 1)
    return chained, np.stack([first[one], first[other]], axis=1)


def _build_rules(graph: Graph, limits: Limits, weights: Weights) -> Rules:
    rules = Rules(  # all floats: an int among them would compile everything once more
        target=float(limits.target),
        lower=float(limits.lower),
        upper=float(limits.upper),
        limit=float(weights.limit),
        balance=float(weights.balance),
        compactness=float(weights.compactness),
        compound=float(weights.compound),
        metres=max(2 * float(graph.length.sum() + graph.outline.sum()) * SHARE_OF_LENGTH, 1e-9),
        square_metres=max(float(graph.area.sum()) * SHARE_OF_AREA, 1e-9),
        least=np.zeros(1),
    )
    return rules._replace(least=_least_costs(rules, limits, int(graph.households.sum())))


def _least_costs(rules: Rules, limits: Limits, households: int) -> Floats:
    """Return (households + 1,) the least cost of 0 .. ``households`` in any number of grids.

    The cost of a grid is convex in its households, so equal grids are the cheapest.
    """
    total = np.arange(households + 1, dtype=np.float64)
    least = np.full(households + 1, np.inf)
    for grids in range(1, int(households / max(rules.target, 1.0)) + 3):
        excess, imbalance = household_terms(total / grids, limits)
        least = np.minimum(least, grids * (rules.limit * excess + rules.balance * imbalance))
    least[0] = 0.0  # no households need no grid
    return least
