"""``gridatlas atlas``: the maps of the grids as pages that open anywhere."""

from pathlib import Path
from typing import Annotated

import typer

from cli import console
from geo.messages import text

app = typer.Typer()


@app.command()
def atlas(
    region: Annotated[str, typer.Option(help="Only communities whose code begins with this.")] = "",
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("out/atlas"),
) -> None:
    """Write one page a community, and a page of contents; they need no internet."""
    from geo import db
    from maps import build
    from maps.atlas.atlas import write_atlas

    db.upgrade()
    with console.progress() as progress:
        build.build(progress)
        pages = write_atlas(db.get_engine(), out, region or None, progress=progress)
    console.out.print(text("atlas.written", index=pages[0], pages=len(pages) - 1))
