"""The guard: a run that would change too much waits for a person.

Limits are settings of the installation (``GRIDATLAS_GUARD_...``), and of a source in its mapping.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from etl.diff import Counts, delta_name
from etl.mapping import Limits
from etl.stage import Staged
from geo.settings import Settings

WEIGHTY = ("region",)
"""Layers of which every feature counts, however few there are."""

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
        percent = changed_area(connection, staged)
        if percent <= self.area_percent:
            return []
        values = {"layer": staged.layer, "percent": round(percent, 1), "limit": self.area_percent}
        return [Concern("too_much_area", values)]


def guard_of(settings: Settings, limits: Limits | None = None) -> Guard:
    """Return the guard of an installation, with a source's own limits."""
    own = {} if limits is None else limits.model_dump(exclude_none=True)
    names = ("removed_percent", "changed_percent", "area_percent", "rejected_percent")
    chosen = {name: own.get(name, getattr(settings, f"guard_{name}")) for name in names}
    return Guard(**chosen, few=settings.guard_few)


def changed_area(connection: Connection, staged: Staged) -> float:
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
