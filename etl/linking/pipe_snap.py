"""Joining pipe segments to the nodes at their ends, and finding the ends that do not fit.

An end that names its node keeps it; the others join the nearest node of the same network. A line
whose direction contradicts its nodes is reversed.
"""

from typing import Any

from sqlalchemy import Connection, text

from etl.pipeline.staging import ROW, Staged
from geo.network.pipe_faults import BESIDE_M, FAR_M

JOIN_M = 0.5
"""An end joins a node this close to it: twice the error of detected points (CJJ 61-2017, 3.0.9)."""

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
        ``reversed`` lines, ``far_ends`` whose node lies elsewhere, ``loose_ends`` that join none,
        ``doubles`` and ``parallels`` of another pipe, ``loose_valves`` at which no pipe ends; each
        with code and place.
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
        **_find_repeated(connection, segments),
        "loose_valves": _find_loose_valves(connection),
    }


_ALL_SEGMENTS = """
CREATE TEMPORARY TABLE segments ON COMMIT DROP AS
SELECT code, network, from_node, to_node, geom, true AS is_new FROM {table}
UNION ALL SELECT code, network, from_node, to_node, geom, false FROM pipe_segment
WHERE network IN (SELECT DISTINCT network FROM {table})
AND code NOT IN (SELECT code FROM {table} WHERE code IS NOT NULL)
"""

# Of several the one with the least code counts as the first; a live one before a new one.
_REPEATED = """
WITH marked AS (
    SELECT *, least(geom::bytea, ST_Reverse(geom)::bytea) AS shape,
        least(from_node, to_node) AS one, greatest(from_node, to_node) AS other FROM segments
), compared AS (
    SELECT *, first_value(code) OVER (PARTITION BY network, shape ORDER BY is_new, code) AS double,
        CASE WHEN one <> other THEN
            first_value(code) OVER (PARTITION BY network, one, other ORDER BY is_new, code)
        END AS parallel FROM marked
)
SELECT code, CASE WHEN double <> code THEN 'doubles' ELSE 'parallels' END AS kind,
    CASE WHEN double <> code THEN double ELSE parallel END AS near,
    ST_X(ST_StartPoint(geom)) AS lon, ST_Y(ST_StartPoint(geom)) AS lat
FROM compared WHERE is_new AND (double <> code OR parallel <> code) ORDER BY code
"""

_LOOSE_VALVES = """
SELECT valve.code, ST_X(valve.geom) AS lon, ST_Y(valve.geom) AS lat, near.code AS near
FROM nodes valve CROSS JOIN LATERAL (
    SELECT code FROM segments s WHERE s.network = valve.network AND s.is_new
    AND s.geom && ST_Expand(valve.geom, :degrees)
    AND ST_DistanceSphere(s.geom, valve.geom) <= :metres
    ORDER BY ST_Distance(s.geom, valve.geom), code LIMIT 1) near
WHERE valve.kind = 'valve' AND NOT EXISTS (
    SELECT FROM segments s WHERE valve.code IN (s.from_node, s.to_node))
ORDER BY valve.code LIMIT :listed
"""


def _find_repeated(connection: Connection, segments: Staged) -> dict[str, list[dict[str, Any]]]:
    """Return staged pipes on the line, or between the nodes, of another pipe of their network."""
    connection.execute(text(_ALL_SEGMENTS.format(table=segments.table)))
    repeated: dict[str, list[dict[str, Any]]] = {"doubles": [], "parallels": []}
    for row in connection.execute(text(_REPEATED)):
        place = dict(row._mapping)
        repeated[place.pop("kind")].append(place)
    return {kind: places[:LISTED] for kind, places in repeated.items()}


def _find_loose_valves(connection: Connection) -> list[dict[str, Any]]:
    """Return the valves at which no pipe ends, although one lies near: it is not split there."""
    for column in ("geom", "from_node", "to_node"):
        method = "gist" if column == "geom" else "btree"
        connection.execute(text(f"CREATE INDEX ON segments USING {method} ({column})"))
    connection.execute(text("ANALYZE segments"))
    values = {"metres": BESIDE_M, "degrees": BESIDE_M * _DEGREES_PER_M, "listed": LISTED}
    return [dict(row._mapping) for row in connection.execute(text(_LOOSE_VALVES), values)]


def _create_nodes_table(connection: Connection, nodes: Staged | None) -> None:
    """Create the temporary table of the nodes as they will be after the import."""
    live = "SELECT code, network, kind, geom FROM pipe_node"
    if nodes is not None:
        live += f" WHERE code NOT IN (SELECT code FROM {nodes.table} WHERE code IS NOT NULL)"
        kind = "kind" if "kind" in nodes.columns else "NULL::text"
        live += f" UNION ALL SELECT code, network, {kind}, geom FROM {nodes.table}"
    connection.execute(text(f"CREATE TEMPORARY TABLE nodes ON COMMIT DROP AS {live}"))
    connection.execute(text("CREATE INDEX ON nodes USING gist (geom)"))
    connection.execute(text("CREATE INDEX ON nodes (code)"))
    connection.execute(text("ANALYZE nodes"))


def _reverse_lines(connection: Connection, segments: Staged) -> list[dict[str, Any]]:
    """Reverse the lines that run from their end node to their start node."""
    rows = connection.exec_driver_sql(
        f"UPDATE {segments.table} s SET geom = ST_Reverse(s.geom) FROM nodes a, nodes b "
        "WHERE a.code = s.from_node AND b.code = s.to_node AND a.code <> b.code "
        "AND ST_Distance(ST_StartPoint(s.geom), a.geom) > "
        "ST_Distance(ST_StartPoint(s.geom), b.geom) "
        "AND ST_Distance(ST_EndPoint(s.geom), b.geom) > "
        "ST_Distance(ST_EndPoint(s.geom), a.geom) "
        "RETURNING s.code, ST_X(a.geom) AS lon, ST_Y(a.geom) AS lat"
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
