"""Proposing a mapping file for a file, from its header and its values."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from etl.checks.plausibility import PLAUSIBLE, fitting_unit
from etl.input import synonyms
from etl.input.feature_batch import Batch
from etl.input.georeference import finite_coordinates, guess_crs
from etl.input.mapping import guess_mapping, mappable_columns
from etl.input.source import Source, layer_names, open_dataset, open_layer

_VALUES = 40
_LAYERS = ("building", "compound", "facility", "road", "pipe_node", "pipe_segment", "region")


def suggest_mapping(file: Path, layer: str = "") -> str:
    """Return the text of a mapping file for a file.

    Parameters
    ----------
    layer
        What it holds; guessed from its geometry and its names by default.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    with open_dataset(file) as data:
        names = layer_names(data)
        source = open_layer(data, names[0] if len(names) > 1 else None)
        batch = next(iter(source.batches()))
        chosen = layer or guess_layer(source, batch, file)
        return "\n".join(_lines(file, source, batch, chosen, names)) + "\n"


def guess_layer(source: Source, batch: Batch, file: Path) -> str:
    """Return the layer that a file's names and geometry fit best."""
    stem = synonyms.normalize_name(file.stem)

    def fit(layer: str) -> tuple[int, int]:
        mapping = guess_mapping(layer, source.fields, "")
        own = sum(column not in ("code", "name") for column in mapping.columns)
        return own + 3 * (layer in stem), len(mapping.columns)

    kinds = {getattr(shape, "geom_type", None) for shape in batch.geometry[:20]}
    return max((name for name in _LAYERS if _fits(name, kinds)), key=fit, default="facility")


def _fits(layer: str, kinds: set[str | None]) -> bool:
    from etl.input.layer_columns import geometry_kind

    known = kinds - {None}
    if not known or geometry_kind(layer) == "GEOMETRY":
        return True
    word = {"MULTIPOLYGON": "Polygon", "LINESTRING": "Line", "POINT": "Point"}[geometry_kind(layer)]
    return all(kind is not None and word in kind for kind in known)


def _lines(file: Path, source: Source, batch: Batch, layer: str, names: list[str]) -> Iterator[str]:
    mapping = guess_mapping(layer, source.fields, "")
    yield f"# {file.name}: {', '.join(source.fields)}"
    yield f"layer = {_quote(layer)}"
    yield f"source = {_quote(synonyms.normalize_name(file.stem) or layer)}"
    yield f"file = {_quote(_every_night(file))}"
    if len(names) > 1:
        yield f"file_layer = {_quote(source.layer)}  # of: {', '.join(names)}"
    yield ""
    yield "[columns]"
    used = set()
    for column, rule in mapping.columns.items():
        name = rule.source or ""
        used.add(name)
        yield f"{column} = {_rule(column, layer, name, batch)}"
    for column in mappable_columns(layer):
        if column not in mapping.columns:
            yield f"# {column} = "
    unused = [name for name in source.fields if name not in used]
    if unused:
        yield f"# not used: {', '.join(unused)}"
    if source.has_place:
        yield ""
        yield "[coordinates]"
        if source.crs is None:
            likely = guess_crs(finite_coordinates(batch.geometry), None)
            yield f'# crs = "{likely or "EPSG:4546"}"  # the file does not say its system'
            if likely is None:
                yield "# metres: EPSG:4534 (75 E), every 3 degrees one more, to EPSG:4554 (135 E)"
        else:
            yield f"# the file says {source.crs.name}"
        yield '# shift = "gcj02"  # or "bd09", if the map was taken from the web'


def _every_night(file: Path) -> str:
    """Return a pattern for a file's later editions, which differ by dates and numbers."""
    stem = re.sub(r"[\d._-]*\d[\d._-]*", "*", file.stem)
    return re.sub(r"\*+", "*", f"{stem}*{file.suffix}")


def _rule(column: str, layer: str, name: str, batch: Batch) -> str:
    values = batch.columns[name]
    parts = [f"from = {_quote(name)}"]
    unit = fitting_unit(column, values) if column in PLAUSIBLE else None
    if unit:
        parts.append(f"unit = {_quote(unit)}")
    known = synonyms.value_translations(column, layer)
    if known:
        words = [str(v) for v in pa.compute.unique(values).to_pylist() if v is not None][:_VALUES]
        foreign = [word for word in words if word.strip() not in known]
        if foreign:
            ours = f"{_quote(foreign[0])} = {_quote('?')}"
            others = ", ".join(foreign[1:])
            parts.append("values = { " + ours + " }")
            return _join_parts(parts) + (f"  # also: {others}" if others else "")
    return _quote(name) if len(parts) == 1 else _join_parts(parts)


def _join_parts(parts: list[str]) -> str:
    return "{ " + ", ".join(parts) + " }"


def _quote(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
