"""``gridatlas import``: import files into the database."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console
from cli.command_options import Transformation, with_options
from cli.import_output import EXIT_HELD, show_outcome
from geo import db
from geo.errors import InputError
from geo.messages import text
from geo.settings import settings

if TYPE_CHECKING:
    from etl.input.mapping import Mapping
    from etl.osm import Extract
    from etl.pipeline.delivery import Outcome
    from geo.progress import Progress

LAYERS = {
    "region": "Administrative divisions of all levels.",
    "community": "Communities, as polygons.",
    "compound": "Residential compounds.",
    "building": "Buildings.",
    "building_unit": "Units of buildings.",
    "register": "Household register by building, unit, address or coordinates.",
    "dwelling": "Dwellings with counts of residents.",
    "resident": "One row a resident; counted by dwelling, never stored.",
    "entity": "Organisations.",
    "building_fire": "What was found on site about buildings.",
    "facility": "Public facilities.",
    "road": "Roads.",
    "railway": "Railways.",
    "water": "Water bodies and watercourses.",
    "pipe_node": "Pipe nodes.",
    "pipe_segment": "Pipes and cables.",
    "pipe": "Pipe network: nodes and segments in one file.",
    "hydrant": "Fire hydrants.",
    "city": "All layers of a file that have the names of our layers; then its register.",
}
"""Layers that can be imported, with their help."""

_IN_FORCE = ("published", "unchanged")

app = typer.Typer(help="Import files into the database.", no_args_is_help=True)

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Report what would change; publish nothing.")
]
ReportFolder = Annotated[Path | None, typer.Option(help="Folder for run-N.json and run-N.html.")]


@dataclass(frozen=True)
class ImportOptions:
    """The options of the import of a layer, in the order of the help."""

    file: Annotated[Path, typer.Argument(help="SHP, zip, GPKG, GeoJSON, GDB, KML, DXF, ...")]
    mapping: Annotated[
        Path | None, typer.Option(help="Mapping file; default: guess from the column names.")
    ] = None
    crs: Annotated[
        str, typer.Option(help="Coordinate system of the file, if it does not state one.")
    ] = ""
    override_crs: Annotated[
        bool, typer.Option("--override-crs", help="Use --crs even if the file states another one.")
    ] = False
    layer: Annotated[str, typer.Option(help="Layer of the file, if it has several.")] = ""
    source: Annotated[
        str, typer.Option(help="Name of the source; the same for every delivery.")
    ] = ""
    partial: Annotated[
        bool, typer.Option("--partial", help="Keep the features that the file lacks.")
    ] = False
    dry_run: DryRun = False
    force: Annotated[
        bool, typer.Option("--force", help="Import the file even if it has not changed.")
    ] = False
    report: ReportFolder = None


def _import_command(layer: str) -> Callable[..., None]:
    """Return the command that imports a layer."""

    @with_options(ImportOptions)
    def command(options: ImportOptions) -> None:
        from etl.input import mapping as mappings
        from etl.input.layer_columns import REGISTER

        if options.override_crs and not options.crs:
            raise InputError("override_without_crs")
        file = mappings.read_mapping(options.mapping) if options.mapping else None
        db.upgrade()
        outcome = _import_layer(layer, options, file, options.layer)
        unread = outcome.report.get("unread_layers", [])
        has_register = layer == "city" and REGISTER in unread and outcome.status in _IN_FORCE
        if not has_register or options.dry_run:  # its rows are joined to buildings in force
            _report_outcome(outcome, options.report, is_dry_run=options.dry_run)
            return
        unread.remove(REGISTER)
        _report_outcome(outcome, options.report, is_dry_run=False)
        outcome = _import_layer(REGISTER, options, None, REGISTER)
        outcome.report.pop("unread_layers")  # they are those of the first run
        _report_outcome(outcome, options.report, is_dry_run=False)

    return command


def _import_layer(
    layer: str, options: ImportOptions, mapping: "Mapping | None", file_layer: str
) -> "Outcome":
    """Import a layer of a file, with the options added to its mapping."""
    from etl.input import mapping as mappings
    from etl.pipeline.run import Request, import_file

    merged = mappings.merge_options(
        mapping,
        layer,
        crs=options.crs,
        override_crs=options.override_crs,
        file_layer=file_layer,
        source=options.source,
        partial=options.partial,
    )
    request = Request(layer, options.file, merged, options.dry_run, options.force)
    with console.progress() as progress:
        return import_file(db.get_engine(), request, settings(), progress)


for layer_name, description in LAYERS.items():
    app.command(layer_name, help=description)(_import_command(layer_name))


@app.command()
def osm(
    file: Annotated[Path, typer.Argument(help="An OpenStreetMap extract, NAME.osm.pbf")],
    communities: Annotated[
        Path | None,
        typer.Option(help="Polygons of communities; default: derive them from place nodes."),
    ] = None,
    crs: Annotated[
        str,
        typer.Option(help="Coordinate system of the communities, if their file states none."),
    ] = "",
    transformation: Transformation = "",
    code: Annotated[
        str, typer.Option(help="First six digits of the division codes to assign.")
    ] = "",
    dry_run: DryRun = False,
    report: ReportFolder = None,
) -> None:
    """Import buildings, roads, water, facilities and hydrants from OpenStreetMap.

    Raises
    ------
    InputError
        If the code is not six digits.
    """
    from etl.osm import free_district_code, read_osm, source_name

    if code and not (len(code) == 6 and code.isdecimal() and code.isascii()):
        raise InputError("code_not_six_digits", code=code)
    started_s = time.monotonic()
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
            transformation=transformation or None,
            code=code,
            progress=progress,
        )
        db.upgrade()
        outcome = _publish_extract(file, extract, dry_run, progress)
    with console.best_effort():
        _show_extract(extract, time.monotonic() - started_s)
    _report_outcome(outcome, report, is_dry_run=dry_run)
    if not dry_run:
        district = extract.layers["region"]["code"].iloc[-1][:6].ljust(12, "0")
        with console.best_effort():
            console.print_text("import.next", region=district)


def _publish_extract(file: Path, extract: "Extract", dry: bool, progress: "Progress") -> "Outcome":
    """Publish an extract; any share of rejected features passes the guard."""
    from etl.osm import leave_divisions_of_others, source_name
    from etl.pipeline.guard import guard_from_settings
    from etl.pipeline.publish_frames import publish_frames

    source = source_name(file)
    with db.get_engine().connect() as connection:
        divisions = leave_divisions_of_others(connection, extract.layers["region"], source)
    return publish_frames(
        db.get_engine(),
        extract.layers | {"region": divisions},
        source,
        rejected=extract.rejected,
        guard=replace(guard_from_settings(settings()), rejected_percent=100.0),
        progress=progress,
        dry=dry,
        share_codes=True,
        file=str(file),
        figures=asdict(extract.figures),
    )


def _report_outcome(outcome: "Outcome", report: Path | None, *, is_dry_run: bool) -> None:
    """Print the outcome of a run, write its report, and exit with 3 if it is held.

    A report that can't be written is a warning: it changes neither the run nor the exit code.

    Raises
    ------
    typer.Exit
        If the run is held.
    """
    from etl.runs.report import write_report

    show_outcome(outcome, is_dry_run=is_dry_run)
    with console.best_effort():
        if is_dry_run:
            console.print_text("import.dry_run")
        else:
            folder = report or settings().home / "reports"
            page = write_report(db.get_engine(), outcome.run, folder)
            console.print_text("import.report", file=page)
    if outcome.status == "held":
        raise typer.Exit(EXIT_HELD)


def _show_extract(extract: "Extract", seconds: float) -> None:
    """Print the origin of communities and households, and the problems of the extract."""
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
        console.out.print(line)
