"""Recording how a run failed."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import DBAPIError

from etl.pipeline.delivery import Counts, Outcome
from etl.runs import run_records
from etl.runs.database_errors import database_error
from etl.runs.run_records import Run
from geo.errors import ConflictError, GridatlasError, InputError, NotFoundError
from geo.model import ImportRun
from geo.model.run import RunStatus


def run_with_failure_record(engine: Engine, run: Run, task: Callable[[], Outcome]) -> Outcome:
    """Run the task of a run; if it fails, record how, and raise the error again.

    Raises
    ------
    InputError
        If a row breaks a constraint of the database; nothing was published.
    SetupError
        If the connection was lost, the disk of the database is full, or the server refuses a
        statement; nothing was published.
    ConflictError
        If the task raises it; the run is recorded as rejected.
    NotFoundError
        If the task raises it; the run is recorded as rejected.
    """
    try:
        return task()
    except (InputError, ConflictError, NotFoundError) as error:
        _fail(engine, run, RunStatus.REJECTED, error)
        raise
    except (DBAPIError, psycopg.Error) as error:
        committed = _read_committed_outcome(engine, run)
        if committed is not None:
            return committed
        wrapped = database_error(error)
        is_input = isinstance(wrapped, InputError)
        status = RunStatus.REJECTED if is_input else RunStatus.FAILED
        _fail(engine, run, status, wrapped)
        raise wrapped from error
    except BaseException as error:
        _fail(engine, run, RunStatus.FAILED, error)
        raise


def _fail(engine: Engine, run: Run, status: RunStatus, error: BaseException) -> None:
    """Record a failure and drop the staging tables, if the database can be reached."""
    with suppress(DBAPIError):  # if it can't, the next run closes this one as dead
        run.connection.rollback()
    with suppress(DBAPIError), run_records.open_session(engine) as connection, connection.begin():
        if run.report.get("dry"):  # a dry run leaves no record
            connection.execute(delete(ImportRun).where(ImportRun.id == run.number))
            run_records.drop_staging_tables(connection, run.number)
            return
        report = run.report | _describe(error)
        # A held run stays held if its approval fails, so that it can be approved again.
        of = (RunStatus.RUNNING,) if status is RunStatus.FAILED else run_records.OPEN
        if run_records.close_run(
            connection, run.number, status, report, of=of, timings=run.timings
        ):
            run_records.drop_staging_tables(connection, run.number)


def _describe(error: BaseException) -> dict[str, Any]:
    """Return an error for the report: in both languages, and its key and fields for other words."""
    if not isinstance(error, GridatlasError):
        message = f"{type(error).__name__}: {error}"
        return {"failure": message, "failure_zh": message}
    values = {
        name: value if isinstance(value, int | float) else str(value)
        for name, value in error.values.items()
    }
    return {
        "failure": error.message("en"),
        "failure_zh": error.message("zh"),
        "problem": {"key": error.key, "values": values},
    }


def _read_committed_outcome(engine: Engine, run: Run) -> Outcome | None:
    """Return the outcome of a run whose connection failed after the commit, None otherwise."""
    try:
        with run_records.open_session(engine) as connection:
            row = connection.execute(
                select(ImportRun.status, ImportRun.counts, ImportRun.report).where(
                    ImportRun.id == run.number
                )
            ).one()
    except DBAPIError:
        return None
    if row.status not in {RunStatus.PUBLISHED, RunStatus.UNCHANGED, RunStatus.HELD}:
        return None
    if row.status == RunStatus.HELD and "approved_by" in run.report:
        return None
    counts = {name: Counts(**figures) for name, figures in row.counts.items()}
    return Outcome(run.number, RunStatus(row.status), counts, row.report)
