"""``/ogc``: OGC API Features (parts 1, 2 and 3) and Tiles, with tipg, under the caller's role.

tipg formats the responses; :mod:`api.ogc.collections` writes the SQL.
"""

import csv
import io
from collections.abc import Generator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any
from urllib.parse import quote

import asyncpg
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from morecantile import tms as all_tms
from morecantile.defaults import TileMatrixSets
from tipg import factory
from tipg.dependencies import bbox_query, filter_query
from tipg.errors import TiPgError
from tipg.factory import OGCFeaturesFactory, OGCTilesFactory

from api.core import coordinates, openapi_schema, problems
from api.core.connection_pool import AsyncPool
from api.core.public_layers import Layer, layers_for_role, readable_layer
from api.core.read_audit import ReadAudit
from api.middleware.caller_role import CallerRoleMiddleware
from api.ogc.collections import (
    COLLECTIONS,
    CollectionQuery,
    LayerCollection,
    current_caller,
)
from api.ogc.cql import parse_filter
from geo.errors import InputError, NotFoundError
from geo.messages import text
from geo.spreadsheet import csv_cell

CONFORMANCE_CLASSES = [
    f"http://www.opengis.net/spec/{part}"
    for part in (
        "ogcapi-common-1/1.0/conf/core",
        "ogcapi-features-1/1.0/conf/core",
        "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-features-2/1.0/conf/crs",
        "ogcapi-features-3/1.0/conf/filter",
        "ogcapi-features-3/1.0/conf/features-filter",
        "ogcapi-features-3/1.0/conf/queryables",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/cql2-json",
        "cql2/1.0/conf/basic-cql2",
        "cql2/1.0/conf/basic-spatial-functions",
        "cql2/1.0/conf/advanced-comparison-operators",
        "ogcapi-tiles-1/1.0/conf/core",
        "ogcapi-tiles-1/1.0/conf/tileset",
        "ogcapi-tiles-1/1.0/conf/mvt",
    )
]
"""Conformance classes covered by tests."""

_TMS = TileMatrixSets({"WebMercatorQuad": all_tms.get("WebMercatorQuad")})


