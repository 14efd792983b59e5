"""Opening a delivered file of any format as a stream of batches, with its fields and its system."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import shapely

from etl import archive, tables
from etl.batch import SIZE, Batch
from etl.encoding import dbf_encoding
from etl.readers import UNREADABLE, existing, layers_in, quiet
from geo.errors import InputError

VECTOR = (".shp", ".gpkg", ".geojson", ".json", ".gdb", ".kml", ".dxf")
TABLES = (".csv", ".xlsx", ".parquet")
ENDINGS = (*VECTOR, *TABLES, ".zip")

_CURVES = ("Curve", "Surface", "Circular", "Compound")
_XML_CHUNK = 2**20
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")

Batches = Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class Source:
    """An opened layer.

    Attributes
    ----------
    path, layer
        Where it is, for messages.
    fields
        Names of its columns, without those that say where.
    crs
        Its system, None if it does not say.
    has_place
        Whether its features say where they are.
    batches
        Starts reading from the first feature.
    count
        Number of features that it says to hold, None if it does not.
    """

    path: Path
    layer: str
    fields: list[str]
    crs: pyproj.CRS | None
    has_place: bool
    batches: Batches = field(repr=False)
    count: int | None = None


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the data set that a file is or, as an archive, holds.

    Raises
    ------
    InputError
        If it is missing, empty, of no format that is read, or an archive that holds none or
        several.
    """
    if path.suffix.lower() == ".gdb" and path.is_dir():
        yield path
        return
    existing(path, *ENDINGS)
    if path.suffix.lower() != ".zip":
        _refuse_locked(path)
        _refuse_declarations(path)
        yield path
        return
    with archive.unpacked(path) as folder:
        found = archive.members(folder, (*VECTOR, *TABLES))
        if not found:
            raise InputError("zip_without_data", file=path, formats=", ".join(VECTOR + TABLES))
        if len(found) > 1:
            names = ", ".join(str(one.relative_to(folder)) for one in found)
            raise InputError("zip_several", file=path, files=names)
        _refuse_declarations(found[0])
        yield found[0]


def layer_names(path: Path) -> list[str]:
    """Return the names of the layers of a data set."""
    ending = path.suffix.lower()
    if ending == ".xlsx":
        return tables.sheets(path)
    return [path.stem] if ending in TABLES else layers_in(path)


def open_layer(
    path: Path,
    layer: str | None = None,
    *,
    encoding: str | None = None,
    place: tables.Place | None = None,
) -> Source:
    """Open a layer of a data set, the only one by default.

    Parameters
    ----------
    encoding
        Of its texts, if the file says it wrongly.
    place
        Columns that say where, for a table whose names don't tell.

    Raises
    ------
    InputError
        If it can't be read, or there are several layers.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet(path)
    if ending == ".csv":
        return _table(path, path.stem, lambda: tables.read_csv(path, encoding), place)
    if ending == ".xlsx":
        return _table(path, layer or path.stem, lambda: tables.read_xlsx(path, layer), place)
    return _vector(path, layer or _only(path), encoding or dbf_encoding(path))


def _only(path: Path) -> str:
    names = layers_in(path)
    if not names:
        raise InputError("file_without_layer", file=path)
    if len(names) > 1:
        raise InputError("several_layers", file=path, layers=", ".join(names))
    return names[0]


def _refuse_locked(path: Path) -> None:
    """Refuse a GeoPackage that somebody writes to, which GDAL takes for no GeoPackage."""
    if path.suffix.lower() != ".gpkg":
        return
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)
        ) as file:
            file.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise InputError("file_locked", file=path) from error
    except sqlite3.DatabaseError:
        return  # no GeoPackage at all: GDAL tells


def _refuse_declarations(path: Path) -> None:
    """Refuse XML that declares entities, which a reader would expand; no KML needs any."""
    if path.suffix.lower() != ".kml":
        return
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_XML_CHUNK):
            seen = (tail + chunk).replace(b"\0", b"")  # UTF-16 too
            if any(word in seen.upper() for word in _DECLARATIONS):
                raise InputError("xml_entities", file=path)
            tail = chunk[-32:]


def _table(
    path: Path, layer: str, read: Callable[[], Iterator[pa.Table]], place: tables.Place | None
) -> Source:
    first = next(read(), None)
    header = first.column_names if first is not None else []
    known = place or tables.place_in(header)
    missing = [name for name in (known.columns if known else []) if name not in header]
    if missing:
        raise InputError("column_missing", file=path, layer=layer, column=missing[0])

    def batches() -> Iterator[Batch]:
        start = 1
        for table in read():
            for offset in range(0, max(table.num_rows, 1), SIZE):
                yield tables.placed(table.slice(offset, SIZE), known, start + offset)
            start += table.num_rows

    fields = [name for name in header if known is None or name not in known.columns]
    return Source(path, layer, fields, None, known is not None, batches)


def _parquet(path: Path) -> Source:
    opened = tables.open_parquet(path)

    def batches() -> Iterator[Batch]:
        start = 1
        for record in opened.file.iter_batches(SIZE):
            yield _built(pa.Table.from_batches([record]), opened.column, start)
            start += record.num_rows

    fields = [name for name in opened.file.schema_arrow.names if name != opened.column]
    count = opened.file.metadata.num_rows
    return Source(path, path.stem, fields, opened.crs, True, batches, count)


def _vector(path: Path, layer: str, encoding: str | None) -> Source:
    info = _information(path, layer, encoding)
    kind = info["geometry_type"]
    curved = kind is not None and any(word in kind for word in _CURVES)
    read = _pages if curved else _records
    count = info["features"]
    source = Source(
        path,
        layer,
        [str(name) for name in info["fields"]],
        pyproj.CRS.from_user_input(info["crs"]) if info["crs"] else None,
        kind is not None,
        lambda: _complete(read(path, layer, encoding), path, layer, count),
        count if count >= 0 else None,
    )
    return replace(source, crs=None) if path.suffix.lower() == ".dxf" else source


def _information(path: Path, layer: str, encoding: str | None) -> dict[str, Any]:
    try:
        with quiet():
            found: dict[str, Any] = pyogrio.read_info(
                path.resolve(), layer=layer, encoding=encoding, force_feature_count=False
            )
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    return found


def unreadable(path: Path, error: Exception) -> InputError:
    """Return what is said of a file that GDAL can't read to its end."""
    if "locked" in str(error):
        return InputError("file_locked", file=path)
    return InputError("file_unreadable", file=path, format=path.suffix)


