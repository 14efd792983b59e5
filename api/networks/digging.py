"""``/networks/burial``, ``crossings`` and ``rules``: pipes under a place, clearances and cover."""

from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import orjson
import shapely
import sqlalchemy
from fastapi import APIRouter, Query, Request
from sqlalchemy import func, select
from starlette.responses import Response

from api.core import problems
from api.core.caller import Caller, CurrentCaller
from api.core.parameters import Connection, Lang, PageParameter
from api.core.problems import require_found
from api.core.responses import GeoJson, etag_response
from api.fire.fire_dependencies import (
    GEOJSON,
    JSON,
    Latitude,
    Longitude,
    Region,
    city_of_region,
    fire_contexts,
)
from api.networks.network_dependencies import network_response
from api.networks.network_responses import (
    BurialResponse,
    ConflictKind,
    ConflictsResponse,
    PipeRule,
    PipeRulesResponse,
)
from geo import crs as systems
from geo.db.layer_frames import read_frame, wkb
from geo.fire.cities import city_crs
from geo.messages import Language, text
from geo.missing_data import MissingData, list_missing
from geo.model import STORAGE_SRID, PipeSegment
from geo.model import Region as RegionTable
from geo.model.pipe import DepthOf, Network, PipeStatus
from geo.network import clearance, shutoff
from geo.network.clearance import pairs_of_networks
from geo.network.depths import depth_of_record
from geo.network.pipe_findings import PipeFinding
from geo.network.pipe_rules import describe_rules

router = APIRouter()

DEPTH_COLUMNS = ("burial_depth_m", "depth_from_m", "depth_to_m")

BURIED_COLUMNS = (
    *("code", "network", "diameter_mm", "material", *DEPTH_COLUMNS, "depth_of", "laying"),
    *("status", "owner", "pressure_mpa", "pressure_class", "voltage_kv", "ducts"),
)
"""Columns of the pipes under a place."""

FIRE_NETWORKS = ("water", "gas")
"""Networks that the fire department may see (:mod:`geo.db.access_rules`)."""


@router.get("/burial", responses=problems.ok_response(BurialResponse))
def list_buried_pipes(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    lang: Lang,
    lon: Longitude,
    lat: Latitude,
    radius: Annotated[float, Query(ge=1, le=200, allow_inf_nan=False)] = 10.0,
) -> Response:
    """List the pipes under a place with their depth, and which are dangerous to dig near."""
    crs = systems.metric_crs(lon, lat)
    place = systems.transform(shapely.Point(lon, lat), systems.STORAGE, crs)
    area = systems.transform(shapely.buffer(place, radius), crs, systems.STORAGE)
    columns = [getattr(PipeSegment, name) for name in BURIED_COLUMNS]
    touches = func.ST_Intersects(
        PipeSegment.geom, func.ST_GeomFromWKB(shapely.to_wkb(area), STORAGE_SRID)
    )
    frame = read_frame(connection, select(*columns, wkb(PipeSegment.geom)).where(touches))
    lines = np.atleast_1d(systems.transform(frame.geometry.to_numpy(), systems.STORAGE, crs))
    rows = frame.drop(columns="geom").astype(object)
    rows = rows.where(rows.notna(), None).to_dict("records")
    pipes = [
        _describe_buried_pipe(row, line, place, lang) for row, line in zip(rows, lines, strict=True)
    ]
    pipes.sort(key=lambda pipe: float(pipe["distance_m"]))
    dangerous = sum(pipe["danger"] == "high" for pipe in pipes)
    counts = {"radius": f"{radius:g}", "count": len(pipes), "high": dangerous}
    body = {
        "pipes": pipes,
        "text": text("danger.found" if pipes else "danger.none", lang=lang, **counts),
    }
    without_depth = sum(all(pipe[name] is None for name in DEPTH_COLUMNS) for pipe in pipes)
    missing = [*list_missing({"pipe_no_depth": without_depth}), *_hidden_networks(caller)]
    return network_response(request, connection, crs, body, missing, lang)


def _describe_buried_pipe(
    row: dict[str, Any], line: shapely.LineString, place: shapely.Point, lang: Language
) -> dict[str, Any]:
    danger = clearance.digging_danger(row["network"], row["diameter_mm"], row["pressure_mpa"])
    name = text(f"network.{row['network']}", lang=lang)
    if row["status"] == PipeStatus.ABANDONED:
        name = text("danger.abandoned", lang=lang, network=name)
    top = _depth_of_top(row)
    depth = "?" if top is None else f"{top:g} m"
    return row | {
        "network_text": name,
        "distance_m": round(float(shapely.distance(line, place)), 2),
        "danger": danger,
        "text": text(f"danger.{danger}", lang=lang, network=name, depth=depth),
        "geometry": line,
    }


