"""Tile matrix sets, tilesets, TileJSON, styles and tiles (OGC API Tiles).

A tileset holds one collection, or all layers of the city map: the latter are the tiles of
:mod:`api.tiles.tiles`.
"""

import hashlib
import re
from typing import Any

import orjson
from starlette.responses import Response

from api.core.coordinates import CRS84
from api.core.responses import JSON, is_not_modified
from api.ogc.collections import COLLECTIONS, Collection
from api.ogc.extents import read_changes, read_extents, union_of_bounds
from api.ogc.features import read_selection
from api.ogc.query_parameters import Bounds
from api.ogc.representation import (
    MVT,
    REL_TILING_SCHEME,
    VARY,
    Call,
    Link,
    answer,
    link,
    respond_with_etag,
)
from api.tiles.tile_layers import TileLayer, describe_layers
from api.tiles.tile_pyramid import MAX_ZOOM, TILE_MATRIX_SET, Tile, tile_at
from api.tiles.tiles import CACHE_VERSION, MAX_SOURCE_ZOOM, answer_tile
from geo.errors import NotFoundError

SET = "WebMercatorQuad"
SET_URI = f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{SET}"
SET_CRS = "http://www.opengis.net/def/crs/EPSG/0/3857"
TILEJSON_VERSION = "3.0.0"
STYLE_VERSION = 8
_SHADES = {
    "fill": {"fill-color": "#4f7fa8", "fill-opacity": 0.35, "fill-outline-color": "#26323d"},
    "line": {"line-color": "#26527a", "line-width": 1.2},
    "circle": {"circle-color": "#b3422f", "circle-radius": 3.5},
}
_GEOMETRY_BY_SHAPE = {"fill": "Polygon", "line": "LineString", "circle": "Point"}


async def list_tile_matrix_sets(call: Call) -> Response:
    """Return the tile matrix sets."""
    matrix_set = {
        "id": SET,
        "title": call.title("web_mercator"),
        "uri": SET_URI,
        "crs": SET_CRS,
        "links": [
            link("self", f"{call.base}/tileMatrixSets/{SET}", SET),
            link(REL_TILING_SCHEME, f"{call.base}/tileMatrixSets/{SET}", SET),
        ],
    }
    title = call.title("tileMatrixSets")
    document = {"title": title, "links": call.self_links(), "tileMatrixSets": [matrix_set]}
    return answer(call, document, "tile_matrix_sets")


async def show_tile_matrix_set(call: Call) -> Response:
    """Return the definition of the tile matrix set (OGC 17-083r4)."""
    _check_set(call)
    document = TILE_MATRIX_SET.model_dump(exclude_none=True, mode="json")
    document |= {"uri": SET_URI, "crs": SET_CRS, "links": call.self_links()}
    document["tileMatrices"] = document["tileMatrices"][: MAX_ZOOM + 1]
    return answer(call, document, "tile_matrix_set")


async def list_tilesets(call: Call) -> Response:
    """Return the tilesets of a collection or of the whole city."""
    source = await _tile_source(call)
    description = source.describe(call)
    links = [link("self", source.url, source.title), *description["links"][1:]]
    tileset = {name: value for name, value in description.items() if name != "layers"}
    tileset["links"] = links
    document = {"title": source.title, "links": call.self_links(), "tilesets": [tileset]}
    return answer(call, document, "tilesets")


async def show_tileset(call: Call) -> Response:
    """Return the metadata of a tileset (OGC 17-083r4)."""
    source = await _tile_source(call)
    if call.format == "tilejson":
        return await show_tilejson(call)
    document = source.describe(call)
    document["links"] = [*call.self_links(), *document["links"][1:]]
    if call.format == "html":
        document["tilejson"] = f"{source.url}/tilejson.json"
    return answer(call, document, "tileset")


async def show_tilejson(call: Call) -> Response:
    """Return the TileJSON of a tileset, which names its layers as they stand in the tiles."""
    source = await _tile_source(call)
    document: dict[str, Any] = {
        "tilejson": TILEJSON_VERSION,
        "name": source.title,
        "scheme": "xyz",
        "tiles": [source.template("{z}/{x}/{y}")],
        "minzoom": min(layer.min_zoom for layer in source.layers),
        "maxzoom": source.max_zoom,
        "vector_layers": [
            layer.describe(min(layer.max_zoom, source.max_zoom)) for layer in source.layers
        ],
    }
    if source.bounds is not None:
        west, south, east, north = source.bounds
        middle = [(west + east) / 2, (south + north) / 2, min(13, source.max_zoom)]
        document |= {"bounds": list(source.bounds), "center": middle}
    return _answer_json(call, document)


