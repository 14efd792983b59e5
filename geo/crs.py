"""Coordinate systems: storage, metric and display, and the shifted ones of Chinese web maps.

Coordinates are always in the order longitude, latitude (or east, north).

GCJ-02 is the offset that Chinese law asks of published maps, BD-09 Baidu's offset on top of it.
Neither is published; the formulas here are the ones in general use since 2010, which agree with
the providers' own to well under a metre.
"""

from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

STORAGE = "EPSG:4490"
DISPLAY = "EPSG:3857"

Coordinates = NDArray[np.float64]
Shift = Callable[[Coordinates], Coordinates]

# West, south, east, north: where China's maps are shifted. The first list less the second; the
# rectangles in general use in navigation software.
_SHIFTED = np.array(
    [
        (79.4462, 42.8899, 96.33, 49.2204),
        (109.6872, 39.3742, 135.0002, 54.1415),
        (73.1246, 29.5297, 124.143255, 42.8899),
        (82.9684, 26.7186, 97.0352, 29.5297),
        (97.0253, 20.414096, 124.367395, 29.5297),
        (107.975793, 17.871542, 111.744104, 20.414096),
    ]
)
_NOT_SHIFTED = np.array(
    [
        (119.921265, 21.785006, 122.497559, 25.398623),
        (101.8652, 20.0988, 106.665, 22.284),
        (106.4525, 20.4878, 108.051, 21.5422),
        (109.0323, 50.3257, 119.127, 55.8175),
        (127.4568, 49.5574, 137.0227, 55.8175),
        (131.2662, 42.5692, 137.0227, 44.8922),
    ]
)

_KRASOVSKY_A = 6378245.0
_KRASOVSKY_E2 = 0.00669342162296594323
_BAIDU = np.pi * 3000.0 / 180.0


def in_china(lonlat: Coordinates) -> NDArray[np.bool_]:
    """Return which of (n, 2) points lie where China's maps are shifted."""

    def within_any(boxes: Coordinates) -> NDArray[np.bool_]:
        lon, lat = lonlat[:, :1], lonlat[:, 1:2]
        west, south, east, north = boxes.T
        inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        found: NDArray[np.bool_] = inside.any(axis=1)
        return found

    return within_any(_SHIFTED) & ~within_any(_NOT_SHIFTED)


def metric_crs(lon: float, lat: float) -> pyproj.CRS:
    """Return the system in which lengths and areas at a place are measured.

    CGCS2000's 3-degree Gauss-Krueger zone in China (EPSG:4534 at 75 E to EPSG:4554 at 135 E; GB/T
    18314), the WGS 84 UTM zone elsewhere.
    """
    if in_china(np.array([[lon, lat]]))[0]:
        return pyproj.CRS.from_epsg(4534 + round((min(max(lon, 75.0), 135.0) - 75.0) / 3.0))
    zone = int((lon + 180.0) // 6.0) % 60 + 1
    return pyproj.CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)


def metric_crs_of(frame: gpd.GeoDataFrame | gpd.GeoSeries) -> pyproj.CRS:
    """Return the metric system of the middle of a frame in longitude and latitude."""
    west, south, east, north = frame.total_bounds
    return metric_crs((west + east) / 2, (south + north) / 2)


def transform(geometries: Any, source: Any, target: Any) -> Any:
    """Return a geometry, or an array of them, from one system in another."""
    if pyproj.CRS.from_user_input(source) == pyproj.CRS.from_user_input(target):
        return geometries
    convert = pyproj.Transformer.from_crs(source, target, always_xy=True).transform
    return shapely.transform(geometries, lambda xy: np.column_stack(convert(*xy.T)))


def wgs84_to_gcj02(lonlat: Coordinates) -> Coordinates:
    """Return (n, 2) GCJ-02 coordinates; points outside China stay."""
    return np.where(in_china(lonlat)[:, None], _gcj02(lonlat), lonlat)


def gcj02_to_wgs84(lonlat: Coordinates) -> Coordinates:
    """Return (n, 2) WGS 84 (CGCS2000) coordinates to 1e-6 m; points outside China stay."""
    return _back(_gcj02, lonlat)


def wgs84_to_bd09(lonlat: Coordinates) -> Coordinates:
    """Return (n, 2) BD-09 coordinates; points outside China stay."""
    return np.where(in_china(lonlat)[:, None], _bd09(_gcj02(lonlat)), lonlat)


def bd09_to_wgs84(lonlat: Coordinates) -> Coordinates:
    """Return (n, 2) WGS 84 (CGCS2000) coordinates to 1e-6 m; points outside China stay."""
    return _back(lambda points: _bd09(_gcj02(points)), lonlat)


def shift(geometries: Any, how: Shift) -> Any:
    """Return a geometry, or an array of them, moved by one of the functions above."""
    return shapely.transform(geometries, how)


def _back(forward: Shift, shifted: Coordinates) -> Coordinates:
    """Return the points that ``forward`` shifts to ``shifted``, by fixed-point iteration.

    The shift changes by less than a thousandth of a step, so each round wins three digits.
    """
    points = shifted.copy()
    for _ in range(8):
        points -= forward(points) - shifted
    return np.where(in_china(points)[:, None], points, shifted)


def _gcj02(lonlat: Coordinates) -> Coordinates:
    x, y = lonlat[:, 0] - 105.0, lonlat[:, 1] - 35.0
    root, both = np.sqrt(np.abs(x)), _waves(x, (6.0, 20.0), (2.0, 20.0))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + both
    north += _waves(y, (1.0, 20.0), (1 / 3, 40.0)) + _waves(y, (1 / 12, 160.0), (1 / 30, 320.0))
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + both
    east += _waves(x, (1.0, 20.0), (1 / 3, 40.0)) + _waves(x, (1 / 12, 150.0), (1 / 30, 300.0))
    phi = np.radians(lonlat[:, 1])
    w = 1.0 - _KRASOVSKY_E2 * np.sin(phi) ** 2
    meridian = _KRASOVSKY_A * (1.0 - _KRASOVSKY_E2) / w**1.5
    parallel = _KRASOVSKY_A / np.sqrt(w) * np.cos(phi)
    return lonlat + np.degrees(np.column_stack([east / parallel, north / meridian]))


def _waves(x: Coordinates, *terms: tuple[float, float]) -> Coordinates:
    """Return two thirds of a sum of sines, each of a frequency (times pi) and an amplitude."""
    total: Coordinates = sum(
        (amplitude * np.sin(frequency * np.pi * x) for frequency, amplitude in terms),
        np.zeros_like(x),
    )
    return total * (2.0 / 3.0)


def _bd09(gcj: Coordinates) -> Coordinates:
    x, y = gcj.T
    radius = np.hypot(x, y) + 2e-5 * np.sin(y * _BAIDU)
    angle = np.arctan2(y, x) + 3e-6 * np.cos(x * _BAIDU)
    return np.column_stack([radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006])
