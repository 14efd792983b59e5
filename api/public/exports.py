"""``/exports``: download layers as GeoJSON, GeoPackage, shapefile, KML, DXF, Parquet or CSV."""

import csv
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import shapely
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import BaseModel
from sqlalchemy import ColumnElement, FromClause, LargeBinary, func, select
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from api.core import coordinates, problems
from api.core.audit import record
from api.core.caller import Caller, CurrentCaller, transaction_as
from api.core.parameters import Page
from api.core.problems import require_found
from api.core.public_layers import layers_for_role, readable_layer
from api.core.responses import Listing, listing
from api.public.export_files import BATCH_ROWS, FeatureRows, write_layer
from geo.crs import metric_crs
from geo.db.views import grids_of_plan
from geo.disk import require_room
from geo.errors import InputError, TooLargeError
from geo.messages import catalogue
from geo.model import STORAGE_SRID, GridPlan, Region
from geo.spreadsheet import csv_cell

router = APIRouter(tags=["exports"])

Format = Literal["geojson", "gpkg", "shp", "kml", "dxf", "parquet", "csv"]
FORMATS: dict[str, str] = {
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
    "shp": "application/zip",
    "kml": "application/vnd.google-earth.kml+xml",
    "dxf": "image/vnd.dxf",
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
}
MAX_ROWS = 500_000


class ExportResponse(BaseModel):
    """A layer that the caller may export, with its formats and coordinate systems."""

    layer: str
    formats: list[str]
    crs: list[str]


@router.get(
    "/exports", responses={200: {"model": Listing[ExportResponse]}, **problems.problem_responses()}
)
def exports(request: Request, caller: CurrentCaller) -> Response:
    """List the layers that the caller may export."""
    systems = ["CRS84", *(f"EPSG:{code}" for code in (4490, 4326, 4546, 3857))]
    items = [
        ExportResponse(layer=name, formats=list(FORMATS), crs=systems)
        for name in layers_for_role(caller.role)
    ]
    return listing(request, items, Page(len(items), 0), len(items))


@router.get(
    "/exports/{layer}",
    response_class=Response,
    responses={
        200: {"content": {kind.partition(";")[0]: {} for kind in FORMATS.values()}},
        **problems.problem_responses(403, 404, 413, 507),
    },
)
def export(
    request: Request,
    caller: CurrentCaller,
    layer: Annotated[str, InPath(max_length=100)],
    format: Annotated[Format, Query()] = "gpkg",
    crs: Annotated[
        str | None,
        Query(max_length=100, description="EPSG:4490 by default, for DXF the metric zone"),
    ] = None,
    region: Annotated[str | None, Query(pattern="^[0-9]{12}$")] = None,
    plan: Annotated[int | None, Query(ge=1, le=2**53, description="grids of this plan")] = None,
    names: Annotated[
        Literal["plain", "zh"], Query(description="names of the fields: as in the API, or Chinese")
    ] = "plain",
) -> Response:
    """Download a layer. Shapefiles are zipped; KML is always in longitude and latitude.

    Raises
    ------
    InputError
        If the format or the layer does not allow the coordinate system or the plan.
    """
    layer_definition = readable_layer(layer, caller.role)
    system = STORAGE_SRID if crs is None else coordinates.EPSG_BY_URI[coordinates.crs_uri(crs)]
    if format == "kml" and system not in coordinates.SAME_AS_STORAGE:
        raise InputError("kml_crs", crs=crs)
    if plan is not None and layer_definition.name != "grid":
        raise InputError("plan_of_grids_only", layer=layer)
    source: FromClause = layer_definition.source if plan is None else grids_of_plan(plan)
    columns = [column for column in layer_definition.columns() if column.name in source.c]
    fields = [str(column.name) for column in columns]
    titles = _titles(fields, names)
    engine = request.app.state.engine
    with transaction_as(engine, caller) as connection:
        count = _count_rows(connection, source, region, plan)
        if crs is None and format == "dxf":  # drawings are in metres
            system = _metric_zone(connection, source)
        if caller.account is not None:
            detail = {"format": format, "rows": count}
            record(connection, caller, "export", layer, region or "", detail)
    filename = f"{layer}{'-' + region if region else ''}.{'zip' if format == 'shp' else format}"
    headers = {
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Cache-Control": "no-store",
    }

    def rows() -> FeatureRows:
        return _rows(engine, caller, source, fields, region, system)

    # Finish the file before sending the first byte, so that an error is never a truncated 200.
    with _new_folder() as folder, require_room(folder):
        if format in LINE_WRITERS:
            file = folder / filename
            with closing(rows()) as features, file.open("wb") as out:
                out.writelines(LINE_WRITERS[format](features, titles, system))
        else:
            named = dict(zip(titles, columns, strict=True))
            file = write_layer(folder, layer_definition, named, rows, format, system)
    cleanup = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(file, media_type=FORMATS[format], headers=headers, background=cleanup)


