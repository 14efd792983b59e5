"""Layers of the vector tiles by zoom, and the single query that encodes a tile.

Tiles contain public data: outline, use, storeys and name of buildings, and the grids of plans with
their households. At high zooms they also contain the protected layers that the caller may see.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    bindparam,
    cast,
    collate,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from api.core.caller import Caller
from api.core.connection_pool import PreparedQuery, prepare_query
from api.core.parameters import Rows
from api.core.public_layers import LAYERS
from api.tiles.area_colours import MapColours
from api.tiles.tile_pyramid import BUFFER, EXTENT, MAX_ZOOM, SIDES, Tile
from geo.db.views import GRIDS, OUTLINES
from geo.messages import Language, catalogue
from geo.model import (
    Building,
    Compound,
    Facility,
    LayerChange,
    PipeNode,
    PipeSegment,
    Railway,
    Region,
    Road,
    Role,
    Water,
)
from maps.style import ROADS

DETAIL_MIN_ZOOM = 14
"""Lowest zoom with protected layers."""

NARROW_WATERS = ("canal", "stream", "pond")
"""Kinds of water omitted at low zooms."""


_outline = OUTLINES.c


Shape = InstrumentedAttribute[Any] | ColumnElement[Any]


@dataclass(frozen=True)
class Source:
    """The query of one layer of a tile.

    Attributes
    ----------
    columns
        Attributes of the features.
    geometry
        Geometry in Web Mercator; the table also has an indexed ``geom`` in degrees.
    where
        Condition that selects the rows.
    join
        A table to join, and the join condition.
    point
        Whether to encode a point on the surface in place of the shape, so that a label is in one
        tile only.
    """

    columns: list[Any]
    geometry: Shape
    where: ColumnElement[bool]
    join: tuple[FromClause, ColumnElement[bool]] | None = None
    point: bool = False


def tile_parameters(tile: Tile, colours: MapColours) -> dict[str, Any]:
    """Return the parameters of a tile's query."""
    degrees = tile.degrees()
    bounds = dict(zip(SIDES, degrees, strict=True))
    return {"x": tile.x, "y": tile.y, **bounds, **colours.within(degrees)}


def protected_layers(z: int, caller: Caller) -> frozenset[str]:
    """Return the names of the protected layers that a caller may see at a zoom."""
    if z < DETAIL_MIN_ZOOM or caller.role == Role.PUBLIC:
        return frozenset()
    return frozenset(name for name in _protected_sources() if caller.role in LAYERS[name].roles)


@cache
def published_tile_query(
    z: int, protected: frozenset[str], without: frozenset[str] = frozenset()
) -> Rows:
    """Return the query for any tile of a zoom with the grids in force.

    Parameters
    ----------
    protected
        Names of the protected layers to include.
    without
        Names of layers to leave out.
    """
    return tile_query(z, GRIDS.alias("shown"), protected, without)


@cache
def prepared_tile_query(
    z: int, protected: frozenset[str], without: frozenset[str] = frozenset()
) -> PreparedQuery:
    """Return :func:`published_tile_query` prepared for asyncpg.

    Its last column is the number of changes to all layers in the same snapshot.
    """
    changes = select(cast(func.coalesce(func.sum(LayerChange.changes), 0), BigInteger))
    query = published_tile_query(z, protected, without)
    return prepare_query(query.add_columns(changes.scalar_subquery()))


@dataclass(frozen=True)
class TileLayer:
    """A layer of vector tiles, as their metadata describe it.

    Attributes
    ----------
    fields
        Types of its attributes in the words of TileJSON: Number, Boolean or String.
    min_zoom, max_zoom
        Lowest and highest zoom of the tiles that have it.
    """

    name: str
    fields: dict[str, str]
    min_zoom: int
    max_zoom: int

    def describe(self, max_zoom: int) -> dict[str, Any]:
        """Return its entry of ``vector_layers`` in TileJSON and PMTiles."""
        zooms = {"minzoom": self.min_zoom, "maxzoom": max_zoom}
        return {"id": self.name, "fields": self.fields, **zooms}

    def title(self, lang: Language) -> str:
        """Return its title; layers that have none of their own are called by their name."""
        return catalogue(lang).get(f"layer.{self.name}", self.name)


