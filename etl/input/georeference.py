"""Transform a delivery to longitude and latitude of the storage system, and check where it lies.

A layer in the wrong place is refused as a whole by its first batch, before anything is staged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyproj
import shapely

from etl.input.datum import Conversion, find_conversion, has_other_datum
from etl.input.feature_batch import Batch
from etl.input.mapping import Coordinates
from etl.input.zones import UNIT_M, Reading, find_reading, settings_text, zone_of_eastings
from geo import crs as systems
from geo.errors import InputError
from geo.types import Bools, Floats, Geometries

_SHIFTS = {"gcj02": systems.gcj02_to_wgs84, "bd09": systems.bd09_to_wgs84}
_MIN_MARGIN_DEGREES, _MAX_MARGIN_DEGREES = 0.05, 0.5
"""How far outside a live city a delivery may lie: as far as the city is wide, 5 to 50 km."""
_EDGE_DEGREES = 0.01
_LONG_LAYERS = ("road", "railway", "water")
"""Layers whose features lead out of the city."""
_MAX_STEP_DEGREES = 0.5  # between two corners of a feature that leads out
_MAX_OUTSIDE = 0.5
_CHINA_DEGREES = (73.0, 3.0, 136.0, 54.0)  # west, south, east, north


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
    area
        The same of where the layer lies, for which published transformations are chosen.
    """

    path: Path
    layer: str
    crs: pyproj.CRS
    settings: Coordinates
    city: Floats | None
    area: Floats | None = None

    @cached_property
    def conversion(self) -> Conversion:
        """How coordinates of the system become degrees of the storage system."""
        return find_conversion(self.crs, self.settings.transformation, self.area)

    def to_storage(self, batch: Batch) -> Batch:
        """Return a batch in longitude and latitude, without heights."""
        settings, geometry = self.settings, batch.geometry
        has_height = shapely.has_z(geometry)
        if has_height.any():
            geometry = shapely.force_2d(geometry)
        if settings.swap_axes:
            geometry = shapely.transform(geometry, lambda xy: xy[:, ::-1])
        if settings.unit != "m":
            factor = UNIT_M[settings.unit]
            geometry = shapely.transform(geometry, lambda xy: xy * factor)
        convert = self.conversion.convert
        if convert is not None:
            geometry = shapely.transform(geometry, convert)
        if settings.shift:
            geometry = systems.shift(geometry, _SHIFTS[settings.shift])
        all_change = convert or settings.swap_axes or settings.shift or settings.unit != "m"
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
        degrees_as_metres = self.crs.is_projected and (np.abs(raw) <= [180.0, 90.0]).all()
        off = (np.abs(placed) > [180.0, 90.0]).any(axis=1) if len(placed) else np.ones(1, bool)
        is_off = off.mean() > _MAX_OUTSIDE or len(placed) < _MAX_OUTSIDE * len(raw)
        is_elsewhere = len(placed) > 0 and self.is_outside(placed).mean() > _MAX_OUTSIDE
        if not (degrees_as_metres or is_off or is_elsewhere):
            return
        if self.city is not None:
            reading = find_reading(raw, self.crs, self.city, self.is_outside)
            is_plain = degrees_as_metres and reading == Reading(pyproj.CRS(systems.STORAGE))
            if reading is not None and not is_plain:
                self._advise(reading)
        if degrees_as_metres:
            raise InputError("degrees_as_metres", **self._message_fields(), crs=self.crs.name)
        if is_off:
            raise self._off_the_globe(raw)
        lon, lat = np.median(placed, axis=0)
        raise InputError("elsewhere", **self._message_fields(), place=f"{lon:.3f}, {lat:.3f}")

    def _advise(self, reading: Reading) -> NoReturn:
        """Raise the error that names the settings with which a layer lies in a live city."""
        fields = self._message_fields() | {"crs": self.crs.name}
        if reading == Reading(self.crs, swap_axes=not self.settings.swap_axes):
            swap_axes = str(reading.swap_axes).lower()
            raise InputError("axes_swapped", **self._message_fields(), swap_axes=swap_axes)
        if reading.crs == self.crs and not reading.swap_axes and not self.settings.swap_axes:
            raise InputError("coordinates_unit", **self._message_fields(), unit=reading.unit)
        system = {"code": reading.code, "zone": reading.crs.name}
        is_like_settings = (reading.swap_axes, reading.unit) == (
            self.settings.swap_axes,
            self.settings.unit,
        )
        if is_like_settings:
            raise InputError("wrong_zone", **fields, **system)
        settings = settings_text(reading, self.settings, self.crs)
        raise InputError("wrong_settings", **fields, zone=reading.crs.name, settings=settings)

    def _off_the_globe(self, raw: Floats) -> InputError:
        swapped = (np.abs(raw[:, ::-1]) <= [180.0, 90.0]).all(axis=1).mean()
        if self.crs.is_geographic and swapped > _MAX_OUTSIDE:
            return InputError("axes_swapped", **self._message_fields(), swap_axes="true")
        zone = zone_of_eastings(float(np.median(raw[:, 0])))
        if zone is not None:
            name = parse_crs(zone).name
            return InputError(
                "wrong_zone", **self._message_fields(), crs=self.crs.name, code=zone, zone=name
            )
        for unit in ("mm", "cm"):
            if self.crs.is_projected and self._is_on_the_globe(raw * UNIT_M[unit]):
                return InputError("coordinates_unit", **self._message_fields(), unit=unit)
        bounds = ", ".join(f"{value:.0f}" for value in (*raw.min(axis=0), *raw.max(axis=0)))
        return InputError("out_of_range", **self._message_fields(), bounds=bounds)

    def _is_on_the_globe(self, raw: Floats) -> bool:
        """Return whether most (n, 2) coordinates in the system of the file lie on the globe."""
        convert = self.conversion.convert
        placed = raw if convert is None else convert(raw)
        with np.errstate(invalid="ignore"):
            return bool((np.abs(placed) <= [180.0, 90.0]).all(axis=1).mean() >= _MAX_OUTSIDE)

    def find_far(self, geometry: Geometries, layer: str) -> Bools:
        """Return which features lie far outside every live city.

        All corners of a feature have to lie in the neighbourhood of one; roads, railways and waters
        may lead out of it, but not in one leap. A point outside the city that lies within if its
        decimals are minutes and seconds (112.0832 for 112°08′32″) is far too.

        Parameters
        ----------
        geometry
            Geometries in degrees, shape (n,).
        layer
            Layer of the features.

        Returns
        -------
        Bools
            Whether each is far, shape (n,).
        """
        if self.city is None:
            return np.zeros(len(geometry), dtype=bool)
        bounds = shapely.bounds(geometry)
        low, high = self._neighbourhoods()
        with np.errstate(invalid="ignore"):
            if layer in _LONG_LAYERS:
                beside = (bounds[:, None, 2:] < low) | (bounds[:, None, :2] > high)
                beside[_has_leap(geometry)] = True
            else:
                beside = (bounds[:, None, :2] < low) | (bounds[:, None, 2:] > high)
        far: Bools = np.all(beside.any(axis=2), axis=1) | self._has_minutes_as_decimals(geometry)
        return far

    def _has_minutes_as_decimals(self, geometry: Geometries) -> Bools:
        """Return which points lie outside a city, but within if read as degrees.minutes-seconds."""
        flags = np.zeros(len(geometry), dtype=bool)
        rows = np.flatnonzero(shapely.get_type_id(geometry) == shapely.GeometryType.POINT)
        points = shapely.get_coordinates(geometry[rows])
        if len(points) != len(rows):  # an empty point has none
            return flags
        with np.errstate(invalid="ignore"):
            seconds_part = np.abs(points) * 1e4
            is_short = (np.abs(seconds_part - np.round(seconds_part)) < 1e-6).all(axis=1)
            whole = np.nan_to_num(np.round(seconds_part))
        degrees, minutes, seconds = whole // 10_000, whole // 100 % 100, whole % 100
        is_sexagesimal = ((minutes < 60) & (seconds < 60)).all(axis=1)
        read = np.copysign(degrees + minutes / 60 + seconds / 3600, points)
        is_within = self._is_within(read) & ~self._is_within(points)
        flags[rows] = is_short & is_sexagesimal & is_within
        return flags

    def _is_within(self, points: Floats) -> Bools:
        """Return which of (n, 2) points in degrees lie in a live city, or within 1 km of it."""
        city = self.city if self.city is not None else np.empty((0, 4))
        low, high = city[:, :2] - _EDGE_DEGREES, city[:, 2:] + _EDGE_DEGREES
        inside = (points[:, None] >= low) & (points[:, None] <= high)
        return np.asarray(np.any(inside.all(axis=2), axis=1))

    def is_outside(self, placed: Floats) -> Bools:
        """Return which points lie far outside every live city, if any is.

        ``placed`` is in degrees, shape (n, 2), float64; the result is bool of shape (n,).
        """
        if self.city is None:
            return np.zeros(len(placed), dtype=bool)
        low, high = self._neighbourhoods()
        beside = (placed[:, None] < low) | (placed[:, None] > high)
        return np.asarray(np.all(beside.any(axis=2), axis=1))

    def _neighbourhoods(self) -> tuple[Floats, Floats]:
        """Return the (n, 2) south-west and north-east corners around the live cities."""
        city = self.city if self.city is not None else np.empty((0, 4))
        low, high = city[:, :2], city[:, 2:]
        width = (high - low).max(axis=1, keepdims=True)
        margin = np.clip(width, _MIN_MARGIN_DEGREES, _MAX_MARGIN_DEGREES)
        return low - margin, high + margin

    def _message_fields(self) -> dict[str, object]:
        return {"file": self.path, "layer": self.layer}


