"""Transform a delivery to longitude and latitude of the storage system, and check where it lies.

A layer in the wrong place is refused as a whole by its first batch, before anything is staged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from etl.input.feature_batch import Batch
from etl.input.mapping import Coordinates
from geo import crs as systems
from geo.errors import InputError
from geo.types import Geometries

Bounds = NDArray[np.float64]

_UNIT_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_SHIFTS = {"gcj02": systems.gcj02_to_wgs84, "bd09": systems.bd09_to_wgs84}
_MARGIN_DEGREES = 0.5
"""How far outside the live city a delivery may lie: about 50 km."""
_MAX_OUTSIDE = 0.5
_CHINA_DEGREES = (73.0, 3.0, 136.0, 54.0)  # west, south, east, north
_ZONE_NUMBERS = range(25, 46)  # 3-degree zones over China (GB/T 18314)


@dataclass(frozen=True)
class Georeference:
    """Coordinate system of a layer, and where its features are expected.

    Attributes
    ----------
    path, layer
        File and layer, for messages.
    crs
        Coordinate system of the file.
    settings
        Coordinate settings of the mapping.
    city
        (n, 4) west, south, east and north of the live cities in degrees; None if there are none.
    """

    path: Path
    layer: str
    crs: pyproj.CRS
    settings: Coordinates
    city: Bounds | None

    def to_storage(self, batch: Batch) -> Batch:
        """Return a batch in longitude and latitude, without heights."""
        settings, geometry = self.settings, batch.geometry
        has_height = shapely.has_z(geometry)
        if has_height.any():
            geometry = shapely.force_2d(geometry)
        if settings.swap_axes:
            geometry = shapely.transform(geometry, lambda xy: xy[:, ::-1])
        if settings.unit != "m":
            factor = _UNIT_M[settings.unit]
            geometry = shapely.transform(geometry, lambda xy: xy * factor)
        is_foreign = self.crs != pyproj.CRS(systems.STORAGE)
        if is_foreign:
            geometry = _transform(geometry, self.crs)
        if settings.shift:
            geometry = systems.shift(geometry, _SHIFTS[settings.shift])
        all_change = is_foreign or settings.swap_axes or settings.shift or settings.unit != "m"
        return batch.with_geometry(geometry, None if all_change else has_height)

    def refuse_misplaced(self, before: Batch, after: Batch) -> None:
        """Refuse a layer most of whose features lie off the globe or far from every live city.

        Parameters
        ----------
        before, after
            The first batch in the coordinates of the file, and in longitude and latitude.

        Raises
        ------
        InputError
            With the likely cause: another unit, zone or order of axes.
        """
        raw, placed = finite_coordinates(before.geometry), finite_coordinates(after.geometry)
        if len(raw) == 0:
            return
        self._refuse_degrees(raw)
        off = (np.abs(placed) > [180.0, 90.0]).any(axis=1) if len(placed) else np.ones(1, bool)
        if off.mean() > _MAX_OUTSIDE or len(placed) < _MAX_OUTSIDE * len(raw):
            raise self._off_the_globe(raw)
        if self.city is not None and self._is_outside(placed).mean() > _MAX_OUTSIDE:
            raise self._elsewhere(raw, placed)

    def _refuse_degrees(self, raw: Bounds) -> None:
        """Refuse degrees in a system whose unit is the metre."""
        if self.crs.is_projected and (np.abs(raw) <= [180.0, 90.0]).all():
            raise InputError("degrees_as_metres", **self._message_fields(), crs=self.crs.name)

    def _off_the_globe(self, raw: Bounds) -> InputError:
        swapped = (np.abs(raw[:, ::-1]) <= [180.0, 90.0]).all(axis=1).mean()
        if self.crs.is_geographic and swapped > _MAX_OUTSIDE:
            return InputError("axes_swapped", **self._message_fields())
        for unit in ("mm", "cm"):
            if self.crs.is_projected and self.fits(raw * _UNIT_M[unit]):
                return InputError("coordinates_unit", **self._message_fields(), unit=unit)
        bounds = ", ".join(f"{value:.0f}" for value in (*raw.min(axis=0), *raw.max(axis=0)))
        return InputError("out_of_range", **self._message_fields(), bounds=bounds)

    def _elsewhere(self, raw: Bounds, placed: Bounds) -> InputError:
        if self.fits(raw[:, ::-1]):
            return InputError("axes_swapped", **self._message_fields())
        zone = self._fitting_zone(raw)
        if zone is not None:
            return InputError(
                "wrong_zone",
                **self._message_fields(),
                crs=self.crs.name,
                zone=f"EPSG:{zone.to_epsg()}",
            )
        lon, lat = np.median(placed, axis=0)
        return InputError("elsewhere", **self._message_fields(), place=f"{lon:.3f}, {lat:.3f}")

    def _fitting_zone(self, raw: Bounds) -> pyproj.CRS | None:
        """Return the zone of a live city in which the coordinates lie there, None if none fits."""
        if self.city is None or not self.crs.is_projected:
            return None
        # The number of the zone may precede the six digits of the eastings, as in 38 500 000.
        plain = np.column_stack([raw[:, 0] % 1_000_000, raw[:, 1]])
        points = np.asarray(shapely.points(plain), dtype=object)
        for west, south, east, north in self.city:
            zone = systems.metric_crs((west + east) / 2, (south + north) / 2)
            placed = finite_coordinates(_transform(points, zone))
            if len(placed) and self._is_outside(placed).mean() <= _MAX_OUTSIDE:
                return zone
        return None

    def fits(self, raw: Bounds) -> bool:
        """Return whether (n, 2) coordinates in the system of the file lie where expected."""
        points = np.asarray(shapely.points(raw), dtype=object)
        placed = finite_coordinates(_transform(points, self.crs))
        if len(placed) == 0 or (np.abs(placed) > [180.0, 90.0]).any(axis=1).mean() > _MAX_OUTSIDE:
            return False
        return self.city is None or bool(self._is_outside(placed).mean() <= _MAX_OUTSIDE)

    def _is_outside(self, placed: Bounds) -> NDArray[np.bool_]:
        """Return which of (n, 2) points in degrees lie outside every live city."""
        outside = np.ones(len(placed), dtype=bool)
        for city in self.city if self.city is not None else ():
            low, high = city[:2] - _MARGIN_DEGREES, city[2:] + _MARGIN_DEGREES
            outside &= np.asarray(((placed < low) | (placed > high)).any(axis=1))
        return outside

    def _message_fields(self) -> dict[str, object]:
        return {"file": self.path, "layer": self.layer}


def resolve_crs(
    file_crs: pyproj.CRS | None,
    settings: Coordinates,
    path: Path,
    layer: str,
    guess: Callable[[], str | None] = lambda: None,
) -> pyproj.CRS:
    """Return the coordinate system of a file: its own, else that of the mapping.

    Parameters
    ----------
    file_crs
        System that the file names, None if it names none.
    guess
        Returns the likely system, for the message where none is named.

    Raises
    ------
    InputError
        If neither names a system, or they contradict each other.
    """
    if settings.shift and not settings.crs and file_crs is None:
        return pyproj.CRS(systems.STORAGE)
    if settings.crs is None:
        if file_crs is not None:
            return file_crs
        if likely := guess():
            raise InputError("no_crs_but_likely", file=path, layer=layer, crs=likely)
        raise InputError("no_crs", file=path, layer=layer)
    crs = parse_crs(settings.crs)
    if file_crs is None or settings.override or crs.equals(file_crs, ignore_axis_order=True):
        return crs
    raise InputError(
        "crs_contradicts", file=path, layer=layer, said=file_crs.name, crs=settings.crs
    )


def parse_crs(name: str) -> pyproj.CRS:
    """Return the coordinate system of a name such as ``EPSG:4490``.

    Raises
    ------
    InputError
        If there is no such system.
    """
    try:
        return pyproj.CRS.from_user_input(name)
    except pyproj.exceptions.CRSError as error:
        raise InputError("unknown_crs", crs=name) from error


def guess_crs(points: Bounds, city: Bounds | None) -> str | None:
    """Return the system in which coordinates lie in China or in a live city, None if there is none.

    Parameters
    ----------
    points
        (n, 2) corners in the coordinates of the file.
    city
        (m, 4) bounds of the live cities in degrees, or None. Without them only degrees and eastings
        with the number of their zone are recognized.
    """
    if len(points) == 0:
        return None
    x, y = np.median(points, axis=0)
    if _CHINA_DEGREES[0] <= x <= _CHINA_DEGREES[2] and _CHINA_DEGREES[1] <= y <= _CHINA_DEGREES[3]:
        return systems.STORAGE
    number = int(x // 1_000_000)
    if number in _ZONE_NUMBERS:
        return f"EPSG:{4513 + number - _ZONE_NUMBERS[0]}"  # CGCS2000 3-degree zone, numbered
    for west, south, east, north in city if city is not None else ():
        zone = systems.metric_crs((west + east) / 2, (south + north) / 2)
        bounds = np.array([[west, south, east, north]])
        if Georeference(Path(), "", zone, Coordinates(), bounds).fits(points):
            return f"EPSG:{zone.to_epsg()}"
    return None


def _transform(geometry: Geometries, source: pyproj.CRS) -> Geometries:
    moved: Geometries = systems.transform(geometry, source, systems.STORAGE)
    return moved


def finite_coordinates(geometry: Geometries) -> Bounds:
    """Return the finite corners of geometries, (n, 2)."""
    corners = shapely.get_coordinates(geometry)
    return corners[np.isfinite(corners).all(axis=1)]
