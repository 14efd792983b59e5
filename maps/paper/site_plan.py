"""What the plans of a building's sheet draw around it, and their labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import shapely

from geo.fire.building_record import Details, plain_value
from geo.fire.context import FireContext
from geo.network.roads import road_widths
from maps.paper.svg_map import Canvas

INK, SOFT, PALE = "#000000", "#666666", "#d9d9d9"
ROAD_MARGIN_M = 30.0
"""Roads this far outside a plan are drawn as well: half their width may reach into it."""

Bounds = tuple[float, float, float, float]
Label = dict[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What stands around a building, in metres.

    Attributes
    ----------
    buildings
        (outline, storeys or None) of the others.
    roads
        (line, width in metres, name).
    walls
        Boundaries of gated compounds.
    convergence
        Degrees from the grid's north to true north, clockwise.
    """

    buildings: list[tuple[shapely.Geometry, int | None]]
    roads: list[tuple[shapely.Geometry, float, str]]
    walls: list[shapely.Geometry]
    convergence: float


def find_surroundings(context: FireContext, content: Details, box: Bounds) -> Surroundings:
    """Return what stands within a box around a building."""
    snapshot = context.snapshot
    area = shapely.box(*box)
    own_row = snapshot.row_of[content["code"]]
    rows = snapshot.wall_tree.query(area, predicate="intersects").tolist()
    storeys = snapshot.building["storeys_above"]
    roads = snapshot.road
    lines, widths, names = roads.geometry.to_numpy(), road_widths(roads), roads["name"].to_numpy()
    near = np.flatnonzero(shapely.intersects(lines, shapely.buffer(area, ROAD_MARGIN_M)))
    fences = snapshot.compound_fences
    lon, lat = shapely.get_coordinates(snapshot.to_degrees(content["point"]))[0]
    return Surroundings(
        [(snapshot.walls[k], plain_value(storeys.iloc[k])) for k in rows if k != own_row],
        [(lines[k], float(widths[k]), str(names[k])) for k in near.tolist()],
        list(fences[shapely.intersects(fences, area)]),
        -pyproj.Proj(snapshot.crs).get_factors(lon, lat).meridian_convergence,
    )


def paper_position(point: shapely.Geometry, canvas: Canvas) -> tuple[float, float]:
    """Return where a point lies on the paper, in the units of the canvas."""
    x, y = shapely.get_coordinates(canvas.to_paper(point))[0]
    return round(float(x), 2), round(float(y), 2)


def build_label(
    at: shapely.Geometry, label: str, size: float, *, box: bool, bold: bool = False
) -> Label:
    """Return a label at a point of the paper, as the page template reads it."""
    x, y = shapely.get_coordinates(at)[0].tolist()
    return {"x": x, "y": y, "text": label, "size": size, "box": box, "bold": bold}


def street_names(around: Surroundings, canvas: Canvas) -> dict[str, shapely.Geometry]:
    """Return the place of each street name: the middle of its longest part on the plan."""
    best: dict[str, tuple[float, shapely.Geometry]] = {}
    for line, _, name in around.roads:
        for piece in canvas.clip([line], margin=-4):
            for part in shapely.get_parts(piece):
                length = float(shapely.length(part))
                if name and length > max(14.0, best.get(name, (0.0, None))[0]):
                    best[name] = length, shapely.line_interpolate_point(part, 0.5, normalized=True)
    return {name: place for name, (_, place) in best.items()}
