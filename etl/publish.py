"""Publishing a set of layers: staged, compared with what is live, written in one transaction.

A source owns its features: what it no longer holds is removed, what did not change is not
written, and a feature of another source is never touched.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import shapely
from sqlalchemy import Computed, Connection, Engine, Table, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from geo import crs
from geo.errors import InputError
from geo.model import LAYERS, STORAGE_SRID, Base, ImportRun, LayerRevision, Quarantine
from geo.progress import Progress, silent

LayerSet = Mapping[str, gpd.GeoDataFrame]

_BATCH = 20_000
_LOCK = 4206_0001  # advisory lock of publications: a number of our own
_KEPT_BY_DATABASE = {"valid_from", "valid_to", "revision", "source"}


@dataclass(frozen=True)
class Counts:
    """What a publication did to a layer."""

    added: int
    changed: int
    removed: int
    unchanged: int

    @property
    def touched(self) -> int:
        """Return the number of rows written."""
        return self.added + self.changed + self.removed


@dataclass(frozen=True)
class Rejected:
    """A feature that can't be used: its layer and code, why (a key), what came with it."""

    layer: str
    code: str | None
    reason: str
    properties: dict[str, Any]
    geometry: shapely.Geometry | None


def publish(
    engine: Engine,
    layers: LayerSet,
    source: str,
    *,
    rejected: Sequence[Rejected] = (),
    progress: Progress = silent,
) -> dict[str, Counts]:
    """Make the live features of a source those of a set of layers.

    Parameters
    ----------
    layers
        Frames by table name, columns named as the tables', geometry in longitude and latitude.
        A layer that is left out stays as it is.
    source
        Name of the source, one for every delivery of it.
    rejected
        What the delivery held that can't be published; it is kept in quarantine with the run.

    Returns
    -------
    dict
        Counts by layer. Nothing changed if none of them is touched: then no row was written.

    Raises
    ------
    InputError
        If a value is outside its domain, a code is there twice, or a code belongs to another
        source; nothing is changed.
    """
    names = [name for name in LAYERS if name in layers]
    try:
        with engine.begin() as connection:
            chosen = {name: layers[name] for name in names}
            return _publish(connection, chosen, source, rejected, progress)
    except IntegrityError as error:
        raise _refusal(", ".join(names), error.orig) from error


def _publish(
    connection: Connection,
    layers: LayerSet,
    source: str,
    rejected: Sequence[Rejected],
    progress: Progress,
) -> dict[str, Counts]:
    timings: dict[str, float] = {}
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    for done, name in enumerate(layers):
        began = time.monotonic()
        progress("stage", done, len(layers))
        _stage(connection, name, layers[name])
        _refuse_foreign(connection, name, source)
        timings[name] = time.monotonic() - began
    progress("stage", len(layers), len(layers))
    counts = {name: _compare(connection, name, source) for name in layers}
    touched = [name for name in layers if counts[name].touched]
    if touched:
        run, revision = _record(connection, source, counts, timings)
        _quarantine(connection, run, rejected)
        for done, name in enumerate(touched):
            progress("publish", done, len(touched))
            _write(connection, name, source, revision)
            _mark(connection, name, revision, run)
        progress("publish", len(touched), len(touched))
    return counts


def _columns(table: Table) -> list[str]:
    """Return the columns that a delivery can hold."""
    return [
        column.name
        for column in table.columns
        if not isinstance(column.server_default, Computed) and column.name not in _KEPT_BY_DATABASE
    ]


