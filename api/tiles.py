"""``/tiles``: the city as vector tiles, several layers in one, straight from PostGIS.

Tiles hold what anyone may see: of a building its outline, use, storeys and name, and of plans
the grids with their households.
"""

import gzip
import hashlib
import math
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    LargeBinary,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy import Connection as Database
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine
from starlette.responses import Response

from api import problems
from api.access import Asker, Caller
from api.audit import record
from api.colouring import Colouring, Colourings
from api.layers import LAYERS
from api.requests import Connection, Shown
from api.responses import is_known, kept
from geo.errors import NotFoundError
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
from geo.published import OUTLINES, Status, grids_shown
from maps.style import ROADS

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
EXTENT = 4096
BUFFER = 64
MAX_ZOOM = 22
MADE_TO_ZOOM = 16
"""The last zoom that the page asks for; nearer ones are this one magnified."""

_outline = OUTLINES.c

MADE = 1
"""Which way of making tiles; another number makes every tag another."""

MOST_MS, MOST_BYTES = 3_000, 2_000_000
"""What making a tile may take, and how large it may be."""

DETAIL = "X-Gridatlas-Detail"
DROPPED = frozenset({"building_detail", "pipe_segment", "pipe_node", "building", "compound"})
DETAIL_FROM = 14
"""The zoom from which protected layers are shown."""

LEAST_TO_PACK = 500
_CANCELED = "57014"

NARROW = ("canal", "stream", "pond")
"""Waters left out of the far zooms."""