def _has_leap(geometry: Geometries) -> Bools:
    """Return which features have two successive corners far from each other."""
    corners, owner = shapely.get_coordinates(geometry, return_index=True)
    far = (np.abs(np.diff(corners, axis=0)) > _MAX_STEP_DEGREES).any(axis=1)
    flags = np.zeros(len(geometry), dtype=bool)
    flags[owner[1:][far & (owner[1:] == owner[:-1])]] = True
    return flags


def resolve_crs(
    file_crs: pyproj.CRS | None,
    settings: Coordinates,
    path: Path,
    layer: str,
    guess: Callable[[], Reading | None] = lambda: None,
) -> pyproj.CRS:
    """Return the coordinate system of a file: its own, else that of the mapping.

    Parameters
    ----------
    file_crs
        System that the file names, None if it names none.
    guess
        Returns the likely way to read the file, for the message where no system is named.

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
            _refuse_unnamed(likely, settings, path, layer)
        raise InputError("no_crs", file=path, layer=layer)
    crs = parse_crs(settings.crs)
    if file_crs is None or settings.override or _are_equivalent(crs, file_crs):
        return crs
    raise InputError(
        "crs_contradicts", file=path, layer=layer, said=file_crs.name, crs=settings.crs
    )


def _refuse_unnamed(reading: Reading, settings: Coordinates, path: Path, layer: str) -> NoReturn:
    """Refuse a file that names no system, with the settings by which it fits."""
    fields = {"file": path, "layer": layer, "crs": reading.code, "zone": reading.crs.name}
    if (reading.swap_axes, reading.unit) == (settings.swap_axes, settings.unit):
        raise InputError("no_crs_but_likely", **fields)
    lines = settings_text(reading, settings, None)
    raise InputError("no_crs_but_readable", **fields, settings=lines)


def _are_equivalent(crs: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Return whether two systems are the same, or give a place the same coordinates.

    WGS 84 and CGCS2000 agree within decimetres, so that GeoJSON and KML may be in either.
    """
    if crs.equals(other, ignore_axis_order=True):
        return True
    area = crs.area_of_use
    kinds = [(system.is_projected, system.is_geographic) for system in (crs, other)]
    if area is None or kinds[0] != kinds[1]:
        return False
    is_same_datum = crs.ellipsoid == other.ellipsoid or not (
        has_other_datum(crs) or has_other_datum(other)
    )
    place = (area.west + area.east) / 2, (area.south + area.north) / 2
    first, second = (_coordinates(system, place) for system in (crs, other))
    return is_same_datum and bool(np.allclose(first, second, rtol=0, atol=1e-3))


