"""``gridatlas quarantine``: features that imports rejected."""

import getpass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli import console
from cli.import_output import EXIT_HELD, show_outcome
from geo import db
from geo.messages import text
from geo.settings import settings

Run = Annotated[int | None, typer.Option("--run", help="Only features of this run.")]
Layer = Annotated[str, typer.Option("--layer", help="Only features of this layer.")]

app = typer.Typer(help="List, export and replay rejected features.", no_args_is_help=True)


@app.command("list")
def list_features(
    run: Run = None,
    layer: Layer = "",
    limit: Annotated[int, typer.Option(help="Number of features to list.")] = 50,
) -> None:
    """List the features in quarantine."""
    from etl.runs.quarantine import count_waiting, waiting_features
    from etl.runs.report import reason_text

    with db.get_engine().connect() as connection:
        rows = waiting_features(connection, run=run, layer=layer, limit=limit)
        count = count_waiting(connection, run=run, layer=layer)
    if not rows:
        console.print_text("error.quarantine_empty")
        return
    table = Table()
    for column in ("id", "run", "layer", "code", "reason"):
        table.add_column(text(f"import.{column}"))
    for row in rows:
        reason = reason_text(row.reason, row.detail)
        table.add_row(str(row.id), str(row.run_id), row.layer, row.code or "–", reason)
    console.out.print(table)
    if count > len(rows):
        console.print_text("import.quarantine_first", shown=len(rows), count=count)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="NAME.gpkg, NAME.geojson or NAME.csv")],
    run: Run = None,
    layer: Layer = "",
) -> None:
    """Export the features in quarantine to a file for correction."""
    from etl.runs import quarantine

    count = quarantine.export(db.get_engine(), file, run=run, layer=layer)
    console.print_text("import.quarantine_exported", count=count, file=file)


@app.command()
def replay(
    file: Annotated[
        Path | None,
        typer.Argument(help="The corrected export; default: the features as they were rejected."),
    ] = None,
    run: Run = None,
) -> None:
    """Import the features in quarantine again.

    Raises
    ------
    typer.Exit
        If a run is held.
    """
    from etl.runs import quarantine

    with console.progress() as progress:
        outcomes = quarantine.replay(
            db.get_engine(),
            settings(),
            run=run,
            file=file,
            actor=getpass.getuser(),
            progress=progress,
        )
    for outcome in outcomes:
        show_outcome(outcome)
        waiting = sum(outcome.report.get("rejected", {}).values())
        with console.best_effort():
            console.print_text("import.replayed", run=outcome.run, waiting=waiting)
    if any(outcome.status == "held" for outcome in outcomes):
        raise typer.Exit(EXIT_HELD)