class CallerPool:
    """Adapter through which tipg takes connections under the role of the caller."""

    def __init__(self, pool: AsyncPool) -> None:
        self.plain = pool

    def acquire(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """Return a context with a connection in a transaction under the caller's role and scope."""
        return self.plain.transaction_as(current_caller.get())


class FeaturesFactory(OGCFeaturesFactory):
    """tipg's routes, with faster generation of the two links that each feature has.

    tipg would search all routes for each link.
    """

    def url_for(self, request: Request, name: str, **path_params: Any) -> str:
        """Return the URL of a route."""
        if name not in {"collection", "item"}:
            return str(super().url_for(request, name, **path_params))
        address = f"{request.base_url}ogc/collections/{path_params['collectionId']}"
        if name == "item":
            address += f"/items/{quote(str(path_params['itemId']), safe='')}"
        return address


def _csv_lines(data: Iterable[dict[Any, Any]]) -> Generator[str, None, None]:
    """Yield the lines of a CSV file, with cells escaped as in the other exports."""
    buffer = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in data:
        if writer is None:
            writer = csv.DictWriter(buffer, fieldnames=list(row))
            writer.writeheader()
        writer.writerow({name: csv_cell(value) for name, value in row.items()})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


factory.create_csv_rows = _csv_lines  # tipg has no hook for it, and its own fails without rows

_CRS = Query(max_length=200, description="URI of a coordinate system")


def _collection(
    request: Request,
    collectionId: Annotated[str, Path(max_length=100)],
    crs: Annotated[str | None, _CRS] = None,
    bbox_crs: Annotated[str | None, Query(alias="bbox-crs", max_length=200)] = None,
    filter_crs: Annotated[str | None, Query(alias="filter-crs", max_length=200)] = None,
) -> LayerCollection:
    layer = readable_layer(collectionId, current_caller.get().role)
    if request.url.path.endswith("/items"):
        _check_parameters(request, layer)
    names = {"crs": crs, "bbox_crs": bbox_crs, "filter_crs": filter_crs}
    systems = CollectionQuery(
        **{name: coordinates.crs_uri(value) for name, value in names.items() if value}
    )
    request.state.crs = systems.crs
    update = {"systems": systems, "reads": request.app.state.read_audit}
    return COLLECTIONS[layer.name].model_copy(update=update)


_PARAMETERS = (
    *("bbox", "bbox-crs", "bbox-only", "crs", "datetime", "datetime-column", "f", "filter"),
    *("filter-crs", "filter-lang", "geom-column", "ids", "limit", "offset", "properties"),
    *("simplify", "sortby"),
)


def _check_parameters(request: Request, layer: Layer) -> None:
    """Refuse unknown query parameters (OGC 17-069r4, /req/core/query-param-unknown)."""
    names = {*_PARAMETERS, *(column.name for column in layer.columns())}
    for name in request.query_params:
        if name.lower() not in names:
            known = ", ".join(sorted(names))
            raise InputError("parameter_unknown", name=name[:80], names=known)


def _bbox(
    bbox: Annotated[str | None, Query(max_length=200, description="Spatial filter.")] = None,
) -> list[float] | None:
    """Parse a bounding box; of six numbers, the two heights are ignored."""
    if not bbox:
        return None
    try:
        bounds = [float(part) for part in bbox.split(",")]
    except ValueError:
        raise InputError("bad_bbox", bbox=bbox) from None
    if len(bounds) == 6:
        bounds = [*bounds[:2], *bounds[3:5]]
    is_finite = all(abs(side) < 1e9 for side in bounds)
    if len(bounds) != 4 or not is_finite or bounds[0] > bounds[2] or bounds[1] > bounds[3]:
        raise InputError("bad_bbox", bbox=bbox)
    return bounds


def _filter(
    query: Annotated[str | None, Query(alias="filter", description="CQL2 filter")] = None,
    filter_lang: Annotated[
        str | None, Query(alias="filter-lang", pattern="^cql2-(text|json)$")
    ] = None,
) -> Any:
    return None if query is None else parse_filter(query)


_OVERRIDDEN = {"/collections", "/collections/{collectionId}"}


def create_ogc(pool: AsyncPool, reads: ReadAudit) -> FastAPI:
    """Return the application to mount at ``/ogc``."""
    app = FastAPI(title="Gridatlas OGC API", docs_url=None, redoc_url=None, openapi_url="/api")
    app.state.pool = CallerPool(pool)
    app.state.read_audit = reads
    problems.install_handlers(app)
    app.exception_handler(TiPgError)(_handle_tipg_error)
    app.exception_handler(asyncpg.PostgresError)(_handle_database_error)
    app.dependency_overrides |= {bbox_query: _bbox, filter_query: _filter}
    app.add_middleware(CallerRoleMiddleware)
    _add_routes(app)
    for kind in (FeaturesFactory, OGCTilesFactory):
        options = {} if kind is FeaturesFactory else {"with_viewer": False, "supported_tms": _TMS}
        routes = kind(
            collection_dependency=_collection,
            router_prefix="ogc",
            with_common=False,
            **options,  # type: ignore[arg-type]
        )
        for route in routes.router.routes:  # kept, since tipg generates links by route name
            if getattr(route, "path", "") in _OVERRIDDEN:
                route.include_in_schema = False  # type: ignore[attr-defined]
        app.include_router(routes.router)
    openapi_schema.extend_openapi(app, 404)
    return app


def _handle_tipg_error(request: Request, error: Exception) -> Response:
    return problems.problem(request, 404 if "NotFound" in type(error).__name__ else 400, str(error))


def _handle_database_error(request: Request, error: Exception) -> Response:
    """Return the response to a database error; mismatched types in a filter are a client error."""
    state = getattr(error, "sqlstate", None) or ""
    if state == "42501":
        return problems.problem_from_error(
            request, NotFoundError("no_layer_here", layer="", layers="")
        )
    if state[:2] in {"22", "42", "XX"} and state != "42P01":
        return problems.problem_from_error(
            request, InputError("filter_unfit", said=str(error).partition("\n")[0][:200])
        )
    return problems.database_problem(request, error)


def _add_routes(app: FastAPI) -> None:
    """Add the landing page, conformance and collections in place of tipg's."""

    @app.get("/")
    def landing(request: Request) -> JSONResponse:
        base = f"{request.base_url}ogc"
        links = [
            _link("self", f"{base}/", "This document"),
            _link(
                "service-desc", f"{base}/api", "API", "application/vnd.oai.openapi+json;version=3.0"
            ),
            _link("conformance", f"{base}/conformance", "Conformance"),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/conformance",
                f"{base}/conformance",
                "Conformance",
            ),
            _link("data", f"{base}/collections", "Collections"),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes",
                f"{base}/tileMatrixSets",
                "Tile matrix sets",
            ),
        ]
        return JSONResponse({"title": "Gridatlas", "description": "网格图谱", "links": links})

    @app.get("/conformance")
    def conformance() -> JSONResponse:
        return JSONResponse({"conformsTo": CONFORMANCE_CLASSES})

    @app.get("/collections")
    async def collections(request: Request) -> JSONResponse:
        base, extent = f"{request.base_url}ogc", await _extent(request)
        items = [
            _describe_collection(base, name, extent)
            for name in layers_for_role(current_caller.get().role)
        ]
        links = [_link("self", f"{base}/collections", "Collections")]
        body = {"links": links, "collections": items, "numberMatched": len(items)}
        body |= {"numberReturned": len(items), "crs": list(coordinates.EPSG_BY_URI)}
        return JSONResponse(body)

    @app.get("/collections/{collectionId}")
    async def collection(
        request: Request, layer: Annotated[LayerCollection, Depends(_collection)]
    ) -> JSONResponse:
        request.state.crs = None
        extent = await _extent(request)
        return JSONResponse(_describe_collection(f"{request.base_url}ogc", layer.id, extent))


_EXTENT = (
    "SELECT ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box) FROM ("
    "SELECT ST_Extent(geom) AS box FROM region WHERE level = ("
    "SELECT level FROM region WHERE geom IS NOT NULL ORDER BY length(rtrim(code, '0')) LIMIT 1"
    ")) AS land"
)


async def _extent(request: Request) -> dict[str, Any]:
    """Return the extent of the installation's regions, to which clients zoom."""
    async with request.app.state.pool.acquire() as connection:
        bounds = await connection.fetchrow(_EXTENT)
    if bounds[0] is None:
        return {}
    return {"extent": {"spatial": {"bbox": [list(bounds)], "crs": coordinates.CRS84}}}


def _describe_collection(base: str, name: str, extent: dict[str, Any]) -> dict[str, Any]:
    url = f"{base}/collections/{name}"
    return {
        "id": name,
        "title": text(f"layer.{name}"),
        **extent,
        "itemType": "feature",
        "links": [
            _link("self", url, name),
            _link("items", f"{url}/items", "Items", "application/geo+json"),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/queryables",
                f"{url}/queryables",
                "Queryables",
                "application/schema+json",
            ),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector", f"{url}/tiles", "Tiles"
            ),
        ],
        "crs": list(coordinates.EPSG_BY_URI),
        "storageCrs": coordinates.STORAGE,
    }


def _link(rel: str, href: str, title: str, kind: str = "application/json") -> dict[str, str]:
    return {"rel": rel, "href": href, "title": title, "type": kind}
