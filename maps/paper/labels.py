"""Where the letters of a map sheet stand: none on another, none off the paper.

Letters are placed in the order of their weight: numbers of grids and buildings, names of
neighbours, streets, facilities. Each takes the first of its places that is free.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.messages import Language, text
from maps.atlas.sheet import Sheet
from maps.atlas.sheet_map import grid_serial
from maps.paper.svg_map import Canvas, road_width_mm

MM_PER_PT = 25.4 / 72
CJK_EM, LATIN_EM, LINE_EM = 1.0, 0.58, 1.0
"""Width of a Chinese and a Latin letter and height of a line, in parts of the size."""

DISC_RADIUS_MM = 3.5
"""Radius of the disc behind a grid's number."""

SYMBOL_SIDE_MM = 1.7
"""Side of a facility's sign."""

SYMBOL_OFFSETS_MM = (
    (0.0, 0.0),
    *((dx, dy) for far in (2.2, 3.4) for dx, dy in ((far, 0), (-far, 0), (0, far), (0, -far))),
)
"""Where a sign stands: on its place, else so far from it that what is written there is read."""

STREET_NAME_INTERVAL_MM = 110.0
"""How far along a street its name is repeated."""

VERTICAL_FROM_DEG = 50.0
"""Degrees from which a Chinese street name is written downwards, letter under letter."""

SIZES_PT = {"grid": 12.0, "households": 7.0, "neighbour": 9.0, "facility": 5.5}
BUILDING_SIZES_PT = (6.0, 5.0, 4.2, 3.7)
STREET_SIZES_PT = {"expressway": 9.0, "arterial": 8.5, "secondary": 7.5}
OTHER_STREET_PT = 6.5

HOUSE_NUMBER = re.compile(
    r"(\d+[A-Za-z]?)\s*(?:号楼|栋|幢|座|#)|(\d+[A-Za-z]?)\s*号?$|^(\d+[A-Za-z]?)\b"
)
MAX_NAME_LENGTH = 4


@dataclass(frozen=True)
class Label:
    """Words on the paper: their middle in millimetres, size, turn, and what they name."""

    kind: str
    words: str
    x: float
    y: float
    size: float
    angle: float = 0.0
    upright: bool = False
    below: str = ""


@dataclass
class LabelPlacer:
    """The letters placed so far on a paper of ``size`` millimetres, and what was left out."""

    size: tuple[float, float]
    placed: list[Label] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _taken: list[shapely.Geometry] = field(default_factory=list)
    _shunned: shapely.STRtree = field(default_factory=lambda: shapely.STRtree([]))

    def place(self, candidates: Iterable[Label]) -> bool:
        """Place the first of some candidates that is on the paper and free; tell whether.

        A place free of what is shunned too comes before all others.
        """
        second: tuple[Label, shapely.Geometry] | None = None
        for letters in candidates:
            room = label_extent(letters)
            if self._is_free(room):
                if len(self._shunned.query(room, predicate="intersects")) == 0:
                    return self._put(letters, room)
                second = second or (letters, room)
        return self._put(*second) if second else False

    def has_room(self, letters: Label) -> bool:
        """Return whether letters would stand on the paper and on no others."""
        return self._is_free(label_extent(letters))

    def shun(self, shapes: Any) -> None:
        """Keep later letters off some shapes where there is another place for them."""
        self._shunned = shapely.STRtree(np.asarray(shapes, dtype=object))

    def _put(self, letters: Label, room: shapely.Geometry) -> bool:
        self._taken.append(room)
        self.placed.append(letters)
        return True

    def _is_free(self, room: shapely.Geometry) -> bool:
        wide, high = self.size
        west, south, east, north = shapely.bounds(room).tolist()
        if min(west, south) < 0.5 or east > wide - 0.5 or north > high - 0.5:
            return False
        return not self._taken or not shapely.intersects(room, np.array(self._taken)).any()


