"""Open a layer of a delivered file, of any format, as a stream of batches.

This is the only way in which files are read: :mod:`etl.input.sandbox` runs the reader of the
format (:mod:`etl.input.format_readers`) in a confined process, and its tables become batches here.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj
import shapely

from etl.input import curves, sandbox, tabular, zip_archive
from etl.input.feature_batch import BATCH_ROWS, Batch
from etl.input.formats import (
    ARCHIVE_SUFFIXES,
    DATASET_SUFFIXES,
    DRIVERS,
    GEOMETRY_COLUMN,
    KML_STYLE_FIELDS,
    TABLE_SUFFIXES,
    TEXT_TABLE_SUFFIXES,
    VECTOR_SUFFIXES,
    check_content,
    check_file,
    is_logged,
)
from etl.input.reader_findings import Notes, detach
from etl.input.table_names import TableNames, table_names
from etl.input.tabular import CoordinateColumns
from geo.crs import read_file_crs
from geo.errors import InputError
from geo.types import Bools, Geometries

_CAD_LAYER, _PAPER_SPACE = "Layer", "PaperSpace"
"""Columns of GDAL's DXF driver."""

Batches = Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class Source:
    """An opened layer.

    Attributes
    ----------
    path, layer
        File and name of the layer, for messages.
    fields
        Names of the columns, without those that hold the geometry.
    crs
        Coordinate system, None if the file does not name it.
    has_place
        Whether the features have geometry.
    batches
        Function that reads the features from the first one on.
    count
        Number of features that the file declares, None if it declares none.
    notes
        What its reader says of the file, for the report; complete when all batches are read.
    """

    path: Path
    layer: str
    fields: list[str]
    crs: pyproj.CRS | None
    has_place: bool
    batches: Batches = field(repr=False)
    count: int | None = None
    notes: Notes = field(default_factory=dict)

    def empty_batch(self) -> Batch:
        """Return a batch of no features with the columns of the layer."""
        nothing = pa.array([], pa.string())
        geometry = np.empty(0, dtype=object)
        return Batch(dict.fromkeys(self.fields, nothing), geometry, np.empty(0, dtype=np.int64))


@contextmanager
def open_dataset(path: Path) -> Iterator[Path]:
    """Yield the path of a data set: the file itself or, of an archive, its unpacked content.

    Raises
    ------
    InputError
        If the file is missing, empty, or of no supported format, if its content is not what its
        suffix says, or if an archive holds no data set or several.
    """
    if path.suffix.lower() == ".gdb" and path.is_dir():
        check_content(path)
        yield path
        return
    check_file(path, *DATASET_SUFFIXES)
    archive = path.suffix.lower()
    if archive not in ARCHIVE_SUFFIXES:
        _refuse_locked(path)
        yield path
        return
    with zip_archive.unpack(path) as folder:
        suffixes = (".kml",) if archive == ".kmz" else (*VECTOR_SUFFIXES, *TABLE_SUFFIXES)
        datasets = zip_archive.find_datasets(folder, suffixes)
        if not datasets:
            raise InputError("zip_without_data", file=path, formats=", ".join(suffixes))
        if len(datasets) > 1:
            names = ", ".join(str(dataset.relative_to(folder)) for dataset in datasets)
            raise InputError("zip_several", file=path, files=names)
        check_content(datasets[0])
        yield datasets[0]


def layer_names(path: Path) -> list[str]:
    """Return the names of the layers of a data set.

    Raises
    ------
    InputError
        If it can't be read.
    """
    if path.suffix.lower() in (*TEXT_TABLE_SUFFIXES, ".parquet"):
        return [path.stem]
    names: list[str] = sandbox.run_task(path, "layer_names")
    return names


