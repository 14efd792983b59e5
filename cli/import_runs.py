"""``gridatlas runs``, ``quarantine``, ``mapping``, ``nightly``: imports after the file is named."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from sqlalchemy import select

from cli import console
from cli.imports import EXIT_HELD, show
from geo.errors import InputError
from geo.messages import text

if TYPE_CHECKING:
    from etl.pipeline.delivery import Outcome
    from etl.runs.nightly import NightLog, NightlyResult

Number = Annotated[int, typer.Argument(metavar="N", help="Number of a run.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    _add_runs(app)
    _add_quarantine(app)
    _add_mapping(app)
    _add_corrections(app)

    @app.command()
    def nightly(
        folder: Annotated[Path, typer.Argument(help="Files and their mappings (*.toml).")],
        reports: Annotated[Path | None, typer.Option(help="Folder for the reports.")] = None,
        log: Annotated[
            Path | None, typer.Option(help="File to add the log to, JSON lines; - for stdout.")
        ] = None,
    ) -> None:
        """Import what lies in a folder: 0 published, 3 held, 2 rejected, 1 failed."""
        from etl.runs.nightly import NightLog, exit_code
        from etl.runs.nightly import nightly as run_night
        from geo import db
        from geo.settings import settings

        home = settings().home
        db.upgrade()
        with ExitStack() as stack:
            if str(log) == "-":
                sink = NightLog(sys.stdout, console.warn)
            else:
                sink = stack.enter_context(_opened_log(log or home / "imports.log"))
            nights = run_night(
                db.get_engine(), folder, settings(), reports=reports or home / "reports", log=sink
            )
        for night in nights:
            with console.best_effort():
                _show_night(night, to_stdout=str(log) == "-")
        raise typer.Exit(exit_code(nights))


@contextmanager
def _opened_log(file: Path) -> Iterator["NightLog"]:
    """Open the log of a night to add to it.

    Raises
    ------
    InputError
        If it can't be opened; nothing has been imported then.
    """
    from etl.runs.nightly import NightLog

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        opened = file.open("a", encoding="utf-8")
    except OSError as error:
        raise InputError("export_unwritable", file=file, said=error.strerror or error) from error
    yield NightLog(opened, console.warn)
    with suppress(OSError):
        opened.close()


def _show_night(night: "NightlyResult", *, to_stdout: bool) -> None:
    """Print how one file of a night went, unless the log on standard output has said so."""
    file = night.file or night.mapping
    if night.warning:
        console.warn(night.warning)
    if night.said:
        console.err.print(
            text("import.nightly_failed", file=file, said=night.said), highlight=False
        )
    elif not to_stdout:
        status = text(f"status.{night.status}")
        console.out.print(
            text("import.nightly_done", file=file, layer=night.layer, status=status),
            highlight=False,
        )


def _add_runs(app: typer.Typer) -> None:
    group = typer.Typer(help="Runs of imports.", invoke_without_command=True)
    app.add_typer(group, name="runs")

    @group.callback()
    def listed(
        context: typer.Context,
        limit: Annotated[int, typer.Option(help="How many, the newest first.")] = 20,
    ) -> None:
        """List the newest runs."""
        if context.invoked_subcommand is None:
            _list_runs(limit)

    @group.command("show")
    def show_run(
        number: Number,
        report: Annotated[Path | None, typer.Option(help="Folder for the report.")] = None,
        json_: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    ) -> None:
        """Show a run, and write its report."""
        _show_run(number, report, json_)

    @group.command()
    def approve(number: Number) -> None:
        """Publish a held run."""
        from etl.runs.approve import approve as publish_held
        from geo import db

        with console.progress() as progress:
            _print(publish_held(db.get_engine(), number, actor=_actor(), progress=progress))

    @group.command()
    def dismiss(number: Number) -> None:
        """Give a held run up."""
        from etl.runs.approve import dismiss as give_up
        from geo import db

        give_up(db.get_engine(), number, actor=_actor())
        console.out.print(text("import.dismissed", run=number), highlight=False)

    @group.command()
    def rollback(
        number: Number,
        with_later: Annotated[
            bool, typer.Option("--with-later", help="Take back later runs of its source too.")
        ] = False,
    ) -> None:
        """Take a published run back."""
        from etl.runs.rollback import roll_back
        from geo import db

        with console.progress() as progress:
            outcome = roll_back(
                db.get_engine(), number, with_later=with_later, actor=_actor(), progress=progress
            )
        _print(outcome)
        taken = ", ".join(map(str, outcome.report["rolls_back"]))
        with console.best_effort():
            console.out.print(
                text("import.rolled_back", runs=taken, run=outcome.run), highlight=False
            )


def _add_corrections(app: typer.Typer) -> None:
    layer_help, code_help = "Layer of the feature.", "Code of the feature."

    @app.command()
    def correct(
        layer: Annotated[str, typer.Argument(help=layer_help)],
        code: Annotated[str, typer.Argument(help=code_help)],
        values: Annotated[list[str], typer.Argument(help="COLUMN=VALUE; nothing for none.")],
    ) -> None:
        """Set columns of a feature; imports leave them from then on."""
        from geo import db
        from geo.db import overrides

        fields = dict(_field(value) for value in values)
        db.run_in_transaction(
            db.get_engine(),
            lambda connection: overrides.correct(connection, layer, code, fields, _actor()),
        )
        console.out.print(text("import.corrected", layer=layer, code=code), highlight=False)

    @app.command()
    def release(
        layer: Annotated[str, typer.Argument(help=layer_help)],
        code: Annotated[str, typer.Argument(help=code_help)],
    ) -> None:
        """Give the corrected columns of a feature back to the imports."""
        from geo import db
        from geo.db import overrides

        released = db.run_in_transaction(
            db.get_engine(), lambda connection: overrides.release(connection, layer, code, _actor())
        )
        columns = ", ".join(released)
        console.out.print(
            text("import.released", layer=layer, code=code, columns=columns), highlight=False
        )


def _field(given: str) -> tuple[str, str | None]:
    """Return a column and its value from ``column=value``."""
    column, equals, value = given.partition("=")
    if not equals:
        raise InputError("correction_malformed", given=given)
    return column.strip(), value or None


def _actor() -> str:
    """Return who sits at the terminal."""
    import getpass

    return getpass.getuser()


def _print(outcome: "Outcome") -> None:
    from etl.runs.report import lines

    with console.best_effort():
        show(outcome.counts)
        for line in lines(outcome):
            console.out.print(line, highlight=False, markup=False)
        if outcome.status == "held":
            console.out.print(text("import.held", run=outcome.run), highlight=False)


def _list_runs(limit: int) -> None:
    from geo import clock, db
    from geo.model import ImportRun

    db.upgrade()
    with db.get_engine().connect() as connection:
        rows = connection.execute(
            select(ImportRun.__table__).order_by(ImportRun.id.desc()).limit(limit)
        ).all()
    if not rows:
        console.out.print(text("import.no_runs"))
        return
    table = Table()
    for column in ("run", "status", "layer", "source", "started", "seconds_column"):
        table.add_column(text(f"import.{column}"))
    for row in rows:
        spent = [*row.timings.values(), *row.report.get("timings_until_held", {}).values()]
        seconds = f"{sum(spent):.1f}" if spent else ""
        started = clock.format_time(row.started_at, "seconds")
        table.add_row(
            str(row.id), text(f"status.{row.status}"), row.layer, row.source, started, seconds
        )
    console.out.print(table)


def _show_run(number: int, folder: Path | None, as_json: bool) -> None:
    import json

    from etl.pipeline.delivery import Outcome
    from etl.pipeline.diff import Counts
    from etl.runs.report import run_report, write_report
    from geo import db
    from geo.model.run import RunStatus
    from geo.settings import settings

    with db.get_engine().connect() as connection:
        run = run_report(connection, number)
    if as_json:
        sys.stdout.write(json.dumps(run, ensure_ascii=False, indent=1, default=str) + "\n")
        return
    counts = {name: Counts(**count) for name, count in run["counts"].items()}
    console.out.print(f"{number} {text('status.' + run['status'])} {run['source']}")
    if run["report"].get("failure"):
        console.out.print(run["report"]["failure"], markup=False, highlight=False)
    _print(Outcome(number, RunStatus(run["status"]), counts, run["report"]))
    page = write_report(db.get_engine(), number, folder or settings().home / "reports")
    console.out.print(text("import.report", file=page), highlight=False)


def _add_quarantine(app: typer.Typer) -> None:
    group = typer.Typer(help="Features that imports refused.", no_args_is_help=True)
    app.add_typer(group, name="quarantine")
    of_run = typer.Option("--run", help="Only of this run.")
    of_layer = typer.Option("--layer", help="Only of this layer.")

    @group.command("list")
    def listed(
        run: Annotated[int | None, of_run] = None,
        layer: Annotated[str, of_layer] = "",
        limit: Annotated[int, typer.Option(help="How many.")] = 50,
    ) -> None:
        """List what waits."""
        _list_quarantine(run, layer, limit)

    @group.command()
    def export(
        file: Annotated[Path, typer.Argument(help="NAME.gpkg, NAME.geojson or NAME.csv")],
        run: Annotated[int | None, of_run] = None,
        layer: Annotated[str, of_layer] = "",
    ) -> None:
        """Write what waits to a file, to be mended there."""
        from etl.runs.quarantine import export as write
        from geo import db

        count = write(db.get_engine(), file, run=run, layer=layer)
        console.out.print(
            text("import.quarantine_exported", count=count, file=file), highlight=False
        )

    @group.command()
    def replay(
        file: Annotated[
            Path | None, typer.Argument(help="The exported file, mended; default: as they came.")
        ] = None,
        run: Annotated[int | None, of_run] = None,
    ) -> None:
        """Bring refused features again."""
        from etl.runs.quarantine import replay as bring
        from geo import db
        from geo.settings import settings

        with console.progress() as progress:
            outcomes = bring(
                db.get_engine(), settings(), run=run, file=file, actor=_actor(), progress=progress
            )
        for outcome in outcomes:
            _print(outcome)
            waiting = sum(outcome.report.get("rejected", {}).values())
            with console.best_effort():
                console.out.print(
                    text("import.replayed", run=outcome.run, waiting=waiting), highlight=False
                )
        if any(outcome.status == "held" for outcome in outcomes):
            raise typer.Exit(EXIT_HELD)


def _list_quarantine(run: int | None, layer: str, limit: int) -> None:
    from etl.runs.quarantine import count_waiting, waiting
    from etl.runs.report import reason_text
    from geo import db

    with db.get_engine().connect() as connection:
        rows = waiting(connection, run=run, layer=layer, limit=limit)
        count = count_waiting(connection, run=run, layer=layer)
    if not rows:
        console.out.print(text("import.quarantine_none"))
        return
    table = Table()
    for column in ("id", "run", "layer", "code", "reason"):
        table.add_column(text(f"import.{column}"))
    for row in rows:
        reason = reason_text(row.reason, row.detail)
        table.add_row(str(row.id), str(row.run_id), row.layer, row.code or "–", reason)
    console.out.print(table)
    if count > len(rows):
        console.out.print(
            text("import.quarantine_first", shown=len(rows), count=count), highlight=False
        )


def _add_mapping(app: typer.Typer) -> None:
    group = typer.Typer(help="Mapping files: how a source's columns become ours.")
    app.add_typer(group, name="mapping")

    @group.callback()
    def root() -> None:
        """Mapping files: how a source's columns become ours."""

    @group.command()
    def suggest(
        file: Annotated[Path, typer.Argument(help="A file of the source.")],
        layer: Annotated[str, typer.Option(help="What it holds; default: guessed.")] = "",
        out: Annotated[Path | None, typer.Option(help="Write it there.")] = None,
    ) -> None:
        """Propose a mapping from a file's header and values."""
        from etl.input.mapping_proposal import suggest_mapping

        proposal = suggest_mapping(file, layer)
        if out is None:
            sys.stdout.write(proposal)
            return
        out.write_text(proposal, encoding="utf-8")
        console.out.print(text("import.suggested", file=out), highlight=False)
