"""How a run fails: what is kept of it, and what is said of a server that gave way."""

from collections.abc import Callable
from contextlib import suppress

import psycopg
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from etl.pipeline.delivery import Counts, Outcome
from etl.runs import run_records
from etl.runs.run_records import Run
from geo.errors import ConflictError, InputError, NotFoundError, SetupError
from geo.model import ImportRun
from geo.model.run import RunStatus


def run_with_failure_record(engine: Engine, run: Run, work: Callable[[], Outcome]) -> Outcome:
    """Do the work of a run, and keep the record of how it failed, if it does.

    Raises
    ------
    SetupError
        If the database went away or its disk is full; the live data are as they were.
    """
    try:
        return work()
    except (InputError, ConflictError, NotFoundError) as error:
        _fail(engine, run, RunStatus.REJECTED, error.message("en"), error.message("zh"))
        raise
    except (DBAPIError, psycopg.Error) as error:
        found = _committed(engine, run)
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
    with suppress(DBAPIError), run_records.open_session(engine) as connection, connection.begin():
        said = run.report | {"failure": english, "failure_zh": chinese}
        # A held run stays held if its approval fails, so that it can be approved again.
        of = (RunStatus.RUNNING,) if status is RunStatus.FAILED else run_records.OPEN
        if run_records.close_run(connection, run.number, status, said, of=of, timings=run.timings):
            run_records.drop_staging_tables(connection, run.number)


def _committed(engine: Engine, run: Run) -> Outcome | None:
    """Return the outcome of a run that failed after the server had committed it."""
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
