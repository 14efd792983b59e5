"""Tables whose places are columns: CSV and XLSX with coordinates or WKT, and GeoParquet."""

import csv
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet
import pyproj
import shapely
from openpyxl.utils.exceptions import InvalidFileException

from etl.archive import look_through
from etl.batch import SIZE, Batch, Geometries
from etl.encoding import encoding_of
from geo.errors import InputError

_SNIFFED = 2**16
_BLOCK = 8 * 2**20

LONGITUDE = (
    "lon",
    "lng",
    "long",
    "longitude",
    "x",
    "经度",
    "东坐标",
    "横坐标",
    "x坐标",
    "east",
    "easting",
)
LATITUDE = ("lat", "latitude", "y", "纬度", "北坐标", "纵坐标", "y坐标", "north", "northing")
SHAPE = ("wkt", "geometry", "geom", "shape", "the_geom", "几何", "坐标串", "空间坐标")


@dataclass(frozen=True)
class Place:
    """Columns of a table that say where a feature is: two coordinates, or WKT."""

    lon: str | None = None
    lat: str | None = None
    wkt: str | None = None

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return [name for name in (self.lon, self.lat, self.wkt) if name]


def place_in(header: Iterable[str]) -> Place | None:
    """Return which columns say where, by their names, None if none does."""
    names = {name.strip().lower(): name for name in header}
    found = [next((names[n] for n in known if n in names), None) for known in (LONGITUDE, LATITUDE)]
    wkt = next((names[n] for n in SHAPE if n in names), None)
    if wkt:
        return Place(wkt=wkt)
    return Place(*found) if all(found) else None


def read_csv(path: Path, encoding: str | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a CSV file as texts, in blocks.

    Raises
    ------
    InputError
        If a row has more or fewer cells than the header, or a column has no or another's name.
    """
    with path.open("rb") as file:
        start = file.read(_SNIFFED)
    encoding = encoding or encoding_of(start[: start.rfind(b"\n") + 1] or start)
    if b"\0" in start:
        raise InputError("file_unreadable", file=path, format=path.suffix)
    sample = start.decode(encoding, "replace").lstrip("\ufeff")
    delimiter = _delimiter(sample)
    header = next(csv.reader([sample.split("\n", 1)[0].strip("\r")], delimiter=delimiter))
    _refuse_bad_header(path, header)
    try:
        reader = arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK, encoding=encoding),
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
        raise InputError("csv_ragged", file=path, said=_first_line(error)) from error
    except UnicodeDecodeError as error:
        raise InputError("csv_encoding", file=path, encoding=encoding) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]


def _delimiter(sample: str) -> str:
    line = sample.split("\n", 1)[0]
    return max(",\t;|", key=line.count)


def _refuse_bad_header(path: Path, header: list[str]) -> None:
    names = [name.strip() for name in header]
    unnamed = [str(i) for i, name in enumerate(names, 1) if not name]
    if unnamed:
        raise InputError("header_gap", file=path, columns=", ".join(unnamed))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("header_twice", file=path, columns=", ".join(twice))


def read_xlsx(path: Path, sheet: str | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a sheet as texts, in blocks; formulas give the values last computed.

    Raises
    ------
    InputError
        If it is no workbook, a bomb, or its first row is no header with a name for every column.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            look_through(path, archive)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise InputError("file_unreadable", file=path, format=path.suffix) from error
    page = book[sheet] if sheet else book.worksheets[0]
    rows = page.iter_rows(values_only=True)
    try:
        header = _header(path, next(rows, ()))
        block: list[tuple[Any, ...]] = []
        for row in rows:
            if any(cell is not None for cell in row[len(header) :]):
                raise InputError("header_merged", file=path, column=len(header) + 1)
            if any(cell is not None for cell in row):
                block.append(row)
            if len(block) == SIZE:
                yield _table(header, block)
                block = []
        yield _table(header, block)
    finally:
        rows.close()  # it holds the file open
        book.close()


def sheets(path: Path) -> list[str]:
    """Return the names of a workbook's sheets."""
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        return list(book.sheetnames)
    finally:
        book.close()


def _header(path: Path, row: tuple[Any, ...]) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in row]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise InputError("header_missing", file=path)
    if "" in names:
        # Merged cells leave all but the first of their columns without a name.
        raise InputError("header_merged", file=path, column=names.index("") + 1)
    _refuse_bad_header(path, names)
    return names


def _table(header: list[str], rows: list[tuple[Any, ...]]) -> pa.Table:
    width = len(header)
    padded = [tuple(row[:width]) + (None,) * (width - len(row)) for row in rows]
    columns = zip(*padded, strict=True) if padded else [()] * width
    return pa.table(
        [pa.array([_cell(c) for c in column], pa.string()) for column in columns], header
    )


def _cell(value: Any) -> str | None:
    """Return what a cell shows: 3.0 is 3, a date is a day."""
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    return str(value)


def placed(table: pa.Table, place: Place | None, start: int) -> Batch:
    """Return a block of a table as a batch; what says no place gets no geometry."""
    columns = {name: whole(table[name]) for name in table.column_names}
    numbers = np.arange(start, start + table.num_rows, dtype=np.int64)
    geometry = np.full(table.num_rows, None, dtype=object)
    if place is not None:
        geometry = _geometry(columns, place)
    left = {name: c for name, c in columns.items() if place is None or name not in place.columns}
    return Batch(left, geometry, numbers)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _geometry(columns: dict[str, pa.Array], place: Place) -> Geometries:
    if place.wkt:
        texts = columns[place.wkt].to_numpy(zero_copy_only=False)
        geometry: Geometries = shapely.from_wkt(texts, on_invalid="ignore")
        return geometry
    x, y = (_numbers(columns[str(name)]) for name in (place.lon, place.lat))
    there = ~(np.isnan(x) | np.isnan(y))
    geometry = np.full(len(x), None, dtype=object)
    geometry[there] = shapely.points(x[there], y[there])
    return geometry


def _numbers(column: pa.Array) -> Any:
    import pandas as pd

    values = column.to_pandas()
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class Parquet:
    """A GeoParquet file: its rows, geometry column and system."""

    file: parquet.ParquetFile
    column: str
    crs: pyproj.CRS | None


def open_parquet(path: Path) -> Parquet:
    """Open a GeoParquet file (version 1: geometry in WKB, its system as PROJJSON).

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        file = parquet.ParquetFile(path)
        said = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise InputError("file_unreadable", file=path, format=path.suffix) from error
    column = said.get("primary_column")
    if column is None:
        raise InputError("no_geometry", file=path, layer=path.stem)
    about = said["columns"][column]
    if about.get("encoding") != "WKB":
        raise InputError("parquet_encoding", file=path, encoding=about.get("encoding"))
    # Without the key the system is OGC:CRS84, null means unknown (GeoParquet 1.1, crs).
    crs = about.get("crs", "OGC:CRS84")
    return Parquet(file, column, None if crs is None else pyproj.CRS.from_user_input(crs))
