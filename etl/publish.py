"""Publishing: staged layers compared with what is live, and written in one transaction.

A source owns its features: what it no longer holds is removed, what did not change is not
written, and a feature of another source is never touched. The run's record, the layers' revision
and what was refused are written in the publishing transaction itself.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import geopandas as gpd
import psycopg
import pyarrow as pa
from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from etl import consequences, diff, relations, runs, stage
from etl.batch import Batch, batches_of
from etl.check import Fault, Known, checked
from etl.diff import Counts, Scope, delta_name
from etl.guard import Concern, Guard
from etl.layers import filled
from etl.runs import Run
from etl.stage import Rejected, Staged
from geo.errors import InputError, SetupError
from geo.model import LAYERS, ImportRun, LayerRevision, Quarantine, RunChange
from geo.model.run import REVISIONS, RunStatus
from geo.progress import Progress, silent

LayerSet = Mapping[str, gpd.GeoDataFrame]

LAYER_LOCK = 4206_0001
"""First number of the advisory lock of a layer's publications; its second is the layer's."""

GENERATIONS = 30
"""Publications of a source that can be rolled back."""

SHOWN = 200
"""Differences of a layer that a report names one by one."""

_LATEST_YEAR = 2200
_FEW_ROWS = 1000
_MUCH = 0.1  # of the rows that stayed; PostgreSQL's own autovacuum_analyze_scale_factor


@dataclass
class Delivery:
    """Staged layers on their way to being live.

    Attributes
    ----------
    staged
        By layer, parents before children.
    rejected
        Table of what was refused.
    scope
        What of the live layers it speaks for.
    guard
        Limits beyond which it waits for a person; none for an approved run.
    concerns
        What the checks found that a person should see first.
    replayed
        Numbers of refused features that it brings again.
    written
        The revision under which all of it is in the live tables, in the transaction that is open
        (see :mod:`etl.ahead`).
    """

    staged: dict[str, Staged]
    rejected: str
    scope: Scope
    guard: Guard | None = None
    concerns: list[Concern] = field(default_factory=list)
    replayed: Sequence[int] = ()
    written: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    run, status
        Its number and how it stands.
    counts
        By layer.
    report
        What is told of it.
    """

    run: int
    status: RunStatus
    counts: dict[str, Counts]
    report: dict[str, Any]


def publish(
    engine: Engine,
    layers: LayerSet,
    source: str,
    *,
    rejected: Sequence[Rejected] = (),
    guard: Guard | None = None,
    progress: Progress = silent,
) -> dict[str, Counts]:
    """Make the live features of a source those of a set of frames, which must all be right.

    Parameters
    ----------
    layers
        Frames by table name, columns named as the tables', geometry in longitude and latitude.
        A layer that is left out stays as it is; a column that is left out gets the table's
        default.
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
    return publish_frames(
        engine, layers, source, rejected=rejected, guard=guard, progress=progress
    ).counts


def publish_frames(
    engine: Engine,
    layers: LayerSet,
    source: str,
    *,
    rejected: Sequence[Rejected] = (),
    guard: Guard | None = None,
    progress: Progress = silent,
    dry: bool = False,
    **report: Any,
) -> Outcome:
    """Publish a set of frames; return how the run ended (see :func:`publish`).

    Parameters
    ----------
    dry
        Say what would happen, and change nothing.
    **report
        What else its report tells.
    """
    chosen = {name: layers[name] for name in LAYERS if name in layers}
    with runs.opened(engine, ", ".join(chosen), source, **report) as run:

        def work() -> Outcome:
            with run.timed("stage"):
                delivery = _staged(engine, run, chosen, source, rejected, progress)
                delivery.guard = guard
            return settle(engine, run, delivery, progress, dry=dry)

        return recorded(engine, run, work)


def recorded(engine: Engine, run: Run, work: Callable[[], Outcome]) -> Outcome:
    """Do the work of a run, and keep the record of how it failed, if it does.

    Raises
    ------
    SetupError
        If the database went away or its disk is full; the live data are as they were.
    """
    try:
        return work()
    except InputError as error:
        _fail(engine, run, RunStatus.REJECTED, error.message("en"), error.message("zh"))
        raise
    except (DBAPIError, psycopg.Error) as error:
        found = _after_lost_commit(engine, run, error)
        if found is not None:
            return found
        wrapped = _of_server(error)
        _fail(engine, run, RunStatus.FAILED, wrapped.message("en"), wrapped.message("zh"))
        raise wrapped from error
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
        _fail(engine, run, RunStatus.FAILED, said, said)
        raise


def _of_server(error: DBAPIError | psycopg.Error) -> SetupError:
    """Return what is said of a server that went away or has no room."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    said = " ".join(str(cause).split())[:300]
    state = getattr(cause, "sqlstate", None) or ""
    if state in {"53100", "58030"} or "No space left" in said or "File too large" in said:
        return SetupError("database_full", said=said)
    return SetupError("database_lost", said=said)


