"""What hangs on a removed feature, whoever delivered it: units of buildings, ends at pipe nodes.

A building that is gone takes its units along, and a pipe whose node is gone has a loose end. Both
are told, kept in history and come back with a roll-back; the next delivery of the units' or pipes'
own source says what became of them.
"""

from typing import Any

from sqlalchemy import Connection, text

from etl.input.layer_columns import deliverable_columns
from etl.pipeline.diff import delta_name
from etl.pipeline.staging import Staged

LISTED = 500
"""Features that a report names one by one."""

_UNITS = """
DELETE FROM building_unit u USING {gone} gone
WHERE gone.fate = 'removed' AND u.building_code = gone.code
RETURNING u.code, u.building_code AS building, u.households, u.source
"""

_ENDS = """
UPDATE pipe_segment s SET revision = :revision,
    from_node = CASE WHEN from_node = ANY (:gone) THEN NULL ELSE from_node END,
    to_node = CASE WHEN to_node = ANY (:gone) THEN NULL ELSE to_node END
WHERE from_node = ANY (:gone) OR to_node = ANY (:gone)
RETURNING code, source
"""

_NOTE_REMOVED = """
INSERT INTO run_change AS did (run_id, layer, columns, removed)
VALUES (:run, :layer, :columns, :codes)
ON CONFLICT (run_id, layer) DO UPDATE SET
    added = ARRAY(SELECT unnest(did.added) EXCEPT SELECT unnest(excluded.removed)),
    changed = ARRAY(SELECT unnest(did.changed) EXCEPT SELECT unnest(excluded.removed)),
    removed = ARRAY(SELECT unnest(did.removed || excluded.removed) EXCEPT SELECT unnest(did.added))
"""

_NOTE_CHANGED = """
INSERT INTO run_change AS did (run_id, layer, columns, changed)
VALUES (:run, :layer, :columns, :codes)
ON CONFLICT (run_id, layer) DO UPDATE SET
    columns = ARRAY(SELECT unnest(did.columns) UNION SELECT unnest(excluded.columns)),
    changed = ARRAY(SELECT unnest(did.changed) UNION SELECT unnest(excluded.changed)
                    EXCEPT SELECT unnest(did.added))
"""


def follow(
    connection: Connection, staged: dict[str, Staged], run: int, revision: int
) -> dict[str, Any]:
    """Remove the units of removed buildings and loosen the pipes of removed nodes.

    Returns
    -------
    dict
        ``units_removed`` (code, building, households, source) and ``ends_loosened`` (code, source)
        with their counts; empty where nothing hung on anything removed.
    """
    found: dict[str, Any] = {}
    if "building" in staged and (units := _remove_units(connection, run)):
        found |= {"units_removed": units[:LISTED], "units_removed_count": len(units)}
    if "pipe_node" in staged and (ends := _loosen(connection, run, revision)):
        found |= {"ends_loosened": ends[:LISTED], "ends_loosened_count": len(ends)}
    return found


def _remove_units(connection: Connection, run: int) -> list[dict[str, Any]]:
    rows = connection.execute(text(_UNITS.format(gone=delta_name("building")))).all()
    if rows:
        values = {"layer": "building_unit", "columns": list(deliverable_columns("building_unit"))}
        codes = [row.code for row in rows]
        connection.execute(text(_NOTE_REMOVED), {"run": run, "codes": codes, **values})
    return sorted((dict(row._mapping) for row in rows), key=lambda unit: unit["code"])


def _loosen(connection: Connection, run: int, revision: int) -> list[dict[str, Any]]:
    gone = connection.scalars(
        text(f"SELECT code FROM {delta_name('pipe_node')} WHERE fate = 'removed'")
    ).all()
    if not gone:
        return []
    rows = connection.execute(text(_ENDS), {"gone": list(gone), "revision": revision}).all()
    if rows:
        values = {"layer": "pipe_segment", "columns": ["code", "from_node", "to_node"]}
        codes = [row.code for row in rows]
        connection.execute(text(_NOTE_CHANGED), {"run": run, "codes": codes, **values})
    return sorted((dict(row._mapping) for row in rows), key=lambda end: end["code"])
