"""Readers of the file formats, which run only in the confined process of the sandbox.

Each function in :data:`TASKS` takes a path, and returns values for JSON or yields Arrow tables.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as parquet
import pyogrio
from pyogrio.errors import (
    CRSError,
    DataLayerError,
    DataSourceError,
    FeatureError,
    GeometryError,
)

from etl.input.csv_rows import csv_encoding, read_csv_rows
from etl.input.encoding import normalize_encoding
from etl.input.formats import DRIVERS, GEOMETRY_COLUMN, KML_OWN_FIELDS, TEXT_TABLE_SUFFIXES
from etl.input.reader_findings import Findings
from etl.input.table_rows import read_table
from etl.input.vector_texts import (
    RAW_TEXT_ENCODING,
    decode_names,
    decode_table,
    json_encoding,
    shapefile_encoding,
    to_utf8_json,
)
from etl.input.xlsx_rows import choose_sheet, open_workbook, read_sheet_rows
from geo.errors import InputError

_UNREADABLE = (
    *(DataSourceError, DataLayerError, FeatureError, GeometryError, UnicodeDecodeError),
    *(pa.ArrowInvalid, OSError),
)
_SNIFFED_BYTES = 2**16


def _raise_unreadable(path: Path, error: Exception) -> NoReturn:
    """Raise the error of a file that can't be read to its end."""
    key = "file_locked" if "locked" in str(error) else "file_unreadable"
    raise InputError(key, file=path, format=path.suffix) from error


def layer_names(path: Path) -> list[str]:
    """Return the names of the layers of a vector file or the sheets of a workbook.

    Raises
    ------
    InputError
        If the file can't be read to its end.
    """
    if path.suffix.lower() == ".xlsx":
        book = open_workbook(path)
        try:
            return list(book.sheetnames)
        finally:
            book.close()
    is_json = DRIVERS.get(path.suffix.lower()) == "GeoJSON"
    opened, _ = _open_texts(path, json_encoding(path) if is_json else None)
    try:
        return [str(name) for name, _ in pyogrio.list_layers(opened)]
    except _UNREADABLE as error:
        _raise_unreadable(path, error)


def layer_information(path: Path, layer: str, encoding: str | None) -> dict[str, Any]:
    """Return the fields, coordinate system, geometry type and feature count of a vector layer.

    Raises
    ------
    InputError
        If the file can't be read to its end.
    """
    opened, gdal_encoding = _open_texts(path, encoding)
    try:
        info = pyogrio.read_info(
            opened, layer=layer, encoding=gdal_encoding, force_feature_count=False
        )
    except CRSError as error:
        raise InputError("file_crs_invalid", file=path, said=error) from error
    except _UNREADABLE as error:
        _raise_unreadable(path, error)
    findings = Findings()
    names = [str(name) for name in info["fields"]]
    fields = decode_names(names, encoding, findings) if gdal_encoding else names
    if path.suffix.lower() == ".kml":
        empty = _empty_kml_fields(opened, layer)
        fields = [name for name in fields if name not in empty]
    return {
        "fields": fields,
        "crs": None if _disclaims_crs(path) else info["crs"],
        "geometry_type": info["geometry_type"],
        "features": int(info["features"]),
        "notes": findings.notes,
    }


def _empty_kml_fields(path: Path, layer: str) -> set[str]:
    """Return GDAL's own fields of placemarks that no placemark fills: they are no columns."""
    table = pyogrio.read_arrow(path, layer=layer, columns=KML_OWN_FIELDS, read_geometry=False)[1]
    return {
        name
        for name in table.column_names
        if not any(str(value).strip() for value in table[name].drop_null().to_pylist())
    }


def _disclaims_crs(path: Path) -> bool:
    """Return whether a GeoJSON file has a member ``crs`` that is null: its system is unknown.

    Without the member it is WGS 84 (RFC 7946); null is of the earlier GeoJSON 2008. GDAL does not
    tell the two apart. The member stands before or after the features.
    """
    if DRIVERS.get(path.suffix.lower()) != "GeoJSON":
        return False
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
        file.seek(max(path.stat().st_size - _SNIFFED_BYTES, 0))
        tail = file.read()
    outside = head.partition(b'"features"')[0], tail.rpartition(b"]")[2]
    return any(re.search(rb'"crs"\s*:\s*null', part) for part in outside)


