"""The description of the OGC API in OpenAPI 3.0, made from its resources."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from api.core import problems
from api.ogc.resource import Resource

VERSION = "3.0.3"
_PROBLEMS = (400, 401, 404, 503)
_TILE_NUMBERS = {"tileMatrix", "tileCol", "tileRow"}
_TAGS = {"collections": "Data", "tiles": "Tiles", "tileMatrixSets": "Tiles"}

_SCHEMAS: dict[str, Any] = {
    "Link": {
        "type": "object",
        "required": ["href", "rel"],
        "properties": {
            "href": {"type": "string"},
            "rel": {"type": "string"},
            "type": {"type": "string"},
            "title": {"type": "string"},
            "templated": {"type": "boolean"},
        },
    },
    "Document": {
        "type": "object",
        "properties": {"links": {"type": "array", "items": {"$ref": "#/components/schemas/Link"}}},
    },
    "Feature": {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "id": {"type": "string"},
            "geometry": {"type": "object", "nullable": True},
            "properties": {"type": "object", "nullable": True},
            "links": {"type": "array", "items": {"$ref": "#/components/schemas/Link"}},
        },
    },
    "FeatureCollection": {
        "type": "object",
        "required": ["type", "features"],
        "properties": {
            "type": {"type": "string", "enum": ["FeatureCollection"]},
            "features": {"type": "array", "items": {"$ref": "#/components/schemas/Feature"}},
            "links": {"type": "array", "items": {"$ref": "#/components/schemas/Link"}},
            "timeStamp": {"type": "string", "format": "date-time"},
            "numberMatched": {"type": "integer", "minimum": 0},
            "numberReturned": {"type": "integer", "minimum": 0},
        },
    },
}
_SCHEMA_OF_OPERATION = {"getFeatures": "FeatureCollection", "getFeature": "Feature"}


def describe_api(resources: Iterable[Resource], base: str) -> dict[str, Any]:
    """Return the OpenAPI document.

    Parameters
    ----------
    base
        Address of the landing page.
    """
    return {
        "openapi": VERSION,
        "info": {
            "title": "Gridatlas OGC API",
            "version": "1.0.0",
            "description": "Features and tiles of a city and its grids. Errors are problem "
            "documents (RFC 9457).",
        },
        "servers": [{"url": base}],
        "tags": [{"name": name} for name in ("Capabilities", "Data", "Tiles")],
        "paths": {resource.path: {"get": _operation(resource)} for resource in resources},
        "components": {
            "schemas": _SCHEMAS | {"Problem": problems.Problem.model_json_schema()},
        },
    }


def _operation(resource: Resource) -> dict[str, Any]:
    first = resource.path.strip("/").split("/")
    tag = "Tiles" if "tiles" in first else _TAGS.get(first[0], "Capabilities")
    summary = (resource.respond.__doc__ or "").partition("\n")[0]
    if resource.filters_properties:
        summary += " Each property of the collection is a parameter too, for an equal value."
    return {
        "operationId": resource.operation,
        "summary": summary,
        "tags": [tag],
        "parameters": [
            *(_path_parameter(name) for name in resource.path_parameters),
            *(parameter.describe() for parameter in resource.parameters),
            _format_parameter(resource),
        ],
        "responses": _responses(resource),
    }


def _path_parameter(name: str) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "string"}
    if name in _TILE_NUMBERS:
        kind = {"type": "integer", "minimum": 0}
    elif name == "tileMatrixSetId":
        kind = {"type": "string", "enum": ["WebMercatorQuad"]}
    return {"name": name, "in": "path", "required": True, "schema": kind, "description": name}


def _format_parameter(resource: Resource) -> dict[str, Any]:
    return {
        "name": "f",
        "in": "query",
        "required": False,
        "style": "form",
        "explode": False,
        "schema": {"type": "string", "enum": list(resource.formats)},
        "description": "Format of the response; by default that of the header Accept.",
    }


def _responses(resource: Resource) -> dict[str, Any]:
    name = _SCHEMA_OF_OPERATION.get(resource.operation, "Document")
    content = {
        kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}
        if "json" in kind
        else {"schema": {"type": "string"}}
        for kind in dict.fromkeys(resource.formats.values())
    }
    responses: dict[str, Any] = {
        "200": {"description": "The resource", "content": content},
        "304": {"description": "The client has it already"},
    }
    if resource.operation.endswith("getTile"):
        responses["204"] = {"description": "The tile is empty"}
    for status in _PROBLEMS:
        responses[str(status)] = problems.describe_problem(HTTPStatus(status))
    return dict(sorted(responses.items()))
