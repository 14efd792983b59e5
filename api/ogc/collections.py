"""Layers as tipg collections whose SQL is written here, with every literal as a bound parameter.

Filters (:mod:`api.ogc.cql`), limits, and coordinate systems, which tipg does not support, are
applied in these queries.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from geoalchemy2 import Geometry
from pydantic import ConfigDict
from tipg.collections import Column as TipgColumn
from tipg.collections import PgCollection

from api.core import coordinates
from api.core.audit import record_async
from api.core.caller import PUBLIC_CALLER, Caller
from api.core.public_layers import LAYERS, Layer, postgres_type, qualified_name
from api.core.read_audit import ReadAudit
from api.ogc.cql import FilterWriter
from api.tiles.tile_layers import Tile
from geo.errors import InputError, NotFoundError
from geo.model import STORAGE_SRID

MAX_FEATURES, DEFAULT_FEATURES = 10_000, 100
MAX_TILE_FEATURES = 20_000
MAX_EXACT_COUNT = 100_000
DECIMALS_BY_DEGREES = {True: 9, False: 3}
"""Decimals of coordinates by whether their unit is a degree."""

current_caller: ContextVar[Caller] = ContextVar("caller", default=PUBLIC_CALLER)


@dataclass(frozen=True)
class CollectionQuery:
    """URIs of the coordinate systems of the response, the ``bbox`` and the ``filter``."""

    crs: str = coordinates.CRS84
    bbox_crs: str = coordinates.CRS84
    filter_crs: str = coordinates.CRS84


class BoundValues:
    """Bound parameters of a query, referenced by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any, kind: str) -> str:
        """Bind a value and return its placeholder."""
        self.values.append(value)
        return f"CAST(${len(self.values)} AS {kind})"


