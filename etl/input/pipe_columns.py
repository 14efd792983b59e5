"""Columns of pipes that surveying bureaus write into headers or values of other columns."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from etl.input import synonyms

DEPTH_COLUMNS = ("burial_depth_m", "depth_from_m", "depth_to_m")
"""Depths of a pipe; their headers can say what they are measured to, such as the pipe's top."""


def find_depth_of(sources: Mapping[str, str]) -> str | None:
    """Return what the depths of a file are measured to, None if their headers do not agree on it.

    Parameters
    ----------
    sources
        Header in the file by column of the layer.
    """
    headers = [sources[column] for column in DEPTH_COLUMNS if column in sources]
    measured_to = {_read_depth_of(header) for header in headers}
    return measured_to.pop() if len(measured_to) == 1 else None


def _read_depth_of(header: str) -> str | None:
    """Return what a header says that depths are measured to, None if it does not say."""
    for depth_of, words in synonyms.DEPTH_WORDS.items():
        if any(word in header for word in words):
            return depth_of
    return None


def separate_pressure_classes(columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Return separate columns of pressures and pressure classes from one column with both.

    Bureaus write figures and classes into one column: 0.2 MPa, 中压A. Nothing is returned if the
    file has a column of classes.
    """
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


def merge_sections(diameters: pa.Array | None, sections: pa.Array) -> pa.Array:
    """Return diameters, and the sections of ducts and culverts where there is no diameter.

    Where a pipe has a diameter and a different section, both are returned as one text, which the
    checks report.
    """
    sizes = sections.to_pylist()
    widths = [None] * len(sizes) if diameters is None else diameters.to_pylist()
    merged = [_one_size(*pair) for pair in zip(widths, sizes, strict=True)]
    if any(isinstance(size, str) for size in merged):
        return pa.array([None if size is None else str(size) for size in merged], pa.string())
    return pa.array(merged, pa.float64())


def _one_size(diameter: float | str | None, section: float | str | None) -> float | str | None:
    # Bureaus write nought where a pipe has no size of the kind.
    given = [size for size in (diameter, section) if _as_number(size) not in (None, 0)]
    if len({*map(_as_number, given)}) > 1:
        return f"{diameter} / {section}"
    return given[0] if given else diameter


def _as_number(size: float | str | None) -> float | str | None:
    """Return a size as a number, if it is one: beside one that can't be read all are texts."""
    try:
        return None if size is None else float(size)
    except ValueError:
        return size


def merge_kinds(appurtenances: pa.Array | None, features: pa.Array) -> pa.Array:
    """Return the kinds of nodes: their appurtenance (附属物), else the feature of the pipe (特征).

    CJJ 61 records both; a point that has no appurtenance is often marked 无.
    """
    if appurtenances is None:
        return features
    kinds = appurtenances.cast(pa.string())
    is_none = pc.equal(kinds, "无").fill_null(False)
    return pc.coalesce(
        pc.if_else(is_none, pa.scalar(None, pa.string()), kinds), features.cast(pa.string())
    )


def fill_hydrant_types(types: pa.Array | None, kinds: pa.Array) -> pa.Array:
    """Return the types of hydrants, taken from the node's kind where it names one: 地下消火栓.

    Parameters
    ----------
    types
        Types of the hydrants; None if the file has no such column.
    kinds
        Kinds of the nodes as they are written in the file.
    """
    known = synonyms.value_translations("hydrant_type", "pipe_node")
    words = kinds.cast(pa.string()).to_pylist()
    by_kind = pa.array([known.get((word or "").strip().lower()) for word in words], pa.string())
    return by_kind if types is None else pc.coalesce(types.cast(pa.string()), by_kind)
