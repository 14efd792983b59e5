"""Map colouring: neighbouring areas differ, also for colour-blind readers."""

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.types import Geometries

PALETTE: tuple[str, ...] = (
    "#f9e596",  # straw
    "#a3a2e8",  # lavender
    "#e4f5da",  # mint
    "#d89a7d",  # terracotta
    "#b9e8fb",  # sky
    "#c0a1ac",  # mauve
    "#71c2d7",  # teal
    "#e4b7ab",  # salmon
)
"""Fills of grids and communities, light enough for dark numbers on them.

Chosen for the largest distance in CIELAB between any two as seen with normal vision and with
protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009): 23 among the
first six, 13 among all eight, where 2.3 is just noticeable.
"""

PREFERRED_COLOURS = 6
"""Number of colours to use first. A planar map never needs more (its graph is 5-degenerate); the
last two serve where many areas meet at a corner or an area has several parts."""

TOUCHING_DEGREES = 1e-6
"""Areas nearer to each other than this touch."""

UNINHABITED_FILL = "#e3e1da"
"""Fill of buildings without households."""

Edges = tuple[NDArray[np.intp], NDArray[np.intp]]


def darken(fill: str, share: float = 0.76) -> str:
    """Return a colour (``#rrggbb``) with its channels multiplied by a share."""
    parts = (round(int(fill[i : i + 2], 16) * share) for i in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in parts)


def touching_pairs(areas: Geometries, gap: float) -> Edges:
    """Return the pairs of areas that touch at a border or a corner.

    Parameters
    ----------
    areas
        Polygons, shape (n,), dtype object; None and empty ones touch nothing.
    gap
        Largest distance of areas that count as touching, in the unit of the coordinates, since
        borders of neighbouring communities may come from different surveys.

    Returns
    -------
    tuple of ndarray
        Two arrays of indices, shape (m,), dtype intp: each pair once, the smaller index first.
    """
    left, right = shapely.STRtree(areas).query(areas, predicate="dwithin", distance=gap)
    is_first = left < right
    return left[is_first], right[is_first]


def colour_areas(count: int, edges: Edges) -> NDArray[np.intp]:
    """Return an index into :data:`PALETTE` for each area such that neighbours differ.

    Areas are coloured in smallest-last order (Matula and Beck 1983), which needs at most six
    colours for a planar map. Each gets the colour used least so far, which keeps the counts of
    colours even. The same input gives the same colours.

    Parameters
    ----------
    count
        Number of areas.
    edges
        Pairs of neighbours from :func:`touching_pairs`: two arrays of indices, shape (m,).

    Returns
    -------
    ndarray
        Palette index of each area, shape (count,), dtype intp.
    """
    around = _adjacency(count, edges)
    colours = np.full(count, -1, dtype=np.intp)
    used = np.zeros(len(PALETTE), dtype=np.intp)
    for area in reversed(_smallest_last(around)):
        colours[area] = _free_colour(colours[list(around[area])], used)
        used[colours[area]] += 1
    return colours


def _adjacency(count: int, edges: Edges) -> list[set[int]]:
    around: list[set[int]] = [set() for _ in range(count)]
    for left, right in zip(*(side.tolist() for side in edges), strict=True):
        around[left].add(right)
        around[right].add(left)
    return around


def _smallest_last(around: list[set[int]]) -> list[int]:
    """Return the areas in the order of removal, always removing one with fewest neighbours left."""
    degree = [len(others) for others in around]
    by_degree: list[set[int]] = [set() for _ in range(max(degree, default=0) + 1)]
    for area, size in enumerate(degree):
        by_degree[size].add(area)
    order: list[int] = []
    while len(order) < len(around):
        size = next(size for size, areas in enumerate(by_degree) if areas)
        area = min(by_degree[size])
        by_degree[size].remove(area)
        order.append(area)
        degree[area] = -1
        for other in around[area]:
            if degree[other] > 0:
                by_degree[degree[other]].remove(other)
                degree[other] -= 1
                by_degree[degree[other]].add(other)
    return order


def _free_colour(taken: NDArray[np.intp], used: NDArray[np.intp]) -> int:
    clashes = np.bincount(taken[taken >= 0], minlength=len(PALETTE))
    for choice in (np.arange(PREFERRED_COLOURS), np.arange(len(PALETTE))):
        free = choice[clashes[choice] == 0]
        if len(free):
            return int(free[used[free].argmin()])
    return int(clashes.argmin())
