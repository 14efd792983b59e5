"""Staging tables: a delivery is copied into them, in batches, before anything is compared.

They are unlogged, and belong to one run. One of them takes the rejected features, so that a run
that dies leaves nothing behind but tables that the next run drops.
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

_QUEUE_BATCHES = 2
"""Batches that may wait to be written, while later ones are read and checked."""

_LITTLE_ENDIAN = b"\x01"
_MULTIPOLYGON_OF_ONE = b"\x01\x06\x00\x00\x00\x01\x00\x00\x00"
"""The WKB prefix that makes a multipolygon of the polygon that follows."""

ROW = "_row"
"""Column of a staging table: the feature's number in its file."""


@dataclass(frozen=True)
class Rejected:
    """A feature that can't be used, with the reason and its properties as delivered.

    Attributes
    ----------
    reason
        Key of the message catalogue, whose fields ``detail`` fills.
    geometry
        As delivered, in the coordinates of the file.
    place
        Geometry in longitude and latitude, None where it can't be shown on a map.
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
        Its layer, and its own name with the schema.
    columns
        Columns that the delivery fills; the others keep their live value, or get the default.
    extras
        Columns that only serve to join other layers.
    rows
        Rows copied so far.
    is_aggregate
        Rows are counts of persons: those of the same dwelling are added up.
    """

    layer: str
    table: str
    columns: list[str]
    extras: list[str] = field(default_factory=list)
    rows: int = 0
    is_aggregate: bool = False


def table_name(number: int, layer: str) -> str:
    """Return the name of the staging table of a run's layer, or of its ``rejected``."""
    return f"{STAGING_SCHEMA}.run_{number}_{layer}"


def create_staging_table(
    connection: Connection, number: int, layer: str, columns: Sequence[str]
) -> Staged:
    """Create the staging table of a layer."""
    name = table_name(number, layer)
    listed = "".join(f'"{column}" {declared_type(layer, column)}, ' for column in columns)
    connection.execute(text(f"CREATE UNLOGGED TABLE {name} ({listed}{ROW} bigint)"))
    extras = [column for column in columns if column in MATCHING_COLUMNS.get(layer, ())]
    return Staged(layer, name, [c for c in columns if c not in extras], extras)


def create_rejected_table(connection: Connection, number: int) -> str:
    """Create the table of the features that a run rejects; return its name."""
    name = table_name(number, "rejected")
    connection.exec_driver_sql(
        f"CREATE UNLOGGED TABLE {name} AS SELECT layer, code, reason, detail, properties, "
        "original, geom FROM quarantine WITH NO DATA"
    )
    return name


class Writer:
    """A background thread with a session of its own that copies features into staging tables.

    A database error is raised by the next call, or at the end of the block of :func:`open_writer`.
    """

    def __init__(self, connection: Connection, rejected: str) -> None:
        self._connection = connection
        self._rejected = rejected
        self._pool = ThreadPoolExecutor(1)
        self._pending: list[Future[None]] = []

    def copy(self, staged: Staged, batch: Batch) -> Future[None]:
        """Copy the features of a batch; the future ends when their transaction is committed."""
        staged.rows += len(batch)
        return self._submit(self._copy, staged, batch)

    def reject(self, rejected: Sequence[Rejected]) -> None:
        """Copy rejected features."""
        if rejected:
            self._submit(self._copy_rejected, list(rejected))

    def finish(self) -> None:
        """Wait until all is written."""
        while self._pending:
            self._pending.pop(0).result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, task: Any, *arguments: Any) -> Future[None]:
        if len(self._pending) >= _QUEUE_BATCHES:
            self._pending.pop(0).result()
        self._pending.append(self._pool.submit(task, *arguments))
        return self._pending[-1]

    def _copy(self, staged: Staged, batch: Batch) -> None:
        listed = ", ".join(f'"{name}"' for name in _copied_columns(staged))
        statement = f"COPY {staged.table} ({listed}) FROM STDIN (FORMAT csv)"
        with self._connection.begin():
            _copy_in(self._connection, statement, _encode_rows(staged, batch))

    def _copy_rejected(self, rejected: list[Rejected]) -> None:
        with self._connection.begin():
            copy_rejected(self._connection, self._rejected, rejected)


