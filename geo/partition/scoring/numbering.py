"""Grid codes: the community's 12 digits and a serial of 3."""

import numpy as np

from geo.types import Bools, Floats, Ints

SERIAL_DIGITS = 3

FIRST_DEDICATED = 901
"""Serial of the first dedicated grid."""

ROW_HEIGHT_SHARE = 0.6
"""A new row of the reading order begins this share of a row's height below the first place."""


def reading_order(xy: Floats, area: Floats) -> Ints:
    """Return (g,) int64 the places in reading order: row by row from the north-west.

    Parameters
    ----------
    xy
        (g, 2) float64 centres, metres.
    area
        (g,) float64 m2; a row is as high as the median grid.
    """
    row_height = max(float(np.sqrt(np.median(area))), 1.0)
    southwards = np.lexsort((xy[:, 0], -xy[:, 1]))
    row = np.zeros(len(xy), dtype=np.int64)
    top, number = xy[southwards[0], 1], 0
    for place in southwards:
        if top - xy[place, 1] > ROW_HEIGHT_SHARE * row_height:
            top, number = xy[place, 1], number + 1
        row[place] = number
    order: Ints = np.lexsort((xy[:, 0], row))
    return order


def assign_serials(xy: Floats, area: Floats, dedicated: Bools, kept: Ints | None = None) -> Ints:
    """Assign a serial to each grid.

    Parameters
    ----------
    xy, area, dedicated
        (g, 2) float64 centres in metres, (g,) float64 m2, and (g,) whether a grid is dedicated.
    kept
        (g,) int64 serial that a grid keeps from the previous plan, 0 for a new one.

    Returns
    -------
    serials
        (g,) int64 numbers from 1 in reading order, dedicated grids from 901; new grids fill the
        numbers that no grid keeps.
    """
    number = np.zeros(len(xy), dtype=np.int64) if kept is None else kept.copy()
    taken = set(number[number > 0].tolist())
    next_serial = {False: 1, True: FIRST_DEDICATED}
    for grid in reading_order(xy, area):
        if number[grid] > 0:
            continue
        kind = bool(dedicated[grid])
        while next_serial[kind] in taken:
            next_serial[kind] += 1
        number[grid] = next_serial[kind]
        taken.add(next_serial[kind])
    return number


def grid_codes(community: str, serial: Ints) -> list[str]:
    """Return the 15-digit codes of a community's grids, from (g,) int64 numbers in ``serial``."""
    return [f"{community}{number:0{SERIAL_DIGITS}d}" for number in serial]


def serial_of(code: str, community: str) -> int:
    """Return the serial in a grid's code, 0 where it is not a code of this community."""
    tail = code.removeprefix(community)
    return int(tail) if len(tail) == SERIAL_DIGITS and tail.isdecimal() else 0
