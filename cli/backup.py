"""``gridatlas backup`` and ``gridatlas restore``: everything in the database as one file."""

from pathlib import Path
from typing import Annotated

import typer

from cli import console
from geo.messages import text

app = typer.Typer()


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    """Write everything in the database into one file."""
    from geo.db import backup as db_backup

    size = db_backup.backup(file)
    console.out.print(text("backup.written", file=file, mb=size / 1e6), highlight=False)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File that backup wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove first what is in the database.")
    ] = False,
) -> None:
    """Bring a backup into the database: all of it, or nothing is changed."""
    from geo.db import backup as db_backup

    db_backup.restore(file, replace=replace)
    console.out.print(text("backup.restored", file=file), highlight=False)
