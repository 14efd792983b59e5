"""What follows from a publication: stale plans, buildings that change community, redraws proposed.

Nothing is drawn anew by itself: a plan that no longer fits is marked with what changed, and a
person redraws it.
"""

from typing import Any

from sqlalchemy import Connection, text

from etl.pipeline import dependents
from etl.pipeline.diff import delta_name
from etl.pipeline.staging import Staged
from geo.plans import store

LEAST_M2 = 1.0
"""A border that moves less land than this is the same border."""

LISTED = 500
"""Buildings that a report names one by one."""

# Columns of buildings and units that a plan depends on.
_WEIGHTY = ("households", "region_code", "geom", "building_code")


def before(connection: Connection, staged: dict[str, Staged]) -> dict[str, Staged]:
    """Note what is about to change, before it does: the communities and the buildings touched.

    Fills the temporary tables ``touched_region`` (code, old and new land) and ``touched_building``
    (code, old and new community, old and new households).
    """
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE touched_region (code text, old geometry, new geometry) "
            "ON COMMIT DROP"
        )
    )
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE touched_building (code text, fate text, old_region text, "
            "new_region text, old_households int, new_households int, place geometry) "
            "ON COMMIT DROP"
        )
    )
    if "region" in staged and "geom" in staged["region"].columns:
        _note_regions(connection, staged["region"])
    if "building" in staged and _has_plans(connection):
        _note_buildings(connection, staged["building"])
    return staged


def _has_plans(connection: Connection) -> bool:
    return bool(connection.execute(text("SELECT EXISTS (SELECT FROM grid_plan)")).scalar())


def _note_regions(connection: Connection, staged: Staged) -> None:
    connection.execute(
        text(
            "INSERT INTO touched_region SELECT d.code, live.geom, staged.geom "
            f"FROM {delta_name('region')} d LEFT JOIN region live ON live.code = d.code "
            f"LEFT JOIN {staged.table} staged ON staged.code = d.code "
            "WHERE coalesce(staged.level, live.level) = 'community' "
            "AND live.geom::bytea IS DISTINCT FROM staged.geom::bytea".replace(
                "staged.level", "staged.level" if "level" in staged.columns else "NULL::text"
            )
        )
    )


def _note_buildings(connection: Connection, staged: Staged) -> None:
    def new(column: str) -> str:
        return f"staged.{column}" if column in staged.columns else f"live.{column}"

    place = "coalesce(staged.geom, live.geom)" if "geom" in staged.columns else "live.geom"
    differs = " OR ".join(
        f"live.{_comparison_sql(c)} IS DISTINCT FROM staged.{_comparison_sql(c)}"
        for c in _WEIGHTY
        if c in staged.columns
    )
    connection.execute(
        text(
            "INSERT INTO touched_building SELECT d.code, d.fate, live.region_code, "
            f"CASE WHEN d.fate <> 'removed' THEN {new('region_code')} END, live.households, "
            f"CASE WHEN d.fate <> 'removed' THEN {new('households')} END, "
            f"ST_PointOnSurface({place}) "
            f"FROM {delta_name('building')} d LEFT JOIN building live ON live.code = d.code "
            f"LEFT JOIN {staged.table} staged ON staged.code = d.code "
            f"WHERE d.fate <> 'changed' OR ({differs or 'false'})"
        )
    )


def _comparison_sql(column: str) -> str:
    return "geom::bytea" if column == "geom" else f'"{column}"'


def after(
    connection: Connection, staged: dict[str, Staged], run: int, revision: int
) -> dict[str, Any]:
    """Do what follows, and return what the report says of it.

    Returns
    -------
    dict
        ``communities`` that changed shape, ``moved`` buildings, ``stale`` plans with what changed,
        ``proposals`` of communities to redraw, ``also_changed`` layers with the number of features
        written, and what hung on removed features (see :mod:`etl.pipeline.dependents`).
    """
    hung = dependents.follow(connection, staged, run, revision)
    communities = _communities(connection)
    moved = _move_buildings(connection, run, revision) if communities else []
    stale = _mark_stale(connection, run, communities)
    also = {
        "building": len(moved),
        "building_unit": hung.get("units_removed_count", 0),
        "pipe_segment": hung.get("ends_loosened_count", 0),
    }
    return {
        "communities": communities,
        "moved": moved[:LISTED],
        "moved_count": len(moved),
        "stale": stale,
        "proposals": sorted({plan["community"] for plan in stale}),
        "also_changed": {name: count for name, count in also.items() if count},
        **hung,
    }


def _communities(connection: Connection) -> list[dict[str, Any]]:
    """Return the communities that changed shape, with the square metres they won and lost."""
    rows = connection.execute(
        text(
            "SELECT code, won, lost FROM (SELECT code, "
            "coalesce(ST_Area(ST_Difference(new, old)::geography), "
            "ST_Area(new::geography), 0) AS won, "
            "coalesce(ST_Area(ST_Difference(old, new)::geography), "
            "ST_Area(old::geography), 0) AS lost FROM touched_region) moved "
            "WHERE won + lost >= :least ORDER BY code"
        ),
        {"least": LEAST_M2},
    )
    return [
        {"code": row.code, "won_m2": round(row.won, 1), "lost_m2": round(row.lost, 1)}
        for row in rows
    ]


