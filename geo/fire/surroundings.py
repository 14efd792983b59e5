"""The nearest building and road to the east, south, west and north of a building."""

import numpy as np
import shapely

from geo.fire.building_record import Details, plain_value
from geo.fire.context import FireContext
from geo.messages import Language, text

SIDES = ("east", "south", "west", "north")
SURROUNDINGS_RADIUS_M = 60.0


def describe_surroundings(context: FireContext, row: int, lang: Language) -> list[Details]:
    """Return the nearest building and road to each side of a building, within 60 m; None for none.

    Parameters
    ----------
    row
        Row of the building in the context's snapshot.
    """
    strips = _land_beside(context.snapshot.walls[row])
    return [
        {
            "side": side,
            "title": text(f"side.{side}", lang=lang),
            "building": _nearest_building(context, row, strip, lang),
            "road": _nearest_road(context, row, strip),
        }
        for side, strip in zip(SIDES, strips, strict=True)
    ]


def _land_beside(wall: shapely.Geometry) -> list[shapely.Polygon]:
    """Return the land beside the bounds of an outline, in the order of :data:`SIDES`."""
    west, south, east, north = shapely.bounds(wall)
    reach = SURROUNDINGS_RADIUS_M
    return [
        shapely.box(east, south, east + reach, north),
        shapely.box(west, south - reach, east, south),
        shapely.box(west - reach, south, west, north),
        shapely.box(west, north, east, north + reach),
    ]


def _nearest_building(
    context: FireContext, row: int, strip: shapely.Polygon, lang: Language
) -> Details | None:
    snapshot = context.snapshot
    near = snapshot.wall_tree.query(strip, predicate="intersects")
    near = near[near != row]
    if not len(near):
        return None
    distances = shapely.distance(snapshot.walls[near], snapshot.walls[row])
    record = snapshot.building.iloc[int(near[distances.argmin()])]
    use = plain_value(record["use"])
    return {
        "code": str(record["code"]),
        "name": record["name"],
        "address": record["address"],
        "use_text": None if use is None else text(f"use.{use}", lang=lang),
        "storeys_above": plain_value(record["storeys_above"]),
        "distance_m": round(float(distances.min()), 1),
    }


def _nearest_road(context: FireContext, row: int, strip: shapely.Polygon) -> Details | None:
    """Return the nearest road beside a side, with the distance of its edge from the wall."""
    snapshot = context.snapshot
    graph = snapshot.graph
    pieces = graph.tree.query(strip, predicate="intersects")
    if not len(pieces):
        return None
    roads = graph.road[pieces]
    gaps = shapely.distance(graph.lines[pieces], snapshot.walls[row])
    edges = np.maximum(gaps - snapshot.road_width[roads] / 2, 0.0)
    nearest = int(edges.argmin())
    record = snapshot.road.iloc[int(roads[nearest])]
    return {
        "code": str(record["code"]),
        "name": record["name"],
        "distance_m": round(float(edges[nearest]), 1),
    }
