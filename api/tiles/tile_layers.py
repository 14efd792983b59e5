"""What a vector tile holds by zoom: its layers, and the one query that makes them all.

Tiles hold what anyone may see: of a building its outline, use, storeys and name, and of plans
the grids with their households; near the ground, what only some roles may see.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import morecantile
import pyproj
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from api.core.caller import Caller
from api.core.connection_pool import Prepared, prepare
from api.core.parameters import Rows
from api.core.public_layers import LAYERS
from api.tiles.area_colours import MapColours
from geo.db.views import GRIDS, OUTLINES
from geo.model import (
    STORAGE_SRID,
    Building,
    Compound,
    Facility,
    PipeNode,
    PipeSegment,
    Railway,
    Region,
    Road,
    Role,
    Water,
)
from maps.style import ROADS

EXTENT = 4096
BUFFER = 64
SIDES = ("west", "south", "east", "north")
DETAIL_MIN_ZOOM = 14
"""The zoom from which protected layers are shown."""

NARROW_WATERS = ("canal", "stream", "pond")
"""Waters left out of the far zooms."""

TILE_MATRIX_SET = morecantile.tms.get("WebMercatorQuad")
TO_DEGREES = pyproj.Transformer.from_crs(3857, 4326, always_xy=True)

_outline = OUTLINES.c


@dataclass(frozen=True)
class Tile:
    """A tile of the usual pyramid of Web Mercator."""

    z: int
    x: int
    y: int

    def envelope(self) -> ColumnElement[Any]:
        """Return the tile's square.

        Column and row are parameters, so that one query serves every tile of a zoom.
        """
        place = bindparam("x", self.x, Integer), bindparam("y", self.y, Integer)
        return func.ST_TileEnvelope(self.z, *place)

    def box(self) -> ColumnElement[Any]:
        """Return what the tile with its buffer covers, in degrees: four parameters too.

        They are reckoned here because the first ``ST_Transform`` of a connection of PostgreSQL
        takes 0.2 s of a processor: PROJ looks for the best of all ways between two systems.
        """
        sides = zip(SIDES, self.degrees(), strict=True)
        return func.ST_MakeEnvelope(
            *(bindparam(name, side, Float) for name, side in sides), STORAGE_SRID
        )

    @property
    def exists(self) -> bool:
        """Return whether the pyramid has such a tile."""
        return TILE_MATRIX_SET.is_valid(morecantile.Tile(self.x, self.y, self.z))

    def degrees(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north of the tile with its buffer, within the pyramid."""
        left, bottom, right, top = TILE_MATRIX_SET.xy_bounds(
            morecantile.Tile(self.x, self.y, self.z)
        )
        buffer = (right - left) * BUFFER / EXTENT
        whole = TILE_MATRIX_SET.xy_bbox
        (west, east), (south, north) = TO_DEGREES.transform(
            (max(left - buffer, whole.left), min(right + buffer, whole.right)),
            (bottom - buffer, top + buffer),
        )
        return west, south, east, north


def tile_at(lon: float, lat: float, z: int) -> Tile:
    """Return the tile of a zoom that holds a place in degrees."""
    tile = TILE_MATRIX_SET.tile(lon, lat, z, truncate=True)
    return Tile(z, tile.x, tile.y)


Shape = InstrumentedAttribute[Any] | ColumnElement[Any]


@dataclass(frozen=True)
class Source:
    """What a layer of a tile is made from.

    Attributes
    ----------
    columns
        Its attributes.
    geometry
        Its geometry in Web Mercator; its table has the same as ``geom`` in degrees, with an index.
    where
        Which rows.
    join
        Rows joined to it, and on what.
    point
        Whether each is shown as one point inside it, for a label, in one tile only.
    """

    columns: list[Any]
    geometry: Shape
    where: ColumnElement[bool]
    join: tuple[FromClause, ColumnElement[bool]] | None = None
    point: bool = False


def tile_parameters(tile: Tile, colours: MapColours) -> dict[str, Any]:
    """Return the parameters of a tile's query."""
    degrees = tile.degrees()
    sides = dict(zip(SIDES, degrees, strict=True))
    return {"x": tile.x, "y": tile.y, **sides, **colours.within(degrees)}


def protected_layers(z: int, caller: Caller) -> frozenset[str]:
    """Return which layers of a zoom a caller is shown that not everyone may see."""
    if z < DETAIL_MIN_ZOOM or caller.role == Role.PUBLIC:
        return frozenset()
    return frozenset(name for name in _inner() if caller.role in LAYERS[name].roles)


@cache
def published_tile_query(
    z: int, inner: frozenset[str], without: frozenset[str] = frozenset()
) -> Rows:
    """Return the query of any tile of a zoom, with the grids in force.

    Parameters
    ----------
    inner
        The protected layers in it.
    without
        Layers to leave out.
    """
    return tile_query(z, GRIDS.alias("shown"), inner, without)


@cache
def prepared_tile_query(
    z: int, inner: frozenset[str], without: frozenset[str] = frozenset()
) -> Prepared:
    """Return the same for asyncpg."""
    return prepare(published_tile_query(z, inner, without))


def tile_query(
    z: int, grids: FromClause, inner: frozenset[str], without: Iterable[str] = ()
) -> Rows:
    """Return the query of any tile of a zoom: a column of bytes for each layer."""
    sources = _base(z) | {name: source for name, source in _inner().items() if name in inner}
    if z >= 7:
        sources |= _communities(grids)
    if z >= 12:
        sources |= _grids(grids)
    tile = Tile(z, 0, 0)
    parts: list[Any] = [
        func.coalesce(layer_query(name, source, tile), b"")
        for name, source in sources.items()
        if name not in without
    ]
    return select(*parts or [literal(b"", LargeBinary)])


