"""The incident view: everything within a radius of a place."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from sqlalchemy import ARRAY, Connection, Text, any_, cast, func, select

from geo.fire import ways
from geo.fire.desk import Desk
from geo.fire.finding import Missing
from geo.fire.layout import Shown, grids_of, stations
from geo.layers import wkb
from geo.messages import Language, text
from geo.model import STORAGE_SRID, BuildingUnit, Facility, PipeNode
from geo.network.noding import Ints

CRITICAL = (
    *("school", "kindergarten", "university", "hospital", "clinic", "elderly_care", "fuel"),
    *("market", "transport", "culture", "shelter"),
)
"""Facilities whose people can't help themselves, are many, or that burn."""

CLOSES = ("valve", "regulator")
VALVES_OF = ("gas", "water")


def incident(
    connection: Connection, desk: Desk, lon: float, lat: float, radius: float, lang: Language
) -> Shown:
    """Return what stands within a radius of a place; geometry is in metres."""
    ground = desk.ground
    centre = ground.place(lon, lat)
    rows = ground.wall_tree.query(centre, predicate="dwithin", distance=radius)
    apart = shapely.distance(ground.walls[rows], centre)
    order = np.argsort(apart, kind="stable")
    rows, apart = rows[order], apart[order]
    area = shapely.buffer(centre, radius, quad_segs=16)
    grids, outside = _people(connection, desk, rows)
    return {
        "radius_m": radius,
        "point": centre,
        "area": area,
        "totals": _totals(connection, desk, rows),
        "grids": grids,
        "outside_grids": outside,
        "buildings": _buildings(desk, rows, apart, lang),
        "critical": _critical(connection, desk, area, centre, lang),
        "hydrants": _hydrants(desk, centre, radius),
        "valves": _valves(connection, desk, area, centre),
        "stations": stations(desk, ways.to_point(desk, centre)),
        "missing": _missing(desk, rows, grids),
    }


def _totals(connection: Connection, desk: Desk, rows: Ints) -> dict[str, int]:
    frame = desk.ground.building.iloc[rows]
    codes = frame["code"].tolist()
    wanted = BuildingUnit.building_code == any_(cast(codes, ARRAY(Text)))
    counted = select(func.count()).where(wanted)
    return {
        "buildings": len(rows),
        "households": int(frame["households"].sum()),
        "population": int(frame["population"].fillna(0).sum()),
        "high_rise": int(desk.high[rows].sum()),
        "units": int(connection.execute(counted).scalar_one()),
    }


def _people(connection: Connection, desk: Desk, rows: Ints) -> tuple[list[Shown], Shown]:
    """Return the people to be moved by grid, and those in no grid.

    A building that is shared between grids brings each its own households, and people in
    proportion.
    """
    frame = desk.ground.building.iloc[rows]
    columns = zip(frame["code"], frame["households"], frame["population"].fillna(0), strict=True)
    members = grids_of(connection, frame["code"].tolist())
    found: dict[str, Shown] = {}
    outside = {"households": 0, "population": 0, "buildings": 0}
    for code, households, population in columns:
        own = members.get(code, [])
        if not own:
            outside["households"] += int(households)
            outside["population"] += int(population)
            outside["buildings"] += 1
        for grid in own:
            share = int(grid["households"]) / households if households else 1 / len(own)
            held = found.setdefault(
                grid["code"], grid | {"households": 0, "population": 0, "buildings": 0}
            )
            held["households"] += int(grid["households"])
            held["population"] += round(population * share)
            held["buildings"] += 1
    return sorted(found.values(), key=lambda grid: -int(grid["population"])), outside


def _buildings(desk: Desk, rows: Ints, apart: Any, lang: Language) -> list[Shown]:
    ground = desk.ground
    frame = ground.building.iloc[rows].astype(object)
    frame = frame.where(frame.notna(), None)
    middles = shapely.centroid(ground.walls[rows])
    columns = (
        *("code", "name", "address", "use", "storeys_above", "fire_class"),
        *("households", "population"),
    )
    listed = []
    for k, values in enumerate(zip(*(frame[name] for name in columns), strict=True)):
        shown = dict(zip(columns, values, strict=True))
        for name in ("storeys_above", "fire_class", "households", "population"):
            shown[name] = None if shown[name] is None else int(shown[name])
        shown["use_text"] = None if shown["use"] is None else text(f"use.{shown['use']}", lang=lang)
        shown["high_rise"] = bool(desk.high[rows[k]])
        listed.append(shown | {"distance_m": round(float(apart[k]), 1), "point": middles[k]})
    return listed


