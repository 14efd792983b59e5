"""Staging: a delivery is copied beside the live tables, in batches, before anything is compared.

Staging tables are unlogged and a run's own; what was refused on the way goes to one of them too, so
that a run that dies leaves nothing behind but what the next run drops.
"""

import binascii
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import shapely
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, DefaultClause, Engine, text

from etl.input.feature_batch import Batch
from etl.input.layer_columns import MATCHING_COLUMNS, declared_type, geometry_kind, table_of
from geo.model import STORAGE_SRID
from geo.model.run import STAGING_SCHEMA

_WAITING = 2
"""Batches that wait to be written: reading and checking go on while the server takes them."""

_LITTLE = b"\x01"
_ONE_POLYGON = b"\x01\x06\x00\x00\x00\x01\x00\x00\x00"
"""What stands before the WKB of a polygon in that of a multipolygon of it alone."""

ROW = "_row"
"""Column of a staging table: the feature's number in its file."""

MARK = "_mark"
"""Column of a staging table: the mark of a row that is as it came (see
:mod:`etl.pipeline.row_digests`)."""


@dataclass(frozen=True)
class Rejected:
    """A feature that can't be used: its layer and code, why (a key), what came with it.

    ``detail`` has the fields of the reason's text; ``place`` is the geometry in longitude and
    latitude, where it can be shown on a map.
    """

    layer: str
    code: str | None
    reason: str
    properties: dict[str, Any]
    geometry: shapely.Geometry | bytes | None
    detail: dict[str, Any] = field(default_factory=dict)
    place: shapely.Geometry | None = None


@dataclass
class Staged:
    """The staging table of a layer.

    Attributes
    ----------
    layer, table
        Its layer, and its name with its schema.
    columns
        Columns that the delivery fills; the others keep what is live, or get the default.
    extras
        Columns for joining that are not kept.
    rows
        Rows copied so far.
    kept
        Rows passed over so far: their codes are in ``kept_table``.
    """

    layer: str
    table: str
    columns: list[str]
    extras: list[str] = field(default_factory=list)
    rows: int = 0
    kept: int = 0

    @property
    def kept_table(self) -> str:
        """Return the table of the rows that passed before and are not copied again."""
        return f"{self.table}_kept"


def table_name(number: int, layer: str) -> str:
    """Return the name of the staging table of a run's layer, or of its ``rejected``."""
    return f"{STAGING_SCHEMA}.run_{number}_{layer}"


def create(connection: Connection, number: int, layer: str, columns: Sequence[str]) -> Staged:
    """Make the staging table of a layer."""
    name = table_name(number, layer)
    listed = "".join(f'"{column}" {declared_type(layer, column)}, ' for column in columns)
    connection.execute(text(f"CREATE UNLOGGED TABLE {name} ({listed}{ROW} bigint, {MARK} bigint)"))
    extras = [column for column in columns if column in MATCHING_COLUMNS.get(layer, ())]
    return Staged(layer, name, [c for c in columns if c not in extras], extras)


def create_rejected(connection: Connection, number: int) -> str:
    """Make the table of what a run refuses; return its name."""
    name = table_name(number, "rejected")
    connection.execute(
        text(
            f"CREATE UNLOGGED TABLE {name} AS SELECT layer, code, reason, detail, properties, "
            "original, geom FROM quarantine WITH NO DATA"
        )
    )
    return name


class Writer:
    """Copies batches and refused features into staging tables, in a thread and session of its own.

    An error of the server's comes up in the next call, or when the block of :func:`writing` ends.
    """

    def __init__(self, connection: Connection, rejected: str) -> None:
        self._connection = connection
        self._rejected = rejected
        self._pool = ThreadPoolExecutor(1)
        self._waiting: list[Future[None]] = []

    def copy(self, staged: Staged, batch: Batch) -> Future[None]:
        """Copy the features of a batch; return what ends when all others can see them."""
        staged.rows += len(batch)
        return self._later(self._copy, staged, batch)

    def keep(
        self, staged: Staged, codes: pa.Array, numbers: NDArray[np.int64], marks: NDArray[np.int64]
    ) -> None:
        """Note rows that are passed over."""
        if len(codes):
            if not staged.kept:
                self._later(self._make_kept, staged)
            staged.kept += len(codes)
            self._later(self._keep, staged, pa.table([codes, numbers, marks], ["code", ROW, MARK]))

    def refuse(self, rejected: Sequence[Rejected]) -> None:
        """Copy what was refused."""
        if rejected:
            self._later(self._refuse, list(rejected))

    def finish(self) -> None:
        """Wait until all is written."""
        while self._waiting:
            self._waiting.pop(0).result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _later(self, work: Any, *arguments: Any) -> Future[None]:
        if len(self._waiting) >= _WAITING:
            self._waiting.pop(0).result()
        self._waiting.append(self._pool.submit(work, *arguments))
        return self._waiting[-1]

    def _copy(self, staged: Staged, batch: Batch) -> None:
        listed = ", ".join(f'"{name}"' for name in _copied_columns(staged))
        statement = f"COPY {staged.table} ({listed}) FROM STDIN (FORMAT csv)"
        with self._connection.begin():
            _copy_in(self._connection, statement, _encode_rows(staged, batch))

    def _make_kept(self, staged: Staged) -> None:
        made = f"CREATE UNLOGGED TABLE {staged.kept_table} (code text, {ROW} bigint, {MARK} bigint)"
        with self._connection.begin():
            self._connection.execute(text(made))

    def _keep(self, staged: Staged, rows: pa.Table) -> None:
        with self._connection.begin():
            _copy_in(
                self._connection,
                f"COPY {staged.kept_table} FROM STDIN (FORMAT csv)",
                _as_csv(rows),
            )

    def _refuse(self, rejected: list[Rejected]) -> None:
        with self._connection.begin():
            copy_rejected(self._connection, self._rejected, rejected)


