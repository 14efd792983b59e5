"""Bake the public tiles into one PMTiles file (version 3) and serve it by byte ranges.

A page that reads the file needs no database query. The file name contains a digest of the state it
was made from, so browsers may cache it without limit and never show outdated data: publishing a
plan or importing a layer changes the name, and until the new file is complete, pages read tiles
from the database.
"""

import gzip
import hashlib
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer
from sqlalchemy import Connection, Engine, func, make_url, select
from starlette.responses import FileResponse, Response

from api.background import orphan_guard
from api.core import problems
from api.core.caller import PUBLIC_CALLER, transaction_as
from api.core.responses import is_not_modified
from api.public.regions import bounds_columns
from api.tiles.area_colours import ColourCache
from api.tiles.tile_layers import describe_layers
from api.tiles.tile_pyramid import Tile, tile_at
from api.tiles.tiles import MAX_SOURCE_ZOOM, encode_public_tile
from geo import db, locks
from geo.db.views import GRIDS
from geo.errors import NotFoundError
from geo.locks import Lock
from geo.model import LayerChange, Region
from geo.settings import settings

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.pmtiles"
CACHE_VERSION = 2
"""Version of the tile encoding; increase it to bake everything again."""

BAKED_LAYERS = ("region", "compound", "building", "facility", "road", "railway", "water")
"""Layers whose features are in public tiles: a change of others changes none."""

MARGIN_M = 600.0
"""Width of the surroundings baked around the communities."""

POLL_INTERVAL_S = 20.0
"""Interval at which the periodic job checks whether the file is current."""

CHILD_POLL_INTERVAL_S = 0.2
NICENESS = 10
RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
MAX_RANGE_BYTES = 4_000_000
"""Longer ranges are streamed from the file."""

CACHE_CONTROL = "public, max-age=31536000, immutable"

_log = logging.getLogger(__name__)


def archive_folder() -> Path:
    """Return the folder of the baked files."""
    return settings().home / "tiles"


def state_digest(connection: Connection) -> str:
    """Return a digest of the database and of the state of its public tiles."""
    grids = select(func.count(), func.max(GRIDS.c.id), func.sum(GRIDS.c.id), func.sum(GRIDS.c.plan))
    changes = select(LayerChange.layer, LayerChange.changes).where(
        LayerChange.layer.in_(BAKED_LAYERS)
    )
    rows = [*connection.execute(grids), *connection.execute(changes.order_by("layer"))]
    # An installation folder may serve several databases, one after another.
    database = _digest(str(connection.execute(select(func.current_database())).scalar()))[:6]
    return f"{database}-{_digest(repr([CACHE_VERSION, *map(tuple, rows)]))}"


