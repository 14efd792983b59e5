"""``/ogc``: OGC API Features (parts 1, 2 and 3) and Tiles, by tipg, under the caller's role.

tipg cuts the answers; what reaches the database is written here: filters with every literal bound
(:mod:`api.cql`), coordinate systems, which tipg leaves out, and limits.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import asyncpg
import orjson
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from geoalchemy2 import Geometry
from morecantile import tms as all_tms
from morecantile.defaults import TileMatrixSets
from pydantic import ConfigDict
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tipg.collections import Column as TipgColumn
from tipg.collections import PgCollection
from tipg.dependencies import bbox_query, filter_query
from tipg.errors import TiPgError
from tipg.factory import OGCFeaturesFactory, OGCTilesFactory

from api import coordinates, description, problems
from api.access import ANYONE, Caller, caller_of
from api.audit import recorded
from api.cql import Filter, parsed
from api.layers import LAYERS, Layer, kind_of, layer_of, offered, source_name
from api.pool import Pool
from api.reads import Reads
from api.tilelayers import Tile
from geo.errors import InputError, NotFoundError, NotSignedInError
from geo.model import STORAGE_SRID

MOST_FEATURES, USUAL_FEATURES = 10_000, 100
MOST_TILE_FEATURES = 20_000
COUNTED_EXACTLY = 100_000
PLACES = 7
GEO_PLACES = {True: 9, False: 3}
"""Decimals by whether the unit is a degree."""

CONFORMS = [
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
"""Only what the tests prove."""

_TMS = TileMatrixSets({"WebMercatorQuad": all_tms.get("WebMercatorQuad")})

_caller: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


class CallersPool:
    """The pool as tipg takes its connections from it: under the role of who asks."""

    def __init__(self, pool: Pool) -> None:
        self.plain = pool

    def acquire(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """Lend a connection in a transaction under the caller's role and scope."""
        return self.plain.acting(_caller.get())


@dataclass(frozen=True)
class Asked:
    """In which systems the answer, the box and the filter are, by their URIs."""

    crs: str = coordinates.CRS84
    bbox_crs: str = coordinates.CRS84
    filter_crs: str = coordinates.CRS84


