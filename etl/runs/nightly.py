"""The night's work: every mapping file of a folder with the newest file that it is for.

Nobody watches: each file is a run of its own, what one night can't bring is told in the log and by
the exit code, and the other files go on.
"""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Engine

from etl.input.formats import DATASET_SUFFIXES, dataset_files
from etl.input.layer_columns import REGISTER
from etl.input.mapping import LAYER_SETS, Mapping, read_mapping
from etl.pipeline.delivery import Outcome
from etl.pipeline.run import Request, import_file
from etl.runs.report import write_report
from geo.errors import GridatlasError, InputError
from geo.messages import text
from geo.model import LAYERS
from geo.progress import Progress, silent
from geo.settings import Settings

EXIT = {"published": 0, "unchanged": 0, "held": 3, "rejected": 2, "failed": 1}
"""Exit codes by how a run ended; of several the worst counts: failed, rejected, held."""

_WORST_FIRST = (1, 2, 3, 0)


@dataclass(frozen=True)
class NightlyResult:
    """How one file of a night went.

    Attributes
    ----------
    said
        Why it was not imported.
    warning
        What could not be written of a run that ended as ``status`` says: its report.
    """

    mapping: Path
    file: Path | None
    layer: str
    status: str
    said: str
    run: int | None = None
    warning: str = ""


class NightLog(io.TextIOBase):
    """A log that may fail: the first line that can't be written is a warning, the night goes on.

    Parameters
    ----------
    sink
        Where the lines go.
    warn
        Gets the warning.
    """

    def __init__(self, sink: TextIO, warn: Callable[[str], None]) -> None:
        self._sink = sink
        self._warn = warn
        self._has_warned = False

    def write(self, line: str) -> int:
        """Write a line through to the disk."""
        try:
            self._sink.write(line)
            self._sink.flush()
        except OSError as error:
            if not self._has_warned:
                self._warn(text("import.log_unwritable", said=error.strerror or error))
            self._has_warned = True
        return len(line)


Log = TextIO | NightLog


def nightly(
    engine: Engine,
    folder: Path,
    settings: Settings,
    *,
    reports: Path,
    log: Log | None = None,
    progress: Progress = silent,
) -> list[NightlyResult]:
    """Import what lies in a folder; return how each file went.

    Parameters
    ----------
    folder
        Files and their mappings (``*.toml``, each with ``file = "pattern"``).
    reports
        Where reports are written.
    log
        Gets one JSON object a line.

    Raises
    ------
    InputError
        If there is no mapping file.
    """
    mappings = sorted(folder.glob("*.toml"))
    if not mappings:
        raise InputError("nightly_no_mapping", folder=folder)
    nights = [
        _one(engine, folder, path, settings, reports, log, progress)
        for path in _sort_mappings(mappings)
    ]
    _note(log, event="night", status=max(nights, key=_badness).status, files=len(nights))
    return nights


def exit_code(nights: list[NightlyResult]) -> int:
    """Return the worst exit code of a night."""
    codes = {EXIT[night.status] for night in nights}
    return next((code for code in _WORST_FIRST if code in codes), 0)


def _badness(night: NightlyResult) -> int:
    return -_WORST_FIRST.index(EXIT[night.status])


def _sort_mappings(paths: list[Path]) -> list[Path]:
    """Return mapping files with parents before children: a wrong one comes last."""
    order = [*LAYERS, REGISTER]

    def place(path: Path) -> tuple[int, str]:
        try:
            mapping = read_mapping(path)
            first = LAYER_SETS.get(mapping.layer, (mapping.table,))[0]
            return order.index(first), path.name
        except GridatlasError:
            return len(order), path.name

    return sorted(paths, key=place)


def _one(
    engine: Engine,
    folder: Path,
    path: Path,
    settings: Settings,
    reports: Path,
    log: Log | None,
    progress: Progress,
) -> NightlyResult:
    file: Path | None = None
    layer = "?"
    try:
        mapping = read_mapping(path)
        layer = mapping.layer
        file = newest(folder, path, mapping)
        _note(log, event="start", mapping=path.name, file=str(file), layer=layer)
        named = mapping if mapping.source else mapping.model_copy(update={"source": path.stem})
        outcome = import_file(engine, Request(layer, file, named), settings, progress)
        night = NightlyResult(path, file, layer, str(outcome.status), "", outcome.run)
        _note_outcome(log, night, outcome)
        night = _with_report(engine, night, outcome.run, reports, log)
    except GridatlasError as error:
        status = "rejected" if error.exit_code == EXIT["rejected"] else "failed"
        night = NightlyResult(path, file, layer, status, error.message())
        _note(log, event="end", mapping=path.name, file=str(file), layer=layer, status=status)
        _note(log, event="error", mapping=path.name, key=error.key, said=error.message("en"))
    except Exception as error:  # whatever happens to one file, the others go on
        night = NightlyResult(path, file, layer, "failed", f"{type(error).__name__}: {error}")
        _note(log, event="end", mapping=path.name, layer=layer, status="failed", said=night.said)
    return night


def _with_report(
    engine: Engine, night: NightlyResult, run: int, reports: Path, log: Log | None
) -> NightlyResult:
    """Write the report of a run; one that can't be written is a warning, the run stays as it is."""
    try:
        write_report(engine, run, reports)
    except InputError as error:
        _note(log, event="warning", key=error.key, said=error.message("en"), run=run)
        return replace(night, warning=error.message())
    return night


def newest(folder: Path, path: Path, mapping: Mapping) -> Path:
    """Return the newest file that a mapping is for.

    Raises
    ------
    InputError
        If there is none, or it is a link that leads out of the folder.
    """
    pattern = mapping.file or f"{path.stem}.*"
    found = [
        file
        for file in folder.glob(pattern)
        if file.suffix.lower() in DATASET_SUFFIXES and file != path
    ]
    if not found:
        raise InputError("nightly_no_file", mapping=path.name, folder=folder, pattern=pattern)
    file = max(found, key=lambda one: (one.lstat().st_mtime_ns, one.name))
    for one in dataset_files(file):
        if not one.resolve().is_relative_to(folder.resolve()):
            raise InputError("file_outside", file=one, folder=folder)
    return file


def _note_outcome(log: Log | None, night: NightlyResult, outcome: Outcome) -> None:
    counts = {name: vars(count) for name, count in outcome.counts.items()}
    _note(
        log,
        event="end",
        mapping=night.mapping.name,
        file=str(night.file),
        layer=night.layer,
        status=night.status,
        run=night.run,
        counts=counts,
        rejected=outcome.report.get("rejected", {}),
        concerns=outcome.report.get("concerns", []),
        stale=[plan["community"] for plan in outcome.report.get("stale", [])],
    )


def _note(log: Log | None, **values: Any) -> None:
    """Write one line of the log, at once: the next may never come."""
    if log is None:
        return
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"at": moment, "process": os.getpid(), **values}
    log.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    log.flush()
