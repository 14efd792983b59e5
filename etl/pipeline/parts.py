"""The layers of a file that an import reads, each with its mapping."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.input import item_sheets, resident_counts
from etl.input.formats import DATASET_SUFFIXES, VECTOR_SUFFIXES
from etl.input.header_matching import (
    guess_mapping,
    refuse_missing_columns,
    refuse_unfilled_columns,
    unused_columns,
)
from etl.input.layer_columns import PERSONAL_LAYERS, REGISTER, RESIDENT
from etl.input.mapping import LAYER_SETS, Mapping, validate_mapping
from etl.input.source import Source, layer_names, open_dataset, open_layer
from etl.input.table_names import layers_of_sheets, table_names
from etl.pipeline.unchanged import file_digest, rules_digest
from etl.runs.run_records import Run, layer_versions
from geo.errors import InputError
from geo.model import LAYERS

_TABLES_OF_PROGRAMS = {"layer_styles", "qgis_projects"}
"""Tables in which QGIS keeps its settings in a GeoPackage."""


@dataclass(frozen=True)
class Part:
    """One opened layer of a file, with its mapping.

    ``of_persons`` is the mapping of a file of persons, whose ``source`` delivers the counts.
    """

    mapping: Mapping
    source: Source
    of_persons: Mapping | None = None

    @property
    def delivered(self) -> Mapping:
        """The mapping of the columns of the file."""
        return self.of_persons or self.mapping

    @property
    def layer(self) -> str:
        """The table that the features go to."""
        return self.mapping.table


@dataclass(frozen=True)
class OpenedFile:
    """The opened layers of a file.

    Attributes
    ----------
    path
        The file, as error messages name it.
    parts
        Its layers, parents before children.
    data
        The data set on disk (unpacked, for an archive); None for features from the quarantine.
    digest
        Digest of the data set.
    """

    path: Path
    parts: list[Part]
    data: Path | None = None
    digest: str = ""

    def verify_unchanged(self) -> None:
        """Raise if the data set has changed since it was opened.

        Raises
        ------
        InputError
            If its digest is no longer the same.
        """
        if self.data is not None and file_digest(self.data) != self.digest:
            raise InputError("file_changed", file=self.path)


@contextmanager
def open_file(run: Run, path: Path, layer: str, mapping: Mapping | None) -> Iterator[OpenedFile]:
    """Open the requested layers of a file, and note them in the report of the run.

    Parameters
    ----------
    layer
        A layer, or a set of layers such as ``city``.
    mapping
        Guessed from the columns of the file if None.

    Raises
    ------
    InputError
        If the file cannot be opened, or lacks the layer, a mapped column, or one for a value that
        every feature needs.
    """
    with open_dataset(path) as data:
        opened = OpenedFile(path, _open_parts(data, layer, mapping), data, file_digest(data))
        parts = opened.parts
        for part in parts:
            if part.source.count == 0 and not part.source.fields:
                raise InputError("layer_empty", file=path, layer=part.source.layer)
            refuse_unfilled_columns(part.mapping, part.source, path)
        run.report |= {
            "data": data.name,
            "digest": opened.digest,
            "rules": rules_digest(),
            "crs": {part.layer: part.source.crs.to_string() for part in parts if part.source.crs},
            "unused_columns": {
                part.layer: unused
                for part in parts
                if (unused := unused_columns(part.mapping, part.source.fields))
            },
            "unread_layers": _unread_layers(data, parts),
            "mapping": [
                part.delivered.model_dump(mode="json", by_alias=True, exclude_defaults=True)
                for part in parts
            ],
        }
        with run.connection.begin():
            run.report["state"] = layer_versions(run.connection, [p.layer for p in parts])
        yield opened


def _unread_layers(data: Path, parts: list[Part]) -> list[str]:
    """Return the layers of a data set that no part reads, without those of programs."""
    if len(parts) == 1 and data.suffix.lower() == ".xlsx":
        return []  # its reader says which sheets it passed over
    read = {part.source.layer or data.stem for part in parts}
    return [name for name in layer_names(data) if name not in read | _TABLES_OF_PROGRAMS]


def _open_parts(data: Path, layer: str, mapping: Mapping | None) -> list[Part]:
    """Open the requested layers of a data set, parents before children."""
    if layer in LAYER_SETS:
        parts = _open_set(data, layer, mapping)
    elif mapping is not None:
        parts = [
            _open_part(data, part, part.file_layer or _choose_file_layer(data, part.layer))
            for part in (mapping, *mapping.also)
        ]
    else:
        parts = [_open_part(data, layer, _choose_file_layer(data, layer))]
    order = [*LAYERS, REGISTER]
    return sorted(parts, key=lambda part: order.index(part.layer))


def _open_set(data: Path, layer_set: str, mapping: Mapping | None) -> list[Part]:
    """Open the layers of a data set that are named like the layers of a set."""
    file_layers, set_layers = layer_names(data), LAYER_SETS[layer_set]
    layers = {name: name for name in set_layers if name in file_layers}
    if not layers and data.suffix.lower() == ".xlsx":
        layers = layers_of_sheets(file_layers, set_layers)
    if not layers:
        raise InputError(
            "no_layer_of_ours",
            file=data,
            layers=", ".join(file_layers),
            ours=", ".join(set_layers),
        )
    base = mapping or validate_mapping({"layer": layer_set}, str(data))
    return [
        _open_part(data, base.model_copy(update={"layer": layer}), name)
        for layer, name in layers.items()
    ]


def _choose_file_layer(data: Path, layer: str) -> str | None:
    """Return the layer of a file that is named like ours, None to take the only one."""
    if data.suffix.lower() in DATASET_SUFFIXES and data.suffix.lower() not in VECTOR_SUFFIXES:
        return None
    return layer if layer in layer_names(data) else None


def _open_part(data: Path, mapping: Mapping | str, file_layer: str | None) -> Part:
    """Open a layer of a data set; a layer name instead of a mapping has the mapping guessed."""
    if (mapping if isinstance(mapping, str) else mapping.layer) == RESIDENT:
        return _open_persons(data, mapping, file_layer)
    part = _open_layer(data, mapping, file_layer)
    if part.layer in PERSONAL_LAYERS:
        resident_counts.refuse_persons(data, part.source.fields)
    return part


def _open_persons(data: Path, mapping: Mapping | str, file_layer: str | None) -> Part:
    """Open a file of persons, which delivers the counts of its dwellings.

    No error names a column or a cell of the file, unless its header has been recognised.

    Raises
    ------
    InputError
        If the header of the file changed.
    """
    try:
        part = _open_layer(data, mapping, file_layer)
    except InputError as error:
        if error.key in ("header_twice", "mapped_column_missing"):
            raise InputError("resident_header", file=data) from None
        raise
    resident_counts.refuse_unknown_header(part.mapping, data)
    counts = resident_counts.count_source(part.source, part.mapping)
    update = {"source": part.mapping.source, "partial": part.mapping.partial}
    columns = {name: {"from": name} for name in counts.fields}
    of_dwellings = validate_mapping({"layer": "dwelling", "columns": columns}, str(data))
    update |= {"guard": part.mapping.guard}
    return Part(of_dwellings.model_copy(update=update), counts, part.mapping)


def _open_layer(data: Path, mapping: Mapping | str, file_layer: str | None) -> Part:
    """Open a layer of a data set with its own columns."""
    if isinstance(mapping, str):
        source = open_layer(data, file_layer, cad_layers=(), names=table_names(mapping))
        valid = validate_mapping({"layer": mapping}, str(data))
        if mapping == item_sheets.LAYER:
            source = item_sheets.unpivot_items(source)
        return Part(guess_mapping(valid.layer, source.fields, valid.source), source)
    coordinates = mapping.coordinates.columns()
    named = [rule.source for rule in mapping.columns.values() if rule.source] + mapping.key
    named += coordinates.names if coordinates else []
    source = open_layer(
        data,
        file_layer,
        encoding=mapping.encoding,
        coordinates=coordinates,
        cad_layers=mapping.cad_layers,
        names=table_names(mapping.layer, tuple(named)),
    )
    if mapping.layer == item_sheets.LAYER and not _has_column_of_items(mapping, source):
        source = item_sheets.unpivot_items(source)
    if not mapping.columns:
        guess = guess_mapping(mapping.layer, source.fields, mapping.source)
        mapping = mapping.model_copy(update={"columns": guess.columns})
    refuse_missing_columns(mapping, source.fields, data, source.layer)
    return Part(mapping, source)


def _has_column_of_items(mapping: Mapping, source: Source) -> bool:
    """Return whether a mapping names a column of the file, or a constant, that says the item."""
    rule = mapping.columns.get(item_sheets.ITEM)
    return item_sheets.ITEM in mapping.constants or bool(rule and rule.source in source.fields)