def _fail(engine: Engine, run: Run, status: RunStatus, english: str, chinese: str) -> None:
    """Record a failure and drop what was staged, if the database can be reached."""
    with suppress(DBAPIError):  # what can't be reached now, the next run finds dead
        run.connection.rollback()
    with suppress(DBAPIError), runs.session(engine) as connection, connection.begin():
        said = run.report | {"failure": english, "failure_zh": chinese}
        runs.close(connection, run.number, status, said, timings=run.timings)
        runs.drop_staged(connection, run.number)


def _after_lost_commit(
    engine: Engine, run: Run, error: DBAPIError | psycopg.Error
) -> Outcome | None:
    """Return the outcome of a run whose connection broke after the server had committed."""
    if not isinstance(error, OperationalError | psycopg.OperationalError):
        return None
    try:
        with runs.session(engine) as connection:
            row = connection.execute(
                select(ImportRun.status, ImportRun.counts, ImportRun.report).where(
                    ImportRun.id == run.number
                )
            ).one()
    except DBAPIError:
        return None
    if row.status not in {RunStatus.PUBLISHED, RunStatus.UNCHANGED, RunStatus.HELD}:
        return None
    counts = {name: Counts(**figures) for name, figures in row.counts.items()}
    return Outcome(run.number, RunStatus(row.status), counts, row.report)


def _staged(
    engine: Engine,
    run: Run,
    layers: LayerSet,
    source: str,
    rejected: Sequence[Rejected],
    progress: Progress,
) -> Delivery:
    """Stage frames, all of whose features must be right."""
    total, done = sum(map(len, layers.values())), 0
    progress("stage", 0, total)
    staged: dict[str, Staged] = {}
    with run.connection.begin():
        refused = stage.create_rejected(run.connection, run.number)
        stage.copy_rejected(run.connection, refused, rejected)
        for name, frame in layers.items():
            columns = [c for c in filled(name) if c in {"code", "geom"} or c in frame.columns]
            columns += [c for c in filled(name) if c not in columns]
            staged[name] = stage.create(run.connection, run.number, name, columns)
    with stage.writing(engine, refused) as writer:
        for name, frame in layers.items():
            for batch in batches_of(_in_degrees(frame)):
                writer.copy(staged[name], _right(batch, name, staged[name].columns))
                done += len(batch)
                progress("stage", done, total)
    with run.connection.begin():
        for one in staged.values():
            run.connection.execute(text(f"ANALYZE {one.table}"))
            relations.refuse_strictly(run.connection, one, source)
    return Delivery(staged, refused, Scope(source))


