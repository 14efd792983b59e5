"""The layout of a building: all that a crew wants to know before it arrives, in one call."""

from datetime import date
from typing import Any

import numpy as np
import shapely
from sqlalchemy import ARRAY, Connection, Text, any_, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from geo.db.layer_frames import wkb
from geo.errors import NotFoundError
from geo.fire import fire_lanes, reviews, separation, supply_routes, vehicle_access
from geo.fire import ladder_areas as fire_ladder_areas
from geo.fire.context import FireContext
from geo.fire.finding import Missing
from geo.fire.rules import GIVE_M
from geo.messages import Language, text
from geo.model import (
    BuildingUnit,
    Compound,
    Grid,
    GridManager,
    GridMember,
    GridPlan,
    HydrantInspection,
    Region,
)
from geo.network.roads import widths

RESTS_ON = ("building", "road", "pipe_node", "facility")
"""Layers that a layout and an incident view rest on."""

Shown = dict[str, Any]
"""What is shown of a thing, geometry in metres."""


def layout(connection: Connection, desk: FireContext, code: str, lang: Language) -> Shown:
    """Return the layout of a building; geometry is in metres.

    Raises
    ------
    NotFoundError
        If there is no such building in the city.
    """
    ground = desk.ground
    row = ground.row_of.get(code)
    if row is None:
        raise NotFoundError("no_such_building", code=code)
    place = supply_routes.to_building(desk, row)
    centre = shapely.point_on_surface(ground.walls[row])
    shown = {
        **describe_building(desk, row, lang),
        "geometry": ground.walls[row],
        "point": centre,
        "compound": _compound(connection, ground.building["compound_code"].iloc[row]),
        "region": _region(connection, ground.building["region_code"].iloc[row]),
        "units": _units(connection, desk, code),
        "grids": grids_of(connection, [code]).get(code, []),
        "neighbours": _neighbours(desk, row, lang),
        "hydrants": hydrants(connection, desk, place),
        "stations": stations(desk, place),
        "fire_lane": fire_lane(desk, row, lang),
        "ladder": ladder_areas(desk, row, lang),
        "review": reviews.of(connection, code),
    }
    return shown | {"missing": [*_missing(desk, row), *_missing_around(shown)]}


def describe_building(desk: FireContext, row: int, lang: Language) -> Shown:
    """Return a building's names and attributes, with their values in words."""
    own = {name: _plain(value) for name, value in desk.ground.building.iloc[row].items()}
    names = (
        *("use", "storeys_above", "storeys_below", "height_m", "structure", "fire_class"),
        *("year_built", "households", "population", "households_source"),
    )
    attributes = {name: own[name] for name in names}
    for name in ("use", "structure", "fire_class"):
        said = own[name]
        attributes[f"{name}_text"] = None if said is None else text(f"{name}.{said}", lang=lang)
    attributes["high_rise"] = bool(desk.high[row])
    attributes["footprint_m2"] = round(float(desk.ground.walls[row].area), 1)
    return {
        "code": own["code"],
        "name": own["name"],
        "address": own["address"],
        "attributes": attributes,
    }


def _plain(value: Any) -> Any:
    """Return a value of a frame as Python has it, None where it is missing."""
    if isinstance(value, shapely.Geometry | str) or value is None:
        return value
    if isinstance(value, float | np.floating):
        number = float(value)
        return None if np.isnan(number) else int(number) if number.is_integer() else number
    return value.item() if hasattr(value, "item") else value


def _compound(connection: Connection, code: str | None) -> Shown | None:
    if not isinstance(code, str):
        return None
    columns = Compound.code, Compound.name, Compound.gated
    found = connection.execute(select(*columns).where(Compound.code == code)).mappings().first()
    return None if found is None else dict(found)


def _region(connection: Connection, code: str | None) -> Shown | None:
    if not isinstance(code, str):
        return None
    own, above = aliased(Region), aliased(Region)
    statement = (
        select(own.code, own.name, above.name.label("street"))
        .outerjoin(above, above.code == own.parent_code)
        .where(own.code == code)
    )
    found = connection.execute(statement).mappings().first()
    return None if found is None else dict(found)


