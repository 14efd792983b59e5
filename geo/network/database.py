"""The road graph in the database, for pgRouting and for whoever writes SQL."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, delete

from geo.model import STORAGE_SRID, RoadEdge
from geo.network.noding import Bools, Geometries
from geo.network.roads import RoadGraph

_COLUMNS = "id, city, road_code, source, target, length_m, cost, reverse_cost, geom"


def write(
    connection: Connection,
    city: str,
    graph: RoadGraph,
    passable: Bools,
    to_degrees: Callable[[Geometries], Geometries],
) -> None:
    """Write the pieces of a graph as edges with an engine's seconds, in place of those before.

    Parameters
    ----------
    passable
        (e,) pieces that the engine can pass; the others, and the wrong way of a one-way road,
        cost -1, which pgRouting takes as closed.
    """
    connection.execute(delete(RoadEdge).where(RoadEdge.city == city))
    oneway = graph.column("oneway")
    there = np.where(passable & (oneway != "backward"), graph.seconds, -1.0)
    back = np.where(passable & (oneway != "forward"), graph.seconds, -1.0)
    shown = shapely.set_srid(to_degrees(graph.lines), STORAGE_SRID)
    hexed = shapely.to_wkb(shown, hex=True, include_srid=True)
    codes = graph.column("code")
    rows = (
        (
            *(piece, city, codes[piece], source, target, float(graph.length[piece])),
            *(float(there[piece]), float(back[piece]), hexed[piece]),
        )
        for piece, (source, target) in enumerate(graph.ends.tolist())
    )
    copy(connection, "road_edge", _COLUMNS, rows)


def copy(connection: Connection, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add many rows to a table.

    COPY does not go together with row-level security, so the rows take the way over a table of the
    session's own.
    """
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE fresh ON COMMIT DROP AS SELECT {columns} FROM {table} LIMIT 0"
        )
        with cursor.copy(f"COPY fresh ({columns}) FROM STDIN") as stream:
            for row in rows:
                stream.write_row(row)
        cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM fresh")
        cursor.execute("DROP TABLE fresh")
