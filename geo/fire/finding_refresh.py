"""Findings kept in the database: found anew only where the data changed.

Each overlay remembers how often the layers it was found from had been changed. Where nothing but
buildings changed, only what stands near a changed one is looked at again.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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
from geo.fire import fire_lanes, hydrants, ladder_areas, separation, station_response
from geo.fire import vehicle_access as engines
from geo.fire.context import FireContext, FireContextCache
from geo.fire.finding import Finding
from geo.fire.layer_state import INSPECTION, read_data_age
from geo.fire.rules import Overlay, Rules, rules_in_force
from geo.fire.snapshot import CitySnapshot
from geo.locks import Lock
from geo.missing_data import MissingData
from geo.model import STORAGE_SRID, FireArea, FireFinding, FireOverlay
from geo.model.history import HISTORY
from geo.network.noding import Bools, Ints
from geo.progress import Progress, silent

RESPONSE_AREA_MINUTES = (2.0, 3.0, 4.0, 5.0)
"""Response areas that are kept for the map, minutes from the call."""

OVERLAY_LAYERS: dict[Overlay, tuple[str, ...]] = {
    Overlay.HYDRANT_COVERAGE: ("building", "pipe_node", "road", INSPECTION),
    Overlay.HYDRANT_SPACING: ("pipe_node", "road", INSPECTION),
    Overlay.HYDRANT_STANDING: ("building", "pipe_node", "road", INSPECTION),
    Overlay.FIRE_LANE: ("building", "road", "water", "compound", "region"),
    Overlay.FIRE_REACH: ("building", "road"),
    Overlay.SEPARATION: ("building",),
    Overlay.LADDER: ("building", "water", "compound"),
    Overlay.RESPONSE: ("building", "road", "facility"),
}
"""Layers whose change may change an overlay."""

RECHECK_RADIUS_M: dict[Overlay, float] = {
    Overlay.SEPARATION: 15.0,
    Overlay.LADDER: 25.0,
    Overlay.FIRE_LANE: 45.0,
    Overlay.HYDRANT_STANDING: 10.0,
    Overlay.HYDRANT_COVERAGE: 125.0,
    Overlay.FIRE_REACH: 125.0,
    Overlay.RESPONSE: 125.0,
}
"""How far the change of a building is felt."""

_SLACK = timedelta(minutes=1)
"""Longest transaction of the API's, which the owner may not see running."""


@dataclass(frozen=True)
class RecheckScope:
    """What is looked at again: rows of buildings, hydrants and roads, and codes that are gone."""

    building: Ints
    hydrant: Ints
    road: Ints
    gone: list[str]


def refresh_findings(
    bind: Engine, contexts: FireContextCache, city: str, progress: Progress = silent
) -> dict[str, int]:
    """Bring the findings of a city up to date; return how many each overlay wrote anew.

    Two at once are safe: the second waits, and finds nothing left to do.
    """

    def work(connection: Connection) -> dict[str, int]:
        locks.acquire(connection, Lock.FIRE_FINDINGS)
        context = contexts.context_of(connection, city)
        written: dict[str, int] = {}
        for done, overlay in enumerate(Overlay):
            progress("fire", done, len(Overlay))
            count = _refresh(connection, context, overlay)
            if count is not None:
                written[overlay.value] = count
        return written

    written = db.run_in_transaction(bind, work)
    progress("fire", len(Overlay), len(Overlay))
    return written


def is_stale(row: Mapping[str, Any] | None, known: Mapping[str, int], overlay: Overlay) -> bool:
    """Return whether an overlay was found from older data or by other figures, or never.

    Parameters
    ----------
    row
        The kept state of the overlay, of :func:`states`.
    known
        How often the layers were changed.
    """
    if row is None:
        return True
    found_from = row["revisions"], row["figures"]
    return found_from != (_stamp(known, overlay), rules_in_force().stamp)


def _stamp(known: Mapping[str, int], overlay: Overlay) -> dict[str, int]:
    """Return how often what an overlay rests on was changed."""
    return {layer: known[layer] for layer in OVERLAY_LAYERS[overlay] if layer in known}


def _state(connection: Connection, city: str, overlay: str) -> Any:
    return connection.execute(
        select(FireOverlay.revisions, FireOverlay.figures, FireOverlay.computed_at).where(
            FireOverlay.city == city, FireOverlay.overlay == overlay
        )
    ).first()


