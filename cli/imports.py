"""``gridatlas import``: files into the database."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cli import console
from geo.errors import InputError
from geo.messages import text

if TYPE_CHECKING:
    from etl.osm import Extract
    from etl.pipeline.delivery import Outcome
    from geo.progress import Progress

LAYERS = {
    "region": "Divisions of all levels 行政区划.",
    "community": "Polygons of communities 社区.",
    "compound": "Residential quarters 小区.",
    "building": "Buildings 建筑物.",
    "building_unit": "Stairwells and entrances 单元.",
    "register": "Households by building, unit, address or place 户数台账.",
    "facility": "Public facilities 公共设施.",
    "road": "Roads 道路.",
    "railway": "Railways 铁路.",
    "water": "Waters 水系.",
    "pipe_node": "Nodes of pipe networks 管点.",
    "pipe_segment": "Pipes and cables 管段.",
    "pipe": "Nodes and segments of one file, as a network 管网.",
    "hydrant": "Fire hydrants 消火栓.",
    "city": "Every layer of one file that is called like ours 全部图层.",
}
"""What can be imported, with a line for the help."""

EXIT_HELD = 3


def _importing(layer: str) -> Callable[..., None]:
    """Return the command that imports a layer."""

    def command(
        file: Annotated[Path, typer.Argument(help="SHP, zip, GPKG, GeoJSON, GDB, KML, DXF, ...")],
        mapping: Annotated[
            Path | None, typer.Option(help="How its columns become ours; default: by their names.")
        ] = None,
        crs: Annotated[str, typer.Option(help="Coordinate system, if the file has none.")] = "",
        source: Annotated[str, typer.Option(help="Name of the source; one for every night.")] = "",
        partial: Annotated[
            bool, typer.Option("--partial", help="What the file lacks stays.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Show what would change; publish nothing.")
        ] = False,
        again: Annotated[
            bool, typer.Option("--again", help="Read it even if it is the file of the last run.")
        ] = False,
        report: Annotated[
            Path | None, typer.Option(help="Folder for run-N.json and run-N.html.")
        ] = None,
    ) -> None:
        from etl.pipeline.run import Request, import_file
        from geo import db
        from geo.settings import settings

        request = Request(
            layer, file, _mapping(layer, mapping, crs, source, partial), dry_run, again
        )
        db.upgrade()
        with console.progress() as progress:
            outcome = import_file(db.get_engine(), request, settings(), progress)
        _tell(outcome, report, dry_run)

    return command


def _mapping(layer: str, file: Path | None, crs: str, source: str, partial: bool) -> Any:
    """Return the mapping that the options make, None if they say nothing."""
    from etl.input.mapping import merge_options, read_mapping

    if file is None and not (crs or source or partial):
        return None
    return merge_options(read_mapping(file) if file else None, layer, crs, source, partial)


def _tell(outcome: "Outcome", report: Path | None, dry: bool) -> None:
    """Print how a run ended, write its report, and leave with its exit code.

    A report that can't be written is a warning: it changes neither the run nor its exit code.
    """
    from etl.runs.report import lines, write_report
    from geo import db
    from geo.settings import settings

    with console.best_effort():
        show(outcome.counts)
        for line in lines(outcome):
            console.out.print(line, highlight=False, markup=False)
        if dry:
            console.out.print(text("import.dry_run"), highlight=False)
        else:
            folder = report or settings().home / "reports"
            page = write_report(db.get_engine(), outcome.run, folder)
            console.out.print(text("import.report", file=page), highlight=False)
    if outcome.status == "held":
        with console.best_effort():
            console.out.print(text("import.held", run=outcome.run), highlight=False)
        raise typer.Exit(EXIT_HELD)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Bring files into the database.", no_args_is_help=True)
    app.add_typer(group, name="import")
    for layer, help_text in LAYERS.items():
        group.command(name=layer, help=help_text)(_importing(layer))

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
            bool, typer.Option("--dry-run", help="Show what would change; publish nothing.")
        ] = False,
        report: Annotated[
            Path | None, typer.Option(help="Folder for run-N.json and run-N.html.")
        ] = None,
    ) -> None:
        """Import buildings, roads, waters, facilities and hydrants of an extract."""
        from etl.osm import free_district_code, read_osm, source_name
        from geo import db
        from geo.settings import settings

        if code and not (len(code) == 6 and code.isdecimal() and code.isascii()):
            raise InputError("code_not_six_digits", code=code)
        began = time.monotonic()
        with console.progress() as progress:
            if not code:
                db.upgrade()
                with db.get_engine().connect() as connection:
                    code = free_district_code(connection, file, source_name(file))
            extract = read_osm(
                file,
                settings(),
                communities=communities,
                crs=crs or None,
                code=code,
                progress=progress,
            )
            db.upgrade()
            outcome = _publish_extract(file, extract, dry_run, progress)
        with console.best_effort():
            _report(extract, time.monotonic() - began)
        _tell(outcome, report, dry_run)
        if not dry_run:
            region = extract.layers["region"]
            district = region.loc[region["level"] == "district", "code"].iloc[0]
            with console.best_effort():
                console.out.print(text("import.next", region=district), highlight=False)


def _publish_extract(file: Path, extract: "Extract", dry: bool, progress: "Progress") -> "Outcome":
    """Publish an extract under the guard, which lets pass what the community's mappers broke."""
    from etl.osm import source_name
    from etl.pipeline.guard import guard_of
    from etl.pipeline.publish_frames import publish_frames
    from geo import db
    from geo.settings import settings

    return publish_frames(
        db.get_engine(),
        extract.layers,
        source_name(file),
        rejected=extract.rejected,
        guard=replace(guard_of(settings()), rejected_percent=100.0),
        progress=progress,
        dry=dry,
        share_codes=True,
        file=str(file),
        figures=asdict(extract.figures),
    )


def show(counts: Mapping[str, object]) -> None:
    """Print what was added, changed and removed, a line a layer."""
    table = Table()
    for column in ("layer", "added", "changed", "removed", "unchanged"):
        table.add_column(text(f"import.{column}"), justify="left" if column == "layer" else "right")
    for layer, count in counts.items():
        figures = (getattr(count, name) for name in ("added", "changed", "removed", "unchanged"))
        table.add_row(layer, *map(str, figures))
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
    if figures.unread:
        counts = ", ".join(f"{key} {count}" for key, count in figures.unread.items())
        lines.append(text("import.unread", tags=counts))
    lines.append(text("import.seconds", seconds=seconds))
    for line in lines:
        console.out.print(line, highlight=False, markup=False)
