"""Coordinate systems: storage, metric and display, and the shifted ones of Chinese web maps.

Coordinates are always in the order longitude, latitude (or east, north).

GCJ-02 is the offset that Chinese law requires of published maps, BD-09 Baidu's offset on top of it.
Neither is published; the formulas here have been in general use since 2010 and agree with the
providers' own to well under a metre.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

STORAGE = "EPSG:4490"

Coordinates = NDArray[np.float64]
Shift = Callable[[Coordinates], Coordinates]

_KRASOVSKY_A = 6378245.0
_KRASOVSKY_E2 = 0.00669342162296594323
_BAIDU = np.pi * 3000.0 / 180.0

_UNDEFINED = re.compile(
    r"(D_|GCS_)?(undefined|unknown(?!.based)|unnamed|unspecified)", re.IGNORECASE
)
"""Names of systems and datums that a program writes where it knows none."""

_MAX_SHIFT_DEGREES = 0.05
_TOLERANCE_DEGREES = 1e-12  # a ten-millionth of a metre
_MAX_ITERATIONS = 12


def is_shifted(lonlat: Coordinates) -> NDArray[np.bool_]:
    """Return which points lie where China's maps are shifted.

    That is the mainland with its territorial sea, Hong Kong and Macau. The outline follows the
    border to some hundred metres, so Bishkek, Kathmandu and Hanoi lie outside, which the customary
    rectangles get wrong.

    Parameters
    ----------
    lonlat
        Longitude and latitude in degrees, shape (n, 2), float64; not finite is outside.

    Returns
    -------
    NDArray[np.bool_]
        Shape (n,).
    """
    is_inside: NDArray[np.bool_] = shapely.contains_xy(_shifted_area(), lonlat[:, 0], lonlat[:, 1])
    return is_inside


@cache
def _shifted_area() -> shapely.Geometry:
    """Return the outline of ``geo/china.geojson``, prepared for many queries."""
    outline = files("geo").joinpath("china.geojson").read_text(encoding="utf-8")
    area: shapely.Geometry = shapely.from_geojson(outline)
    shapely.prepare(area)
    return area


def metric_crs(lon: float, lat: float) -> pyproj.CRS:
    """Return the projected system, in metres, for lengths and areas at a place in degrees.

    CGCS2000's 3-degree Gauss-Krueger zone in China (EPSG:4534 at 75 E to EPSG:4554 at 135 E; GB/T
    18314), the WGS 84 UTM zone elsewhere.
    """
    if is_shifted(np.array([[lon, lat]]))[0]:
        return _crs_of_epsg(4534 + min(max(int((lon - 73.5) // 3.0), 0), 20))
    zone = int((lon + 180.0) // 6.0) % 60 + 1
    return _crs_of_epsg((32600 if lat >= 0 else 32700) + zone)


@cache
def _crs_of_epsg(epsg: int) -> pyproj.CRS:
    return pyproj.CRS.from_epsg(epsg)


def metric_crs_of(frame: gpd.GeoDataFrame | gpd.GeoSeries) -> pyproj.CRS:
    """Return the projected system, in metres, of the centre of a frame in degrees."""
    west, south, east, north = frame.total_bounds
    return metric_crs((west + east) / 2, (south + north) / 2)


def read_file_crs(definition: Any) -> pyproj.CRS | None:
    """Return the system that a file names, None if its definition means that it is not known.

    So do local systems (``LOCAL_CS``, the "Undefined" ones of GeoPackage), unknown projections, and
    all that can't be transformed to the storage system.
    """
    try:
        crs = pyproj.CRS.from_user_input(definition)
        pyproj.Transformer.from_crs(crs, STORAGE)
    except pyproj.exceptions.ProjError:
        return None
    datum = crs.datum.name if crs.datum is not None else ""
    is_undefined = _UNDEFINED.match(crs.name) and _UNDEFINED.match(datum)
    return None if is_undefined and not crs.is_projected else crs


def transform(geometries: Any, source: Any, target: Any) -> Any:
    """Return a geometry, or an object array of any shape, transformed between two systems."""
    convert = _conversion(_crs_name(source), _crs_name(target))
    return geometries if convert is None else shapely.transform(geometries, convert)


def _crs_name(system: Any) -> Any:
    """Return the name of a system, which is cheap to compare."""
    return system.srs if isinstance(system, pyproj.CRS) else system


@lru_cache(maxsize=64)
def _conversion(source: Any, target: Any) -> Callable[[Coordinates], Coordinates] | None:
    """Return the function that transforms (n, 2) coordinates, None if both systems are equal."""
    if pyproj.CRS.from_user_input(source) == pyproj.CRS.from_user_input(target):
        return None
    convert = pyproj.Transformer.from_crs(source, target, always_xy=True).transform
    return lambda xy: np.column_stack(convert(*xy.T))


def wgs84_to_gcj02(lonlat: Coordinates) -> Coordinates:
    """Return GCJ-02 coordinates of WGS 84 points, both in degrees, shape (n, 2), float64.

    Points outside China are not moved.
    """
    return _shift_inside(_shift_to_gcj02, lonlat)


def gcj02_to_wgs84(lonlat: Coordinates) -> Coordinates:
    """Return WGS 84 (CGCS2000) coordinates of GCJ-02 points, in degrees, shape (n, 2), float64.

    Exact to 1e-6 m; points outside China are not moved. Within a kilometre of the border a point
    may come from either side; it is assumed to come from inside.
    """
    return _invert_shift(_shift_to_gcj02, lonlat)


def wgs84_to_bd09(lonlat: Coordinates) -> Coordinates:
    """Return BD-09 coordinates of WGS 84 points, both in degrees, shape (n, 2), float64.

    Points outside China are not moved.
    """
    return _shift_inside(_gcj02_then_bd09, lonlat)


def bd09_to_wgs84(lonlat: Coordinates) -> Coordinates:
    """Return WGS 84 (CGCS2000) coordinates of BD-09 points, in degrees, shape (n, 2), float64.

    Exact to 1e-6 m; points outside China are not moved. Within two kilometres of the border a
    point may come from either side; it is assumed to come from inside.
    """
    return _invert_shift(_gcj02_then_bd09, lonlat)


def shift(geometries: Any, how: Shift) -> Any:
    """Return a geometry, or an object array of any shape, shifted as by :func:`wgs84_to_gcj02`."""
    return shapely.transform(geometries, how)


def _shift_inside(how: Shift, lonlat: Coordinates) -> Coordinates:
    """Return points with those in China shifted."""
    inside = is_shifted(lonlat)
    moved = lonlat.copy()
    moved[inside] = how(lonlat[inside])
    return moved


def _invert_shift(how: Shift, shifted: Coordinates) -> Coordinates:
    """Return the points that ``how`` shifts to ``shifted``, by fixed-point iteration.

    The shift changes by less than a hundredth of a step, so each iteration gains two digits.
    """
    near = np.flatnonzero(_may_be_shifted(shifted))
    target = shifted[near]
    points = target.copy()
    for _ in range(_MAX_ITERATIONS):
        step = how(points) - target
        points -= step
        if np.abs(step).max(initial=0.0) < _TOLERANCE_DEGREES:
            break
    inside = is_shifted(points)
    moved = shifted.copy()
    moved[near[inside]] = points[inside]
    return moved


def _may_be_shifted(lonlat: Coordinates) -> NDArray[np.bool_]:
    """Return which points lie in the rectangle around all shifted points."""
    west, south, east, north = shapely.bounds(_shifted_area())
    low, high = (
        np.array([west, south]) - _MAX_SHIFT_DEGREES,
        np.array([east, north]) + _MAX_SHIFT_DEGREES,
    )
    within = (lonlat > low) & (lonlat < high)
    is_within: NDArray[np.bool_] = within[:, 0] & within[:, 1]
    return is_within


def _shift_to_gcj02(lonlat: Coordinates) -> Coordinates:
    """Return (n, 2) points shifted from CGCS2000 to GCJ-02."""
    x, y = lonlat[:, 0] - 105.0, lonlat[:, 1] - 35.0
    root, both = np.sqrt(np.abs(x)), _sum_sines(x, (6.0, 20.0), (2.0, 20.0))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + both
    north += _sum_sines(y, (1.0, 20.0), (1 / 3, 40.0)) + _sum_sines(
        y, (1 / 12, 160.0), (1 / 30, 320.0)
    )
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + both
    east += _sum_sines(x, (1.0, 20.0), (1 / 3, 40.0)) + _sum_sines(
        x, (1 / 12, 150.0), (1 / 30, 300.0)
    )
    phi = np.radians(lonlat[:, 1])
    w = 1.0 - _KRASOVSKY_E2 * np.sin(phi) ** 2
    meridian = _KRASOVSKY_A * (1.0 - _KRASOVSKY_E2) / w**1.5
    parallel = _KRASOVSKY_A / np.sqrt(w) * np.cos(phi)
    return lonlat + np.degrees(np.column_stack([east / parallel, north / meridian]))


def _sum_sines(x: Coordinates, *terms: tuple[float, float]) -> Coordinates:
    """Return two thirds of a sum of sines, each of a frequency (times pi) and an amplitude."""
    total: Coordinates = sum(
        (amplitude * np.sin(frequency * np.pi * x) for frequency, amplitude in terms),
        np.zeros_like(x),
    )
    return total * (2.0 / 3.0)


def _gcj02_then_bd09(lonlat: Coordinates) -> Coordinates:
    return _shift_gcj02_to_bd09(_shift_to_gcj02(lonlat))


def _shift_gcj02_to_bd09(gcj: Coordinates) -> Coordinates:
    x, y = gcj.T
    radius = np.hypot(x, y) + 2e-5 * np.sin(y * _BAIDU)
    angle = np.arctan2(y, x) + 3e-6 * np.cos(x * _BAIDU)
    return np.column_stack([radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006])
