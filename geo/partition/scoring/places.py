"""Places on the map of what a score card counts, as extents in degrees."""

import numpy as np
import pyproj
import shapely

from geo import crs
from geo.types import Floats, Geometries, Ints, Points

MAX_PLACES = 20
"""Places of a figure that a card lists."""


PLACE_RADIUS_M = 20.0
"""The extent of a building that a card lists reaches this far around its middle."""


Extent = tuple[float, float, float, float]
"""West, south, east and north in degrees."""


def find_places_of_lines(ends: Floats, system: pyproj.CRS) -> list[Extent]:
    """Return the extents of the lines that (n, 2, 2) float64 ``ends`` form, the longest first."""
    if len(ends) == 0:
        return []
    lines = shapely.get_parts(shapely.line_merge(shapely.union_all(shapely.linestrings(ends))))
    lines = lines[np.argsort(-shapely.length(lines), kind="stable")][:MAX_PLACES]
    return _extents(lines, system)


def find_places_of_buildings(xy: Floats, households: Ints, system: pyproj.CRS) -> list[Extent]:
    """Return the extents of those of (n,) buildings that have the most households.

    Parameters
    ----------
    xy, households
        (n, 2) float64 places in metres, and (n,) int64 households.
    """
    rows = np.argsort(-households, kind="stable")[:MAX_PLACES]
    points: Points = np.asarray(shapely.points(xy[rows]), dtype=object)
    return _extents(shapely.buffer(points, PLACE_RADIUS_M), system)


def _extents(shapes: Geometries, system: pyproj.CRS) -> list[Extent]:
    degrees = crs.transform(shapes, system, crs.STORAGE)
    return [tuple(bounds) for bounds in shapely.bounds(degrees).round(6).tolist()]
