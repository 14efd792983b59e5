"""``gridatlas atlas``: maps of the grids as web pages."""

from pathlib import Path
from typing import Annotated

import typer

from cli import console
from geo import db

app = typer.Typer()


@app.command()
def atlas(
    region: Annotated[str, typer.Option(help="First digits of the community codes.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for the pages.")] = Path("out/atlas"),
) -> None:
    """Write a web page per community and an index; they open without a network."""
    from maps import build
    from maps.atlas.atlas import write_atlas

    db.upgrade()
    with console.progress() as progress:
        build.build(progress)
        pages = write_atlas(db.get_engine(), out, region or None, progress=progress)
    console.print_text("atlas.written", index=pages[0], pages=len(pages) - 1)