def _units(connection: Connection, desk: FireContext, code: str) -> list[Shown]:
    columns = (
        *(BuildingUnit.code, BuildingUnit.name, BuildingUnit.storeys),
        *(BuildingUnit.households, BuildingUnit.population, wkb(BuildingUnit.geom)),
    )
    rows = connection.execute(
        select(*columns).where(BuildingUnit.building_code == code).order_by(BuildingUnit.code)
    ).mappings()
    found = [dict(row) for row in rows]
    points = desk.ground.to_metres(shapely.from_wkb([unit.pop("geom") for unit in found]))
    for unit, point in zip(found, np.atleast_1d(points), strict=True):
        unit["point"] = point
    return found


def grids_of(connection: Connection, codes: list[str]) -> dict[str, list[Shown]]:
    """Return the grids in force of buildings with their managers, by building."""
    statement = (
        select(
            GridMember.building_code,
            Grid.code,
            Grid.name,
            func.max(Region.name).label("community"),
            func.sum(GridMember.households).label("households"),
            func.max(GridManager.name).label("manager"),
            func.max(GridManager.phone).label("phone"),
        )
        .join(Grid, Grid.id == GridMember.grid_id)
        .join(GridPlan, (GridPlan.id == Grid.plan_id) & (GridPlan.status == "published"))
        .outerjoin(Region, Region.code == GridPlan.community_code)
        .outerjoin(
            GridManager, (GridManager.grid_code == Grid.code) & GridManager.valid_to.is_(None)
        )
        .where(GridMember.building_code == any_(cast(codes, ARRAY(Text))))
        .group_by(GridMember.building_code, Grid.code, Grid.name)
        .order_by(GridMember.building_code, Grid.code)
    )
    found: dict[str, list[Shown]] = {}
    for row in connection.execute(statement).mappings():
        shown = dict(row)
        found.setdefault(shown.pop("building_code"), []).append(shown)
    return found


def _neighbours(desk: FireContext, row: int, lang: Language) -> list[Shown]:
    ground, rules = desk.ground, desk.rules
    listed = []
    for other, apart, rule in separation.neighbours(ground, rules, row):
        required = rules.figure(rule)
        frame = ground.building.iloc[other]
        close = apart < required - GIVE_M
        proof = separation.proof(ground, rules, row, other, apart, required) if close else None
        listed.append(
            {
                "code": frame["code"],
                "name": frame["name"],
                "address": frame["address"],
                "distance_m": round(apart, 2),
                "required_m": required,
                "too_close": close,
                "rule": rule,
                "text": rules[rule].text(lang),
                "proof": None if proof is None else text(f"proof.{proof}", lang=lang),
                "line": shapely.shortest_line(ground.walls[row], ground.walls[other]),
                "fire_class": _plain(frame["fire_class"]),
                "storeys_above": _plain(frame["storeys_above"]),
            }
        )
    return listed


def hydrants(connection: Connection, desk: FireContext, place: supply_routes.Place) -> list[Shown]:
    """Return the three nearest working hydrants of a place by hose route."""
    frame = desk.ground.hydrant
    found = supply_routes.hoses(desk, place)
    codes = [str(frame["code"].iloc[hose.hydrant]) for hose in found]
    last = _last_inspections(connection, codes)
    points = frame.geometry.to_numpy()
    return [
        {
            "code": code,
            "route_m": round(hose.metres, 1),
            "straight_m": round(hose.straight, 1),
            "flow_l_s": _plain(frame["flow_l_s"].iloc[hose.hydrant]),
            "pressure_mpa": _plain(frame["pressure_mpa"].iloc[hose.hydrant]),
            "last_inspection": last.get(code),
            "point": points[hose.hydrant],
            "route": hose.line,
        }
        for code, hose in zip(codes, found, strict=True)
    ]


