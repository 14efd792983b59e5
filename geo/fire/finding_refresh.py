"""Recomputation of the stored findings, only where the data has changed.

Each overlay stores the change counts of the layers it was computed from. Where only buildings have
changed, only features near a changed building are checked again.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from sqlalchemy import (
    ARRAY,
    Connection,
    Engine,
    Text,
    any_,
    cast,
    delete,
    insert,
    or_,
    select,
    text,
)

from geo import db, locks
from geo.db.layer_frames import wkb
from geo.fire import hydrants, micro_stations, separation, station_response, vehicle_access
from geo.fire.context import FireContext, FireContextCache
from geo.fire.finding import Finding
from geo.fire.layer_state import INSPECTION, read_data_age
from geo.fire.overlay_checks import RecheckScope, check_overlay
from geo.fire.rules import Overlay, Rules, rules_in_force
from geo.fire.snapshot import CitySnapshot
from geo.locks import Lock
from geo.missing_data import MissingData
from geo.model import STORAGE_SRID, FireArea, FireFinding, FireOverlay
from geo.model.history import HISTORY
from geo.model.pipe import Network
from geo.network.isolation import Sectors
from geo.progress import Progress, silent
from geo.types import Bools, Ints

RESPONSE_AREA_MINUTES = (2.0, 3.0, 4.0, 5.0)
"""Response areas stored for the map, minutes from the call."""

OVERLAY_LAYERS: dict[Overlay, tuple[str, ...]] = {
    Overlay.HYDRANT_COVERAGE: (
        *("building", "facility", "pipe_node", "road", "compound", INSPECTION),
    ),
    Overlay.HYDRANT_SPACING: ("pipe_node", "road", INSPECTION),
    Overlay.HYDRANT_STANDING: ("building", "pipe_node", "road", INSPECTION),
    Overlay.HYDRANT_SUPPLY: ("pipe_node", "pipe_segment", INSPECTION),
    Overlay.FIRE_LANE: ("building", "road", "railway", "water", "compound", "region"),
    Overlay.FIRE_REACH: ("building", "road", "railway", "water", "compound"),
    Overlay.SEPARATION: ("building",),
    Overlay.LADDER: ("building", "road", "railway", "water", "compound"),
    Overlay.RESPONSE: ("building", "road", "compound", "facility", "region"),
    Overlay.MICRO_STATION: ("building", "road", "compound", "facility"),
}
"""Layers whose change may change an overlay."""

RECHECK_RADIUS_M: dict[Overlay, float] = {
    Overlay.SEPARATION: 15.0,
    Overlay.LADDER: 75.0,
    Overlay.FIRE_LANE: 45.0,
    Overlay.HYDRANT_STANDING: 10.0,
    Overlay.HYDRANT_COVERAGE: 125.0,
    Overlay.FIRE_REACH: 125.0,
    Overlay.RESPONSE: 125.0,
    Overlay.MICRO_STATION: 125.0,
}
"""Features within this distance of a changed building are checked again."""

_SLACK = timedelta(minutes=1)
"""Longest transaction of the API, which the owner of the database may not see running."""


def refresh_findings(
    bind: Engine, contexts: FireContextCache, city: str, progress: Progress = silent
) -> dict[str, int]:
    """Bring the findings of a city up to date; return how many each changed overlay stored.

    Two calls at once are safe: the second waits, then has nothing left to do.
    """

    def work(connection: Connection) -> dict[str, int]:
        locks.acquire(connection, Lock.FIRE_FINDINGS)
        context = contexts.context_of(connection, city)
        written: dict[str, int] = {}
        for done, overlay in enumerate(Overlay):
            progress("fire", done, len(Overlay))
            count = _refresh_overlay(connection, contexts, context, overlay)
            if count is not None:
                written[overlay.value] = count
        return written

    written = db.run_in_transaction(bind, work)
    progress("fire", len(Overlay), len(Overlay))
    return written


def is_stale(
    row: Mapping[str, Any] | None, layer_changes: Mapping[str, int], overlay: Overlay
) -> bool:
    """Return whether an overlay was computed from older data, by other figures, or never.

    Parameters
    ----------
    row
        The stored state of the overlay (:func:`geo.fire.finding_queries.read_overlay_states`).
    layer_changes
        Change counts of the layers.
    """
    if row is None:
        return True
    found_from = row["revisions"], row["figures"]
    return found_from != (_change_counts(layer_changes, overlay), rules_in_force().stamp)


def _change_counts(layer_changes: Mapping[str, int], overlay: Overlay) -> dict[str, int]:
    """Return the change counts of an overlay's layers."""
    return {
        layer: layer_changes[layer] for layer in OVERLAY_LAYERS[overlay] if layer in layer_changes
    }


