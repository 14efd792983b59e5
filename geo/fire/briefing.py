"""The briefing of a building: all that a fire crew needs to know before it arrives.

:func:`building_briefing` composes it once for the HTTP API, the printed sheet and the command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection

from geo.errors import InputError, NotFoundError
from geo.fire import (
    building_items,
    building_plans,
    building_record,
    finding_queries,
    fire_lanes,
    ladder_areas,
    register_extracts,
    reviews,
    separation,
    supply_routes,
    vehicle_access,
)
from geo.fire.building_record import Details, plain_value
from geo.fire.cities import city_of_code
from geo.fire.context import FireContext, FireContextCache
from geo.fire.finding_text import describe_proof
from geo.fire.layer_state import read_data_age, read_layer_changes
from geo.fire.rules import TOLERANCE_M
from geo.fire.surroundings import describe_surroundings
from geo.messages import Language, text
from geo.missing_data import MissingData, describe_missing, list_missing
from geo.model.pipe import Network
from geo.network import shutoff
from geo.plans.building_grids import grids_of_buildings

BRIEFING_LAYERS = ("building", "road", "pipe_node", "facility")
"""Layers whose age is given with a briefing."""

INTAKE_RADIUS_M = 500.0
"""Tanks and intake points are listed up to this distance from the wall."""

ROADSIDE_M = 40.0
"""Roads are listed as beside a building up to this distance."""


@dataclass(frozen=True)
class BuildingBriefing:
    """A briefing with the context it was made from.

    Attributes
    ----------
    content
        Everything by name; geometry in the metric system of the context's snapshot, missing data
        in words under ``missing``, the age of the data under ``data``.
    """

    context: FireContext
    content: Details


def building_briefing(
    connection: Connection, contexts: FireContextCache, code: str, lang: Language
) -> BuildingBriefing:
    """Return the briefing of a building.

    Raises
    ------
    NotFoundError
        If there is no such building in the city.
    """
    city, layer_changes = city_of_code(connection, code), read_layer_changes(connection)
    context = contexts.context_of(connection, city, layer_changes)
    row = context.snapshot.row_of.get(code)
    if row is None:
        raise NotFoundError("no_such_building", code=code)
    mains = contexts.hydrant_mains(connection, city, layer_changes)
    content = {
        **_describe_building_and_access(connection, context, row, mains, lang),
        **_describe_people_and_plans(connection, code),
        **_describe_valves(connection, contexts, city, code, layer_changes, lang),
        "findings": finding_queries.list_building_findings(connection, city, code, lang),
        "data": read_data_age(connection, BRIEFING_LAYERS),
    }
    missing = [
        *building_record.missing_attributes(context, row),
        *_missing_supply(context),
        *_missing_details(content),
    ]
    return BuildingBriefing(context, content | {"missing": describe_missing(missing, lang)})


def _describe_building_and_access(
    connection: Connection,
    context: FireContext,
    row: int,
    mains: Mapping[str, float],
    lang: Language,
) -> Details:
    """Return a building's record, neighbours, water supply, stations and engine access."""
    snapshot = context.snapshot
    record = snapshot.building.iloc[row]
    code = str(record["code"])
    destination = supply_routes.building_destination(context, row)
    return {
        **building_record.describe_building(context, row, lang),
        "geometry": snapshot.walls[row],
        "point": shapely.point_on_surface(snapshot.walls[row]),
        "compound": building_record.read_compound(connection, record["compound_code"]),
        "region": building_record.read_community(connection, record["region_code"]),
        "units": building_record.read_units(connection, context, code),
        "grids": grids_of_buildings(connection, [code]).get(code, []),
        "neighbours": _describe_neighbours(context, row, lang),
        "surroundings": describe_surroundings(context, row, lang),
        "hydrants": supply_routes.describe_nearest_hydrants(
            connection, context, destination, mains, lang
        ),
        "intakes": _describe_intakes(context, row),
        "stations": supply_routes.describe_nearest_stations(context, destination),
        "fire_lane": describe_approach(context, row, lang),
        "ladder": describe_ladder_areas(context, row, lang),
        "review": reviews.read_review(connection, code),
        "items": building_items.list_items(connection, code, lang),
    }


