"""Plausibility of a layer: encoding of texts, units of figures."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.checks.faults import GARBLED, Fault, format_value
from etl.input.feature_batch import Batch
from etl.input.units import units_of_column
from geo.errors import InputError
from geo.types import Bools, Floats

_MAJORITY = 0.5
_NEARLY_ALL = 0.9
_MIN_VALUES = 5
"""Fewer values are too few to judge by their share."""

PLAUSIBLE = {
    "height_m": (2.0, 700.0),
    "width_m": (0.5, 150.0),
    "clear_height_m": (1.5, 50.0),
    "diameter_mm": (10.0, 5000.0),
    "section_mm": (10.0, 10_000.0),
    "burial_depth_m": (0.3, 50.0),
    "depth_from_m": (0.3, 50.0),
    "depth_to_m": (0.3, 50.0),
}
"""Range in which most values of a column lie, in its unit."""

TYPICAL = {
    "height_m": (2.0, 100.0),
    "width_m": (2.0, 80.0),
    "burial_depth_m": (0.3, 8.0),
    "depth_from_m": (0.3, 8.0),
    "depth_to_m": (0.3, 8.0),
}
"""Range of the median of a column, where it is narrower: it tells 18,000 mm from 18,000 cm."""

_ENDLESS = float("inf")


@dataclass(frozen=True)
class UnitBand:
    """Figures of a column that fit another unit, where none is stated.

    Attributes
    ----------
    low, high
        The figures, without their sign.
    units
        The units that they fit.
    majority_decides
        Whether they are read in the column's unit where most of the column fits only that.
    only
        Column and words to which the figures belong; None for all.
    except_for
        Figures between that fit only the column's unit.
    """

    low: float
    high: float
    units: tuple[str, ...]
    majority_decides: bool = False
    only: tuple[str, Collection[str]] | None = None
    except_for: tuple[float, ...] = ()


_DRAINS = ("network", ("sewage", "storm", "combined"))
_DEPTHS = (UnitBand(20, 100, ("m", "cm")), UnitBand(100, _ENDLESS, ("cm", "mm")))
_SIZES = (
    UnitBand(0, 3, ("m",)),
    UnitBand(3, 7.9, ("m", "cm", "in")),
    UnitBand(7.9, 14.9, ("mm", "cm", "in"), majority_decides=True),
)

UNIT_BANDS: dict[str, tuple[UnitBand, ...]] = {
    "voltage_kv": (
        *(UnitBand(volts, volts, ("kV", "V")) for volts in (12, 24, 36, 48)),
        UnitBand(200, 2999, ("kV", "V"), except_for=(330, 345, 500, 750, 765, 800)),
    ),
    "diameter_mm": (*_SIZES, UnitBand(15, 99, ("mm", "cm"), majority_decides=True, only=_DRAINS)),
    "section_mm": _SIZES,
    "burial_depth_m": _DEPTHS,
    "depth_from_m": _DEPTHS,
    "depth_to_m": _DEPTHS,
    "pressure_mpa": (
        UnitBand(1, 1.6, ("MPa", "bar"), majority_decides=True),
        UnitBand(1.6, 20, ("MPa", "bar", "kPa")),
        UnitBand(20, _ENDLESS, ("kPa", "bar")),
    ),
    "flow_l_s": (
        UnitBand(30, 45, ("L/s", "m3/h"), majority_decides=True),
        UnitBand(45, 300, ("L/s", "m3/h")),
        UnitBand(300, _ENDLESS, ("L/min", "m3/h")),
    ),
    "height_m": (
        UnitBand(220, 1000, ("m", "cm"), majority_decides=True),
        UnitBand(1000, _ENDLESS, ("cm", "mm")),
    ),
    "width_m@road": (UnitBand(90, 200, ("m", "cm")), UnitBand(200, _ENDLESS, ("cm", "mm"))),
    "clear_height_m": (UnitBand(15, 100, ("m", "dm")), UnitBand(100, _ENDLESS, ("cm", "mm"))),
    "max_weight_t": (UnitBand(200, 1000, ("t", "kg")), UnitBand(1000, _ENDLESS, ("kg",))),
    "slope_percent": (
        UnitBand(0, 0.2, ("%", "m/m"), majority_decides=True),
        UnitBand(20, 100, ("%", "‰")),
        UnitBand(100, _ENDLESS, ("‰",)),
    ),
}
"""Figures whose unit has to be stated, by column (``column@layer`` where layers differ).

