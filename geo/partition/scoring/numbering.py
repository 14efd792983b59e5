"""Grid codes: the community's 12 digits and a serial of 3."""

import numpy as np
from numpy.typing import NDArray

from geo.types import Floats, Ints

SERIAL_DIGITS = 3

FIRST_DEDICATED = 901
"""Serial of the first dedicated grid (design, section 3)."""


ROW_SHARE = 0.6


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
    southwards = np.lexsort((xy[:, 0], -xy[:, 1]))
    row = np.zeros(len(xy), dtype=np.int64)
    top, number = xy[southwards[0], 1], 0
    for place in southwards:
        # A row begins where a place lies most of a grid's height below the last row's first.
        if top - xy[place, 1] > ROW_SHARE * row_height:
            top, number = xy[place, 1], number + 1
        row[place] = number
    order: Ints = np.lexsort((xy[:, 0], row))
    return order


def assign_serials(
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
    return [f"{community}{number:0{SERIAL_DIGITS}d}" for number in serial]


def serial_of(code: str, community: str) -> int:
    """Return the serial in a grid's code, 0 where it is not a code of this community."""
    tail = code.removeprefix(community)
    return int(tail) if len(tail) == SERIAL_DIGITS and tail.isdecimal() else 0
