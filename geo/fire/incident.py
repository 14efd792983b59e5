"""The briefing of an incident: everything within a radius of a place."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import shapely
from sqlalchemy import ARRAY, Connection, Text, any_, cast, func, select

from geo.db.layer_frames import intersects_area, wkb
from geo.fire import building_items, register_extracts, supply_routes
from geo.fire.building_record import Details
from geo.fire.context import FireContext
from geo.messages import Language, text
from geo.missing_data import MissingData, list_missing, sum_known
from geo.model import BuildingUnit, Facility, PipeNode
from geo.plans.building_grids import grids_of_buildings
from geo.types import Floats, Ints

CRITICAL_CATEGORIES = (
    *("school", "kindergarten", "university", "hospital", "clinic", "elderly_care", "fuel"),
    *("market", "transport", "culture", "shelter"),
)
"""Facilities with many people, with people who need help to leave, or with fuel."""

INTAKE_CATEGORIES = ("intake",)
"""Ponds, tanks and suction points: water without pressure, beside the hydrants."""

VALVE_KINDS = ("valve", "regulator")
VALVE_NETWORKS = ("gas", "water")


def incident_briefing(
    connection: Connection,
    context: FireContext,
    lon: float,
    lat: float,
    radius_m: float,
    mains: Mapping[str, float],
    lang: Language,
) -> Details:
    """Return what stands within a radius of a place; geometry is in metres.

    Parameters
    ----------
    lon, lat, radius_m
        The place in degrees, and metres around it.
    mains
        Diameter of the main by code of the hydrant, millimetres.
    """
    snapshot = context.snapshot
    centre = snapshot.to_metric_point(lon, lat)
    rows = snapshot.wall_tree.query(centre, predicate="dwithin", distance=radius_m)
    distances = shapely.distance(snapshot.walls[rows], centre)
    order = np.argsort(distances, kind="stable")
    rows, distances = rows[order], distances[order]
    area = shapely.buffer(centre, radius_m, quad_segs=16)
    grids, outside = _count_people_by_grid(connection, context, rows)
    destination = supply_routes.point_destination(context, centre)
    buildings = _describe_buildings(context, rows, distances, lang)
    _add_register(connection, buildings)
    return {
        "radius_m": radius_m,
        "point": centre,
        "area": area,
        "totals": _count_totals(connection, context, rows) | _count_people(buildings),
        "grids": grids,
        "outside_grids": outside,
        "buildings": building_items.add_recorded_items(connection, buildings, lang),
        "critical": _describe_facilities(
            connection, context, CRITICAL_CATEGORIES, area, centre, lang
        ),
        "hydrants": _describe_hydrants(context, destination, radius_m, mains, lang),
        "intakes": _describe_facilities(connection, context, INTAKE_CATEGORIES, area, centre, lang),
        "valves": _describe_valves(connection, context, area, centre),
        "stations": supply_routes.describe_nearest_stations(context, destination),
        "missing": _missing_data(context, rows, grids),
    }


def _count_totals(
    connection: Connection, context: FireContext, rows: Ints
) -> dict[str, int | None]:
    frame = context.snapshot.building
    codes = context.snapshot.codes[rows].tolist()
    units = select(func.count()).where(BuildingUnit.building_code == any_(cast(codes, ARRAY(Text))))
    return {
        "buildings": len(rows),
        "households": sum(value or 0 for value in _plain_column(frame, "households", rows)),
        "population": sum_known(_plain_column(frame, "population", rows)),
        "high_rise": int(context.is_high_rise[rows].sum()),
        "units": int(connection.execute(units).scalar_one()),
    }


def _count_people_by_grid(
    connection: Connection, context: FireContext, rows: Ints
) -> tuple[list[Details], Details]:
    """Return the people to be moved by grid, and those in no grid.

    A building shared between grids counts in each with the households there, and with people in
    proportion to them. People are None where no building has them on record.
    """
    frame, codes = context.snapshot.building, context.snapshot.codes[rows].tolist()
    population = _plain_column(frame, "population", rows)
    households = [value or 0 for value in _plain_column(frame, "households", rows)]
    grids_by_building = grids_of_buildings(connection, codes)
    totals: dict[str, Details] = {}
    outside: Details = {"households": 0, "population": None, "buildings": 0}
    for code, homes, people in zip(codes, households, population, strict=True):
        grids = grids_by_building.get(code, [])
        if not grids:
            outside["households"] += int(homes)
            outside["population"] = sum_known([outside["population"], people])
            outside["buildings"] += 1
        for grid in grids:
            share = int(grid["households"]) / homes if homes else 1 / len(grids)
            total = totals.setdefault(
                grid["code"], grid | {"households": 0, "population": None, "buildings": 0}
            )
            total["households"] += int(grid["households"])
            people_here = None if people is None else round(people * share)
            total["population"] = sum_known([total["population"], people_here])
            total["buildings"] += 1
    if not outside["buildings"]:
        outside["population"] = 0
    return sorted(totals.values(), key=lambda grid: -(grid["population"] or 0)), outside


def _describe_buildings(
    context: FireContext, rows: Ints, distances: Floats, lang: Language
) -> list[Details]:
    snapshot = context.snapshot
    centroids = shapely.centroid(snapshot.walls[rows])
    names = (
        *("code", "name", "address", "use", "storeys_above", "fire_class"),
        *("households", "population"),
    )
    columns = (_plain_column(snapshot.building, name, rows) for name in names)
    buildings = []
    for k, values in enumerate(zip(*columns, strict=True)):
        building: Details = dict(zip(names, values, strict=True))
        use = building["use"]
        building["use_text"] = None if use is None else text(f"use.{use}", lang=lang)
        building["high_rise"] = bool(context.is_high_rise[rows[k]])
        building["distance_m"] = round(float(distances[k]), 1)
        building["point"] = centroids[k]
        buildings.append(building)
    return buildings


def _add_register(connection: Connection, buildings: list[Details]) -> None:
    """Add to each building its counts of the register, None where not to be seen, and key units."""
    codes = [building["code"] for building in buildings]
    people = register_extracts.read_people_by_unit(connection, codes)
    key_units = register_extracts.read_key_units(connection, codes)
    for building in buildings:
        units = [] if people is None else people.get(building["code"], [])
        for name in ("residents", "need_help"):
            known = [unit[name] for unit in units if unit[name] is not None]
            building[name] = sum(known) if known else None
        building["key_units"] = key_units.get(building["code"], [])


def _count_people(buildings: list[Details]) -> dict[str, int | None]:
    """Return the register's sums; None where it counts none of the buildings."""
    sums: dict[str, int | None] = {}
    for name in ("residents", "need_help"):
        known = [building[name] for building in buildings if building[name] is not None]
        sums[name] = sum(known) if known else None
    return sums