def open_layer(
    path: Path,
    layer: str | None = None,
    *,
    encoding: str | None = None,
    coordinates: CoordinateColumns | None = None,
    names: TableNames | None = None,
    cad_layers: Sequence[str] | None = None,
) -> Source:
    """Open a layer of a data set.

    Parameters
    ----------
    layer
        Name of the layer; by default the only one.
    encoding
        Encoding of the texts, where the file declares a wrong one. Formats that have only one
        ignore it.
    coordinates
        Columns of a table that hold the coordinates; by default they are found by their names.
    names
        Names by which the header and the sheet of a table are found; by default those of all
        layers.
    cad_layers
        Layers of a drawing to read, of which the only one need not be named; None reads all.
        Paper space is left out.

    Raises
    ------
    InputError
        If the layer can't be read, or there are several and none is named.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _open_parquet(path)
    names = names or table_names()
    known = sorted(names.headers)
    if suffix == ".xlsx":
        sheet_info = sandbox.run_task(
            path, "find_sheet", sheet=layer, known=known, words=list(names.sheet_words)
        )
        notes = _sheet_notes(sheet_info)
        arguments = {"sheet": sheet_info["sheet"], "known": known, "size": BATCH_ROWS}
        return _open_table(path, sheet_info["sheet"], coordinates, "read_xlsx", notes, **arguments)
    notes = {}
    if suffix in TEXT_TABLE_SUFFIXES or suffix == ".shp" or DRIVERS.get(suffix) == "GeoJSON":
        detected = sandbox.run_task(path, "text_encoding", encoding=encoding)
        encoding, notes = detected["encoding"], detected["notes"]
    else:
        encoding = None  # the format has only one
    if suffix in TEXT_TABLE_SUFFIXES:
        arguments = {"encoding": encoding, "known": known, "size": BATCH_ROWS}
        return _open_table(path, path.stem, coordinates, "read_csv", notes, **arguments)
    source = _open_vector(path, layer or _only_layer(path), encoding, notes)
    return _select_cad_layers(source, cad_layers) if suffix == ".dxf" else source


def _sheet_notes(sheet_info: dict[str, Any]) -> Notes:
    """Return the notes on the sheets that are not read."""
    return {
        key: {"sheet": sheet_info["sheet"], "sheets": ", ".join(sheet_info[what])}
        for what, key in (("skipped", "sheets_skipped"), ("hidden", "sheets_hidden"))
        if sheet_info[what]
    }


def drawing_layers(source: Source) -> dict[str, int]:
    """Return the number of features by layer of a drawing, without its paper space."""
    counts: Counter[str] = Counter()
    for batch in source.batches():
        counts.update(str(name) for name in batch.columns[_CAD_LAYER].to_pylist())
    return dict(counts.most_common())


def _select_cad_layers(source: Source, cad_layers: Sequence[str] | None) -> Source:
    """Return a drawing without its paper space, and with some of its layers only."""

    def read_batches(names: Sequence[str] | None) -> Iterator[Batch]:
        for batch in source.batches():
            rows = np.ones(len(batch), dtype=bool)
            if _PAPER_SPACE in batch.columns:
                paper = batch.columns[_PAPER_SPACE].cast(pa.bool_()).fill_null(False)
                rows &= ~np.asarray(paper)
            if names is not None:
                rows &= np.asarray(pc.is_in(batch.columns[_CAD_LAYER], pa.array(names)))
            yield batch.take(rows)

    model = replace(source, batches=partial(read_batches, None), count=None)
    if cad_layers is None:
        return model
    present = drawing_layers(model)
    shown = ", ".join(f"{name} ({count})" for name, count in present.items())
    fields = {"file": source.path, "layers": shown or "-"}
    missing = [name for name in cad_layers if name not in present]
    if missing:
        raise InputError("cad_layer_missing", **fields, missing=", ".join(missing))
    if not cad_layers and len(present) > 1:
        raise InputError("cad_layers_unnamed", **fields)
    return replace(model, batches=partial(read_batches, cad_layers or list(present)))


def _only_layer(path: Path) -> str:
    names = layer_names(path)
    if not names:
        raise InputError("file_without_layer", file=path)
    if len(names) > 1:
        raise InputError("several_layers", file=path, layers=", ".join(names))
    return names[0]


def _refuse_locked(path: Path) -> None:
    """Refuse a GeoPackage that another program is writing, which GDAL reports as damaged."""
    if path.suffix.lower() != ".gpkg" or is_logged(path):  # readers of a log wait for nobody
        return
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=1)) as file:
            file.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise InputError("file_locked", file=path) from error
    except sqlite3.DatabaseError:
        return  # not an SQLite file: GDAL reports it


def _open_table(
    path: Path,
    layer: str,
    coordinates: CoordinateColumns | None,
    task: str,
    notes: Notes,
    **arguments: Any,
) -> Source:
    first = next(sandbox.stream_task(path, task, **arguments), None)
    if first is not None:
        first, _, _ = detach(first)
    header = first.column_names if first is not None else []
    place = coordinates
    if place is None and first is not None:
        place = tabular.find_coordinate_columns(first)
    place_names = place.names if place else []
    for name in place_names:
        if name not in header:
            raise InputError("column_missing", file=path, layer=layer, column=name)

    def read_batches() -> Iterator[Batch]:
        start = 1
        for table in sandbox.stream_task(path, task, **arguments):
            plain, faults, more = detach(table)
            notes.update(more)
            yield replace(tabular.build_batch(plain, place, start), faults=faults)
            start += table.num_rows

    fields = [name for name in header if name not in place_names]
    return Source(path, layer, fields, None, place is not None, read_batches, None, notes)


def _open_parquet(path: Path) -> Source:
    info = sandbox.run_task(path, "parquet_information")
    crs = None if info["crs"] is None else read_file_crs(info["crs"])
    batches = partial(_read_batches, path, "read_parquet", {})
    return Source(path, path.stem, info["fields"], crs, True, batches, info["features"])


def _open_vector(path: Path, layer: str, encoding: str | None, notes: Notes) -> Source:
    info = sandbox.run_task(path, "layer_information", layer=layer, encoding=encoding)
    kind, count = info["geometry_type"], info["features"]
    notes.update(info["notes"])

    def read_batches() -> Iterator[Batch]:
        rows = 0
        for batch in _read_batches(path, "read_records", notes, layer=layer, encoding=encoding):
            rows += len(batch)
            yield batch
        if 0 <= rows < count:
            raise InputError("file_cut_off", file=path, layer=layer, count=count, found=rows)

    has_crs = info["crs"] and path.suffix.lower() != ".dxf"  # a drawing names no usable system
    crs = read_file_crs(info["crs"]) if has_crs else None
    declared = count if count >= 0 else None
    style = KML_STYLE_FIELDS if path.suffix.lower() == ".kml" else ()
    fields = [name for name in info["fields"] if name not in style]
    return Source(path, layer, fields, crs, kind is not None, read_batches, declared, notes)


def _read_batches(path: Path, task: str, notes: Notes, **arguments: Any) -> Iterator[Batch]:
    start = 1
    for table in sandbox.stream_task(path, task, size=BATCH_ROWS, **arguments):
        plain, faults, more = detach(table)
        notes.update(more)
        yield replace(_build_batch(plain, start), faults=faults)
        start += table.num_rows


def _build_batch(table: pa.Table, start: int) -> Batch:
    """Return a table as a batch; ``broken`` marks the geometries that had to be rebuilt."""
    numbers = np.arange(start, start + table.num_rows, dtype=np.int64)
    columns = {
        name: tabular.to_single_array(table[name])
        for name in table.column_names
        if name != GEOMETRY_COLUMN
    }
    if GEOMETRY_COLUMN not in table.column_names:
        return Batch(columns, np.full(table.num_rows, None, dtype=object), numbers)
    wkb = table[GEOMETRY_COLUMN].to_numpy(zero_copy_only=False)
    linearized = None
    with np.errstate(invalid="ignore"):  # NaN coordinates are reported by the checks
        try:
            geometry = shapely.from_wkb(wkb, on_invalid="ignore")
        except NotImplementedError:  # arcs
            geometry, wkb, linearized = _linearize(wkb)
    has_wkb = np.asarray(table[GEOMETRY_COLUMN].is_valid())
    broken = has_wkb & shapely.is_missing(geometry)
    if not broken.any():
        return Batch(columns, geometry, numbers, wkb, linearized=linearized)
    with np.errstate(invalid="ignore"):
        geometry[broken] = shapely.from_wkb(wkb[broken], on_invalid="fix")
    return Batch(columns, geometry, numbers, wkb, broken, linearized=linearized)


def _linearize(wkb: Geometries) -> tuple[Geometries, Geometries, Bools]:
    """Return geometries with lines for arcs, their binary form, and which had arcs."""
    geometry, binary = np.full(len(wkb), None, dtype=object), wkb.copy()
    linearized = np.zeros(len(wkb), dtype=bool)
    for row, content in enumerate(wkb):
        if content is None:
            continue
        try:
            geometry[row] = shapely.from_wkb(content, on_invalid="ignore")
        except NotImplementedError:
            geometry[row] = curves.linearize(content)
            linearized[row] = geometry[row] is not None
            binary[row] = shapely.to_wkb(geometry[row])
    return geometry, binary, linearized
