"""Bringing a delivery to longitude and latitude of the storage system, and doubting where it lies.

A whole layer in the wrong place is refused before anything is staged: its first batch tells.
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
from etl.input.vector import crs_named
from geo import crs as systems
from geo.errors import InputError
from geo.types import Geometries

Move = Callable[[Geometries], Geometries]
Bounds = NDArray[np.float64]

_UNIT = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_SHIFTS = {"gcj02": systems.gcj02_to_wgs84, "bd09": systems.bd09_to_wgs84}
_AROUND_DEGREES = 0.5
"""How far beyond what is live a delivery of the same city may lie: about 50 km."""
_MOST_OUTSIDE = 0.5
_CHINA = (73.0, 3.0, 136.0, 54.0)  # degrees
_ZONES = range(25, 46)  # numbers of the 3-degree zones over China (GB/T 18314)


@dataclass(frozen=True)
class Georeference:
    """How a file's coordinates become ours, and where ours are expected.

    Attributes
    ----------
    path, layer
        For messages.
    crs
        System of the file's coordinates.
    how
        What the mapping says of them.
    city
        West, south, east, north of the cities that are live, one a row; None when there are none.
    """

    path: Path
    layer: str
    crs: pyproj.CRS
    how: Coordinates
    city: Bounds | None

    def place(self, batch: Batch) -> Batch:
        """Return a batch in longitude and latitude."""
        how, geometry = self.how, batch.geometry
        raised = shapely.has_z(geometry)
        if raised.any():
            geometry = shapely.force_2d(geometry)
        if how.swap_axes:
            geometry = shapely.transform(geometry, lambda xy: xy[:, ::-1])
        if how.unit != "m":
            factor = _UNIT[how.unit]
            geometry = shapely.transform(geometry, lambda xy: xy * factor)
        moves = self.crs != pyproj.CRS(systems.STORAGE)
        if moves:
            geometry = _transform(geometry, self.crs)
        if how.shift:
            geometry = systems.shift(geometry, _SHIFTS[how.shift])
        everywhere = moves or how.swap_axes or how.shift or how.unit != "m"
        return batch.at(geometry, None if everywhere else raised)

    def refuse_misplaced(self, before: Batch, after: Batch) -> None:
        """Refuse a layer whose features can't be where its coordinates say.

        Raises
        ------
        InputError
            With what is the likely cause: another unit, zone, order of axes.
        """
        raw, placed = finite(before.geometry), finite(after.geometry)
        if len(raw) == 0:
            return
        self._refuse_degrees(raw)
        off = (np.abs(placed) > [180.0, 90.0]).any(axis=1) if len(placed) else np.ones(1, bool)
        if off.mean() > _MOST_OUTSIDE or len(placed) < _MOST_OUTSIDE * len(raw):
            raise self._off_the_globe(raw)
        if self.city is not None and self._outside(placed).mean() > _MOST_OUTSIDE:
            raise self._elsewhere(raw, placed)

    def _refuse_degrees(self, raw: Bounds) -> None:
        """Refuse degrees that are said to be metres."""
        if self.crs.is_projected and (np.abs(raw) <= [180.0, 90.0]).all():
            raise InputError("degrees_as_metres", **self._named(), crs=self.crs.name)

    def _off_the_globe(self, raw: Bounds) -> InputError:
        swapped = (np.abs(raw[:, ::-1]) <= [180.0, 90.0]).all(axis=1).mean()
        if self.crs.is_geographic and swapped > _MOST_OUTSIDE:
            return InputError("axes_swapped", **self._named())
        for unit in ("mm", "cm"):
            if self.crs.is_projected and self.fits(raw * _UNIT[unit]):
                return InputError("coordinates_unit", **self._named(), unit=unit)
        bounds = ", ".join(f"{value:.0f}" for value in (*raw.min(axis=0), *raw.max(axis=0)))
        return InputError("out_of_range", **self._named(), bounds=bounds)

    def _elsewhere(self, raw: Bounds, placed: Bounds) -> InputError:
        if self.fits(raw[:, ::-1]):
            return InputError("axes_swapped", **self._named())
        zone = self._fitting_zone(raw)
        if zone is not None:
            return InputError(
                "wrong_zone", **self._named(), crs=self.crs.name, zone=f"EPSG:{zone.to_epsg()}"
            )
        lon, lat = np.median(placed, axis=0)
        return InputError("elsewhere", **self._named(), place=f"{lon:.3f}, {lat:.3f}")

    def _fitting_zone(self, raw: Bounds) -> pyproj.CRS | None:
        """Return the zone of the city that the coordinates fit, if there is one."""
        if self.city is None or not self.crs.is_projected:
            return None
        # A zone's number may stand before the six digits of the eastings, as in 38 500 000.
        plain = np.column_stack([raw[:, 0] % 1_000_000, raw[:, 1]])
        points = np.asarray(shapely.points(plain), dtype=object)
        for west, south, east, north in self.city:
            zone = systems.metric_crs((west + east) / 2, (south + north) / 2)
            found = finite(_transform(points, zone))
            if len(found) and self._outside(found).mean() <= _MOST_OUTSIDE:
                return zone
        return None

    def fits(self, raw: Bounds) -> bool:
        """Return whether coordinates, read in the file's system, lie where they are expected."""
        points = np.asarray(shapely.points(raw), dtype=object)
        placed = finite(_transform(points, self.crs))
        if len(placed) == 0 or (np.abs(placed) > [180.0, 90.0]).any(axis=1).mean() > _MOST_OUTSIDE:
            return False
        return self.city is None or bool(self._outside(placed).mean() <= _MOST_OUTSIDE)

    def _outside(self, placed: Bounds) -> NDArray[np.bool_]:
        """Return which points lie outside every city."""
        outside = np.ones(len(placed), dtype=bool)
        for city in self.city if self.city is not None else ():
            low, high = city[:2] - _AROUND_DEGREES, city[2:] + _AROUND_DEGREES
            outside &= np.asarray(((placed < low) | (placed > high)).any(axis=1))
        return outside

    def _named(self) -> dict[str, object]:
        return {"file": self.path, "layer": self.layer}


