"""Read figures with units: ``12,5 m``, ``40'6"``, ``6层``; and know the unit of every column.

What can be read in two ways is not read: ``1,000`` may be one or a thousand, and a gallon is
American or imperial. pint converts the units.

A unit behind a figure counts first, then that of the mapping, then that of the header
(:meth:`etl.input.mapping.ColumnRule.stated_unit`). A figure without any of them that fits two units
is set aside (:mod:`etl.checks.plausibility`).
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

UNITS = {
    **{unit: unit for unit in ("m", "dm", "cm", "mm", "km", "ft", "in", "t", "kg", "lb")},
    **{unit: unit for unit in ("l/s", "l/min", "l/h", "bar", "mbar", "Pa", "kPa", "MPa", "psi")},
    **dict.fromkeys(("metre", "metres", "meter", "meters", "米"), "m"),
    **dict.fromkeys(("feet", "foot", "英尺", "'"), "ft"),
    **dict.fromkeys(("inch", "inches", '"', "英寸"), "in"),
    **dict.fromkeys(("tonne", "tonnes", "吨"), "t"),
    **dict.fromkeys(("L/s", "升/秒"), "l/s"),
    **dict.fromkeys(("L/min", "lpm", "LPM", "升/分", "升/分钟"), "l/min"),
    **dict.fromkeys(("m3/h", "m^3/h", "立方米/小时", "方/小时"), "m**3/h"),
    **{"m3/s": "m**3/s", "m3/min": "m**3/min", "立方米/秒": "m**3/s"},
    **{"厘米": "cm", "毫米": "mm", "分米": "dm", "公里": "km", "千米": "km"},
    **dict.fromkeys(("公斤", "千克"), "kg"),
    **{"Bar": "bar", "巴": "bar", "帕": "Pa", "kpa": "kPa", "千帕": "kPa", "Mpa": "MPa"},
    **{"兆帕": "MPa", "%": "percent", "‰": "permille"},
    **dict.fromkeys(("kgf/cm2", "kg/cm2", "公斤/平方厘米"), "force_kilogram/cm**2"),
    **{"kV": "kV", "V": "V", "千伏": "kV", "伏": "V"},
    "m/m": "m/m",
}
"""Spellings of units in pint's terms. What is not here is not read: ``st`` (stone or short ton),
``gpm`` (American or imperial), ``mpa`` (milli or mega)."""

COLUMN_UNITS = {
    "_mm": ("mm", "cm", "dm", "m", "km", "ft"),
    "_m": ("mm", "cm", "dm", "m", "km", "ft"),
    "_mpa": ("MPa", "kPa", "bar", "Pa"),
    "_l_s": ("l/s", "m3/h", "l/min", "m3/s"),
    "_t": ("t", "kg"),
    "_percent": ("%", "‰", "m/m"),
    "_kv": ("kV", "V"),
}
"""Usual units of a column by the ending of its name, read in upper or lower case: in a pressure
column ``mpa`` means megapascal, not millipascal."""

_TARGET_UNITS = {
    **{"_mm": "mm", "_m": "m", "_mpa": "MPa", "_l_s": "l/s", "_t": "t", "_percent": "percent"},
    "_kv": "kV",
}
"""Unit in which a column is stored, by the ending of its name."""

_UNITS_IN_MESSAGES = {"_mpa": "MPa", "_l_s": "L/s", "_percent": "%", "_kv": "kV"}
"""Stored units as people write them, where the ending of the column is written differently."""

LARGE_FIGURES = {"voltage_kv": (3000.0, "V")}
"""Figures without a unit from which on a column is in another unit: no line has 3000 kV, and
tables of power lines give kilovolts and volts in one column."""

DBF_NAME_LENGTH = 10
"""Letters of a column's name in a shapefile."""

_CUT_NAMES = ("diameter_m", "pressure_m")
"""Columns of ours whose names a shapefile cuts after ten letters, so that they end like others."""

SIZE_COLUMNS = ("diameter_mm", "section_mm")
"""Columns of the size of a pipe: a nominal diameter, or the section of a duct or culvert."""

COUNTERS = ("层", "户", "level", "levels", "storey", "storeys", "floor", "floors", "flats")
"""Words that may follow a count."""

