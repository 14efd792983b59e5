"""Readers of the file formats, which run only in the confined process of the sandbox.

Each function in :data:`TASKS` takes a path, and returns values for JSON or yields Arrow tables.
"""

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet
import pyogrio
from openpyxl.utils.exceptions import InvalidFileException
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError

from etl.input import encoding as encodings
from etl.input.formats import GEOMETRY_COLUMN
from etl.input.zip_archive import check_entries
from geo.errors import InputError

_UNREADABLE = (
    *(DataSourceError, DataLayerError, FeatureError, GeometryError, UnicodeDecodeError),
    *(pa.ArrowInvalid, OSError),
)
_SNIFFED_BYTES = 2**16
_CSV_BLOCK_BYTES = 8 * 2**20


def _unreadable(path: Path, error: Exception) -> InputError:
    """Return the error of a file that can't be read to its end."""
    if "locked" in str(error):
        return InputError("file_locked", file=path)
    return InputError("file_unreadable", file=path, format=path.suffix)


def layer_names(path: Path) -> list[str]:
    """Return the names of the layers of a vector file or the sheets of a workbook."""
    if path.suffix.lower() == ".xlsx":
        book = _workbook(path)
        try:
            return list(book.sheetnames)
        finally:
            book.close()
    try:
        return [str(name) for name, _ in pyogrio.list_layers(path)]
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def layer_information(path: Path, layer: str, encoding: str | None) -> dict[str, Any]:
    """Return the fields, coordinate system, geometry type and feature count of a vector layer."""
    try:
        info = pyogrio.read_info(path, layer=layer, encoding=encoding, force_feature_count=False)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    return {
        "fields": [str(name) for name in info["fields"]],
        "crs": info["crs"],
        "geometry_type": info["geometry_type"],
        "features": int(info["features"]),
    }


def read_records(path: Path, layer: str, encoding: str | None, size: int) -> Iterator[pa.Table]:
    """Yield the features of a layer through the Arrow interface of GDAL."""
    try:
        with pyogrio.open_arrow(
            path,
            layer=layer,
            encoding=encoding,
            batch_size=size,
            use_pyarrow=True,
            datetime_as_string=True,
        ) as (meta, reader):
            column = meta["geometry_name"] or "wkb_geometry"
            for record in reader:
                yield _with_geometry(pa.Table.from_batches([record]), column)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _with_geometry(table: pa.Table, column: str) -> pa.Table:
    names = [GEOMETRY_COLUMN if name == column else name for name in table.column_names]
    return table.rename_columns(names)


def text_encoding(path: Path) -> str | None:
    """Return the encoding of a shapefile's texts, None for another format."""
    return encodings.dbf_encoding(path)