def _refresh(connection: Connection, context: FireContext, overlay: Overlay) -> int | None:
    """Find an overlay anew where it must be; None where nothing changed."""
    snapshot, rules = context.snapshot, context.rules
    began = time.monotonic()
    stamp = _stamp(snapshot.layer_changes, overlay)
    row = _state(connection, snapshot.city, overlay)
    same_figures = row is not None and row.figures == rules.stamp
    if row is not None and same_figures and row.revisions == stamp:
        return None
    moved = set() if row is None else {k for k in stamp if stamp[k] != row.revisions.get(k)}
    if row is not None and same_figures and moved == {"building"}:
        scope = _scope(connection, snapshot, overlay, row)
        found = _find(context, overlay, scope)
        _forget(connection, snapshot, overlay, scope)
    else:
        found = _find(context, overlay, None)
        connection.execute(
            delete(FireFinding).where(
                FireFinding.city == snapshot.city, FireFinding.overlay == overlay.value
            )
        )
        _areas(connection, snapshot, rules, overlay)
    _write(connection, snapshot, overlay, found)
    lacking = missing_overlay_data(snapshot, overlay)
    seconds = time.monotonic() - began
    _remember(connection, snapshot.city, overlay.value, stamp, rules, lacking, seconds)
    return len(found)


def _scope(
    connection: Connection, snapshot: CitySnapshot, overlay: Overlay, row: Any
) -> RecheckScope:
    """Return what stands near a building that changed since an overlay was found."""
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


def _find(context: FireContext, overlay: Overlay, scope: RecheckScope | None) -> list[Finding]:
    """Return the findings of an overlay, of all the city or of a scope."""
    snapshot, rules = context.snapshot, context.rules
    buildings = None if scope is None else scope.building
    by_overlay: dict[Overlay, Callable[[], list[Finding]]] = {
        Overlay.HYDRANT_COVERAGE: lambda: hydrants.check_hydrant_coverage(
            snapshot, rules, buildings
        ),
        Overlay.HYDRANT_SPACING: lambda: hydrants.check_hydrant_spacing(snapshot, rules),
        Overlay.HYDRANT_STANDING: lambda: hydrants.check_hydrant_positions(
            snapshot, rules, None if scope is None else scope.hydrant
        ),
        Overlay.FIRE_LANE: lambda: fire_lanes.check_fire_lanes(
            snapshot, rules, None if scope is None else scope.road, buildings
        ),
        Overlay.FIRE_REACH: lambda: engines.check_vehicle_reach(
            snapshot, rules, buildings, context.vehicle_reach
        ),
        Overlay.SEPARATION: lambda: separation.check_separation(snapshot, rules, buildings),
        Overlay.LADDER: lambda: ladder_areas.check_ladder_areas(snapshot, rules, buildings),
        Overlay.RESPONSE: lambda: station_response.check_response_times(
            snapshot, rules, buildings, context.vehicle_reach
        ),
    }
    return by_overlay[overlay]()


def _forget(
    connection: Connection, snapshot: CitySnapshot, overlay: Overlay, scope: RecheckScope
) -> None:
    """Delete the findings that a scope's new ones replace."""
    codes = {
        *snapshot.building["code"].to_numpy()[scope.building].tolist(),
        *snapshot.hydrant["code"].to_numpy()[scope.hydrant].tolist(),
        *snapshot.road["code"].to_numpy()[scope.road].tolist(),
        *scope.gone,
    }
    listed = any_(cast(list(codes), ARRAY(Text)))
    mine = FireFinding.city == snapshot.city, FireFinding.overlay == overlay.value
    touched = FireFinding.feature == listed
    if overlay is Overlay.SEPARATION:
        touched = or_(touched, (FireFinding.other == listed) & (FireFinding.severity != "missing"))
    connection.execute(delete(FireFinding).where(*mine, touched))


def _areas(connection: Connection, snapshot: CitySnapshot, rules: Rules, overlay: Overlay) -> None:
    """Keep the land that an overlay covers, for the map."""
    kept: list[tuple[str, float | None, shapely.Geometry]] = []
    if overlay is Overlay.RESPONSE:
        areas = station_response.compute_response_areas(
            snapshot, rules, list(RESPONSE_AREA_MINUTES)
        )
        kept = [("response", m, area) for m, area in zip(RESPONSE_AREA_MINUTES, areas, strict=True)]
    elif overlay is Overlay.HYDRANT_COVERAGE:
        kept = [
            (how, None, area)
            for how, area in hydrants.compute_covered_land(snapshot, rules).items()
        ]
    else:
        return
    kinds = {kind for kind, _, _ in kept}
    mine = FireArea.city == snapshot.city
    connection.execute(delete(FireArea).where(mine, FireArea.kind.in_(kinds)))
    rows = [
        {"city": snapshot.city, "kind": kind, "minutes": minutes, "geom": _ewkb(snapshot, area)}
        for kind, minutes, area in kept
        if not shapely.is_empty(area)
    ]
    if rows:
        connection.execute(insert(FireArea), rows)


