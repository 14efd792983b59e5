"""``gridatlas mapping``: how the columns of a source map to layers."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import console

app = typer.Typer(help="Mapping files: which columns of a source fill which columns of a layer.")


@app.callback()
def describe() -> None:
    """Make this a group of commands although it has only one."""


@app.command()
def suggest(
    file: Annotated[Path, typer.Argument(help="A file of the source.")],
    layer: Annotated[
        str, typer.Option(help="Layer that the file holds; default: guess from its columns.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: standard output.")
    ] = None,
) -> None:
    """Suggest a mapping from the header and the values of a file."""
    from etl.input.mapping_proposal import suggest_mapping

    proposal = suggest_mapping(file, layer)
    if out is None:
        sys.stdout.write(proposal)
        return
    out.write_text(proposal, encoding="utf-8")
    console.print_text("import.suggested", file=out)