def _in_degrees(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    from geo import crs

    if frame.crs is not None and frame.crs != crs.STORAGE:
        return frame.to_crs(crs.STORAGE)
    return frame


def _right(batch: Batch, layer: str, columns: Sequence[str]) -> Batch:
    """Return a batch with the table's kinds of values, if they all fit.

    Raises
    ------
    InputError
        Naming the first feature and value that does not.
    """
    whole, faults = checked(batch, layer, Known(_LATEST_YEAR))
    for fault in faults:
        raise _refusal(whole, layer, fault, batch)
    nothing = pa.nulls(len(whole))
    return whole.having(
        **{name: nothing for name in columns if name != "geom" and name not in whole.columns}
    )


def _refusal(batch: Batch, layer: str, fault: Fault, raw: Batch) -> InputError:
    row = int(fault.rows.argmax())
    code = raw.columns["code"][row].as_py() if "code" in raw.columns else None
    return InputError(
        fault.key,
        layer=layer,
        code=code or "?",
        count=int(fault.rows.sum()),
        **fault.detail(row),
    )


def settle(
    engine: Engine, run: Run, delivery: Delivery, progress: Progress = silent, *, dry: bool = False
) -> Outcome:
    """Compare staged layers with what is live, and publish them, hold them, or find them the same.

    Parameters
    ----------
    dry
        Roll everything back at the end: the outcome says what would have happened.
    """
    with locked(run, [*delivery.staged]):
        with run.connection.begin() as transaction:
            outcome = decided(run, delivery, progress)
            if dry:
                transaction.rollback()
        cleared(run, outcome, dry=dry)
    return outcome


def decided(run: Run, delivery: Delivery, progress: Progress = silent) -> Outcome:
    """Compare and publish, hold, or find the same, in the transaction that is open."""
    with run.timed("diff"):
        counts = _compared(run, delivery)
        concerns = delivery.concerns + _concerns(run.connection, delivery, counts)
    touched = [name for name in delivery.staged if counts[name].touched]
    if concerns and delivery.guard is not None:
        return _hold(run, delivery, counts, concerns)
    if not touched:
        return _finish(run, delivery, counts, RunStatus.UNCHANGED, None)
    return write_all(run, delivery, counts, touched, progress)


def cleared(run: Run, outcome: Outcome, *, dry: bool = False) -> None:
    """Drop what is not needed any more once a run was decided, and look anew at what it changed."""
    with run.connection.begin():
        if dry:
            run.connection.execute(delete(ImportRun).where(ImportRun.id == run.number))
        if dry or outcome.status is not RunStatus.HELD:
            runs.drop_staged(run.connection, run.number)
    if not dry and outcome.status is RunStatus.PUBLISHED:
        _analyse(run.connection, outcome.counts)


def _analyse(connection: Connection, counts: Mapping[str, Counts]) -> None:
    """Have the server look anew at layers of which much changed: what asks next is planned well."""
    with connection.begin():
        for name, count in counts.items():
            if count.touched > max(_FEW_ROWS, count.unchanged * _MUCH):
                connection.execute(text(f"ANALYZE {name}"))


@contextmanager
def locked(run: Run, delivered: Sequence[str]) -> Iterator[None]:
    """Wait for other publications of some layers, and of those that follow from them.

    Before the publishing transaction, whose beginning dates what it writes; always in the same
    order, so that no two wait for each other.
    """
    layers = set(delivered)
    if "region" in layers:
        layers.add("building")  # buildings follow their community
    if "building" in layers:
        layers.add("building_unit")
    if "pipe_node" in layers:
        layers.add("pipe_segment")
    with run.connection.begin(), run.timed("wait"):
        for serial, name in enumerate(LAYERS):
            if name in layers:
                run.connection.execute(select(func.pg_advisory_lock(LAYER_LOCK, serial)))
    try:
        yield
    finally:
        _unlock(run)


def _unlock(run: Run) -> None:
    """Let the layers go; a session that broke has let them go by itself."""
    with suppress(SQLAlchemyError), run.connection.begin():
        run.connection.execute(
            text(
                "SELECT pg_advisory_unlock(classid::int, objid::int) FROM pg_locks "
                "WHERE locktype = 'advisory' AND pid = pg_backend_pid() "
                "AND classid = :lock AND objsubid = 2"
            ),
            {"lock": LAYER_LOCK},
        )


def _compared(run: Run, delivery: Delivery) -> dict[str, Counts]:
    kept: list[dict[str, Any]] = []
    counts = {}
    for name, staged in delivery.staged.items():
        if delivery.written is not None:
            counts[name] = diff.all_added(run.connection, staged)
            continue
        kept += diff.keep_corrections(run.connection, staged)
        run.report["register_kept"] = run.report.get("register_kept", 0) + (
            0 if delivery.scope.fields_only else diff.keep_register(run.connection, staged)
        )
        counts[name] = diff.compare(run.connection, staged, delivery.scope, delivery.rejected)
    run.report["corrections_kept"] = kept
    run.report["differences"] = {
        name: diff.samples(run.connection, staged, SHOWN)
        for name, staged in delivery.staged.items()
        if counts[name].touched
    }
    return counts


def _concerns(
    connection: Connection, delivery: Delivery, counts: dict[str, Counts]
) -> list[Concern]:
    if delivery.guard is None:
        return []
    found = []
    for name, staged in delivery.staged.items():
        live = (
            0
            if delivery.written is not None
            else diff.live_count(connection, name, delivery.scope.source)
        )
        refused = connection.execute(
            text(f"SELECT count(*) FROM {delivery.rejected} WHERE layer = :layer"), {"layer": name}
        ).scalar_one()
        found += delivery.guard.judge(connection, staged, counts[name], live, refused)
    return found


def _hold(
    run: Run, delivery: Delivery, counts: dict[str, Counts], concerns: Sequence[Concern]
) -> Outcome:
    """Keep a delivery staged, through a crash too, until somebody approves it."""
    run.report["concerns"] = [asdict(concern) for concern in concerns]
    run.report["held"] = {
        "scope": asdict(delivery.scope),
        "columns": {name: staged.columns for name, staged in delivery.staged.items()},
        "replayed": list(delivery.replayed),
    }
    for table in [*(one.table for one in delivery.staged.values()), delivery.rejected]:
        run.connection.execute(text(f"ALTER TABLE {table} SET LOGGED"))
    return _finish(run, delivery, counts, RunStatus.HELD, None)


def write_all(
    run: Run,
    delivery: Delivery,
    counts: dict[str, Counts],
    touched: Sequence[str],
    progress: Progress,
) -> Outcome:
    connection, source = run.connection, delivery.scope.source
    revision = delivery.written or _next_revision(connection)
    with run.timed("publish"):
        before = consequences.before(connection, delivery.staged)
        for done, name in enumerate(touched):
            progress("publish", done, len(touched))
            if delivery.written is None:
                write(connection, delivery.staged[name], counts[name], source, revision)
            _keep_changes(connection, run.number, delivery.staged[name])
            mark(connection, name, revision, run.number)
        progress("publish", len(touched), len(touched))
    with run.timed("consequences"):
        run.report |= consequences.after(connection, before, run.number, revision)
        for name in run.report.get("also_changed", {}):
            mark(connection, name, revision, run.number)
    with run.timed("publish"):
        _check_references(connection)
        _forget_old(connection, source)
    return _finish(run, delivery, counts, RunStatus.PUBLISHED, revision)


def _next_revision(connection: Connection) -> int:
    revision: int = connection.execute(select(REVISIONS.next_value())).scalar_one()
    return revision


def write(
    connection: Connection, staged: Staged, counts: Counts, source: str, revision: int
) -> None:
    """Remove, change and add what differs."""
    name, delta = staged.layer, delta_name(staged.layer)
    columns = [f'"{column}"' for column in staged.columns if column != "code"]
    assigned = "".join(f"{column} = staged.{column}, " for column in columns)
    insert_into = insertion(staged)
    # Neighbours in the table are neighbours in its indexes: children come in the file's order.
    statements = [
        f"DELETE FROM {name} live USING {delta} delta "
        "WHERE delta.code = live.code AND fate = 'removed'",
        f"UPDATE {name} live SET {assigned}revision = :revision "
        f"FROM {staged.table} staged JOIN {delta} USING (code) "
        "WHERE staged.code = live.code AND fate = 'changed'",
        f"{insert_into} JOIN {delta} USING (code) WHERE fate = 'added' ORDER BY {stage.ROW}",
    ]
    if counts.is_all_added:
        statements = [insert_into]  # a first delivery lies there in its order already
    for statement in statements:
        connection.execute(text(statement), {"source": source, "revision": revision})


def insertion(staged: Staged) -> str:
    """Return the statement that adds what is staged to its layer, open for a condition."""
    listed = "".join(f', "{column}"' for column in staged.columns if column != "code")
    return (
        f"INSERT INTO {staged.layer} (code{listed}, source, revision) "
        f"SELECT code{listed}, :source, :revision FROM {staged.table}"
    )


def _keep_changes(connection: Connection, run: int, staged: Staged) -> None:
    """Write down what a run does to a layer, for its roll-back."""
    of = "coalesce(array_agg(code) FILTER (WHERE fate = '{}'), '{{}}')"
    fates = ", ".join(of.format(fate) for fate in ("added", "changed", "removed"))
    connection.execute(
        text(
            "INSERT INTO run_change (run_id, layer, columns, added, changed, removed) "
            f"SELECT :run, :layer, :columns, {fates} FROM {delta_name(staged.layer)}"
        ),
        {"run": run, "layer": staged.layer, "columns": staged.columns},
    )


def _forget_old(connection: Connection, source: str) -> None:
    """Forget what runs before the last generations of a source changed."""
    kept = (
        select(ImportRun.id)
        .where(ImportRun.source == source, ImportRun.status == RunStatus.PUBLISHED)
        .order_by(ImportRun.id.desc())
        .limit(GENERATIONS)
    )
    oldest = connection.execute(select(func.min(kept.subquery().c.id))).scalar()
    if oldest is not None:
        of_source = select(ImportRun.id).where(ImportRun.source == source, ImportRun.id < oldest)
        connection.execute(delete(RunChange).where(RunChange.run_id.in_(of_source)))


def mark(connection: Connection, name: str, revision: int, run: int | None) -> None:
    """Move the layer's revision."""
    marked = connection.execute(
        update(LayerRevision)
        .where(LayerRevision.layer == name)
        .values(revision=revision, run_id=run, published_at=func.now())
    )
    if marked.rowcount == 0:
        connection.execute(insert(LayerRevision).values(layer=name, revision=revision, run_id=run))


def _finish(
    run: Run,
    delivery: Delivery,
    counts: dict[str, Counts],
    status: RunStatus,
    revision: int | None,
) -> Outcome:
    """Write the record of a run, and what it refused."""
    run.report["state_after"] = runs.state_of(run.connection)
    run.report["rejected"] = _quarantine(run.connection, run.number, delivery)
    runs.close(
        run.connection,
        run.number,
        status,
        run.report,
        counts={name: asdict(count) for name, count in counts.items()},
        timings=run.timings,
        revision=revision,
    )
    return Outcome(run.number, status, counts, run.report)


def _quarantine(connection: Connection, run: int, delivery: Delivery) -> dict[str, int]:
    """Keep what was refused, once for as long as nobody has dealt with it; count the reasons.

    What was refused before and is right now, or replayed, is dealt with.
    """
    for name, staged in delivery.staged.items():
        connection.execute(
            text(
                "UPDATE quarantine q SET resolved_at = now() FROM import_run r, "
                f"{staged.table} staged WHERE r.id = q.run_id AND r.source = :source "
                "AND q.layer = :layer AND q.resolved_at IS NULL AND q.code = staged.code"
            ),
            {"source": delivery.scope.source, "layer": name},
        )
    if delivery.replayed:
        connection.execute(
            update(Quarantine)
            .where(Quarantine.id.in_(delivery.replayed), Quarantine.resolved_at.is_(None))
            .values(resolved_at=func.now())
        )
    connection.execute(
        text(
            "INSERT INTO quarantine (run_id, layer, code, reason, detail, properties, original, "
            "geom) SELECT :run, layer, code, reason, detail, properties, original, geom "
            f"FROM {delivery.rejected} new WHERE NOT EXISTS (SELECT FROM quarantine q "
            "JOIN import_run r ON r.id = q.run_id WHERE r.source = :source AND q.layer = new.layer "
            "AND q.reason = new.reason AND q.resolved_at IS NULL AND q.run_id <> :run "
            "AND q.code IS NOT DISTINCT FROM new.code "
            "AND q.original IS NOT DISTINCT FROM new.original)"
        ),
        {"run": run, "source": delivery.scope.source},
    )
    reasons = connection.execute(
        text(f"SELECT reason, count(*) AS size FROM {delivery.rejected} GROUP BY 1 ORDER BY 1")
    )
    return {row.reason: row.size for row in reasons}


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