@contextmanager
def writing(engine: Engine, rejected: str) -> Iterator[Writer]:
    """Open a writer; after the block all that it was given is written."""
    with engine.connect() as connection:
        writer = Writer(connection, rejected)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


def _copy_in(connection: Connection, statement: str, content: memoryview) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)


def _encode_rows(staged: Staged, batch: Batch) -> memoryview:
    """Return the rows of a batch as CSV, in which nothing between two commas is null."""
    names = _copied_columns(staged)
    return _as_csv(pa.table([_column(staged.layer, name, batch) for name in names], names))


def _copied_columns(staged: Staged) -> list[str]:
    return [*staged.columns, *staged.extras, ROW, MARK]


def _as_csv(rows: pa.Table) -> memoryview:
    sink = io.BytesIO()
    arrow_csv.write_csv(rows, sink, arrow_csv.WriteOptions(include_header=False))
    return sink.getbuffer()


def _column(layer: str, name: str, batch: Batch) -> pa.Array:
    """Return a column as the database takes it; what is missing gets the table's default."""
    if name == ROW:
        return pa.array(batch.numbers)
    if name == MARK:
        marks = np.zeros(len(batch), np.int64) if batch.marks is None else batch.marks
        return pa.array(marks, mask=marks == 0)
    if name == "geom":
        return hex_wkb(batch, geometry_kind(layer))
    values = batch.columns[name]
    if name in MATCHING_COLUMNS.get(layer, ()):
        return values
    default = default_of(table_of(layer).c[name])
    return values if default is None else _fill_nulls(values, default)


def _fill_nulls(values: pa.Array, default: str) -> pa.Array:
    if values.null_count == 0:
        return values
    if pa.types.is_null(values.type):
        return pa.array([default] * len(values), pa.string())
    if pa.types.is_boolean(values.type):
        return values.fill_null(default == "true")
    return values.fill_null(pa.scalar(default).cast(values.type))


def default_of(column: Column[Any]) -> str | None:
    """Return a column's default as text."""
    if isinstance(column.server_default, DefaultClause):
        return str(column.server_default.arg)
    return None


def hex_wkb(batch: Batch, kind: str) -> pa.Array:
    """Return geometries as the database takes them, polygons as multipolygons where it wants.

    Geometry that is still as it came is not written anew.
    """
    values = batch.geometry
    wkb: NDArray[Any] = np.full(len(batch), None) if batch.wkb is None else batch.wkb.copy()
    anew = np.fromiter((one is None or one[:1] != _LITTLE for one in wkb), bool, len(wkb))
    wkb[anew] = shapely.to_wkb(values[anew], byte_order=1)
    if kind == "MULTIPOLYGON":
        for row in np.flatnonzero(shapely.get_type_id(values) == shapely.GeometryType.POLYGON):
            wkb[row] = _ONE_POLYGON + wkb[row]
    return _hex(pa.array(wkb, pa.large_binary()))


def _hex(values: pa.Array) -> pa.Array:
    """Return bytes as hexadecimal texts, all at once."""
    missing, offsets, content = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[: len(values) + 1]
    digits = b"" if content is None else binascii.hexlify(memoryview(content)[: ends[-1]])
    return pa.LargeStringArray.from_buffers(
        len(values), pa.py_buffer(2 * ends), pa.py_buffer(digits), missing
    )


def copy_rejected(connection: Connection, table: str, rejected: Sequence[Rejected]) -> None:
    """Copy refused features into a table with the columns of the quarantine."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table} (layer, code, reason, detail, properties, original, geom) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for one in rejected:
            copy.write_row(
                (
                    one.layer,
                    _clean(one.code),
                    one.reason,
                    _json(one.detail),
                    _json(one.properties),
                    original_of(one),
                    _map_place(one.place),
                )
            )


def original_of(one: Rejected) -> bytes | None:
    """Return the geometry of a refused feature as it came."""
    if isinstance(one.geometry, bytes):
        return one.geometry
    return None if one.geometry is None else shapely.to_wkb(one.geometry)


def _json(values: dict[str, Any]) -> str:
    """Return values as JSON that PostgreSQL can hold: without NUL, without NaN."""
    plain = {name: _plain(value) for name, value in values.items()}
    return json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return _clean(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value))


def _clean(value: str | None) -> str | None:
    return None if value is None else value.replace("\0", "�")


def _map_place(place: Any) -> str | None:
    """Return where a feature is, if that is somewhere on the earth."""
    if place is None or place.is_empty:
        return None
    bounds = np.array(place.bounds)
    if not (np.isfinite(bounds).all() and (np.abs(bounds) <= [180, 89, 180, 89]).all()):
        return None
    return str(shapely.to_wkb(shapely.set_srid(place, STORAGE_SRID), hex=True, include_srid=True))