def system_of(
    said: pyproj.CRS | None,
    how: Coordinates,
    path: Path,
    layer: str,
    guess: Callable[[], str | None] = lambda: None,
) -> pyproj.CRS:
    """Return the system of a file's coordinates: what it says, else what the mapping says.

    Parameters
    ----------
    guess
        Finds the system that is likely, for the message where neither says it.

    Raises
    ------
    InputError
        If neither says it, or they contradict each other.
    """
    if how.shift and not how.crs and said is None:
        return pyproj.CRS(systems.STORAGE)
    if said is None:
        if how.crs is None:
            if likely := guess():
                raise InputError("no_crs_but_likely", file=path, layer=layer, crs=likely)
            raise InputError("no_crs", file=path, layer=layer)
        return crs_named(how.crs)
    if how.crs is None:
        return said
    named = crs_named(how.crs)
    if how.override or named.equals(said, ignore_axis_order=True):
        return named
    raise InputError("crs_contradicts", file=path, layer=layer, said=said.name, crs=how.crs)


def likely_system(points: Bounds, city: Bounds | None) -> str | None:
    """Return the system in which coordinates without one make sense, None if none does.

    Parameters
    ----------
    points
        Corners as the file has them, (n, 2).
    city
        Bounds of the cities that are live; without them only degrees and eastings with the number
        of their zone tell anything.
    """
    if len(points) == 0:
        return None
    x, y = np.median(points, axis=0)
    if _CHINA[0] <= x <= _CHINA[2] and _CHINA[1] <= y <= _CHINA[3]:
        return systems.STORAGE
    number = int(x // 1_000_000)
    if number in _ZONES:
        return f"EPSG:{4513 + number - _ZONES[0]}"  # CGCS2000, 3-degree, with the zone's number
    for west, south, east, north in city if city is not None else ():
        zone = systems.metric_crs((west + east) / 2, (south + north) / 2)
        placing = Georeference(
            Path(), "", zone, Coordinates(), np.array([[west, south, east, north]])
        )
        if placing.fits(points):
            return f"EPSG:{zone.to_epsg()}"
    return None


def _transform(geometry: Geometries, source: pyproj.CRS) -> Geometries:
    moved: Geometries = systems.transform(geometry, source, systems.STORAGE)
    return moved


def finite(geometry: Geometries) -> Bounds:
    """Return the finite corners of geometries."""
    corners = shapely.get_coordinates(geometry)
    return corners[np.isfinite(corners).all(axis=1)]
