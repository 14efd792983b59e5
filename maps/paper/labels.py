"""Place the labels of a map sheet.

Labels are placed in order of importance: numbers of grids and buildings, names of compounds,
neighbouring communities, streets, facilities. Each takes the first free of its candidate positions.
"""

import re
from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.addresses import parse_address
from geo.codes import grid_serial
from geo.messages import Language, text
from maps.atlas.sheet import Sheet
from maps.paper.label_placer import (
    MM_PER_PT,
    SIZES_PT,
    SYMBOL_SIDE_MM,
    Label,
    LabelPlacer,
    is_wide,
    label_extent,
    text_width_mm,
)
from maps.paper.svg_map import Canvas, road_width_mm

SYMBOL_OFFSETS_MM = (
    (0.0, 0.0),
    *((dx, dy) for far in (2.2, 3.4) for dx, dy in ((far, 0), (-far, 0), (0, far), (0, -far))),
)
"""Candidate offsets of a facility symbol: none, else far enough to keep other labels legible."""

STREET_NAME_INTERVAL_MM = 110.0
"""Minimum distance between two repetitions of a street name."""

VERTICAL_FROM_DEG = 50.0
"""Angle from which a Chinese street name is written vertically."""

BUILDING_SIZES_PT = (6.0, 5.0, 4.2, 3.7)
COMPOUND_SIZES_PT = (7.0, 6.0, 5.0)
STREET_SIZES_PT = {"expressway": 9.0, "arterial": 8.5, "secondary": 7.5}
OTHER_STREET_PT = 6.5

BUILDING_NUMBER = re.compile(r"(\d+[A-Za-z]?)\s*(?:号楼|栋|幢|座|#)")
FOREIGN_ADDRESS = re.compile(r"^(\d+[A-Za-z]?)\s+\D+$")
"""A house number before its street: ``12 Rue Grimaldi``."""

BARE_NUMBER = re.compile(r"\d+[A-Za-z]?号?$")
MAX_NAME_LENGTH = 4


def place_labels(sheet: Sheet, canvas: Canvas, lang: Language, only_grid: str = "") -> LabelPlacer:
    """Place the labels of a sheet, whose frames are in metres.

    Parameters
    ----------
    only_grid
        Code of the only grid whose buildings are numbered, on a notice board.
    """
    placer = LabelPlacer(canvas.size)
    buildings = canvas.clip(sheet.buildings.geometry, 0.0)
    placer.avoid(buildings)
    _place_grid_numbers(placer, sheet, canvas, shapely.union_all(buildings), lang)
    placer.avoid([])
    _place_building_numbers(placer, sheet, canvas, only_grid)
    placer.avoid(np.concatenate([buildings, _clip_borders(sheet, canvas)]))
    _place_compound_names(placer, sheet, canvas, shapely.union_all(buildings))
    _place_neighbour_names(placer, sheet, canvas)
    _place_street_names(placer, sheet, canvas)
    _place_facilities(placer, sheet, canvas)
    return placer


def building_labels(name: str, address: str) -> list[str]:
    """Return the labels of a building, the preferred first; none without a number or short name.

    A number of a street stands with the street, so that it is not read as a building's number.

    >>> building_labels("松鹤村10栋", "长虹路56号松鹤村10栋"), building_labels("", "建设街181号")
    (['10'], ['建设街181号', '181号'])
    """
    for words in (name or "", address or ""):
        if numbers := BUILDING_NUMBER.findall(words):
            return [numbers[-1]]
    for words in (name or "", address or ""):
        parts = parse_address(words)
        if parts.number:
            number = f"{parts.number}号"
            return [f"{parts.road}{number}", number] if parts.road else [number]
        if foreign := FOREIGN_ADDRESS.match(words):
            return [words, foreign[1]]
        if bare := BARE_NUMBER.search(words):
            return [bare[0]]
    return [name] if name and len(name) <= MAX_NAME_LENGTH else []


def _clip_borders(sheet: Sheet, canvas: Canvas) -> NDArray[np.object_]:
    """Return the borders of grids and communities as polygons of their drawn width."""
    areas = [*sheet.grids.geometry, *sheet.neighbours.geometry, sheet.entry.land]
    lines = shapely.get_parts(canvas.clip(shapely.boundary(np.array(areas, dtype=object)), 0.0))
    return shapely.buffer(lines, 0.5)


def _place_grid_numbers(
    placer: LabelPlacer,
    sheet: Sheet,
    canvas: Canvas,
    buildings: shapely.Geometry,
    lang: Language,
) -> None:
    for row in sheet.grids.itertuples():
        households = text("atlas.households_unit", lang=lang, households=row.households)
        clipped = canvas.clip([row.geom], 0.0)
        for area in clipped[shapely.get_dimensions(clipped) == 2][:1]:
            number, points = grid_serial(row.code), _open_points(area, buildings)
            for below in (households, ""):
                numbers = (
                    Label("grid", number, *point, SIZES_PT["grid"], below=below) for point in points
                )
                if placer.place(numbers):
                    break