@dataclass(frozen=True)
class Tile:
    """A tile of the usual pyramid of Web Mercator."""

    z: int
    x: int
    y: int

    def envelope(self, margin: float = 0.0) -> ColumnElement[Any]:
        """Return the tile's square, wider by a share of it on each side."""
        return func.ST_TileEnvelope(self.z, self.x, self.y, _WORLD, margin)

    def degrees(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north of the tile with its buffer."""

        def lat(row: float) -> float:
            return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / 2**self.z))))

        margin, width = BUFFER / EXTENT, 360 / 2**self.z
        west = (self.x - margin) * width - 180
        east = (self.x + 1 + margin) * width - 180
        return west, lat(self.y + 1 + margin), east, lat(self.y - margin)


_WORLD: ColumnElement[Any] = literal_column(
    "ST_MakeEnvelope(-20037508.342789244, -20037508.342789244, "
    "20037508.342789244, 20037508.342789244, 3857)"
)
"""The square of the pyramid, which must be written out where a margin follows it."""


@dataclass(frozen=True)
class Source:
    """What a layer of a tile is made from.

    Attributes
    ----------
    columns
        Its attributes.
    geometry
        Its geometry in Web Mercator, under a GiST index.
    where
        Which rows.
    join
        Rows joined to it, and on what.
    point
        Whether each is shown as one point inside it, for a label, in one tile only.
    """

    columns: list[Any]
    geometry: InstrumentedAttribute[Any] | ColumnElement[Any]
    where: ColumnElement[bool]
    join: tuple[FromClause, ColumnElement[bool]] | None = None
    point: bool = False


@router.get("/tiles/{z}/{x}/{y}", response_class=Response, responses=problems.DOCUMENTED)
def tile(
    request: Request,
    connection: Connection,
    asker: Asker,
    z: Annotated[int, Path(ge=0, le=MAX_ZOOM)],
    x: Annotated[int, Path(ge=0)],
    y: Annotated[int, Path(ge=0)],
    status: Shown = "published",
) -> Response:
    """Return a tile with the layers water, railway, road, compound, building, facility,
    community and grid, and the points of the labels; 204 where there is nothing."""
    if max(x, y) >= 2**z:
        raise NotFoundError("no_such_tile", z=z, x=x, y=y)
    tag = None
    if status == "published":
        tag = _tag(connection, asker, (z, x, y))
        for known in (tag, _packed(tag)):
            if is_known(request, known):
                return Response(status_code=304, headers=_headers(known))
    body, reduced = _within_limits(
        connection, request.app.state.colourings, Tile(z, x, y), status, asker
    )
    if _protected(z, asker):
        record(connection, asker, "read", "tile", f"{z}/{x}/{y}")
    if tag is None:
        return kept(request, body, MEDIA_TYPE, max_age=0)
    headers = _headers(tag) | ({DETAIL: "reduced"} if reduced else {})
    if not body:
        return Response(status_code=204, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > LEAST_TO_PACK:
        body = gzip.compress(body, 4, mtime=0)
        headers |= {"Content-Encoding": "gzip", "ETag": _packed(tag)}
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


def _packed(tag: str) -> str:
    """Return the tag of the same tile compressed: other bytes have another strong tag."""
    return f'{tag[:-1]}-gzip"'


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}


def _tag(connection: Database, asker: Caller, tile: tuple[int, int, int]) -> str:
    """Return the strong tag of a tile: of the state that is published, of who asks, of the place.

    It is read in the transaction that reads the tile, and moves in the one that changes a layer.
    """
    state = connection.execute(select(func.sum(LayerChange.changes))).scalar() or 0
    whose = (asker.role, asker.scope, *asker.networks)
    known = repr((MADE, int(state), whose, tile)).encode()
    return f'"{hashlib.blake2b(known, digest_size=12).hexdigest()}"'


def _within_limits(
    connection: Database, colourings: Colourings, asked: Tile, status: Status, asker: Caller
) -> tuple[bytes, bool]:
    """Return a tile that takes no more than some time and size, and whether detail was dropped.

    Where it would, it is made anew without what is least missed: buildings, compounds, pipes.
    """
    connection.execute(text(f"SET LOCAL statement_timeout = {MOST_MS}"))
    try:
        with connection.begin_nested():
            body = encoded(connection, colourings, asked, status, asker)
        if len(body) <= MOST_BYTES:
            return body, False
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _CANCELED:
            raise
    connection.execute(text(f"SET LOCAL statement_timeout = {MOST_MS}"))
    return encoded(connection, colourings, asked, status, asker, without=DROPPED), True


def encoded(
    connection: Database,
    colourings: Colourings,
    asked: Tile,
    status: Status,
    asker: Caller,
    without: frozenset[str] = frozenset(),
) -> bytes:
    """Return a tile as a caller may see it, empty where there is nothing.

    Parameters
    ----------
    without
        Layers to leave out.
    """
    sources = _base(asked.z) | _protected(asked.z, asker)
    sources |= _communities(asked, colourings.communities(connection), status)
    if asked.z >= 12:
        sources |= _grids(asked, colourings.grids(connection, status, asker), status)
    parts = [
        func.coalesce(layer(name, source, asked), b"")
        for name, source in sources.items()
        if name not in without
    ]
    return b"".join(connection.execute(select(*parts)).one()) if parts else b""


def layer(name: str, source: Source, tile: Tile) -> ColumnElement[bytes]:
    """Return the query for one layer of a tile, encoded."""
    geometry = func.ST_PointOnSurface(source.geometry) if source.point else source.geometry
    drawn = func.ST_AsMVTGeom(
        geometry, tile.envelope(), EXTENT, 0 if source.point else BUFFER, type_=LargeBinary
    )
    rows = select(*source.columns, drawn.label("geom")).where(
        source.geometry.op("&&")(tile.envelope(BUFFER / EXTENT)), source.where
    )
    if source.join:
        rows = rows.join(*source.join)
    shown = rows.subquery(f"{name}_rows")
    encoded = func.ST_AsMVT(literal_column(f"{name}_rows"), name, EXTENT, "geom", type_=LargeBinary)
    return select(encoded).select_from(shown).scalar_subquery()


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


def _protected(z: int, asker: Caller) -> dict[str, Source]:
    """Return what only some may see, as the rules of its table say."""
    if z < DETAIL_FROM or asker.role == Role.PUBLIC:
        return {}
    inner = [Building.code, Building.households, Building.storeys_above, Building.structure]
    inner += [Building.fire_class, Building.high_rise]
    segment, node = PipeSegment, PipeNode
    every = {
        "building_detail": Source(inner, Building.geom_3857, true()),
        "pipe_segment": Source(
            [segment.code, segment.network, segment.diameter_mm], segment.geom_3857, true()
        ),
        "pipe_node": Source(
            [node.code, node.network, node.kind, node.in_service], node.geom_3857, true()
        ),
    }
    return {name: source for name, source in every.items() if asker.role in LAYERS[name].roles}


def _water(z: int) -> Source:
    open_to_the_sky = ~Water.covered
    wanted = open_to_the_sky if z >= 12 else open_to_the_sky & Water.kind.not_in(NARROW)
    return Source([Water.kind, Water.name, Water.width_m], Water.geom_3857, wanted)


def _road(z: int) -> Source:
    classes = [name for name, symbol in ROADS.items() if symbol.from_zoom <= z + 1]
    return Source(
        [Road.road_class, Road.name], Road.geom_3857, Road.road_class.in_(classes) & ~Road.tunnel
    )


def _communities(tile: Tile, colouring: Colouring, status: Status) -> dict[str, Source]:
    """Return communities with their colours, and the points of their names."""
    if tile.z < 7:
        return {}
    colour = _colours(tile, colouring, Text())
    shown = grids_shown(status)
    grids = (
        select(func.nullif(func.count(), 0))
        .select_from(shown)
        .where(shown.c.community_code == Region.code)
        .correlate(Region)
        .scalar_subquery()
    )

    area = [Region.code, Region.name, colour.c.colour]
    label = [Region.code, Region.name, grids.label("grids")]
    here = Region.level == literal("community")
    return {
        "community": Source(area, Region.geom_3857, here, (colour, colour.c.key == Region.code)),
        "community_label": Source(label, Region.geom_3857, here, point=True),
    }


def _grids(tile: Tile, colouring: Colouring, status: Status) -> dict[str, Source]:
    """Return grids with their colours, and the points of their numbers."""
    colour = _colours(tile, colouring, BigInteger())

    grid = grids_shown(status).c
    serial = cast(func.substr(grid.code, 13), Integer).label("serial")
    area = [grid.code, serial, grid.kind, grid.households, colour.c.colour]
    label = [grid.code, serial, grid.households]
    return {
        "grid": Source(area, grid.geom_3857, true(), (colour, colour.c.key == grid.id)),
        "grid_label": Source(label, grid.geom_3857, true(), point=True),
    }


def _colours(tile: Tile, colouring: Colouring, key: TypeEngine[Any]) -> FromClause:
    """Return the colours of the areas in a tile as rows to join."""
    keys, colours = colouring.within(tile.degrees())
    columns = literal(keys, ARRAY(key)), literal(colours, ARRAY(Integer))
    return func.unnest(*columns).table_valued("key", "colour").render_derived(name="painted")
