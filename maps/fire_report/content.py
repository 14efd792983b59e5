"""What the fire report of a region holds: findings, fire blocks, what data is missing, its age.

:mod:`maps.fire_report.html` and :mod:`maps.fire_report.workbook` write it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import numpy as np
import shapely
from sqlalchemy import Connection, func, select

from geo import clock
from geo.codes import stem
from geo.errors import NotFoundError
from geo.fire import finding_queries, finding_refresh, finding_text, fire_spread
from geo.fire.context import FireContext
from geo.fire.finding_queries import FindingFilter
from geo.fire.finding_refresh import OVERLAY_LAYERS
from geo.fire.layer_state import INSPECTION, read_data_age
from geo.fire.rules import Overlay, rules_in_force
from geo.messages import Language, text
from geo.missing_data import MissingData, describe_missing
from geo.model import FireFinding, Region


@dataclass(frozen=True)
class FireReport:
    """What the report of a region holds.

    Attributes
    ----------
    counts
        Findings by overlay and severity.
    touched
        Buildings that the findings of each overlay are about, and their households.
    rows
        The findings as they are shown.
    blocks
        Blocks over which a fire spreads, most households first.
    missing
        What the data lacks, in words.
    ages
        Layers the findings rest on: name, date of the last publication and days since, or None.
    checked
        Whose data's time the findings rest on.
    parts
        Names and land of the communities.
    """

    region: str
    title: str
    counts: dict[str, dict[str, int]]
    touched: dict[str, tuple[int, int]]
    rows: list[dict[str, Any]]
    blocks: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    ages: list[dict[str, Any]]
    checked: datetime | None
    land: shapely.Geometry | None
    parts: list[tuple[str, shapely.Geometry]]

    @cached_property
    def block_of(self) -> dict[str, int]:
        """Return the number of the fire block that each building stands in."""
        return {code: block["number"] for block in self.blocks for code in block["codes"]}


def read_report(
    connection: Connection, context: FireContext, region: str, site: str, lang: Language
) -> FireReport:
    """Return the report of a region.

    Raises
    ------
    NotFoundError
        If there is no such region.
    """
    city = context.snapshot.city
    name, land = _region(connection, region)
    states = finding_queries.read_overlay_states(connection, city)
    rows = list(_rows(connection, context, region, site, lang))
    return FireReport(
        region,
        text("fire_report.title", lang=lang, region=name),
        finding_queries.count_findings(connection, city, region),
        _count_affected(context, rows),
        rows,
        list(_blocks(connection, context, region, site, lang)),
        describe_missing(_missing(context, region), lang),
        _ages(connection, lang),
        max((state["computed_at"] for state in states.values()), default=None),
        land,
        _parts(connection, region),
    )


def _missing(context: FireContext, region: str) -> list[MissingData]:
    """Return what the data of a region lacks, each thing once."""
    own = stem(region)
    found = [
        one
        for overlay in Overlay
        for one in finding_refresh.missing_overlay_data(context.snapshot, overlay, own)
    ]
    return list({one.key: one for one in found}.values())


def _region(connection: Connection, region: str) -> tuple[str, shapely.Geometry | None]:
    code = region.ljust(12, "0")
    statement = select(Region.name, func.ST_AsBinary(Region.geom)).where(Region.code == code)
    found = connection.execute(statement).first()
    if found is not None:
        return found[0], None if found[1] is None else shapely.from_wkb(bytes(found[1]))
    below = select(Region.code).where(Region.code.startswith(stem(region), autoescape=True))
    if connection.execute(below.limit(1)).first() is None:
        raise NotFoundError("no_such_region", region=region)
    return region, None


def _parts(connection: Connection, region: str) -> list[tuple[str, shapely.Geometry]]:
    """Return the communities of a region."""
    statement = select(Region.name, func.ST_AsBinary(Region.geom)).where(
        Region.level == "community",
        Region.geom.is_not(None),
        Region.code.startswith(stem(region), autoescape=True),
    )
    rows = connection.execute(statement.order_by(Region.code))
    return [(name, shapely.from_wkb(bytes(land))) for name, land in rows]


def _rows(
    connection: Connection, context: FireContext, region: str, site: str, lang: Language
) -> Iterator[dict[str, Any]]:
    point = func.ST_PointOnSurface(FireFinding.geom)
    columns = [c for c in FireFinding.__table__.c if c.name not in {"geom", "geom_3857"}]
    places = func.ST_X(point).label("lon"), func.ST_Y(point).label("lat")
    statement = finding_queries.select_findings(context.snapshot.city, FindingFilter(region=region))
    statement = statement.with_only_columns(*columns, *places)
    rules = rules_in_force()
    order = (
        FireFinding.overlay,
        finding_queries.SEVERITY_ORDER,
        FireFinding.shortfall.desc().nulls_last(),
    )
    for row in connection.execute(statement.order_by(*order, FireFinding.id)).mappings():
        shown = finding_text.finding_properties(dict(row), lang)
        place = {"lon": round(row["lon"], 6), "lat": round(row["lat"], 6)}
        named = {"building": row["feature"]} if row["layer"] == "building" else {}
        yield (
            shown
            | place
            | {
                "map": f"{site}/fire?{urlencode(place | named)}",
                "overlay_text": shown["title"],
                "rule_text": rules[shown["rule"]].text(lang),
                "name": _name(context, row["layer"], row["feature"]),
            }
        )


def _name(context: FireContext, layer: str, code: str) -> str:
    """Return what people call a feature: a building's address, a road's name; else nothing."""
    snapshot = context.snapshot
    if layer == "building" and code in snapshot.row_of:
        own = snapshot.building.iloc[snapshot.row_of[code]]
        return str(own["address"] or own["name"] or "")
    return context.road_names.get(code, "") if layer == "road" else ""


def _count_affected(context: FireContext, rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Return how many buildings, and households in them, the findings of each overlay are about."""
    codes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["layer"] == "building" and row["severity"] != "missing":
            codes[row["overlay"]].add(row["feature"])
            if row["overlay"] == Overlay.SEPARATION:
                codes[row["overlay"]].add(row["other"])
    households = context.snapshot.building["households"].to_numpy(dtype=float)
    row_of = context.snapshot.row_of
    found = {}
    for overlay, of_overlay in codes.items():
        there = np.array([row_of[code] for code in of_overlay if code in row_of], dtype=int)
        found[overlay] = len(there), int(np.nansum(households[there]))
    return found


