"""Faults of the polygons of a plan, each with its place."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import shapely

from geo import crs
from geo.partition.cells.graph import Graph
from geo.partition.cells.way_links import join_islands_by_ways
from geo.types import Bools, Ints, Points, Polygons, Strings

Faults = list[tuple[str, dict[str, Any]]]

MIN_FAULT_M2 = 0.01
"""Gaps and overlaps smaller than this are rounding."""

MAX_NAMED = 5
"""Overlaps, or cut buildings, that are named one by one."""

MIN_CUT_M2 = 1.0
"""A building with less of its footprint than this in another grid counts as inaccurately drawn."""


def is_in_one_piece(polygon: shapely.Geometry, ways: Polygons) -> bool:
    """Return whether a polygon's pieces are connected, directly or by (w,) ways between them."""
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


def drop_islets(polygons: Polygons, inhabited: Points) -> Polygons:
    """Return polygons without the pieces that nobody lives on and that touch no other polygon.

    Such land can't be connected to any grid, so that it does not matter in which one it is.

    Parameters
    ----------
    polygons, inhabited
        (g,) grids, and (k,) points of the buildings with households.
    """
    several = np.flatnonzero(shapely.get_num_geometries(polygons) > 1)
    pieces, owner = shapely.get_parts(polygons[several], return_index=True)
    needed = np.zeros(len(pieces), dtype=bool)
    needed[shapely.STRtree(inhabited).query(pieces, predicate="intersects")[0]] = True
    piece, other = shapely.STRtree(polygons).query(pieces, predicate="intersects")
    needed[piece[other != several[owner[piece]]]] = True
    needed |= ~np.isin(owner, owner[needed])
    result = polygons.copy()
    result[several] = shapely.multipolygons(pieces[needed], indices=owner[needed])
    return result


def find_grids_in_pieces(polygons: Polygons, whole: Bools) -> Faults:
    """Return the grids whose pieces nothing connects.

    Parameters
    ----------
    polygons, whole
        (g,) grids, and whether each is connected.
    """
    return [
        ("grid_in_pieces", {"grid": int(grid), "count": len(shapely.get_parts(polygons[grid]))})
        for grid in np.flatnonzero(~whole)
    ]


def _find_overlaps(polygons: Polygons) -> Faults:
    """Return the pairs of (g,) polygons that overlap, the largest overlaps first."""
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    one, other = one[one < other], other[one < other]
    area = shapely.area(shapely.intersection(polygons[one], polygons[other]))
    order = np.argsort(-area, kind="stable")[:MAX_NAMED]
    return [
        ("grids_overlap", {"grid": int(one[n]), "other": int(other[n]), "area": float(area[n])})
        for n in order[area[order] > MIN_FAULT_M2]
    ]


@dataclass(frozen=True)
class LandFit:
    """How the grids of a plan share the land of their community.

    Attributes
    ----------
    missing, outside
        Land that no grid has, and land of grids outside the community, metres.
    overlap_m2
        Land that several grids have.
    """

    missing: shapely.Geometry
    outside: shapely.Geometry
    overlap_m2: float


def compare_with_land(
    polygons: Polygons, community: shapely.Geometry, *, is_coverage: bool
) -> LandFit:
    """Compare grids with the land of their community.

    Parameters
    ----------
    polygons
        (g,) grids in metres.
    is_coverage
        Whether they are a valid coverage: then nothing needs noding.
    """
    union = (shapely.coverage_union_all if is_coverage else shapely.union_all)(polygons)
    overlap = float(shapely.area(polygons).sum() - shapely.area(union))
    # The symmetric difference tells in a fraction of the time whether there is any.
    if shapely.area(shapely.symmetric_difference(community, union)) < MIN_FAULT_M2 / 10:
        return LandFit(shapely.Polygon(), shapely.Polygon(), overlap)
    missing = shapely.difference(community, union)
    return LandFit(missing, shapely.difference(union, community), overlap)


def find_land_faults(polygons: Polygons, fit: LandFit, system: object) -> Faults:
    """Return the land that none or several of (g,) ``polygons`` have, or that is not theirs."""
    return [
        *_describe_land("land_in_no_grid", fit.missing, system),
        *(_find_overlaps(polygons) if fit.overlap_m2 > MIN_FAULT_M2 else []),
        *_describe_land("grids_beyond", fit.outside, system),
    ]


def _describe_land(key: str, shape: shapely.Geometry, system: object) -> Faults:
    """Return land as a fault, if there is any: its area and a point in its largest part."""
    area = float(shapely.area(shape))
    if area <= MIN_FAULT_M2:
        return []
    parts = shapely.get_parts(shape)
    point = shapely.point_on_surface(parts[shapely.area(parts).argmax()])
    lonlat = pyproj.Transformer.from_crs(system, crs.STORAGE, always_xy=True)
    lon, lat = lonlat.transform(point.x, point.y)
    return [(key, {"area": area, "lon": lon, "lat": lat})]


def find_cut_buildings(polygons: Polygons, footprints: Polygons, names: Strings) -> Faults:
    """Return the buildings through which a border runs, those most cut first.

    Parameters
    ----------
    polygons
        (g,) grids in metres.
    footprints, names
        (a,) footprint of each building, without what another one has of it, and its name.
    """
    building, grid = shapely.STRtree(polygons).query(footprints, predicate="intersects")
    area = shapely.area(shapely.intersection(footprints[building], polygons[grid]))
    building, area = building[area > MIN_CUT_M2], area[area > MIN_CUT_M2]
    count = np.bincount(building, minlength=len(footprints))
    largest = np.zeros(len(footprints))
    np.maximum.at(largest, building, area)
    lesser = np.bincount(building, area, len(footprints)) - largest
    cut = np.flatnonzero(count > 1)
    order = cut[np.argsort(-lesser[cut], kind="stable")]
    faults: Faults = [
        ("building_cut", {"name": str(names[n]), "count": int(count[n])}) for n in order[:MAX_NAMED]
    ]
    if len(order) > MAX_NAMED:
        faults.append(("more_buildings_cut", {"count": len(order) - MAX_NAMED}))
    return faults


def find_households_without_grid(grid: Ints, households: Ints, names: Strings) -> Faults:
    """Return the households whose building lies in no grid.

    Parameters
    ----------
    grid, households
        (b,) int64 grid of each building, -1 for none, and its households.
    names
        (b,) str names of the buildings.
    """
    homeless = np.flatnonzero((grid < 0) & (households > 0))
    if len(homeless) == 0:
        return []
    order = homeless[np.argsort(-households[homeless], kind="stable")]
    return [
        (
            "households_in_no_grid",
            {
                "households": int(households[homeless].sum()),
                "count": len(homeless),
                "names": ", ".join(str(names[n]) for n in order[:MAX_NAMED]),
            },
        )
    ]