async def show_style(call: Call) -> Response:
    """Return a plain MapLibre style of a tileset."""
    source = await _tile_source(call)
    layers = [
        {
            "id": f"{layer.name}-{shape}",
            "type": shape,
            "source": "tiles",
            "source-layer": layer.name,
            "filter": ["==", ["geometry-type"], _GEOMETRY_BY_SHAPE[shape]],
            "paint": paint,
        }
        for shape, paint in _SHADES.items()
        for layer in source.layers
    ]
    tiles = {"type": "vector", "url": f"{source.url}/tilejson.json"}
    document: dict[str, Any] = {
        "version": STYLE_VERSION,
        "name": source.title,
        "sources": {"tiles": tiles},
        "layers": layers,
    }
    if source.bounds is not None:
        west, south, east, north = source.bounds
        document |= {"center": [(west + east) / 2, (south + north) / 2], "zoom": 12}
    return _answer_json(call, document)


def _answer_json(call: Call, document: dict[str, Any]) -> Response:
    return respond_with_etag(call.request, orjson.dumps(document), JSON)


async def show_tile(call: Call) -> Response:
    """Return a tile of a collection, 204 if it is empty."""
    collection, selection, tile = call.collection, read_selection(call), _tile(call)
    if selection.period is None:
        await _check_limits(call, tile)
    state = call.request.app.state
    changes = await read_changes(call)
    caller = call.caller
    content = repr((CACHE_VERSION, changes, caller.viewer, call.url)).encode()
    tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": VARY}
    if is_not_modified(call.request, tag):
        return Response(status_code=304, headers=headers)
    async with state.pool.transaction_as(caller) as connection:
        body = await collection.read_tile(connection, tile, selection)
    if collection.layer.is_protected:
        state.read_audit.note(caller, [collection.id], tile.degrees())
    if not body:
        return Response(status_code=204, headers=headers)
    return Response(body, media_type=MVT, headers=headers)


async def show_city_tile(call: Call) -> Response:
    """Return a tile with all layers of the city map, 204 if it is empty."""
    tile = _tile(call)
    await _check_limits(call, tile)
    return await answer_tile(call.request, tile, call.caller)


def _tile(call: Call) -> Tile:
    """Return the tile that the path names."""
    _check_set(call)
    path = call.request.path_params
    z, x, y = numbers = [path[name] for name in ("tileMatrix", "tileCol", "tileRow")]
    if not all(re.fullmatch("0|[1-9][0-9]{0,8}", number) for number in numbers):
        raise NotFoundError("no_such_tile", z=z[:20], x=x[:20], y=y[:20])
    tile = Tile(int(z), int(x), int(y))
    if tile.z > MAX_ZOOM or not tile.exists:
        raise NotFoundError("no_such_tile", z=z, x=x, y=y)
    return tile


async def _check_limits(call: Call, tile: Tile) -> None:
    """Refuse a tile outside the limits that the metadata of its tileset state.

    Raises
    ------
    NotFoundError
        If the tile is outside (OGC 20-057, /req/core/tc-error).
    """
    limits = await _read_limits(call)
    if limits is not None:
        first, last = _corners(limits, tile.z)
        if not (first.x <= tile.x <= last.x and first.y <= tile.y <= last.y):
            raise NotFoundError("no_such_tile", z=tile.z, x=tile.x, y=tile.y)


def _corners(bounds: Bounds, zoom: int) -> tuple[Tile, Tile]:
    """Return the tiles at the north-western and the south-eastern corner of a box."""
    west, south, east, north = bounds
    return tile_at(west, north, zoom), tile_at(east, south, zoom)


def _check_set(call: Call) -> None:
    name = call.request.path_params.get("tileMatrixSetId", SET)
    if name != SET:
        raise NotFoundError("no_such_tiles", name=name[:40], names=SET)


