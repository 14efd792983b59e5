"""Responses: pages of lists and of GeoJSON features with links, and bodies with ETags."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel, TypeAdapter
from pydantic.json_schema import JsonSchemaValue, SkipJsonSchema
from pydantic_core import CoreSchema
from sqlalchemy import RowMapping
from starlette.responses import JSONResponse, Response

from api.core.parameters import Page

GEOJSON = "application/geo+json"
JSON = "application/json"

Item = TypeVar("Item")


class StrictModel(BaseModel):
    """A request, or a part of a response, that has no fields beyond the described ones."""

    model_config = ConfigDict(extra="forbid")


class DescribedBy:
    """Describe a dictionary in OpenAPI by a model, without validating what is sent."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the model."""
        return handler(TypeAdapter(self.model).core_schema)


Position = Annotated[list[float], Field(min_length=2, max_length=4)]


class Point(BaseModel):
    """A GeoJSON point."""

    type: Literal["Point"]
    coordinates: Position


class MultiPoint(BaseModel):
    """Several points as one GeoJSON geometry."""

    type: Literal["MultiPoint"]
    coordinates: list[Position]


class LineString(BaseModel):
    """A GeoJSON line."""

    type: Literal["LineString"]
    coordinates: list[Position]


class MultiLineString(BaseModel):
    """Several lines as one GeoJSON geometry."""

    type: Literal["MultiLineString"]
    coordinates: list[list[Position]]


class Polygon(BaseModel):
    """A GeoJSON polygon: the outer ring, then holes."""

    type: Literal["Polygon"]
    coordinates: list[list[Position]]


class MultiPolygon(BaseModel):
    """Several polygons as one GeoJSON geometry."""

    type: Literal["MultiPolygon"]
    coordinates: list[list[list[Position]]]


class GeometryCollection(BaseModel):
    """GeoJSON geometries of any kind as one."""

    type: Literal["GeometryCollection"]
    geometries: list[Point | MultiPoint | LineString | MultiLineString | Polygon | MultiPolygon]


class AnyGeometry(
    RootModel[
        Point
        | MultiPoint
        | LineString
        | MultiLineString
        | Polygon
        | MultiPolygon
        | GeometryCollection
    ]
):
    """A GeoJSON geometry (RFC 7946); coordinates are CGCS2000, longitude first."""


class ArealGeometry(RootModel[Polygon | MultiPolygon]):
    """A GeoJSON polygon or several; coordinates are CGCS2000, longitude first."""


Geometry = Annotated[dict[str, Any], DescribedBy(AnyGeometry)]

OptionalBox = tuple[float, float, float, float] | SkipJsonSchema[None]
"""West, south, east, north; left out, never null, where there is no geometry."""

Properties = TypeVar("Properties")


class GeoJson(JSONResponse):
    """GeoJSON (RFC 7946), the response class of routes that answer with it."""

    media_type = GEOJSON


class Link(BaseModel):
    """A link to a page of a list."""

    rel: str
    type: str
    href: str


class Feature(StrictModel, Generic[Properties]):
    """A GeoJSON feature (RFC 7946); coordinates are CGCS2000, longitude first."""

    type: Literal["Feature"]
    id: str
    bbox: OptionalBox = None
    geometry: Geometry | None
    properties: Properties


class AreaFeature(Feature[Properties], Generic[Properties]):
    """A GeoJSON feature that is a polygon or several."""

    geometry: Annotated[dict[str, Any], DescribedBy(ArealGeometry)]


