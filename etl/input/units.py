"""Figures as people write them, with or without a unit: ``12,5 m``, ``40'6"``, ``6层``.

What can be read in two ways is not read: ``1.000`` may be one or a thousand, and a gallon is
American or imperial. pint knows how the units convert.
"""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

UNITS = {
    **{unit: unit for unit in ("m", "cm", "mm", "km", "ft", "in", "t", "kg", "lb")},
    **{unit: unit for unit in ("l/s", "l/min", "l/h", "bar", "mbar", "Pa", "kPa", "MPa", "psi")},
    **dict.fromkeys(("metre", "metres", "meter", "meters", "米"), "m"),
    **dict.fromkeys(("feet", "foot", "英尺", "'"), "ft"),
    **dict.fromkeys(("inch", "inches", '"'), "in"),
    **dict.fromkeys(("tonne", "tonnes", "吨"), "t"),
    **dict.fromkeys(("L/s", "升/秒"), "l/s"),
    **dict.fromkeys(("L/min", "lpm", "升/分"), "l/min"),
    **dict.fromkeys(("m3/h", "m^3/h", "立方米/小时"), "m**3/h"),
    **{"厘米": "cm", "毫米": "mm", "公斤": "kg", "m3/s": "m**3/s", "m3/min": "m**3/min"},
    **{"Bar": "bar", "kpa": "kPa", "Mpa": "MPa", "千帕": "kPa", "兆帕": "MPa"},
}
"""Spellings of units in pint's terms. What is not here is not read: ``st`` (stone or short ton),
``gpm`` (American or imperial), ``mpa`` (milli or mega)."""

COUNTERS = ("层", "户", "level", "levels", "storey", "storeys", "floor", "floors", "flats")
"""What may stand after a number of things."""

_NUMBER = r"\d+(?:[.,]\d+)?"
_FIGURE = re.compile(rf"([-+]?)({_NUMBER})\s*([^\d\s].*)?")
_FEET_AND_INCHES = re.compile(rf"({_NUMBER})\s*(?:'|ft|feet)\s*({_NUMBER})\s*(?:\"|''|in)")
_TWO_READINGS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")


def read_quantity(
    text: str, unit: str, low: float, high: float, *, default: str | None = None
) -> float | None:
    """Read a figure with a unit.

    Parameters
    ----------
    text
        What somebody wrote.
    unit
        The unit wanted, in pint's terms.
    low, high
        The smallest and the largest figure that can be true, in that unit.
    default
        The unit of a figure without one; None if there is no such convention.

    Returns
    -------
    float or None
        The figure; None if it can't be true, can't be read, or can be read in more than one way.
    """
    text = _plain(text)
    if split := _FEET_AND_INCHES.fullmatch(text):
        feet, inches = (_readings(number) for number in split.groups())
        readings = [(a + b / 12) * _factor("ft", unit) for a in feet for b in inches]
        return _only(readings, low, high)
    figure = _FIGURE.fullmatch(text)
    if figure is None:
        return None
    sign, number, written = figure.groups()
    given = UNITS.get(written) if written else default
    if given is None:
        return None
    factor = _factor(given, unit) * (-1 if sign == "-" else 1)
    return _only([reading * factor for reading in _readings(number)], low, high)


def read_count(text: str, low: int, high: int) -> int | None:
    """Read a number of things; half a storey counts as a whole one.

    Returns
    -------
    int or None
        The number; None under the same conditions as for :func:`read_quantity`.
    """
    figure = _FIGURE.fullmatch(_plain(text))
    if figure is None or figure[1] == "-" or (figure[3] and figure[3] not in COUNTERS):
        return None
    count = _only([int(reading + 0.5) for reading in _readings(figure[2])], low, high)
    return None if count is None else int(count)


def _plain(text: str) -> str:
    """Return a text with full-width signs, primes and cubes as plain ones."""
    plain = unicodedata.normalize("NFKC", text).strip()
    return plain.replace("′", "'").replace("″", '"').replace("\N{DEGREE SIGN}", "deg")


def _readings(number: str) -> list[float]:
    """Return what a number can mean: a sign before three digits may group thousands."""
    readings = [float(number.replace(",", "."))]
    if _TWO_READINGS.fullmatch(number):
        readings.append(float(re.sub("[.,]", "", number)))
    return readings


def _only(readings: list[float], low: float, high: float) -> float | None:
    """Return the one reading that can be true."""
    possible = {reading for reading in readings if low <= reading <= high}
    return possible.pop() if len(possible) == 1 else None


@cache
def _factor(given: str, wanted: str) -> float:
    """Return by what a figure is multiplied to be in the unit wanted."""
    return float(_registry().Quantity(1.0, given).to(wanted).magnitude)


@cache
def _registry() -> "pint.UnitRegistry[float]":
    import pint  # half a second, which commands that read no units need not wait

    return pint.UnitRegistry()
