"""How a community is laid on paper: formats, true scales, one sheet or several."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase

import shapely

SCALES = (500, 1000, 2000, 3000)
"""Scales of a community's sheet, the most detailed first."""

MULTI_SHEET_SCALE = 2000
"""Scale of a community too large for one sheet: building numbers are still easy to read."""

MAX_SHEETS = 9
"""More sheets than this at :data:`ON_SEVERAL`, and the smallest scale is taken."""

MARGIN_MM = 8.0
TITLE_MM = 15.0
PANEL_MM = 58.0
GUTTER_MM = 3.0
CLEARANCE_MM = 6.0
"""Ground shown around a community at least; neighbouring sheets overlap by twice as much."""


@dataclass(frozen=True)
class Paper:
    """A paper format, upright."""

    name: str
    width_mm: float
    height_mm: float


PAPERS = {
    "A4": Paper("A4", 210, 297),  # GB/T 148, ISO 216
    "A3": Paper("A3", 297, 420),
    "A2": Paper("A2", 420, 594),
    "8K": Paper("8K", 260, 370),  # an eighth of a sheet of 787 x 1092 mm, trimmed
}


@dataclass(frozen=True)
class SheetTile:
    """The ground of one sheet: its label (empty for an only sheet), west and north in metres."""

    label: str
    west: float
    north: float


@dataclass(frozen=True)
class Layout:
    """Sheets of one format and scale that show a community whole.

    Attributes
    ----------
    scale
        Denominator: 1000 for 1:1000.
    landscape
        Whether sheets lie on their long side; the panel then stands at the right of the map,
        else below it.
    frame
        Width and height of the map in millimetres.
    tiles
        The sheets in reading order.
    """

    paper: Paper
    landscape: bool
    scale: int
    frame: tuple[float, float]
    tiles: tuple[SheetTile, ...]

    @property
    def ground(self) -> tuple[float, float]:
        """Width and height of the ground on a sheet in metres."""
        return self.frame[0] * self.scale / 1000, self.frame[1] * self.scale / 1000

    def box(self, tile: SheetTile) -> tuple[float, float, float, float]:
        """Return west, south, east, north of a sheet's ground in metres."""
        wide, high = self.ground
        return tile.west, tile.north - high, tile.west + wide, tile.north


def choose_layout(land: shapely.Geometry, paper: Paper, scale: int | None = None) -> Layout:
    """Lay a community on paper at the most detailed scale at which it fits one sheet.

    One that fits at none of :data:`SCALES` takes several sheets, as does one that is too large
    for a given scale.

    Parameters
    ----------
    land
        The community in metres.
    scale
        Denominator to keep to.
    """
    west, south, east, north = shapely.bounds(land).tolist()
    size = east - west, north - south
    for candidate in (scale,) if scale else SCALES:
        roomy = [lies for lies in (True, False) if _room(size, paper, lies, candidate) >= 1]
        if roomy:
            lies = max(roomy, key=lambda lies: _room(size, paper, lies, candidate))
            frame = _frame(paper, lies)
            middle = (west + east) / 2, (south + north) / 2
            corner = _corner(middle, frame, candidate)
            return Layout(paper, lies, candidate, frame, (SheetTile("", *corner),))
    several = _several(land, paper, scale or MULTI_SHEET_SCALE)
    if scale is None and len(several.tiles) > MAX_SHEETS:
        return _several(land, paper, SCALES[-1])
    return several


def _frame(paper: Paper, landscape: bool) -> tuple[float, float]:
    wide, high = sorted((paper.width_mm, paper.height_mm), reverse=landscape)
    across, down = wide - 2 * MARGIN_MM, high - 2 * MARGIN_MM - TITLE_MM
    panel = PANEL_MM + GUTTER_MM
    return (across - panel, down) if landscape else (across, down - panel)


def _room(size: tuple[float, float], paper: Paper, landscape: bool, scale: int) -> float:
    """Return how many times a community fits into a sheet's map; below 1 it does not."""
    frame = _frame(paper, landscape)
    inside = ((side - 2 * CLEARANCE_MM) * scale / 1000 for side in frame)
    return min(room / max(side, 1e-9) for room, side in zip(inside, size, strict=True))


def _corner(
    middle: tuple[float, float], frame: tuple[float, float], scale: int
) -> tuple[float, float]:
    """Return west and north of a frame around a place."""
    return middle[0] - frame[0] * scale / 2000, middle[1] + frame[1] * scale / 2000


def _several(land: shapely.Geometry, paper: Paper, scale: int) -> Layout:
    """Lay a community on as few sheets as may be."""
    layouts = (
        Layout(paper, lies, scale, _frame(paper, lies), _tiles(land, _frame(paper, lies), scale))
        for lies in (True, False)
    )
    return min(layouts, key=lambda layout: len(layout.tiles))


def _tiles(land: shapely.Geometry, frame: tuple[float, float], scale: int) -> tuple[SheetTile, ...]:
    """Return the sheets that hold land, in reading order, labelled A1, A2, ... B1, ..."""
    west, south, east, north = shapely.bounds(land).tolist()
    metres = scale / 1000
    steps = [(side - 2 * CLEARANCE_MM) * metres for side in frame]
    columns = max(1, math.ceil((east - west) / steps[0]))
    rows = max(1, math.ceil((north - south) / steps[1]))
    left = (west + east - columns * steps[0]) / 2 - CLEARANCE_MM * metres
    top = (south + north + rows * steps[1]) / 2 + CLEARANCE_MM * metres

    def found() -> Iterator[SheetTile]:
        for row in range(rows):
            for column in range(columns):
                x, y = left + column * steps[0], top - row * steps[1]
                clear = CLEARANCE_MM * metres
                own = shapely.box(x + clear, y - clear - steps[1], x + clear + steps[0], y - clear)
                if shapely.intersects(own, land):
                    yield SheetTile(f"{_letters(row)}{column + 1}", x, y)

    return tuple(found())


def _letters(row: int) -> str:
    """Return A, B, ... Z, AA, AB, ..."""
    first, last = divmod(row, len(ascii_uppercase))
    return (_letters(first - 1) if first else "") + ascii_uppercase[last]
