"""The cascade of a publication: dependent features, buildings that change community, stale plans.

The units of a removed building are removed, and the pipes of a removed node lose that end, whoever
delivered them: both are listed in the report, kept in history and restored by a roll-back.
Nothing is redrawn automatically: a plan that no longer fits is marked as stale, with what changed.
"""

import json
from collections import Counter
from typing import Any

from sqlalchemy import Connection, text

from etl.input.layer_columns import deliverable_columns
from etl.pipeline.diff import column_differs_sql, delta_name
from etl.pipeline.staging import Staged
from etl.runs.run_records import Run, set_layer_revision
from geo.plans import store

MIN_MOVED_M2 = 1.0
"""A border that moves less land than this counts as the same."""

LISTED = 500
"""Features that a report lists one by one."""

_PLAN_COLUMNS = ("households", "region_code", "geom", "building_code")
"""Columns of buildings and units that a plan depends on."""


def note_affected(connection: Connection, staged: dict[str, Staged]) -> None:
    """Note the communities and buildings that are about to change, before they do.

    Fill the temporary tables ``touched_region`` (code, old and new land) and ``touched_building``
    (code, old and new community, old and new households).
    """
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE touched_region (code text, old geometry, new geometry) "
        "ON COMMIT DROP"
    )
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE touched_building (code text, fate text, old_region text, "
        "new_region text, old_households int, new_households int, place geometry) "
        "ON COMMIT DROP"
    )
    if "region" in staged and "geom" in staged["region"].columns:
        _note_regions(connection, staged["region"])
    has_plans = connection.execute(text("SELECT EXISTS (SELECT FROM grid_plan)")).scalar()
    if "building" in staged and has_plans:
        _note_buildings(connection, staged["building"])


def _note_regions(connection: Connection, staged: Staged) -> None:
    level = "staged.level" if "level" in staged.columns else "NULL::text"
    connection.exec_driver_sql(
        "INSERT INTO touched_region SELECT d.code, live.geom, staged.geom "
        f"FROM {delta_name('region')} d LEFT JOIN region live ON live.code = d.code "
        f"LEFT JOIN {staged.table} staged ON staged.code = d.code "
        f"WHERE coalesce({level}, live.level) = 'community' AND {column_differs_sql('geom')}"
    )


def _note_buildings(connection: Connection, staged: Staged) -> None:
    def new(column: str) -> str:
        return f"staged.{column}" if column in staged.columns else f"live.{column}"

    place = "coalesce(staged.geom, live.geom)" if "geom" in staged.columns else "live.geom"
    differs = " OR ".join(column_differs_sql(c) for c in _PLAN_COLUMNS if c in staged.columns)
    connection.exec_driver_sql(
        "INSERT INTO touched_building SELECT d.code, d.fate, live.region_code, "
        f"CASE WHEN d.fate <> 'removed' THEN {new('region_code')} END, live.households, "
        f"CASE WHEN d.fate <> 'removed' THEN {new('households')} END, "
        f"ST_PointOnSurface({place}) "
        f"FROM {delta_name('building')} d LEFT JOIN building live ON live.code = d.code "
        f"LEFT JOIN {staged.table} staged ON staged.code = d.code "
        f"WHERE d.fate <> 'changed' OR ({differs or 'false'})"
    )


def apply_cascade(run: Run, staged: dict[str, Staged], revision: int) -> dict[str, Counter[str]]:
    """Apply the consequences of a publication, in its transaction, and add them to the report.

    The report gets ``communities`` that changed shape, ``moved`` buildings, ``stale`` plans with
    what changed, ``proposals`` of communities to redraw, ``also_changed`` layers with the number of
    features written, and the lists ``units_removed``, ``register_left`` (removed buildings that the
    register still names) and ``ends_loosened`` with their counts.

    Returns
    -------
    dict
        By layer, how many features of each other source changed: buildings that left a community,
        units that were removed, pipes that lost an end.
    """
    connection = run.connection
    with run.timed("consequences"):
        units = _remove_units(connection, run.number) if "building" in staged else []
        left_over = _list_register_left(connection) if "building" in staged else []
        ends = _loosen_ends(connection, run.number, revision) if "pipe_node" in staged else []
        communities = _changed_communities(connection)
        moved = _move_buildings(connection, run.number, revision) if communities else []
        stale = _mark_stale(connection, run.number, communities)
        sizes = {"building": len(moved), "building_unit": len(units), "pipe_segment": len(ends)}
        also_changed = {name: size for name, size in sizes.items() if size}
        run.report |= {
            "communities": communities,
            "moved": moved[:LISTED],
            "moved_count": len(moved),
            "stale": stale,
            "proposals": sorted({plan["community"] for plan in stale}),
            "also_changed": also_changed,
        }
        for key, features in (
            ("units_removed", units),
            ("register_left", left_over),
            ("ends_loosened", ends),
        ):
            if features:
                run.report |= {key: features[:LISTED], f"{key}_count": len(features)}
        for name in also_changed:
            set_layer_revision(connection, name, revision, run.number)
    left = [building for building in moved if building["old"] is not None]
    changed = {"building": left, "building_unit": units, "pipe_segment": ends}
    return {
        layer: Counter(row["source"] for row in rows if row["source"] != run.source)
        for layer, rows in changed.items()
    }