def _describe_intakes(context: FireContext, row: int) -> list[Details]:
    """Return the nearest tanks and intake points within 500 m, the nearest first."""
    facility = context.snapshot.facility
    intakes = facility[facility["category"] == "intake"]
    points = shapely.point_on_surface(intakes.geometry.to_numpy())
    distances = shapely.distance(points, context.snapshot.walls[row])
    near = [k for k in np.argsort(distances) if distances[k] <= INTAKE_RADIUS_M]
    return [
        {
            "code": str(intakes["code"].iloc[k]),
            "name": intakes["name"].iloc[k],
            "distance_m": round(float(distances[k]), 1),
            "point": points[k],
        }
        for k in near[:3]
    ]


def _describe_people_and_plans(connection: Connection, code: str) -> Details:
    """Return people by unit, key units and attached plans; people None where not to be seen."""
    people = register_extracts.read_people_by_unit(connection, [code])
    return {
        "people": None if people is None else people.get(code, []),
        "key_units": register_extracts.read_key_units(connection, [code]).get(code, []),
        "plans": building_plans.list_plans(connection, code),
    }


def _describe_neighbours(context: FireContext, row: int, lang: Language) -> list[Details]:
    """Return the buildings that a separation distance is required from, the nearest first."""
    snapshot, rules = context.snapshot, context.rules
    neighbours = []
    for other, distance, rule in separation.find_neighbours(snapshot, row):
        record = snapshot.building.iloc[other]
        required = rules.figure(rule)
        too_close = distance < required - TOLERANCE_M
        proof = None
        if too_close:
            proof = separation.required_proof(snapshot, rules, (row, other), distance, required)
        neighbours.append(
            {
                "code": record["code"],
                "name": record["name"],
                "address": record["address"],
                "distance_m": round(distance, 2),
                "required_m": required,
                "too_close": too_close,
                "rule": rule,
                "text": rules[rule].text(lang),
                "proof": describe_proof(proof, rules, lang),
                "line": shapely.shortest_line(snapshot.walls[row], snapshot.walls[other]),
                "fire_class": plain_value(record["fire_class"]),
                "storeys_above": plain_value(record["storeys_above"]),
            }
        )
    return neighbours


def describe_approach(context: FireContext, row: int, lang: Language) -> Details:
    """Return how near an engine gets to a building, by which roads, and what stops it."""
    snapshot, reach = context.snapshot, context.vehicle_reach
    figure = context.rules.figure("engine_reach")
    gap = float(vehicle_access.hose_gaps(snapshot, reach, figure, np.array([row]))[0])
    is_connected = bool(np.isfinite(gap))
    is_along_roads = gap == vehicle_access.hose_gaps_along_roads(snapshot, reach)[row]
    obstacles = (
        vehicle_access.find_obstacles(snapshot, reach, row)
        if is_connected and is_along_roads
        else []
    )
    is_reached = gap <= figure
    kind = "unreached" if not is_reached else "short" if obstacles else "reached"
    roads = _roads_beside(context, row)
    obstacles = [*obstacles, *_dead_ends_without_turning(context, list(roads))]
    frame = snapshot.road
    return {
        "reached": is_reached,
        "gap_m": round(gap, 1) if is_connected else None,
        "by": [
            {
                "road": frame["code"].iloc[road],
                "name": frame["name"].iloc[road],
                "distance_m": round(distance, 1),
            }
            for road, distance in roads.items()
        ],
        "obstacles": [
            obstacle | {"text": _obstacle_text(obstacle, lang)} for obstacle in obstacles
        ],
        "text": text(f"fire_lane.{kind}", lang=lang, gap=gap if is_connected else 0.0),
    }


def _roads_beside(context: FireContext, row: int) -> dict[int, float]:
    """Return the three nearest roads beside a building that the engine gets onto.

    Returns
    -------
    dict
        Distance in metres by row of the road, the nearest first.
    """
    snapshot, reach = context.snapshot, context.vehicle_reach
    graph, wall = snapshot.access.graph, snapshot.walls[row]
    radius = min(context.rules.figure("engine_reach"), ROADSIDE_M)
    pieces = graph.tree.query(wall, predicate="dwithin", distance=radius)
    is_driven = reach.node[graph.ends[pieces]].all(axis=1)
    is_driven &= vehicle_access.is_free(reach.obstacle[graph.road[pieces]])
    pieces = pieces[is_driven]
    distances = shapely.distance(graph.lines[pieces], wall)
    roads: dict[int, float] = {}
    for k in np.argsort(distances):
        roads.setdefault(int(graph.road[pieces[k]]), float(distances[k]))
    return dict(list(roads.items())[:3])