COLUMN_COUNTERS = {
    "storeys_above": ("层", "f"),
    "storeys_below": ("层", "f"),
    "storeys": ("层", "f"),
    "households": ("户",),
    "population": ("人", "口"),
    "lanes": ("条", "车道"),
    "year_built": ("年",),
    "ducts": ("孔",),
}
"""Words that may follow the whole numbers of a column, or stand in brackets in its header."""

_USUAL_SPELLINGS = {unit.lower() for units in COLUMN_UNITS.values() for unit in units}

_CONVERTED_DIGITS = 12
"""Significant digits of a converted figure: more than delivered figures have, and few enough to
round off the error of binary fractions."""

_NUMBER = r"\d+(?:[.,]\d+)?"
_FIGURE = re.compile(rf"([-+]?)({_NUMBER})\s*([^\d\s].*)?")
_FEET_AND_INCHES = re.compile(rf"({_NUMBER})\s*(?:'|ft|feet)\s*({_NUMBER})\s*(?:\"|''|in)")
_TWO_READINGS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_DATE = re.compile(r"(\d{4})[-/.年]\d{1,2}(?:[-/.月](?:\d{1,2}日?)?)?(?:[T ][\d:.]+)?")
_NOMINAL = re.compile(r"(?:DN|De|D|[ΦφØø⌀Фф])\s*(?=\d)", re.IGNORECASE)
"""Signs before the nominal size of a round pipe, which is in millimetres."""

_SECTION = re.compile(
    r"(\d+(?:\.\d+)?)\s*([^\d\s.,x×*]+)?\s*[x×*]\s*(\d+(?:\.\d+)?)\s*([^\d\s.,x×*]+)?",
    re.IGNORECASE,
)
_LEAST_SIDE_MM, _MOST_SIDE_M = 100.0, 10.0
"""Sides of a duct or culvert without a unit are millimetres from the first limit on, as in CJJ 61;
below the second limit and with a decimal point they are metres."""

_HEADER = re.compile(r"(.+?)\s*[(\[【]\s*(?:单位:\s*)?([^()\[\]【】]+?)\s*[)\]】]")
_HEADER_WITH_SIGN = re.compile(r"(.+?)\s*[_/:,-]\s*([^_:,()-]+)")
_HEADER_IN_TWO_SCRIPTS = re.compile(r"(.*[^\x00-\x7f])\s*([A-Za-z%][A-Za-z0-9/^]*)")
_HEADER_MARKS = re.compile(
    r"^\*\s*|\s*\*$|\s*[(\[【](?:必填|选填|必选|可选|必填项|选填项|非必填|required|optional)[)\]】]",
    re.IGNORECASE,
)
"""Marks of a form behind or before the names of its columns: ``*名称(必填)``."""

_TITLE_UNITS = re.compile(r"(?:^|[^\w])(?:计量)?单位\s*:\s*([^\s()]+)")
_LARGE_COUNTER = re.compile(r"[十百千万亿]+([户人口])")


def read_quantity(
    text: str, unit: str, low: float, high: float, *, default: str | None = None
) -> float | None:
    """Read a figure with a unit.

    Parameters
    ----------
    text
        The figure as it was written.
    unit
        Unit of the result, in pint's terms.
    low, high
        Smallest and largest possible figure, in that unit.
    default
        Unit of a figure without one; None if there is no such convention.

    Returns
    -------
    float or None
        The figure; None if it is impossible, unreadable, or can be read in more than one way.
    """
    text = _normalize(text)
    if parts := _FEET_AND_INCHES.fullmatch(text):
        feet, inches = (_readings(number) for number in parts.groups())
        readings = [scale(a + b / 12, _factor("ft", unit)) for a in feet for b in inches]
        return _only_possible(readings, low, high)
    figure = _FIGURE.fullmatch(text)
    if figure is None:
        return None
    sign, number, spelling = figure.groups()
    written_unit = UNITS.get(spelling) if spelling else default
    if written_unit is None:
        return None
    factor = _factor(written_unit, unit) * (-1 if sign == "-" else 1)
    return _only_possible([scale(reading, factor) for reading in _readings(number)], low, high)


def read_count(text: str, low: int, high: int) -> int | None:
    """Read a number of things; half a storey counts as a whole one.

    Returns
    -------
    int or None
        The number; None under the same conditions as for :func:`read_quantity`.
    """
    figure = _FIGURE.fullmatch(_normalize(text))
    if figure is None or figure[1] == "-" or (figure[3] and figure[3] not in COUNTERS):
        return None
    count = _only_possible([int(reading + 0.5) for reading in _readings(figure[2])], low, high)
    return None if count is None else int(count)


