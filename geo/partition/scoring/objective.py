"""The objective: limits, weights, and what an assignment of cells to grids costs.

All costs are in metres of border through open ground: a weight says how many metres of such a
border a planner would accept to remove one unit of the fault.

The formula stands in this module alone. :mod:`geo.partition.search.kernel` has its compiled,
incremental form (the change of cost when one node moves); the tests compare the two.
"""

from dataclasses import asdict, astuple, dataclass
from enum import StrEnum

import numpy as np

from geo.errors import InputError
from geo.partition.cells.graph import Graph
from geo.types import Bools, Floats, Ints

KERNEL_WEIGHTS = 6
"""Weights that the search kernel knows."""


class Balance(StrEnum):
    """What is distributed evenly over the grids; the names are columns of the buildings."""

    HOUSEHOLDS = "households"
    WORKLOAD = "workload"


@dataclass(frozen=True)
class Limits:
    """Households of a grid: the programme asks for about 400, a planner accepts 300 to 500.

    With another ``balance`` the figures are units of workload, and so is everything that the
    objective calls households.
    """

    target: int = 400
    lower: int = 300
    upper: int = 500
    balance: Balance = Balance.HOUSEHOLDS

    def __post_init__(self) -> None:
        """Raise :class:`InputError` if not 0 < lower <= target <= upper."""
        if not 0 < self.lower <= self.target <= self.upper:
            raise InputError("limits_disordered", **asdict(self))


@dataclass(frozen=True)
class Weights:
    """Cost of one unit of each fault (docs/decisions/weights-by-judgement.md).

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
        A compound in one grid more than necessary.
    moved
        A household in another grid than in the previous plan.
    walk
        100 households that walk 100 m to the service point of their grid, along streets and paths
        (:mod:`geo.partition.scoring.walking`).
    station
        100 households that go 100 m further than to their nearest station because their grid goes
        with another (:mod:`geo.partition.scoring.stations`).
    """

    limit: float = 200.0
    balance: float = 20.0
    border: float = 1.0
    compactness: float = 40.0
    compound: float = 180.0
    moved: float = 10.0
    walk: float = 0.0
    station: float = 0.0

    def __post_init__(self) -> None:
        """Raise :class:`InputError` if a weight is negative or not finite."""
        for name, value in asdict(self).items():
            if not 0 <= value < np.inf:
                raise InputError("weight_invalid", name=name, value=value)

    def array(self) -> Floats:
        """Return (6,) float64 weights in the order of the search kernel, which knows no ways."""
        return np.array(astuple(self)[:KERNEL_WEIGHTS], dtype=np.float64)

    def of_ways(self) -> Floats:
        """Return (2,) float64 weights of what the search kernel does not know: walk, station."""
        return np.array(astuple(self)[KERNEL_WEIGHTS:], dtype=np.float64)


@dataclass(frozen=True)
class Cost:
    """The weighted terms of the objective, metres of border through open ground."""

    limit: float
    balance: float
    border: float
    compactness: float
    compound: float
    moved: float
    walk: float = 0.0
    station: float = 0.0

    @property
    def total(self) -> float:
        """Return the objective."""
        return float(sum(asdict(self).values()))