def _critical(
    connection: Connection, desk: Desk, area: Any, centre: shapely.Point, lang: Language
) -> list[Shown]:
    statement = select(
        Facility.code, Facility.name, Facility.category, Facility.phone, wkb(Facility.geom)
    ).where(Facility.category.in_(CRITICAL), _inside(desk, Facility.geom, area))
    found = [
        {
            **row,
            "category_text": text(f"category.{row['category']}", lang=lang),
            "distance_m": round(float(shapely.distance(shape, centre)), 1),
            "point": shapely.point_on_surface(shape),
        }
        for row, shape in _placed(connection, desk, statement)
    ]
    return sorted(found, key=lambda one: float(one["distance_m"]))


def _placed(connection: Connection, desk: Desk, statement: Any) -> Iterator[tuple[Shown, Any]]:
    """Yield rows with their geometry in metres."""
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    shapes = shapely.from_wkb(np.array([row.pop("geom") for row in rows], dtype=object))
    yield from zip(rows, desk.ground.to_metres(shapes), strict=True)


def _inside(desk: Desk, column: Any, area: shapely.Geometry) -> Any:
    """Return the condition that a geometry touches an area given in metres."""
    shown = shapely.to_wkb(desk.ground.to_degrees(area))
    return func.ST_Intersects(column, func.ST_GeomFromWKB(shown, STORAGE_SRID))


def _hydrants(desk: Desk, centre: shapely.Point, radius: float) -> list[Shown]:
    ground = desk.ground
    frame = ground.hydrant
    points = frame.geometry.to_numpy()
    apart = shapely.distance(points, centre)
    metres, _ = ways.hose_metres(desk, ways.to_point(desk, centre))
    found = []
    for row in np.flatnonzero(apart <= radius):
        flow, pressure = frame["flow_l_s"].iloc[row], frame["pressure_mpa"].iloc[row]
        route = float(metres[row]) if np.isfinite(metres[row]) else None
        found.append(
            {
                "code": frame["code"].iloc[row],
                "route_m": None if route is None else round(route, 1),
                "straight_m": round(float(apart[row]), 1),
                "distance_m": round(float(apart[row]), 1),
                "flow_l_s": None if np.isnan(flow or np.nan) else float(flow),
                "pressure_mpa": None if np.isnan(pressure or np.nan) else float(pressure),
                "in_service": bool(ground.working[row]),
                "point": points[row],
            }
        )
    return sorted(found, key=lambda one: (one["route_m"] is None, one["route_m"] or 0))


def _valves(
    connection: Connection, desk: Desk, area: shapely.Geometry, centre: shapely.Point
) -> list[Shown]:
    statement = select(
        PipeNode.code, PipeNode.network, PipeNode.kind, PipeNode.is_open, wkb(PipeNode.geom)
    ).where(
        PipeNode.network.in_(VALVES_OF),
        PipeNode.kind.in_(CLOSES),
        _inside(desk, PipeNode.geom, area),
    )
    found = [
        {
            **row,
            "distance_m": round(float(shapely.distance(point, centre)), 1),
            "point": point,
        }
        for row, point in _placed(connection, desk, statement)
    ]
    return sorted(found, key=lambda one: float(one["distance_m"]))


def _missing(desk: Desk, rows: Ints, grids: list[Shown]) -> list[Missing]:
    frame = desk.ground.building.iloc[rows]
    counts = {
        "no_population": int(frame["population"].isna().sum()),
        "no_fire_class": int(frame["fire_class"].isna().sum()),
        "no_use": int(frame["use"].isna().sum()),
        "no_manager": sum(grid["manager"] is None for grid in grids),
        "no_hydrants": int(desk.ground.hydrant.empty),
        "no_stations": int(desk.ground.station.empty),
    }
    return [Missing(key, count) for key, count in counts.items() if count]