def _stage(connection: Connection, name: str, frame: gpd.GeoDataFrame) -> None:
    """Copy a frame into a temporary table shaped like its layer."""
    table = Base.metadata.tables[name]
    columns = [column for column in _columns(table) if column in frame.columns]
    _refuse_repeated(name, frame)
    connection.execute(
        text(
            f"CREATE TEMPORARY TABLE staged_{name} "
            f"(LIKE {name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) ON COMMIT DROP"
        )
    )
    if "geom_3857" in table.columns:
        connection.execute(text(f"ALTER TABLE staged_{name} DROP COLUMN geom_3857"))
    driver: Any = connection.connection.driver_connection
    listed = ", ".join(f'"{column}"' for column in columns)
    with driver.cursor() as cursor:
        for start in range(0, len(frame), _BATCH):
            rows = _rows(frame.iloc[start : start + _BATCH], columns, table)
            try:
                with cursor.copy(f"COPY staged_{name} ({listed}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            except psycopg.Error as error:
                raise _refusal(name, error) from error
    connection.execute(text(f"CREATE INDEX ON staged_{name} (code)"))
    connection.execute(text(f"ANALYZE staged_{name}"))


def _rows(frame: gpd.GeoDataFrame, columns: list[str], table: Table) -> list[tuple[Any, ...]]:
    """Return the rows of a frame as the database takes them."""
    series = [
        _hex(frame, str(getattr(table.c[column].type, "geometry_type", "")))
        if column == "geom"
        else _values(frame[column], table.c[column])
        for column in columns
    ]
    return list(zip(*series, strict=True))


def _kind(table: Table) -> str:
    """Return the kind of geometry that a table holds."""
    kind = table.c.geom.type
    return str(getattr(kind, "geometry_type", "GEOMETRY"))


def _hex(frame: gpd.GeoDataFrame, kind: str) -> list[str | None]:
    """Return geometry as EWKB in the storage system, of the kind that the column holds."""
    geometry = frame.geometry
    if geometry.crs is not None and geometry.crs != crs.STORAGE:
        geometry = geometry.to_crs(crs.STORAGE)
    values = shapely.force_2d(geometry.to_numpy())
    if kind == "MULTIPOLYGON":
        single = shapely.get_type_id(values) == shapely.GeometryType.POLYGON
        values[single] = [shapely.multipolygons([polygon]) for polygon in values[single]]
    numbered = shapely.set_srid(values, STORAGE_SRID)
    return list(shapely.to_wkb(numbered, hex=True, include_srid=True))


def _values(series: pd.Series, column: Any) -> list[Any]:
    """Return plain values: whole numbers where the column is whole, None for what is missing."""
    missing = series.isna().to_numpy()
    values = series.to_numpy(dtype=object)
    if column.type.python_type is int:
        whole = pd.to_numeric(series, errors="coerce").round()
        values = np.array(
            [None if gone else int(v) for v, gone in zip(whole, missing, strict=True)]
        )
        return list(values)
    default = "" if column.server_default is not None and column.type.python_type is str else None
    return [default if gone else value for value, gone in zip(values, missing, strict=True)]


def _refusal(name: str, error: BaseException | None) -> InputError:
    """Return what a person is told when the database refuses a row."""
    said = cast(psycopg.Error, error).diag
    detail = said.message_detail or said.message_primary or str(error)
    return InputError(
        "row_refused",
        layer=name,
        rule=said.constraint_name or said.column_name or "",
        detail=detail,
    )


def _refuse_repeated(name: str, frame: gpd.GeoDataFrame) -> None:
    repeated = frame["code"][frame["code"].duplicated()]
    if len(repeated):
        raise InputError("code_repeated", layer=name, count=len(repeated), code=repeated.iloc[0])


def _refuse_foreign(connection: Connection, name: str, source: str) -> None:
    """Refuse codes that live under another source."""
    found = connection.execute(
        text(
            f"SELECT live.code, live.source FROM {name} live JOIN staged_{name} USING (code) "
            "WHERE live.source <> :source LIMIT 1"
        ),
        {"source": source},
    ).first()
    if found:
        raise InputError("code_of_other_source", layer=name, code=found.code, source=found.source)


def _differs(name: str) -> str:
    """Return the condition that a staged row differs from its live one."""
    table = Base.metadata.tables[name]
    columns = [column for column in _columns(table) if column != "code"]

    def listed(alias: str) -> str:
        return ", ".join(
            f"{alias}.geom::bytea" if column == "geom" else f'{alias}."{column}"'
            for column in columns
        )

    return f"({listed('live')}) IS DISTINCT FROM ({listed('staged')})"


def _compare(connection: Connection, name: str, source: str) -> Counts:
    """Count what a staged layer would change; keep only the staged rows that differ."""
    rows = connection.execute(
        text(
            f"""
            SELECT count(*) FILTER (WHERE live.code IS NULL),
                   count(*) FILTER (WHERE live.code IS NOT NULL AND {_differs(name)}),
                   count(*)
            FROM staged_{name} staged LEFT JOIN {name} live USING (code)
            """
        )
    ).one()
    removed = connection.execute(
        text(
            f"SELECT count(*) FROM {name} live WHERE source = :source "
            f"AND NOT EXISTS (SELECT FROM staged_{name} staged WHERE staged.code = live.code)"
        ),
        {"source": source},
    ).scalar_one()
    return Counts(rows[0], rows[1], removed, rows[2] - rows[0] - rows[1])


def _record(
    connection: Connection, source: str, counts: dict[str, Counts], timings: dict[str, float]
) -> tuple[int, int]:
    """Write the run; return its number and the revision it makes."""
    newest = connection.execute(select(func.max(LayerRevision.revision))).scalar() or 0
    run = connection.execute(
        insert(ImportRun)
        .values(
            layer=", ".join(counts),
            source=source,
            status="published",
            finished_at=func.clock_timestamp(),
            counts={name: asdict(count) for name, count in counts.items()},
            timings=timings,
            revision=newest + 1,
        )
        .returning(ImportRun.id)
    ).scalar_one()
    return run, newest + 1


def _quarantine(connection: Connection, run: int, rejected: Sequence[Rejected]) -> None:
    """Keep what was rejected."""
    rows = [
        {
            "run_id": run,
            "layer": one.layer,
            "code": one.code,
            "reason": one.reason,
            "properties": one.properties,
            "original": shapely.to_wkb(one.geometry),
        }
        for one in rejected
    ]
    if rows:
        connection.execute(insert(Quarantine), rows)


def _write(connection: Connection, name: str, source: str, revision: int) -> None:
    """Remove, change and add what differs."""
    columns = [column for column in _columns(Base.metadata.tables[name]) if column != "code"]
    listed = ", ".join(f'"{column}"' for column in columns)
    values = {"source": source, "revision": revision}
    assigned = ", ".join(f'"{column}" = staged."{column}"' for column in columns)
    statements = [
        f"DELETE FROM {name} live WHERE source = :source "
        f"AND NOT EXISTS (SELECT FROM staged_{name} staged WHERE staged.code = live.code)",
        f"UPDATE {name} live SET {assigned}, revision = :revision FROM staged_{name} staged "
        f"WHERE staged.code = live.code AND {_differs(name)}",
        f"INSERT INTO {name} (code, {listed}, source, revision) "
        f"SELECT code, {listed}, :source, :revision FROM staged_{name} staged "
        f"WHERE NOT EXISTS (SELECT FROM {name} live WHERE live.code = staged.code) ORDER BY code",
    ]
    for statement in statements:
        connection.execute(text(statement), values)


def _mark(connection: Connection, name: str, revision: int, run: int) -> None:
    """Move the layer's revision."""
    marked = connection.execute(
        update(LayerRevision)
        .where(LayerRevision.layer == name)
        .values(revision=revision, run_id=run, published_at=func.now())
    )
    if marked.rowcount == 0:
        connection.execute(insert(LayerRevision).values(layer=name, revision=revision, run_id=run))
