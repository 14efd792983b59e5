"""Choose paper orientation, scale and number of sheets for the map of a community."""

import itertools
import math
from dataclasses import dataclass
from string import ascii_uppercase

import shapely

SCALES = (500, 1000, 1500, 2000, 3000)
"""Scales of a single sheet, the most detailed first."""

MULTI_SHEET_SCALE = 2000
"""Scale of a community on several sheets; building numbers are still legible."""

MAX_SHEETS = 9
"""If :data:`MULTI_SHEET_SCALE` needs more sheets, the smallest scale is used."""

MARGIN_MM = 8.0
TITLE_MM = 15.0
PANEL_MM = 58.0
GUTTER_MM = 3.0
CLEARANCE_MM = 6.0
"""Minimum margin around a community on paper; adjacent sheets overlap by twice as much."""


@dataclass(frozen=True)
class Paper:
    """A paper format in portrait orientation."""

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
    """The area of one sheet: its label (empty for a single sheet), west and north in metres."""

    label: str
    west: float
    north: float


@dataclass(frozen=True)
class Layout:
    """Sheets of one format and scale that cover a community.

    Attributes
    ----------
    scale
        Denominator of the scale: 1000 for 1:1000.
    landscape
        Whether sheets are in landscape orientation, with the panel to the right of the map instead
        of below it.
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
    def area_size(self) -> tuple[float, float]:
        """Width and height of the area on a sheet in metres."""
        return self.frame[0] * self.scale / 1000, self.frame[1] * self.scale / 1000

    def box(self, tile: SheetTile) -> tuple[float, float, float, float]:
        """Return west, south, east, north of a sheet's area in metres."""
        width, height = self.area_size
        return tile.west, tile.north - height, tile.west + width, tile.north


def choose_layout(land: shapely.Geometry, paper: Paper, scale: int | None = None) -> Layout:
    """Choose the most detailed scale at which a community fits on one sheet.

    A community that fits at none of :data:`SCALES`, or not at the given scale, gets several sheets.

    Parameters
    ----------
    land
        The community in a metric coordinate system.
    scale
        Denominator of a fixed scale.
    """
    west, south, east, north = shapely.bounds(land).tolist()
    size = east - west, north - south
    for candidate in (scale,) if scale else SCALES:
        ratios = {
            landscape: _fit_ratio(size, paper, landscape, candidate) for landscape in (True, False)
        }
        landscape = max(ratios, key=lambda orientation: ratios[orientation])
        if ratios[landscape] >= 1:
            frame = _frame(paper, landscape)
            left = (west + east) / 2 - frame[0] * candidate / 2000
            top = (south + north) / 2 + frame[1] * candidate / 2000
            return Layout(paper, landscape, candidate, frame, (SheetTile("", left, top),))
    layout = _multi_sheet_layout(land, paper, scale or MULTI_SHEET_SCALE)
    if scale is None and len(layout.tiles) > MAX_SHEETS:
        return _multi_sheet_layout(land, paper, SCALES[-1])
    return layout


def _frame(paper: Paper, landscape: bool) -> tuple[float, float]:
    """Return width and height of the map on a sheet in millimetres."""
    page_width, page_height = sorted((paper.width_mm, paper.height_mm), reverse=landscape)
    width, height = page_width - 2 * MARGIN_MM, page_height - 2 * MARGIN_MM - TITLE_MM
    panel = PANEL_MM + GUTTER_MM
    return (width - panel, height) if landscape else (width, height - panel)


def _fit_ratio(size: tuple[float, float], paper: Paper, landscape: bool, scale: int) -> float:
    """Return the ratio of a sheet's map to the size of a community; below 1 it does not fit."""
    frame = _frame(paper, landscape)
    inside = ((side - 2 * CLEARANCE_MM) * scale / 1000 for side in frame)
    return min(room / max(side, 1e-9) for room, side in zip(inside, size, strict=True))


def _multi_sheet_layout(land: shapely.Geometry, paper: Paper, scale: int) -> Layout:
    """Return the layout of the orientation that needs fewer sheets."""
    layouts = (
        Layout(
            paper,
            landscape,
            scale,
            _frame(paper, landscape),
            _tiles(land, _frame(paper, landscape), scale),
        )
        for landscape in (True, False)
    )
    return min(layouts, key=lambda layout: len(layout.tiles))


def _tiles(land: shapely.Geometry, frame: tuple[float, float], scale: int) -> tuple[SheetTile, ...]:
    """Return the sheets that cover land, in reading order, labelled A1, A2, ... B1, ..."""
    west, south, east, north = shapely.bounds(land).tolist()
    metres = scale / 1000
    clearance = CLEARANCE_MM * metres
    width, height = ((side - 2 * CLEARANCE_MM) * metres for side in frame)
    columns = max(1, math.ceil((east - west) / width))
    rows = max(1, math.ceil((north - south) / height))
    left = (west + east - columns * width) / 2 - clearance
    top = (south + north + rows * height) / 2 + clearance
    tiles = []
    for row, column in itertools.product(range(rows), range(columns)):
        x, y = left + column * width, top - row * height
        inner = shapely.box(
            x + clearance, y - clearance - height, x + clearance + width, y - clearance
        )
        if shapely.intersects(inner, land):
            tiles.append(SheetTile(f"{_row_letters(row)}{column + 1}", x, y))
    return tuple(tiles)


def _row_letters(row: int) -> str:
    """Return A, B, ... Z, AA, AB, ..."""
    first, last = divmod(row, len(ascii_uppercase))
    return (_row_letters(first - 1) if first else "") + ascii_uppercase[last]
