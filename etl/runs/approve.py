"""Approving a held run: what it staged is compared anew with what is live, and published."""

from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, text, update

from etl.pipeline import staging
from etl.pipeline.delivery import Delivery, Outcome
from etl.pipeline.diff import Scope
from etl.pipeline.publish import settle_delivery
from etl.pipeline.staging import Staged
from etl.runs import run_records
from etl.runs.failures import run_with_failure_record
from etl.runs.outcomes import audit_on_finish
from etl.runs.run_records import OnFinish, Run
from geo import locks
from geo.errors import ConflictError, NotFoundError
from geo.locks import Lock
from geo.model import LAYERS, ImportRun, Quarantine
from geo.model.run import RunStatus
from geo.progress import Progress, silent


def approve(
    engine: Engine,
    number: int,
    *,
    actor: str = "",
    progress: Progress = silent,
    on_finish: OnFinish | None = None,
) -> Outcome:
    """Publish a held run without asking the guard again.

    Parameters
    ----------
    actor
        Who approves it, for the report and the audit trail.
    on_finish
        Is called in the publishing transaction (:class:`etl.runs.run_records.Run`).

    Raises
    ------
    NotFoundError
        If there is no such run.
    ConflictError
        If it is not held.
    """
    with run_records.open_session(engine) as connection:
        row = _claim_run(connection, number)
        report, until = dict(row.report), dict(row.timings)
        told = report | {"approved_by": actor, "timings_until_held": until}
        record = audit_on_finish("approve", actor, number, on_finish)
        run = Run(number, row.source, connection, report=told, on_finish=record)
        return run_with_failure_record(
            engine, run, lambda: settle_delivery(engine, run, _delivery(run, report), progress)
        )


def reject(engine: Engine, number: int, *, actor: str = "") -> None:
    """Give a held run up: what it staged is dropped, what it refused waits no longer.

    Raises
    ------
    NotFoundError
        If there is no such run.
    ConflictError
        If it is not held.
    """
    with run_records.open_session(engine) as connection:
        row = _claim_run(connection, number)
        run = Run(number, row.source, connection, report=row.report | {"dismissed_by": actor})
        run.transact(lambda _: _drop_held(run))


def _drop_held(run: Run) -> None:
    run_records.close_run(run.connection, run.number, RunStatus.REJECTED, run.report)
    run_records.drop_staging_tables(run.connection, run.number)
    audit_on_finish("dismiss", run.report["dismissed_by"], run.number)(run.connection, run.number)
    # What is given up needs no mending any more.
    run.connection.execute(
        update(Quarantine)
        .where(Quarantine.run_id == run.number, Quarantine.resolved_at.is_(None))
        .values(resolved_at=func.now())
    )


def _claim_run(connection: Connection, number: int) -> Row[Any]:
    """Take a held run over: nobody else can approve it meanwhile."""
    with connection.begin():
        row = connection.execute(
            select(ImportRun.status, ImportRun.report, ImportRun.source, ImportRun.timings)
            .where(ImportRun.id == number)
            .with_for_update()
        ).first()
        if row is None:
            raise NotFoundError("no_such_run", run=number)
        if row.status != RunStatus.HELD:
            raise ConflictError("run_not_held", run=number, status=row.status)
        if not locks.try_acquire_for_session(connection, Lock.IMPORT_RUN, number):
            raise ConflictError("run_not_held", run=number, status="running")
    return row


def _delivery(run: Run, report: dict[str, Any]) -> Delivery:
    held = report["held"]
    with run.connection.begin():
        staged = {
            name: Staged(name, staging.table_name(run.number, name), held["columns"][name])
            for name in LAYERS
            if name in held["columns"]
        }
        for one in staged.values():
            count = text(f"SELECT count(*) FROM {one.table}")
            one.rows = run.connection.execute(count).scalar_one()
    rejected = staging.table_name(run.number, "rejected")
    # What it brings again has left quarantine when it was held.
    return Delivery(staged, rejected, Scope(**held["scope"]))