_UNITS = """
DELETE FROM building_unit u USING {gone} gone
WHERE gone.fate = 'removed' AND u.building_code = gone.code
RETURNING u.code, u.building_code AS building, u.households, u.source
"""

_REGISTER_LEFT = """
SELECT code AS building, dwellings, entities FROM {gone} gone
CROSS JOIN LATERAL (
    SELECT count(*) AS dwellings FROM dwelling d WHERE d.building_code = gone.code) homes
CROSS JOIN LATERAL (
    SELECT count(*) AS entities FROM entity e WHERE e.building_code = gone.code) staff
WHERE fate = 'removed' AND dwellings + entities > 0 ORDER BY code
"""

_ENDS = """
UPDATE pipe_segment s SET revision = :revision,
    from_node = CASE WHEN from_node = ANY (:gone) THEN NULL ELSE from_node END,
    to_node = CASE WHEN to_node = ANY (:gone) THEN NULL ELSE to_node END
WHERE from_node = ANY (:gone) OR to_node = ANY (:gone)
RETURNING code, source
"""

_RECORD_REMOVED = """
INSERT INTO run_change AS noted (run_id, layer, columns, removed)
VALUES (:run, :layer, :columns, :codes)
ON CONFLICT (run_id, layer) DO UPDATE SET
    added = ARRAY(SELECT unnest(noted.added) EXCEPT SELECT unnest(excluded.removed)),
    changed = ARRAY(SELECT unnest(noted.changed) EXCEPT SELECT unnest(excluded.removed)),
    removed = ARRAY(SELECT unnest(noted.removed || excluded.removed)
                    EXCEPT SELECT unnest(noted.added))
"""

_RECORD_CHANGED = """
INSERT INTO run_change AS noted (run_id, layer, columns, changed)
VALUES (:run, :layer, :columns, :codes)
ON CONFLICT (run_id, layer) DO UPDATE SET
    columns = ARRAY(SELECT unnest(noted.columns) UNION SELECT unnest(excluded.columns)),
    changed = ARRAY(SELECT unnest(noted.changed) UNION SELECT unnest(excluded.changed)
                    EXCEPT SELECT unnest(noted.added))
"""


def _remove_units(connection: Connection, run: int) -> list[dict[str, Any]]:
    rows = connection.execute(text(_UNITS.format(gone=delta_name("building")))).all()
    if rows:
        values = {"layer": "building_unit", "columns": list(deliverable_columns("building_unit"))}
        codes = [row.code for row in rows]
        connection.execute(text(_RECORD_REMOVED), {"run": run, "codes": codes, **values})
    return sorted((dict(row._mapping) for row in rows), key=lambda unit: unit["code"])


def _list_register_left(connection: Connection) -> list[dict[str, Any]]:
    """Return the removed buildings of which dwellings or organisations are still on record.

    The register has sources of its own, so they stay: whoever delivers them decides.
    """
    rows = connection.execute(text(_REGISTER_LEFT.format(gone=delta_name("building"))))
    return [dict(row._mapping) for row in rows]


def _loosen_ends(connection: Connection, run: int, revision: int) -> list[dict[str, Any]]:
    gone = connection.scalars(
        text(f"SELECT code FROM {delta_name('pipe_node')} WHERE fate = 'removed'")
    ).all()
    if not gone:
        return []
    rows = connection.execute(text(_ENDS), {"gone": list(gone), "revision": revision}).all()
    if rows:
        values = {"layer": "pipe_segment", "columns": ["code", "from_node", "to_node"]}
        codes = [row.code for row in rows]
        connection.execute(text(_RECORD_CHANGED), {"run": run, "codes": codes, **values})
    return sorted((dict(row._mapping) for row in rows), key=lambda end: end["code"])


def _changed_communities(connection: Connection) -> list[dict[str, Any]]:
    """Return the communities that changed shape, with the area gained and lost in m2."""
    rows = connection.execute(
        text(
            "SELECT code, won, lost FROM (SELECT code, "
            "coalesce(ST_Area(ST_Difference(new, old)::geography), "
            "ST_Area(new::geography), 0) AS won, "
            "coalesce(ST_Area(ST_Difference(old, new)::geography), "
            "ST_Area(old::geography), 0) AS lost FROM touched_region) moved "
            "WHERE won + lost >= :least ORDER BY code"
        ),
        {"least": MIN_MOVED_M2},
    )
    return [
        {"code": row.code, "won_m2": round(row.won, 1), "lost_m2": round(row.lost, 1)}
        for row in rows
    ]


