"""Publishing a set of layers: staged, compared with what is live, written in one transaction.

A source owns its features: what it no longer holds is removed, what did not change is not
written, and a feature of another source is never touched.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import geopandas as gpd
import shapely
from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from etl.stage import columns, stage
from geo.errors import InputError
from geo.model import LAYERS, ImportRun, LayerRevision, Quarantine
from geo.model.run import RunStatus
from geo.progress import Progress, silent

LayerSet = Mapping[str, gpd.GeoDataFrame]

_LOCK = 4206_0001  # advisory lock of publications: a number of our own


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
        What the delivery held that can't be published; it is kept in quarantine with the run,
        unless it is there already.

    Returns
    -------
    dict
        Counts by layer. If none of them is touched, no feature was written and the run is kept
        as unchanged.

    Raises
    ------
    InputError
        If a value is outside its domain, a code is there twice, a feature names another that is
        not there, or a code belongs to another source; nothing is changed.
    """
    chosen = {name: layers[name] for name in LAYERS if name in layers}
    began = time.monotonic()
    with _session(engine) as connection:
        with connection.begin():
            started = connection.execute(select(func.now())).scalar_one()
            _stage(connection, chosen, progress)
        with connection.begin():
            # Waited for before the publishing transaction, whose beginning dates what it writes.
            connection.execute(select(func.pg_advisory_lock(_LOCK)))
        timings = {"stage": time.monotonic() - began}
        with connection.begin():
            return _publish(
                connection, list(chosen), source, rejected, _Record(started, timings), progress
            )


@dataclass(frozen=True)
class _Record:
    """What is known of a run before it publishes."""

    started: datetime
    timings: dict[str, float]


