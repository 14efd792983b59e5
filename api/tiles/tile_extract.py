"""Small PMTiles files with the surroundings of a few grids, for phones without a connection.

Their tiles are copied from the baked file of the city, so that nothing is encoded again. Until that
is complete after a change, phones keep the file that they have.
"""

import hashlib
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from pmtiles.reader import MmapSource, Reader
from pmtiles.tile import zxy_to_tileid
from pmtiles.writer import Writer
from sqlalchemy import Connection, func, select

from api.public.regions import bounds_columns
from api.tiles.tile_archive import archive_folder, archive_header, current_file, tiles_covering
from geo.db.views import GRIDS

MARGIN_M = 400.0
"""Width of the surroundings, in metres of Web Mercator."""

MIN_ZOOM = 13
MAX_CACHED_VERSIONS = 10_000

Extents = tuple[tuple[float, ...], ...]
"""Boxes of west, south, east, north in degrees."""


def map_version(connection: Connection, grids: tuple[str, ...]) -> str:
    """Return a digest of the current map around grids, empty while there is none."""
    name = current_file(connection)
    extents = _extents(connection, grids)
    return _digest(archive_folder() / name, extents) if name and extents else ""


def extract_map(connection: Connection, grids: tuple[str, ...]) -> bytes | None:
    """Return the current map around grids as a PMTiles file, None while there is none."""
    name = current_file(connection)
    extents = _extents(connection, grids)
    return _extract(archive_folder() / name, extents) if name and extents else None


def _extents(connection: Connection, grids: tuple[str, ...]) -> Extents:
    """Return the box of each grid with its margin in degrees."""
    around = func.ST_Expand(GRIDS.c.geom_3857, MARGIN_M)
    box = func.ST_Transform(func.ST_Envelope(around), 4490)
    statement = select(*bounds_columns(box)).where(GRIDS.c.code.in_(grids)).order_by(GRIDS.c.code)
    return tuple(tuple(row) for row in connection.execute(statement))


@lru_cache(MAX_CACHED_VERSIONS)
def _digest(file: Path, extents: Extents) -> str:
    return hashlib.blake2b(_extract(file, extents), digest_size=12).hexdigest()


def _extract(file: Path, extents: Extents) -> bytes:
    """Return a PMTiles file with the tiles of boxes from :data:`MIN_ZOOM` on."""
    boxes = np.array(extents)
    tiles = {
        zxy_to_tileid(tile.z, tile.x, tile.y): tile
        for tile in tiles_covering(boxes)
        if tile.z >= MIN_ZOOM
    }
    out = io.BytesIO()
    writer = Writer(out)
    try:
        with file.open("rb") as stream:
            reader = Reader(MmapSource(stream))
            for number, tile in sorted(tiles.items()):
                if content := reader.get(tile.z, tile.x, tile.y):
                    writer.write_tile(number, content)
            writer.finalize(archive_header(boxes), reader.metadata())
    finally:
        writer.tile_f.close()  # the library closes it only in finalize()
    return out.getvalue()
