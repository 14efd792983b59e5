"""Joining pipe segments to the nodes at their ends, and finding the ends that do not fit.

An end that names its node keeps it; the others join the nearest node of the same network. A line
whose direction contradicts its nodes is reversed.
"""

from typing import Any

from sqlalchemy import Connection, text

from etl.pipeline.staging import ROW, Staged

JOIN_M = 0.5
"""An end joins a node this close to it: twice the error of detected points (CJJ 61-2017, 3.0.9)."""

FAR_M = 5.0
"""An end that lies further from the node it names is reported."""

LISTED = 500

_ENDS = {"from_node": "ST_StartPoint", "to_node": "ST_EndPoint"}
_DEGREES_PER_M = 1 / 50_000  # generous, at any latitude in China


def join_segments_to_nodes(
    connection: Connection, segments: Staged, nodes: Staged | None
) -> dict[str, list[dict[str, Any]]]:
    """Join staged segments to the staged and live nodes; return the ends that do not fit.

    Returns
    -------
    dict
        ``reversed`` lines, ``far_ends`` whose node lies elsewhere, ``loose_ends``
        that join none; each with code and place.
    """
    _create_nodes_table(connection, nodes)
    for column in _ENDS:
        if column not in segments.columns:
            connection.execute(text(f"ALTER TABLE {segments.table} ADD {column} text"))
            segments.columns.append(column)
    reversed_lines = _reverse_lines(connection, segments)
    for column, end in _ENDS.items():
        _snap_to_nodes(connection, segments, column, end)
    return {
        "reversed": reversed_lines,
        "far_ends": _find_ends(connection, segments, _FAR),
        "loose_ends": _find_ends(connection, segments, _LOOSE),
    }


def _create_nodes_table(connection: Connection, nodes: Staged | None) -> None:
    """Create the temporary table of the nodes as they will be after the import."""
    live = "SELECT code, network, geom FROM pipe_node"
    if nodes is not None:
        live += f" WHERE code NOT IN (SELECT code FROM {nodes.table} WHERE code IS NOT NULL)"
        live += f" UNION ALL SELECT code, network, geom FROM {nodes.table}"
    connection.execute(text(f"CREATE TEMPORARY TABLE nodes ON COMMIT DROP AS {live}"))
    connection.execute(text("CREATE INDEX ON nodes USING gist (geom)"))
    connection.execute(text("CREATE INDEX ON nodes (code)"))
    connection.execute(text("ANALYZE nodes"))


def _reverse_lines(connection: Connection, segments: Staged) -> list[dict[str, Any]]:
    """Reverse the lines that run from their end node to their start node."""
    rows = connection.execute(
        text(
            f"UPDATE {segments.table} s SET geom = ST_Reverse(s.geom) FROM nodes a, nodes b "
            "WHERE a.code = s.from_node AND b.code = s.to_node AND a.code <> b.code "
            "AND ST_Distance(ST_StartPoint(s.geom), a.geom) > "
            "ST_Distance(ST_StartPoint(s.geom), b.geom) "
            "AND ST_Distance(ST_EndPoint(s.geom), b.geom) > "
            "ST_Distance(ST_EndPoint(s.geom), a.geom) "
            "RETURNING s.code, ST_X(a.geom) AS lon, ST_Y(a.geom) AS lat"
        )
    )
    return [dict(row._mapping) for row in rows][:LISTED]


def _snap_to_nodes(connection: Connection, segments: Staged, column: str, end: str) -> None:
    connection.execute(
        text(
            f"UPDATE {segments.table} staged SET {column} = near.code FROM ("
            f"SELECT s.{ROW}, s.code AS segment, n.code FROM {segments.table} s "
            "CROSS JOIN LATERAL (SELECT code, geom FROM nodes n WHERE n.network = s.network "
            f"AND n.geom && ST_Expand({end}(s.geom), :degrees) "
            f"ORDER BY ST_Distance(n.geom, {end}(s.geom)), code LIMIT 1) n "
            f"WHERE s.{column} IS NULL AND ST_DistanceSphere(n.geom, {end}(s.geom)) <= :metres"
            f") near WHERE near.{ROW} = staged.{ROW} AND near.segment = staged.code"
        ),
        {"metres": JOIN_M, "degrees": JOIN_M * _DEGREES_PER_M},
    )


_LOOSE = "s.{column} IS NULL"
_FAR = (
    "EXISTS (SELECT FROM nodes n WHERE n.code = s.{column} "
    f"AND ST_DistanceSphere(n.geom, {{end}}(s.geom)) > {FAR_M})"
)


def _find_ends(connection: Connection, segments: Staged, condition: str) -> list[dict[str, Any]]:
    misfits = []
    for column, end in _ENDS.items():
        rows = connection.execute(
            text(
                f"SELECT s.code, '{column}' AS \"end\", ST_X({end}(s.geom)) AS lon, "
                f"ST_Y({end}(s.geom)) AS lat FROM {segments.table} s "
                f"WHERE {condition.format(column=column, end=end)} ORDER BY s.code LIMIT {LISTED}"
            )
        )
        misfits += [dict(row._mapping) for row in rows]
    return misfits
