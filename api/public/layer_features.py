"""``/layers``: the live features of every layer with all attributes, and their history.

For the data page. Protected layers are included; each read is recorded in the audit log.
"""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from geoalchemy2 import Geometry as GeometryColumn
from pydantic import BaseModel
from sqlalchemy import ColumnElement, RowMapping, Table, func, or_, select, union_all
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller, allow
from api.core.parameters import Bbox, Connection, PageParameter
from api.core.problems import require_found
from api.core.public_layers import postgres_type
from api.core.responses import Collection, GeoJson, Geometry, Listing, collection, feature, listing
from api.public.regions import bounds_columns, geojson_column
from geo.errors import NotFoundError
from geo.model import LAYERS, STORAGE_SRID, Base
from geo.model.history import HISTORY

router = APIRouter(tags=["layers"], dependencies=[allow("importer", "admin")])

Name = Annotated[str, Path(max_length=40)]
Code = Annotated[str, Path(min_length=1, max_length=100)]

SEARCHED_COLUMNS = ("code", "name", "address")
MAX_VERSIONS = 200
_VERSION_COLUMNS = {"code", "source", "valid_from", "valid_to", "revision"}


class LayerResponse(BaseModel):
    """A layer: its number of live features, and its columns with their types."""

    layer: str
    features: int
    columns: dict[str, str]


class VersionResponse(BaseModel):
    """A version of a feature; ``changed`` lists the columns that differ from the one before.

    ``valid_to`` is null while the version is live.
    """

    revision: int
    source: str
    valid_from: datetime
    valid_to: datetime | None
    changed: list[str]
    properties: dict[str, Any]
    geometry: Geometry | None


@router.get(
    "/layers", responses={200: {"model": Listing[LayerResponse]}, **problems.problem_responses(403)}
)
def layers(request: Request, connection: Connection, page: PageParameter) -> Response:
    """List the layers with their columns."""
    summaries = []
    for name in list(LAYERS)[page.offset : page.offset + page.limit]:
        table = _table(name)
        count = connection.execute(select(func.count()).select_from(table)).scalar_one()
        columns = {column.name: postgres_type(column) for column in _attributes(table)}
        summaries.append(LayerResponse(layer=name, features=count, columns=columns))
    return listing(request, summaries, page, len(LAYERS))


@router.get(
    "/layers/{layer}/features",
    response_class=GeoJson,
    responses={200: {"model": Collection[dict[str, Any]]}, **problems.problem_responses(403, 404)},
)
def features(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    layer: Name,
    page: PageParameter,
    bbox: Bbox,
    q: Annotated[str, Query(max_length=100, description="text in its code, name or address")] = "",
) -> Response:
    """List the live features of a layer, ordered by code, with every attribute."""
    table = _table(layer)
    conditions: list[ColumnElement[bool]] = []
    if q.strip():
        searched = (table.c[name] for name in SEARCHED_COLUMNS if name in table.c)
        conditions.append(
            or_(*(column.icontains(q.strip(), autoescape=True) for column in searched))
        )
    if bbox is not None:
        conditions.append(table.c.geom.op("&&")(func.ST_MakeEnvelope(*bbox, STORAGE_SRID)))
    count = select(func.count()).select_from(table).where(*conditions)
    attributes = _attributes(table)
    columns = (*attributes, geojson_column(table.c.geom), *bounds_columns(table.c.geom))
    rows = connection.execute(page.of(select(*columns).where(*conditions).order_by(table.c.code)))
    names = [column.name for column in attributes]
    items = [
        feature(row, {name: row[name] for name in names}, id=row["code"]) for row in rows.mappings()
    ]
    record(connection, caller, "read", layer, "", {"features": len(items)})
    return collection(request, items, page, connection.execute(count).scalar_one())


@router.get(
    "/layers/{layer}/features/{code}/history",
    responses={200: {"model": Listing[VersionResponse]}, **problems.problem_responses(403, 404)},
)
def history(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    layer: Name,
    code: Code,
    page: PageParameter,
) -> Response:
    """List the versions of a feature, the newest first; a deleted feature keeps its history."""
    live, archived = _table(layer), HISTORY[layer]
    columns = [
        column.name for column in archived.columns if not isinstance(column.type, GeometryColumn)
    ]
    selects = (
        select(*(table.c[name] for name in columns), geojson_column(table.c.geom)).where(
            table.c.code == code
        )
        for table in (live, archived)
    )
    versions = union_all(*selects).subquery()
    newest = select(versions).order_by(versions.c.valid_from.desc()).limit(MAX_VERSIONS)
    rows = connection.execute(newest).mappings().all()
    require_found("no_such_feature", rows or None, layer=layer, code=code)
    record(connection, caller, "read", layer, code, {"versions": len(rows)})
    versions_newest_first = [
        _version(row, previous) for row, previous in zip(rows, [*rows[1:], None], strict=True)
    ]
    part = versions_newest_first[page.offset : page.offset + page.limit]
    return listing(request, part, page, len(rows))


def _version(row: RowMapping, previous: RowMapping | None) -> VersionResponse:
    names = [name for name in row if name not in _VERSION_COLUMNS]
    changed = [] if previous is None else [name for name in names if row[name] != previous[name]]
    return VersionResponse(
        **{name: row[name] for name in _VERSION_COLUMNS - {"code"}},
        changed=["geom" if name == "geojson" else name for name in changed],
        properties={name: row[name] for name in names if name != "geojson"},
        geometry=orjson.loads(row["geojson"]) if row["geojson"] else None,
    )


def _table(layer: str) -> Table:
    """Return the table of a layer."""
    if layer not in LAYERS:
        raise NotFoundError("no_layer_here", layer=layer, layers=", ".join(LAYERS))
    return Base.metadata.tables[layer]


def _attributes(table: Table) -> list[Any]:
    """Return the columns of a table without its geometries and ``valid_to``."""
    return [
        column
        for column in table.columns
        if not isinstance(column.type, GeometryColumn) and column.name != "valid_to"
    ]