def layer_query(name: str, source: Source, tile: Tile) -> ColumnElement[bytes]:
    """Return the query for one layer of a tile, encoded."""
    geometry = func.ST_PointOnSurface(source.geometry) if source.point else source.geometry
    drawn = func.ST_AsMVTGeom(
        geometry, tile.envelope(), EXTENT, 0 if source.point else BUFFER, type_=LargeBinary
    )
    rows = select(*source.columns, drawn.label("geom")).where(
        _intersects_tile(source.geometry, tile), source.where
    )
    if source.join:
        rows = rows.join(*source.join)
    shown = rows.subquery(f"{name}_rows")
    encoded = func.ST_AsMVT(literal_column(f"{name}_rows"), name, EXTENT, "geom", type_=LargeBinary)
    return select(encoded).select_from(shown).scalar_subquery()


def _intersects_tile(geometry: Shape, tile: Tile) -> ColumnElement[bool]:
    """Return the condition that a row's box meets a tile's, in degrees: there is the index."""
    met: ColumnElement[bool] = geometry.expression.table.c.geom.op("&&")(tile.box())
    return met


def _base(z: int) -> dict[str, Source]:
    """Return the layers of the ground that a zoom has room for."""
    found: dict[str, Source] = {}
    if z >= 8:
        found["water"] = _water(z)
        found["road"] = _road(z)
    if z >= 10:
        found["railway"] = Source([Railway.name], Railway.geom_3857, ~Railway.tunnel)
    if z >= 11:
        named = (Water.name != "") & (func.ST_Dimension(Water.geom) == 2) & ~Water.covered
        found["water_label"] = Source([Water.name], Water.geom_3857, named, point=True)
    if z >= 13:
        grounds = func.ST_Dimension(Facility.geom) == 2
        found["facility"] = Source([Facility.category], Facility.geom_3857, grounds)
        found["building"] = Source(
            [_outline.name, _outline.use, _outline.storeys_above], _outline.geom_3857, true()
        )
    if z >= 15:
        walls = [Compound.name, Compound.gated]
        names = [Facility.category, Facility.name]
        found["compound"] = Source(walls, Compound.geom_3857, true())
        found["facility_label"] = Source(names, Facility.geom_3857, Facility.name != "", point=True)
    return found


def _inner() -> dict[str, Source]:
    """Return what only some may see; of it the rules of its table show each its rows."""
    inner = [Building.code, Building.households, Building.storeys_above, Building.structure]
    inner += [Building.fire_class, Building.high_rise]
    segment, node = PipeSegment, PipeNode
    return {
        "building_detail": Source(inner, Building.geom_3857, true()),
        "pipe_segment": Source(
            [segment.code, segment.network, segment.diameter_mm], segment.geom_3857, true()
        ),
        "pipe_node": Source(
            [node.code, node.network, node.kind, node.in_service], node.geom_3857, true()
        ),
    }


def _water(z: int) -> Source:
    open_to_the_sky = ~Water.covered
    wanted = open_to_the_sky if z >= 12 else open_to_the_sky & Water.kind.not_in(NARROW_WATERS)
    return Source([Water.kind, Water.name, Water.width_m], Water.geom_3857, wanted)


def _road(z: int) -> Source:
    classes = [name for name, symbol in ROADS.items() if symbol.from_zoom <= z + 1]
    return Source(
        [Road.road_class, Road.name], Road.geom_3857, Road.road_class.in_(classes) & ~Road.tunnel
    )


def _communities(grids: FromClause) -> dict[str, Source]:
    """Return communities with their colours, and the points of their names."""
    colour = _colours("community", Text())
    count = (
        select(func.nullif(func.count(), 0))
        .select_from(grids)
        .where(grids.c.community_code == Region.code)
        .correlate(Region)
        .scalar_subquery()
    )
    area = [Region.code, Region.name, colour.c.colour]
    label = [Region.code, Region.name, count.label("grids")]
    here = Region.level == literal("community")
    return {
        "community": Source(area, Region.geom_3857, here, (colour, colour.c.key == Region.code)),
        "community_label": Source(label, Region.geom_3857, here, point=True),
    }


def _grids(grids: FromClause) -> dict[str, Source]:
    """Return grids with their colours, and the points of their numbers."""
    colour, grid = _colours("grid", BigInteger()), grids.c
    serial = cast(func.substr(grid.code, 13), Integer).label("serial")
    area = [grid.code, serial, grid.kind, grid.households, colour.c.colour]
    label = [grid.code, serial, grid.households]
    return {
        "grid": Source(area, grid.geom_3857, true(), (colour, colour.c.key == grid.id)),
        "grid_label": Source(label, grid.geom_3857, true(), point=True),
    }


def _colours(name: str, key: TypeEngine[Any]) -> FromClause:
    """Return the colours of the areas in a tile, which are parameters, as rows to join."""
    keys = bindparam(f"{name}_keys", [], type_=ARRAY(key))
    colours = bindparam(f"{name}_colours", [], type_=ARRAY(Integer))
    unnested = func.unnest(keys, colours).table_valued("key", "colour")
    return unnested.render_derived(name=f"{name}_painted")