def _read_state(connection: Connection, city: str, overlay: str) -> Any:
    return connection.execute(
        select(FireOverlay.revisions, FireOverlay.figures, FireOverlay.computed_at).where(
            FireOverlay.city == city, FireOverlay.overlay == overlay
        )
    ).first()


def _refresh_overlay(
    connection: Connection, contexts: FireContextCache, context: FireContext, overlay: Overlay
) -> int | None:
    """Recompute an overlay as far as necessary; return the number stored, None if up to date."""
    snapshot, rules = context.snapshot, context.rules

    def read_sectors() -> Sectors:
        return contexts.pipe_sectors(
            connection, snapshot.city, Network.WATER.value, snapshot.layer_changes
        )

    started = time.monotonic()
    stamp = _change_counts(snapshot.layer_changes, overlay)
    row = _read_state(connection, snapshot.city, overlay)
    same_figures = row is not None and row.figures == rules.stamp
    if row is not None and same_figures and row.revisions == stamp:
        return None
    changed_layers = (
        set() if row is None else {k for k in stamp if stamp[k] != row.revisions.get(k)}
    )
    if row is not None and same_figures and changed_layers == {"building"}:
        scope = _recheck_scope(connection, snapshot, overlay, row)
        findings = check_overlay(context, overlay, read_sectors, scope)
        _delete_replaced(connection, snapshot, overlay, scope)
    else:
        findings = check_overlay(context, overlay, read_sectors)
        connection.execute(
            delete(FireFinding).where(
                FireFinding.city == snapshot.city, FireFinding.overlay == overlay.value
            )
        )
        _store_areas(connection, snapshot, rules, overlay)
    _store_findings(connection, snapshot, overlay, findings)
    missing = missing_overlay_data(snapshot, overlay)
    seconds = time.monotonic() - started
    _store_state(connection, snapshot.city, overlay.value, stamp, rules, missing, seconds)
    return len(findings)


def _recheck_scope(
    connection: Connection, snapshot: CitySnapshot, overlay: Overlay, row: Any
) -> RecheckScope:
    """Return what stands near a building that changed since an overlay was computed."""
    since = row.computed_at - _SLACK
    changed = np.flatnonzero((snapshot.building["valid_from"] >= since).to_numpy())
    history = HISTORY["building"]
    before = connection.execute(
        select(history.c.code, wkb(history.c.geom)).where(history.c.valid_to >= since)
    ).all()
    outlines = snapshot.to_metres(shapely.from_wkb([item.geom for item in before]))
    places = np.concatenate([snapshot.walls[changed], np.atleast_1d(outlines)])
    radius = RECHECK_RADIUS_M[overlay]

    def near(tree: shapely.STRtree) -> Ints:
        return np.unique(tree.query(places, predicate="dwithin", distance=radius)[1])

    gone = [item.code for item in before if item.code not in snapshot.row_of]
    hydrant = near(shapely.STRtree(snapshot.hydrant.geometry.to_numpy()))
    road = near(shapely.STRtree(snapshot.road.geometry.to_numpy()))
    return RecheckScope(near(snapshot.wall_tree), hydrant, road, gone)


