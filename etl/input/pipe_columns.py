"""Columns of pipes that surveying bureaus deliver in the headers or values of other columns."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from etl.input import synonyms

DEPTH_COLUMNS = ("burial_depth_m", "depth_from_m", "depth_to_m")
"""Depths of a pipe, of which a header can say what they are measured to."""


def find_depth_of(sources: Mapping[str, str]) -> str | None:
    """Return what the depths of a file are measured to, if all their headers say the same.

    Parameters
    ----------
    sources
        Header in the file by column of ours.
    """
    headers = [sources[column] for column in DEPTH_COLUMNS if column in sources]
    measured_to = {_depth_of_in_header(header) for header in headers}
    return measured_to.pop() if len(measured_to) == 1 else None


def _depth_of_in_header(header: str) -> str | None:
    for ours, words in synonyms.DEPTH_WORDS.items():
        if any(word in header for word in words):
            return ours
    return None


def separate_pressure_classes(columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Return pressures and their classes, which bureaus write into one column: 0.2 MPa, 中压A."""
    pressures = columns["pressure_mpa"]
    if "pressure_class" in columns:
        return {}
    if not pa.types.is_string(pressures.type):
        return {"pressure_class": pa.nulls(len(pressures), pa.string())}
    known = synonyms.value_translations("pressure_class", "pipe_segment")
    words = [(word or "").strip().lower() for word in pressures.to_pylist()]
    classes = pa.array([known.get(word) for word in words], pa.string())
    rest = pc.if_else(classes.is_valid(), pa.scalar(None, pa.string()), pressures)
    return {"pressure_mpa": rest, "pressure_class": classes}
