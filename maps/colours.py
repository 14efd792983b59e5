"""Map colouring: neighbours always differ, also for people who see fewer colours."""

import numpy as np
import shapely
from numpy.typing import NDArray

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
"""Colours taken first. A map in the plane never needs more (its graph is 5-degenerate); the
last two serve where many areas meet at one corner, or where an area is in several parts."""

UNINHABITED_FILL = "#e3e1da"
"""Of a building in which nobody lives."""

Edges = tuple[NDArray[np.intp], NDArray[np.intp]]


def darken(fill: str, share: float = 0.76) -> str:
    """Return a colour (``#rrggbb``) with only a share of its light."""
    parts = (round(int(fill[i : i + 2], 16) * share) for i in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in parts)


def touching_pairs(areas: NDArray[np.object_], gap: float) -> Edges:
    """Return the pairs of areas that touch, at a border or at a corner.

    Parameters
    ----------
    areas
        Polygons, shape (n,); null and empty ones have no neighbours.
    gap
        Areas up to this far apart count as touching, in the unit of the coordinates: borders
        of two communities come from two surveys.

    Returns
    -------
    tuple
        Two arrays of indices, each pair once, the smaller index first.
    """
    left, right = shapely.STRtree(areas).query(areas, predicate="dwithin", distance=gap)
    once = left < right
    return left[once], right[once]


def colour_areas(count: int, edges: Edges) -> NDArray[np.intp]:
    """Return an index into :data:`PALETTE` for each area such that neighbours differ.

    Areas are taken in smallest-last order (Matula and Beck 1983), which needs at most six
    colours for any planar map, and each takes the colour used least so far, so that all are
    used alike. The same input gives the same colours.

    Parameters
    ----------
    count
        Number of areas.
    edges
        Pairs of neighbours, as from :func:`neighbours`.
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
    """Return the areas in the order of taking away the one with fewest neighbours left."""
    degree = [len(others) for others in around]
    waiting: list[set[int]] = [set() for _ in range(max(degree, default=0) + 1)]
    for area, size in enumerate(degree):
        waiting[size].add(area)
    order: list[int] = []
    while len(order) < len(around):
        size = next(size for size, areas in enumerate(waiting) if areas)
        area = min(waiting[size])
        waiting[size].remove(area)
        order.append(area)
        degree[area] = -1
        for other in around[area]:
            if degree[other] > 0:
                waiting[degree[other]].remove(other)
                degree[other] -= 1
                waiting[degree[other]].add(other)
    return order


def _free_colour(taken: NDArray[np.intp], used: NDArray[np.intp]) -> int:
    clashes = np.bincount(taken[taken >= 0], minlength=len(PALETTE))
    for choice in (np.arange(PREFERRED_COLOURS), np.arange(len(PALETTE))):
        free = choice[clashes[choice] == 0]
        if len(free):
            return int(free[used[free].argmin()])
    return int(clashes.argmin())
