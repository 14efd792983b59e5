"""Settling a delivery: compared with what is live, then published, held, or found the same.

A source owns its features: what it no longer holds is removed, what did not change is not
written, and a feature of another source is never touched. The run's record, the layers' revision
and what was refused are written in the publishing transaction itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, RootTransaction, delete, text
from sqlalchemy.exc import SQLAlchemyError

from etl.input.layer_columns import REGISTER
from etl.pipeline import deferred_indexes, diff, row_digests
from etl.pipeline.delivery import Delivery, Outcome
from etl.pipeline.diff import Counts
from etl.pipeline.guard import Concern, find_claimed_land
from etl.pipeline.merge import write_all
from etl.runs import run_records
from etl.runs.outcomes import finish_run, lock_replayed_features
from etl.runs.run_records import Run
from geo import locks
from geo.locks import Lock
from geo.model import ImportRun
from geo.model.run import RunStatus
from geo.progress import Progress, silent

_SIGNS_IN_PLACE = text(
    "SELECT gin_clean_pending_list(indexrelid) FROM pg_index "
    "JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam "
    "WHERE indrelid = CAST(:name AS regclass) AND amname = 'gin'"
)
"""Brings what waits beside an index of names into it (etl.pipeline.bulk_load lets it wait)."""

_FEW_ROWS = 1000
_MUCH = 0.1  # of the rows that stayed; PostgreSQL's own autovacuum_analyze_scale_factor


def settle_delivery(
    engine: Engine, run: Run, delivery: Delivery, progress: Progress = silent, *, dry: bool = False
) -> Outcome:
    """Compare staged layers with what is live, and publish them, hold them, or find them the same.

    Parameters
    ----------
    dry
        Roll everything back at the end: the outcome says what would have happened.
    """

    def decide(transaction: RootTransaction) -> Outcome:
        outcome = compare_and_publish(run, delivery, progress)
        if dry:
            transaction.rollback()
        return outcome

    with lock_layers(run, [*delivery.staged]):
        outcome = run.transact(decide)
        clean_up(run, outcome, dry=dry)
    return outcome


def compare_and_publish(run: Run, delivery: Delivery, progress: Progress = silent) -> Outcome:
    """Compare and publish, hold, or find the same, in the transaction that is open."""
    with run.timed("diff"):
        row_digests.confirm(run, delivery)
        lock_replayed_features(run, delivery)
        if delivery.same is not None:
            return finish_run(run, delivery, delivery.same, RunStatus.UNCHANGED, None)
        counts = _compare_layers(run, delivery)
        concerns = delivery.concerns + _concerns(run.connection, delivery, counts)
    touched = [name for name in delivery.staged if counts[name].touched]
    if concerns and delivery.guard is not None:
        return _hold(run, delivery, counts, concerns)
    if not touched:
        return finish_run(run, delivery, counts, RunStatus.UNCHANGED, None)
    return write_all(run, delivery, counts, touched, progress)


def clean_up(run: Run, outcome: Outcome, *, dry: bool = False) -> None:
    """Drop what is not needed any more once a run was decided, and look anew at what it changed."""

    def clear(_: RootTransaction) -> None:
        if dry:
            run.connection.execute(delete(ImportRun).where(ImportRun.id == run.number))
        if dry or outcome.status is not RunStatus.HELD:
            run_records.drop_staging_tables(run.connection, run.number)

    run.transact(clear)
    if not dry and outcome.status is RunStatus.PUBLISHED:
        _analyse(run.connection, outcome.counts)


def _analyse(connection: Connection, counts: Mapping[str, Counts]) -> None:
    """Have the server look anew at layers of which much changed: what asks next is planned well."""
    with connection.begin():
        for name, count in counts.items():
            if count.touched > max(_FEW_ROWS, count.unchanged * _MUCH):
                connection.execute(text(f"ANALYZE {name}"))
                connection.execute(_SIGNS_IN_PLACE, {"name": name})


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


def _compare_layers(run: Run, delivery: Delivery) -> dict[str, Counts]:
    kept: list[dict[str, Any]] = []
    counts = {}
    for name, staged in delivery.staged.items():
        if delivery.written is not None:
            counts[name] = diff.mark_all_added(run.connection, staged)
            continue
        kept += diff.keep_corrections(run.connection, staged)
        run.report["register_kept"] = run.report.get("register_kept", 0) + (
            0 if delivery.scope.fields_only else diff.keep_register(run.connection, staged)
        )
        counts[name] = diff.compare(run.connection, staged, delivery.scope, delivery.rejected)
    run.report["corrections_kept"] = kept
    run.report |= diff.describe_changes(run.connection, delivery.staged, counts)
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
        found += find_claimed_land(connection, staged, delivery.scope.source)
    return found


def _hold(
    run: Run, delivery: Delivery, counts: dict[str, Counts], concerns: Sequence[Concern]
) -> Outcome:
    """Keep a delivery staged, through a crash too, until somebody approves it."""
    run.report["concerns"] = [asdict(concern) for concern in concerns]
    run.report["held"] = {
        "scope": asdict(delivery.scope),
        "columns": {name: staged.columns for name, staged in delivery.staged.items()},
    }
    for table in [*(one.table for one in delivery.staged.values()), delivery.rejected]:
        run.connection.execute(text(f"ALTER TABLE {table} SET LOGGED"))
    return finish_run(run, delivery, counts, RunStatus.HELD, None)
