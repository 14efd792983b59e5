"""The guard: a run that would change too much waits for a person.

Limits are settings of the installation (``GRIDATLAS_GUARD_...``), and of a source in its mapping.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from etl.input.mapping import GuardLimits
from etl.pipeline.diff import Counts, delta_name
from etl.pipeline.staging import Staged
from geo.settings import Settings

WEIGHTY = ("region",)
"""Layers of which every feature counts, however few there are."""

CLAIMED_SHARE = 0.01
"""Share of the smaller one by which communities of two sources may overlap along their border."""

AREAL = ("region", "compound")
"""Layers whose changed area is measured."""


@dataclass(frozen=True)
class Concern:
    """Why a run is held: a key of the catalogue, and its fields."""

    key: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Guard:
    """The limits, in percent of what is live of the source; of what is delivered for refusals."""

    removed_percent: float
    changed_percent: float
    area_percent: float
    rejected_percent: float
    few: int

    def judge(
        self, connection: Connection, staged: Staged, counts: Counts, live: int, rejected: int
    ) -> list[Concern]:
        """Return what about a layer's differences a person should see first."""
        layer = staged.layer
        concerns = []
        few = 0 if layer in WEIGHTY else self.few
        for key, size, whole in (
            ("removed", counts.removed, live),
            ("changed", counts.changed, live),
            ("rejected", rejected, counts.staged + rejected),
        ):
            percent = 100 * size / max(whole, 1)
            limit = getattr(self, f"{key}_percent")
            if size > few and percent > limit:
                concerns.append(
                    Concern(
                        f"too_many_{key}",
                        {
                            "layer": layer,
                            "count": size,
                            "percent": round(percent, 1),
                            "limit": limit,
                        },
                    )
                )
        if layer in AREAL and live and "geom" in staged.columns:
            concerns += self._area(connection, staged)
        return concerns

    def _area(self, connection: Connection, staged: Staged) -> list[Concern]:
        percent = changed_area_percent(connection, staged)
        if percent <= self.area_percent:
            return []
        values = {"layer": staged.layer, "percent": round(percent, 1), "limit": self.area_percent}
        return [Concern("too_much_area", values)]


def claimed_land(connection: Connection, staged: Staged, source: str) -> list[Concern]:
    """Return whether new or redrawn communities lie on land that other sources' communities hold.

    What is live with the same shape was accepted before, and is no concern any more.
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


def guard_of(settings: Settings, limits: GuardLimits | None = None) -> Guard:
    """Return the guard of an installation, with a source's own limits."""
    own = {} if limits is None else limits.model_dump(exclude_none=True)
    names = ("removed_percent", "changed_percent", "area_percent", "rejected_percent")
    chosen = {name: own.get(name, getattr(settings, f"guard_{name}")) for name in names}
    return Guard(**chosen, few=settings.guard_few)


def changed_area_percent(connection: Connection, staged: Staged) -> float:
    """Return what share of the live area changes hands, in percent."""
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