def _open_points(area: shapely.Geometry, obstacles: shapely.Geometry) -> list[tuple[float, float]]:
    """Return points in an area: first clear of obstacles, then central ones, then a grid."""
    points = []
    for region in (shapely.difference(area, obstacles), area):
        parts = shapely.get_parts(region)
        largest = sorted(parts[shapely.area(parts) > 4], key=shapely.area, reverse=True)[:2]
        circles = (shapely.maximum_inscribed_circle(part, tolerance=0.5) for part in largest)
        points += [_first_point(circle) for circle in circles]
    points.append(_first_point(shapely.point_on_surface(area)))
    west, south, east, north = shapely.bounds(area).tolist()
    spread = np.linspace(0.1, 0.9, 11).tolist()
    grid = [(west + u * (east - west), south + v * (north - south)) for u in spread for v in spread]
    return points + [point for point in grid if shapely.contains_xy(area, *point)]


def _first_point(shape: shapely.Geometry) -> tuple[float, float]:
    x, y = shapely.get_coordinates(shape)[0].tolist()
    return x, y


def _place_compound_names(
    placer: LabelPlacer, sheet: Sheet, canvas: Canvas, buildings: shapely.Geometry
) -> None:
    """Place the name of each compound of the community once, on open ground if there is some."""
    land = canvas.to_paper(sheet.entry.land)
    for name, area in zip(sheet.compounds["name"], sheet.compounds.geometry, strict=True):
        inside = shapely.intersection(canvas.clip([area], 0.0), land)
        for part in inside[shapely.area(inside) > 0][:1]:
            points = _open_points(part, buildings)
            placer.place(
                Label("compound", name, x, y, size) for size in COMPOUND_SIZES_PT for x, y in points
            )


def _place_neighbour_names(placer: LabelPlacer, sheet: Sheet, canvas: Canvas) -> None:
    land = canvas.to_paper(sheet.entry.land)
    for name, area in zip(sheet.neighbours["name"], sheet.neighbours.geometry, strict=True):
        for outside in shapely.difference(canvas.clip([area], 0.0), land):
            parts = shapely.get_parts(outside)
            if shapely.area(parts).max(initial=0) < 60:
                continue
            largest = parts[shapely.area(parts).argmax()]
            points = _open_points(largest, shapely.Polygon())
            size = SIZES_PT["neighbour"]
            placer.place(Label("neighbour", name, x, y, size) for x, y in points)


def _place_building_numbers(
    placer: LabelPlacer, sheet: Sheet, canvas: Canvas, only_grid: str
) -> None:
    rows = sheet.buildings[sheet.buildings["grids"].notna()]
    for row in rows.itertuples():
        words = building_labels(row.name, row.address)
        if not words or (only_grid and only_grid not in row.grids):
            continue
        clipped = canvas.clip([row.geom], 0.0)
        if not len(clipped):
            continue
        if not placer.place(_number_candidates(clipped[0], words)):
            placer.left_out.append(row.code)


def _number_candidates(footprint: shapely.Geometry, texts: list[str]) -> Iterator[Label]:
    """Yield labels inside a footprint, the largest first, then the smallest across its edge."""
    points = _points_inside(footprint)
    room = shapely.buffer(footprint, 0.35)
    for words in texts:
        for size in BUILDING_SIZES_PT:
            for x, y in points:
                number = Label("building", words, x, y, size)
                if shapely.contains(room, label_extent(number)):
                    yield number
    for x, y in points:
        yield Label("building", texts[-1], x, y, BUILDING_SIZES_PT[-1])


def _points_inside(footprint: shapely.Geometry) -> list[tuple[float, float]]:
    """Return the centre of a footprint, then points along its axes."""
    surface_point = _first_point(shapely.point_on_surface(footprint))
    centre = _first_point(shapely.centroid(footprint))
    first = centre if shapely.contains_xy(footprint, *centre) else surface_point
    west, south, east, north = shapely.bounds(footprint).tolist()
    steps = (0.3, 0.7, 0.15, 0.85)
    along = [(west + share * (east - west), first[1]) for share in steps]
    across = [(first[0], south + share * (north - south)) for share in steps]
    others = [point for point in along + across if shapely.contains_xy(footprint, *point)]
    return [first, surface_point, *others]


