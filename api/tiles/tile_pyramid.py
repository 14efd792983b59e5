"""The pyramid of Web Mercator tiles: their numbers, extents and query parameters."""

from dataclasses import dataclass
from typing import Any

import morecantile
import pyproj
from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    bindparam,
    func,
)

from geo.model import (
    STORAGE_SRID,
)

EXTENT = 4096

BUFFER = 64

MAX_ZOOM = 22

SIDES = ("west", "south", "east", "north")

TILE_MATRIX_SET = morecantile.tms.get("WebMercatorQuad")

TO_DEGREES = pyproj.Transformer.from_crs(3857, 4326, always_xy=True)


@dataclass(frozen=True)
class Tile:
    """A tile of the Web Mercator tile pyramid."""

    z: int
    x: int
    y: int

    def envelope(self) -> ColumnElement[Any]:
        """Return the square of the tile in Web Mercator.

        Column and row are parameters, so that one query serves all tiles of a zoom.
        """
        position = bindparam("x", self.x, Integer), bindparam("y", self.y, Integer)
        return func.ST_TileEnvelope(self.z, *position)

    def box(self) -> ColumnElement[Any]:
        """Return the box of the tile with its buffer in degrees, as four parameters.

        They are computed here because the first ``ST_Transform`` of a PostgreSQL connection takes
        0.2 s of processor time, in which PROJ selects a transformation.
        """
        sides = zip(SIDES, self.degrees(), strict=True)
        return func.ST_MakeEnvelope(
            *(bindparam(name, side, Float) for name, side in sides), STORAGE_SRID
        )

    @property
    def exists(self) -> bool:
        """Whether the pyramid has this tile."""
        return TILE_MATRIX_SET.is_valid(morecantile.Tile(self.x, self.y, self.z))

    def degrees(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north of the tile with its buffer in degrees."""
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
    """Return the tile of a zoom that contains a point in degrees."""
    tile = TILE_MATRIX_SET.tile(lon, lat, z, truncate=True)
    return Tile(z, tile.x, tile.y)