def _blocks(
    connection: Connection, context: FireContext, region: str, site: str, lang: Language
) -> Iterator[dict[str, Any]]:
    snapshot = context.snapshot
    pairs = finding_queries.read_close_pairs(connection, snapshot.city, region)
    names = dict(zip(snapshot.region["code"], snapshot.region["name"], strict=True))
    for number, block in enumerate(fire_spread.find_fire_blocks(snapshot, pairs), start=1):
        shown = fire_spread.describe_block(snapshot, block)
        place = snapshot.to_degrees(shown["point"])
        where = {"lon": round(place.x, 6), "lat": round(place.y, 6)}
        yield shown | {
            "number": number,
            "community": names.get(shown["region"], ""),
            "class_text": _classes(shown["classes"], lang),
            "map": f"{site}/fire?{urlencode(where | {'building': shown['codes'][0]})}",
            "land": snapshot.to_degrees(block.outline),
        }


def _classes(counted: dict[str, int], lang: Language) -> str:
    """Return how many buildings there are of each class, in words."""
    unknown = text("fire_report.unknown", lang=lang)
    named = {key: text(f"fire_class.{key}", lang=lang) if key else unknown for key in counted}
    return " · ".join(f"{named[key]} {count}" for key, count in counted.items())


def _ages(connection: Connection, lang: Language) -> list[dict[str, Any]]:
    """Return how old each layer is that the findings rest on."""
    layers = sorted({layer for rests in OVERLAY_LAYERS.values() for layer in rests} - {INSPECTION})
    return [
        {
            "layer": text(f"layer.{layer}", lang=lang),
            "date": None if when is None else clock.format_time(when),
            "days": None if when is None else (datetime.now(UTC) - when).days,
        }
        for layer, when in read_data_age(connection, layers)["layers"].items()
    ]