def _last_inspections(connection: Connection, codes: list[str]) -> dict[str, date]:
    statement = (
        select(HydrantInspection.hydrant_code, HydrantInspection.inspected_on)
        .ext(distinct_on(HydrantInspection.hydrant_code))
        .where(HydrantInspection.hydrant_code.in_(codes))
        .order_by(HydrantInspection.hydrant_code, HydrantInspection.inspected_on.desc())
    )
    return {row.hydrant_code: row.inspected_on for row in connection.execute(statement)}


def stations(desk: FireContext, place: supply_routes.Place) -> list[Shown]:
    """Return the nearest stations of a place by driving time."""
    frame, rules = desk.ground.station, desk.rules
    turnout = rules.figure("response_turnout")
    return [
        {
            "code": frame["code"].iloc[drive.station],
            "name": frame["name"].iloc[drive.station],
            "phone": frame["phone"].iloc[drive.station],
            "drive_s": round(drive.seconds, 1),
            "response_s": round(drive.seconds + turnout, 1),
            "reached": drive.seconds + turnout <= rules.figure("response_time"),
            "distance_m": round(drive.metres, 1),
            "stops_short_m": round(drive.stops_short, 1),
            "point": frame.geometry.iloc[drive.station],
            "route": drive.line,
        }
        for drive in supply_routes.drives(desk, place)
    ]


def fire_lane(desk: FireContext, row: int, lang: Language) -> Shown:
    """Return how near an engine gets to a building, by which roads, and what stops it."""
    ground, reached = desk.ground, desk.reached
    gap = float(vehicle_access.gaps(ground, reached)[row])
    found = vehicle_access.find_obstacles(ground, reached, row) if np.isfinite(gap) else []
    figure = desk.rules.figure("engine_reach")
    there = gap <= figure
    kind = "reached" if there and not found else "short" if there else "unreached"
    beside = _roads_beside(desk, row, figure)
    found = [*found, *_no_turning(desk, beside)]
    return {
        "reached": there,
        "gap_m": round(gap, 1) if np.isfinite(gap) else None,
        "by": [shown for _, shown in beside],
        "obstacles": [
            obstacle
            | {"text": text(f"obstacle.{obstacle['kind']}", lang=lang, **_figures(obstacle))}
            for obstacle in found
        ],
        "text": text(f"fire_lane.{kind}", lang=lang, gap=gap if np.isfinite(gap) else 0.0),
    }


def _no_turning(desk: FireContext, beside: list[tuple[int, Shown]]) -> list[Shown]:
    """Return the dead ends beside a building that an engine gets into and can't turn at."""
    rows = np.array([road for road, _ in beside], dtype=int)
    return [
        {
            "road": end.feature,
            "name": end.detail["name"],
            "kind": "no_turning",
            "measured": end.measured,
            "required": end.required,
            "point": end.geometry,
        }
        for end in fire_lanes.dead_ends(desk.ground, desk.rules, rows, desk.vehicle)
    ]


def _figures(obstacle: Shown) -> Shown:
    measured = obstacle["measured"]
    return {
        "name": obstacle["name"] or obstacle["road"],
        "measured": "?" if measured is None else f"{measured:g}",
        "required": f"{obstacle['required']:g}",
    }


def _roads_beside(desk: FireContext, row: int, figure: float) -> list[tuple[int, Shown]]:
    """Return the roads beside a building that the engine gets onto, the nearest first: the row of
    each, and how it is shown."""
    ground, reached = desk.ground, desk.reached
    graph, wall = ground.access.graph, ground.walls[row]
    near = graph.tree.query(wall, predicate="dwithin", distance=min(figure, 40.0))
    on = reached.node[graph.ends[near]].all(axis=1)
    on &= vehicle_access.is_free(reached.obstacle[graph.road[near]])
    near = near[on]
    apart = shapely.distance(graph.lines[near], wall)
    listed: dict[int, float] = {}
    for k in np.argsort(apart):
        listed.setdefault(int(graph.road[near[k]]), float(apart[k]))
    roads = ground.road
    return [
        (
            road,
            {
                "road": roads["code"].iloc[road],
                "name": roads["name"].iloc[road],
                "distance_m": round(far, 1),
            },
        )
        for road, far in list(listed.items())[:3]
    ]


