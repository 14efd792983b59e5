"""Spans along the side of a building, metres from its start: blocked, and free for ladders."""

from dataclasses import dataclass
from itertools import pairwise

import shapely

from geo.types import Geometries

Spans = list[tuple[float, float]]


@dataclass(frozen=True)
class Requirement:
    """What the code requires of the areas along one side of a building, in metres.

    Attributes
    ----------
    total, least
        Length of all areas together, and of each.
    gap
        Largest gap between two areas.
    in_pieces
        Whether several areas count together, as they do up to 50 m of height.
    """

    total: float
    least: float
    gap: float
    in_pieces: bool


def find_longest_spans(
    taken: Spans,
    length: float,
    requirement: Requirement,
) -> tuple[Spans, float]:
    """Return the free spans along a side and their usable metres.

    The spans reach beyond the ends of the side, in pieces, if only these suffice.
    """
    total, least = requirement.total, requirement.least
    spans = _free_spans(taken, length, max(total, least) - length, least)
    usable = usable_length(spans, requirement)
    if not requirement.in_pieces or usable >= total - 0.1:
        return spans, usable
    pieces = _free_spans(taken, length, requirement.gap, least)
    together = usable_length(pieces, requirement)
    if together >= total - 0.1 and has_third_of_side(pieces, length):
        return pieces, together
    return spans, usable


def find_blocked_spans(
    hard: Geometries, length: float, offset: float, width: float, buildings: int, start: float
) -> tuple[Spans, list[int]]:
    """Return the blocked spans along a side at an offset, and the buildings that block them.

    The strip extends beyond both ends of the side, as an area may. That of buildings begins at
    ``start`` metres from the wall, so that what lies between wall and area blocks too.

    Parameters
    ----------
    hard
        (n,) shapes along the axes of the side: first the ``buildings``, then barriers.
    length, offset, width
        Metres of the side, from it to the area, and of the area across.
    """
    far = -offset - width
    of_building = shapely.box(-length, far, 2 * length, -start)
    of_barrier = shapely.box(-length, far, 2 * length, -offset)
    cut = [
        *shapely.intersection(hard[:buildings], of_building),
        *shapely.intersection(hard[buildings:], of_barrier),
    ]
    taken, blockers = [], []
    for index, part in enumerate(cut):
        if part.is_empty:
            continue
        west, _, east, _ = shapely.bounds(part)
        taken.append((float(west), float(east)))
        if index < buildings:
            blockers.append(index)
    return sorted(taken), blockers


def _free_spans(taken: Spans, length: float, beyond: float, least: float) -> Spans:
    """Return the free spans between blocked ones, of at least a length.

    Parameters
    ----------
    beyond
        Metres beyond the side, one half at each end.
    """
    over = max(0.0, beyond / 2)
    at, end = -over, length + over
    free = []
    for low, high in taken:
        if low > at:
            free.append((at, min(low, end)))
        at = max(at, high)
    if at < end:
        free.append((at, end))
    return [(a, b) for a, b in free if b - a >= least - 1e-6]


def has_third_of_side(spans: Spans, length: float) -> bool:
    """Return whether usable spans lie before at least a third of a side, not beyond its ends."""
    before = sum(max(0.0, min(b, length) - max(a, 0.0)) for a, b in spans)
    return before >= length / 3


def usable_length(spans: Spans, requirement: Requirement) -> float:
    """Return the usable metres: those of one span, or of several with small gaps."""
    if not requirement.in_pieces or not spans:
        return max((b - a for a, b in spans), default=0.0)
    best = total = spans[0][1] - spans[0][0]
    for (_, end), (start, stop) in pairwise(spans):
        total = total + stop - start if start - end <= requirement.gap else stop - start
        best = max(best, total)
    return best
