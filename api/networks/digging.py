"""``/networks/burial`` and ``crossings``: pipes under a place, and clearances between networks."""

from typing import Annotated, Any

import numpy as np
import pyproj
import shapely
import sqlalchemy
from fastapi import APIRouter, Query, Request
from sqlalchemy import func, select
from starlette.responses import Response

from api.core.caller import Caller, CurrentCaller
from api.core.parameters import Connection, Lang, Paging
from api.core.responses import GeoJson
from api.fire.fire_dependencies import (
    GEOJSON,
    Latitude,
    Longitude,
    Region,
    city_of_region,
    ok_response,
)
from api.networks.network_dependencies import network_response, sectors_of_network
from api.networks.network_responses import BurialResponse, ConflictsResponse
from geo import crs as systems
from geo.db.layer_frames import read_frame, wkb
from geo.errors import NotFoundError
from geo.messages import Language, text
from geo.missing_data import MissingData, list_missing
from geo.model import STORAGE_SRID, PipeSegment
from geo.model import Region as RegionTable
from geo.model.pipe import Network
from geo.network import clearance
from geo.network.pipes import PipeGraph

router = APIRouter()

FIRE_NETWORKS = ("water", "gas")
"""Networks that the fire department may see (``geo.db.security``)."""


@router.get("/burial", responses=ok_response(BurialResponse))
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
    columns = (
        *(PipeSegment.code, PipeSegment.network, PipeSegment.diameter_mm, PipeSegment.material),
        *(PipeSegment.burial_depth_m, PipeSegment.pressure_mpa, wkb(PipeSegment.geom)),
    )
    touches = func.ST_Intersects(
        PipeSegment.geom, func.ST_GeomFromWKB(shapely.to_wkb(area), STORAGE_SRID)
    )
    frame = read_frame(connection, select(*columns).where(touches))
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
    without_depth = sum(pipe["burial_depth_m"] is None for pipe in pipes)
    missing = [*list_missing({"pipe_no_depth": without_depth}), *_hidden_networks(caller)]
    return network_response(request, connection, crs, body, missing, lang)


def _describe_buried_pipe(
    row: dict[str, Any], line: shapely.LineString, place: shapely.Point, lang: Language
) -> dict[str, Any]:
    danger = clearance.digging_danger(row["network"], row["diameter_mm"], row["pressure_mpa"])
    name = text(f"network.{row['network']}", lang=lang)
    depth = "?" if row["burial_depth_m"] is None else f"{row['burial_depth_m']:g} m"
    return row | {
        "network_text": name,
        "distance_m": round(float(shapely.distance(line, place)), 2),
        "danger": danger,
        "text": text(f"danger.{danger}", lang=lang, network=name, depth=depth),
        "geometry": line,
    }


def _hidden_networks(caller: Caller) -> list[MissingData]:
    """Return how many kinds of network the caller may not see; they may exist all the same."""
    shown = {"fire": FIRE_NETWORKS, "utility": caller.networks}.get(caller.role, tuple(Network))
    return list_missing({"networks_not_shown": len(set(Network) - set(map(Network, shown)))})


@router.get("/crossings", response_class=GeoJson, responses=ok_response(ConflictsResponse))
def list_conflicts(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    lang: Lang,
    page: Paging,
    region: Region = None,
) -> Response:
    """List places where gas, heat and power come closer to each other than they may."""
    city = city_of_region(connection, region)
    land = _region_outline(connection, region) if region else None
    known = set(connection.execute(select(PipeSegment.network).distinct()).scalars())
    features: list[dict[str, Any]] = []
    crs = pyproj.CRS(systems.STORAGE)
    for pair, rule in clearance.CLEARANCES.items():
        if known.issuperset(pair):
            first, second = (
                sectors_of_network(request, connection, Network(name), city).graph for name in pair
            )
            features += _conflict_features(first, second, rule, land, lang)
            crs = first.crs
    features.sort(key=lambda item: -(item["properties"]["shortfall"] or 0.0))
    listed = features[page.offset : page.offset + page.limit]
    body = {
        "type": "FeatureCollection",
        "numberMatched": len(features),
        "numberReturned": len(listed),
        "features": listed,
    }
    absent = len({name for pair in clearance.CLEARANCES for name in pair} - known)
    missing = [*_hidden_networks(caller), *list_missing({"networks_absent": absent})]
    return network_response(request, connection, crs, body, missing, lang, GEOJSON)


def _region_outline(connection: sqlalchemy.Connection, region: str) -> shapely.Geometry:
    code = region[:12].ljust(12, "0")
    outline = connection.execute(
        select(func.ST_AsBinary(RegionTable.geom)).where(RegionTable.code == code)
    ).scalar()
    if outline is None:
        raise NotFoundError("no_such_region", region=region)
    land: shapely.Geometry = shapely.from_wkb(bytes(outline))
    return land


def _conflict_features(
    first: PipeGraph,
    second: PipeGraph,
    rule: clearance.Clearance,
    land: shapely.Geometry | None,
    lang: Language,
) -> list[dict[str, Any]]:
    """Return the conflicts between two networks as GeoJSON features, those in a region's land."""
    conflicts = clearance.find_conflicts(first, second, rule)
    rows = np.arange(len(conflicts.one))
    if land is not None and len(rows):
        inside = systems.transform(land, systems.STORAGE, first.crs)
        rows = rows[shapely.intersects(conflicts.places, inside)]
    names = [text(f"network.{graph.network}", lang=lang) for graph in (first, second)]
    codes = first.segments["code"].to_numpy(), second.segments["code"].to_numpy()
    features = []
    for k in rows.tolist():
        is_known = not np.isnan(conflicts.measured[k])
        measured = float(conflicts.measured[k]) if is_known else None
        kind = "crossing" if conflicts.crossing[k] else "parallel"
        required = float(conflicts.required[k])
        fields = {
            "one": names[0],
            "other": names[1],
            "measured": "?" if measured is None else f"{max(measured, 0):.2f}",
            "required": f"{required:g}",
        }
        features.append(
            {
                "type": "Feature",
                "geometry": conflicts.places[k],
                "properties": {
                    "networks": [first.network, second.network],
                    "segments": [codes[0][conflicts.one[k]], codes[1][conflicts.other[k]]],
                    "kind": kind,
                    "measured": None if measured is None else round(max(measured, 0), 3),
                    "required": required,
                    "shortfall": None if measured is None else round(required - measured, 3),
                    "standard": rule.standard,
                    "clause": rule.clause,
                    "text": text(
                        f"clearance.{kind if is_known else 'no_depth'}", lang=lang, **fields
                    ),
                },
            }
        )
    return features
