"""Our cells compared with momepy's enclosed tessellation, one process each."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import geopandas as gpd
import momepy
import numpy as np
import shapely

from geo.partition.cells.barriers import build_rooms, clip_barriers
from geo.partition.cells.tessellation import RIDGE_SIMPLIFY_M, build_cells
from geo.partition.community import Community, build_barriers
from geo.types import Floats, Polygons

SPACING_M, FINE_M = 1.0, 0.5
TIMES = 3
EVERY_M = 1.0

COMMON_M2 = 0.5

CLEAR_M = 0.5
"""Nearer than this to a barrier a border is the barrier's."""


@dataclass(frozen=True)
class Tessellation:
    """What both took, and how far our borders between buildings lie from momepy's."""

    buildings: int
    ours_s: float
    momepy_s: float
    off_m_99: float
    off_m_max: float
    share_within_half_metre: float

    @property
    def times_faster(self) -> float:
        """Return how many times faster ours is."""
        return self.momepy_s / self.ours_s


def compare_tessellations(community: Community) -> Tessellation:
    """Draw the cells of a community both ways, momepy's within our blocks."""
    feet = community.buildings.geometry.to_numpy()
    barriers = build_barriers(community)
    blocks = build_rooms(community.polygon, clip_barriers(barriers, community.polygon))
    crs = community.buildings.crs
    enclosures = gpd.GeoDataFrame({"eID": np.arange(len(blocks))}, geometry=list(blocks), crs=crs)

    def peer(spacing: float) -> gpd.GeoDataFrame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return momepy.enclosed_tessellation(
                community.buildings.geometry, enclosures.geometry, segment=spacing, n_jobs=1
            )

    ours = build_cells(community.polygon, feet, barriers, RIDGE_SIMPLIFY_M)
    owner = np.full(len(ours.polygons), -1)
    owner[ours.cell_of_atom] = np.arange(len(feet))
    fine = peer(FINE_M)
    fine = fine[fine.index >= 0]
    off = _off(
        _edges(ours.polygons, owner),
        _edges(fine.geometry.to_numpy(), fine.index.to_numpy()),
        feet,
        blocks,
        ours.barriers.lines,
    )
    return Tessellation(
        len(feet),
        _seconds(lambda: build_cells(community.polygon, feet, barriers)),
        _seconds(lambda: peer(SPACING_M)),
        float(np.quantile(off, 0.99)),
        float(off.max()),
        float((off < CLEAR_M).mean()),
    )


def _seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of some runs: other processes don't count in it."""
    took = []
    for _ in range(TIMES):
        started = time.process_time()
        work()
        took.append(time.process_time() - started)
    return min(took)


def _edges(cells: Polygons, owner: np.ndarray) -> dict[tuple[int, int], shapely.Geometry]:
    """Return the border between each two buildings."""
    one, other = shapely.STRtree(cells).query(cells, predicate="intersects")
    pairs = (owner[one] >= 0) & (owner[one] < owner[other])
    one, other = one[pairs], other[pairs]
    shared = shapely.intersection(shapely.boundary(cells[one]), shapely.buffer(cells[other], 1e-3))
    found: dict[tuple[int, int], shapely.Geometry] = {}
    for a, b, line in zip(owner[one], owner[other], shared, strict=True):
        if shapely.length(line) > EVERY_M:
            key = (int(a), int(b))
            found[key] = shapely.union(found[key], line) if key in found else line
    return found


def _off(
    ours: dict[tuple[int, int], shapely.Geometry],
    theirs: dict[tuple[int, int], shapely.Geometry],
    feet: Polygons,
    blocks: Polygons,
    lines: Polygons,
) -> Floats:
    """Return how far points of their borders are from our border of the same two buildings.

    Buildings that cross a barrier are left out (momepy cuts them, we don't), and those that overlap
    another (their common ground belongs to neither by definition), and parts of a border
    nearer to a barrier (including dead-end streets), or to a third building, than to the two.
    """
    walls = shapely.union_all(np.concatenate([shapely.boundary(blocks), lines]))
    shapely.prepare(walls)
    tree = shapely.STRtree(feet)
    whole = ~shapely.intersects(feet, walls)
    whole[_overlapping(feet, tree)] = False
    found = [np.empty(0)]
    for a, b in theirs.keys() & ours.keys():
        if not (whole[a] and whole[b]):
            continue
        border = shapely.segmentize(theirs[a, b], EVERY_M)
        points = shapely.points(shapely.get_coordinates(border))
        away = np.maximum(*(shapely.distance(points, feet[one]) for one in (a, b)))
        nearest = shapely.distance(points, feet[tree.nearest(points)])
        between = (shapely.distance(points, walls) > away) & (nearest > away - CLEAR_M)
        found.append(shapely.distance(points[between], ours[a, b]))
    return np.concatenate(found)


def _overlapping(feet: Polygons, tree: shapely.STRtree) -> np.ndarray:
    """Return the buildings that have ground in common with another."""
    one, other = tree.query(feet, predicate="intersects")
    one, other = one[one != other], other[one != other]
    common = shapely.area(shapely.intersection(feet[one], feet[other]))
    return np.unique(one[common > COMMON_M2])