class _TileSource:
    """What a tileset is made of: a collection, or all layers of the city map."""

    def __init__(
        self,
        call: Call,
        collection: Collection | None,
        bounds: Bounds | None,
        limits: Bounds | None,
    ) -> None:
        self.bounds, self.limits = bounds, limits
        if collection is None:
            self.title = call.title("city")
            self.url = f"{call.base}/tiles/{SET}"
            self.layers = describe_layers(call.caller)
            self.max_zoom = MAX_SOURCE_ZOOM
        else:
            self.title = call.layer_title(collection.id)
            self.url = f"{call.base}/collections/{collection.id}/tiles/{SET}"
            fields = {
                name: _tile_type(collection.property_schema(name)) for name in collection.columns
            }
            self.layers = [TileLayer(collection.id, fields, 0, MAX_ZOOM)]
            self.max_zoom = MAX_ZOOM

    def template(self, numbers: str) -> str:
        """Return the URL template of its tiles."""
        return f"{self.url}/{numbers}"

    def describe(self, call: Call) -> dict[str, Any]:
        """Return the metadata of the tileset; its first link is the one to itself."""
        numbers = "{tileMatrix}/{tileCol}/{tileRow}"
        set_url = f"{call.base}/tileMatrixSets/{SET}"
        layers = [
            {
                "id": layer.name,
                "title": layer.title(call.lang),
                "dataType": "vector",
                "minTileMatrix": str(layer.min_zoom),
                "maxTileMatrix": str(min(layer.max_zoom, self.max_zoom)),
                "propertiesSchema": {
                    "type": "object",
                    "properties": {
                        name: {"type": kind.lower()} for name, kind in layer.fields.items()
                    },
                },
            }
            for layer in self.layers
        ]
        links: list[Link] = [
            link("self", self.url, self.title),
            link("item", self.template(numbers), call.title("tile"), MVT, templated=True),
            link(REL_TILING_SCHEME, set_url, SET),
            link("describedby", f"{self.url}/tilejson.json", "TileJSON"),
            link("stylesheet", f"{self.url}/style.json", call.title("style")),
        ]
        document: dict[str, Any] = {
            "title": self.title,
            "dataType": "vector",
            "crs": SET_CRS,
            "tileMatrixSetURI": SET_URI,
            "tileMatrixSetId": SET,
            "layers": layers,
            "links": links,
        }
        if self.bounds is not None:
            west, south, east, north = self.bounds
            document["boundingBox"] = {
                "lowerLeft": [west, south],
                "upperRight": [east, north],
                "crs": CRS84,
            }
        if self.limits is not None:
            document["tileMatrixSetLimits"] = self._describe_limits(self.limits)
        return document

    def _describe_limits(self, bounds: Bounds) -> list[dict[str, Any]]:
        """Return the numbers of the tiles in a box, by zoom."""
        limits = []
        for zoom in range(min(layer.min_zoom for layer in self.layers), self.max_zoom + 1):
            first, last = _corners(bounds, zoom)
            limits.append(
                {
                    "tileMatrix": str(zoom),
                    "minTileRow": first.y,
                    "maxTileRow": last.y,
                    "minTileCol": first.x,
                    "maxTileCol": last.x,
                }
            )
        return limits


async def _tile_source(call: Call) -> _TileSource:
    """Return what the tileset of the path is made of."""
    _check_set(call)
    limits = await _read_limits(call)
    if "collectionId" not in call.request.path_params:
        return _TileSource(call, None, limits, limits)
    collection = call.collection
    extents = await read_extents(call, [collection.id])
    return _TileSource(call, collection, extents[collection.id].bounds, limits)


async def _read_limits(call: Call) -> Bounds | None:
    """Return the box outside which a tileset has no tiles: the city and what it is made of.

    The box of the city is that of the public layers; it is the same for all tilesets, so that
    clients may use one mosaic of tiles for several layers.
    """
    names = {name for name, collection in COLLECTIONS.items() if not collection.layer.is_protected}
    names |= {call.collection.id} if "collectionId" in call.request.path_params else set()
    return union_of_bounds((await read_extents(call, sorted(names))).values())


def _tile_type(schema: dict[str, Any]) -> str:
    """Return the type of an attribute in the words of TileJSON."""
    kinds = {"integer": "Number", "number": "Number", "boolean": "Boolean"}
    return kinds.get(schema["type"], "String")