def _plain_column(frame: Any, name: str, rows: Ints) -> list[Any]:
    """Return a column of some rows as Python types: numbers as int, missing values as None.

    Per column, not per value: an incident lists hundreds of buildings.
    """
    values = frame[name].array[rows]
    is_known = ~np.asarray(values.isna() if hasattr(values, "isna") else pd.isna(values))
    is_number = getattr(values.dtype, "kind", "O") in "iuf"
    pairs = zip(values.tolist(), is_known, strict=True)
    return [(int(value) if is_number else value) if known else None for value, known in pairs]


def _describe_facilities(
    connection: Connection,
    context: FireContext,
    categories: tuple[str, ...],
    area: shapely.Geometry,
    centre: shapely.Point,
    lang: Language,
) -> list[Details]:
    """Return the facilities of some categories in an area, the nearest first."""
    columns = Facility.code, Facility.name, Facility.category, Facility.phone, wkb(Facility.geom)
    statement = select(*columns).where(
        Facility.category.in_(categories),
        intersects_area(Facility.geom, area, context.snapshot.crs),
    )
    return [
        row | {"category_text": text(f"category.{row['category']}", lang=lang)}
        for row in _rows_by_distance(connection, context, statement, centre)
    ]


def _describe_valves(
    connection: Connection, context: FireContext, area: shapely.Geometry, centre: shapely.Point
) -> list[Details]:
    """Return the valves of gas and water pipes in an area, the nearest first."""
    statement = select(
        PipeNode.code, PipeNode.network, PipeNode.kind, PipeNode.is_open, wkb(PipeNode.geom)
    ).where(
        PipeNode.network.in_(VALVE_NETWORKS),
        PipeNode.kind.in_(VALVE_KINDS),
        intersects_area(PipeNode.geom, area, context.snapshot.crs),
    )
    return _rows_by_distance(connection, context, statement, centre)


def _rows_by_distance(
    connection: Connection, context: FireContext, statement: Any, centre: shapely.Point
) -> list[Details]:
    """Return rows with their point in metres and their distance from a centre, nearest first."""
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    shapes = shapely.from_wkb(np.array([row.pop("geom") for row in rows], dtype=object))
    metric = context.snapshot.to_metres(shapes)
    for row, shape in zip(rows, metric, strict=True):
        row["distance_m"] = round(float(shapely.distance(shape, centre)), 1)
        row["point"] = shapely.point_on_surface(shape)
    return sorted(rows, key=lambda row: float(row["distance_m"]))


def _describe_hydrants(
    context: FireContext,
    destination: supply_routes.Destination,
    radius_m: float,
    mains: Mapping[str, float],
    lang: Language,
) -> list[Details]:
    """Return the hydrants within a radius, in the order of ``supply_routes.order_hydrants``."""
    snapshot = context.snapshot
    frame = snapshot.hydrant
    points = frame.geometry.to_numpy()
    distances = shapely.distance(points, destination.shape)
    lengths, _, _ = supply_routes.hose_lengths(context, destination)
    order = supply_routes.order_hydrants(lengths, distances, snapshot.hydrant_works)
    rows = order[distances[order] <= radius_m]
    figures = [
        [None if value != value else float(value) for value in column[rows].tolist()]
        for column in (
            np.where(np.isfinite(lengths), lengths, np.nan),
            frame["flow_l_s"].to_numpy(dtype=float),
            frame["pressure_mpa"].to_numpy(dtype=float),
        )
    ]
    codes, types = frame["code"].to_numpy(), frame["hydrant_type"].tolist()
    return [
        {
            "code": str(codes[row]),
            "route_m": None if route is None else round(route, 1),
            "straight_m": round(float(distances[row]), 1),
            "distance_m": round(float(distances[row]), 1),
            "flow_l_s": flow,
            "pressure_mpa": pressure,
            **supply_routes.describe_hydrant_type(types[row], lang),
            "main_dn": mains.get(str(codes[row])),
            "in_service": bool(snapshot.hydrant_works[row]),
            "point": points[row],
        }
        for row, route, flow, pressure in zip(rows.tolist(), *figures, strict=True)
    ]


def _missing_data(context: FireContext, rows: Ints, grids: list[Details]) -> list[MissingData]:
    columns = {"no_population": "population", "no_fire_class": "fire_class", "no_use": "use"}
    snapshot = context.snapshot
    counts = {
        key: _plain_column(snapshot.building, name, rows).count(None)
        for key, name in columns.items()
    }
    counts |= {
        "no_manager": sum(grid["manager"] is None for grid in grids),
        "no_hydrants": int(snapshot.hydrant.empty),
        "no_stations": int(snapshot.station.empty),
    }
    return list_missing(counts)
