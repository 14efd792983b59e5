"""Propose a mapping file for a data set, from its header and its values."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc

from etl.checks.plausibility import PLAUSIBLE, fitting_units
from etl.input import synonyms
from etl.input.feature_batch import Batch
from etl.input.georeference import finite_coordinates, guess_reading
from etl.input.header_matching import guess_mapping, unused_columns
from etl.input.layer_columns import geometry_kind
from etl.input.mapping import ColumnRule, Mapping, mappable_columns
from etl.input.source import Source, drawing_layers, layer_names, open_dataset, open_layer
from etl.input.table_names import table_names

_MAX_VALUES = 40
_LAYERS = ("building", "compound", "facility", "road", "pipe_node", "pipe_segment", "region")
_GEOMETRY_WORDS = {"MULTIPOLYGON": "Polygon", "LINESTRING": "Line", "POINT": "Point"}


def suggest_mapping(file: Path, layer: str = "") -> str:
    """Return the text of a mapping file for a data set.

    Parameters
    ----------
    layer
        Layer of its features; by default guessed from its geometry and column names.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    with open_dataset(file) as path:
        names = layer_names(path)
        is_workbook = path.suffix.lower() == ".xlsx"
        first = names[0] if len(names) > 1 and not is_workbook else None
        source = open_layer(path, first, names=table_names(layer))
        batch = next(iter(source.batches()))
        mapping = guess_mapping(layer or guess_layer(source, batch, file), source.fields, "")
        lines = [
            *_file_lines(file, source, mapping, names),
            *_column_lines(source, batch, mapping),
            *(_coordinate_lines(source, batch) if source.has_place else ()),
        ]
        return "\n".join(lines) + "\n"


def guess_layer(source: Source, batch: Batch, file: Path) -> str:
    """Return the layer that the names and the geometry of a file fit best."""
    file_name = synonyms.normalize_name(file.stem)

    def score(layer: str) -> tuple[int, int]:
        columns = guess_mapping(layer, source.fields, "").columns
        specific = sum(column not in ("code", "name") for column in columns)
        return specific + 3 * (layer in file_name), len(columns)

    kinds = {shape.geom_type for shape in batch.geometry[:20] if shape is not None}
    candidates = [layer for layer in _LAYERS if _can_hold(layer, kinds)]
    return max(candidates, key=score, default="facility")


def _can_hold(layer: str, kinds: set[str]) -> bool:
    """Return whether a layer can hold geometries of some kinds."""
    word = _GEOMETRY_WORDS.get(geometry_kind(layer), "")
    return all(word in kind for kind in kinds)


def _file_lines(file: Path, source: Source, mapping: Mapping, names: list[str]) -> Iterator[str]:
    yield f"# {file.name}: {', '.join(source.fields)}"
    yield f"layer = {_quote(mapping.layer)}"
    yield f"source = {_quote(synonyms.normalize_name(file.stem) or mapping.layer)}"
    yield f"file = {_quote(_pattern(file))}"
    if len(names) > 1:
        yield f"file_layer = {_quote(source.layer)}  # of: {', '.join(names)}"
    if file.suffix.lower() == ".dxf":
        layers = drawing_layers(source)
        comment = ", ".join(f"{name} ({count})" for name, count in layers.items())
        yield f"cad_layers = [{', '.join(map(_quote, list(layers)[:1]))}]  # of: {comment}"


def _pattern(file: Path) -> str:
    """Return a pattern for later editions of a file, whose dates and numbers differ."""
    stem = re.sub(r"[\d._-]*\d[\d._-]*", "*", file.stem)
    return re.sub(r"\*+", "*", f"{stem}*{file.suffix}")


def _column_lines(source: Source, batch: Batch, mapping: Mapping) -> Iterator[str]:
    yield from ("", "[columns]")
    for column, rule in mapping.columns.items():
        yield f"{column} = {_format_rule(column, mapping.layer, rule, batch)}"
    for column in mappable_columns(mapping.table):
        if column not in mapping.columns:
            yield f"# {column} = "
    if unused := unused_columns(mapping, source.fields):
        yield f"# not used: {', '.join(unused)}"
    for name, similar in unused.items():
        if similar is not None:
            yield f"# perhaps: {similar} = {_quote(name)}"


def _format_rule(column: str, layer: str, rule: ColumnRule, batch: Batch) -> str:
    if rule.source is None:
        return f"{{ default = {_quote(str(rule.default))} }}"
    name = rule.source
    values = batch.columns[name]
    parts = [f"from = {_quote(name)}"]
    units = fitting_units(column, values) if rule.unit is None and column in PLAUSIBLE else []
    if unit := rule.unit or (units[0] if len(units) == 1 else None):
        parts.append(f"unit = {_quote(unit)}")
    comment = f"  # unit: {' or '.join(units)}?" if len(units) > 1 else ""
    if known := synonyms.value_translations(column, layer):
        words = [str(value) for value in pc.unique(values.drop_null()).to_pylist()][:_MAX_VALUES]
        unknown = [word for word in words if word.strip() not in known]
        if unknown:
            parts.append(f'values = {{ {_quote(unknown[0])} = "?" }}')
            comment += f"  # also: {', '.join(unknown[1:])}" if unknown[1:] else ""
    return _quote(name) if len(parts) == 1 else "{ " + ", ".join(parts) + " }" + comment


def _coordinate_lines(source: Source, batch: Batch) -> Iterator[str]:
    yield from ("", "[coordinates]")
    if source.crs is None:
        likely = guess_reading(finite_coordinates(batch.geometry), None)
        code = likely.code if likely else "EPSG:4546"
        yield f'# crs = "{code}"  # the file does not name its system'
        if likely is None:
            yield "# metres: EPSG:4534 (75 E), every 3 degrees one more, to EPSG:4554 (135 E)"
    else:
        yield f"# system of the file: {source.crs.name}"
    yield '# shift = "gcj02"  # or "bd09", for a map taken from the web'


def _quote(text: str) -> str:
    """Return a text as a TOML string."""
    return json.dumps(text, ensure_ascii=False)
