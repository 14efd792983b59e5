"""Jobs of imports: approve, roll back and replay runs.

The end of a job and its audit event are written in the transaction that publishes.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from sqlalchemy import Connection, Engine, text
from starlette.concurrency import run_in_threadpool

from api.background import job_process
from api.core.caller import Caller, transaction_as
from api.core.responses import JSON
from api.plans import jobs
from etl.runs.approve import approve
from etl.runs.quarantine import replay
from etl.runs.rollback import roll_back
from geo import db, errors
from geo.errors import GridatlasError, InputError
from geo.messages import Language
from geo.model.job import JobKind, JobStatus
from geo.progress import Progress
from geo.settings import settings

TIMEOUT_S = 10.0
"""How long a request waits for its job to end."""

POLL_INTERVAL_S = 0.1

_ADD_RUN = text("UPDATE job SET runs = runs || CAST(:run AS bigint) WHERE id = :job")
_FINISH = text(
    "UPDATE job SET status = 'done', finished_at = now(), problem = NULL, upload = NULL "
    "WHERE id = :job"
)
_RUNS_AND_UPLOAD = text("SELECT runs, upload FROM job WHERE id = :job")
_NOTHING_LEFT_KEYS = ("quarantine_empty", "quarantine_not_waiting")
_PROBLEM = text("SELECT problem FROM job WHERE id = :job")


async def submit(
    request: Request,
    caller: Caller,
    lang: Language,
    kind: JobKind,
    parameters: dict[str, Any],
    upload: bytes | None = None,
) -> jobs.JobResponse:
    """Queue a job and wait for its end; return it as it is then, or after :data:`TIMEOUT_S`.

    Raises
    ------
    GridatlasError
        The error of a failed job, or :class:`ConflictError` if the caller has too many jobs.
    """
    engine = request.app.state.engine

    def queue() -> int:
        with transaction_as(engine, caller) as connection:
            return int(jobs.enqueue_job(connection, caller, kind, "", parameters, upload)["id"])

    def read_job() -> jobs.JobResponse:
        with transaction_as(engine, caller, readonly=True) as connection:
            job = jobs.read_job(connection, number, lang)
            if job.status == JobStatus.FAILED:
                raise _error_of(connection.execute(_PROBLEM, {"job": number}).scalar_one())
            return job

    number = await run_in_threadpool(queue)
    request.app.state.import_worker.wake()
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        job = await run_in_threadpool(read_job)
        if job.status not in jobs.OPEN_STATUSES or time.monotonic() > deadline:
            return job
        await asyncio.sleep(POLL_INTERVAL_S)


def _error_of(problem: dict[str, Any]) -> GridatlasError:
    """Return the error that a failed job stored."""
    error_class = getattr(errors, problem.get("error", ""), errors.SetupError)
    error: GridatlasError = error_class(problem["key"], **problem["values"])
    return error


def run_job(_: str, job: dict[str, Any], progress: Progress) -> None:
    """Run a job in sessions of the database's owner, as the command line does."""
    engine, number, parameters = db.get_engine(), job["id"], job["parameters"]
    options: dict[str, Any] = {"actor": job["caller"]["name"], "progress": progress}

    def finish(connection: Connection, run: int) -> None:
        connection.execute(_ADD_RUN, {"run": run, "job": number})
        connection.execute(_FINISH, {"job": number})

    match job["kind"]:
        case JobKind.APPROVE:
            approve(engine, parameters["run"], on_finish=finish, **options)
        case JobKind.ROLL_BACK:
            options |= {"with_later": parameters["with_later"]}
            roll_back(engine, parameters["run"], on_finish=finish, **options)
        case JobKind.REPLAY:
            _replay(engine, number, parameters, options)


def _replay(
    engine: Engine, number: int, parameters: dict[str, Any], options: dict[str, Any]
) -> None:
    """Import rejected features again, in one run for each of their sources, and finish the job."""
    with engine.connect() as connection:
        row = connection.execute(_RUNS_AND_UPLOAD, {"job": number}).one()

    def add_run(connection: Connection, run: int) -> None:
        connection.execute(_ADD_RUN, {"run": run, "job": number})

    with tempfile.TemporaryDirectory(prefix="gridatlas-quarantine-") as folder:
        file = None
        if row.upload is not None:
            file = Path(folder) / f"quarantine{parameters['ending']}"
            file.write_bytes(row.upload)
        try:
            run = parameters["run"]
            replay(engine, settings(), run=run, file=file, on_finish=add_run, **options)
        except InputError as error:
            # A job that is started again may have replayed everything before its process ended.
            if not (row.runs and error.key in _NOTHING_LEFT_KEYS):
                raise
    with engine.begin() as connection:
        connection.execute(_FINISH, {"job": number})


if __name__ == "__main__":
    job_process.serve(run_job)


def accepted_response(job: jobs.JobResponse) -> Response:
    """Return the response of a request whose job takes longer."""
    headers = {"Location": f"/jobs/{job.id}"}
    return Response(job.model_dump_json(), 202, headers, JSON)