@dataclass(frozen=True)
class PlanFigures:
    """What the objective weighs of a plan.

    Attributes
    ----------
    households
        (k,) int64 or float64 households of each grid that has to be within the limits.
    border
        Border cost, metres.
    area, perimeter
        (g,) float64 land of each grid, m2, and the length of its outline, metres.
    extra_grids
        Grids in which compounds lie beyond the least necessary number.
    moved
        Households in another grid than in the previous plan.
    walk, station
        Walks of all households, and what they go further than to their nearest stations, in
        hundreds of households times hundreds of metres.
    """

    households: Floats | Ints
    border: float
    area: Floats
    perimeter: Floats
    extra_grids: int
    moved: int
    walk: float = 0.0
    station: float = 0.0


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
        (n,) int64 grid of each node, numbered from 0.
    previous
        (n,) int64 grid of each node in the previous plan, in the same numbers; -1 for none.
    """
    grids = int(label.max(initial=-1)) + 1
    area: Floats = np.bincount(label, weights=graph.area, minlength=grids).astype(np.float64)
    previous = np.full(len(graph), -1) if previous is None else previous
    figures = PlanFigures(
        households=np.bincount(label, weights=graph.households, minlength=grids),
        border=border_cost(graph, label),
        area=area,
        perimeter=_perimeters(graph, label),
        extra_grids=int(count_extra_grids(graph.compound, graph.households, label, limits).sum()),
        moved=int(graph.households[(previous >= 0) & (label != previous)].sum()),
    )
    return weighted_cost(figures, limits, weights)


def weighted_cost(figures: PlanFigures, limits: Limits, weights: Weights) -> Cost:
    """Return the objective from the figures of a plan."""
    excess, imbalance = household_terms(figures.households, limits)
    roundness = figures.perimeter**2 / (4 * np.pi * np.maximum(figures.area, 1e-9)) - 1
    return Cost(
        limit=weights.limit * float(excess.sum()),
        balance=weights.balance * float(imbalance.sum()),
        border=weights.border * figures.border,
        compactness=weights.compactness * float(roundness.sum()),
        compound=weights.compound * float(figures.extra_grids),
        moved=weights.moved * float(figures.moved),
        walk=weights.walk * figures.walk,
        station=weights.station * figures.station,
    )


def household_terms(households: Floats | Ints, limits: Limits) -> tuple[Floats, Floats]:
    """Return (k,) float64 households outside the limits, and squared hundreds off the target.

    Parameters
    ----------
    households
        (k,) int64 or float64 households of each grid.
    """
    excess = np.maximum(households - limits.upper, 0) + np.maximum(limits.lower - households, 0)
    off = (households - limits.target) / 100.0
    return excess.astype(np.float64), off**2


def border_cost(graph: Graph, label: Ints) -> float:
    """Return the border cost of a (n,) int64 label in metres."""
    return float(np.where(_is_cut(graph, label), graph.cut, graph.inside).sum())


def _is_cut(graph: Graph, label: Ints) -> Bools:
    """Return (m,) whether the nodes of an edge are in different grids."""
    is_cut: Bools = label[graph.edges[:, 0]] != label[graph.edges[:, 1]]
    return is_cut


def _perimeters(graph: Graph, label: Ints) -> Floats:
    """Return (g,) the length of the outline of each grid, metres."""
    grids, is_cut = int(label.max(initial=-1)) + 1, _is_cut(graph, label)
    perimeter: Floats = np.bincount(label, graph.outline, grids).astype(np.float64)
    for end in (0, 1):
        ends = label[graph.edges[is_cut, end]]
        perimeter += np.bincount(ends, weights=graph.length[is_cut], minlength=grids)
    return perimeter


def count_needed_grids(compound: Ints, households: Ints, limits: Limits) -> Ints:
    """Return (c,) int64 how many grids each compound needs at least.

    Parameters
    ----------
    compound, households
        (n,) compound of each item (node or atom), -1 for none, and its households.
    """
    inside = compound >= 0
    total = np.bincount(compound[inside], households[inside], int(compound.max(initial=-1)) + 1)
    needed: Ints = np.maximum(np.ceil(total / limits.upper), 1).astype(np.int64)
    return needed


def count_compound_grids(compound: Ints, grid: Ints) -> Ints:
    """Return (c,) int64 in how many grids each compound lies.

    Parameters
    ----------
    compound, grid
        (n,) compound of each item, -1 for none, and its grid.
    """
    inside = compound >= 0
    pairs = np.unique(np.stack([compound[inside], grid[inside]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=int(compound.max(initial=-1)) + 1)


def count_extra_grids(compound: Ints, households: Ints, grid: Ints, limits: Limits) -> Ints:
    """Return (c,) int64 in how many grids each compound lies beyond the least necessary number.

    Parameters
    ----------
    compound, households, grid
        (n,) compound of each item, -1 for none, its households and its grid.
    """
    needed = count_needed_grids(compound, households, limits)
    extra: Ints = np.maximum(count_compound_grids(compound, grid) - needed, 0)
    return extra