def units_of_column(column: str) -> dict[str, float]:
    """Return the usual units of a column's figures, each with its factor to the stored unit."""
    ending = _unit_ending(column)
    if ending is None:
        return {}
    return {unit: _factor(UNITS[unit], _TARGET_UNITS[ending]) for unit in COLUMN_UNITS[ending]}


def storage_unit(column: str) -> str:
    """Return the unit in which a column is stored, as people write it; empty if it has none."""
    ending = _unit_ending(column)
    return _UNITS_IN_MESSAGES.get(ending, ending[1:]) if ending else ""


def unit_factor(column: str, spelling: str) -> float | None:
    """Return the factor from a unit to that in which a column is stored.

    Returns
    -------
    float or None
        The factor; None if the unit is unknown or measures something else. A counter such as
        ``户`` has the factor 1 in the columns that it counts.
    """
    spelling = _normalize(spelling)
    if spelling.lower() in COLUMN_COUNTERS.get(column, ()):
        return 1.0
    ending = _unit_ending(column)
    if ending is None:
        return None
    usual = {unit.lower(): unit for unit in COLUMN_UNITS[ending]}
    unit = UNITS.get(usual.get(spelling.lower(), spelling))
    if unit is None or not _registry().Unit(unit).is_compatible_with(_TARGET_UNITS[ending]):
        return None
    return _factor(unit, _TARGET_UNITS[ending])


def split_header(header: str) -> tuple[str, str]:
    """Return a header's name and the unit after it: ``高度（米）``, ``高度_m`` and ``高度m``.

    Any text in brackets counts as a unit; a text after another sign, or Latin letters after Chinese
    ones, only if it is a known unit.
    """
    plain = _HEADER_MARKS.sub("", _normalize(header))
    if plain.lower() in _CUT_NAMES:
        return header, ""
    if parts := _HEADER.fullmatch(plain):
        return parts[1], parts[2]
    for pattern in (_HEADER_WITH_SIGN, _HEADER_IN_TWO_SCRIPTS):
        parts = pattern.fullmatch(plain)
        if parts and _is_unit(parts[2]):
            return parts[1], parts[2]
    return (plain if _HEADER_MARKS.search(_normalize(header)) else header), ""


def header_unit(column: str, header: str) -> str | None:
    """Return the unit that a header states for the figures of a column, None if it states none.

    The name of a column of ours states the unit in which it is stored, ``flow_l_s``, also where a
    shapefile cuts it: ``pressure_m``.
    """
    is_cut = len(header) == DBF_NAME_LENGTH and header.lower() == column[:DBF_NAME_LENGTH]
    if is_cut or re.sub(r"[\W_]", "", header).lower() == column.replace("_", ""):
        return storage_unit(column) or None
    unit = split_header(header)[1]
    return unit if unit and unit_factor(column, unit) else None


def _is_unit(spelling: str) -> bool:
    counters = (counter for counters in COLUMN_COUNTERS.values() for counter in counters)
    return spelling in UNITS or spelling in counters or spelling.lower() in _USUAL_SPELLINGS


def units_of_title(text: str) -> list[str]:
    """Return the units that a title above a table gives, as in ``单位：米、户``."""
    named = _TITLE_UNITS.search(_normalize(text))
    units = re.split("[、,;和]", named[1]) if named else []
    return [unit for unit in units if _is_unit(unit) or _LARGE_COUNTER.fullmatch(unit)]


def find_contradiction(column: str, units: Sequence[str]) -> str | None:
    """Return the unit of a table's title that contradicts the unit in which a column is stored.

    The title gives the units of columns without one of their own. None if it names the stored unit,
    or no unit of the same quantity.
    """
    factors = {unit: _factor_of_title(column, unit) for unit in units}
    if 1.0 in factors.values():
        return None
    return next((unit for unit, factor in factors.items() if factor), None)


def _factor_of_title(column: str, unit: str) -> float | None:
    """Return the factor from a unit of a title to that of a column, None if it is of another kind.

    Infinite for a counter of hundreds or more, such as ``百户``: it contradicts any column.
    """
    large = _LARGE_COUNTER.fullmatch(unit)
    is_counter = large is not None and large[1] in COLUMN_COUNTERS.get(column, ())
    return math.inf if is_counter else unit_factor(column, unit)


