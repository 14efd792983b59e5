"""Layers as collections of the OGC API, and the SQL that reads them.

Every literal is a bound parameter. Filters are translated by :mod:`api.ogc.cql`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from geoalchemy2 import Geometry
from sqlalchemy import Column

from api.core import coordinates
from api.core.public_layers import LAYERS, Layer, postgres_type, qualified_name
from api.ogc.cql import FilterWriter
from api.ogc.query_parameters import (
    DEFAULT_FEATURES,
    MAX_FEATURES,
    Bounds,
    Period,
    Selection,
    split_at_antimeridian,
)
from api.tiles.tile_pyramid import Tile
from geo.errors import InputError
from geo.model import DISPLAY_SRID, STORAGE_SRID
from geo.model.history import HISTORY

MAX_TILE_FEATURES = 20_000
MAX_EXACT_COUNT = 100_000
DECIMALS_BY_DEGREES = {True: 9, False: 3}
"""Decimals of coordinates by whether their unit is a degree."""

JSON_TYPES: dict[str, dict[str, Any]] = {
    "bigint": {"type": "integer"},
    "smallint": {"type": "integer"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "timestamptz": {"type": "string", "format": "date-time"},
    "text[]": {"type": "array", "items": {"type": "string"}},
    "text": {"type": "string"},
    "float8": {"type": "number"},
}
"""JSON schema by the PostgreSQL name of a type."""


class BoundValues:
    """Bound parameters of a query, referenced by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any, kind: str) -> str:
        """Bind a value and return its placeholder."""
        self.values.append(value)
        return f"CAST(${len(self.values)} AS {kind})"


@dataclass(frozen=True)
class Page:
    """A page of features.

    Attributes
    ----------
    features
        GeoJSON features; geometries are text of the database.
    matched
        Number of features that the selection has, on all pages.
    """

    features: list[dict[str, Any]]
    matched: int


@dataclass(frozen=True)
class Extent:
    """Extent of the features of a collection: a box in degrees and the earliest time."""

    bounds: Bounds | None
    start: Any