def ladder_areas(desk: FireContext, row: int, lang: Language) -> Shown:
    """Return the ladder operating areas of a building."""
    rules = desk.rules
    if not desk.high[row]:
        return {
            "required": False,
            "found": False,
            "areas": [],
            "text": text("ladder.none", lang=lang),
        }
    height = separation.bodies(desk.ground).height[row]
    tall = bool(np.nan_to_num(height) > rules.figure("ladder_tall"))
    areas = fire_ladder_areas.areas_of(desk.ground, rules, row, tall=tall)
    kind = areas.reason or "found"
    return {
        "required": True,
        "found": areas.reason is None,
        "areas": areas.rectangles,
        "required_length_m": round(areas.required, 1),
        "found_length_m": round(areas.found, 1),
        "required_width_m": rules.figure("ladder_width"),
        "text": text(f"ladder.{kind}", lang=lang, found=areas.found, required=areas.required),
    }


def _missing(desk: FireContext, row: int) -> list[Missing]:
    """Return what is not on record of a building."""
    frame = desk.ground.building.iloc[row]
    asked = {
        "no_fire_class": "fire_class",
        "no_use": "use",
        "no_structure": "structure",
        "no_year": "year_built",
        "no_population": "population",
    }
    lacking = [key for key, name in asked.items() if _plain(frame[name]) is None]
    if _plain(frame["height_m"]) is None:
        lacking.append("no_height")
    if _plain(frame["storeys_below"]) is None:
        lacking.append("no_storeys_below")
    if not len(desk.ground.hydrant):
        lacking.append("no_hydrants")
    if desk.ground.station.empty:
        lacking.append("no_stations")
    return [Missing(key, 1) for key in lacking]


def _missing_around(shown: Shown) -> list[Missing]:
    """Return what is not on record of what a layout names beside the building."""
    close = [one for one in shown["neighbours"] if one["too_close"]]
    counts = {
        "no_entrances": int(not shown["units"] and shown["attributes"]["households"] > 1),
        "no_grid": int(not shown["grids"]),
        "no_manager": sum(grid["manager"] is None for grid in shown["grids"]),
        "neighbour_no_class": sum(one["fire_class"] is None for one in close),
        "never_inspected": sum(one["last_inspection"] is None for one in shown["hydrants"]),
        "hydrant_no_flow": sum(one["flow_l_s"] is None for one in shown["hydrants"]),
        "station_no_phone": sum(not one["phone"] for one in shown["stations"]),
    }
    return [Missing(key, count) for key, count in counts.items() if count]


def surroundings(desk: FireContext, code: str, box: tuple[float, float, float, float]) -> Shown:
    """Return what stands in a box of metres around a building: buildings, roads, walls."""
    ground = desk.ground
    area = shapely.box(*box)
    rows = ground.wall_tree.query(area, predicate="intersects")
    own = ground.row_of[code]
    storeys = ground.building["storeys_above"]
    roads = ground.road
    near = np.flatnonzero(shapely.intersects(roads.geometry.to_numpy(), shapely.buffer(area, 30.0)))
    wide = widths(roads)
    names = roads["name"].to_numpy()
    gated = ground.compound[ground.compound["gated"].eq(True).to_numpy(dtype=bool)]
    fences = shapely.boundary(gated.geometry.to_numpy())
    return {
        "buildings": [
            (ground.walls[row], _plain(storeys.iloc[row])) for row in rows.tolist() if row != own
        ],
        "roads": [
            (roads.geometry.iloc[row], float(wide[row]), str(names[row])) for row in near.tolist()
        ],
        "walls": list(fences[shapely.intersects(fences, area)]),
    }
