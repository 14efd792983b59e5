"""Opening a delivered file of any format as a stream of batches, with its fields and its system."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely

from etl.input import sandbox, tabular, zip_archive
from etl.input.feature_batch import SIZE, Batch
from etl.input.formats import ENDINGS, GEOMETRY, TABLES, VECTOR, check_content, check_file
from etl.input.vector import only_layer
from geo.errors import InputError

_CURVES = ("Curve", "Surface", "Circular", "Compound")

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
def open_dataset(path: Path) -> Iterator[Path]:
    """Yield the data set that a file is or, as an archive, holds.

    Raises
    ------
    InputError
        If it is missing, empty, of no format that is read, begins otherwise than its suffix says,
        or is an archive that holds none or several.
    """
    if path.suffix.lower() == ".gdb" and path.is_dir():
        check_content(path)
        yield path
        return
    check_file(path, *ENDINGS)
    if path.suffix.lower() != ".zip":
        _refuse_locked(path)
        yield path
        return
    with zip_archive.unpack(path) as folder:
        found = zip_archive.members(folder, (*VECTOR, *TABLES))
        if not found:
            raise InputError("zip_without_data", file=path, formats=", ".join(VECTOR + TABLES))
        if len(found) > 1:
            names = ", ".join(str(one.relative_to(folder)) for one in found)
            raise InputError("zip_several", file=path, files=names)
        check_content(found[0])
        yield found[0]


def layer_names(path: Path) -> list[str]:
    """Return the names of the layers of a data set."""
    if path.suffix.lower() in (".csv", ".parquet"):
        return [path.stem]
    names: list[str] = sandbox.ask(path, "layer_names")
    return names


def open_layer(
    path: Path,
    layer: str | None = None,
    *,
    encoding: str | None = None,
    place: tabular.Place | None = None,
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
        how: dict[str, Any] = {"encoding": encoding}
        return _table(path, path.stem, lambda: sandbox.stream(path, "read_csv", **how), place)
    if ending == ".xlsx":
        how = {"sheet": layer, "size": SIZE}
        name = layer or path.stem
        return _table(path, name, lambda: sandbox.stream(path, "read_xlsx", **how), place)
    texts = encoding or sandbox.ask(path, "text_encoding") if ending == ".shp" else encoding
    return _vector(path, layer or only_layer(path), texts)


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


def _table(
    path: Path, layer: str, read: Callable[[], Iterator[pa.Table]], place: tabular.Place | None
) -> Source:
    first = next(read(), None)
    header = first.column_names if first is not None else []
    known = place or tabular.place_in(header)
    missing = [name for name in (known.columns if known else []) if name not in header]
    if missing:
        raise InputError("column_missing", file=path, layer=layer, column=missing[0])

    def batches() -> Iterator[Batch]:
        start = 1
        for table in read():
            for offset in range(0, max(table.num_rows, 1), SIZE):
                yield tabular.place_rows(table.slice(offset, SIZE), known, start + offset)
            start += table.num_rows

    fields = [name for name in header if known is None or name not in known.columns]
    return Source(path, layer, fields, None, known is not None, batches)


def _parquet(path: Path) -> Source:
    info = sandbox.ask(path, "parquet_information")
    crs = None if info["crs"] is None else pyproj.CRS.from_user_input(info["crs"])
    batches = _batches(path, "read_parquet")
    return Source(path, path.stem, info["fields"], crs, True, batches, info["features"])


def _vector(path: Path, layer: str, encoding: str | None) -> Source:
    info = sandbox.ask(path, "layer_information", layer=layer, encoding=encoding)
    kind, count = info["geometry_type"], info["features"]
    is_curved = kind is not None and any(word in kind for word in _CURVES)
    task = "read_pages" if is_curved else "read_records"
    batches = _batches(path, task, layer=layer, encoding=encoding)
    source = Source(
        path,
        layer,
        info["fields"],
        pyproj.CRS.from_user_input(info["crs"]) if info["crs"] else None,
        kind is not None,
        lambda: _complete(batches(), path, layer, count),
        count if count >= 0 else None,
    )
    return replace(source, crs=None) if path.suffix.lower() == ".dxf" else source


def _batches(path: Path, task: str, **arguments: Any) -> Batches:
    def batches() -> Iterator[Batch]:
        start = 1
        for table in sandbox.stream(path, task, size=SIZE, **arguments):
            yield _build_batch(table, start)
            start += table.num_rows

    return batches


def _build_batch(table: pa.Table, start: int) -> Batch:
    """Return a block with its geometry built; what can't be built is kept as it came."""
    numbers = np.arange(start, start + table.num_rows, dtype=np.int64)
    columns = {name: tabular.whole(table[name]) for name in table.column_names if name != GEOMETRY}
    if GEOMETRY not in table.column_names:
        return Batch(columns, np.full(table.num_rows, None, dtype=object), numbers)
    wkb = table[GEOMETRY].to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are for the checks
        geometry = shapely.from_wkb(wkb, on_invalid="ignore")
    present = np.asarray(table[GEOMETRY].is_valid())
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
