"""``gridatlas import``: files into the database."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import console
from geo.errors import InputError
from geo.messages import text


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Bring files into the database.", no_args_is_help=True)
    app.add_typer(group, name="import")

    @group.command()
    def osm(
        file: Annotated[Path, typer.Argument(help="An OpenStreetMap extract, NAME.osm.pbf")],
        communities: Annotated[
            Path | None, typer.Option(help="Polygons of communities; default: from place nodes.")
        ] = None,
        code: Annotated[
            str, typer.Option(help="First six digits of the division codes to give.")
        ] = "",
    ) -> None:
        """Import buildings, roads, waters, facilities and hydrants of an extract."""
        from etl.osm import read_osm, source_name
        from etl.publish import publish
        from geo import db
        from geo.settings import settings

        if code and not (len(code) == 6 and code.isdigit()):
            raise InputError("code_not_six_digits", code=code)
        began = time.monotonic()
        with console.progress() as progress:
            extract = read_osm(
                file, settings(), communities=communities, code=code or None, progress=progress
            )
            db.upgrade()
            counts = publish(
                db.engine(),
                extract.layers,
                source_name(file),
                rejected=extract.rejected,
                progress=progress,
            )
        show(counts)
        figures: dict[str, Any] = {"rejected": len(extract.rejected), **extract.figures}
        seconds = time.monotonic() - began
        console.out.print(text("import.summary", **figures, seconds=seconds), highlight=False)
        region = extract.layers["region"]
        district = region.loc[region["level"] == "district", "code"].iloc[0]
        console.out.print(text("import.next", region=district), highlight=False)


def show(counts: Mapping[str, object]) -> None:
    """Print what was added, changed and removed, a line a layer."""
    table = Table()
    for column in ("layer", "added", "changed", "removed", "unchanged"):
        table.add_column(text(f"import.{column}"), justify="left" if column == "layer" else "right")
    for layer, count in counts.items():
        figures = (getattr(count, name) for name in ("added", "changed", "removed", "unchanged"))
        table.add_row(layer, *map(str, figures))
    console.out.print(table)
