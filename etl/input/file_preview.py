"""What a delivered file holds: its columns with some values, and how they are probably read.

A person corrects the proposal on the import page before anything is imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.checks.plausibility import PLAUSIBLE, fitting_units
from etl.input import item_sheets, sandbox, synonyms
from etl.input.column_values import apply_mapping
from etl.input.feature_batch import Batch
from etl.input.formats import DRIVERS, TEXT_TABLE_SUFFIXES
from etl.input.georeference import finite_coordinates, guess_reading
from etl.input.header_matching import DERIVED_COLUMNS, guess_mapping
from etl.input.layer_columns import INFERRED_COLUMNS, REGISTER, required_columns
from etl.input.mapping import IMPLIED_VALUES, Mapping, mappable_columns
from etl.input.mapping_proposal import guess_layer
from etl.input.source import layer_names, open_dataset, open_layer
from etl.input.table_names import layers_of_sheets, table_names
from etl.input.units import units_of_column
from geo.types import Floats

SAMPLE_ROWS = 5
MAX_CODES = 1000
"""Codes of the file that are compared with the live ones."""

LAYERS = (
    *("region", "community", "compound", "building", "building_unit", "register", "facility"),
    *("road", "railway", "water", "pipe_node", "hydrant", "pipe_segment", "building_fire"),
)
"""Layers that a file can be read as."""


@dataclass(frozen=True)
class FileColumn:
    """A column of a file, with the values of its first rows (empty where there is none)."""

    name: str
    samples: list[str]


@dataclass(frozen=True)
class LayerColumn:
    """A column of ours, with the column and the unit of the file that probably fill it."""

    name: str
    required: bool
    units: list[str]
    source: str | None
    unit: str | None


@dataclass(frozen=True)
class FilePreview:
    """What a file holds, and how it is probably read.

    Attributes
    ----------
    layer
        Layer of its features, requested or guessed.
    source
        Name for the source that its name suggests.
    file_layer, file_layers
        The layer of the file that is shown, and all of them.
    encoding
        Encoding of its texts, None for a format that has only one.
    crs, likely_crs
        Names of the coordinate system that the file states, and of that in which it probably is.
    has_place
        Whether its features have geometry.
    columns, targets
        Its columns and ours.
    codes
        The first codes of its features.
    """

    layer: str
    source: str
    file_layer: str
    file_layers: list[str]
    encoding: str | None
    crs: str | None
    likely_crs: str | None
    has_place: bool
    columns: list[FileColumn]
    targets: list[LayerColumn]
    codes: list[str]


def preview_file(
    file: Path,
    layer: str = "",
    file_layer: str = "",
    encoding: str = "",
    city_bounds: Floats | None = None,
) -> FilePreview:
    """Return what a file holds, and how it is probably read.

    Parameters
    ----------
    layer, file_layer, encoding
        As requested; guessed or detected if empty.
    city_bounds
        float64 array of shape (n, 4): west, south, east, north of the live cities in degrees.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    with open_dataset(file) as path:
        file_layers = layer_names(path)
        name = file_layer or _choose_file_layer(path, file_layers, layer)
        source = open_layer(path, name, encoding=encoding or None, names=table_names(layer))
        if layer == item_sheets.LAYER:
            source = item_sheets.unpivot_items(source)
        batch = next((b for b in source.batches() if len(b)), None) or source.empty_batch()
        chosen = layer or guess_layer(source, batch, file)
        mapping = guess_mapping(chosen, source.fields, "")
        likely = guess_reading(finite_coordinates(batch.geometry), city_bounds)
        return FilePreview(
            layer=chosen,
            source=synonyms.normalize_name("".join(c for c in file.stem if not c.isdecimal())),
            file_layer=source.layer,
            file_layers=file_layers,
            encoding=encoding or _detect_encoding(path),
            crs=source.crs.name if source.crs else None,
            likely_crs=likely.code if likely and not source.crs else None,
            has_place=source.has_place,
            columns=[_file_column(batch, field) for field in source.fields],
            targets=_layer_columns(mapping, batch, has_place=source.has_place),
            codes=_first_codes(mapping, batch),
        )


def _choose_file_layer(path: Path, names: Sequence[str], layer: str) -> str | None:
    """Return the layer of a file with the name of ours, else the first; None lets the reader."""
    if len(names) < 2:
        return None
    if path.suffix.lower() == ".xlsx":
        return layers_of_sheets(names, [layer]).get(layer) if layer else None
    return layer if layer in names else names[0]


def _detect_encoding(path: Path) -> str | None:
    """Return the encoding of a file, None if its format has only one."""
    suffix = path.suffix.lower()
    if suffix in (*TEXT_TABLE_SUFFIXES, ".shp") or DRIVERS.get(suffix) == "GeoJSON":
        return str(sandbox.run_task(path, "text_encoding", encoding=None)["encoding"] or "UTF-8")
    return None


def _file_column(batch: Batch, name: str) -> FileColumn:
    values = batch.columns[name][:SAMPLE_ROWS].to_pylist()
    return FileColumn(name, ["" if value is None else str(value) for value in values])


def _layer_columns(mapping: Mapping, batch: Batch, *, has_place: bool) -> list[LayerColumn]:
    table = mapping.table
    filled = {"geom", *DERIVED_COLUMNS, *INFERRED_COLUMNS.get(table, ())}
    filled |= IMPLIED_VALUES.get(mapping.layer, {}).keys()
    required = {column.name for column in required_columns(table)} - filled
    if table == REGISTER and not has_place:
        required = {"code"}
    return [
        _layer_column(name, mapping, batch, required=name in required)
        for name in mappable_columns(table)
    ]


def _layer_column(name: str, mapping: Mapping, batch: Batch, *, required: bool) -> LayerColumn:
    rule = mapping.columns.get(name)
    field = rule.source if rule else None
    unit = rule.unit if rule else None
    if field is not None and unit is None and name in PLAUSIBLE:
        fitting = fitting_units(name, batch.columns[field])
        unit = fitting[0] if len(fitting) == 1 else None
    units = list(units_of_column(name))
    units += [unit] if unit and unit not in units else []  # as its header spells it
    return LayerColumn(name, required, units, field, unit)


def _first_codes(mapping: Mapping, batch: Batch) -> list[str]:
    if "code" not in mapping.columns:
        return []
    codes = apply_mapping(mapping, batch).columns["code"][:MAX_CODES].to_pylist()
    return [str(code) for code in codes if code is not None]
