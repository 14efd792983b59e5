"""Match the grids of two drawings with each other by the households that they share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.types import Floats, Ints


def match_grids(
    one: Ints, other: Ints, households: NDArray[np.number[Any]], shape: tuple[int, int]
) -> tuple[Ints, Ints, Floats]:
    """Match grids of two drawings so that the matched ones share as many households as possible.

    Parameters
    ----------
    one, other
        (k,) int64 grid of each item (node or atom) in either drawing.
    households
        (k,) households of each item.
    shape
        Number of grids in either drawing.

    Returns
    -------
    one, other, shared
        (min(shape),) int64 the grids of each match, and float64 the households that they share.
    """
    shared: Floats = np.zeros(shape)
    np.add.at(shared, (one, other), households)
    from scipy.optimize import linear_sum_assignment  # a third of a second to import

    left, right = linear_sum_assignment(-shared)
    return left, right, shared[left, right]
