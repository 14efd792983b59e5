"""The nightly import: for every mapping file of a folder, the newest file that matches it.

Each file is a run of its own. A file that fails is reported in the log and by the exit code, and
the others are imported.
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
from etl.input.layer_columns import REGISTER, RESIDENT
from etl.input.mapping import LAYER_SETS, Mapping, read_mapping
from etl.pipeline.delivery import Outcome
from etl.pipeline.run import Request, import_file
from etl.runs.report import write_report
from geo.errors import GridatlasError, InputError
from geo.messages import text
from geo.model import LAYERS
from geo.settings import Settings

EXIT = {"published": 0, "unchanged": 0, "held": 3, "rejected": 2, "failed": 1}
"""Exit codes by status; of several the worst counts: failed, rejected, held."""

_WORST_FIRST = (1, 2, 3, 0)


@dataclass(frozen=True)
class NightlyResult:
    """How the import of one file ended.

    Attributes
    ----------
    said
        Why it was not imported.
    warning
        Why the report of the run could not be written; the run stays as ``status`` says.
    """

    mapping: Path
    file: Path | None
    layer: str
    status: str
    said: str
    run: int | None = None
    warning: str = ""


class NightLog(io.TextIOBase):
    """A log whose first failed write is a warning; the imports continue.

    Parameters
    ----------
    sink
        Receives the lines.
    warn
        Receives the warning.
    """

    def __init__(self, sink: TextIO, warn: Callable[[str], None]) -> None:
        self._sink = sink
        self._warn = warn
        self._has_warned = False

    def write(self, line: str) -> int:
        """Write a line and flush it."""
        try:
            self._sink.write(line)
            self._sink.flush()
        except OSError as error:
            if not self._has_warned:
                self._warn(text("import.log_unwritable", said=error.strerror or error))
            self._has_warned = True
        return len(line)


Log = TextIO | NightLog


def run_nightly(
    engine: Engine,
    folder: Path,
    settings: Settings,
    *,
    reports: Path,
    log: Log | None = None,
) -> list[NightlyResult]:
    """Import the files of a folder; return how each ended.

    Parameters
    ----------
    folder
        Files and their mappings (``*.toml``, each with ``file = "pattern"``).
    reports
        Folder for the reports.
    log
        Receives one JSON object a line.

    Raises
    ------
    InputError
        If there is no mapping file.
    """
    mappings = sorted(folder.glob("*.toml"))
    if not mappings:
        raise InputError("nightly_no_mapping", folder=folder)
    results = [
        _import_mapped_file(engine, folder, path, settings, reports, log)
        for path in _sort_mappings(mappings)
    ]
    _write_log(log, event="night", status=max(results, key=_severity).status, files=len(results))
    return results


def exit_code(results: list[NightlyResult]) -> int:
    """Return the worst exit code of the results."""
    codes = {EXIT[result.status] for result in results}
    return next((code for code in _WORST_FIRST if code in codes), 0)


def _severity(result: NightlyResult) -> int:
    return -_WORST_FIRST.index(EXIT[result.status])


def _sort_mappings(paths: list[Path]) -> list[Path]:
    """Sort mapping files, parents before children; an invalid one comes last."""
    order = [*LAYERS, REGISTER, RESIDENT]

    def place(path: Path) -> tuple[int, str]:
        try:
            mapping = read_mapping(path)
            first = LAYER_SETS.get(mapping.layer, (mapping.table,))[0]
            return order.index(first), path.name
        except GridatlasError:
            return len(order), path.name

    return sorted(paths, key=place)


def _import_mapped_file(
    engine: Engine,
    folder: Path,
    path: Path,
    settings: Settings,
    reports: Path,
    log: Log | None,
) -> NightlyResult:
    file: Path | None = None
    layer = "?"
    try:
        mapping = read_mapping(path)
        layer = mapping.layer
        file = newest_file(folder, path, mapping)
        _write_log(log, event="start", mapping=path.name, file=str(file), layer=layer)
        if not mapping.source:
            mapping = mapping.model_copy(update={"source": path.stem})
        outcome = import_file(engine, Request(layer, file, mapping), settings)
        result = NightlyResult(path, file, layer, str(outcome.status), "", outcome.run)
        _log_outcome(log, result, outcome)
        result = _write_report(engine, result, outcome.run, reports, log)
    except GridatlasError as error:
        status = "rejected" if error.exit_code == EXIT["rejected"] else "failed"
        result = NightlyResult(path, file, layer, status, error.message())
        _write_log(log, event="end", mapping=path.name, file=str(file), layer=layer, status=status)
        _write_log(log, event="error", mapping=path.name, key=error.key, said=error.message("en"))
    except Exception as error:  # whatever happens to one file, the others are imported
        result = NightlyResult(path, file, layer, "failed", f"{type(error).__name__}: {error}")
        _write_log(
            log, event="end", mapping=path.name, layer=layer, status="failed", said=result.said
        )
    return result


def _write_report(
    engine: Engine, result: NightlyResult, run: int, reports: Path, log: Log | None
) -> NightlyResult:
    """Write the report of a run; add a warning to the result if that fails."""
    try:
        write_report(engine, run, reports)
    except InputError as error:
        _write_log(log, event="warning", key=error.key, said=error.message("en"), run=run)
        return replace(result, warning=error.message())
    return result


def newest_file(folder: Path, path: Path, mapping: Mapping) -> Path:
    """Return the newest file that matches a mapping.

    Raises
    ------
    InputError
        If there is none, or it is a link to a place outside the folder.
    """
    pattern = mapping.file or f"{path.stem}.*"
    candidates = [
        file
        for file in folder.glob(pattern)
        if file.suffix.lower() in DATASET_SUFFIXES
        and file != path
        # beside another file of the same name, a .txt is mostly a note
        and (file.suffix.lower() != ".txt" or pattern.lower().endswith(".txt"))
    ]
    if not candidates:
        raise InputError("nightly_no_file", mapping=path.name, folder=folder, pattern=pattern)
    file = max(candidates, key=lambda path: (path.lstat().st_mtime_ns, path.name))
    for companion in dataset_files(file):
        if not companion.resolve().is_relative_to(folder.resolve()):
            raise InputError("file_outside", file=companion, folder=folder)
    return file


def _log_outcome(log: Log | None, result: NightlyResult, outcome: Outcome) -> None:
    counts = {name: vars(count) for name, count in outcome.counts.items()}
    _write_log(
        log,
        event="end",
        mapping=result.mapping.name,
        file=str(result.file),
        layer=result.layer,
        status=result.status,
        run=result.run,
        counts=counts,
        rejected=outcome.report.get("rejected", {}),
        concerns=outcome.report.get("concerns", []),
        stale=[plan["community"] for plan in outcome.report.get("stale", [])],
    )


def _write_log(log: Log | None, **values: Any) -> None:
    """Write one line of the log, and flush it in case the process dies."""
    if log is None:
        return
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"at": moment, "process": os.getpid(), **values}
    log.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    log.flush()
