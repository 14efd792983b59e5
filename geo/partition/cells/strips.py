"""Strips: thin rooms without buildings, as between a wall and a street or two carriageways."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.geometry.shared_borders import find_borders
from geo.partition.cells.barriers import (
    Barriers,
    find_barrier_kinds,
)
from geo.types import Bools, Ints, Polygons

THIN_ROOM_M = 20.0
"""A room without buildings that is narrower than this is divided among its neighbours."""


@dataclass(frozen=True)
class Strips:
    """Thin rooms without buildings, and the rooms with buildings that they are divided among.

    Attributes
    ----------
    rooms, kinds
        (s,) int64 the thin rooms, and (s,) int8 the weakest barrier between each and a room with
        buildings.
    pairs
        (p, 2) int64 a thin room, and a room with buildings behind its weakest barrier.
    """

    rooms: Ints
    kinds: NDArray[np.int8]
    pairs: Ints

    def footprints(self, home: Ints) -> tuple[Ints, Ints]:
        """Return pairs of a thin room and a building behind its weakest barriers, as two columns.

        Parameters
        ----------
        home
            (b,) int64 room of each building.

        Returns
        -------
        tuple of ndarray
            (p,) int64 thin rooms and (p,) int64 rows of buildings.
        """
        by_room = np.argsort(home, kind="stable")
        start = np.searchsorted(home[by_room], self.pairs[:, 1])
        count = np.searchsorted(home[by_room], self.pairs[:, 1], side="right") - start
        return np.repeat(self.pairs[:, 0], count), by_room[concatenate_ranges(start, count)]


def find_strips(home: Ints, rooms: Polygons, is_water: Bools, barriers: Barriers) -> Strips:
    """Find the strips between a wall and a street, or between two carriageways.

    A strip goes to the buildings behind the weakest barrier that has any. Between carriageways
    that is both sides: the border in the middle still lies on the street.

    Parameters
    ----------
    home
        (b,) int64 room of each footprint.
    rooms, is_water
        (r,) polygons in metres, and (r,) whether each is a water.
    barriers
        The barriers, clipped to the community.
    """
    empty = np.bincount(home, minlength=len(rooms)) == 0
    width = 2 * shapely.area(rooms) / shapely.length(rooms)
    thin = empty & ~is_water & (width < THIN_ROOM_M)
    shared = find_borders(rooms)
    kind = find_barrier_kinds(shared.midpoints(), barriers)
    inner = shared.left >= 0
    one = np.concatenate([shared.left[inner], shared.right[inner]])
    other = np.concatenate([shared.right[inner], shared.left[inner]])
    kind = np.tile(kind[inner], 2)
    useful = thin[one] & ~empty[other]
    one, other, kind = one[useful], other[useful], kind[useful]
    weakest = np.full(len(rooms), np.iinfo(np.int8).max, dtype=np.int8)
    np.minimum.at(weakest, one, kind)
    behind = kind == weakest[one]
    pairs = np.unique(np.stack([one[behind], other[behind]], axis=1), axis=0)
    strips = np.unique(pairs[:, 0])
    return Strips(strips, weakest[strips], pairs)


def concatenate_ranges(start: Ints, count: Ints) -> Ints:
    """Return (n,) int64 numbers: (k,) ``count`` of them from each of (k,) ``start``."""
    numbers: Ints = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(count.sum())
    return numbers
