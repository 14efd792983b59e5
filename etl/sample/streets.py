"""Streets of the lattice, the river with its bridges, the canal and the railway."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from etl.sample import names
from etl.sample.street_plan import (
    BANK_M,
    OFFICE_BLOCKS,
    ORIGIN_M,
    RIVER_M,
    Office,
    bend_points,
    block_corners,
    corner_point,
    line_x,
    line_y,
)

SIDEWALK_M = 4.0
CANAL_M, RAIL_M = 8.0, 16.0
"""Width of free land on each side of the canal and of the railway."""

CANAL_COLUMN, RAIL_ROW = 3, 4
"""Column of blocks with the canal, row of blocks with the railway."""

WIDTH_M = {"arterial": 40.0, "secondary": 28.0, "local": 16.0}


@dataclass(frozen=True)
class Edge:
    """A section of a street between two corners of the lattice."""

    start: tuple[int, int]
    end: tuple[int, int]
    north: bool
    road_class: str
    width: float
    name: str

    @property
    def line(self) -> shapely.LineString:
        """The centreline."""
        return shapely.LineString(
            [corner_point(*self.start, self.north), corner_point(*self.end, self.north)]
        )

    @property
    def along(self) -> bool:
        """Whether the street runs west to east."""
        return self.start[1] == self.end[1]


def edges_of_office(office: Office, *, east: bool, north: bool) -> list[Edge]:
    """Return the streets south and west of an office's blocks, and those on the edge of the city.

    Parameters
    ----------
    east, north
        Whether there is no other office on that side.
    """
    west0, south0 = office.corner
    bank = office.row >= 0
    # South of the river, the street along the water is the top line of the first row.
    top = north or office.row == -1
    rows = range(south0, south0 + OFFICE_BLOCKS[1] + (1 if top else 0))
    columns = range(west0, west0 + OFFICE_BLOCKS[0] + (1 if east else 0))
    along = [_edge((i, j), (i + 1, j), bank) for j in rows for i in columns[: OFFICE_BLOCKS[0]]]
    across = [_edge((i, j), (i, j + 1), bank) for i in columns for j in rows[: OFFICE_BLOCKS[1]]]
    return along + across


def _edge(start: tuple[int, int], end: tuple[int, int], north: bool) -> Edge:
    along = start[1] == end[1]
    line = start[1] if along else start[0]
    road_class, width = _street_class_and_width(line, along)
    riverside = along and line == 0
    name = (
        "沿江大道" if riverside else names.street(line if north or not along else line - 90, along)
    )
    return Edge(start, end, north, road_class, width, name)


def crossing_widths(edge: Edge) -> tuple[float, float]:
    """Return the widths in metres of the streets that cross a street at its two corners."""
    lines = (edge.start[0], edge.end[0]) if edge.along else (edge.start[1], edge.end[1])
    first, last = (_street_class_and_width(line, not edge.along)[1] for line in lines)
    return first, last


def _street_class_and_width(line: int, along: bool) -> tuple[str, float]:
    """Return class and width in metres of the street on a line of the lattice."""
    road_class = _road_class(line, along)
    return road_class, WIDTH_M[road_class] - (6.0 if road_class == "local" and line % 2 else 0.0)


def _road_class(line: int, along: bool) -> str:
    if along:
        return "arterial" if line % 6 == 0 else "secondary" if line % 6 == 2 else "local"
    return "arterial" if line % 8 == 0 else "secondary" if line % 8 == 4 else "local"


def block_sides(office: Office, i: int, j: int) -> list[Edge]:
    """Return the streets around a block: south, east, north, west."""
    north = office.row >= 0
    ends = [((i, j), (i + 1, j)), ((i + 1, j), (i + 1, j + 1))]
    ends += [((i, j + 1), (i + 1, j + 1)), ((i, j), (i, j + 1))]
    return [_edge(a, b, north) for a, b in ends]


def block_land(office: Office, i: int, j: int) -> list[shapely.Polygon]:
    """Return the land of a block without its streets, cut by the canal and the railway."""
    around = [
        shapely.buffer(edge.line, edge.width / 2 + SIDEWALK_M, cap_style="square")
        for edge in block_sides(office, i, j)
    ]
    through = [
        shapely.buffer(line, wide)
        for line, wide in ((canal(office), CANAL_M), (railway(office), RAIL_M))
        if line is not None
    ]
    free = shapely.difference(
        shapely.Polygon(block_corners(office, i, j)), shapely.union_all(around + through)
    )
    return [part for part in shapely.get_parts(free) if part.area > 2500]


def lead_to_streets(lane: shapely.LineString, sides: list[Edge]) -> shapely.LineString:
    """Return a lane of a block, led on to the carriageways that it stops just short of."""
    carriageways = [shapely.buffer(side.line, side.width / 2) for side in sides]
    coords = shapely.get_coordinates(lane)
    for end, inner in ((0, 1), (-1, -2)):
        direction = (coords[end] - coords[inner]) / np.hypot(*(coords[end] - coords[inner]))
        beyond = shapely.LineString([coords[end], coords[end] + _SHORT_OF_STREET_M * direction])
        met = [way for way in carriageways if shapely.intersects(way, beyond)]
        if met and not any(shapely.intersects_xy(way, *coords[end]) for way in met):
            coords[end] = shapely.get_coordinates(beyond)[-1] + direction
    return shapely.LineString(coords)


_SHORT_OF_STREET_M = 4.0


def bridge_canal(
    lanes: list[dict[str, Any]], canal_line: shapely.LineString
) -> list[shapely.LineString]:
    """Return the lanes of a block, those that end in the canal led over it or kept to their bank.

    Two lanes that meet over the water stay as they are.
    """
    lines = [lane["geom"] for lane in lanes]
    half = np.array([lane["width_m"] / 2 for lane in lanes])
    banks = shapely.buffer(canal_line, CANAL_M)
    over = [k for k, line in enumerate(lines) if line.distance(canal_line) < CANAL_M / 2]
    at_canal = {k: _end_near(lines[k], canal_line) for k in over}
    apart = [
        k
        for k in over
        if not any(
            at_canal[k].distance(lines[other]) <= half[other]
            and at_canal[other].distance(lines[k]) <= half[k]
            for other in over
            if other != k
        )
    ]
    for k in apart:
        parts = shapely.get_parts(shapely.difference(lines[k], banks))
        lines[k] = parts[int(shapely.length(parts).argmax())]
    places = {k: _end_near(lines[k], canal_line) for k in apart}
    for k, end in places.items():
        across = [
            place
            for place in places.values()
            if shapely.LineString([end, place]).intersects(canal_line)
        ]
        place = min(across, key=end.distance, default=None)
        if place is None or end.distance(place) >= _LONGEST_BRIDGE_M:
            continue
        if not any(shapely.dwithin(lines[other], end, 0.01) for other in places if other != k):
            lines[k] = _lead_to(lines[k], end, place)
    return lines


def _end_near(line: shapely.LineString, other: shapely.LineString) -> shapely.Point:
    """Return the end of a line that is nearer to another line."""
    return min((shapely.get_point(line, k) for k in (0, -1)), key=other.distance)


def _lead_to(
    line: shapely.LineString, end: shapely.Point, place: shapely.Point
) -> shapely.LineString:
    """Return a line led on from one of its ends to a place."""
    corners = list(line.coords)
    ordered = corners[::-1] if shapely.get_point(line, 0).equals(end) else corners
    return shapely.LineString([*ordered, place.coords[0]])


_LONGEST_BRIDGE_M = 16.8


def canal(office: Office) -> shapely.LineString:
    """Return the canal through an office, from its far side to the river or the next office."""
    x = line_x(office.corner[0] + CANAL_COLUMN + 0.5)
    low, high = _y_range(office)
    return _bend_line([(x, y) for y in np.linspace(low, high, 25)])


def railway(office: Office) -> shapely.LineString | None:
    """Return the railway through an office; every third row of offices has one."""
    if office.row % 3:
        return None
    y = line_y(office.corner[1] + RAIL_ROW + 0.5, office.row >= 0)
    west, east = line_x(office.corner[0]), line_x(office.corner[0] + OFFICE_BLOCKS[0])
    return _bend_line([(x, y) for x in np.linspace(west, east, 41)])


def _y_range(office: Office) -> tuple[float, float]:
    """Return the y of the southern and northern side of an office before bending."""
    south, north = office.corner[1], office.row >= 0
    return line_y(south, north), line_y(south + OFFICE_BLOCKS[1], north)


def river(office: Office) -> shapely.Polygon:
    """Return the river beside an office of the first row, between the banks."""
    x = np.linspace(line_x(office.corner[0]), line_x(office.corner[0] + OFFICE_BLOCKS[0]), 41)
    half = RIVER_M / 2 - BANK_M
    north = np.column_stack([x, np.full_like(x, half)])
    south = np.column_stack([x, np.full_like(x, -half)])
    return shapely.Polygon(ORIGIN_M + bend_points(np.concatenate([south, north[::-1]])))


def bridge(office: Office) -> shapely.LineString:
    """Return the bridge from an office of the first row to the other bank."""
    i = office.corner[0] + 4
    return shapely.LineString([corner_point(i, 0, True), corner_point(i, 0, False)])


def _bend_line(points: list[tuple[float, float]]) -> shapely.LineString:
    return shapely.LineString(ORIGIN_M + bend_points(np.array(points)))


def road_rows(office: Office, edges: list[Edge]) -> Iterator[dict[str, Any]]:
    """Yield the rows of an office's streets and its bridge."""
    for edge in edges:
        yield {
            "geom": edge.line,
            "name": edge.name,
            "road_class": edge.road_class,
            "width_m": edge.width,
            "lanes": {"arterial": 6, "secondary": 4, "local": 2}[edge.road_class],
            "surface": "asphalt",
            "bridge": False,
        }
    if office.row == 0:
        yield {
            "geom": bridge(office),
            "name": f"汉江{names.street(office.column, along=True)[:-1]}大桥",
            "road_class": "arterial",
            "width_m": 26.0,
            "lanes": 6,
            "surface": "asphalt",
            "bridge": True,
        }
