"""Plausibility of a whole layer: encoding of texts, units of numbers, shifted maps."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, text

from etl.input.feature_batch import Batch
from etl.input.units import units_of_column
from etl.pipeline.delivery import Concern
from etl.pipeline.staging import Staged
from geo import crs
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
    "burial_depth_m": (0.05, 50.0),
}
"""Range in which most values of a column lie, in its unit."""

_SHIFT_RANGE_M = (50.0, 1500.0)
_SHIFT_TOLERANCE_M = 25.0
_SAMPLE_SIZE = 2000
_GARBLED = "�"

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
            pc.match_substring_regex(values, _MOJIBAKE), pc.match_substring(values, _GARBLED)
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


def _numbers(values: pa.Array) -> Any:
    numbers = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    return numbers[np.isfinite(numbers) & (numbers != 0)]


def find_shifted_layers(connection: Connection, staged: dict[str, Staged]) -> list[Concern]:
    """Return a concern for each layer that is shifted against the live one by GCJ-02 or BD-09."""
    concerns = []
    for name, table in staged.items():
        if "geom" in table.columns and (shift := _shift_of_layer(connection, table)):
            concerns.append(Concern("shift_suspected", {"layer": name, **shift}))
    return concerns


def _shift_of_layer(connection: Connection, staged: Staged) -> dict[str, Any] | None:
    rows = connection.execute(
        text(
            "SELECT ST_X(old), ST_Y(old), ST_X(new), ST_Y(new) FROM ("
            "SELECT ST_Centroid(live.geom) AS old, ST_Centroid(staged.geom) AS new "
            f"FROM {staged.table} staged JOIN {staged.layer} live USING (code) "
            f"WHERE staged.geom IS NOT NULL AND live.geom IS NOT NULL LIMIT {_SAMPLE_SIZE}) pair"
        )
    ).all()
    pairs = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 4)
    if len(pairs) < _MIN_VALUES:
        return None
    return suspect_shift(pairs[:, :2], pairs[:, 2:])


def suspect_shift(live: Any, new: Any) -> dict[str, Any] | None:
    """Return the known shift between live and delivered places, None if there is none.

    Parameters
    ----------
    live, new
        float64 arrays of shape (n, 2): longitude and latitude in degrees.

    Returns
    -------
    dict or None
        ``shift`` (``gcj02`` or ``bd09``) and ``metres``, the median distance.
    """
    per_degree = np.array([111_320.0 * np.cos(np.radians(live[0, 1])), 110_950.0])
    moved = np.hypot(*((new - live) * per_degree).T)
    if not _SHIFT_RANGE_M[0] <= np.median(moved) <= _SHIFT_RANGE_M[1]:
        return None
    for name, shift in (("gcj02", crs.wgs84_to_gcj02), ("bd09", crs.wgs84_to_bd09)):
        residual = np.hypot(*((shift(live) - new) * per_degree).T)
        if np.median(residual) <= _SHIFT_TOLERANCE_M:
            return {"shift": name, "metres": round(float(np.median(moved)))}
    return None