class Collection:
    """A layer as a collection."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.id = layer.name
        self.columns: dict[str, Column[Any]] = {
            str(column.name): column for column in layer.columns()
        }
        self._live = qualified_name(layer.source)
        self._versions = _versions(layer)

    @property
    def geometry_type(self) -> str:
        """The type of the geometry in lower case; ``geometry`` if there are several."""
        kind = self.layer.source.c["geom"].type
        return (kind.geometry_type if isinstance(kind, Geometry) else "") or "geometry"

    def property_schema(self, name: str) -> dict[str, Any]:
        """Return the JSON schema of a property."""
        return JSON_TYPES[postgres_type(self.columns[name])]

    async def read_page(
        self, connection: asyncpg.Connection, selection: Selection, *, as_text: bool = False
    ) -> Page:
        """Return the features of a page and the number of all matches.

        Parameters
        ----------
        as_text
            Whether geometries are well-known text, otherwise GeoJSON.

        Raises
        ------
        InputError
            If the selection names an unknown property or does not fit the layer.
        """
        limit = min(selection.limit or DEFAULT_FEATURES, MAX_FEATURES)
        offset = selection.offset
        bind = BoundValues()
        source = self._source(selection, bind)
        columns = ", ".join(
            [
                *(f'"{name}"' for name in self._select_columns(selection.properties)),
                '"code" AS item_id',
                f"{self._encoded_geometry(selection.crs, as_text=as_text)} AS item_geometry",
            ]
        )
        rows = await connection.fetch(
            f"SELECT {columns} FROM {source} ORDER BY {self._order(selection.sortby)} "
            f"LIMIT {limit} OFFSET {offset}",
            *bind.values,
        )
        features = [_feature(dict(row), as_text=as_text) for row in rows]
        end = offset + len(features)
        is_last = len(features) < limit and (features or not offset)
        matched = end if is_last else await _count(connection, source, bind.values)
        return Page(features, matched)

    async def read_tile(
        self, connection: asyncpg.Connection, tile: Tile, selection: Selection
    ) -> bytes:
        """Return a Web Mercator tile in the Mapbox format; empty if it has no features.

        Raises
        ------
        InputError
            If the selection names an unknown property or does not fit the layer.
        """
        bind = BoundValues()
        source = self._source(selection, bind)
        box = ", ".join(bind(side, "double precision") for side in tile.degrees())
        shape = "geom_3857"
        if selection.period is not None:  # superseded rows have no display geometry
            shape = f"ST_Transform(geom, {DISPLAY_SRID})"
        square = f"ST_TileEnvelope({tile.z}, {tile.x}, {tile.y})"
        attributes = [f'"{name}"' for name in self._select_columns(selection.properties)]
        columns = ", ".join([*attributes, f"ST_AsMVTGeom({shape}, {square}) AS shape"])
        count = min(selection.limit or MAX_TILE_FEATURES, MAX_TILE_FEATURES)
        body: bytes | None = await connection.fetchval(
            f"WITH drawn AS (SELECT {columns} FROM {source} "
            f"WHERE geom && ST_MakeEnvelope({box}, {STORAGE_SRID}) LIMIT {count}) "
            f"SELECT ST_AsMVT(drawn, {bind(self.id, 'text')}, 4096, 'shape') FROM drawn",
            *bind.values,
        )
        return bytes(body or b"")

    async def read_extent(self, connection: asyncpg.Connection) -> Extent:
        """Return the extent of all features that the caller may see."""
        row = await connection.fetchrow(
            "SELECT ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box), start FROM ("
            f"SELECT (SELECT ST_Extent(geom) FROM {self._live}) AS box, "
            f"(SELECT min(valid_from) FROM {self._versions}) AS start) AS extent"
        )
        bounds = None if row[0] is None else tuple(row)[:4]
        return Extent(bounds, row[4])

    def _source(self, selection: Selection, bind: BoundValues) -> str:
        """Return the rows that are selected, as a table expression.

        Without a time they are the live ones, otherwise the latest version in the time of each
        feature.
        """
        condition = self._condition(selection, bind)
        if selection.period is None:
            return f"(SELECT * FROM {self._live} WHERE {condition}) AS item"
        return (
            f'(SELECT DISTINCT ON ("code") * FROM {self._versions} WHERE {condition} '
            'ORDER BY "code", valid_from DESC) AS item'
        )

    def _condition(self, selection: Selection, bind: BoundValues) -> str:
        """Return the WHERE condition, with every literal bound."""
        parts = ["true"]
        if selection.ids is not None:
            parts.append(f'"code" = ANY({bind(selection.ids, "text[]")})')
        for name, value in selection.equal:
            parts.append(f'CAST("{self._known_column(name)}" AS text) = {bind(value, "text")}')
        if selection.bbox is not None:
            shapes = _boxes(selection.bbox, selection.bbox_crs, bind)
            meets = [f"geom && {shape} AND ST_Intersects(geom, {shape})" for shape in shapes]
            parts.append(f"({' OR '.join(meets)})")
        if selection.period is not None:
            parts += _during(selection.period, bind)
        if selection.condition is not None:
            columns = {name: f'"{name}"' for name in self.columns} | {"geom": "geom"}
            writer = FilterWriter(columns, "geom", STORAGE_SRID, selection.filter_crs, bind)
            parts.append(writer.condition(selection.condition))
        return " AND ".join(parts)

    def _known_column(self, name: str) -> str:
        if name not in self.columns:
            raise InputError("filter_unknown_property", property=name[:80])
        return name

    def _select_columns(self, properties: list[str] | None) -> list[str]:
        if properties is None:
            return list(self.columns)
        return [name for name in self.columns if name in properties]

    def _order(self, sortby: list[str]) -> str:
        parts = []
        for word in filter(None, sortby):
            name, down = word.lstrip("+-"), " DESC" if word.startswith("-") else ""
            parts.append(f'"{self._known_column(name)}"{down}')
        return ", ".join([*parts, '"code"'])

    def _encoded_geometry(self, crs: str, *, as_text: bool) -> str:
        shape = "geom"
        if not coordinates.is_in_degrees(crs):
            shape = f"ST_Transform(geom, {coordinates.EPSG_BY_URI[crs]})"
        if coordinates.is_northing_first(crs):
            shape = f"ST_FlipCoordinates({shape})"
        if as_text:
            return f"ST_AsText({shape})"
        return f"ST_AsGeoJSON({shape}, {DECIMALS_BY_DEGREES[coordinates.is_in_degrees(crs)]}, 0)"


def _versions(layer: Layer) -> str:
    """Return all versions of a layer's rows, live and superseded, as a table expression."""
    if layer.source.schema == "published":
        return f'"published"."{layer.source.name}_version"'
    live, history = layer.source, HISTORY[layer.source.name]
    names = ", ".join(f'"{column.name}"' for column in history.columns)
    return (
        f"(SELECT {names} FROM {qualified_name(live)} "
        f"UNION ALL SELECT {names} FROM {qualified_name(history)}) AS version"
    )


def _boxes(bbox: Bounds, crs: str, bind: Callable[[Any, str], str]) -> list[str]:
    """Return the boxes of a spatial selection as SQL in the system of storage."""
    system = coordinates.EPSG_BY_URI[crs]
    parts = split_at_antimeridian(bbox) if coordinates.is_in_degrees(crs) else [bbox]
    shapes = []
    for part in parts:
        bounds = ", ".join(bind(side, "double precision") for side in part)
        if coordinates.is_in_degrees(crs):
            shapes.append(f"ST_MakeEnvelope({bounds}, {STORAGE_SRID})")
        else:
            shapes.append(f"ST_Transform(ST_MakeEnvelope({bounds}, {system}), {STORAGE_SRID})")
    return shapes


def _during(period: Period, bind: Callable[[Any, str], str]) -> list[str]:
    """Return the conditions that a row was valid at a time or within an interval."""
    parts = []
    if period.end is not None:
        parts.append(f"valid_from <= {bind(period.end, 'timestamptz')}")
    if period.start is not None:
        start = bind(period.start, "timestamptz")
        parts.append(f"(valid_to IS NULL OR valid_to > {start})")
    return parts


async def _count(connection: asyncpg.Connection, source: str, values: list[Any]) -> int:
    """Return the number of matches: exact up to a limit, beyond it the planner's estimate."""
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {MAX_EXACT_COUNT + 1}) AS counted",
        *values,
    )
    if count <= MAX_EXACT_COUNT:
        return count
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {source}", *values)
    return max(count, int(plan[0]["Plan"]["Plan Rows"]))


def _feature(row: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    """Return a row as a GeoJSON feature with the database's geometry text inserted unchanged."""
    geometry, code = row.pop("item_geometry"), row.pop("item_id")
    shape = geometry if as_text or geometry is None else orjson.Fragment(geometry)
    return {"type": "Feature", "id": code, "geometry": shape, "properties": row}


COLLECTIONS = {name: Collection(layer) for name, layer in LAYERS.items()}
