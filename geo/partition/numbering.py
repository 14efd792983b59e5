"""Grid codes: the community's 12 digits and a serial of 3."""

import numpy as np
from numpy.typing import NDArray

from geo.partition.coverage import Floats, Ints

FIRST_DEDICATED = 901
"""Serial of the first dedicated grid (design, section 3)."""


def reading_order(xy: Floats, area: Floats) -> Ints:
    """Return the order of places from the north-west, row by row like a page.

    Parameters
    ----------
    xy
        (g, 2) centres, metres.
    area
        (g,) m2; a row is as high as a middling grid.
    """
    row_height = max(float(np.sqrt(np.median(area))), 1.0)
    row = np.floor((xy[:, 1].max() - xy[:, 1]) / row_height)
    order: Ints = np.lexsort((xy[:, 0], row))
    return order


def serials(
    xy: Floats, area: Floats, dedicated: NDArray[np.bool_], kept: Ints | None = None
) -> Ints:
    """Return the serial of each grid.

    Parameters
    ----------
    xy, area, dedicated
        (g,) grids: centre, m2, whether dedicated.
    kept
        (g,) serial that a grid keeps from the plan before, 0 for a new one.

    Returns
    -------
    serials
        (g,) numbers from 1 in reading order, dedicated grids from 901, new grids filling the
        numbers that no grid keeps.
    """
    number = np.zeros(len(xy), dtype=np.int64) if kept is None else kept.copy()
    taken = set(number[number > 0].tolist())
    following = {False: 1, True: FIRST_DEDICATED}
    for grid in reading_order(xy, area):
        if number[grid] > 0:
            continue
        kind = bool(dedicated[grid])
        while following[kind] in taken:
            following[kind] += 1
        number[grid] = following[kind]
        taken.add(following[kind])
    return number


def grid_codes(community: str, serial: Ints) -> list[str]:
    """Return the 15-digit codes of a community's grids."""
    return [f"{community}{number:03d}" for number in serial]
