"""Writing a delivery into the live tables: layer locks, the changes themselves, and clean-up.

A source owns its features: what its delivery no longer holds is removed, what did not change is
not written, and a feature of another source is never touched. The record of the run, the revision
of the layers and the rejected features are written in the publishing transaction itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict

from sqlalchemy import Connection, RootTransaction, delete, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from etl.input.layer_columns import REGISTER
from etl.pipeline import cascade, deferred_indexes, staging
from etl.pipeline.delivery import Counts, Delivery, Outcome
from etl.pipeline.diff import delta_name
from etl.pipeline.staging import Staged
from etl.runs import run_records
from etl.runs.run_records import Run, set_layer_revision
from geo import locks
from geo.locks import Lock
from geo.model import ImportRun, RunChange
from geo.model.run import REVISIONS, RunStatus
from geo.plans import store
from geo.progress import Progress

GENERATIONS = 30
"""Publications of a source that can be rolled back."""

_MERGE_PENDING_NAMES = text(
    "SELECT gin_clean_pending_list(indexrelid) FROM pg_index "
    "JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam "
    "WHERE indrelid = CAST(:name AS regclass) AND amname = 'gin'"
)
"""Merges the pending list of a name index, which bulk writes fill, into the index."""

_ANALYZE_ROWS = 1000
_ANALYZE_SHARE = 0.1  # of the unchanged rows; PostgreSQL's own autovacuum_analyze_scale_factor


@contextmanager
def lock_layers(run: Run, delivered: Sequence[str]) -> Iterator[None]:
    """Wait for other publications of some layers, and of those that follow from them.

    Before the publishing transaction, whose beginning dates what it writes; always in the same
    order, so that no two wait for each other. May be nested for the same layers.
    """
    layers = set(delivered)
    if REGISTER in layers:
        layers |= {"building", "building_unit"}
    if "pipe_segment" in layers:
        layers.add("pipe_node")  # which are made where they are not delivered
    if "region" in layers:
        layers.add("building")  # buildings follow their community
    if "building" in layers:
        layers.add("building_unit")
    if "pipe_node" in layers:
        layers.add("pipe_segment")
    keys = locks.layer_keys(sorted(layers))
    with run.connection.begin(), run.timed("wait"):
        for key in keys:
            locks.acquire_for_session(run.connection, Lock.LAYER, key)
    try:
        with run.connection.begin():
            deferred_indexes.restore_indexes(run.connection, sorted(layers))
        yield
    finally:
        # A session that broke has released them by itself.
        with suppress(SQLAlchemyError), run.connection.begin():
            for key in keys:
                locks.release(run.connection, Lock.LAYER, key)


def write_changes(
    run: Run, delivery: Delivery, counts: Mapping[str, Counts], progress: Progress
) -> int:
    """Write the differences into the live tables, in the open transaction; return the revision.

    What depends on them is noted before, for :func:`etl.pipeline.cascade.apply_cascade`.
    """
    connection, source = run.connection, delivery.scope.source
    changed_layers = [name for name in delivery.staged if counts[name].rows_written]
    revision = delivery.written or next_revision(connection)
    if "region" in counts and counts["region"].removed:
        store.lock_all_communities(connection)  # plans name the regions that are deleted
    with run.timed("publish"):
        cascade.note_affected(connection, delivery.staged)
        for done, name in enumerate(changed_layers):
            progress("publish", done, len(changed_layers))
            if delivery.written is None:
                _write_layer(connection, delivery.staged[name], counts[name], source, revision)
            _record_changes(connection, run.number, delivery.staged[name])
            set_layer_revision(connection, name, revision, run.number)
        progress("publish", len(changed_layers), len(changed_layers))
        _prune_recorded_changes(connection, source)
    return revision


def next_revision(connection: Connection) -> int:
    """Take the next revision from its sequence."""
    return int(connection.execute(select(REVISIONS.next_value())).scalar_one())


def keep_staged(run: Run, delivery: Delivery) -> None:
    """Make the staging tables of a held run survive a crash of the server."""
    run.report["held"] = {
        "scope": asdict(delivery.scope),
        "columns": {name: staged.columns for name, staged in delivery.staged.items()},
    }
    for table in [*(staged.table for staged in delivery.staged.values()), delivery.rejected]:
        run.connection.execute(text(f"ALTER TABLE {table} SET LOGGED"))


def clean_up(run: Run, outcome: Outcome, *, dry: bool = False) -> None:
    """Drop the staging tables of a run that ended, and ANALYZE heavily changed layers.

    A held run keeps its staging tables; a dry run leaves no record.
    """

    def drop(_: RootTransaction) -> None:
        if dry:
            run.connection.execute(delete(ImportRun).where(ImportRun.id == run.number))
        if dry or outcome.status is not RunStatus.HELD:
            run_records.drop_staging_tables(run.connection, run.number)

    run.transact(drop)
    if not dry and outcome.status is RunStatus.PUBLISHED:
        _analyze(run.connection, outcome.counts)


def _analyze(connection: Connection, counts: Mapping[str, Counts]) -> None:
    """ANALYZE heavily changed layers so that later queries are planned well."""
    with connection.begin():
        for name, count in counts.items():
            if count.rows_written > max(_ANALYZE_ROWS, count.unchanged * _ANALYZE_SHARE):
                connection.execute(text(f"ANALYZE {name}"))
                connection.execute(_MERGE_PENDING_NAMES, {"name": name})


def _write_layer(
    connection: Connection, staged: Staged, counts: Counts, source: str, revision: int
) -> None:
    """Remove, change and add the features of a layer that differ."""
    name, delta = staged.layer, delta_name(staged.layer)
    columns = [f'"{column}"' for column in staged.columns if column != "code"]
    assigned = "".join(f"{column} = staged.{column}, " for column in columns)
    insert_into = insert_sql(staged)
    # Added in the order of the file: rows that are close in the table are close in its indexes.
    statements = [
        f"DELETE FROM {name} live USING {delta} delta "
        "WHERE delta.code = live.code AND fate = 'removed'",
        f"UPDATE {name} live SET {assigned}revision = :revision "
        f"FROM {staged.table} staged JOIN {delta} USING (code) "
        "WHERE staged.code = live.code AND fate = 'changed'",
        f"{insert_into} JOIN {delta} USING (code) WHERE fate = 'added' ORDER BY {staging.ROW}",
    ]
    if counts.is_all_added:
        statements = [insert_into]  # a first delivery is in the order of the file already
    for statement in statements:
        connection.execute(text(statement), {"source": source, "revision": revision})


def insert_sql(staged: Staged) -> str:
    """Return the statement that adds the staged rows to their layer; a condition may follow."""
    listed = "".join(f', "{column}"' for column in staged.columns if column != "code")
    return (
        f"INSERT INTO {staged.layer} (code{listed}, source, revision) "
        f"SELECT code{listed}, :source, :revision FROM {staged.table}"
    )


def _record_changes(connection: Connection, run: int, staged: Staged) -> None:
    """Record the codes that a run changes in a layer, for its roll-back."""
    of = "coalesce(array_agg(code) FILTER (WHERE fate = '{}'), '{{}}')"
    fates = ", ".join(of.format(fate) for fate in ("added", "changed", "removed"))
    connection.execute(
        text(
            "INSERT INTO run_change (run_id, layer, columns, added, changed, removed) "
            f"SELECT :run, :layer, :columns, {fates} FROM {delta_name(staged.layer)}"
        ),
        {"run": run, "layer": staged.layer, "columns": staged.columns},
    )


def _prune_recorded_changes(connection: Connection, source: str) -> None:
    """Delete the recorded changes of runs that are too old to be rolled back."""
    newest = (
        select(ImportRun.revision)
        .where(ImportRun.source == source, ImportRun.status == RunStatus.PUBLISHED)
        .order_by(ImportRun.revision.desc())
        .limit(GENERATIONS)
    )
    oldest = connection.execute(select(func.min(newest.subquery().c.revision))).scalar()
    if oldest is not None:
        of_source = select(ImportRun.id).where(
            ImportRun.source == source, ImportRun.revision < oldest
        )
        connection.execute(delete(RunChange).where(RunChange.run_id.in_(of_source)))


def verify_references(run: Run) -> None:
    """Check the deferred foreign keys now.

    Raises
    ------
    IntegrityError
        If a feature names another one that does not exist.
    """
    with run.timed("publish"):
        run.connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
