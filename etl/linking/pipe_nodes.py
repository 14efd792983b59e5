"""Nodes for pipe networks that are delivered without any, where pipe ends meet.

Only for networks whose nodes, if any, were made from earlier pipes of the same source: where nodes
were surveyed, an end without a node is a fault to report.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from etl.pipeline import staging
from etl.pipeline.staging import ROW, Staged

MEET_M = 0.5
"""Ends this close to each other meet: twice the error of detected points (CJJ 61-2017, 3.0.9)."""

NEAR_MISS_M = 2.0
"""A lone end this close to another pipe was probably meant to join it."""

LISTED = 500

_DEGREES_PER_M = 1 / 111_000
_AROUND_DEGREES = 1 / 50_000  # a metre, generously, at any latitude in China

_COLUMNS = ("code", "network", "kind", "geom")

_DELIVERS_NODES = """
SELECT EXISTS (SELECT FROM import_run WHERE source = :source AND status = 'published'
    AND (position('pipe_node' IN layer) > 0 OR jsonb_exists(report -> 'columns', 'pipe_node')))
"""

_IS_SURVEYED = """(n.kind NOT IN ('junction', 'end') OR n.name <> '' OR n.is_open IS NOT NULL
    OR n.in_service IS NOT NULL OR n.burial_depth_m IS NOT NULL
    OR n.code !~ ':(from|to)$' AND n.code NOT IN (
        SELECT unnest(c.added) FROM run_change c JOIN import_run r ON r.id = c.run_id
        WHERE r.source = :source AND c.layer = 'pipe_node'
            AND jsonb_exists(r.report -> 'network', 'made')))"""

# Every pipe end, with the number of the spot where it meets others.
_ENDS = """
CREATE TEMPORARY TABLE ends ON COMMIT DROP AS
SELECT *, ST_ClusterDBSCAN(place, :meet, 1) OVER (PARTITION BY network) AS spot FROM (
    SELECT code, network, {from_node} AS name, 'from' AS side, ST_StartPoint(geom) AS place
    FROM {table} WHERE network = ANY (:networks)
    UNION ALL
    SELECT code, network, {to_node}, 'to', ST_EndPoint(geom)
    FROM {table} WHERE network = ANY (:networks)) both_ends
"""

# A named node lies where most of its ends do. The other end of each line counts half, because the
# line may be reversed (it is turned later): so names agree along a chain of pipes.
_NODES = """
WITH votes AS (
    SELECT network, name, spot, 2 AS weight FROM ends WHERE name IS NOT NULL
    UNION ALL
    SELECT here.network, here.name, there.spot, 1 FROM ends here JOIN ends there
        ON there.code = here.code AND there.side <> here.side WHERE here.name IS NOT NULL
), named AS (
    SELECT DISTINCT ON (name) network, name AS code, spot FROM votes
    GROUP BY network, name, spot ORDER BY name, sum(weight) DESC, network, spot
), unnamed AS (
    SELECT network, min(code || ':' || side) AS code, spot FROM ends
    WHERE NOT EXISTS (SELECT FROM named n WHERE n.network = ends.network AND n.spot = ends.spot)
    GROUP BY network, spot HAVING count(name) = 0
), spots AS (
    SELECT network, spot, count(*) AS size,
        (array_agg(place ORDER BY code, side))[1] AS place FROM ends GROUP BY 1, 2
)
INSERT INTO {table} (code, network, kind, geom, {row})
SELECT node.code, node.network, CASE WHEN spots.size > 1 THEN 'junction' ELSE 'end' END,
    spots.place, row_number() OVER (ORDER BY node.code)
FROM (SELECT * FROM named UNION ALL SELECT * FROM unnamed) node
JOIN spots USING (network, spot)
"""

_NEAR_MISSES = """
SELECT ends.code, ends.side AS "end", ST_X(place) AS lon, ST_Y(place) AS lat, (
    SELECT other.code FROM {table} other
    WHERE other.network = ends.network AND other.code <> ends.code
      AND other.geom && ST_Expand(ends.place, :around)
      AND ST_DistanceSphere(other.geom, ends.place) <= :near
    ORDER BY ST_Distance(other.geom, ends.place), other.code LIMIT 1) AS near
FROM ends JOIN (SELECT network, spot FROM ends GROUP BY 1, 2 HAVING count(*) = 1) alone
    USING (network, spot)
"""


def stage_missing_nodes(
    connection: Connection, segments: Staged, source: str, number: int
) -> tuple[Staged | None, dict[str, Any]]:
    """Stage nodes for the networks of some pipes that have none.

    Returns
    -------
    tuple
        The staged nodes, None if every network has its own; and for the report how many were
        ``made``, and ``near_misses``: ends that meet nothing and lie beside another pipe.
    """
    networks = _without_nodes(connection, segments, source)
    if not networks:
        return None, {}
    nodes = staging.create_staging_table(connection, number, "pipe_node", _COLUMNS)
    names = {c: c if c in segments.columns else "NULL::text" for c in ("from_node", "to_node")}
    connection.execute(
        text(_ENDS.format(table=segments.table, **names)),
        {"meet": MEET_M * _DEGREES_PER_M, "networks": list(networks)},
    )
    nodes.rows = connection.execute(text(_NODES.format(table=nodes.table, row=ROW))).rowcount
    return nodes, {"made": nodes.rows, "near_misses": _near_misses(connection, segments)}


def _without_nodes(connection: Connection, segments: Staged, source: str) -> Sequence[str]:
    """Return the networks of some pipes that have no surveyed nodes, only generated ones.

    Nodes of other sources are surveyed. Those of the source itself are if it delivered nodes, and
    any node has a value that generated ones never have, or was not added with generated ones.
    """
    delivers_nodes = connection.execute(text(_DELIVERS_NODES), {"source": source}).scalar()
    is_surveyed = "n.source <> :source" + (f" OR {_IS_SURVEYED}" if delivers_nodes else "")
    return connection.scalars(
        text(
            f"SELECT DISTINCT network FROM {segments.table} s WHERE network IS NOT NULL "
            f"AND NOT EXISTS (SELECT FROM pipe_node n "
            f"WHERE n.network = s.network AND ({is_surveyed}))"
        ),
        {"source": source},
    ).all()


def _near_misses(connection: Connection, segments: Staged) -> list[dict[str, Any]]:
    connection.execute(text(f"CREATE INDEX ON {segments.table} USING gist (geom)"))
    connection.execute(text(f"ANALYZE {segments.table}"))
    rows = connection.execute(
        text(
            f"SELECT * FROM ({_NEAR_MISSES.format(table=segments.table)}) lone "
            f"WHERE near IS NOT NULL ORDER BY code LIMIT {LISTED}"
        ),
        {"around": NEAR_MISS_M * _AROUND_DEGREES, "near": NEAR_MISS_M},
    )
    return [dict(row._mapping) for row in rows]
