"""Approving or rejecting a held run. Approval compares its staged rows again, and publishes."""

from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, text, update

from etl.pipeline import staging
from etl.pipeline.delivery import Delivery, Outcome, Scope
from etl.pipeline.run import publish_delivery
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
    """Publish a held run without the guard.

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
        report = dict(row.report)
        extended = report | {"approved_by": actor, "timings_until_held": dict(row.timings)}
        record = audit_on_finish("approve", actor, number, on_finish)
        run = Run(number, row.source, connection, report=extended, on_finish=record)
        return run_with_failure_record(
            engine, run, lambda: publish_delivery(run, _staged_delivery(run, report), progress)
        )


def reject(engine: Engine, number: int, *, actor: str = "") -> None:
    """Reject a held run: drop its staged rows, and resolve its quarantined features.

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
        run.transact(lambda _: _reject_run(run))


def _reject_run(run: Run) -> None:
    """Close a held run without publishing it, and settle what its features left in quarantine."""
    run_records.close_run(run.connection, run.number, RunStatus.REJECTED, run.report)
    run_records.drop_staging_tables(run.connection, run.number)
    audit_on_finish("dismiss", run.report["dismissed_by"], run.number)(run.connection, run.number)
    # The features of a rejected run need no correction any more.
    run.connection.execute(
        update(Quarantine)
        .where(Quarantine.run_id == run.number, Quarantine.resolved_at.is_(None))
        .values(resolved_at=func.now())
    )


def _claim_run(connection: Connection, number: int) -> Row[Any]:
    """Lock a held run, so that nobody else can approve it meanwhile."""
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


def _staged_delivery(run: Run, report: dict[str, Any]) -> Delivery:
    held = report["held"]
    with run.connection.begin():
        staged = {
            name: Staged(name, staging.table_name(run.number, name), held["columns"][name])
            for name in LAYERS
            if name in held["columns"]
        }
        for layer in staged.values():
            count = text(f"SELECT count(*) FROM {layer.table}")
            layer.rows = run.connection.execute(count).scalar_one()
    rejected = staging.table_name(run.number, "rejected")
    # Replayed features have left the quarantine when the run was held.
    return Delivery(staged, rejected, Scope(**held["scope"]), is_quarantined=True)