def _open_texts(path: Path, encoding: str | None) -> tuple[Path, str | None]:
    """Return the path to open for GDAL, and the encoding of texts that are decoded here."""
    if encoding is None:
        return path, None
    if path.suffix.lower() == ".shp":
        return path, RAW_TEXT_ENCODING
    return to_utf8_json(path, encoding), None


def read_records(path: Path, layer: str, encoding: str | None, size: int) -> Iterator[pa.Table]:
    """Yield the features of a layer through the Arrow interface of GDAL.

    Raises
    ------
    InputError
        If the file can't be read to its end.
    """
    opened, gdal_encoding = _open_texts(path, encoding)
    findings, start = Findings(), 1
    try:
        with pyogrio.open_arrow(
            opened,
            layer=layer,
            encoding=gdal_encoding,
            batch_size=size,
            use_pyarrow=True,
            datetime_as_string=True,
        ) as (meta, reader):
            column = meta["geometry_name"] or "wkb_geometry"
            for record in reader:
                table = _with_geometry(pa.Table.from_batches([record]), column)
                raw_encoding = encoding if gdal_encoding else None
                yield decode_table(table, raw_encoding, start, findings)
                start += table.num_rows
    except _UNREADABLE as error:
        _raise_unreadable(path, error)


def _with_geometry(table: pa.Table, column: str) -> pa.Table:
    names = [GEOMETRY_COLUMN if name == column else name for name in table.column_names]
    return table.rename_columns(names)


def text_encoding(path: Path, encoding: str | None) -> dict[str, Any]:
    """Return the encoding of the texts of a shapefile, GeoJSON or CSV file, with notes.

    Parameters
    ----------
    encoding
        Encoding that a mapping names, which holds for every text.

    Raises
    ------
    InputError
        If there is no encoding of that name.
    """
    findings = Findings()
    if encoding:
        name: str | None = normalize_encoding(encoding)
    elif path.suffix.lower() == ".shp":
        name = shapefile_encoding(path, findings)
    elif path.suffix.lower() in TEXT_TABLE_SUFFIXES:
        name = csv_encoding(path)
    else:
        name = json_encoding(path)
    try:
        codecs.lookup(name or "utf-8")
    except LookupError as error:
        raise InputError("encoding_unknown", file=path, encoding=encoding) from error
    return {"encoding": name, "notes": findings.notes}


def read_csv(path: Path, encoding: str, known: list[str], size: int) -> Iterator[pa.Table]:
    """Yield the rows of a CSV file as texts, in blocks.

    Raises
    ------
    InputError
        If it has no header, or a column with data has no name or that of another.
    """
    findings, names = Findings(), frozenset(known)
    if not encoding.lower().startswith(("utf-16", "utf-32")):
        with path.open("rb") as file:
            if b"\0" in file.read(_SNIFFED_BYTES):
                raise InputError("file_unreadable", file=path, format=path.suffix)
    rows = read_csv_rows(path, encoding, names, findings)
    yield from read_table(path, rows, names, findings, size, is_short_row_whole=False)


def read_xlsx(path: Path, sheet: str, known: list[str], size: int) -> Iterator[pa.Table]:
    """Yield the rows of a sheet as texts, in blocks.

    Raises
    ------
    InputError
        If it is no workbook or a zip bomb, or has no header.
    """
    findings = Findings()
    rows = read_sheet_rows(path, sheet, findings)
    yield from read_table(path, rows, frozenset(known), findings, size, is_short_row_whole=True)


def find_sheet(path: Path, sheet: str | None, known: list[str], words: list[str]) -> dict[str, Any]:
    """Return the sheet of a workbook that fits a layer, and those that do not."""
    return choose_sheet(path, sheet, frozenset(known), words)


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
        metadata = json.loads((file.metadata.metadata or {}).get(b"geo", b"{}"))
        column = metadata.get("primary_column")
        if column is None:
            raise InputError("no_geometry", file=path, layer=path.stem)
        return file, column, metadata["columns"][column]
    except (pa.ArrowInvalid, OSError, ValueError, LookupError, AttributeError) as error:
        raise InputError("file_unreadable", file=path, format=path.suffix) from error


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        *(layer_names, layer_information, text_encoding, find_sheet, parquet_information),
        *(read_records, read_csv, read_xlsx, read_parquet),
    )
}
