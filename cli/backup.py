"""``gridatlas backup`` and ``gridatlas restore``: the database as one file."""

from pathlib import Path
from typing import Annotated

import typer

from cli import console

app = typer.Typer()


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    """Back up the database to a file."""
    from geo.db import backup as db_backup

    size = db_backup.backup(file)
    console.print_text("backup.written", file=file, mb=size / 1e6)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File written by backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the data in the database.")
    ] = False,
) -> None:
    """Restore a backup completely, or change nothing."""
    from geo.db import restore

    restore.restore(file, replace=replace)
    console.print_text("backup.restored", file=file)
