"""``gridatlas nightly``: import every file of a folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console
from geo import db
from geo.errors import InputError
from geo.messages import text
from geo.settings import settings

if TYPE_CHECKING:
    from etl.runs.nightly import NightLog, NightlyResult

app = typer.Typer()


@app.command()
def nightly(
    folder: Annotated[Path, typer.Argument(help="Folder with files and their mappings (*.toml).")],
    reports: Annotated[Path | None, typer.Option(help="Folder for the reports.")] = None,
    log: Annotated[
        Path | None, typer.Option(help="File to append the log to (JSON lines); - for stdout.")
    ] = None,
) -> None:
    """Import all files of a folder; exit with 0 published, 3 held, 2 rejected, 1 failed.

    Raises
    ------
    typer.Exit
        Always, with the status of the worst import.
    """
    from etl.runs import nightly as nightly_runs

    to_stdout = str(log) == "-"
    home = settings().home
    db.upgrade()
    with _open_log(None if to_stdout else log or home / "imports.log") as sink:
        results = nightly_runs.run_nightly(
            db.get_engine(), folder, settings(), reports=reports or home / "reports", log=sink
        )
    for result in results:
        with console.best_effort():
            _show_result(result, to_stdout=to_stdout)
    raise typer.Exit(nightly_runs.exit_code(results))


@contextmanager
def _open_log(file: Path | None) -> Iterator["NightLog"]:
    """Open the log to append to it; None for standard output."""
    from etl.runs.nightly import NightLog

    if file is None:
        yield NightLog(sys.stdout, console.warn)
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8")
    except OSError as error:
        raise InputError("export_unwritable", file=file, said=error.strerror or error) from error
    yield NightLog(stream, console.warn)
    with suppress(OSError):
        stream.close()


def _show_result(result: "NightlyResult", *, to_stdout: bool) -> None:
    """Print the outcome of one file, unless the log on standard output holds it already."""
    file = result.file or result.mapping
    if result.warning:
        console.warn(result.warning)
    if result.said:
        console.err.print(text("import.nightly_failed", file=file, said=result.said))
    elif not to_stdout:
        status = text(f"status.{result.status}")
        console.print_text("import.nightly_done", file=file, layer=result.layer, status=status)