def _records(path: Path, layer: str, encoding: str | None) -> Iterator[Batch]:
    """Yield batches through Arrow, which copies no feature by itself."""
    start = 1
    try:
        with (
            quiet(),
            pyogrio.open_arrow(
                path.resolve(),
                layer=layer,
                encoding=encoding,
                batch_size=SIZE,
                use_pyarrow=True,
                datetime_as_string=True,
            ) as (meta, reader),
        ):
            column = meta["geometry_name"] or "wkb_geometry"
            for record in reader:
                yield _built(pa.Table.from_batches([record]), column, start)
                start += record.num_rows
    except (*UNREADABLE, pa.ArrowInvalid, OSError) as error:
        raise unreadable(path, error) from error


def _pages(path: Path, layer: str, encoding: str | None) -> Iterator[Batch]:
    """Yield batches of features with arcs, which this way of GDAL's draws as lines."""
    for start in itertools.count(0, SIZE):
        try:
            with quiet():
                meta, _, wkb, values = pyogrio.raw.read(
                    path.resolve(),
                    layer=layer,
                    encoding=encoding,
                    skip_features=start,
                    max_features=SIZE,
                )
        except UNREADABLE as error:
            raise unreadable(path, error) from error
        names = [str(name) for name in meta["fields"]]
        columns = [pa.Array.from_pandas(value) for value in values]
        table = pa.table([*columns, pa.array(list(wkb), pa.binary())], [*names, "wkb_geometry"])
        yield _built(table, "wkb_geometry", start + 1)
        if table.num_rows < SIZE:
            return


def _built(table: pa.Table, column: str, start: int) -> Batch:
    """Return a block with its geometry built; what can't be built is kept as it came."""
    numbers = np.arange(start, start + table.num_rows, dtype=np.int64)
    columns = {name: tables.whole(table[name]) for name in table.column_names if name != column}
    if column not in table.column_names:
        return Batch(columns, np.full(table.num_rows, None, dtype=object), numbers)
    wkb = table[column].to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are for the checks
        geometry = shapely.from_wkb(wkb, on_invalid="ignore")
    present = np.asarray(table[column].is_valid())
    broken = present & shapely.is_missing(geometry)
    if not broken.any():
        return Batch(columns, geometry, numbers, wkb)
    geometry[broken] = shapely.from_wkb(wkb[broken], on_invalid="fix")
    return Batch(columns, geometry, numbers, wkb, broken)


def _complete(batches: Iterator[Batch], path: Path, layer: str, count: int) -> Iterator[Batch]:
    """Pass batches on; refuse a file that ends before what it says to hold."""
    seen = 0
    for batch in batches:
        seen += len(batch)
        yield batch
    if 0 <= seen < count:
        raise InputError("file_cut_off", file=path, layer=layer, count=count, found=seen)
