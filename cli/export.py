"""``gridatlas export``: write a layer to a file."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from geo import db

app = typer.Typer()


@app.command()
def export(
    layer: Annotated[str, typer.Argument(help="grid, building, community, road, ...")],
    file: Annotated[Path, typer.Argument(help="NAME.gpkg or NAME.geojson")],
    crs: Annotated[
        str, typer.Option(help="Coordinate system of the file, for example EPSG:4546.")
    ] = "",
    region: Annotated[str, typer.Option(help="Code of a region: only features in it.")] = "",
    at: Annotated[
        datetime | None,
        typer.Option(help="Time of the data, for example 2026-03-01; default: now."),
    ] = None,
) -> None:
    """Write a layer as GeoPackage or GeoJSON."""
    from etl.export import write_layer
    from geo import clock
    from geo.db.layer_frames import read_layer

    db.upgrade()
    with db.get_engine().connect() as connection:
        when = clock.city_time_to_utc(at) if at else None
        frame = read_layer(connection, layer, region=region or None, as_of=when)
    write_layer(frame, layer, file, crs or None)
    console.print_text("cli.exported", count=len(frame), layer=layer, file=file)
