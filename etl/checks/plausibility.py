"""Doubts about a whole layer: texts in another encoding, figures in another unit, shifted maps."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, text

from etl.input.feature_batch import Batch
from etl.input.units import units_of_column
from etl.pipeline.guard import Concern
from etl.pipeline.staging import Staged
from geo import crs
from geo.errors import InputError

_MOST = 0.5
_NEARLY_ALL = 0.9
_FEWEST = 5
"""Values from which on a share says something."""

PLAUSIBLE = {
    "height_m": (2.0, 700.0),
    "width_m": (0.5, 150.0),
    "clear_height_m": (1.5, 50.0),
    "diameter_mm": (10.0, 5000.0),
    "burial_depth_m": (0.05, 50.0),
}
"""Between which most figures of a column lie, in its unit."""

_SHIFT_METRES = (50.0, 1500.0)
_SHIFT_ALIKE_M = 25.0
_COMPARED = 2000
_GARBLED = "�"

# What UTF-8 or GBK looks like when read as Latin-1 or each other; nobody writes these side by side.
_MOJIBAKE = r"[À-ÿ]{2,}|锟斤拷|[ÃÂ][-¿]"


def refuse_garbled(batch: Batch, file: Path, layer: str) -> None:
    """Refuse a layer most of whose texts are read in the wrong encoding.

    Raises
    ------
    InputError
        With the first text that shows it.
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
    if wrong >= _FEWEST and wrong > _MOST * there:
        raise InputError("encoding_wrong", file=file, layer=layer, value=shown)


def refuse_other_unit(batch: Batch, layer: str, file: Path) -> None:
    """Refuse a layer whose figures are in another unit than its column says.

    Raises
    ------
    InputError
        With the column and the unit that would fit.
    """
    for column in PLAUSIBLE:
        if column not in batch.columns:
            continue
        unit = fitting_unit(column, batch.columns[column])
        if unit is not None:
            value = f"{np.median(_figures(batch.columns[column])):g}"
            raise InputError(
                "unit_suspected", file=file, layer=layer, column=column, value=value, unit=unit
            )


def fitting_unit(column: str, values: pa.Array) -> str | None:
    """Return the unit that figures must be in to be plausible, None if they are so in ours."""
    low, high = PLAUSIBLE[column]
    figures = _figures(values)
    if len(figures) < _FEWEST or ((figures >= low) & (figures <= high)).mean() > _MOST:
        return None
    for unit, factor in units_of_column(column).items():
        fits = ((figures * factor >= low) & (figures * factor <= high)).mean()
        if unit in ("mm", "cm", "m") and factor != 1.0 and fits > _NEARLY_ALL:
            return unit
    return None


def _figures(values: pa.Array) -> Any:
    import pandas as pd

    figures = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    return figures[np.isfinite(figures) & (figures != 0)]


def find_shifted_layers(connection: Connection, staged: dict[str, Staged]) -> list[Concern]:
    """Return the layers that lie aside of what is live by what GCJ-02 or BD-09 shifts a place."""
    found = []
    for name, one in staged.items():
        if "geom" in one.columns:
            suspect = _shift_of(connection, one)
            if suspect:
                found.append(Concern("shift_suspected", {"layer": name, **suspect}))
    return found


def _shift_of(connection: Connection, staged: Staged) -> dict[str, Any] | None:
    rows = connection.execute(
        text(
            "SELECT ST_X(old), ST_Y(old), ST_X(new), ST_Y(new) FROM ("
            "SELECT ST_Centroid(live.geom) AS old, ST_Centroid(staged.geom) AS new "
            f"FROM {staged.table} staged JOIN {staged.layer} live USING (code) "
            f"WHERE staged.geom IS NOT NULL AND live.geom IS NOT NULL LIMIT {_COMPARED}) pair"
        )
    ).all()
    pairs = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 4)
    if len(pairs) < _FEWEST:
        return None
    return suspect_shift(pairs[:, :2], pairs[:, 2:])


def suspect_shift(live: Any, new: Any) -> dict[str, Any] | None:
    """Return by which shift places lie aside of where they are live, if by one of the known ones.

    Parameters
    ----------
    live, new
        Longitudes and latitudes, (n, 2) each.
    """
    per_degree = np.array([111_320.0 * np.cos(np.radians(live[0, 1])), 110_950.0])
    moved = np.hypot(*((new - live) * per_degree).T)
    if not _SHIFT_METRES[0] <= np.median(moved) <= _SHIFT_METRES[1]:
        return None
    for name, shift in (("gcj02", crs.wgs84_to_gcj02), ("bd09", crs.wgs84_to_bd09)):
        aside = np.hypot(*((shift(live) - new) * per_degree).T)
        if np.median(aside) <= _SHIFT_ALIKE_M:
            return {"shift": name, "metres": round(float(np.median(moved)))}
    return None