def _delete_replaced(
    connection: Connection, snapshot: CitySnapshot, overlay: Overlay, scope: RecheckScope
) -> None:
    """Delete the stored findings that the new ones of a scope replace."""
    codes = {
        *snapshot.building["code"].to_numpy()[scope.building].tolist(),
        *snapshot.hydrant["code"].to_numpy()[scope.hydrant].tolist(),
        *snapshot.road["code"].to_numpy()[scope.road].tolist(),
        *scope.gone,
    }
    listed = any_(cast(list(codes), ARRAY(Text)))
    is_own = FireFinding.city == snapshot.city, FireFinding.overlay == overlay.value
    is_replaced = FireFinding.feature == listed
    if overlay is Overlay.SEPARATION:
        is_replaced = or_(
            is_replaced, (FireFinding.other == listed) & (FireFinding.severity != "missing")
        )
    connection.execute(delete(FireFinding).where(*is_own, is_replaced))


def _store_areas(
    connection: Connection, snapshot: CitySnapshot, rules: Rules, overlay: Overlay
) -> None:
    """Store the areas of an overlay for the map, if it has any."""
    areas_by_kind: list[tuple[str, float | None, shapely.Geometry]] = []
    if overlay is Overlay.RESPONSE:
        areas = station_response.compute_response_areas(
            snapshot, rules, list(RESPONSE_AREA_MINUTES)
        )
        areas_by_kind = [
            ("response", m, area) for m, area in zip(RESPONSE_AREA_MINUTES, areas, strict=True)
        ]
    elif overlay is Overlay.HYDRANT_COVERAGE:
        areas_by_kind = [
            (how, None, area)
            for how, area in hydrants.compute_covered_land(snapshot, rules).items()
        ]
    else:
        return
    kinds = {kind for kind, _, _ in areas_by_kind}
    is_own = FireArea.city == snapshot.city
    connection.execute(delete(FireArea).where(is_own, FireArea.kind.in_(kinds)))
    rows = [
        {"city": snapshot.city, "kind": kind, "minutes": minutes, "geom": _ewkb(snapshot, area)}
        for kind, minutes, area in areas_by_kind
        if not shapely.is_empty(area)
    ]
    if rows:
        connection.execute(insert(FireArea), rows)


def _ewkb(snapshot: CitySnapshot, geometry: shapely.Geometry) -> str:
    degrees = shapely.set_srid(snapshot.to_degrees(geometry), STORAGE_SRID)
    hex_ewkb: str = shapely.to_wkb(degrees, hex=True, include_srid=True)
    return hex_ewkb


def _store_findings(
    connection: Connection, snapshot: CitySnapshot, overlay: Overlay, findings: list[Finding]
) -> None:
    """Store findings."""
    if not findings:
        return
    shapes = np.array([finding.geometry for finding in findings], dtype=object)
    regions = communities_of_findings(snapshot, findings)
    degrees = shapely.set_srid(snapshot.to_degrees(shapes), STORAGE_SRID)
    hex_ewkb = shapely.to_wkb(degrees, hex=True, include_srid=True)
    revision = read_data_age(connection, OVERLAY_LAYERS[overlay])["revision"]
    rows = (
        (
            *(
                snapshot.city,
                overlay.value,
                finding.rule,
                finding.severity.value,
                finding.layer,
                finding.feature,
            ),
            *(finding.other, region, finding.measured, finding.required, finding.shortfall),
            *(json.dumps(finding.detail, ensure_ascii=False), revision, shape),
        )
        for finding, region, shape in zip(findings, regions, hex_ewkb, strict=True)
    )
    _insert_rows(connection, rows)


_COLUMNS = (
    "city, overlay, rule, severity, layer, feature, other, region_code, "
    "measured, required, shortfall, detail, revision, geom"
)