def read_csv(path: Path, encoding: str | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a CSV file as texts, in blocks.

    Raises
    ------
    InputError
        If a row is longer or shorter than the header, a column has no name or that of another, or
        the texts are not in one encoding.
    """
    with path.open("rb") as file:
        start = file.read(_SNIFFED_BYTES)
    encoding = encoding or encodings.detect_encoding(start[: start.rfind(b"\n") + 1] or start)
    if b"\0" in start:
        raise InputError("file_unreadable", file=path, format=path.suffix)
    sample = start.decode(encoding, "replace").lstrip("\ufeff")
    delimiter = _delimiter(sample)
    header = next(csv.reader([sample.split("\n", 1)[0].strip("\r")], delimiter=delimiter))
    _refuse_bad_header(path, header)
    try:
        reader = arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES, encoding=encoding),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in header},
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        for record in reader:
            yield pa.Table.from_batches([record])
    except pa.ArrowInvalid as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise InputError("csv_ragged", file=path, said=reason) from error
    except UnicodeDecodeError as error:
        raise InputError("csv_encoding", file=path, encoding=encoding) from error


def _delimiter(sample: str) -> str:
    line = sample.split("\n", 1)[0]
    return max(",\t;|", key=line.count)


def _refuse_bad_header(path: Path, header: list[str]) -> None:
    names = [name.strip() for name in header]
    unnamed = [str(i) for i, name in enumerate(names, 1) if not name]
    if unnamed:
        raise InputError("header_gap", file=path, columns=", ".join(unnamed))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError("header_twice", file=path, columns=", ".join(repeated))


def read_xlsx(path: Path, sheet: str | None, size: int) -> Iterator[pa.Table]:
    """Yield the rows of a sheet as texts, in blocks; formulas give their last computed values.

    Raises
    ------
    InputError
        If it is no workbook or a zip bomb, or its first row does not name every column.
    """
    book = _workbook(path)
    worksheet = book[sheet] if sheet else book.worksheets[0]
    rows = worksheet.iter_rows(values_only=True)
    try:
        header = _read_header(path, next(rows, ()))
        block: list[tuple[Any, ...]] = []
        for row in rows:
            if any(cell is not None for cell in row[len(header) :]):
                raise InputError("header_merged", file=path, column=len(header) + 1)
            if any(cell is not None for cell in row):
                block.append(row)
            if len(block) == size:
                yield _build_table(header, block)
                block = []
        yield _build_table(header, block)
    finally:
        rows.close()  # the iterator keeps the file open
        book.close()


def _workbook(path: Path) -> Any:
    """Open a workbook without its links to others, if it is one and no zip bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_entries(path, archive)
        return openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise InputError("file_unreadable", file=path, format=path.suffix) from error


def _read_header(path: Path, row: tuple[Any, ...]) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in row]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise InputError("header_missing", file=path)
    if "" in names:
        # Of merged cells, only the first column keeps a name.
        raise InputError("header_merged", file=path, column=names.index("") + 1)
    _refuse_bad_header(path, names)
    return names


def _build_table(header: list[str], rows: list[tuple[Any, ...]]) -> pa.Table:
    width = len(header)
    padded = [tuple(row[:width]) + (None,) * (width - len(row)) for row in rows]
    columns = zip(*padded, strict=True) if padded else [()] * width
    texts = [pa.array(map(_cell_text, column), pa.string()) for column in columns]
    return pa.table(texts, header)


def _cell_text(value: Any) -> str | None:
    """Return the text of a cell: 3.0 as 3, a date without its time."""
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    return str(value)


def parquet_information(path: Path) -> dict[str, Any]:
    """Return the fields, coordinate system (as JSON) and number of rows of a GeoParquet file.

    Without a key ``crs`` the system is OGC:CRS84; null means unknown (GeoParquet 1.1).

    Raises
    ------
    InputError
        If it is no GeoParquet file, or its geometry is not in WKB.
    """
    file, column, metadata = _open_parquet(path)
    if metadata.get("encoding") != "WKB":
        raise InputError("parquet_encoding", file=path, encoding=metadata.get("encoding"))
    return {
        "fields": [name for name in file.schema_arrow.names if name != column],
        "crs": metadata.get("crs", "OGC:CRS84"),
        "features": file.metadata.num_rows,
    }


def read_parquet(path: Path, size: int) -> Iterator[pa.Table]:
    """Yield the rows of a GeoParquet file."""
    file, column, _ = _open_parquet(path)
    for record in file.iter_batches(size):
        yield _with_geometry(pa.Table.from_batches([record]), column)


def _open_parquet(path: Path) -> tuple[parquet.ParquetFile, str, dict[str, Any]]:
    """Open a GeoParquet file; return it, its geometry column and that column's metadata."""
    try:
        file = parquet.ParquetFile(path)
        metadata = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        column = metadata.get("primary_column")
        if column is None:
            raise InputError("no_geometry", file=path, layer=path.stem)
        return file, column, metadata["columns"][column]
    except (pa.ArrowInvalid, OSError, ValueError, LookupError, AttributeError) as error:
        raise InputError("file_unreadable", file=path, format=path.suffix) from error


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        *(layer_names, layer_information, text_encoding, parquet_information),
        *(read_records, read_csv, read_xlsx, read_parquet),
    )
}
