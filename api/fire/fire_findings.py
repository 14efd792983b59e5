"""``/fire/rules``, ``overlays``, ``findings`` and ``separation/blocks``: the rules and findings."""

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import sqlalchemy
from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import func, select
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller
from api.core.parameters import (
    Bbox,
    Connection,
    Lang,
    PageParameter,
    WritableConnection,
    retry_conflicts,
)
from api.core.read_audit import audit_reads
from api.core.responses import Collection, GeoJson, collection, etag_response, feature
from api.fire.finding_responses import (
    BlocksResponse,
    FindingResponse,
    OverlaysResponse,
    RefreshResponse,
    RulesResponse,
)
from api.fire.fire_dependencies import (
    JSON,
    Region,
    city_of_region,
    fire_contexts,
    region_context,
    snapshot_response,
)
from api.public.regions import bounds_columns, geojson_column
from geo import db
from geo.fire import finding_queries, finding_refresh, finding_text, fire_spread
from geo.fire.briefing import BRIEFING_LAYERS
from geo.fire.cities import city_at, city_of_code
from geo.fire.finding_queries import FindingFilter
from geo.fire.fire_spread import MIN_BUILDINGS
from geo.fire.layer_state import read_data_age, read_layer_changes
from geo.fire.overlay_checks import describe_overlay
from geo.fire.rules import Overlay, Severity, rules_in_force
from geo.messages import text
from geo.missing_data import MissingData, describe_missing
from geo.model import FireFinding

router = APIRouter()


@router.get("/rules", responses=problems.ok_response(RulesResponse))
def list_rules(request: Request, lang: Lang) -> Response:
    """List the rules in force with their figures, clauses and force."""
    rules = [rule.properties(lang) for rule in rules_in_force().by_id.values()]
    return etag_response(request, orjson.dumps({"rules": rules}), JSON)


@router.get(
    "/overlays",
    responses=problems.ok_response(OverlaysResponse),
    dependencies=[audit_reads("fire_finding")],
)
def list_overlays(
    request: Request, connection: Connection, lang: Lang, region: Region = None
) -> Response:
    """List the overlays with their counts of findings and their state."""
    city = city_of_region(connection, region)
    counts = finding_queries.count_findings(connection, city, region)
    states = finding_queries.read_overlay_states(connection, city)
    layer_changes = read_layer_changes(connection)
    rules = rules_in_force()
    overlays: list[dict[str, Any]] = []
    missing: dict[str, int] = {}
    for overlay in Overlay:
        state = states.get(overlay.value)
        overlays.append(
            {
                "id": overlay.value,
                "title": text(f"overlay.{overlay}", lang=lang),
                "text": describe_overlay(overlay, rules, lang),
                "findings": counts[overlay.value],
                "computed_at": None if state is None else state["computed_at"],
                "stale": finding_refresh.is_stale(state, layer_changes, overlay),
            }
        )
        missing |= dict([("never_checked", 1)] if state is None else state["missing"])
    items = (MissingData(key, count) for key, count in missing.items())
    body = {
        "overlays": overlays,
        "data": read_data_age(connection, BRIEFING_LAYERS),
        "missing": describe_missing(items, lang),
    }
    return etag_response(request, orjson.dumps(body), JSON)


def _finding_filter(
    bbox: Bbox,
    overlay: Overlay | None = None,
    region: Region = None,
    building: Annotated[str | None, Query(max_length=64)] = None,
    rule: Annotated[str | None, Query(max_length=64)] = None,
    severity: Severity | None = None,
) -> FindingFilter:
    return FindingFilter(overlay, region, building, rule, severity, bbox)


@router.get(
    "/findings",
    response_class=GeoJson,
    responses=problems.ok_response(Collection[FindingResponse]),
    dependencies=[audit_reads("fire_finding")],
)
def list_findings(
    request: Request,
    connection: Connection,
    lang: Lang,
    page: PageParameter,
    filters: Annotated[FindingFilter, Depends(_finding_filter)],
) -> Response:
    """List findings, the most severe first, with the geometry that shows each."""
    city = _city_of_filters(connection, filters)
    statement = finding_queries.select_findings(city, filters)
    matched = connection.execute(
        select(func.count()).select_from(statement.subquery("finding"))
    ).scalar_one()
    columns = (
        *finding_queries.COLUMNS,
        geojson_column(FireFinding.geom),
        *bounds_columns(FireFinding.geom),
    )
    order = (
        *(finding_queries.SEVERITY_ORDER, FireFinding.shortfall.desc().nulls_last()),
        FireFinding.id,
    )
    rows = connection.execute(
        page.of(statement.with_only_columns(*columns).order_by(*order))
    ).mappings()
    features = [
        feature(row, finding_text.finding_properties(dict(row), lang), id=str(row["id"]))
        for row in rows
    ]
    return collection(request, features, page, matched)


def _city_of_filters(connection: sqlalchemy.Connection, filters: FindingFilter) -> str:
    """Return the city that filters of findings are about: of the region, building or box."""
    if filters.building and not filters.region:
        return city_of_code(connection, filters.building)
    if filters.box and not filters.region:
        west, south, east, north = filters.box
        return city_at(connection, (west + east) / 2, (south + north) / 2)
    return city_of_region(connection, filters.region)


@router.get(
    "/separation/blocks",
    responses=problems.ok_response(BlocksResponse),
    dependencies=[audit_reads("building")],
)
def list_fire_blocks(
    request: Request,
    connection: Connection,
    lang: Lang,
    page: PageParameter,
    region: Region = None,
    least: Annotated[int, Query(ge=2, le=1000, description="buildings in a block")] = MIN_BUILDINGS,
) -> Response:
    """List the blocks within which a fire can spread, most households first."""
    context = region_context(request, connection, region)
    snapshot = context.snapshot
    pairs = finding_queries.read_close_pairs(connection, snapshot.city, region)
    blocks = fire_spread.find_fire_blocks(snapshot, pairs, least)
    listed = blocks[page.offset : page.offset + page.limit]
    body = {
        "blocks": [fire_spread.describe_block(snapshot, block) for block in listed],
        "numberMatched": len(blocks),
        "numberReturned": len(listed),
        "missing": finding_refresh.missing_overlay_data(snapshot, Overlay.SEPARATION),
    }
    return snapshot_response(request, connection, context, body, ("building",), lang)


@router.post("/findings/refresh", responses=problems.DOCUMENTED)
@retry_conflicts
def refresh_findings(
    request: Request, connection: WritableConnection, caller: CurrentCaller, region: Region = None
) -> RefreshResponse:
    """Recompute the findings of a city where its data changed."""
    started = datetime.now(UTC)
    city = city_of_region(connection, region)
    # Findings belong to the system: the database owner writes them, whoever asks for it.
    counts = finding_refresh.refresh_findings(db.get_engine(), fire_contexts(request), city)
    seconds = (datetime.now(UTC) - started).total_seconds()
    record(connection, caller, "refresh", "fire_finding", city, dict(counts))
    return RefreshResponse(recomputed=counts, seconds=round(seconds, 3))