class _Features(StrictModel):
    """A page of features; ``bbox`` and ``numberMatched`` describe the whole list."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815 (the standard's spelling)
    numberReturned: int  # noqa: N815
    bbox: OptionalBox = None
    links: list[Link]


class Collection(_Features, Generic[Properties]):
    """A page of features; ``bbox`` and ``numberMatched`` describe the whole list."""

    features: list[Feature[Properties]]


class AreaCollection(_Features, Generic[Properties]):
    """A page of polygons; ``bbox`` and ``numberMatched`` describe the whole list."""

    features: list[AreaFeature[Properties]]


class Listing(BaseModel, Generic[Item]):
    """A page of a list; ``numberMatched`` counts the whole list."""

    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    links: list[Link]
    items: list[Item]


def file_response(
    content: bytes,
    media_type: str,
    name: str,
    disposition: Literal["attachment", "inline"] = "attachment",
) -> Response:
    """Return a file made for the caller, which no cache keeps."""
    headers = {
        "Content-Disposition": f'{disposition}; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=media_type, headers=headers)


def listing(request: Request, items: Sequence[BaseModel], page: Page, matched: int) -> Response:
    """Return a page of a list with links to the pages around it."""
    body = {
        "numberMatched": matched,
        "numberReturned": len(items),
        "links": _links(request, page, matched, JSON),
        "items": [item.model_dump(mode="json") for item in items],
    }
    return etag_response(request, orjson.dumps(body), JSON)


def collection(
    request: Request,
    features: list[dict[str, Any]],
    page: Page,
    matched: int,
    extent: RowMapping | None = None,
) -> Response:
    """Return a page of features with links to the pages around it."""
    body = feature_collection(features, matched, _links(request, page, matched, GEOJSON))
    box = bbox_of(extent)
    return etag_response(request, orjson.dumps(body | ({"bbox": box} if box else {})), GEOJSON)


def feature_collection(
    features: list[dict[str, Any]], matched: int, links: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """Return features as the GeoJSON of a page, or of a whole list, which has no links."""
    return {
        "type": "FeatureCollection",
        "numberMatched": matched,
        "numberReturned": len(features),
        "links": list(links),
        "features": features,
    }


def feature(row: RowMapping, properties: dict[str, Any], **id_of: str) -> dict[str, Any]:
    """Return a row with the columns ``geojson`` and ``west`` .. ``north`` as a feature."""
    geometry = orjson.Fragment(row["geojson"]) if row["geojson"] else None
    body = {"type": "Feature", "geometry": geometry, "properties": properties} | id_of
    box = bbox_of(row)
    return body | ({"bbox": box} if box else {})


def bbox_of(row: RowMapping | None) -> list[float] | None:
    """Return the columns ``west``, ``south``, ``east``, ``north`` as a GeoJSON bbox."""
    if row is None or row["west"] is None:
        return None
    return [round(row[side], 7) for side in ("west", "south", "east", "north")]


def etag_response(request: Request, body: bytes, media_type: str, *, max_age: int = 0) -> Response:
    """Return a body with a weak ETag, 204 if it is empty, or 304 if the client has it.

    The ETag is weak because the same body is sent plain and compressed.
    """
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    freshness = f"max-age={max_age}" if max_age else "no-cache"
    headers = {"ETag": tag, "Cache-Control": freshness, "Vary": "Accept-Language"}
    if etag_matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    if not body:
        return Response(status_code=204, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def revision_etag_response(request: Request, body: bytes, revision: int) -> Response:
    """Return a body with its revision and digest as the ETag, or 304 if the client has it.

    The digest tells changes that are no edit, such as a new score. ``If-Match`` takes the ETag.
    """
    digest = hashlib.sha256(body).hexdigest()[:12]
    tag = f'"{revision}-{digest}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Language"}
    if etag_matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


def is_not_modified(request: Request, tag: str) -> bool:
    """Return whether the client has the representation of an ETag."""
    return etag_matches(request.headers.get("if-none-match", ""), tag)


def etag_matches(header: str, tag: str) -> bool:
    """Return whether a header ``If-None-Match`` names an ETag (weak comparison)."""
    etags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in etags or tag.removeprefix("W/") in etags


def _links(request: Request, page: Page, matched: int, media_type: str) -> list[dict[str, str]]:
    offsets = {"self": page.offset}
    if page.offset + page.limit < matched:
        offsets["next"] = page.offset + page.limit
    if page.offset > 0:
        offsets["prev"] = max(0, page.offset - page.limit)
    return [
        {
            "rel": rel,
            "type": media_type,
            "href": str(request.url.include_query_params(limit=page.limit, offset=offset)),
        }
        for rel, offset in offsets.items()
    ]