@contextmanager
def _new_folder() -> Iterator[Path]:
    """Yield a new folder, which is deleted if an error is raised."""
    folder = Path(tempfile.mkdtemp(prefix="gridatlas-export-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _titles(fields: list[str], names: str) -> list[str]:
    """Return the names of the fields in the file."""
    if names == "plain":
        return fields
    texts = catalogue("zh")
    return [texts.get(f"field.{name}", name) for name in fields]


def _metric_zone(connection: Any, source: FromClause) -> int:
    """Return the EPSG code of the metric zone in the middle of a layer."""
    middle = func.ST_Centroid(func.ST_Extent(source.c.geom))
    lon, lat = connection.execute(select(func.ST_X(middle), func.ST_Y(middle))).one()
    return STORAGE_SRID if lon is None else metric_crs(lon, lat).to_epsg() or STORAGE_SRID


def _count_rows(connection: Any, source: FromClause, region: str | None, plan: int | None) -> int:
    """Return the number of rows to export; refuse more than :data:`MAX_ROWS`."""
    if region is not None:
        regions = select(Region.code).where(Region.code == region, Region.geom.is_not(None))
        require_found("no_such_region", connection.execute(regions).first(), region=region)
    if plan is not None:
        plans = select(GridPlan.id).where(GridPlan.id == plan)
        require_found("no_plan_here", connection.execute(plans).first(), plan=plan)
    statement = select(func.count()).select_from(source).where(*_is_in_region(source, region))
    count = int(connection.execute(statement).scalar_one())
    if count > MAX_ROWS:
        raise TooLargeError("export_too_large", rows=count, most=MAX_ROWS)
    return count


def _is_in_region(source: FromClause, region: str | None) -> list[ColumnElement[bool]]:
    """Return the condition that a point on a feature's surface lies in a region."""
    if region is None:
        return []
    land = select(Region.geom).where(Region.code == region).scalar_subquery()
    point = func.ST_PointOnSurface(source.c.geom)
    return [source.c.geom.op("&&")(land), func.ST_Intersects(point, land)]


def _rows(
    engine: Any,
    caller: Caller,
    source: FromClause,
    fields: list[str],
    region: str | None,
    system: int,
) -> FeatureRows:
    """Yield attributes and geometry of each feature, read in batches from a server-side cursor."""
    shape: Any = source.c.geom
    if system not in coordinates.SAME_AS_STORAGE:
        shape = func.ST_Transform(func.ST_SetSRID(shape, STORAGE_SRID), system)
    columns = [source.c[name] for name in fields]
    statement = (
        select(*columns, func.ST_AsBinary(shape, type_=LargeBinary).label("shape_"))
        .where(*_is_in_region(source, region))
        .order_by(source.c.code)
        .execution_options(yield_per=BATCH_ROWS)
    )
    with (
        transaction_as(engine, caller, readonly=True) as connection,
        connection.execute(statement) as result,
    ):
        for part in result.partitions():
            shapes = shapely.from_wkb([row[-1] for row in part])
            for row, geometry in zip(part, shapes, strict=True):
                yield list(row[:-1]), geometry


def _geojson(rows: FeatureRows, titles: list[str], system: int) -> Iterator[bytes]:
    """Yield a feature collection; it names its system unless that is longitude and latitude."""
    crs_member = ""
    if system not in coordinates.SAME_AS_STORAGE:
        name = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{system}"}}
        crs_member = f'"crs":{orjson.dumps(name).decode()},'
    yield f'{{"type":"FeatureCollection",{crs_member}"features":['.encode()
    separator = b"\n"
    for values, geometry in rows:
        shape = orjson.Fragment(shapely.to_geojson(geometry)) if geometry is not None else None
        properties = dict(zip(titles, values, strict=True))
        feature = {"type": "Feature", "geometry": shape, "properties": properties}
        yield separator + orjson.dumps(feature)
        separator = b",\n"
    yield b"\n]}\n"


def _csv(rows: FeatureRows, titles: list[str], system: int) -> Iterator[bytes]:
    """Yield a table with the geometry as well-known text.

    It starts with a byte order mark, by which spreadsheet programs recognise UTF-8.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([*titles, "WKT"])
    yield b"\xef\xbb\xbf" + buffer.getvalue().encode()
    for values, geometry in rows:
        buffer.seek(0)
        buffer.truncate()
        shape = shapely.to_wkt(geometry, rounding_precision=9) if geometry is not None else ""
        writer.writerow([*map(csv_cell, values), shape])
        yield buffer.getvalue().encode()


LINE_WRITERS: dict[str, Callable[[FeatureRows, list[str], int], Iterator[bytes]]] = {
    "geojson": _geojson,
    "csv": _csv,
}
"""Formats written feature by feature, without GDAL."""
