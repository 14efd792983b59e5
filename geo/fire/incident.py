"""The incident view: everything within a radius of a place."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import shapely
from sqlalchemy import ARRAY, Connection, Text, any_, cast, func, select

from geo.db.layer_frames import wkb
from geo.fire import supply_routes
from geo.fire.briefing import Shown, grids_of, stations
from geo.fire.context import FireContext
from geo.fire.finding import Missing
from geo.messages import Language, text
from geo.model import STORAGE_SRID, BuildingUnit, Facility, PipeNode
from geo.types import Ints

CRITICAL = (
    *("school", "kindergarten", "university", "hospital", "clinic", "elderly_care", "fuel"),
    *("market", "transport", "culture", "shelter"),
)
"""Facilities whose people can't help themselves, are many, or that burn."""

CLOSES = ("valve", "regulator")
VALVES_OF = ("gas", "water")


def incident(
    connection: Connection, desk: FireContext, lon: float, lat: float, radius: float, lang: Language
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
        "stations": stations(desk, supply_routes.to_point(desk, centre)),
        "missing": _missing(desk, rows, grids),
    }


def _totals(connection: Connection, desk: FireContext, rows: Ints) -> dict[str, int]:
    frame = desk.ground.building
    codes = desk.ground.codes[rows].tolist()
    wanted = BuildingUnit.building_code == any_(cast(codes, ARRAY(Text)))
    counted = select(func.count()).where(wanted)
    return {
        "buildings": len(rows),
        "households": sum(value or 0 for value in _values(frame, "households", rows)),
        "population": sum(value or 0 for value in _values(frame, "population", rows)),
        "high_rise": int(desk.high[rows].sum()),
        "units": int(connection.execute(counted).scalar_one()),
    }


def _people(connection: Connection, desk: FireContext, rows: Ints) -> tuple[list[Shown], Shown]:
    """Return the people to be moved by grid, and those in no grid.

    A building that is shared between grids brings each its own households, and people in
    proportion.
    """
    frame, codes = desk.ground.building, desk.ground.codes[rows].tolist()
    people = [value or 0 for value in _values(frame, "population", rows)]
    homes = [value or 0 for value in _values(frame, "households", rows)]
    columns = zip(codes, homes, people, strict=True)
    members = grids_of(connection, codes)
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


def _buildings(desk: FireContext, rows: Ints, apart: Any, lang: Language) -> list[Shown]:
    ground = desk.ground
    middles = shapely.centroid(ground.walls[rows])
    columns = (
        *("code", "name", "address", "use", "storeys_above", "fire_class"),
        *("households", "population"),
    )
    listed = []
    values = (_values(ground.building, name, rows) for name in columns)
    for k, own in enumerate(zip(*values, strict=True)):
        shown: Shown = dict(zip(columns, own, strict=True))
        shown["use_text"] = None if shown["use"] is None else text(f"use.{shown['use']}", lang=lang)
        shown["high_rise"] = bool(desk.high[rows[k]])
        listed.append(shown | {"distance_m": round(float(apart[k]), 1), "point": middles[k]})
    return listed


def _values(frame: Any, name: str, rows: Ints) -> list[Any]:
    """Return a column of some rows as Python has it: whole numbers, None where it is missing."""
    values = frame[name].array[rows]
    known = ~np.asarray(values.isna() if hasattr(values, "isna") else pd.isna(values))
    plain = values.tolist()
    if getattr(values.dtype, "kind", "O") in "iuf":
        return [int(value) if there else None for value, there in zip(plain, known, strict=True)]
    return [value if there else None for value, there in zip(plain, known, strict=True)]


def _critical(
    connection: Connection, desk: FireContext, area: Any, centre: shapely.Point, lang: Language
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
        for row, shape in _iterate_with_geometry(connection, desk, statement)
    ]
    return sorted(found, key=lambda one: float(one["distance_m"]))


def _iterate_with_geometry(
    connection: Connection, desk: FireContext, statement: Any
) -> Iterator[tuple[Shown, Any]]:
    """Yield rows with their geometry in metres."""
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    shapes = shapely.from_wkb(np.array([row.pop("geom") for row in rows], dtype=object))
    yield from zip(rows, desk.ground.to_metres(shapes), strict=True)


def _inside(desk: FireContext, column: Any, area: shapely.Geometry) -> Any:
    """Return the condition that a geometry touches an area given in metres."""
    shown = shapely.to_wkb(desk.ground.to_degrees(area))
    return func.ST_Intersects(column, func.ST_GeomFromWKB(shown, STORAGE_SRID))


def _hydrants(desk: FireContext, centre: shapely.Point, radius: float) -> list[Shown]:
    ground = desk.ground
    frame = ground.hydrant
    points = frame.geometry.to_numpy()
    apart = shapely.distance(points, centre)
    metres, _ = supply_routes.hose_metres(desk, supply_routes.to_point(desk, centre))
    rows = np.flatnonzero(apart <= radius)
    codes = frame["code"].to_numpy()[rows]
    figures = [
        [None if value != value else float(value) for value in column[rows].tolist()]
        for column in (
            np.where(np.isfinite(metres), metres, np.nan),
            frame["flow_l_s"].to_numpy(dtype=float),
            frame["pressure_mpa"].to_numpy(dtype=float),
        )
    ]
    found = [
        {
            "code": str(code),
            "route_m": None if route is None else round(route, 1),
            "straight_m": round(float(far), 1),
            "distance_m": round(float(far), 1),
            "flow_l_s": flow,
            "pressure_mpa": pressure,
            "in_service": bool(works),
            "point": point,
        }
        for code, far, route, flow, pressure, works, point in zip(
            codes, apart[rows], *figures, ground.working[rows], points[rows], strict=True
        )
    ]
    return sorted(found, key=lambda one: (one["route_m"] is None, one["route_m"] or 0))


def _valves(
    connection: Connection, desk: FireContext, area: shapely.Geometry, centre: shapely.Point
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
        for row, point in _iterate_with_geometry(connection, desk, statement)
    ]
    return sorted(found, key=lambda one: float(one["distance_m"]))


def _missing(desk: FireContext, rows: Ints, grids: list[Shown]) -> list[Missing]:
    asked = {"no_population": "population", "no_fire_class": "fire_class", "no_use": "use"}
    frame = desk.ground.building
    counts = {
        **{key: _values(frame, name, rows).count(None) for key, name in asked.items()},
        "no_manager": sum(grid["manager"] is None for grid in grids),
        "no_hydrants": int(desk.ground.hydrant.empty),
        "no_stations": int(desk.ground.station.empty),
    }
    return [Missing(key, count) for key, count in counts.items() if count]