def _depth_of_top(row: dict[str, Any]) -> float | None:
    """Return the least depth in metres at which a digger meets a pipe; None if it is unknown."""
    depths = [float(row[column]) for column in DEPTH_COLUMNS if row[column] is not None]
    if not depths:
        return None
    measured_to = depth_of_record(row["network"], row["depth_of"], row["laying"])
    height = (row["diameter_mm"] or 0.0) / 1000 if measured_to == DepthOf.INVERT else 0.0
    return round(min(depths) - height, 2)


def _hidden_networks(caller: Caller) -> list[MissingData]:
    """Return how many kinds of network the caller may not see; they may exist all the same."""
    return list_missing({"networks_not_shown": len(set(Network) - _visible_networks(caller))})


def _visible_networks(caller: Caller) -> set[Network]:
    shown = {"fire": FIRE_NETWORKS, "utility": caller.networks}.get(caller.role, tuple(Network))
    return set(map(Network, shown))


@router.get("/rules", responses=problems.ok_response(PipeRulesResponse))
def list_pipe_rules(request: Request, lang: Lang) -> Response:
    """List the figures that pipes are checked against, with clause and force."""
    rules = [{name: rule[name] for name in PipeRule.model_fields} for rule in describe_rules(lang)]
    return etag_response(request, orjson.dumps({"rules": rules}), JSON)


@router.get("/crossings", response_class=GeoJson, responses=problems.ok_response(ConflictsResponse))
def list_conflicts(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    lang: Lang,
    page: PageParameter,
    region: Region = None,
    kind: Annotated[ConflictKind | None, Query()] = None,
) -> Response:
    """List places where pipes are too close, the gravest first.

    Clearances are to other pipes, to buildings and to the surface.
    """
    city = city_of_region(connection, region)
    sees_buildings = shutoff.can_see_buildings(connection)
    known = set(connection.execute(select(PipeSegment.network).distinct()).scalars())
    findings = fire_contexts(request).pipe_findings(
        connection, city, frozenset(known), at_buildings=sees_buildings
    )
    crs = city_crs(connection, city)
    if region:
        land = systems.transform(_region_outline(connection, region), systems.STORAGE, crs)
        findings = [finding for finding in findings if shapely.intersects(finding.place, land)]
    if kind:
        findings = [finding for finding in findings if finding.kind == kind]
    listed = findings[page.offset : page.offset + page.limit]
    body = {
        "type": "FeatureCollection",
        "numberMatched": len(findings),
        "numberReturned": len(listed),
        "features": [_conflict_feature(finding, lang) for finding in listed],
    }
    judged = {network for pair in pairs_of_networks() for network in pair}
    counts = {
        "networks_absent": len(judged & _visible_networks(caller) - known),
        "buildings_not_shown": int(not sees_buildings),
    }
    missing = [*_hidden_networks(caller), *list_missing(counts)]
    return network_response(request, connection, crs, body, missing, lang, GEOJSON)


def _region_outline(connection: sqlalchemy.Connection, region: str) -> shapely.Geometry:
    code = region[:12].ljust(12, "0")
    outline = connection.execute(
        select(func.ST_AsBinary(RegionTable.geom)).where(RegionTable.code == code)
    ).scalar()
    outline = require_found("no_such_region", outline, region=region)
    land: shapely.Geometry = shapely.from_wkb(bytes(outline))
    return land


def _conflict_feature(finding: PipeFinding, lang: Language) -> dict[str, Any]:
    """Return a finding as a GeoJSON feature; its geometry is in metres."""
    is_pair = len(finding.networks) > 1
    figures = {"measured": finding.measured, "shortfall": finding.shortfall}
    return {
        "type": "Feature",
        "geometry": finding.place,
        "properties": {
            "kind": finding.kind,
            "severity": finding.severity,
            "networks": finding.networks,
            "segments": finding.codes if is_pair else finding.codes[:1],
            "building": None if is_pair or finding.kind == "cover" else finding.codes[1],
            **{name: None if v is None else round(v, 3) for name, v in figures.items()},
            "required": finding.required,
            **asdict(finding.source),
            "text": finding.describe(lang),
        },
    }