def has_figures(column: str) -> bool:
    """Return whether a column holds figures that may be written with a unit or a counter."""
    return column in COLUMN_COUNTERS or _unit_ending(column) is not None


def is_measure(column: str) -> bool:
    """Return whether a column holds a measure, of which "none" is no zero."""
    return _unit_ending(column) is not None


def convert_figure(column: str, text: str, factor: float | None = None) -> float | None:
    """Read a column's figure with its unit: ``60 m3/h``, ``0.4 MPa``, ``DN200``, ``24户``.

    A dot is the decimal point, as in the same column's figures without a unit. The section of a
    duct or culvert, ``800x600``, is read as its longer side.

    Parameters
    ----------
    factor
        Factor to the column's unit of a figure without one; None if no unit is stated for the
        column: then the figure is in the column's unit.

    Returns
    -------
    float or None
        The figure in the column's unit; None if it can't be read, or in more than one way.
    """
    text = _normalize(text)
    if column in SIZE_COLUMNS:
        if _NOMINAL.match(text):
            text = _NOMINAL.sub("", text)
            if re.fullmatch(r"\d\.\d+", text):
                return None  # Φ0.8 may be in metres
            text += " mm"
        if section := _SECTION.fullmatch(text):
            return _longer_side(column, section, factor)
    if column.startswith("year") and (day := _DATE.fullmatch(text)):
        return float(day[1])
    figure = _FIGURE.fullmatch(text)
    if figure is None or ("," in figure[2] and _TWO_READINGS.fullmatch(figure[2])):
        return None
    own_factor = unit_factor(column, figure[3]) if figure[3] else (factor or 1.0)
    if own_factor is None:
        return None
    return scale(float(figure[1] + figure[2].replace(",", ".")), own_factor)


def _longer_side(column: str, section: re.Match[str], factor: float | None) -> float | None:
    """Return the longer side of a section; None if its unit is open: ``3x4`` may be ducts."""
    numbers, spellings = section.group(1, 3), section.group(2, 4)
    sides = [float(number) for number in numbers]
    if spellings[1] is not None:
        factors = [unit_factor(column, spelling or spellings[1]) for spelling in spellings]
        if None in factors:
            return None
        return max(scale(side, f) for side, f in zip(sides, factors, strict=True) if f)
    if spellings[0] is not None:
        return None
    if factor is None:
        if min(sides) >= _LEAST_SIDE_MM:
            factor = 1.0
        elif max(sides) < _MOST_SIDE_M and any("." in number for number in numbers):
            factor = unit_factor(column, "m")
    return None if factor is None or min(sides) == 0 else scale(max(sides), factor)


def scale(figure: float, factor: float) -> float:
    """Return a figure times a factor, without the error of binary fractions: 4 bar are 0.4 MPa."""
    return figure if factor == 1.0 else float(f"{figure * factor:.{_CONVERTED_DIGITS}g}")


def _unit_ending(column: str) -> str | None:
    return next((ending for ending in COLUMN_UNITS if column.endswith(ending)), None)


def _normalize(text: str) -> str:
    """Return a text with full-width signs, primes and superscripts as ASCII."""
    ascii_text = unicodedata.normalize("NFKC", text).strip()
    return ascii_text.replace("′", "'").replace("″", '"').replace("\N{DEGREE SIGN}", "deg")


def _readings(number: str) -> list[float]:
    """Return the values that a number may have.

    A dot or comma before three digits is a decimal point or separates thousands.
    """
    readings = [float(number.replace(",", "."))]
    if _TWO_READINGS.fullmatch(number):
        readings.append(float(re.sub("[.,]", "", number)))
    return readings


def _only_possible(readings: list[float], low: float, high: float) -> float | None:
    """Return the one possible reading, None if there are none or several."""
    possible = {reading for reading in readings if low <= reading <= high}
    return possible.pop() if len(possible) == 1 else None


@cache
def _factor(unit: str, target: str) -> float:
    """Return the factor that converts a figure from a unit to another."""
    return float(_registry().Quantity(1.0, unit).to(target).magnitude)


@cache
def _registry() -> "pint.UnitRegistry[float]":
    import pint  # takes half a second, so only commands that read units import it

    return pint.UnitRegistry()
