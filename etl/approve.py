"""Approving a held run: what it staged is compared anew with what is live, and published."""

from typing import Any

from sqlalchemy import Connection, Engine, func, select, text

from etl import runs, stage
from etl.delivery import Delivery, Outcome
from etl.diff import Scope
from etl.failures import recorded
from etl.runs import Run
from etl.settle import settle
from etl.stage import Staged
from geo.errors import ConflictError, NotFoundError
from geo.model import LAYERS, ImportRun
from geo.model.run import RunStatus
from geo.progress import Progress, silent


def approve(
    engine: Engine, number: int, *, actor: str = "", progress: Progress = silent
) -> Outcome:
    """Publish a held run without asking the guard again.

    Raises
    ------
    NotFoundError
        If there is no such run.
    ConflictError
        If it is not held.
    """
    with runs.session(engine) as connection:
        report, source = _taken(connection, number)
        run = Run(number, source, connection, report=report | {"approved_by": actor})
        return recorded(engine, run, lambda: settle(engine, run, _delivery(run, report), progress))


def dismiss(engine: Engine, number: int, *, actor: str = "") -> None:
    """Give a held run up: what it staged is dropped.

    Raises
    ------
    NotFoundError
        If there is no such run.
    ConflictError
        If it is not held.
    """
    with runs.session(engine) as connection:
        report, _ = _taken(connection, number)
        with connection.begin():
            said = report | {"dismissed_by": actor}
            runs.close(connection, number, RunStatus.REJECTED, said)
            runs.drop_staged(connection, number)


def _taken(connection: Connection, number: int) -> tuple[dict[str, Any], str]:
    """Take a held run over: nobody else can approve it meanwhile."""
    with connection.begin():
        row = connection.execute(
            select(ImportRun.status, ImportRun.report, ImportRun.source)
            .where(ImportRun.id == number)
            .with_for_update()
        ).first()
        if row is None:
            raise NotFoundError("no_such_run", run=number)
        if row.status != RunStatus.HELD:
            raise ConflictError("run_not_held", run=number, status=row.status)
        locked = connection.execute(
            select(func.pg_try_advisory_lock(runs.RUN_LOCK, number))
        ).scalar()
        if not locked:
            raise ConflictError("run_not_held", run=number, status="running")
    return dict(row.report), row.source


def _delivery(run: Run, report: dict[str, Any]) -> Delivery:
    held = report["held"]
    with run.connection.begin():
        staged = {
            name: Staged(name, stage.table_name(run.number, name), held["columns"][name])
            for name in LAYERS
            if name in held["columns"]
        }
        for one in staged.values():
            count = text(f"SELECT count(*) FROM {one.table}")
            one.rows = run.connection.execute(count).scalar_one()
    rejected = stage.table_name(run.number, "rejected")
    return Delivery(staged, rejected, Scope(**held["scope"]), replayed=held["replayed"])