_MOVES = """
WITH land AS (SELECT old AS geom FROM touched_region UNION ALL SELECT new FROM touched_region),
lying AS (
    SELECT DISTINCT b.code, b.region_code, ST_PointOnSurface(b.geom) AS place
    FROM building b JOIN land ON b.geom && land.geom
),
-- A building leaves its community only if that one changed, and it lies there no more: land that
-- another source claims too takes no building away.
placed AS (
    SELECT DISTINCT ON (lying.code) lying.code, lying.region_code AS old, r.code AS new
    FROM lying JOIN region r ON r.level = 'community' AND ST_Intersects(r.geom, lying.place)
    WHERE lying.region_code IS NULL
       OR lying.region_code IN (SELECT code FROM touched_region)
       OR NOT EXISTS (SELECT FROM region old WHERE old.code = lying.region_code)
    ORDER BY lying.code, (r.code = lying.region_code) DESC NULLS LAST, r.code
)
SELECT code, old, new FROM placed
WHERE old IS DISTINCT FROM new
  AND NOT EXISTS (SELECT FROM correction c WHERE c.layer = 'building' AND c.code = placed.code
                  AND c.field = 'region_code')
"""


def _move_buildings(connection: Connection, run: int, revision: int) -> list[dict[str, Any]]:
    """Give the buildings on land that changed hands their new community."""
    connection.execute(text(f"CREATE TEMPORARY TABLE moves ON COMMIT DROP AS {_MOVES}"))
    rows = connection.execute(text("SELECT code, old, new FROM moves ORDER BY code")).all()
    if not rows:
        return []
    connection.execute(
        text(
            "UPDATE building SET region_code = moves.new, revision = :revision FROM moves "
            "WHERE moves.code = building.code"
        ),
        {"revision": revision},
    )
    connection.execute(
        text(
            "INSERT INTO run_change (run_id, layer, columns, changed) "
            "SELECT :run, 'building', '{code,region_code}', array_agg(code) FROM moves "
            "ON CONFLICT (run_id, layer) DO UPDATE SET changed = "
            "(SELECT array_agg(DISTINCT code) FROM "
            "unnest(run_change.changed || excluded.changed) code "
            "WHERE code <> ALL (run_change.added)), "
            "columns = (SELECT array_agg(DISTINCT name) FROM "
            "unnest(run_change.columns || excluded.columns) name)"
        ),
        {"run": run},
    )
    connection.execute(
        text(
            "INSERT INTO touched_building SELECT moves.code, 'moved', old, new, households, "
            "households, ST_PointOnSurface(geom) FROM moves JOIN building USING (code)"
        )
    )
    return [dict(row._mapping) for row in rows]


_STALE = """
WITH plan AS (
    SELECT p.id, p.community_code, p.version, p.status, r.geom FROM grid_plan p
    JOIN region r ON r.code = p.community_code WHERE p.status IN ('draft', 'published')
),
told AS (
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
    FROM told GROUP BY id
)
SELECT plan.id, plan.community_code, plan.version, plan.status, coalesce(added, 0) AS added,
    coalesce(removed, 0) AS removed, coalesce(changed, 0) AS changed,
    coalesce(households, 0) AS households,
    (SELECT array_agg(DISTINCT g.code) FROM told JOIN grid_member m
        ON m.plan_id = plan.id AND m.building_code = told.code JOIN grid g ON g.id = m.grid_id
        WHERE told.id = plan.id) AS grids
FROM plan LEFT JOIN summed USING (id)
WHERE summed.id IS NOT NULL OR plan.community_code = ANY (:communities)
ORDER BY plan.community_code, plan.version
"""


def _mark_stale(
    connection: Connection, run: int, communities: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Mark the plans under which something changed; return them with what changed."""
    touched = text(
        "SELECT EXISTS (SELECT FROM touched_region) OR EXISTS (SELECT FROM touched_building)"
    )
    if not connection.execute(touched).scalar():
        return []
    store.lock_all_communities(connection)
    land = {one["code"]: one for one in communities}
    rows = connection.execute(text(_STALE), {"communities": list(land)}).all()
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
        if row.community_code in land:
            changed |= {key: land[row.community_code][key] for key in ("won_m2", "lost_m2")}
        connection.execute(
            text("UPDATE grid_plan SET stale = CAST(:stale AS jsonb) WHERE id = :id"),
            {"stale": _json(changed), "id": row.id},
        )
        stale.append(
            {"plan": row.id, "community": row.community_code, "version": row.version}
            | {"status": row.status}
            | changed
        )
    return stale


def _json(values: dict[str, Any]) -> str:
    import json

    return json.dumps(values, ensure_ascii=False)
