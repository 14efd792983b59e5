"""Partial drawings of the proof, and what extends them, as arrays for compiled loops."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.types import Bools, Floats, Ints

MAX_FRONTIER = 20
"""Maximum number of nodes on the frontier."""

MAX_OPEN_GRIDS = 12
"""Maximum number of grids that reach the frontier."""

NONE = np.uint8(255)
"""Label of an empty slot."""

Bytes = NDArray[np.uint8]
Words = NDArray[np.int32]
Bits = NDArray[np.uint64]


class States(NamedTuple):
    """Partial drawings; the sums of a grid are over its nodes assigned so far.

    Grids are numbered in the order of the slots of the frontier. ``low`` and ``high`` are
    households, ``outline`` and ``area`` in the units of :class:`Rules`.
    """

    label: Bytes  # (s, MAX_FRONTIER) grid of each node of the frontier
    piece: Bytes  # (s, MAX_FRONTIER) connected piece of that grid
    low: Words  # (s, MAX_OPEN_GRIDS)
    high: Words  # (s, MAX_OPEN_GRIDS)
    outline: Words  # (s, MAX_OPEN_GRIDS) lower bound
    area: Words  # (s, MAX_OPEN_GRIDS) upper bound
    compounds: Bits  # (s, MAX_OPEN_GRIDS) unfinished compounds with a node in the grid
    cost: Floats  # (s,) final part of the cost
    bound: Floats  # (s,) lower bound on completions
    parent: Words  # (s,) state in the previous step
    choice: Bytes  # (s,) grid of the step's node, in the parent's numbers
    mark: Bits  # (s,) hash of the part that has to agree


class Step(NamedTuple):
    """One node, and the costs that become final with it."""

    slot: int
    beside: Ints  # (k,) slots of neighbours assigned before
    same: Floats  # (k,) cost if in one grid with it
    differ: Floats  # (k,) cost if not
    length: Ints  # (k,) of the shared border
    linked: Bools  # (k,) whether the edge connects them
    households: int
    outline: int
    area: int
    compound: int  # its bit, -1 for none
    compound_cost: float  # of a further grid with a node of the compound
    retired: int  # bit of a compound that ends here, -1 for none
    leaving: Ints  # slots whose nodes have no neighbour to come
    households_to_come: int
    area_to_come: int
    rest: Floats  # (households + 1,) least cost of the rest, by households it may share


class Rules(NamedTuple):
    """The objective; ``least[h]`` is the least cost of h households in any number of grids."""

    target: float
    lower: float
    upper: float
    limit: float
    balance: float
    compactness: float
    compound: float
    metres: float  # metres of a unit of outline
    square_metres: float  # m2 of a unit of area
    least: Floats  # (households + 1,)


class Coarseness(NamedTuple):
    """Bits of the sums that need not agree for two states to be merged."""

    households: int
    outline: int
    area: int


def allocate_states(count: int) -> States:
    """Allocate arrays for ``count`` states."""

    def sums() -> Words:
        return np.zeros((count, MAX_OPEN_GRIDS), np.int32)

    return States(
        np.full((count, MAX_FRONTIER), NONE, np.uint8),
        np.full((count, MAX_FRONTIER), NONE, np.uint8),
        sums(),
        sums(),
        sums(),
        sums(),
        np.zeros((count, MAX_OPEN_GRIDS), np.uint64),
        np.zeros(count),
        np.zeros(count),
        np.zeros(count, np.int32),
        np.zeros(count, np.uint8),
        np.zeros(count, np.uint64),
    )