def _insert_rows(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows of findings.

    COPY does not work on a table with row-level security: the rows go through a temporary table.
    """
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE new_finding ON COMMIT DROP AS "
            f"SELECT {_COLUMNS} FROM fire_finding LIMIT 0"
        )
        with cursor.copy(f"COPY new_finding ({_COLUMNS}) FROM STDIN") as stream:
            for row in rows:
                stream.write_row(row)
        cursor.execute(f"INSERT INTO fire_finding ({_COLUMNS}) SELECT {_COLUMNS} FROM new_finding")
        cursor.execute("DROP TABLE new_finding")


def communities_of_findings(snapshot: CitySnapshot, findings: list[Finding]) -> list[str | None]:
    """Return the community of each finding: of its building, else the one it lies in."""
    region_of_building = np.array(snapshot.building["region_code"].tolist(), dtype=object)
    regions = snapshot.community_of(
        np.array([finding.geometry for finding in findings], dtype=object)
    )
    for k, finding in enumerate(findings):
        if finding.layer == "building" and (
            code := region_of_building[snapshot.row_of[finding.feature]]
        ):
            regions[k] = code
    listed: list[str | None] = regions.tolist()
    return listed


def _store_state(
    connection: Connection,
    city: str,
    name: str,
    stamp: Mapping[str, Any],
    rules: Rules,
    missing: list[MissingData],
    seconds: float,
) -> None:
    """Store what an overlay was computed from."""
    values = {
        "city": city,
        "overlay": name,
        "revisions": dict(stamp),
        "figures": rules.stamp,
        "missing": [[item.key, item.count] for item in missing],
        "seconds": seconds,
        "computed_at": _DATA_TIME,
    }
    is_own = FireOverlay.city == city, FireOverlay.overlay == name
    connection.execute(delete(FireOverlay).where(*is_own))
    connection.execute(insert(FireOverlay).values(**values))


_DATA_TIME = text(
    "(SELECT least(now(), min(xact_start)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_type = 'client backend')"
)
"""The time of the data: rows of transactions that began later may be missing."""


def missing_overlay_data(
    snapshot: CitySnapshot, overlay: Overlay, region: str = ""
) -> list[MissingData]:
    """Return what data is missing for an overlay, in a region or in all that was read.

    Parameters
    ----------
    region
        The digits that the codes of its communities begin with.
    """
    building, road, hydrant = snapshot.building, snapshot.road, snapshot.hydrant
    under = snapshot.roads_through_buildings
    if region:
        building = building[building["region_code"].fillna("").str.startswith(region).to_numpy()]
        hydrant = hydrant[_is_inside(snapshot, hydrant, region)]
        there = _is_inside(snapshot, road, region)
        road, under = road[there], under[there]
    else:
        road, under = road.iloc[snapshot.own_roads], under[snapshot.own_roads]
    if overlay in _HYDRANT_OVERLAYS:
        return hydrants.missing_hydrant_data(hydrant)
    if overlay in {Overlay.FIRE_LANE, Overlay.FIRE_REACH}:
        return vehicle_access.missing_road_data(road, under)
    if overlay is Overlay.RESPONSE:
        return station_response.missing_response_data(snapshot)
    if overlay is Overlay.MICRO_STATION:
        return micro_stations.missing_micro_data(snapshot)
    return separation.missing_building_data(building, classes=overlay is Overlay.SEPARATION)


def _is_inside(snapshot: CitySnapshot, frame: gpd.GeoDataFrame, region: str) -> Bools:
    codes = snapshot.community_of(frame.geometry.to_numpy())
    return np.array([code is not None and code.startswith(region) for code in codes], dtype=bool)


_HYDRANT_OVERLAYS = {
    Overlay.HYDRANT_COVERAGE,
    Overlay.HYDRANT_SPACING,
    Overlay.HYDRANT_STANDING,
    Overlay.HYDRANT_SUPPLY,
}