def _coordinates(crs: pyproj.CRS, place: tuple[float, float]) -> tuple[float, float]:
    """Return the coordinates in a system of a place in degrees of its datum."""
    transformer = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    east, north = transformer.transform(*place)
    return east, north


def parse_crs(name: str) -> pyproj.CRS:
    """Return the coordinate system of a name such as ``EPSG:4490``.

    Raises
    ------
    InputError
        If there is no such system, or it has no place on the earth.
    """
    crs = systems.read_file_crs(name)
    if crs is None:
        raise InputError("unknown_crs", crs=name)
    return crs


def guess_reading(points: Floats, city: Floats | None) -> Reading | None:
    """Return how to read coordinates whose system is not known, None if nothing fits.

    Parameters
    ----------
    points
        Corners in the coordinates of the file, shape (n, 2), float64.
    city
        Bounds of the live cities in degrees, shape (m, 4), float64, or None. Without them only
        degrees and eastings with the number of their zone are recognized.
    """
    if len(points) == 0:
        return None
    if city is not None:
        expected = Georeference(Path(), "", pyproj.CRS(systems.STORAGE), Coordinates(), city)
        reading = find_reading(points, None, city, expected.is_outside)
        if reading is not None:
            return reading
    x, y = np.median(points, axis=0)
    west, south, east, north = _CHINA_DEGREES
    for swap_axes, (lon, lat) in ((False, (x, y)), (True, (y, x))):
        if west <= lon <= east and south <= lat <= north:
            return Reading(pyproj.CRS(systems.STORAGE), swap_axes)
        if zone := zone_of_eastings(float(lon)):
            return Reading(parse_crs(zone), swap_axes)
    return None


def finite_coordinates(geometry: Geometries) -> Floats:
    """Return the finite corners of geometries.

    ``geometry`` has the shape (n,); the corners are float64 of shape (m, 2).
    """
    corners = shapely.get_coordinates(geometry)
    return corners[np.isfinite(corners).all(axis=1)]