def _digest(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()


def current_file(connection: Connection) -> str | None:
    """Return the name of the file with the current tiles, or None while there is none."""
    name = f"city-{state_digest(connection)}.pmtiles"
    return name if (archive_folder() / name).exists() else None


@router.get("/baked/{name}", response_class=Response, responses=problems.DOCUMENTED)
async def archive(request: Request, name: str) -> Response:
    """Return a baked file, or the requested range of it.

    The page cache of the operating system holds the file, so reading a range takes less time than
    handing it to a thread.

    Raises
    ------
    NotFoundError
        If there is no such file.
    """
    file = archive_folder() / Path(name).name
    if file.suffix != ".pmtiles" or not file.is_file():
        raise NotFoundError("no_such_archive", name=name)
    size, etag = file.stat().st_size, f'"{file.stem}"'
    # Tiles are already compressed, and ranges refer to the uncompressed file.
    headers = {
        "Cache-Control": CACHE_CONTROL,
        "Content-Encoding": "identity",
        "ETag": etag,
        "Accept-Ranges": "bytes",
    }
    if is_not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    requested = _read_range(request, etag, size)
    if requested is None:  # ranges that the file response would take for itself
        others = [header for header in request.scope["headers"] if header[0] != b"range"]
        request.scope["headers"] = others
        return FileResponse(file, media_type=MEDIA_TYPE, headers=headers)
    first, last = requested
    if first >= size:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    if last - first >= MAX_RANGE_BYTES:
        return FileResponse(file, media_type=MEDIA_TYPE, headers=headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    with file.open("rb") as stream:
        stream.seek(first)
        body = stream.read(last - first + 1)
    return Response(body, 206, headers, MEDIA_TYPE)


def _read_range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte of a requested range (RFC 9110, 14.1.2).

    None stands for the whole file: without a range, with several, with one that is malformed, and
    if the header ``If-Range`` names another version. A first byte beyond the end can't be served.
    """
    match = RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        length = int(last or 0)
        return (max(size - length, 0), size - 1) if length else ((size, size) if last else None)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < int(first):
        return None
    return int(first), end


def bake(engine: Engine) -> Path | None:
    """Bake the current public tiles and return the file; None if there is no community yet.

    Everything is read in one transaction under the public role. Older files are deleted except
    the latest of them, which open pages still read.
    """
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with transaction_as(snapshot, PUBLIC_CALLER, readonly=True) as connection:
        name = f"city-{state_digest(connection)}.pmtiles"
        extents = _extents(connection)
        if not len(extents):
            return None
        archive_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=archive_folder(), prefix=".baking-", delete=False
        ) as file:
            try:
                _write(connection, file, extents)
            except BaseException:
                Path(file.name).unlink()
                raise
    Path(file.name).chmod(0o644)
    Path(file.name).replace(archive_folder() / name)
    _delete_older_files(name)
    return archive_folder() / name


def _write(connection: Connection, file: Any, extents: Any) -> None:
    """Write the tiles of the public layers to a PMTiles file."""
    colours = ColourCache().published_colours(connection)
    writer = Writer(file)
    tiles = sorted(tiles_covering(extents), key=lambda tile: zxy_to_tileid(tile.z, tile.x, tile.y))
    try:
        for tile in tiles:
            body = encode_public_tile(connection, colours, tile)
            if body:
                number = zxy_to_tileid(tile.z, tile.x, tile.y)
                writer.write_tile(number, gzip.compress(body, 6, mtime=0))
        layers = [layer.describe(MAX_SOURCE_ZOOM) for layer in describe_layers(PUBLIC_CALLER)]
        vector_layers = [layer for layer in layers if layer["minzoom"] <= MAX_SOURCE_ZOOM]
        metadata = {"name": "gridatlas", "type": "overlay", "vector_layers": vector_layers}
        writer.finalize(archive_header(extents), metadata)
    finally:
        writer.tile_f.close()  # the library closes it only in finalize()


def archive_header(extents: Any) -> dict[str, Any]:
    """Return the header of a PMTiles file that covers boxes, shape (n, 4), in degrees."""
    west, south = extents[:, :2].min(axis=0).tolist()
    east, north = extents[:, 2:].max(axis=0).tolist()

    def e7(degrees: float) -> int:
        return round(degrees * 10_000_000)

    return {
        "tile_type": TileType.MVT,
        "tile_compression": Compression.GZIP,
        "min_lon_e7": e7(west),
        "min_lat_e7": e7(south),
        "max_lon_e7": e7(east),
        "max_lat_e7": e7(north),
        "center_zoom": 14,
        "center_lon_e7": e7((west + east) / 2),
        "center_lat_e7": e7((south + north) / 2),
    }


def _extents(connection: Connection) -> Any:
    """Return the box of each community with its margin in degrees, shape (n, 4)."""
    around = func.ST_Expand(Region.geom_3857, MARGIN_M)
    box = func.ST_Transform(func.ST_Envelope(around), 4490)
    is_mapped = (Region.level == "community") & Region.geom.is_not(None)
    return np.array(
        [tuple(row) for row in connection.execute(select(*bounds_columns(box)).where(is_mapped))]
    )


def tiles_covering(extents: Any) -> Iterator[Tile]:
    """Yield each tile of every zoom that touches one of the boxes.

    Parameters
    ----------
    extents
        Boxes of west, south, east, north in degrees, shape (n, 4), dtype float64.
    """
    for zoom in range(MAX_SOURCE_ZOOM + 1):
        covered: set[tuple[int, int]] = set()
        for west, south, east, north in extents.tolist():
            first, last = tile_at(west, north, zoom), tile_at(east, south, zoom)
            columns, rows = range(first.x, last.x + 1), range(first.y, last.y + 1)
            covered |= {(x, y) for x in columns for y in rows}
        yield from (Tile(zoom, x, y) for x, y in sorted(covered))


def _delete_older_files(name: str) -> None:
    """Delete the files of the same database except the named one and the latest other one."""
    database = "-".join(name.split("-")[:2])
    others = [file for file in archive_folder().glob(f"{database}-*.pmtiles") if file.name != name]
    for file in sorted(others, key=lambda file: file.stat().st_mtime)[:-1]:
        file.unlink(missing_ok=True)


def bake_if_stale(engine: Engine, closing: threading.Event) -> None:
    """Bake the tiles in a separate process if the current state has no file.

    The process runs at low priority, since baking keeps a processor busy for a while. It is
    terminated when ``closing`` is set; the next server then starts again.
    """
    with transaction_as(engine, PUBLIC_CALLER, readonly=True) as connection:
        if current_file(connection):
            return
    command = [sys.executable, "-m", "api.tiles.tile_archive", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None  # noqa: S101
        child.stdin.write(engine.url.render_as_string(hide_password=False).encode())
        child.stdin.close()
        while child.poll() is None and not closing.wait(CHILD_POLL_INTERVAL_S):
            pass
        child.terminate()


def main() -> None:
    """Bake for the parent server, unless another process is already baking."""
    orphan_guard.end_with_parent(int(sys.argv[1]))
    os.nice(NICENESS)
    engine = db.api_engine(make_url(sys.stdin.read()))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        if locks.try_acquire_for_session(session, Lock.BAKING):
            _log.info("baked %s", bake(engine))
            session.invalidate()  # releases the lock


if __name__ == "__main__":
    main()