class LayerCollection(PgCollection):
    """A layer as a tipg collection that overrides tipg's queries."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    layer: Layer
    systems: CollectionQuery = CollectionQuery()
    reads: ReadAudit | None = None

    @property
    def crs(self) -> str:
        """The storage coordinate system."""
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
        """Return the WHERE condition, with every literal bound."""
        parts = ["true"]
        if ids:
            parts.append(f'"code" = ANY({bind(ids, "text[]")})')
        for name, value in properties or []:
            parts.append(f'CAST("{self._known_column(name)}" AS text) = {bind(value, "text")}')
        if bbox is not None:
            shape = self._box(bbox, bind)
            parts.append(f"geom && {shape} AND ST_Intersects(geom, {shape})")
        if datetime:
            parts.append(self._during(datetime, bind))
        if cql is not None:
            columns = {c.name: f'"{c.name}"' for c in self.layer.columns()} | {"geom": "geom"}
            system = coordinates.EPSG_BY_URI[self.systems.filter_crs]
            writer = FilterWriter(
                columns,
                "geom",
                4490,
                4490 if system in coordinates.SAME_AS_STORAGE else system,
                bind,
            )
            parts.append(writer.condition(cql))
        return " AND ".join(parts)

    def _known_column(self, name: str) -> str:
        if name not in {column.name for column in self.layer.columns()}:
            raise InputError("filter_unknown_property", property=name[:80])
        return name

    def _box(self, bbox: list[float], bind: Callable[[Any, str], str]) -> str:
        system = coordinates.EPSG_BY_URI[self.systems.bbox_crs]
        if coordinates.is_northing_first(self.systems.bbox_crs):
            bbox = [bbox[1], bbox[0], bbox[3], bbox[2]]
        bounds = ", ".join(bind(side, "double precision") for side in bbox)
        if system in coordinates.SAME_AS_STORAGE:
            return f"ST_MakeEnvelope({bounds}, 4490)"
        return f"ST_Transform(ST_MakeEnvelope({bounds}, {system}), 4490)"

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
        system = coordinates.EPSG_BY_URI[self.systems.crs]
        shape = "geom" if system in coordinates.SAME_AS_STORAGE else f"ST_Transform(geom, {system})"
        if bbox_only:
            shape = f"ST_Envelope({shape})"
        elif simplify:
            shape = f"ST_SimplifyPreserveTopology({shape}, {abs(float(simplify))!r})"
        if coordinates.is_northing_first(self.systems.crs):
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
        """Return a page of features, the number of all matches, and the neighbouring offsets."""
        limit, offset = min(limit or DEFAULT_FEATURES, MAX_FEATURES), offset or 0
        bound = BoundValues()
        where = self._condition(
            bound,
            ids=ids_filter,
            bbox=bbox_filter,
            datetime=datetime_filter,
            properties=properties_filter,
            cql=cql_filter,
        )
        is_in_degrees = coordinates.EPSG_BY_URI[self.systems.crs] in coordinates.SAME_AS_STORAGE
        attributes = [f'"{name}"' for name in self._selected(properties)]
        shape = self._geometry(simplify, bbox_only)
        encoded = (
            f"ST_AsText({shape})"
            if geom_as_wkt
            else f"ST_AsGeoJSON({shape}, {DECIMALS_BY_DEGREES[is_in_degrees]}, 0)"
        )
        columns = ", ".join([*attributes, '"code" AS tipg_id', f"{encoded} AS tipg_geom"])
        rows = await conn.fetch(
            f"SELECT {columns} FROM {self._qualified_name} WHERE {where} "
            f"ORDER BY {self._order(sortby)} LIMIT {limit} OFFSET {offset}",
            *bound.values,
        )
        if self.layer.protected:
            await record_async(
                conn, current_caller.get(), "read", self.layer.name, "", {"ogc": len(rows)}
            )
        items = [_feature(dict(row), as_text=geom_as_wkt) for row in rows]
        end = offset + len(items)
        is_last = len(items) < limit and (items or not offset)
        matched = end if is_last else await self._matched(conn, where, bound.values)
        return {
            "items": items,
            "matched": matched,
            "next": end if end < matched and items else None,
            "prev": max(offset - limit, 0) if offset else None,
        }

    async def _matched(self, conn: asyncpg.Connection, where: str, values: list[Any]) -> int:
        """Return the number of matches: exact up to a limit, beyond it the planner's estimate."""
        rows = f"FROM {self._qualified_name} WHERE {where}"
        count: int = await conn.fetchval(
            f"SELECT count(*) FROM (SELECT 1 {rows} LIMIT {MAX_EXACT_COUNT + 1}) counted",
            *values,
        )
        if count <= MAX_EXACT_COUNT:
            return count
        plan = await conn.fetchval(f"EXPLAIN (FORMAT JSON) SELECT 1 {rows}", *values)
        return max(count, int(plan[0]["Plan"]["Plan Rows"]))

    def _selected(self, properties: list[str] | None) -> list[str]:
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
                parts.append(f'"{self._known_column(name)}"{down}')
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
        """Return a Web Mercator tile; layers store their geometry in that system too."""
        if max(tile.x, tile.y) >= 2**tile.z or min(tile) < 0 or tile.z > 22:
            raise NotFoundError("no_such_tile", z=tile.z, x=tile.x, y=tile.y)
        bound = BoundValues()
        where = self._condition(
            bound,
            ids=ids_filter,
            bbox=bbox_filter,
            datetime=datetime_filter,
            properties=properties_filter,
            cql=cql_filter,
        )
        bounds = Tile(tile.z, tile.x, tile.y).degrees()
        square = f"ST_TileEnvelope({tile.z}, {tile.x}, {tile.y})"
        box = ", ".join(bound(side, "double precision") for side in bounds)
        attributes = [f'"{name}"' for name in self._selected(properties)]
        clipped = f"ST_AsMVTGeom(geom_3857, {square}) AS shape"
        columns = ", ".join([*attributes, clipped])
        count = min(limit or MAX_TILE_FEATURES, MAX_TILE_FEATURES)
        body: bytes | None = await conn.fetchval(
            f"WITH drawn AS (SELECT {columns} FROM {self._qualified_name} "
            f"WHERE geom && ST_MakeEnvelope({box}, {STORAGE_SRID}) AND {where} LIMIT {count}) "
            f"SELECT ST_AsMVT(drawn, {bound(self.id, 'text')}, 4096, 'shape') FROM drawn",
            *bound.values,
        )
        if self.layer.protected and self.reads is not None:
            self.reads.note(current_caller.get(), [self.layer.name], bounds)
        return bytes(body or b"")


def _feature(row: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    """Return a row as a GeoJSON feature with the database's geometry text inserted unchanged."""
    geometry, code = row.pop("tipg_geom"), row.pop("tipg_id")
    shape = geometry if as_text or geometry is None else orjson.Fragment(geometry)
    return {"type": "Feature", "geometry": shape, "id": code, "properties": row}


def _make_collection(layer: Layer) -> LayerCollection:
    """Return a layer as a tipg collection."""
    columns = [
        TipgColumn(name=column.name, type=postgres_type(column)) for column in layer.columns()
    ]
    kind = next(
        column.type.geometry_type
        for column in layer.source.columns
        if column.name == "geom" and isinstance(column.type, Geometry)
    )
    shape = TipgColumn(name="geom", type="geometry", geometry_type=kind, srid=4490)
    schema, table = (part.strip('"') for part in qualified_name(layer.source).split("."))
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


COLLECTIONS = {name: _make_collection(layer) for name, layer in LAYERS.items()}
