"""Skipping a file that is unchanged since the last run of its source, by its digest."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from etl.pipeline.delivery import Counts, Outcome
from etl.runs import run_records
from etl.runs.run_records import Run, State
from geo import model
from geo.model import ImportRun
from geo.model.run import RunStatus

_CHUNK_BYTES = 2**20

_PACKAGES = ("input", "checks", "linking", "pipeline")
"""Packages of :mod:`etl` that say how a file is read."""


def file_digest(data: Path) -> str:
    """Return a digest of a data set: of every file of a folder or of a shapefile."""
    files = sorted(data.rglob("*")) if data.is_dir() else sorted(data.parent.glob(f"{data.stem}.*"))
    if not data.is_dir() and data.suffix.lower() != ".shp":
        files = [data]
    digest = hashlib.sha256()
    for file in files:
        if not file.is_file():
            continue
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


@cache
def rules_digest() -> str:
    """Return a digest of the code that says how a file is read; another version has another."""
    folders = [Path(__file__).parents[1] / name for name in _PACKAGES]
    folders.append(Path(model.__file__).parent)
    digest = hashlib.sha256()
    for folder in folders:
        for module in sorted(folder.glob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def skip_if_unchanged(run: Run) -> Outcome | None:
    """Close the run as unchanged if reading its file again would find what the last run found.

    That is so if the bytes, the mapping and the program's rules are the same, nothing was rejected,
    and no layer that the checks read has changed since.

    Returns
    -------
    Outcome or None
        None if the file has to be read.
    """
    with run.connection.begin():
        last = run.connection.execute(
            select(ImportRun)
            .with_only_columns(ImportRun.id, ImportRun.status, ImportRun.report, ImportRun.counts)
            .where(ImportRun.source == run.source, ImportRun.id != run.number)
            .order_by(ImportRun.id.desc())
            .limit(1)
        ).first()
    now = run.report["state"]
    if last is None or last.status not in ("published", "unchanged"):
        return None
    keys = ("digest", "mapping", "rules")
    is_same_file = all(last.report.get(key) == run.report.get(key) for key in keys)
    if not is_same_file or last.report.get("state_after") != now or last.report.get("rejected"):
        return None
    return _close_as_unchanged(run, last.id, last.counts, now)


def _close_as_unchanged(run: Run, before: int, counts: dict[str, Any], state: State) -> Outcome:
    figures = {
        name: Counts(0, 0, 0, c["added"] + c["changed"] + c["unchanged"])
        for name, c in counts.items()
    }
    run.report |= {"same_as": before, "state_after": state, "rejected": {}}
    with run.connection.begin():
        run_records.close_run(
            run.connection,
            run.number,
            RunStatus.UNCHANGED,
            run.report,
            counts={name: vars(count) for name, count in figures.items()},
            timings=run.timings,
        )
    return Outcome(run.number, RunStatus.UNCHANGED, figures, run.report)


def forget_outdated_state(run: Run) -> None:
    """Forget the state that a run began with if its layers, now locked, have changed since.

    What the run finds then says nothing about the state that it ends with: the same file will be
    read again.
    """
    began: State | None = run.report.get("state")
    if began is not None and run_records.layer_versions(run.connection, began) != began:
        del run.report["state"]
