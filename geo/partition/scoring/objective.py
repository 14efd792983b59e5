"""What a good drawing is: the weights, the limits, and the cost of an assignment.

All costs are in metres of border through open ground, so that a weight says how many metres of
such a border a planner would accept to be rid of one unit of the fault.
"""

from dataclasses import asdict, astuple, dataclass

import numpy as np

from geo.partition.cells.graph import Graph
from geo.types import Floats, Ints


@dataclass(frozen=True)
class Limits:
    """Households of a grid: the programme asks for about 400, a planner accepts 300 to 500."""

    target: int = 400
    lower: int = 300
    upper: int = 500


@dataclass(frozen=True)
class Weights:
    """How much each fault costs.

    Attributes
    ----------
    limit
        A household above or below the limits.
    balance
        A grid 100 households from the target (grows with the square).
    border
        A metre of border cost (see :mod:`geo.partition.cells.graph`).
    compactness
        One unit of perimeter**2 / (4 pi area) - 1, which is 0 for a circle, 0.27 for a square.
    compound
        A compound in one grid more than it need be.
    moved
        A household in another grid than before.
    """

    limit: float = 200.0
    balance: float = 30.0
    border: float = 1.0
    compactness: float = 15.0
    compound: float = 60.0
    moved: float = 1.0

    def array(self) -> Floats:
        """Return the weights in the order of the search kernel."""
        return np.array(astuple(self), dtype=np.float64)


@dataclass(frozen=True)
class Cost:
    """The parts of an objective, each already weighted."""

    limit: float
    balance: float
    border: float
    compactness: float
    compound: float
    moved: float

    @property
    def total(self) -> float:
        """Return the objective."""
        return float(sum(asdict(self).values()))


def cost(
    graph: Graph,
    label: Ints,
    limits: Limits,
    weights: Weights,
    previous: Ints | None = None,
) -> Cost:
    """Return what an assignment of nodes to grids costs.

    Parameters
    ----------
    label
        (n,) grid of each node, numbered from 0.
    previous
        (n,) grid of each node in the plan before, in the same numbers; -1 where it had none.
    """
    grids = int(label.max(initial=-1)) + 1
    households = np.bincount(label, weights=graph.households, minlength=grids)
    excess = np.maximum(households - limits.upper, 0) + np.maximum(limits.lower - households, 0)
    off = (households - limits.target) / 100.0
    apart = label[graph.edges[:, 0]] != label[graph.edges[:, 1]]
    moved = 0.0
    if previous is not None:
        moved = float(graph.households[(previous >= 0) & (label != previous)].sum())
    return Cost(
        limit=weights.limit * float(excess.sum()),
        balance=weights.balance * float((off**2).sum()),
        border=weights.border * border_cost(graph, label),
        compactness=weights.compactness * float((_roundness(graph, label, apart) - 1).sum()),
        compound=weights.compound * float(split_compounds(graph, label, limits).sum()),
        moved=weights.moved * moved,
    )


def border_cost(graph: Graph, label: Ints) -> float:
    """Return the border cost of a drawing in metres (design, section 4)."""
    apart = label[graph.edges[:, 0]] != label[graph.edges[:, 1]]
    return float(np.where(apart, graph.cut, graph.inside).sum())


def _roundness(
    graph: Graph, label: Ints, apart: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Floats:
    """Return perimeter**2 / (4 pi area) of each grid."""
    grids = int(label.max(initial=-1)) + 1
    area = np.bincount(label, weights=graph.area, minlength=grids)
    perimeter = np.bincount(label, weights=graph.outline, minlength=grids)
    for end in (0, 1):
        perimeter += np.bincount(
            label[graph.edges[apart, end]], weights=graph.length[apart], minlength=grids
        )
    roundness: Floats = perimeter**2 / (4 * np.pi * np.maximum(area, 1e-9))
    return roundness


def split_compounds(graph: Graph, label: Ints, limits: Limits) -> Ints:
    """Return for each compound in how many grids more than it needs it lies."""
    inside = graph.compound >= 0
    count = int(graph.compound.max(initial=-1)) + 1
    pairs = np.unique(np.stack([graph.compound[inside], label[inside]], axis=1), axis=0)
    parts = np.bincount(pairs[:, 0], minlength=count)
    households = np.bincount(
        graph.compound[inside], weights=graph.households[inside], minlength=count
    )
    needed = np.maximum(np.ceil(households / limits.upper), 1)
    extra: Ints = np.maximum(parts - needed, 0).astype(np.int64)
    return extra