_MOVES = """
WITH land AS (SELECT old AS geom FROM touched_region UNION ALL SELECT new FROM touched_region),
lying AS (
    SELECT DISTINCT b.code, b.region_code, b.source, ST_PointOnSurface(b.geom) AS place
    FROM building b JOIN land ON b.geom && land.geom
),
-- A building leaves its community only if that one changed and no longer contains it: overlapping
-- land of another source takes no building away.
placed AS (
    SELECT DISTINCT ON (lying.code) lying.code, lying.source, lying.region_code AS old,
        r.code AS new
    FROM lying JOIN region r ON r.level = 'community' AND ST_Intersects(r.geom, lying.place)
    WHERE lying.region_code IS NULL
       OR lying.region_code IN (SELECT code FROM touched_region)
       OR NOT EXISTS (SELECT FROM region old WHERE old.code = lying.region_code)
    ORDER BY lying.code, (r.code = lying.region_code) DESC NULLS LAST, r.code
)
SELECT code, source, old, new FROM placed
WHERE old IS DISTINCT FROM new
  AND NOT EXISTS (SELECT FROM correction c WHERE c.layer = 'building' AND c.code = placed.code
                  AND c.field = 'region_code')
"""


def _move_buildings(connection: Connection, run: int, revision: int) -> list[dict[str, Any]]:
    """Assign buildings on land that changed community to the new one; return them."""
    connection.execute(text(f"CREATE TEMPORARY TABLE moves ON COMMIT DROP AS {_MOVES}"))
    rows = connection.execute(text("SELECT * FROM moves ORDER BY code")).all()
    if not rows:
        return []
    connection.execute(
        text(
            "UPDATE building SET region_code = moves.new, revision = :revision FROM moves "
            "WHERE moves.code = building.code"
        ),
        {"revision": revision},
    )
    values = {"layer": "building", "columns": ["code", "region_code"]}
    codes = [row.code for row in rows]
    connection.execute(text(_RECORD_CHANGED), {"run": run, "codes": codes, **values})
    connection.exec_driver_sql(
        "INSERT INTO touched_building SELECT moves.code, 'moved', old, new, households, "
        "households, ST_PointOnSurface(geom) FROM moves JOIN building USING (code)"
    )
    return [dict(row._mapping) for row in rows]


_STALE = """
WITH plan AS (
    SELECT p.id, p.community_code, p.version, p.status, r.geom FROM grid_plan p
    JOIN region r ON r.code = p.community_code WHERE p.status IN ('draft', 'published')
),
touched AS (
    SELECT plan.id, t.code, t.fate, t.old_households, t.new_households
    FROM touched_building t JOIN plan ON plan.community_code IN (t.old_region, t.new_region)
        OR (coalesce(t.old_region, t.new_region) IS NULL AND ST_Intersects(plan.geom, t.place))
    UNION
    SELECT m.plan_id, t.code, t.fate, t.old_households, t.new_households
    FROM touched_building t JOIN grid_member m ON m.building_code = t.code
    JOIN plan ON plan.id = m.plan_id
),
summed AS (
    SELECT id, count(*) FILTER (WHERE fate = 'added') AS added,
        count(*) FILTER (WHERE fate = 'removed') AS removed,
        count(*) FILTER (WHERE fate IN ('changed', 'moved')) AS changed,
        coalesce(sum(new_households), 0) - coalesce(sum(old_households), 0) AS households
    FROM touched GROUP BY id
)
SELECT plan.id, plan.community_code, plan.version, plan.status, coalesce(added, 0) AS added,
    coalesce(removed, 0) AS removed, coalesce(changed, 0) AS changed,
    coalesce(households, 0) AS households,
    (SELECT array_agg(DISTINCT g.code) FROM touched JOIN grid_member m
        ON m.plan_id = plan.id AND m.building_code = touched.code JOIN grid g ON g.id = m.grid_id
        WHERE touched.id = plan.id) AS grids
FROM plan LEFT JOIN summed USING (id)
WHERE summed.id IS NOT NULL OR plan.community_code = ANY (:communities)
ORDER BY plan.community_code, plan.version
"""


def _mark_stale(
    connection: Connection, run: int, communities: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Mark the plans whose land or buildings changed; return them with what changed."""
    touched = text(
        "SELECT EXISTS (SELECT FROM touched_region) OR EXISTS (SELECT FROM touched_building)"
    )
    if not connection.execute(touched).scalar():
        return []
    store.lock_all_communities(connection)
    areas = {community["code"]: community for community in communities}
    rows = connection.execute(text(_STALE), {"communities": list(areas)}).all()
    stale = []
    for row in rows:
        changed = {
            "run": run,
            "buildings_added": row.added,
            "buildings_removed": row.removed,
            "buildings_changed": row.changed,
            "households": int(row.households),
            "grids": row.grids or [],
        }
        if row.community_code in areas:
            changed |= {key: areas[row.community_code][key] for key in ("won_m2", "lost_m2")}
        connection.execute(
            text("UPDATE grid_plan SET stale = CAST(:stale AS jsonb) WHERE id = :id"),
            {"stale": json.dumps(changed, ensure_ascii=False), "id": row.id},
        )
        stale.append(
            {"plan": row.id, "community": row.community_code, "version": row.version}
            | {"status": row.status}
            | changed
        )
    return stale
