"""The content of a region's fire report: findings, fire blocks, missing data, age of the data.

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
from geo.codes import code_prefix
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
    """The content of the fire report of a region.

    Attributes
    ----------
    counts
        Findings by overlay and severity.
    affected
        Numbers of buildings with findings, and of their households, by overlay.
    rows
        The findings, the most severe of each overlay first.
    blocks
        Blocks within which a fire can spread, most households first.
    missing
        Missing data, in words.
    ages
        Layers of the findings: name, day of the last publication and days since, or None.
    checked
        Time of the data that the findings were computed from.
    parts
        Names and outlines of the communities.
    """

    region: str
    title: str
    counts: dict[str, dict[str, int]]
    affected: dict[str, tuple[int, int]]
    rows: list[dict[str, Any]]
    blocks: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    ages: list[dict[str, Any]]
    checked: datetime | None
    land: shapely.Geometry | None
    parts: list[tuple[str, shapely.Geometry]]

    @cached_property
    def block_of(self) -> dict[str, int]:
        """Number of the fire block of each building, by its code."""
        return {code: block["number"] for block in self.blocks for code in block["codes"]}


def read_report(
    connection: Connection, context: FireContext, region: str, site: str, lang: Language
) -> FireReport:
    """Read the report of a region.

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
    """Return the missing data of a region, each kind once."""
    region_stem = code_prefix(region)
    items = [
        item
        for overlay in Overlay
        for item in finding_refresh.missing_overlay_data(context.snapshot, overlay, region_stem)
    ]
    return list({item.key: item for item in items}.values())


def _region(connection: Connection, region: str) -> tuple[str, shapely.Geometry | None]:
    """Return name and border of a region; its code and None if it is a prefix of codes."""
    code = region.ljust(12, "0")
    statement = select(Region.name, func.ST_AsBinary(Region.geom)).where(Region.code == code)
    row = connection.execute(statement).first()
    if row is not None:
        return row[0], None if row[1] is None else shapely.from_wkb(bytes(row[1]))
    below = select(Region.code).where(Region.code.startswith(code_prefix(region), autoescape=True))
    if connection.execute(below.limit(1)).first() is None:
        raise NotFoundError("no_such_region", region=region)
    return region, None


def _parts(connection: Connection, region: str) -> list[tuple[str, shapely.Geometry]]:
    """Return the communities of a region."""
    statement = select(Region.name, func.ST_AsBinary(Region.geom)).where(
        Region.level == "community",
        Region.geom.is_not(None),
        Region.code.startswith(code_prefix(region), autoescape=True),
    )
    rows = connection.execute(statement.order_by(Region.code))
    return [(name, shapely.from_wkb(bytes(land))) for name, land in rows]


def _rows(
    connection: Connection, context: FireContext, region: str, site: str, lang: Language
) -> Iterator[dict[str, Any]]:
    """Yield the findings of a region with their texts and links to the map."""
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
        properties = finding_text.finding_properties(dict(row), lang)
        place = {"lon": round(row["lon"], 6), "lat": round(row["lat"], 6)}
        building = {"building": row["feature"]} if row["layer"] == "building" else {}
        yield (
            properties
            | place
            | {
                "map": f"{site}/fire?{urlencode(place | building)}",
                "overlay_text": properties["title"],
                "rule_text": rules[properties["rule"]].text(lang),
                "name": _name(context, row["layer"], row["feature"]),
            }
        )


def _name(context: FireContext, layer: str, code: str) -> str:
    """Return the address of a building or the name of a road; an empty text for other features."""
    snapshot = context.snapshot
    if layer == "building" and code in snapshot.row_of:
        record = snapshot.building.iloc[snapshot.row_of[code]]
        return str(record["address"] or record["name"] or "")
    return context.road_names.get(code, "") if layer == "road" else ""


def _count_affected(context: FireContext, rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Return by overlay how many buildings have findings, and the households in them."""
    codes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["layer"] == "building" and row["severity"] != "missing":
            codes[row["overlay"]].add(row["feature"])
            if row["overlay"] == Overlay.SEPARATION:
                codes[row["overlay"]].add(row["other"])
    households = context.snapshot.building["households"].to_numpy(dtype=float)
    row_of = context.snapshot.row_of
    affected = {}
    for overlay, of_overlay in codes.items():
        rows_of_overlay = np.array(
            [row_of[code] for code in of_overlay if code in row_of], dtype=int
        )
        affected[overlay] = len(rows_of_overlay), int(np.nansum(households[rows_of_overlay]))
    return affected


def _blocks(
    connection: Connection, context: FireContext, region: str, site: str, lang: Language
) -> Iterator[dict[str, Any]]:
    """Yield the fire blocks of a region with their figures and links to the map."""
    snapshot = context.snapshot
    pairs = finding_queries.read_close_pairs(connection, snapshot.city, region)
    names = dict(zip(snapshot.region["code"], snapshot.region["name"], strict=True))
    for number, block in enumerate(fire_spread.find_fire_blocks(snapshot, pairs), start=1):
        figures = fire_spread.describe_block(snapshot, block)
        place = snapshot.to_degrees(figures["point"])
        link = {"lon": round(place.x, 6), "lat": round(place.y, 6)}
        yield figures | {
            "number": number,
            "community": names.get(figures["region"], ""),
            "class_text": _classes(figures["classes"], lang),
            "map": f"{site}/fire?{urlencode(link | {'building': figures['codes'][0]})}",
            "land": snapshot.to_degrees(block.outline),
        }


def _classes(counts: dict[str, int], lang: Language) -> str:
    """Return the number of buildings of each fire class, in words."""
    unknown = text("fire_report.unknown", lang=lang)
    names = {key: text(f"fire_class.{key}", lang=lang) if key else unknown for key in counts}
    return " · ".join(f"{names[key]} {count}" for key, count in counts.items())


def _ages(connection: Connection, lang: Language) -> list[dict[str, Any]]:
    """Return the age of each layer that the findings are computed from."""
    layers = sorted({layer for names in OVERLAY_LAYERS.values() for layer in names} - {INSPECTION})
    return [
        {
            "layer": text(f"layer.{layer}", lang=lang),
            "date": None if when is None else clock.format_time(when),
            "days": None if when is None else (datetime.now(UTC) - when).days,
        }
        for layer, when in read_data_age(connection, layers)["layers"].items()
    ]
