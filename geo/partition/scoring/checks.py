"""What is wrong with the polygons of a plan, place by place."""

from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from geo import crs
from geo.partition.cells.graph import Graph, join_islands_by_ways
from geo.types import Ints, Polygons

Faults = list[tuple[str, dict[str, Any]]]

MIN_FAULT_M2 = 0.01
"""Gaps and overlaps smaller than this are rounding."""

MAX_NAMED = 5
"""So many overlaps, or buildings cut, are named one by one."""

MIN_CUT_M2 = 1.0
"""A building with less of its footprint than this in another grid is drawn a little off."""


def is_in_one_piece(polygon: shapely.Geometry, ways: Polygons) -> bool:
    """Return whether a polygon's pieces hang together, by themselves or by ways between them."""
    pieces = shapely.get_parts(polygon)
    n = len(pieces)
    if n < 2:
        return n == 1
    none = np.empty((0, 2), dtype=np.int64)
    zero, nothing = np.zeros(n), np.zeros(0)
    graph = Graph(
        zero.astype(np.int64), none, nothing, nothing, nothing, zero, zero, np.zeros((n, 2))
    )
    return join_islands_by_ways(graph, pieces, ways).components()[0] == 1


def find_grids_in_pieces(polygons: Polygons, whole: NDArray[np.bool_]) -> Faults:
    """Return the grids whose pieces nothing joins.

    Parameters
    ----------
    polygons, whole
        (g,) grids, and whether each hangs together.
    """
    return [
        ("grid_in_pieces", {"grid": int(grid), "count": len(shapely.get_parts(polygons[grid]))})
        for grid in np.flatnonzero(~whole)
    ]


def find_overlaps(polygons: Polygons) -> Faults:
    """Return the pairs of grids that overlap, the largest overlaps first."""
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    one, other = one[one < other], other[one < other]
    area = shapely.area(shapely.intersection(polygons[one], polygons[other]))
    order = np.argsort(-area, kind="stable")[:MAX_NAMED]
    return [
        ("grids_overlap", {"grid": int(one[n]), "other": int(other[n]), "area": float(area[n])})
        for n in order[area[order] > MIN_FAULT_M2]
    ]


def describe_gap(missing: shapely.Geometry, system: object) -> Faults:
    """Return the land in no grid, and where most of it is.

    Parameters
    ----------
    missing
        The land, in metres of the system.
    """
    where = _place(missing, system)
    return [("land_in_no_grid", {"area": float(shapely.area(missing)), **where})]


def describe_land_outside(outside: shapely.Geometry, system: object) -> Faults:
    """Return the land of grids that lies outside the community, and where most of it is."""
    where = _place(outside, system)
    return [("grids_beyond", {"area": float(shapely.area(outside)), **where})]


def _place(shape: shapely.Geometry, system: object) -> dict[str, float]:
    """Return longitude and latitude of a point in the largest part of a shape."""
    parts = shapely.get_parts(shape)
    point = shapely.point_on_surface(parts[shapely.area(parts).argmax()])
    lonlat = pyproj.Transformer.from_crs(system, crs.STORAGE, always_xy=True)
    lon, lat = lonlat.transform(point.x, point.y)
    return {"lon": lon, "lat": lat}


def find_cut_buildings(polygons: Polygons, grounds: Polygons, names: Polygons) -> Faults:
    """Return the buildings through which a border runs, those most cut first.

    Parameters
    ----------
    grounds, names
        (a,) ground on which each building stands, and what to call it.
    """
    building, grid = shapely.STRtree(polygons).query(grounds, predicate="intersects")
    area = shapely.area(shapely.intersection(grounds[building], polygons[grid]))
    building, area = building[area > MIN_CUT_M2], area[area > MIN_CUT_M2]
    count = np.bincount(building, minlength=len(grounds))
    largest = np.zeros(len(grounds))
    np.maximum.at(largest, building, area)
    lesser = np.bincount(building, area, len(grounds)) - largest
    cut = np.flatnonzero(count > 1)
    order = cut[np.argsort(-lesser[cut], kind="stable")]
    found: Faults = [
        ("building_cut", {"name": str(names[n]), "count": int(count[n])}) for n in order[:MAX_NAMED]
    ]
    if len(order) > MAX_NAMED:
        found.append(("more_buildings_cut", {"count": len(order) - MAX_NAMED}))
    return found


def find_households_without_grid(grid: Ints, households: Ints, names: Polygons) -> Faults:
    """Return the households whose building lies in no grid."""
    lost = np.flatnonzero((grid < 0) & (households > 0))
    if len(lost) == 0:
        return []
    order = lost[np.argsort(-households[lost], kind="stable")]
    return [
        (
            "households_in_no_grid",
            {
                "households": int(households[lost].sum()),
                "count": len(lost),
                "names": ", ".join(str(names[n]) for n in order[:MAX_NAMED]),
            },
        )
    ]
