"""The guard: hold a run that would change too much until a person approves it.

Limits are settings of the installation (``GRIDATLAS_GUARD_...``), and of a source in its mapping.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, text

from etl.input.mapping import GuardLimits
from etl.pipeline.delivery import Concern, Counts, Delivery, Guard
from etl.pipeline.diff import count_live, delta_name
from etl.pipeline.staging import Staged
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
    for name, staged in delivery.staged.items():
        live = 0 if delivery.written is not None else count_live(connection, name, source)
        rejected = connection.execute(
            text(f"SELECT count(*) FROM {delivery.rejected} WHERE layer = :layer"), {"layer": name}
        ).scalar_one()
        concerns += _exceeded_limits(delivery.guard, name, counts[name], live, rejected)
        if live and name in AREAL and "geom" in staged.columns:
            concerns += _exceeded_area(connection, delivery.guard, staged)
        concerns += _find_claimed_land(connection, staged, source)
    return concerns


def _exceeded_limits(
    guard: Guard, layer: str, counts: Counts, live: int, rejected: int
) -> list[Concern]:
    """Return the limits that a layer's numbers of features exceed."""
    concerns = []
    few = 0 if layer in WEIGHTY else guard.few
    for key, count, total in (
        ("removed", counts.removed, live),
        ("changed", counts.changed, live),
        ("rejected", rejected, counts.staged + rejected),
    ):
        percent = 100 * count / max(total, 1)
        limit = getattr(guard, f"{key}_percent")
        if count > few and percent > limit:
            values = {"layer": layer, "count": count, "percent": round(percent, 1), "limit": limit}
            concerns.append(Concern(f"too_many_{key}", values))
    return concerns


def _exceeded_area(connection: Connection, guard: Guard, staged: Staged) -> list[Concern]:
    percent = _changed_area_percent(connection, staged)
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
            "SELECT live.source, count(DISTINCT live.code) AS communities, (SELECT count(*) "
            "FROM building b WHERE b.region_code = ANY (array_agg(live.code)) AND EXISTS "
            f"(SELECT FROM {staged.table} s WHERE s.level = 'community' "
            "AND ST_Intersects(s.geom, b.geom))) AS buildings "
            f"FROM {staged.table} fresh JOIN region live ON live.level = 'community' "
            "AND live.source <> :source AND ST_Intersects(live.geom, fresh.geom) "
            "WHERE fresh.level = 'community' AND ST_Area(ST_Intersection(live.geom, fresh.geom)) "
            "> :share * least(ST_Area(live.geom), ST_Area(fresh.geom)) "
            "AND NOT EXISTS (SELECT FROM region own WHERE own.code = fresh.code "
            "AND own.source = :source AND ST_Equals(own.geom, fresh.geom)) "
            "GROUP BY live.source ORDER BY live.source"
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


def _changed_area_percent(connection: Connection, staged: Staged) -> float:
    """Return the share of the live area that changes, in percent."""
    lowest = "AND level = 'community'" if staged.layer == "region" else ""
    moved = connection.execute(
        text(
            f"SELECT coalesce(sum(ST_Area(CASE d.fate WHEN 'removed' THEN live.geom "
            "ELSE ST_SymDifference(live.geom, staged.geom) END)), 0) "
            f"FROM {delta_name(staged.layer)} d JOIN {staged.layer} live ON live.code = d.code "
            f"LEFT JOIN {staged.table} staged ON staged.code = d.code "
            f"WHERE d.fate <> 'added' {lowest.replace('level', 'live.level')}"
        )
    ).scalar_one()
    whole = connection.execute(
        text(f"SELECT coalesce(sum(ST_Area(geom)), 0) FROM {staged.layer} WHERE true {lowest}")
    ).scalar_one()
    return 100 * float(moved) / float(whole) if whole else 0.0
