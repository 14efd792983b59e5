"""Plausibility of a whole layer: encoding of texts, units of numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.checks.faults import GARBLED
from etl.input.feature_batch import Batch
from etl.input.units import units_of_column
from geo.errors import InputError

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
    "burial_depth_m": (0.05, 50.0),
}
"""Range in which most values of a column lie, in its unit."""


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
        unit = fitting_unit(column, batch.columns[column])
        if unit is not None:
            value = f"{np.median(_numbers(batch.columns[column])):g}"
            raise InputError(
                "unit_suspected", file=file, layer=layer, column=column, value=value, unit=unit
            )


def fitting_unit(column: str, values: pa.Array) -> str | None:
    """Return the unit in which values are plausible, None if they are in the unit of the column."""
    low, high = PLAUSIBLE[column]
    numbers = _numbers(values)
    if len(numbers) < _MIN_VALUES or ((numbers >= low) & (numbers <= high)).mean() > _MAJORITY:
        return None
    for unit, factor in units_of_column(column).items():
        fits = ((numbers * factor >= low) & (numbers * factor <= high)).mean()
        if unit in ("mm", "cm", "m") and factor != 1.0 and fits > _NEARLY_ALL:
            return unit
    return None


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
    numbers = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    return numbers[np.isfinite(numbers) & (numbers != 0)]