def place_labels(sheet: Sheet, canvas: Canvas, lang: Language, chosen: str = "") -> LabelPlacer:
    """Place the letters of a sheet, whose frames are in metres.

    Parameters
    ----------
    chosen
        Code of the only grid whose buildings are numbered, on a notice board.
    """
    made = LabelPlacer(canvas.size)
    buildings = canvas.clip(sheet.buildings.geometry, 0.0)
    made.shun(buildings)
    _grid_numbers(made, sheet, canvas, shapely.union_all(buildings), lang)
    made.shun([])
    _building_numbers(made, sheet, canvas, chosen)
    made.shun(np.concatenate([buildings, _borders(sheet, canvas)]))
    _neighbours(made, sheet, canvas)
    _streets(made, sheet, canvas)
    _facilities(made, sheet, canvas)
    return made


def label_extent(letters: Label) -> shapely.Geometry:
    """Return the room that letters take on the paper."""
    if letters.kind == "grid":
        wide, high = DISC_RADIUS_MM, DISC_RADIUS_MM
        low = high
        if letters.below:
            wide = max(wide, text_width_mm(letters.below, SIZES_PT["households"]) / 2)
            low = high + SIZES_PT["households"] * MM_PER_PT * 1.25
        return shapely.box(letters.x - wide, letters.y - high, letters.x + wide, letters.y + low)
    if letters.kind == "dot":
        half = SYMBOL_SIDE_MM / 2
        return shapely.box(letters.x - half, letters.y - half, letters.x + half, letters.y + half)
    along = text_width_mm(letters.words, letters.size) / 2
    across = letters.size * MM_PER_PT * LINE_EM / 2
    if letters.upright:
        along, across = across, letters.size * MM_PER_PT * 1.08 * len(letters.words) / 2
    room = shapely.box(-along - 0.25, -across, along + 0.25, across)
    turn = np.radians(letters.angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return shapely.transform(room, lambda xy: xy @ rotation + (letters.x, letters.y))


def text_width_mm(words: str, size: float) -> float:
    """Return how wide words of a size in points are."""
    ems = sum(CJK_EM if ord(one) > 0x2E7F else LATIN_EM for one in words)
    return ems * size * MM_PER_PT


def building_number(name: str, address: str) -> str:
    """Return what is written on a building: its number, else a short name.

    >>> building_number("松鹤村10栋", "长虹路56号松鹤村10栋"), building_number("", "建设街181号")
    ('10', '181')
    """
    for words in (name, address):
        if found := list(HOUSE_NUMBER.finditer(words or "")):
            return next(number for number in found[-1].groups() if number)
    return name if name and len(name) <= MAX_NAME_LENGTH else ""


def _borders(sheet: Sheet, canvas: Canvas) -> NDArray[np.object_]:
    """Return the lines of borders, as broad as they are drawn."""
    areas = [*sheet.grids.geometry, *sheet.neighbours.geometry, sheet.entry.land]
    lines = shapely.get_parts(canvas.clip(shapely.boundary(np.array(areas, dtype=object)), 0.0))
    return shapely.buffer(lines, 0.5)


def _grid_numbers(
    made: LabelPlacer,
    sheet: Sheet,
    canvas: Canvas,
    buildings: shapely.Geometry,
    lang: Language,
) -> None:
    for row in sheet.grids.itertuples():
        households = text("atlas.households_unit", lang=lang, households=row.households)
        shown = canvas.clip([row.geom], 0.0)
        for area in shown[shapely.get_dimensions(shown) == 2][:1]:
            number, places = grid_serial(row.code), _roomy_places(area, buildings)
            for below in (households, ""):
                numbers = (
                    Label("grid", number, *at, SIZES_PT["grid"], below=below) for at in places
                )
                if made.place(numbers):
                    break


def _roomy_places(area: shapely.Geometry, obstacles: shapely.Geometry) -> list[tuple[float, float]]:
    """Return places in an area: where nothing stands, then the middle, then anywhere."""
    found = []
    for ground in (shapely.difference(area, obstacles), area):
        parts = shapely.get_parts(ground)
        largest = sorted(parts[shapely.area(parts) > 4], key=shapely.area, reverse=True)[:2]
        circles = (shapely.maximum_inscribed_circle(part, tolerance=0.5) for part in largest)
        found += [_middle(circle) for circle in circles]
    found.append(_middle(shapely.point_on_surface(area)))
    west, south, east, north = shapely.bounds(area).tolist()
    spread = np.linspace(0.1, 0.9, 11).tolist()
    grid = [(west + u * (east - west), south + v * (north - south)) for u in spread for v in spread]
    return found + [place for place in grid if shapely.contains_xy(area, *place)]


def _middle(shape: shapely.Geometry) -> tuple[float, float]:
    x, y = shapely.get_coordinates(shape)[0].tolist()
    return x, y


def _neighbours(made: LabelPlacer, sheet: Sheet, canvas: Canvas) -> None:
    land = canvas.to_paper(sheet.entry.land)
    for name, area in zip(sheet.neighbours["name"], sheet.neighbours.geometry, strict=True):
        for outside in shapely.difference(canvas.clip([area], 0.0), land):
            parts = shapely.get_parts(outside)
            if shapely.area(parts).max(initial=0) < 60:
                continue
            largest = parts[shapely.area(parts).argmax()]
            places = _roomy_places(largest, shapely.Polygon())
            size = SIZES_PT["neighbour"]
            made.place(Label("neighbour", name, x, y, size) for x, y in places)


def _building_numbers(made: LabelPlacer, sheet: Sheet, canvas: Canvas, chosen: str) -> None:
    rows = sheet.buildings[sheet.buildings["grids"].notna()]
    for row in rows.itertuples():
        words = building_number(row.name, row.address)
        if not words or (chosen and chosen not in row.grids):
            continue
        shown = canvas.clip([row.geom], 0.0)
        if not len(shown):
            continue
        if not made.place(_numbers_on(shown[0], words)):
            made.left_out.append(row.code)


def _numbers_on(footprint: shapely.Geometry, words: str) -> Iterator[Label]:
    """Yield a number inside a footprint, as large as it can be; then the smallest over its edge."""
    places = _places_in(footprint)
    ground = shapely.buffer(footprint, 0.35)
    for size in BUILDING_SIZES_PT:
        for x, y in places:
            number = Label("building", words, x, y, size)
            if shapely.contains(ground, label_extent(number)):
                yield number
    for x, y in places:
        yield Label("building", words, x, y, BUILDING_SIZES_PT[-1])


def _places_in(footprint: shapely.Geometry) -> list[tuple[float, float]]:
    """Return the middle of a footprint, then places along it."""
    middle = _middle(shapely.point_on_surface(footprint))
    centre = _middle(shapely.centroid(footprint))
    first = centre if shapely.contains_xy(footprint, *centre) else middle
    west, south, east, north = shapely.bounds(footprint).tolist()
    steps = (0.3, 0.7, 0.15, 0.85)
    along = [(west + share * (east - west), first[1]) for share in steps]
    across = [(first[0], south + share * (north - south)) for share in steps]
    sides = [place for place in along + across if shapely.contains_xy(footprint, *place)]
    return [first, middle, *sides]


def _streets(made: LabelPlacer, sheet: Sheet, canvas: Canvas) -> None:
    named = sheet.roads[sheet.roads["name"].fillna("") != ""]
    order = {name: place for place, name in enumerate(STREET_SIZES_PT)}
    streets = [
        (order.get(kind, len(order)), name, kind, canvas.clip(rows.geometry, 0.0))
        for (name, kind), rows in named.groupby(["name", "road_class"])
    ]
    for _, name, kind, shapes in sorted(streets, key=lambda street: street[:2]):
        size = STREET_SIZES_PT.get(kind, OTHER_STREET_PT)
        lines = shapely.get_parts(shapely.line_merge(shapely.union_all(shapes)))
        place_street_name(made, name, size, lines, road_width_mm(kind, canvas))


def place_street_name(
    made: LabelPlacer,
    name: str,
    size: float,
    lines: NDArray[np.object_],
    road: float,
) -> None:
    """Write a street's name along its lines, again every :data:`AGAIN_MM`.

    Parameters
    ----------
    road
        Width of the street on the paper; letters may also stand beside it.
    """
    need = text_width_mm(name, size)
    last: list[shapely.Geometry] = []
    high = size * MM_PER_PT
    shifts = (0.0, 0.8 * high, -0.8 * high, road / 2 + 0.6 * high, -road / 2 - 0.6 * high)
    for line in sorted(lines, key=shapely.length, reverse=True):
        length = shapely.length(line)
        if length < need * 1.05:
            continue
        room = length - need
        for start in _spread(room, max(3.0, need / 3)):
            chord = _straight(line, start, start + need, size)
            if chord is None or any(
                shapely.distance(one, chord) < STREET_NAME_INTERVAL_MM for one in last
            ):
                continue
            if made.place(_letter_along(name, size, chord, shift) for shift in shifts):
                last.append(chord)


def _spread(room: float, step: float) -> Iterator[float]:
    """Yield places along a line from its middle outwards."""
    yield room / 2
    for offset in np.arange(step, room / 2 + 1e-9, step):
        yield room / 2 + offset
        yield room / 2 - offset


def _straight(
    line: shapely.LineString, start: float, end: float, size: float
) -> shapely.Geometry | None:
    """Return the chord of a piece of a line if the piece keeps near to it."""
    piece = shapely.line_interpolate_point(line, np.linspace(start, end, 9))
    places = shapely.get_coordinates(piece)
    chord = shapely.LineString(places[[0, -1]])
    bend = shapely.distance(piece, chord).max()
    return chord if bend <= size * MM_PER_PT * 0.4 and chord.length > 0.9 * (end - start) else None


def _letter_along(name: str, size: float, chord: shapely.Geometry, shift: float) -> Label:
    (x1, y1), (x2, y2) = shapely.get_coordinates(chord).tolist()
    angle = float(np.degrees(np.arctan2(y2 - y1, x2 - x1)))
    angle = (angle + 90) % 180 - 90
    chinese = any(ord(one) > 0x2E7F for one in name)
    upright = bool(chinese and abs(angle) > VERTICAL_FROM_DEG)
    if upright:
        angle = angle - 90 if angle > 0 else angle + 90
    normal = np.radians(angle + (0 if upright else 90))
    x = (x1 + x2) / 2 + shift * float(np.cos(normal))
    y = (y1 + y2) / 2 + shift * float(np.sin(normal))
    return Label("street", name, x, y, size, angle, upright)


def _facilities(made: LabelPlacer, sheet: Sheet, canvas: Canvas) -> None:
    size = SIZES_PT["facility"]
    for row in sheet.facilities.itertuples():
        shown = canvas.clip([shapely.point_on_surface(row.geom)], 0.0)
        for place in shown:
            x, y = _middle(place)
            signs = (
                Label("dot", _sign_of(row), x + dx, y + dy, size) for dx, dy in SYMBOL_OFFSETS_MM
            )
            sign = next((one for one in signs if made.has_room(one)), None)
            if sign and made.place(_beside(sign, row.name)):
                made.place([sign])


def _beside(sign: Label, name: str) -> Iterator[Label]:
    """Yield places of a facility's name around its sign."""
    gap = sign.size * MM_PER_PT + SYMBOL_SIDE_MM / 2
    aside = text_width_mm(name, sign.size) / 2 + SYMBOL_SIDE_MM
    for dx, dy in ((0.0, gap), (0.0, -gap), (aside, 0.0), (-aside, 0.0)):
        yield Label("facility", name, sign.x + dx, sign.y + dy, sign.size)


def _sign_of(row: Any) -> str:
    return str(row.category)
