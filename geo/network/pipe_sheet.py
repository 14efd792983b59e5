"""What is on record of a pipe, in words."""

from typing import Any

import numpy as np

from geo.messages import Language, text
from geo.network.depths import is_measured_to_invert
from geo.network.pipes import PipeGraph

UNITS = {
    "diameter_mm": "mm",
    "burial_depth_m": "m",
    "depth_from_m": "m",
    "depth_to_m": "m",
    "pressure_mpa": "MPa",
    "voltage_kv": "kV",
}
"""Units of the figures, by column."""

WORDS = {
    "material": "material",
    "laying": "laying",
    "depth_of": "depth_of",
    "pressure_class": "pressure_class",
    "status": "pipe_status",
}
"""Sections of the catalogue with the words of a column."""

COLUMNS = (
    *("diameter_mm", "material", "laying", "burial_depth_m", "depth_from_m", "depth_to_m"),
    *("depth_of", "pressure_mpa", "pressure_class", "voltage_kv", "ducts", "owner", "status"),
    "year_built",
)
"""Columns of the sheet, in their order."""


def describe_pipe(graph: PipeGraph, row: int, lang: Language) -> list[dict[str, str]]:
    """Return the attributes of a segment that are on record, each with its label and text."""
    record = graph.segments.iloc[row]
    lines = []
    for name in COLUMNS:
        value = record.get(name)
        if _is_missing(value):
            continue
        lines.append(
            {
                "key": name,
                "label": text(f"pipe_sheet.{name}", lang=lang),
                "text": _format_value(name, value, lang),
            }
        )
    if _is_missing(record.get("depth_of")):
        custom = "invert" if is_measured_to_invert(graph)[row] else "top"
        said = text(
            "pipe_sheet.by_custom", lang=lang, depth_of=text(f"depth_of.{custom}", lang=lang)
        )
        lines.append(
            {"key": "depth_of", "label": text("pipe_sheet.depth_of", lang=lang), "text": said}
        )
    return lines


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value))


def _format_value(name: str, value: Any, lang: Language) -> str:
    if name in WORDS:
        return text(f"{WORDS[name]}.{value}", lang=lang)
    if name in UNITS:
        return f"{value:g} {UNITS[name]}"
    return f"{value:g}" if isinstance(value, float) else str(value)