def _place_street_names(placer: LabelPlacer, sheet: Sheet, canvas: Canvas) -> None:
    named = sheet.roads[sheet.roads["name"].fillna("") != ""]
    order = {name: rank for rank, name in enumerate(STREET_SIZES_PT)}
    streets = [
        (order.get(kind, len(order)), name, kind, canvas.clip(rows.geometry, 0.0))
        for (name, kind), rows in named.groupby(["name", "road_class"])
    ]
    for _, name, kind, shapes in sorted(streets, key=lambda street: street[:2]):
        size = STREET_SIZES_PT.get(kind, OTHER_STREET_PT)
        lines = shapely.get_parts(shapely.line_merge(shapely.union_all(shapes)))
        place_street_name(placer, name, size, lines, road_width_mm(kind, canvas))


def place_street_name(
    placer: LabelPlacer,
    name: str,
    size: float,
    lines: NDArray[np.object_],
    road_width: float,
) -> None:
    """Place a street name along its lines, at least :data:`STREET_NAME_INTERVAL_MM` apart.

    Parameters
    ----------
    size
        Text size in points.
    lines
        Centrelines in millimetres, shape (n,), dtype object.
    road_width
        Width of the street on the map in millimetres; the name may also stand beside it.
    """
    width = text_width_mm(name, size)
    labelled: list[shapely.Geometry] = []
    height = size * MM_PER_PT
    shifts = (
        0.0,
        0.8 * height,
        -0.8 * height,
        road_width / 2 + 0.6 * height,
        -road_width / 2 - 0.6 * height,
    )
    for line in sorted(lines, key=shapely.length, reverse=True):
        length = shapely.length(line)
        if length < width * 1.05:
            continue
        free = length - width
        for start in _start_positions(free, max(3.0, width / 3)):
            chord = _straight_chord(line, start, start + width, size)
            if chord is None or any(
                shapely.distance(other, chord) < STREET_NAME_INTERVAL_MM for other in labelled
            ):
                continue
            if placer.place(_label_along(name, size, chord, shift) for shift in shifts):
                labelled.append(chord)


def _start_positions(free: float, step: float) -> Iterator[float]:
    """Yield start positions along a free length, from its middle outwards."""
    yield free / 2
    for offset in np.arange(step, free / 2 + 1e-9, step):
        yield free / 2 + offset
        yield free / 2 - offset


def _straight_chord(
    line: shapely.LineString, start: float, end: float, size: float
) -> shapely.Geometry | None:
    """Return the chord of a section of a line if the section is nearly straight."""
    piece = shapely.line_interpolate_point(line, np.linspace(start, end, 9))
    places = shapely.get_coordinates(piece)
    chord = shapely.LineString(places[[0, -1]])
    bend = shapely.distance(piece, chord).max()
    return chord if bend <= size * MM_PER_PT * 0.4 and chord.length > 0.9 * (end - start) else None


def _label_along(name: str, size: float, chord: shapely.Geometry, shift: float) -> Label:
    (x1, y1), (x2, y2) = shapely.get_coordinates(chord).tolist()
    angle = float(np.degrees(np.arctan2(y2 - y1, x2 - x1)))
    angle = (angle + 90) % 180 - 90
    upright = bool(any(map(is_wide, name)) and abs(angle) > VERTICAL_FROM_DEG)
    if upright:
        angle = angle - 90 if angle > 0 else angle + 90
    normal = np.radians(angle + (0 if upright else 90))
    x = (x1 + x2) / 2 + shift * float(np.cos(normal))
    y = (y1 + y2) / 2 + shift * float(np.sin(normal))
    return Label("street", name, x, y, size, angle, upright)


def _place_facilities(placer: LabelPlacer, sheet: Sheet, canvas: Canvas) -> None:
    size = SIZES_PT["facility"]
    for row in sheet.facilities.itertuples():
        clipped = canvas.clip([shapely.point_on_surface(row.geom)], 0.0)
        for point in clipped:
            x, y = _first_point(point)
            symbols = (
                Label("dot", str(row.category), x + dx, y + dy, size)
                for dx, dy in SYMBOL_OFFSETS_MM
            )
            symbol = next((label for label in symbols if placer.has_room(label)), None)
            if symbol and placer.place(_name_candidates(symbol, row.name)):
                placer.place([symbol])


def _name_candidates(symbol: Label, name: str) -> Iterator[Label]:
    """Yield positions of a facility's name around its symbol."""
    gap = symbol.size * MM_PER_PT + SYMBOL_SIDE_MM / 2
    aside = text_width_mm(name, symbol.size) / 2 + SYMBOL_SIDE_MM
    for dx, dy in ((0.0, gap), (0.0, -gap), (aside, 0.0), (-aside, 0.0)):
        yield Label("facility", name, symbol.x + dx, symbol.y + dy, symbol.size)
