"""The way to read coordinates that lie in a live city: system, order of axes and unit.

Chinese deliveries are in Gauss-Krueger zones of 3 or 6 degrees, with or without the number of the
zone before the eastings, and with the northings first as surveyors write them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyproj

from etl.input.mapping import Coordinates, Unit
from geo import crs as systems
from geo.types import Bools, Floats

UNIT_M: dict[Unit, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001}

_SMALL_UNITS: tuple[Unit, ...] = ("mm", "cm")
_SAMPLE_SIZE = 1000
_MAX_OUTSIDE = 0.5

_ZONES_3 = range(25, 46)  # 75 E to 135 E (GB/T 18314)
_ZONES_6 = range(13, 24)

_EPSG_OF_ZONES = {  # numbered and plain 3-degree zones, numbered and plain 6-degree zones
    "CGCS2000": (4513, 4534, 4491, 4502),
    "Xian 1980": (2349, 2370, 2327, 2338),
    "Beijing 1954": (2401, 2422, 21413, 21453),
}
"""EPSG code of the first zone (75 E) of each kind by datum; the others follow."""


@dataclass(frozen=True)
class Reading:
    """A way to read coordinates: the settings of a mapping."""

    crs: pyproj.CRS
    swap_axes: bool = False
    unit: Unit = "m"

    @property
    def code(self) -> str:
        """The name of the system by which a mapping can give it."""
        return self.crs.srs

    def place(self, raw: Floats) -> Floats:
        """Return coordinates of a file in degrees, not finite where they have no place.

        ``raw``, shape (n, 2), is in the unit of the file; both are float64 of shape (n, 2).
        """
        x, y = (raw[:, ::-1] if self.swap_axes else raw).T * UNIT_M[self.unit]
        return np.column_stack(_to_degrees(self.crs)(x, y))


def find_reading(
    raw: Floats, stated: pyproj.CRS | None, city: Floats, is_outside: Callable[[Floats], Bools]
) -> Reading | None:
    """Return the simplest way to read coordinates by which most lie in a live city.

    Parameters
    ----------
    raw
        Coordinates of the file, shape (n, 2), float64.
    stated
        System that the file or the mapping names, None if none does.
    city
        West, south, east and north of the live cities in degrees, shape (m, 4), float64.
    is_outside
        Returns whether points in degrees, shape (n, 2), lie outside every live city.
    """
    sample = raw[:: -(-len(raw) // _SAMPLE_SIZE)]
    for reading in _readings(stated, city):
        places = reading.place(sample)
        finite = np.isfinite(places).all(axis=1)
        if (~finite | is_outside(places)).mean() <= _MAX_OUTSIDE:
            return reading
    return None


def _readings(stated: pyproj.CRS | None, city: Floats) -> Iterator[Reading]:
    """Yield the readings to try, those that change least first."""
    if stated is not None:
        yield Reading(stated, swap_axes=True)
        if stated.is_projected:
            for unit in _SMALL_UNITS:
                yield Reading(stated, unit=unit)
    others = [system for system in _systems(stated, city) if system != stated]
    for swap_axes in (False, True):
        for system in others:
            yield Reading(system, swap_axes)
    for system in (*([stated] if stated is not None else []), *others):
        for unit in _SMALL_UNITS:
            for swap_axes in (False, True):
                if system.is_projected:
                    yield Reading(system, swap_axes, unit)


def _systems(stated: pyproj.CRS | None, city: Floats) -> list[pyproj.CRS]:
    """Return the systems in which a file of a city may be, the likeliest first."""
    codes: list[int] = []
    for west, south, east, north in city:
        lon, lat = (west + east) / 2, (south + north) / 2
        codes.append(systems.metric_crs(lon, lat).to_epsg() or 0)
        if systems.is_shifted(np.array([[lon, lat]]))[0]:
            codes += _gauss_krueger_codes(_datum(stated), lon)
        utm = int((lon + 180.0) // 6.0) + 1
        codes += [(32600 if lat >= 0 else 32700) + zone for zone in (utm, utm - 1, utm + 1)]
    codes += [int(systems.STORAGE.removeprefix("EPSG:")), 3857]
    return [_of_epsg(code) for code in dict.fromkeys(codes)]


def _gauss_krueger_codes(datum: str, lon: float) -> list[int]:
    """Return the EPSG codes of the zones around a longitude, the nearest first."""
    numbered_3, plain_3, numbered_6, plain_6 = _EPSG_OF_ZONES[datum]
    codes = []
    for step in (0, -1, 1):
        zone = round(lon / 3) + step
        if zone in _ZONES_3:
            codes += [plain_3 + zone - _ZONES_3[0], numbered_3 + zone - _ZONES_3[0]]
    for step in (0, -1, 1):
        zone = int(lon // 6) + 1 + step
        if zone in _ZONES_6:
            codes += [numbered_6 + zone - _ZONES_6[0], plain_6 + zone - _ZONES_6[0]]
    return codes


def _datum(system: pyproj.CRS | None) -> str:
    """Return the datum whose zones are tried: that of the system, else CGCS2000."""
    geodetic = system.geodetic_crs if system is not None else None
    name = (geodetic.name if geodetic is not None else "").replace("_", " ").lower()
    words = {"Xian 1980": "xian", "Beijing 1954": "beijing"}
    return next((datum for datum, word in words.items() if word in name), "CGCS2000")


def zone_of_eastings(x: float) -> str | None:
    """Return the CGCS2000 zone whose number precedes an easting, None if there is no number."""
    number = int(x // 1_000_000)
    if number in _ZONES_3:
        return f"EPSG:{_EPSG_OF_ZONES['CGCS2000'][0] + number - _ZONES_3[0]}"
    if number in _ZONES_6:
        return f"EPSG:{_EPSG_OF_ZONES['CGCS2000'][2] + number - _ZONES_6[0]}"
    return None


def settings_text(reading: Reading, settings: Coordinates, stated: pyproj.CRS | None) -> str:
    """Return the lines of ``[coordinates]`` in a mapping that give a reading, on one line."""
    lines = []
    if stated is None or reading.crs != stated:
        lines.append(f'crs = "{reading.code}"')
        if stated is not None:
            lines.append("override = true")
    if reading.swap_axes != settings.swap_axes:
        lines.append(f"swap_axes = {str(reading.swap_axes).lower()}")
    if reading.unit != settings.unit:
        lines.append(f'unit = "{reading.unit}"')
    return ", ".join(lines)


@cache
def _of_epsg(code: int) -> pyproj.CRS:
    return pyproj.CRS.from_epsg(code)


@cache
def _to_degrees(system: pyproj.CRS) -> Callable[..., tuple[Floats, Floats]]:
    transform: Callable[..., tuple[Floats, Floats]] = pyproj.Transformer.from_crs(
        system, systems.STORAGE, always_xy=True
    ).transform
    return transform
