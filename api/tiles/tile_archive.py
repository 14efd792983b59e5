"""The public tiles baked into one file (PMTiles, version 3), which is served by ranges.

A page that reads the file asks the database nothing. The file's name holds a digest of what it was
made from, so that a browser keeps it for ever and never shows what is no longer in force: when a
plan is published or a layer imported, the name changes, and until the new file is there pages take
the tiles straight from the database.
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
from api.core.caller import ANYONE, acting
from api.tiles.area_colours import ColourCache
from api.tiles.tile_layers import Tile, tile_at
from api.tiles.tiles import MAX_SOURCE_ZOOM, encode_public_tile
from geo import db, locks
from geo.db.views import GRIDS
from geo.errors import NotFoundError
from geo.locks import Lock
from geo.model import LAYERS, LayerChange, Region
from geo.progress import Progress, silent
from geo.settings import settings

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.pmtiles"
CACHE_VERSION = 1
"""Which way of making tiles; another number bakes everything anew."""

MARGIN_M = 600.0
"""Ground baked around the communities."""

POLL_INTERVAL_S = 20.0
"""How often the baker looks whether the file is still what is in force."""

CHILD_POLL_INTERVAL_S = 0.2
NICENESS = 10
RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})")
MAX_RANGE_BYTES = 4_000_000
"""A longer piece goes out as the file is read."""

CACHE_CONTROL = "public, max-age=31536000, immutable"

_log = logging.getLogger(__name__)


def archive_folder() -> Path:
    """Return where baked files are."""
    return settings().home / "tiles"


def state_digest(connection: Connection) -> str:
    """Return of which database and what state of it the public tiles are."""
    grids = select(func.count(), func.max(GRIDS.c.id), func.sum(GRIDS.c.id), func.sum(GRIDS.c.plan))
    changes = select(LayerChange.layer, LayerChange.changes).where(LayerChange.layer.in_(LAYERS))
    made_from = [*connection.execute(grids), *connection.execute(changes.order_by("layer"))]
    said = repr([CACHE_VERSION, *map(tuple, made_from)])
    return f"{_database(connection)}-{_digest(said)}"


def _database(connection: Connection) -> str:
    """Return which database the tiles are of: a home may serve one after another."""
    return _digest(str(connection.execute(select(func.current_database())).scalar()))[:6]


def _digest(said: str) -> str:
    return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()


def current_file(connection: Connection) -> str | None:
    """Return the name of the file that holds what is in force, or None while there is none."""
    name = f"city-{state_digest(connection)}.pmtiles"
    return name if (archive_folder() / name).exists() else None


@router.get("/baked/{name}", response_class=Response, responses=problems.DOCUMENTED)
async def archive(request: Request, name: str) -> Response:
    """Return a baked file, or the range of it that is asked for.

    A range lies in the machine's memory and is read faster than a thread takes it over.
    """
    found = archive_folder() / Path(name).name
    if found.suffix != ".pmtiles" or not found.is_file():
        raise NotFoundError("no_such_archive", name=name)
    # Its tiles are compressed already, and a range is of the file as it is.
    headers = {"Cache-Control": CACHE_CONTROL, "Content-Encoding": "identity"}
    size = found.stat().st_size
    piece = RANGE.fullmatch(request.headers.get("range", ""))
    first, last = (int(side) for side in piece.groups()) if piece else (0, size)
    if not first <= last < first + MAX_RANGE_BYTES or first >= size:
        return FileResponse(found, media_type=MEDIA_TYPE, headers=headers)
    with found.open("rb") as file:
        file.seek(first)
        body = file.read(last - first + 1)
    headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{size}"
    return Response(body, 206, headers | {"Accept-Ranges": "bytes"}, MEDIA_TYPE)


def bake(engine: Engine, progress: Progress = silent) -> Path | None:
    """Bake what anyone may see now; return the file, None where there is no community yet.

    Everything is read in one transaction of the public's own role. Files of before are taken away,
    save the last, which open pages still read.

    Parameters
    ----------
    engine
        The API's.
    """
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with acting(snapshot, ANYONE, readonly=True) as connection:
        name = f"city-{state_digest(connection)}.pmtiles"
        extents = _extents(connection)
        if not len(extents):
            return None
        archive_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=archive_folder(), prefix=".baking-", delete=False
        ) as file:
            try:
                _write(connection, file, extents, progress)
            except BaseException:
                Path(file.name).unlink()
                raise
    Path(file.name).chmod(0o644)
    Path(file.name).replace(archive_folder() / name)
    _clear(name)
    return archive_folder() / name


def _write(connection: Connection, file: Any, extents: Any, progress: Progress) -> None:
    colours = ColourCache().published(connection)
    writer = Writer(file)
    wanted = sorted(tiles_covering(extents), key=lambda tile: zxy_to_tileid(tile.z, tile.x, tile.y))
    try:
        for done, tile in enumerate(wanted):
            progress("bake", done, len(wanted))
            body = encode_public_tile(connection, colours, tile)
            if body:
                number = zxy_to_tileid(tile.z, tile.x, tile.y)
                writer.write_tile(number, gzip.compress(body, 6, mtime=0))
        progress("bake", len(wanted), len(wanted))
        writer.finalize(_header(extents), {"name": "gridatlas", "vector_layers": []})
    finally:
        writer.tile_f.close()  # the library closes its file only at the end


def _header(extents: Any) -> dict[str, Any]:
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
    """Return west, south, east, north of each community and the ground around it."""
    around = func.ST_Expand(Region.geom_3857, MARGIN_M)
    box = func.ST_Transform(func.ST_Envelope(around), 4490)
    sides = (func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box))
    here = (Region.level == "community") & Region.geom.is_not(None)
    return np.array([tuple(row) for row in connection.execute(select(*sides).where(here))])


def tiles_covering(extents: Any) -> Iterator[Tile]:
    """Yield the tiles over boxes of west, south, east, north, each once, of every zoom."""
    for zoom in range(MAX_SOURCE_ZOOM + 1):
        found: set[tuple[int, int]] = set()
        for west, south, east, north in extents.tolist():
            first, last = tile_at(west, north, zoom), tile_at(east, south, zoom)
            columns, rows = range(first.x, last.x + 1), range(first.y, last.y + 1)
            found |= {(x, y) for x in columns for y in rows}
        yield from (Tile(zoom, x, y) for x, y in sorted(found))


def _clear(name: str) -> None:
    """Take away what was baked before the file before this one."""
    ours = "-".join(name.split("-")[:2])
    others = [file for file in archive_folder().glob(f"{ours}-*.pmtiles") if file.name != name]
    for file in sorted(others, key=lambda one: one.stat().st_mtime)[:-1]:
        file.unlink(missing_ok=True)


def bake_if_stale(engine: Engine, closing: threading.Event) -> None:
    """Have the tiles baked anew if what is in force has changed.

    A process of its own bakes, behind all others: baking takes a processor for a while. A file
    half baked when no more is wanted is left for the next time.
    """
    with acting(engine, ANYONE, readonly=True) as connection:
        if current_file(connection):
            return
    baker = [sys.executable, "-m", "api.tiles.tile_archive", str(os.getpid())]
    with subprocess.Popen(baker, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None  # noqa: S101
        child.stdin.write(engine.url.render_as_string(hide_password=False).encode())
        child.stdin.close()
        while child.poll() is None and not closing.wait(CHILD_POLL_INTERVAL_S):
            pass
        child.terminate()


def main() -> None:
    """Bake for a server, unless another process does already."""
    orphan_guard.end_with_parent(int(sys.argv[1]))
    os.nice(NICENESS)
    engine = db.api_engine(make_url(sys.stdin.read()))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        if locks.try_acquire_for_session(session, Lock.BAKING):
            made = bake(engine)
            _log.info("baked %s", made)
            session.invalidate()  # and with it the lock


if __name__ == "__main__":
    main()
