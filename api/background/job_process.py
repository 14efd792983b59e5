"""The loop of a job process: jobs arrive on standard input, progress leaves on standard output.

Each message is a line of JSON. Jobs run in a process of their own: the API answers meanwhile
and a job can be stopped at any time. ``python -m MODULE PARENT_PID`` starts one.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import orjson

from api.background import orphan_guard
from geo.disk import is_disk_full
from geo.errors import DiskFullError, GridatlasError
from geo.progress import Progress

RunJob = Callable[[str, dict[str, Any], Progress], None]
"""Runs a job, given the API's database URL, the job's row, and the receiver of its progress."""

_log = logging.getLogger(__name__)


def serve(run_job: RunJob, *, niceness: int = 0) -> None:
    """Run one job after another until the input or the parent process ends.

    Parameters
    ----------
    niceness
        Added to the process's nice value, so that requests come first on a busy machine.
    """
    orphan_guard.end_with_parent(int(sys.argv[1]))
    os.nice(niceness)
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # output of libraries must not mix with messages

    def send(**message: Any) -> None:
        out.write(orjson.dumps(message) + b"\n")

    def report(step: str, done: int, total: int) -> None:
        send(step=step, done=done, total=total)

    url = orjson.loads(sys.stdin.buffer.readline())["url"]
    send(ready=True)
    for line in sys.stdin.buffer:
        job = orjson.loads(line)
        failure = _run(run_job, url, job, report)
        send(**({"failed": failure} if failure else {"finished": True}))


def _run(run_job: RunJob, url: str, job: dict[str, Any], report: Progress) -> dict[str, Any] | None:
    """Run a job; return why it failed in the form of ``job.problem``, None if it did not."""
    try:
        run_job(url, job, report)
    except GridatlasError as error:
        return _failure(error)
    except Exception as error:
        if is_disk_full(error):
            return _failure(DiskFullError("disk_full", place=tempfile.gettempdir()))
        _log.exception("job %s failed", job["id"])
        return {"key": "job_failed", "values": {"job": job["id"]}}
    return None


def _failure(error: GridatlasError) -> dict[str, Any]:
    values = {
        name: value if isinstance(value, int | float) else str(value)
        for name, value in error.values.items()
    }
    return {"key": error.key, "values": values, "error": type(error).__name__}