def _ewkb(snapshot: CitySnapshot, geometry: shapely.Geometry) -> str:
    shown = shapely.set_srid(snapshot.to_degrees(geometry), STORAGE_SRID)
    hexed: str = shapely.to_wkb(shown, hex=True, include_srid=True)
    return hexed


def _write(
    connection: Connection, snapshot: CitySnapshot, overlay: Overlay, found: list[Finding]
) -> None:
    """Write findings with COPY."""
    if not found:
        return
    shapes = np.array([one.geometry for one in found], dtype=object)
    regions = communities_of_findings(snapshot, found)
    shown = shapely.set_srid(snapshot.to_degrees(shapes), STORAGE_SRID)
    hexed = shapely.to_wkb(shown, hex=True, include_srid=True)
    revision = read_data_age(connection, OVERLAY_LAYERS[overlay])["revision"]
    rows = (
        (
            *(snapshot.city, overlay.value, one.rule, one.severity.value, one.layer, one.feature),
            *(one.other, region, one.measured, one.required, one.shortfall),
            *(json.dumps(one.detail, ensure_ascii=False), revision, shape),
        )
        for one, region, shape in zip(found, regions, hexed, strict=True)
    )
    _copy(connection, rows)


_COLUMNS = (
    "city, overlay, rule, severity, layer, feature, other, region_code, "
    "measured, required, shortfall, detail, revision, geom"
)


def _copy(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add findings.

    COPY does not work on a table with row-level security, so the rows go through a temporary table.
    """
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE fresh ON COMMIT DROP AS SELECT {_COLUMNS} FROM fire_finding LIMIT 0"
        )
        with cursor.copy(f"COPY fresh ({_COLUMNS}) FROM STDIN") as stream:
            for row in rows:
                stream.write_row(row)
        cursor.execute(f"INSERT INTO fire_finding ({_COLUMNS}) SELECT {_COLUMNS} FROM fresh")
        cursor.execute("DROP TABLE fresh")


def communities_of_findings(snapshot: CitySnapshot, found: list[Finding]) -> list[str | None]:
    """Return the community of each finding: its building's own, else the one it lies in."""
    own = np.array(snapshot.building["region_code"].tolist(), dtype=object)
    regions = snapshot.community_of(np.array([one.geometry for one in found], dtype=object))
    for k, one in enumerate(found):
        if one.layer == "building" and (code := own[snapshot.row_of[one.feature]]):
            regions[k] = code
    listed: list[str | None] = regions.tolist()
    return listed


def _remember(
    connection: Connection,
    city: str,
    name: str,
    stamp: Mapping[str, Any],
    rules: Rules,
    lacking: list[MissingData],
    seconds: float,
) -> None:
    """Keep from what an overlay was found."""
    values = {
        "city": city,
        "overlay": name,
        "revisions": dict(stamp),
        "figures": rules.stamp,
        "missing": [[one.key, one.count] for one in lacking],
        "seconds": seconds,
        "computed_at": _AS_OF,
    }
    mine = FireOverlay.city == city, FireOverlay.overlay == name
    connection.execute(delete(FireOverlay).where(*mine))
    connection.execute(insert(FireOverlay).values(**values))


_AS_OF = text(
    "(SELECT least(now(), min(xact_start)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_type = 'client backend')"
)
"""The time whose data findings rest on: what transactions begun since then wrote may be missing."""


def missing_overlay_data(
    snapshot: CitySnapshot, overlay: Overlay, region: str = ""
) -> list[MissingData]:
    """Return what the data lacks for an overlay, in a region's own land or in all that was read.

    Parameters
    ----------
    region
        The digits that the codes of its communities begin with.
    """
    building, road, hydrant = snapshot.building, snapshot.road, snapshot.hydrant
    under = snapshot.roads_through_buildings
    if region:
        building = building[building["region_code"].fillna("").str.startswith(region).to_numpy()]
        hydrant = hydrant[_inside(snapshot, hydrant, region)]
        there = _inside(snapshot, road, region)
        road, under = road[there], under[there]
    if overlay in _OF_HYDRANTS:
        return hydrants.missing_hydrant_data(hydrant)
    if overlay in {Overlay.FIRE_LANE, Overlay.FIRE_REACH}:
        return engines.missing_road_data(road, under)
    if overlay is Overlay.RESPONSE:
        return station_response.missing_response_data(snapshot)
    return separation.missing_building_data(building, classes=overlay is Overlay.SEPARATION)


def _inside(snapshot: CitySnapshot, frame: gpd.GeoDataFrame, region: str) -> Bools:
    codes = snapshot.community_of(frame.geometry.to_numpy())
    return np.array([code is not None and code.startswith(region) for code in codes], dtype=bool)


_OF_HYDRANTS = {Overlay.HYDRANT_COVERAGE, Overlay.HYDRANT_SPACING, Overlay.HYDRANT_STANDING}