@contextmanager
def _session(engine: Engine) -> Iterator[Connection]:
    """Open a session of its own: temporary tables and lock end with it, whatever happens."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            connection.invalidate()


def _stage(connection: Connection, layers: LayerSet, progress: Progress) -> None:
    total, before = sum(map(len, layers.values())), 0
    progress("stage", 0, total)
    for name, frame in layers.items():
        for done in stage(connection, name, [frame]):
            progress("stage", before + done, total)
        before += len(frame)


def _publish(
    connection: Connection,
    names: Sequence[str],
    source: str,
    rejected: Sequence[Rejected],
    record: _Record,
    progress: Progress,
) -> dict[str, Counts]:
    began = time.monotonic()
    for name in names:
        _refuse_foreign(connection, name, source)
    counts = {name: _compare(connection, name, source) for name in names}
    touched = [name for name in names if counts[name].touched]
    revision = _next_revision(connection) if touched else None
    run = _open_run(connection, source, counts, record, revision)
    _quarantine(connection, run, source, rejected)
    for done, name in enumerate(touched):
        progress("publish", done, len(touched))
        _write(connection, name, source, revision)
        _mark(connection, name, revision, run)
    _check_references(connection)
    record.timings["publish"] = time.monotonic() - began
    _close_run(connection, run, record)
    progress("publish", len(touched), len(touched))
    return counts


def _refuse_foreign(connection: Connection, name: str, source: str) -> None:
    """Refuse codes that live under another source."""
    found = connection.execute(
        text(
            f"SELECT live.code, live.source FROM {name} live JOIN staged_{name} USING (code) "
            "WHERE live.source <> :source ORDER BY code LIMIT 1"
        ),
        {"source": source},
    ).first()
    if found:
        raise InputError("code_of_other_source", layer=name, code=found.code, source=found.source)


def _compare(connection: Connection, name: str, source: str) -> Counts:
    """Write what differs into the temporary table ``delta_<layer>``; return the counts."""
    connection.execute(
        text(
            f"""
            CREATE TEMPORARY TABLE delta_{name} AS
            SELECT code,
                   CASE WHEN live.source IS NULL THEN 'added'
                        WHEN staged.is_staged IS NULL THEN 'removed'
                        ELSE 'changed' END AS fate
            FROM (SELECT * FROM {name} WHERE source = :source) live
            FULL JOIN (SELECT *, true AS is_staged FROM staged_{name}) staged USING (code)
            WHERE live.source IS NULL OR staged.is_staged IS NULL OR {_differs(name)}
            """
        ),
        {"source": source},
    )
    connection.execute(text(f"ANALYZE delta_{name}"))
    fates = connection.execute(text(f"SELECT fate, count(*) AS size FROM delta_{name} GROUP BY 1"))
    found = {row.fate: row.size for row in fates}
    staged = connection.execute(text(f"SELECT count(*) FROM staged_{name}")).scalar_one()
    added, changed = found.get("added", 0), found.get("changed", 0)
    return Counts(added, changed, found.get("removed", 0), staged - added - changed)


def _differs(name: str) -> str:
    """Return the condition that a staged row differs from its live one."""

    def listed(alias: str) -> str:
        return ", ".join(
            f"{alias}.geom::bytea" if column == "geom" else f'{alias}."{column}"'
            for column in columns(name)
            if column != "code"
        )

    return f"({listed('live')}) IS DISTINCT FROM ({listed('staged')})"


def _next_revision(connection: Connection) -> int:
    newest = connection.execute(select(func.max(LayerRevision.revision))).scalar() or 0
    return int(newest) + 1


def _open_run(
    connection: Connection,
    source: str,
    counts: dict[str, Counts],
    record: _Record,
    revision: int | None,
) -> int:
    """Write the run and return its number."""
    number: int = connection.execute(
        insert(ImportRun)
        .values(
            layer=", ".join(counts),
            source=source,
            status=RunStatus.UNCHANGED if revision is None else RunStatus.PUBLISHED,
            started_at=record.started,
            counts={name: asdict(count) for name, count in counts.items()},
            revision=revision,
        )
        .returning(ImportRun.id)
    ).scalar_one()
    return number


def _close_run(connection: Connection, run: int, record: _Record) -> None:
    connection.execute(
        update(ImportRun)
        .where(ImportRun.id == run)
        .values(timings=record.timings, finished_at=func.clock_timestamp())
    )


def _quarantine(
    connection: Connection, run: int, source: str, rejected: Sequence[Rejected]
) -> None:
    """Keep what was rejected, once for as long as nobody has dealt with it."""
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
    waiting = connection.execute(
        select(Quarantine.layer, Quarantine.code, Quarantine.reason, Quarantine.original)
        .join(ImportRun, ImportRun.id == Quarantine.run_id)
        .where(ImportRun.source == source, Quarantine.resolved_at.is_(None))
    )
    known = {tuple(row) for row in waiting}
    fields = ("layer", "code", "reason", "original")
    fresh = [row for row in rows if tuple(row[field] for field in fields) not in known]
    if fresh:
        connection.execute(insert(Quarantine), fresh)


def _write(connection: Connection, name: str, source: str, revision: int | None) -> None:
    """Remove, change and add what differs."""
    filled = [f'"{column}"' for column in columns(name) if column != "code"]
    listed = ", ".join(filled)
    assigned = ", ".join(f"{column} = staged.{column}" for column in filled)
    statements = [
        f"DELETE FROM {name} live USING delta_{name} delta "
        "WHERE delta.code = live.code AND fate = 'removed'",
        f"UPDATE {name} live SET {assigned}, revision = :revision "
        f"FROM staged_{name} staged JOIN delta_{name} USING (code) "
        "WHERE staged.code = live.code AND fate = 'changed'",
        f"INSERT INTO {name} (code, {listed}, source, revision) "
        f"SELECT code, {listed}, :source, :revision "
        f"FROM staged_{name} JOIN delta_{name} USING (code) WHERE fate = 'added' ORDER BY code",
    ]
    for statement in statements:
        connection.execute(text(statement), {"source": source, "revision": revision})


def _mark(connection: Connection, name: str, revision: int | None, run: int) -> None:
    """Move the layer's revision."""
    marked = connection.execute(
        update(LayerRevision)
        .where(LayerRevision.layer == name)
        .values(revision=revision, run_id=run, published_at=func.now())
    )
    if marked.rowcount == 0:
        connection.execute(insert(LayerRevision).values(layer=name, revision=revision, run_id=run))


def _check_references(connection: Connection) -> None:
    """Have the database check now that every feature named by another is there."""
    try:
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    except IntegrityError as error:
        raise _dangling(error) from error


def _dangling(error: IntegrityError) -> InputError:
    """Return what is said of a feature that names another which is not there."""
    said: Any = getattr(error.orig, "diag", None)
    detail = said.message_detail or ""
    # Key (building_code)=(b1) is not present in table "building".
    # Key (code)=(b1) is still referenced from table "building_unit".
    parts = re.search(r"\((\w+)\)=\((.*)\).*\"(\w+)\"", detail)
    if parts is None:
        return InputError("reference_broken", layer=said.table_name, detail=detail)
    column, code, other = parts.groups()
    if column == "code":
        return InputError("feature_in_use", layer=said.table_name, code=code, other=other)
    return InputError(
        "reference_dangling", layer=said.table_name, column=column, code=code, other=other
    )