def describe_layers(caller: Caller) -> list[TileLayer]:
    """Return the layers of the published tiles that a caller gets, from the lowest zoom on."""
    return _describe_layers(protected_layers(MAX_ZOOM, caller))


@cache
def _describe_layers(protected: frozenset[str]) -> list[TileLayer]:
    layers: list[TileLayer] = []
    for z in range(MAX_ZOOM + 1):
        shown = protected if z >= DETAIL_MIN_ZOOM else frozenset()
        sources = _sources(z, GRIDS.alias("shown"), shown)
        known = {layer.name for layer in layers}
        layers += [
            TileLayer(name, _fields(source), z, MAX_ZOOM)
            for name, source in sources.items()
            if name not in known
        ]
    return layers


def _fields(source: Source) -> dict[str, str]:
    """Return the type of each column of a layer, in the terms of TileJSON."""
    types: tuple[tuple[type, str], ...] = (
        (Boolean, "Boolean"),
        (Integer, "Number"),
        (Numeric, "Number"),
    )

    def name_type(kind: TypeEngine[Any]) -> str:
        return next((name for known, name in types if isinstance(kind, known)), "String")

    return {str(field.key): name_type(field.type) for field in source.columns}


def tile_query(
    z: int, grids: FromClause, protected: frozenset[str], without: Iterable[str] = ()
) -> Rows:
    """Return the query for any tile of a zoom, with one column of bytes for each layer."""
    tile = Tile(z, 0, 0)
    parts: list[Any] = [
        func.coalesce(layer_query(name, source, tile), b"")
        for name, source in _sources(z, grids, protected).items()
        if name not in without
    ]
    return select(*parts or [literal(b"", LargeBinary)])


def _sources(z: int, grids: FromClause, protected: frozenset[str]) -> dict[str, Source]:
    """Return the layers of a tile in the order in which they are encoded."""
    sources = _base_sources(z)
    sources |= {name: source for name, source in _protected_sources().items() if name in protected}
    if z >= 7:
        sources |= _community_sources(grids)
    if z >= 12:
        sources |= _grid_sources(grids)
    return sources


def layer_query(name: str, source: Source, tile: Tile) -> ColumnElement[bytes]:
    """Return the query that encodes one layer of a tile."""
    geometry = func.ST_PointOnSurface(source.geometry) if source.point else source.geometry
    clipped = func.ST_AsMVTGeom(
        geometry, tile.envelope(), EXTENT, 0 if source.point else BUFFER, type_=LargeBinary
    )
    # The index is on the geometry in degrees.
    is_near = source.geometry.expression.table.c.geom.op("&&")(tile.box())
    rows = select(*source.columns, clipped.label("geom")).where(is_near, source.where)
    if source.join:
        rows = rows.join(*source.join)
    # The same bytes for the same state, however the planner finds the rows.
    rows = rows.order_by(_sort_key(source.geometry.expression.table))
    subquery = rows.subquery(f"{name}_rows")
    encoded = func.ST_AsMVT(literal_column(f"{name}_rows"), name, EXTENT, "geom", type_=LargeBinary)
    return select(encoded).select_from(subquery).scalar_subquery()


def _sort_key(table: FromClause) -> ColumnElement[Any]:
    """Return a column by which the rows of a table have one order; codes are compared by bytes."""
    return table.c.id if "id" in table.c else collate(table.c.code, "C")