def _dead_ends_without_turning(context: FireContext, roads: list[int]) -> list[Details]:
    """Return the dead ends of some roads that an engine drives into and can't turn at."""
    rows = np.array(roads, dtype=np.int64)
    findings = fire_lanes.check_dead_ends(context.snapshot, context.rules, rows, context.vehicle)
    return [
        {
            "road": finding.feature,
            "name": finding.detail["name"],
            "kind": "no_turning",
            "measured": finding.measured,
            "required": finding.required,
            "point": finding.geometry,
        }
        for finding in findings
    ]


def _obstacle_text(obstacle: Details, lang: Language) -> str:
    measured = obstacle["measured"]
    return text(
        f"obstacle.{obstacle['kind']}",
        lang=lang,
        name=obstacle["name"] or obstacle["road"],
        measured="?" if measured is None else f"{measured:g}",
        required=f"{obstacle['required']:g}",
    )


def describe_ladder_areas(context: FireContext, row: int, lang: Language) -> Details:
    """Return the ladder operating areas of a building; only a high-rise needs any."""
    rules = context.rules
    if not context.is_high_rise[row]:
        not_required = text("ladder.none", lang=lang)
        return {"required": False, "found": False, "areas": [], "text": not_required}
    height = separation.fire_properties(context.snapshot).height[row]
    tall = bool(np.nan_to_num(height) > rules.figure("ladder_tall"))
    best = ladder_areas.find_best_ladder_areas(
        context.snapshot, rules, context.vehicle_reach, row, tall=tall
    )
    podium = rules.figure("ladder_podium")
    figures = {"found": best.found, "required": best.required, "podium": podium}
    figures |= {"slope": best.slope, "most": rules.figure("ladder_slope")}
    return {
        "required": True,
        "found": best.reason is None,
        "areas": best.rectangles,
        "required_length_m": round(best.required, 1),
        "found_length_m": round(best.found, 1),
        "required_width_m": rules.figure("ladder_width"),
        "text": text(f"ladder.{best.reason or 'found'}", lang=lang, **figures),
    }


def _describe_valves(
    connection: Connection,
    contexts: FireContextCache,
    city: str,
    code: str,
    layer_changes: Mapping[str, int],
    lang: Language,
) -> Details:
    """Return the gas and water valves that shut a building off, or why there are none."""
    valves: dict[str, list[Details]] = {}
    notes: dict[str, str | None] = {}
    for network in (Network.GAS.value, Network.WATER.value):
        try:
            sectors = contexts.pipe_sectors(connection, city, network, layer_changes)
        except InputError as error:
            valves[network], notes[network] = [], error.message(lang)
            continue
        valves[network] = shutoff.find_building_valves(sectors, code)
        notes[network] = None if valves[network] else text("shutoff.not_served", lang=lang)
    return {"valves": valves, "valve_notes": notes}


def _missing_supply(context: FireContext) -> list[MissingData]:
    """Return whether hydrants or fire stations are missing from the city's data."""
    snapshot = context.snapshot
    counts = {
        "no_hydrants": int(snapshot.hydrant.empty),
        "no_stations": int(snapshot.station.empty),
    }
    return list_missing(counts)


def _missing_details(content: dict[str, Any]) -> list[MissingData]:
    """Return what is not on record of the features that a briefing names."""
    close = [neighbour for neighbour in content["neighbours"] if neighbour["too_close"]]
    hydrants = content["hydrants"]
    households = content["attributes"]["households"]
    return list_missing(
        {
            "no_entrances": int(not content["units"] and households > 1),
            "no_grid": int(not content["grids"]),
            "no_manager": sum(grid["manager"] is None for grid in content["grids"]),
            "neighbour_no_class": sum(neighbour["fire_class"] is None for neighbour in close),
            "never_inspected": sum(hydrant["last_inspection"] is None for hydrant in hydrants),
            "hydrant_no_flow": sum(hydrant["flow_l_s"] is None for hydrant in hydrants),
            "station_no_phone": sum(not station["phone"] for station in content["stations"]),
        }
    )
