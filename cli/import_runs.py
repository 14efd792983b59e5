"""``gridatlas import-runs``: list, show, approve, reject and roll back import runs."""

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import select

from cli import console
from cli.import_output import show_outcome
from geo import db
from geo.messages import text
from geo.settings import settings

Number = Annotated[int, typer.Argument(metavar="N", help="Number of the run.")]

app = typer.Typer(help="List, approve, reject and roll back imports.", invoke_without_command=True)


@app.callback()
def list_runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="Number of runs to list.")] = 20,
) -> None:
    """List, approve, reject and roll back imports; without a command, list the newest runs."""
    from geo import clock
    from geo.model import ImportRun

    if context.invoked_subcommand is not None:
        return
    db.upgrade()
    with db.get_engine().connect() as connection:
        rows = connection.execute(
            select(ImportRun.__table__).order_by(ImportRun.id.desc()).limit(limit)
        ).all()
    if not rows:
        console.print_text("import.no_runs")
        return
    table = Table()
    for column in ("run", "status", "layer", "source", "started", "seconds_column"):
        table.add_column(text(f"import.{column}"))
    for row in rows:
        timings = [*row.timings.values(), *row.report.get("timings_until_held", {}).values()]
        seconds = f"{sum(timings):.1f}" if timings else ""
        started = clock.format_time(row.started_at, "seconds")
        table.add_row(
            str(row.id), text(f"status.{row.status}"), row.layer, row.source, started, seconds
        )
    console.out.print(table)


@app.command()
def show(
    number: Number,
    report: Annotated[Path | None, typer.Option(help="Folder for the report.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
) -> None:
    """Show a run and write its report."""
    from etl.pipeline.delivery import Counts, Outcome
    from etl.runs.report import run_report, write_report
    from geo.model.run import RunStatus

    with db.get_engine().connect() as connection:
        run = run_report(connection, number)
    if as_json:
        sys.stdout.write(json.dumps(run, ensure_ascii=False, indent=1, default=str) + "\n")
        return
    counts = {name: Counts(**count) for name, count in run["counts"].items()}
    console.out.print(f"{number} {text('status.' + run['status'])} {run['source']}")
    if run["report"].get("failure"):
        console.out.print(run["report"]["failure"])
    show_outcome(Outcome(number, RunStatus(run["status"]), counts, run["report"]))
    page = write_report(db.get_engine(), number, report or settings().home / "reports")
    console.print_text("import.report", file=page)


@app.command()
def approve(number: Number) -> None:
    """Publish a held run."""
    from etl.runs import approve as held_runs

    with console.progress() as progress:
        outcome = held_runs.approve(
            db.get_engine(), number, actor=getpass.getuser(), progress=progress
        )
    show_outcome(outcome)


@app.command()
def reject(number: Number) -> None:
    """Reject a held run; nothing of it is published."""
    from etl.runs import approve as held_runs

    held_runs.reject(db.get_engine(), number, actor=getpass.getuser())
    console.print_text("import.dismissed", run=number)


@app.command()
def rollback(
    number: Number,
    with_later: Annotated[
        bool, typer.Option("--with-later", help="Also roll back later runs of the same source.")
    ] = False,
) -> None:
    """Roll back a published run."""
    from etl.runs.rollback import roll_back

    with console.progress() as progress:
        outcome = roll_back(
            db.get_engine(),
            number,
            with_later=with_later,
            actor=getpass.getuser(),
            progress=progress,
        )
    show_outcome(outcome)
    runs = ", ".join(map(str, outcome.report["rolls_back"]))
    with console.best_effort():
        console.print_text("import.rolled_back", runs=runs, run=outcome.run)