def _base_sources(z: int) -> dict[str, Source]:
    """Return the layers of the base map at a zoom."""
    sources: dict[str, Source] = {}
    if z >= 8:
        sources["water"] = _water(z)
        sources["road"] = _road(z)
    if z >= 10:
        sources["railway"] = Source([Railway.name], Railway.geom_3857, ~Railway.tunnel)
    if z >= 11:
        named = (Water.name != "") & (func.ST_Dimension(Water.geom) == 2) & ~Water.covered
        sources["water_label"] = Source([Water.name], Water.geom_3857, named, point=True)
    if z >= 13:
        grounds = func.ST_Dimension(Facility.geom) == 2
        sources["facility"] = Source([Facility.category], Facility.geom_3857, grounds)
        sources["building"] = Source(
            [_outline.name, _outline.use, _outline.storeys_above], _outline.geom_3857, true()
        )
    if z >= 15:
        compound = [Compound.name, Compound.gated]
        names = [Facility.category, Facility.name]
        sources["compound"] = Source(compound, Compound.geom_3857, true())
        sources["facility_label"] = Source(
            names, Facility.geom_3857, Facility.name != "", point=True
        )
    return sources


def _protected_sources() -> dict[str, Source]:
    """Return the protected layers; row-level security selects the rows that a caller sees."""
    building = [Building.code, Building.households, Building.storeys_above, Building.structure]
    building += [Building.fire_class, Building.high_rise]
    segment, node = PipeSegment, PipeNode
    return {
        "building_detail": Source(building, Building.geom_3857, true()),
        "pipe_segment": Source(
            [segment.code, segment.network, segment.diameter_mm], segment.geom_3857, true()
        ),
        "pipe_node": Source(
            [node.code, node.network, node.kind, node.in_service], node.geom_3857, true()
        ),
    }


def _water(z: int) -> Source:
    is_shown = ~Water.covered
    if z < 12:
        is_shown &= Water.kind.not_in(NARROW_WATERS)
    return Source([Water.kind, Water.name, Water.width_m], Water.geom_3857, is_shown)


def _road(z: int) -> Source:
    classes = [name for name, symbol in ROADS.items() if symbol.from_zoom <= z + 1]
    return Source(
        [Road.road_class, Road.name], Road.geom_3857, Road.road_class.in_(classes) & ~Road.tunnel
    )


def _community_sources(grids: FromClause) -> dict[str, Source]:
    """Return the layers of communities with their colours, and of their label points."""
    colour = _colour_table("community", Text())
    count = (
        select(func.nullif(func.count(), 0, type_=Integer))
        .select_from(grids)
        .where(grids.c.community_code == Region.code)
        .correlate(Region)
        .scalar_subquery()
    )
    area = [Region.code, Region.name, colour.c.colour]
    label = [Region.code, Region.name, count.label("grids")]
    is_community = Region.level == literal("community")
    return {
        "community": Source(
            area, Region.geom_3857, is_community, (colour, colour.c.key == Region.code)
        ),
        "community_label": Source(label, Region.geom_3857, is_community, point=True),
    }


def _grid_sources(grids: FromClause) -> dict[str, Source]:
    """Return the layers of grids with their colours, and of their label points."""
    colour, grid = _colour_table("grid", BigInteger()), grids.c
    serial = cast(func.substr(grid.code, 13), Integer).label("serial")
    area = [grid.code, serial, grid.kind, grid.households, colour.c.colour]
    label = [grid.code, serial, grid.households]
    return {
        "grid": Source(area, grid.geom_3857, true(), (colour, colour.c.key == grid.id)),
        "grid_label": Source(label, grid.geom_3857, true(), point=True),
    }


def _colour_table(name: str, key: TypeEngine[Any]) -> FromClause:
    """Return the colours of the areas in a tile, passed as array parameters, as a table to join."""
    keys = bindparam(f"{name}_keys", [], type_=ARRAY(key))
    colours = bindparam(f"{name}_colours", [], type_=ARRAY(Integer))
    columns = column("key", key), column("colour", Integer)
    unnested = func.unnest(keys, colours).table_valued(*columns)
    return unnested.render_derived(name=f"{name}_colour")
