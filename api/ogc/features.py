"""Collections, their schemas, and their features (OGC API Features, parts 1, 2, 3 and 5)."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from starlette.responses import Response

from api.core import coordinates
from api.core.audit import record_async
from api.core.public_layers import layers_for_role
from api.ogc.collections import COLLECTIONS, Collection, Extent, Page
from api.ogc.cql import parse_filter
from api.ogc.extents import read_extents
from api.ogc.query_parameters import (
    DEFAULT_FEATURES,
    LIMIT,
    OFFSET,
    SELECTION,
    SORTBY,
    Selection,
    read_bbox,
    read_crs,
    read_list,
    read_number,
    read_period,
)
from api.ogc.representation import (
    GEOJSON_SEQUENCE,
    REL_QUERYABLES,
    REL_SCHEMA,
    REL_SORTABLES,
    REL_TILESETS,
    SCHEMA,
    Call,
    Link,
    answer,
    link,
    respond_with_etag,
    time_stamp,
)
from geo.errors import InputError, NotFoundError
from geo.messages import text
from geo.spreadsheet import csv_cell

GDAL_PAGE = ("application/geo+json, application/json", 10)
"""Header ``Accept`` and limit of the requests of GDAL up to 3.6, which follows links to the next
page but never asks for more than 10 features itself."""

RECORD_SEPARATOR = b"\x1e"
_GEOMETRY_FORMATS = {
    "POINT": "geometry-point",
    "LINESTRING": "geometry-linestring",
    "POLYGON": "geometry-polygon",
    "MULTIPOINT": "geometry-multipoint",
    "MULTILINESTRING": "geometry-multilinestring",
    "MULTIPOLYGON": "geometry-multipolygon",
}


async def list_collections(call: Call) -> Response:
    """Return the collections that the caller may read."""
    names = list(layers_for_role(call.caller.role))
    extents = await read_extents(call, names)
    items = [describe_collection(call, COLLECTIONS[name], extents[name]) for name in names]
    document = {
        "title": call.title("collections"),
        "links": call.self_links(),
        "collections": items,
        "numberMatched": len(items),
        "numberReturned": len(items),
        "crs": list(coordinates.EPSG_BY_URI),
    }
    return answer(call, document, "collections")


async def show_collection(call: Call) -> Response:
    """Return one collection."""
    collection = call.collection
    extents = await read_extents(call, [collection.id])
    document = describe_collection(call, collection, extents[collection.id])
    document["links"] = [*call.self_links(), *document["links"][1:]]
    return answer(call, document, "collection")


def describe_collection(call: Call, collection: Collection, extent: Extent) -> dict[str, Any]:
    """Return the description of a collection."""
    url = f"{call.base}/collections/{collection.id}"
    title = call.layer_title(collection.id)
    return {
        "id": collection.id,
        "title": title,
        "extent": describe_extent(extent),
        "itemType": "feature",
        "links": [
            link("self", url, title),
            link("items", f"{url}/items", call.title("items"), "application/geo+json"),
            link("items", f"{url}/items?f=html", call.title("items"), "text/html"),
            link(REL_QUERYABLES, f"{url}/queryables", call.title("queryables"), SCHEMA),
            link(REL_SORTABLES, f"{url}/sortables", call.title("sortables"), SCHEMA),
            link(REL_SCHEMA, f"{url}/schema", call.title("schema"), SCHEMA),
            link(REL_TILESETS, f"{url}/tiles", call.title("tiles")),
        ],
        "crs": list(coordinates.EPSG_BY_URI),
        "storageCrs": coordinates.STORAGE,
    }


def describe_extent(extent: Extent) -> dict[str, Any]:
    """Return an extent in the form of OGC 17-069r4, /req/core/fc-md-extent."""
    start = (
        None
        if extent.start is None
        else str(extent.start.isoformat(timespec="seconds").replace("+00:00", "Z"))
    )
    temporal = {
        "interval": [[start, None]],
        "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
    }
    if extent.bounds is None:
        return {"temporal": temporal}
    spatial = {"bbox": [list(extent.bounds)], "crs": coordinates.CRS84}
    return {"spatial": spatial, "temporal": temporal}


async def show_schema(call: Call) -> Response:
    """Return the schema of features (part 5): properties, their types and their roles."""
    return _answer_schema(call, "schema", with_geometry=True, closed=False)


async def show_queryables(call: Call) -> Response:
    """Return the properties that a filter may name (part 3)."""
    return _answer_schema(call, "queryables", with_geometry=True, closed=True)


async def show_sortables(call: Call) -> Response:
    """Return the properties by which features may be sorted (part 5)."""
    return _answer_schema(call, "sortables", with_geometry=False, closed=True)


def _answer_schema(call: Call, kind: str, *, with_geometry: bool, closed: bool) -> Response:
    collection = call.collection
    properties = _property_schemas(call, collection)
    if with_geometry:
        format = _GEOMETRY_FORMATS.get(collection.geometry_type, "geometry-any")
        properties["geom"] = {
            "title": call.title("geometry"),
            "format": format,
            "x-ogc-role": "primary-geometry",
        }
    for number, schema in enumerate(properties.values(), 1):
        schema["x-ogc-propertySeq"] = number
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{call.base}/collections/{collection.id}/{kind}",
        "type": "object",
        "title": call.layer_title(collection.id),
        "properties": properties,
        "additionalProperties": not closed,
    }
    if call.format == "html":
        document["links"] = call.self_links()
    return answer(call, document, "schema")


def _property_schemas(call: Call, collection: Collection) -> dict[str, dict[str, Any]]:
    roles = {"code": "id", "valid_from": "primary-interval-start"}
    schemas = {}
    for name in collection.columns:
        schema = {"title": text(f"field.{name}", lang=call.lang)}
        schema |= collection.property_schema(name)
        if name in roles:
            schema["x-ogc-role"] = roles[name]
        schemas[name] = schema
    return schemas


def read_selection(call: Call) -> Selection:
    """Return what the query parameters select.

    Raises
    ------
    InputError
        If a parameter is invalid.
    """
    query = call.request.query_params
    reserved = {parameter.name for parameter in (*SELECTION, OFFSET, SORTBY)} | {"crs", "f"}
    bbox_crs = read_crs(query, "bbox-crs")
    language = query.get("filter-lang", "cql2-text")
    if language not in {"cql2-text", "cql2-json"}:
        raise InputError("filter_language", language=language[:40])
    condition = query.get("filter")
    return Selection(
        bbox=read_bbox(query, bbox_crs),
        period=read_period(query),
        condition=None if condition is None else parse_filter(condition),
        ids=read_list(query, "ids"),
        equal=[(name, value) for name, value in query.items() if name not in reserved],
        properties=read_list(query, "properties"),
        sortby=read_list(query, "sortby") or [],
        limit=read_number(query, LIMIT),
        offset=read_number(query, OFFSET) or 0,
        crs=read_crs(query, "crs"),
        bbox_crs=bbox_crs,
        filter_crs=read_crs(query, "filter-crs"),
    )


async def list_items(call: Call) -> Response:
    """Return a page of features."""
    collection, selection = call.collection, read_selection(call)
    state = call.request.app.state
    async with state.pool.transaction_as(call.caller) as connection:
        page = await collection.read_page(connection, selection, as_text=call.format == "csv")
        if collection.layer.is_protected:
            detail = {"ogc": len(page.features)}
            await record_async(connection, call.caller, "read", collection.id, "", detail)
    links = [*call.self_links(), *_page_links(call, selection, page)]
    if call.format == "html":
        return _items_page(call, collection, page, links)
    if call.format == "csv":
        lines = "".join(_csv_lines(collection, selection, page.features)).encode()
        return respond_with_etag(call.request, lines, "text/csv; charset=utf-8", crs=selection.crs)
    if call.format in {"geojsonseq", "ndjson"}:
        start = RECORD_SEPARATOR if call.media_type == GEOJSON_SEQUENCE else b""
        lines = b"".join(start + orjson.dumps(feature) + b"\n" for feature in page.features)
        return respond_with_etag(call.request, lines, call.media_type, crs=selection.crs)
    document = {
        "type": "FeatureCollection",
        "links": links,
        "numberMatched": page.matched,
        "numberReturned": len(page.features),
        "features": page.features,
    }
    content = orjson.dumps(document)
    body = b'%b,"timeStamp":"%b"}' % (content[:-1], time_stamp().encode())
    return respond_with_etag(
        call.request, body, call.media_type, content=content, crs=selection.crs
    )


def _page_links(call: Call, selection: Selection, page: Page) -> list[Link]:
    limit = selection.limit or DEFAULT_FEATURES
    offset, end = selection.offset, selection.offset + len(page.features)
    links = []
    if end < page.matched and page.features:
        is_gdal = (call.request.headers.get("accept"), limit) == GDAL_PAGE
        address = call.address(offset=end, limit=DEFAULT_FEATURES if is_gdal else limit)
        links.append(link("next", address, call.title("next"), call.media_type))
    if offset:
        address = call.address(offset=max(offset - limit, 0), limit=limit)
        links.append(link("prev", address, call.title("prev"), call.media_type))
    url = f"{call.base}/collections/{call.request.path_params['collectionId']}"
    return [*links, link("collection", url, call.title("collection"))]


def _items_page(call: Call, collection: Collection, page: Page, links: list[Link]) -> Response:
    document = {
        "title": call.layer_title(collection.id),
        "links": links,
        "numberMatched": page.matched,
        "features": page.features,
        "columns": list(page.features[0]["properties"]) if page.features else [],
        "item": f"{call.base}/collections/{collection.id}/items",
        "map": call.address(f="geojson"),
    }
    return answer(call, document, "items")


def _csv_lines(
    collection: Collection, selection: Selection, features: Iterable[dict[str, Any]]
) -> Iterator[str]:
    """Yield the lines of a CSV file, with cells escaped as in the other exports."""
    writer: Any = None
    buffer = io.StringIO()
    for feature in features:
        row = {"id": feature["id"], **feature["properties"], "geometry": feature["geometry"]}
        if writer is None:
            writer = csv.DictWriter(buffer, fieldnames=list(row))
            writer.writeheader()
        writer.writerow({name: csv_cell(value) for name, value in row.items()})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


async def show_item(call: Call) -> Response:
    """Return one feature.

    Raises
    ------
    NotFoundError
        If the collection has no such feature.
    """
    collection, query = call.collection, call.request.query_params
    code = call.request.path_params["featureId"]
    selection = Selection(
        ids=[code],
        period=read_period(query),
        properties=read_list(query, "properties"),
        limit=2,  # one row is then the last page, which needs no count
        crs=read_crs(query, "crs"),
    )
    async with call.request.app.state.pool.transaction_as(call.caller) as connection:
        page = await collection.read_page(connection, selection)
        if not page.features:
            raise NotFoundError("no_such_feature", layer=collection.id, code=code[:100])
        if collection.layer.is_protected:
            await record_async(connection, call.caller, "read", collection.id, "", {"ogc": 1})
    [feature] = page.features
    url = f"{call.base}/collections/{collection.id}"
    links = [*call.self_links(), link("collection", url, call.layer_title(collection.id))]
    if call.format == "html":
        title = feature["properties"].get("name") or code
        shown = feature | {"title": title, "links": links, "map": call.address(f="geojson")}
        return answer(call, shown, "item")
    body = orjson.dumps(feature | {"links": links})
    return respond_with_etag(call.request, body, call.media_type, crs=selection.crs)
