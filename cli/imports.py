"""``gridatlas import``: files into the database."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli import console
from geo.errors import InputError
from geo.messages import text

if TYPE_CHECKING:
    from etl.osm import Extract


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
        crs: Annotated[
            str, typer.Option(help="Coordinate system of the communities, if their file has none.")
        ] = "",
        code: Annotated[
            str, typer.Option(help="First six digits of the division codes to give.")
        ] = "",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Read and report; write nothing.")
        ] = False,
    ) -> None:
        """Import buildings, roads, waters, facilities and hydrants of an extract."""
        from etl.osm import read_osm, source_name
        from etl.publish import publish
        from geo import db
        from geo.settings import settings

        if code and not (len(code) == 6 and code.isdecimal() and code.isascii()):
            raise InputError("code_not_six_digits", code=code)
        began = time.monotonic()
        with console.progress() as progress:
            extract = read_osm(
                file,
                settings(),
                communities=communities,
                crs=crs or None,
                code=code or None,
                progress=progress,
            )
            if dry_run:
                counts: Mapping[str, object] = {}
            else:
                db.upgrade()
                counts = publish(
                    db.engine(),
                    extract.layers,
                    source_name(file),
                    rejected=extract.rejected,
                    progress=progress,
                )
        show(counts) if counts else _show_held(extract)
        _report(extract, time.monotonic() - began)
        if dry_run:
            console.out.print(text("import.dry_run"), highlight=False)
            return
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


def _show_held(extract: "Extract") -> None:
    """Print what an extract holds, a line a layer."""
    table = Table()
    table.add_column(text("import.layer"))
    table.add_column(text("import.features"), justify="right")
    for layer, frame in extract.layers.items():
        table.add_row(layer, str(len(frame)))
    console.out.print(table)


def _report(extract: "Extract", seconds: float) -> None:
    """Print where the communities and the households come from, and what was wrong."""
    figures = extract.figures
    kind = "given" if figures.blocks == 0 else "made" if figures.places else "no_places"
    lines = [text(f"import.communities_{kind}", **asdict(figures))]
    lines.append(text("import.households", **asdict(figures)))
    if extract.merged:
        lines.append(text("import.merged", names=", ".join(extract.merged)))
    if figures.cut:
        lines.append(text("import.cut", **asdict(figures)))
    if figures.outside:
        lines.append(text("import.outside", **asdict(figures)))
    if figures.rejected or figures.repaired:
        lines.append(text("import.mended", **asdict(figures)))
    lines += [_reason(reason, count) for reason, count in extract.reasons().items()]
    lines.append(text("import.seconds", seconds=seconds))
    for line in lines:
        console.out.print(line, highlight=False, markup=False)


def _reason(reason: str, count: int) -> str:
    return f"  {count} × {text(f'quarantine.{reason}')}"