@contextmanager
def open_writer(engine: Engine, rejected: str) -> Iterator[Writer]:
    """Open a writer; all of its copies are committed when the block ends."""
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
    """Return the rows of a batch as CSV; an empty field is null."""
    names = _copied_columns(staged)
    return _as_csv(pa.table([_column(staged.layer, name, batch) for name in names], names))


def _copied_columns(staged: Staged) -> list[str]:
    return [*staged.columns, *staged.extras, ROW]


def _as_csv(rows: pa.Table) -> memoryview:
    sink = io.BytesIO()
    arrow_csv.write_csv(rows, sink, arrow_csv.WriteOptions(include_header=False))
    return sink.getbuffer()


def _column(layer: str, name: str, batch: Batch) -> pa.Array:
    """Return a column as COPY takes it; missing values get the default of the live table."""
    if name == ROW:
        return pa.array(batch.numbers)
    if name == "geom":
        return hex_wkb(batch, geometry_kind(layer))
    values = batch.columns[name]
    if name in MATCHING_COLUMNS.get(layer, ()):
        return values
    default = column_default(table_of(layer).c[name])
    return values if default is None else _fill_nulls(values, default)


def _fill_nulls(values: pa.Array, default: str) -> pa.Array:
    if values.null_count == 0:
        return values
    if pa.types.is_null(values.type):
        return pa.array([default] * len(values), pa.string())
    if pa.types.is_boolean(values.type):
        return values.fill_null(default == "true")
    return values.fill_null(pa.scalar(default).cast(values.type))


def column_default(column: Column[Any]) -> str | None:
    """Return a column's default as text."""
    if isinstance(column.server_default, DefaultClause):
        return str(column.server_default.arg)
    return None


def hex_wkb(batch: Batch, kind: str) -> pa.Array:
    """Return geometries as hexadecimal WKB, polygons as multipolygons if the layer holds those.

    The WKB of unchanged geometry is passed on as delivered.
    """
    values = batch.geometry
    wkb: NDArray[Any] = np.full(len(batch), None) if batch.wkb is None else batch.wkb.copy()
    encode = np.fromiter(
        (item is None or item[:1] != _LITTLE_ENDIAN for item in wkb), bool, len(wkb)
    )
    wkb[encode] = shapely.to_wkb(values[encode], byte_order=1)
    if kind == "MULTIPOLYGON":
        for row in np.flatnonzero(shapely.get_type_id(values) == shapely.GeometryType.POLYGON):
            wkb[row] = _MULTIPOLYGON_OF_ONE + wkb[row]
    return _hex(pa.array(wkb, pa.large_binary()))


def _hex(values: pa.Array) -> pa.Array:
    """Return bytes as hexadecimal texts."""
    missing, offsets, content = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[: len(values) + 1]
    digits = b"" if content is None else binascii.hexlify(memoryview(content)[: ends[-1]])
    return pa.LargeStringArray.from_buffers(
        len(values), pa.py_buffer(2 * ends), pa.py_buffer(digits), missing
    )


def copy_rejected(connection: Connection, table: str, rejected: Sequence[Rejected]) -> None:
    """Copy rejected features into a table with the columns of the quarantine."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table} (layer, code, reason, detail, properties, original, geom) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for feature in rejected:
            copy.write_row(
                (
                    feature.layer,
                    _clean(feature.code),
                    feature.reason,
                    _json(feature.detail),
                    _json(feature.properties),
                    original_wkb(feature),
                    _map_place(feature.place),
                )
            )


def original_wkb(feature: Rejected) -> bytes | None:
    """Return the WKB of a rejected feature as delivered."""
    if isinstance(feature.geometry, bytes):
        return feature.geometry
    return None if feature.geometry is None else shapely.to_wkb(feature.geometry)


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
    """Return the place of a feature as EWKB, None if it is not on the earth."""
    if place is None or place.is_empty:
        return None
    bounds = np.array(place.bounds)
    if not (np.isfinite(bounds).all() and (np.abs(bounds) <= [180, 89, 180, 89]).all()):
        return None
    return str(shapely.to_wkb(shapely.set_srid(place, STORAGE_SRID), hex=True, include_srid=True))
