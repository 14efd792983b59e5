"""The guard: hold a run that would change too much until a person approves it.

Limits are settings of the installation (``GRIDATLAS_GUARD_...``), and of a source in its mapping.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, select, text

from etl.input.layer_columns import REGISTER
from etl.input.mapping import GuardLimits
from etl.pipeline.delivery import Concern, Counts, Delivery, Guard
from etl.pipeline.diff import column_differs_sql, count_live, delta_name
from etl.pipeline.staging import Staged
from etl.runs.run_records import Run
from geo.model import ImportRun
from geo.model.run import RunStatus
from geo.settings import Settings

WEIGHTY = ("region",)
"""Layers whose limits apply however few features change."""

CLAIMED_SHARE = 0.01
"""Share of the smaller of two communities of different sources by which they may overlap."""

AREAL = ("region", "compound")
"""Layers whose changed area is measured."""


def find_concerns(
    connection: Connection, delivery: Delivery, counts: Mapping[str, Counts]
) -> list[Concern]:
    """Return why a person should see a delivery before it is published; empty without a guard."""
    if delivery.guard is None:
        return []
    source, concerns = delivery.scope.source, list(delivery.concerns)
    rejected = _count_rejected(connection, delivery)
    concerns += _find_many_rejected(delivery, delivery.guard, counts, rejected)
    for name, staged in delivery.staged.items():
        live = _count_base(connection, delivery, name)
        is_all_rejected = name in rejected and counts[name].staged == 0
        concerns += _find_many_changes(
            delivery, delivery.guard, name, counts[name], live, is_all_rejected=is_all_rejected
        )
        if live and name in AREAL and "geom" in staged.columns:
            concerns += _check_area(connection, delivery.guard, staged, source)
        concerns += _find_claimed_land(connection, staged, source)
    return concerns


def _count_base(connection: Connection, delivery: Delivery, layer: str) -> int:
    """Count the live features of which a delivery may change a share."""
    if delivery.written is not None:
        return 0
    source = None if delivery.scope.fields_only else delivery.scope.source
    return count_live(connection, layer, source)


def _count_rejected(connection: Connection, delivery: Delivery) -> dict[str, int]:
    """Count the rejected features of each layer that has any."""
    rows = connection.exec_driver_sql(
        f"SELECT layer, count(*) AS size FROM {delivery.rejected} GROUP BY 1 ORDER BY 1"
    )
    return {row.layer: row.size for row in rows}


def _find_many_rejected(
    delivery: Delivery, guard: Guard, counts: Mapping[str, Counts], rejected: Mapping[str, int]
) -> list[Concern]:
    """Return a concern for each delivered layer of which too many features were rejected.

    That may be a layer of which nothing is staged, such as the register.
    """
    passed = {name: count.staged for name, count in counts.items()}
    passed[REGISTER] = delivery.register_rows
    return [
        concern
        for layer, count in rejected.items()
        if (concern := _check_share(guard, "rejected", layer, count, passed.get(layer, 0) + count))
    ]


def _find_many_changes(
    delivery: Delivery,
    guard: Guard,
    layer: str,
    counts: Counts,
    live: int,
    *,
    is_all_rejected: bool,
) -> list[Concern]:
    """Return a concern if too many live features are removed, and one if too many are changed.

    If every delivered feature was rejected, removals are a concern however few they are.
    """
    removed = _check_share(guard, "removed", layer, counts.removed, live, always=is_all_rejected)
    changed = _check_share(guard, "changed", layer, counts.changed, live)
    if changed and delivery.scope.fields_only:
        changed = Concern("too_many_changed_in_layer", changed.values)
    return [concern for concern in (removed, changed) if concern]


def _check_share(
    guard: Guard, what: str, layer: str, count: int, total: int, *, always: bool = False
) -> Concern | None:
    """Return a concern if a number of features exceeds the limit of its share."""
    percent = 100 * count / max(total, count, 1)
    limit = getattr(guard, f"{what}_percent")
    if count <= (0 if always or layer in WEIGHTY else guard.few) or percent <= limit:
        return None
    figures = {"count": count, "total": total, "percent": round(percent, 1), "limit": limit}
    return Concern(f"too_many_{what}", {"layer": layer, **figures})


def _check_area(connection: Connection, guard: Guard, staged: Staged, source: str) -> list[Concern]:
    percent = _changed_area_percent(connection, staged, source)
    if percent <= guard.area_percent:
        return []
    values = {"layer": staged.layer, "percent": round(percent, 1), "limit": guard.area_percent}
    return [Concern("too_much_area", values)]


def _find_claimed_land(connection: Connection, staged: Staged, source: str) -> list[Concern]:
    """Return a concern for each source whose communities new or redrawn ones overlap.

    A community that is live with the same shape was accepted before.
    """
    if staged.layer != "region" or not {"level", "geom"} <= {*staged.columns}:
        return []
    rows = connection.execute(
        text(
            "SELECT other.source, count(DISTINCT other.code) AS communities, (SELECT count(*) "
            "FROM building b WHERE b.region_code = ANY (array_agg(other.code)) AND EXISTS "
            f"(SELECT FROM {staged.table} s WHERE s.level = 'community' "
            "AND ST_Intersects(s.geom, b.geom))) AS buildings "
            f"FROM {staged.table} staged JOIN region other ON other.level = 'community' "
            "AND other.source <> :source AND ST_Intersects(other.geom, staged.geom) "
            "WHERE staged.level = 'community' "
            "AND ST_Area(ST_Intersection(other.geom, staged.geom)) "
            "> :share * least(ST_Area(other.geom), ST_Area(staged.geom)) "
            "AND NOT EXISTS (SELECT FROM region live WHERE live.code = staged.code "
            f"AND live.source = :source AND NOT {column_differs_sql('geom')}) "
            "GROUP BY other.source ORDER BY other.source"
        ),
        {"source": source, "share": CLAIMED_SHARE},
    )
    return [
        Concern(
            "land_of_other_source",
            {
                "layer": staged.layer,
                "count": row.communities,
                "source": row.source,
                "buildings": row.buildings,
            },
        )
        for row in rows
    ]


def find_missing_columns(run: Run) -> list[Concern]:
    """Return a concern for each layer that lacks a column which its source delivered last time."""
    concerns = []
    with run.connection.begin():
        for layer, columns in run.report.get("columns", {}).items():
            last = run.connection.execute(
                select(ImportRun.id, ImportRun.report["columns"][layer].label("columns"))
                .where(
                    ImportRun.source == run.source,
                    ImportRun.status.in_((RunStatus.PUBLISHED, RunStatus.UNCHANGED)),
                    ImportRun.report["columns"].has_key(layer),
                )
                .order_by(ImportRun.id.desc())
                .limit(1)
            ).first()
            if last is not None and (missing := set(last.columns) - set(columns)):
                values = {"layer": layer, "columns": ", ".join(sorted(missing)), "run": last.id}
                concerns.append(Concern("columns_missing", values))
    return concerns


def find_cascade_concerns(
    connection: Connection, delivery: Delivery, foreign: Mapping[str, Mapping[str, int]]
) -> list[Concern]:
    """Return the consequences for other sources' features that a person should see before.

    Parameters
    ----------
    foreign
        By layer, how many features of each other source the cascade changed (see
        :func:`etl.pipeline.cascade.apply_cascade`).
    """
    guard, concerns = delivery.guard, list[Concern]()
    if guard is None:
        return concerns
    limits = {"building_unit": guard.removed_percent, "pipe_segment": guard.changed_percent}
    for layer, counts in foreign.items():
        for source, count in sorted(counts.items()):
            live = count_live(connection, layer, source)
            live += count if layer == "building_unit" else 0  # they are removed already
            percent, limit = 100 * count / max(live, 1), limits.get(layer, 0.0)
            if count > guard.few and percent > limit:
                values = {"layer": layer, "source": source, "count": count, "limit": limit}
                concerns.append(
                    Concern(f"foreign_{layer}", values | {"percent": round(percent, 1)})
                )
    return concerns


def guard_from_settings(settings: Settings, limits: GuardLimits | None = None) -> Guard:
    """Return the guard of the installation, with the limits of the source where it has any."""
    source_limits = {} if limits is None else limits.model_dump(exclude_none=True)
    names = ("removed_percent", "changed_percent", "area_percent", "rejected_percent")
    percents = {name: source_limits.get(name, getattr(settings, f"guard_{name}")) for name in names}
    return Guard(**percents, few=settings.guard_few)


def _changed_area_percent(connection: Connection, staged: Staged, source: str) -> float:
    """Return the share of the live area of a source that changes, in percent."""
    lowest = "AND level = 'community'" if staged.layer == "region" else ""
    moved = connection.exec_driver_sql(
        f"SELECT coalesce(sum(ST_Area(CASE d.fate WHEN 'removed' THEN live.geom "
        "ELSE ST_SymDifference(live.geom, staged.geom) END)), 0) "
        f"FROM {delta_name(staged.layer)} d JOIN {staged.layer} live ON live.code = d.code "
        f"LEFT JOIN {staged.table} staged ON staged.code = d.code "
        f"WHERE d.fate <> 'added' {lowest.replace('level', 'live.level')}"
    ).scalar_one()
    whole = connection.execute(
        text(
            f"SELECT coalesce(sum(ST_Area(geom)), 0) FROM {staged.layer} "
            f"WHERE source = :source {lowest}"
        ),
        {"source": source},
    ).scalar_one()
    return 100 * float(moved) / float(whole) if whole else 0.0
