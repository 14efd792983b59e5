"""``/ogc``: OGC API Features (parts 1, 2, 3 and 5) and Tiles, under the caller's role.

:data:`RESOURCES` lists the resources with what each accepts and answers with; requests are checked
against it, and :mod:`api.ogc.description` describes the API from it.
"""

from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from starlette.datastructures import State
from starlette.responses import Response
from starlette.routing import Route

from api.core import problems
from api.core.caller import PUBLIC_CALLER, Caller, caller_from_token
from api.ogc import features, landing, tilesets
from api.ogc.extents import ExtentCache
from api.ogc.query_parameters import (
    CRS,
    DATETIME,
    OFFSET,
    PROPERTIES,
    SELECTION,
    SORTBY,
    check_names,
)
from api.ogc.representation import (
    API_DEFINITION,
    DOCUMENT,
    FEATURE,
    FEATURES,
    SCHEMA_DOCUMENT,
    Call,
    find_collection,
    negotiate,
)
from api.ogc.resource import Resource
from geo.errors import InputError, NotFoundError, NotSignedInError

_TILES = "/tiles/{tileMatrixSetId}"
_TILE = "/{tileMatrix}/{tileCol}/{tileRow}"
_COLLECTION = "/collections/{collectionId}"
_TILE_FORMAT = {"mvt": "application/vnd.mapbox-vector-tile"}
_JSON = {"json": "application/json"}
_TILESET = DOCUMENT | {"tilejson": "application/json"}  # type: ignore[operator]

RESOURCES: tuple[Resource, ...] = (
    Resource("/", "getLandingPage", landing.show_landing_page, DOCUMENT),
    Resource("/api", "getApiDefinition", landing.show_api, API_DEFINITION),
    Resource("/conformance", "getConformance", landing.show_conformance, DOCUMENT),
    Resource("/collections", "getCollections", features.list_collections, DOCUMENT),
    Resource(_COLLECTION, "describeCollection", features.show_collection, DOCUMENT),
    Resource(f"{_COLLECTION}/schema", "getSchema", features.show_schema, SCHEMA_DOCUMENT),
    Resource(
        f"{_COLLECTION}/queryables", "getQueryables", features.show_queryables, SCHEMA_DOCUMENT
    ),
    Resource(f"{_COLLECTION}/sortables", "getSortables", features.show_sortables, SCHEMA_DOCUMENT),
    Resource(
        f"{_COLLECTION}/items",
        "getFeatures",
        features.list_items,
        FEATURES,
        (*SELECTION, OFFSET, SORTBY, CRS),
        filters_properties=True,
    ),
    Resource(
        f"{_COLLECTION}/items/{{featureId}}",
        "getFeature",
        features.show_item,
        FEATURE,
        (CRS, PROPERTIES, DATETIME),
    ),
    Resource("/tileMatrixSets", "getTileMatrixSetsList", tilesets.list_tile_matrix_sets, DOCUMENT),
    Resource(
        "/tileMatrixSets/{tileMatrixSetId}",
        "getTileMatrixSet",
        tilesets.show_tile_matrix_set,
        DOCUMENT,
    ),
    *(
        resource
        for prefix, name in (("", "dataset"), (_COLLECTION, "collection"))
        for resource in (
            Resource(
                f"{prefix}/tiles",
                f"{name}.vector.getTileSetsList",
                tilesets.list_tilesets,
                DOCUMENT,
            ),
            Resource(
                f"{prefix}{_TILES}", f"{name}.vector.getTileSet", tilesets.show_tileset, _TILESET
            ),
            Resource(
                f"{prefix}{_TILES}/tilejson.json",
                f"{name}.vector.getTileJson",
                tilesets.show_tilejson,
                _JSON,
            ),
            Resource(
                f"{prefix}{_TILES}/style.json",
                f"{name}.vector.getStyle",
                tilesets.show_style,
                _JSON,
            ),
        )
    ),
    Resource(f"{_TILES}{_TILE}", "dataset.vector.getTile", tilesets.show_city_tile, _TILE_FORMAT),
    Resource(
        f"{_COLLECTION}{_TILES}{_TILE}",
        "collection.vector.getTile",
        tilesets.show_tile,
        _TILE_FORMAT,
        SELECTION,
        filters_properties=True,
    ),
)


def create_ogc(state: State) -> FastAPI:
    """Return the application to mount at ``/ogc``, which shares the state of the main one."""
    app = FastAPI(
        title="Gridatlas OGC API",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=[
            Route(
                resource.path.replace("{featureId}", "{featureId:path}"),
                _endpoint(resource),
                methods=["GET"],
                name=resource.operation,
            )
            for resource in RESOURCES
        ],
    )
    app.state = state
    state.extents = ExtentCache()
    state.ogc_resources = RESOURCES
    problems.install_handlers(app)
    app.exception_handler(asyncpg.PostgresError)(_handle_database_error)
    return app


def _endpoint(resource: Resource) -> Any:
    """Return the endpoint that checks a request and passes it on."""

    async def respond(request: Request) -> Response:
        caller = await _identify_caller(request)
        names = resource.parameter_names
        if "collectionId" in request.path_params:
            collection = find_collection(request.path_params["collectionId"], caller)
            if resource.filters_properties:
                names = names | collection.columns.keys()
        check_names(request.query_params, names)
        call = Call(
            request,
            caller,
            negotiate(request, resource.formats),
            resource.formats,
            problems.preferred_language(request),
        )
        return await resource.respond(call)

    return respond


async def _identify_caller(request: Request) -> Caller:
    authorization = request.headers.get("authorization")
    if not authorization:
        return PUBLIC_CALLER
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedInError("token_invalid")
    return await caller_from_token(request.app.state.pool, token.strip())


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