class Bound:
    """The literals of a query, each named where it stands by its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any, kind: str) -> str:
        """Bind a value, and return what stands for it in the query."""
        self.values.append(value)
        return f"CAST(${len(self.values)} AS {kind})"


class LayerCollection(PgCollection):
    """A layer as tipg's collection, with queries of our own."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    layer: Layer
    asked: Asked = Asked()
    reads: Reads | None = None

    @property
    def crs(self) -> str:
        """Return the system it is stored in."""
        return coordinates.STORAGE

    def _condition(
        self,
        bind: Callable[[Any, str], str],
        *,
        ids: list[str] | None,
        bbox: list[float] | None,
        datetime: list[str] | None,
        properties: list[tuple[str, str]] | None,
        cql: Any,
    ) -> str:
        """Return what rows are wanted; every literal is bound."""
        parts = ["true"]
        if ids:
            parts.append(f'"code" = ANY({bind(ids, "text[]")})')
        for name, value in properties or []:
            parts.append(f'CAST("{self._known(name)}" AS text) = {bind(value, "text")}')
        if bbox is not None:
            shape = self._box(bbox, bind)
            parts.append(f"geom && {shape} AND ST_Intersects(geom, {shape})")
        if datetime:
            parts.append(self._during(datetime, bind))
        if cql is not None:
            columns = {c.name: f'"{c.name}"' for c in self.layer.columns()} | {"geom": "geom"}
            system = coordinates.SYSTEMS[self.asked.filter_crs]
            writer = Filter(
                columns, "geom", 4490, 4490 if system in coordinates.LIKE_STORAGE else system, bind
            )
            parts.append(writer.condition(cql))
        return " AND ".join(parts)

    def _known(self, name: str) -> str:
        if name not in {column.name for column in self.layer.columns()}:
            raise InputError("filter_unknown_property", property=name[:80])
        return name

    def _box(self, bbox: list[float], bind: Callable[[Any, str], str]) -> str:
        system = coordinates.SYSTEMS[self.asked.bbox_crs]
        if coordinates.is_northing_first(self.asked.bbox_crs):
            bbox = [bbox[1], bbox[0], bbox[3], bbox[2]]
        sides = ", ".join(bind(side, "double precision") for side in bbox)
        if system in coordinates.LIKE_STORAGE:
            return f"ST_MakeEnvelope({sides}, 4490)"
        return f"ST_Transform(ST_MakeEnvelope({sides}, {system}), 4490)"

    def _during(self, datetime: list[str], bind: Callable[[Any, str], str]) -> str:
        if self.datetime_column is None:
            return "true"
        column = f'"{self.datetime_column.name}"'
        if len(datetime) == 1:
            return f"{column} = CAST({bind(datetime[0], 'text')} AS timestamptz)"
        ends = [
            f"{column} {sign} CAST({bind(end, 'text')} AS timestamptz)"
            for sign, end in ((">=", datetime[0]), ("<=", datetime[1]))
            if end not in {"", ".."}
        ]
        if not ends:
            raise InputError("datetime_open", datetime="/".join(datetime)[:80])
        return " AND ".join(ends)

    def _geometry(self, simplify: float | None, bbox_only: bool | None) -> str:
        system = coordinates.SYSTEMS[self.asked.crs]
        shape = "geom" if system in coordinates.LIKE_STORAGE else f"ST_Transform(geom, {system})"
        if bbox_only:
            shape = f"ST_Envelope({shape})"
        elif simplify:
            shape = f"ST_SimplifyPreserveTopology({shape}, {abs(float(simplify))!r})"
        if coordinates.is_northing_first(self.asked.crs):
            shape = f"ST_FlipCoordinates({shape})"
        return shape

    async def features(  # type: ignore[override]
        self,
        conn: asyncpg.Connection,
        *,
        ids_filter: list[str] | None = None,
        bbox_filter: list[float] | None = None,
        datetime_filter: list[str] | None = None,
        properties_filter: list[tuple[str, str]] | None = None,
        cql_filter: Any = None,
        sortby: str | None = None,
        properties: list[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        bbox_only: bool | None = None,
        simplify: float | None = None,
        geom: str | None = None,
        geom_as_wkt: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """Return a page of features, how many there are in all, and where the pages around are."""
        limit, offset = min(limit or USUAL_FEATURES, MOST_FEATURES), offset or 0
        bound = Bound()
        where = self._condition(
            bound,
            ids=ids_filter,
            bbox=bbox_filter,
            datetime=datetime_filter,
            properties=properties_filter,
            cql=cql_filter,
        )
        degrees = coordinates.SYSTEMS[self.asked.crs] in coordinates.LIKE_STORAGE
        shown = [f'"{name}"' for name in self._shown(properties)]
        shape = self._geometry(simplify, bbox_only)
        written = (
            f"ST_AsText({shape})"
            if geom_as_wkt
            else f"ST_AsGeoJSON({shape}, {GEO_PLACES[degrees]}, 0)"
        )
        columns = ", ".join([*shown, '"code" AS tipg_id', f"{written} AS tipg_geom"])
        rows = await conn.fetch(
            f"SELECT {columns} FROM {self._qualified_name} WHERE {where} "
            f"ORDER BY {self._order(sortby)} LIMIT {limit} OFFSET {offset}",
            *bound.values,
        )
        if self.layer.protected:
            await recorded(conn, _caller.get(), "read", self.layer.name, "", {"ogc": len(rows)})
        items = [_feature(dict(row), as_text=geom_as_wkt) for row in rows]
        after = offset + len(items)
        is_last = len(items) < limit and (items or not offset)
        matched = after if is_last else await self._matched(conn, where, bound.values)
        return {
            "items": items,
            "matched": matched,
            "next": after if after < matched and items else None,
            "prev": max(offset - limit, 0) if offset else None,
        }

    async def _matched(self, conn: asyncpg.Connection, where: str, values: list[Any]) -> int:
        """Return how many rows are wanted: exactly up to a limit, beyond it the planner's guess."""
        rows = f"FROM {self._qualified_name} WHERE {where}"
        count: int = await conn.fetchval(
            f"SELECT count(*) FROM (SELECT 1 {rows} LIMIT {COUNTED_EXACTLY + 1}) counted",
            *values,
        )
        if count <= COUNTED_EXACTLY:
            return count
        plan = await conn.fetchval(f"EXPLAIN (FORMAT JSON) SELECT 1 {rows}", *values)
        return max(count, int(plan[0]["Plan"]["Plan Rows"]))

    def _shown(self, properties: list[str] | None) -> list[str]:
        known = [column.name for column in self.layer.columns()]
        if properties is None:
            return known
        return [name for name in known if name in properties]

    def _order(self, sortby: str | None) -> str:
        parts = []
        for word in (sortby or "").split(","):
            name = word.strip().lstrip("+-")
            if name:
                down = " DESC" if word.strip().startswith("-") else ""
                parts.append(f'"{self._known(name)}"{down}')
        return ", ".join([*parts, '"code"'])

    async def get_tile(
        self,
        conn: asyncpg.Connection,
        *,
        tms: Any,
        tile: Any,
        ids_filter: list[str] | None = None,
        bbox_filter: list[float] | None = None,
        datetime_filter: list[str] | None = None,
        properties_filter: list[tuple[str, str]] | None = None,
        cql_filter: Any = None,
        properties: list[str] | None = None,
        limit: int | None = None,
        **_: Any,
    ) -> bytes:
        """Return a tile of Web Mercator; each geometry is kept in that system already."""
        if max(tile.x, tile.y) >= 2**tile.z or min(tile) < 0 or tile.z > 22:
            raise NotFoundError("no_such_tile", z=tile.z, x=tile.x, y=tile.y)
        bound = Bound()
        where = self._condition(
            bound,
            ids=ids_filter,
            bbox=bbox_filter,
            datetime=datetime_filter,
            properties=properties_filter,
            cql=cql_filter,
        )
        square = f"ST_TileEnvelope({tile.z}, {tile.x}, {tile.y})"
        shown = [f'"{name}"' for name in self._shown(properties)]
        drawn = f"ST_AsMVTGeom(geom_3857, {square}) AS shape"
        count = min(limit or MOST_TILE_FEATURES, MOST_TILE_FEATURES)
        body: bytes | None = await conn.fetchval(
            f"WITH drawn AS (SELECT {', '.join([*shown, drawn])} FROM {self._qualified_name} "
            f"WHERE geom && ST_Transform({square}, {STORAGE_SRID}) AND {where} LIMIT {count}) "
            f"SELECT ST_AsMVT(drawn, {bound(self.id, 'text')}, 4096, 'shape') FROM drawn",
            *bound.values,
        )
        if self.layer.protected and self.reads is not None:
            here = Tile(tile.z, tile.x, tile.y).degrees()
            self.reads.note(_caller.get(), [self.layer.name], here)
        return bytes(body or b"")


def _feature(row: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    """Return a row as a feature; GeoJSON as the database wrote it goes into the answer as it is."""
    geometry, number = row.pop("tipg_geom"), row.pop("tipg_id")
    shape = geometry if as_text or geometry is None else orjson.Fragment(geometry)
    return {"type": "Feature", "geometry": shape, "id": number, "properties": row}


class Features(OGCFeaturesFactory):
    """tipg's routes, with the two links that each feature has made without its search of routes."""

    def url_for(self, request: Request, name: str, **path_params: Any) -> str:
        """Return the address of a route."""
        if name not in {"collection", "item"}:
            return str(super().url_for(request, name, **path_params))
        address = f"{request.base_url}ogc/collections/{path_params['collectionId']}"
        if name == "item":
            address += f"/items/{quote(str(path_params['itemId']), safe='')}"
        return address


def _made(layer: Layer) -> LayerCollection:
    """Return a layer as tipg's collection."""
    columns = [TipgColumn(name=column.name, type=kind_of(column)) for column in layer.columns()]
    kind = next(
        column.type.geometry_type
        for column in layer.source.columns
        if column.name == "geom" and isinstance(column.type, Geometry)
    )
    shape = TipgColumn(name="geom", type="geometry", geometry_type=kind, srid=4490)
    schema, table = (part.strip('"') for part in source_name(layer.source).split("."))
    return LayerCollection(
        type="Table",
        id=layer.name,
        table=table,
        schema=schema,
        table_columns=[*columns, shape],
        properties=[*columns, shape],
        id_column=next(column for column in columns if column.name == "code"),
        geometry_column=shape,
        datetime_column=next((c for c in columns if c.type == "timestamptz"), None),
        layer=layer,
    )


_COLLECTIONS = {name: _made(layer) for name, layer in LAYERS.items()}

_CRS = Query(max_length=200, description="URI of a coordinate system")


def _collection(
    request: Request,
    collectionId: Annotated[str, Path(max_length=100)],
    crs: Annotated[str | None, _CRS] = None,
    bbox_crs: Annotated[str | None, Query(alias="bbox-crs", max_length=200)] = None,
    filter_crs: Annotated[str | None, Query(alias="filter-crs", max_length=200)] = None,
) -> LayerCollection:
    layer = layer_of(collectionId, _caller.get().role)
    given = {"crs": crs, "bbox_crs": bbox_crs, "filter_crs": filter_crs}
    asked = Asked(**{name: coordinates.uri_of(value) for name, value in given.items() if value})
    request.state.crs = asked.crs
    more = {"asked": asked, "reads": request.app.state.reads}
    return _COLLECTIONS[layer.name].model_copy(update=more)


def _bbox(
    bbox: Annotated[str | None, Query(max_length=200, description="Spatial filter.")] = None,
) -> list[float] | None:
    """Return a box; six numbers have heights, which are left out."""
    if not bbox:
        return None
    try:
        sides = [float(part) for part in bbox.split(",")]
    except ValueError:
        raise InputError("bad_bbox", bbox=bbox) from None
    if len(sides) == 6:
        sides = [*sides[:2], *sides[3:5]]
    finite = all(abs(side) < 1e9 for side in sides)
    if len(sides) != 4 or not finite or sides[0] > sides[2] or sides[1] > sides[3]:
        raise InputError("bad_bbox", bbox=bbox)
    return sides


def _filter(
    query: Annotated[str | None, Query(alias="filter", description="CQL2 filter")] = None,
    filter_lang: Annotated[
        str | None, Query(alias="filter-lang", pattern="^cql2-(text|json)$")
    ] = None,
) -> Any:
    return None if query is None else parsed(query)


_OWN = {"/collections", "/collections/{collectionId}"}


def create_ogc(pool: Pool, reads: Reads) -> FastAPI:
    """Return the application to be mounted at ``/ogc``."""
    app = FastAPI(title="Gridatlas OGC API", docs_url=None, redoc_url=None, openapi_url="/api")
    app.state.pool = CallersPool(pool)
    app.state.reads = reads
    problems.install(app)
    app.exception_handler(TiPgError)(_of_tipg)
    app.exception_handler(asyncpg.PostgresError)(_of_database)
    app.dependency_overrides |= {bbox_query: _bbox, filter_query: _filter}
    app.add_middleware(AsCaller)
    _own_routes(app)
    for factory in (Features, OGCTilesFactory):
        more = {} if factory is Features else {"with_viewer": False, "supported_tms": _TMS}
        made = factory(
            collection_dependency=_collection,
            router_prefix="ogc",
            with_common=False,
            **more,  # type: ignore[arg-type]
        )
        for route in made.router.routes:  # tipg makes links by their names
            if getattr(route, "path", "") in _OWN:
                route.include_in_schema = False  # type: ignore[attr-defined]
        app.include_router(made.router)
    description.describe(app, 404)
    return app


class AsCaller:
    """Finds out who asks, and says in which system the answer is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer under the caller's role."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            _caller.set(await _who(request))
        except NotSignedInError as error:
            await problems.of_gridatlas(request, error)(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                crs = scope.get("state", {}).get("crs")
                if crs and message["status"] == 200:
                    headers["Content-Crs"] = f"<{crs}>"
                headers.setdefault("Cache-Control", "no-cache")
                headers["Vary"] = "Accept, Authorization"
            await send(message)

        await self.app(scope, receive, told)


async def _who(request: Request) -> Caller:
    given = request.headers.get("authorization")
    if not given:
        return ANYONE
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedInError("token_invalid")
    return await caller_of(request.app.state.pool.plain, token.strip())


def _of_tipg(request: Request, error: Exception) -> Response:
    return problems.problem(request, 404 if "NotFound" in type(error).__name__ else 400, str(error))


def _of_database(request: Request, error: Exception) -> Response:
    """Answer for what the database refused: a filter whose types don't fit is the caller's."""
    state = getattr(error, "sqlstate", None) or ""
    if state == "42501":
        return problems.of_gridatlas(request, NotFoundError("no_layer_here", layer="", layers=""))
    if state[:2] in {"22", "42", "XX"} and state != "42P01":
        return problems.of_gridatlas(request, InputError("filter_unfit", said=str(error)[:200]))
    return problems.of_database(request, error)


def _own_routes(app: FastAPI) -> None:
    """Add what tipg would tell otherwise: the entrance, conformance, and the collections."""

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
        return JSONResponse({"conformsTo": CONFORMS})

    @app.get("/collections")
    def collections(request: Request) -> JSONResponse:
        base = f"{request.base_url}ogc"
        shown = [_described(base, name) for name in offered(_caller.get().role)]
        links = [_link("self", f"{base}/collections", "Collections")]
        body = {"links": links, "collections": shown, "numberMatched": len(shown)}
        body |= {"numberReturned": len(shown), "crs": list(coordinates.SYSTEMS)}
        return JSONResponse(body)

    @app.get("/collections/{collectionId}")
    def collection(
        request: Request, found: Annotated[LayerCollection, Depends(_collection)]
    ) -> JSONResponse:
        request.state.crs = None
        return JSONResponse(_described(f"{request.base_url}ogc", found.id))


def _described(base: str, name: str) -> dict[str, Any]:
    here = f"{base}/collections/{name}"
    return {
        "id": name,
        "title": name,
        "itemType": "feature",
        "links": [
            _link("self", here, name),
            _link("items", f"{here}/items", "Items", "application/geo+json"),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/queryables",
                f"{here}/queryables",
                "Queryables",
                "application/schema+json",
            ),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector", f"{here}/tiles", "Tiles"
            ),
        ],
        "crs": list(coordinates.SYSTEMS),
        "storageCrs": coordinates.STORAGE,
    }


def _link(rel: str, href: str, title: str, kind: str = "application/json") -> dict[str, str]:
    return {"rel": rel, "href": href, "title": title, "type": kind}