The least and the largest figures are those of Chinese practice: 380 V beside 330 kV, mains of 1.6
MPa, hydrants of 15 to 40 L/s, sewers from 200 mm on.
"""


# UTF-8 or GBK read as Latin-1, or as each other; no text has these characters side by side.
_MOJIBAKE = r"[À-ÿ]{2,}|锟斤拷|[ÃÂ][-¿]"


def refuse_garbled(batch: Batch, file: Path, layer: str) -> None:
    """Refuse a layer whose texts are mostly read in the wrong encoding.

    Raises
    ------
    InputError
        With the first garbled text.
    """
    wrong = there = 0
    shown = ""
    for values in batch.columns.values():
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            continue
        foreign = pc.match_substring_regex(values, r"[^\x00-\x7f]").fill_null(False)
        bad = pc.or_(
            pc.match_substring_regex(values, _MOJIBAKE), pc.match_substring(values, GARBLED)
        ).fill_null(False)
        there += pc.sum(foreign).as_py() or 0
        wrong += pc.sum(bad).as_py() or 0
        if not shown and pc.any(bad).as_py():
            shown = values.filter(bad)[0].as_py()[:40]
    if wrong >= _MIN_VALUES and wrong > _MAJORITY * there:
        raise InputError("encoding_wrong", file=file, layer=layer, value=shown)


def refuse_other_unit(batch: Batch, layer: str, file: Path) -> None:
    """Refuse a layer whose numbers are in another unit than its columns have.

    Raises
    ------
    InputError
        With the column and the unit that fits.
    """
    for column in PLAUSIBLE:
        if column not in batch.columns:
            continue
        if units := fitting_units(column, batch.columns[column]):
            raise InputError(
                "unit_suspected",
                file=file,
                layer=layer,
                column=column,
                value=f"{np.median(_numbers(batch.columns[column])):g}",
                units=" / ".join(units),
                unit=units[0],
            )


def fitting_units(column: str, values: pa.Array) -> list[str]:
    """Return the units in which values are plausible, none if they are in that of the column."""
    low, high = PLAUSIBLE[column]
    numbers = _numbers(values)
    if len(numbers) < _MIN_VALUES or ((numbers >= low) & (numbers <= high)).mean() > _MAJORITY:
        return []
    least, most = TYPICAL.get(column, PLAUSIBLE[column])
    return [
        unit
        for unit, factor in units_of_column(column).items()
        if unit in ("mm", "cm", "m")
        and factor != 1.0
        and least <= np.median(numbers) * factor <= most
        and ((numbers * factor >= low) & (numbers * factor <= high)).mean() > _NEARLY_ALL
    ]


def find_unit_doubts(
    column: str,
    header: str,
    values: pa.Array,
    batch: Batch,
    layer: str,
    has_sure_figures: dict[str, bool],
) -> list[Fault]:
    """Return the fault of figures without a unit that fit another unit than that of their column.

    Parameters
    ----------
    column, header
        The column, and its name in the file, which states no unit.
    values
        The column as it was delivered.
    batch
        The features in our terms.
    has_sure_figures
        Whether most figures of a column fit only its unit, as the first batch of a layer says; it
        is added here.
    """
    bands = UNIT_BANDS.get(f"{column}@{layer}") or UNIT_BANDS.get(column, ())
    numbers = np.abs(_all_numbers(values))
    band_of = np.full(len(numbers), -1)
    for number, band in reversed([*enumerate(bands)]):  # the first that fits counts
        inside = (numbers >= band.low) & (numbers <= band.high) & (numbers > 0)
        inside &= ~np.isin(numbers, band.except_for)
        if band.only is not None:
            inside &= _is_among(batch, *band.only)
        band_of[inside] = number
    is_sure = np.isfinite(numbers) & (numbers > 0) & (band_of < 0)
    open_bands = [number for number, band in enumerate(bands) if band.majority_decides]
    is_open = np.isin(band_of, open_bands)
    if has_sure_figures.setdefault(column, bool(is_sure.sum() > is_open.sum())):
        band_of[is_open] = -1

    def describe_row(row: int) -> dict[str, Any]:
        units = bands[band_of[row]].units
        shown = {"units": " / ".join(units), "unit": units[0], "name": column}
        return {"column": header, "value": format_value(values[row].as_py()), **shown}

    return [Fault("unit_doubtful", band_of >= 0, describe_row)] if (band_of >= 0).any() else []


def _is_among(batch: Batch, column: str, words: Collection[str]) -> Bools:
    """Return which features of a batch have one of some words in a column."""
    if column not in batch.columns:
        return np.zeros(len(batch), dtype=bool)
    texts = batch.columns[column].cast(pa.string())
    return np.asarray(pc.is_in(texts, pa.array(words, pa.string())).fill_null(False))


def contradicts_unit(column: str, values: pa.Array, factor: float) -> bool:
    """Return whether values can't be in a unit, but are plausible in that of their column.

    Parameters
    ----------
    factor
        Factor from the unit to that of the column.
    """
    numbers = _numbers(values)
    if column not in PLAUSIBLE or len(numbers) == 0:
        return False
    low, high = PLAUSIBLE[column]
    fits, fits_unit = (
        ((numbers * by >= low) & (numbers * by <= high)).mean() for by in (1.0, factor)
    )
    return bool(fits > _NEARLY_ALL and fits_unit < 1 - _NEARLY_ALL)


def _numbers(values: pa.Array) -> Any:
    numbers = _all_numbers(values)
    return numbers[np.isfinite(numbers) & (numbers != 0)]


def _all_numbers(values: pa.Array) -> Floats:
    """Return values as numbers, NaN for those with a unit of their own and other texts."""
    numbers = pd.to_numeric(values.to_pandas(), errors="coerce")
    return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
