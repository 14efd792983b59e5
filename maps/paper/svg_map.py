"""Draw the lines and areas of a map sheet as SVG, in millimetres; labels are placed separately.

The map is legible without colour: each fill of the palette has a pattern of its own, and borders
of grids are black on white.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from geo.types import Geometries
from maps import style
from maps.atlas.sheet import Sheet
from maps.colours import PALETTE, UNINHABITED_FILL, darken

Box = tuple[float, float, float, float]

INK = "#1d262e"
RED = "#8c2f39"
"""Colour of service stations, as in the templates."""

PATTERN_INK = "#5b6670"
BUILDING_FILL = "#ffffff"

PATTERNS = (
    "",
    "M0 2.6L2.6 0M-0.65 0.65L0.65 -0.65M1.95 3.25L3.25 1.95",
    "M0 0L2.6 2.6M-0.65 1.95L0.65 3.25M1.95 -0.65L3.25 0.65",
    "M0 1.3H2.6",
    "M1.3 0V2.6",
    "M0 1.3H2.6M1.3 0V2.6",
    "M1.1 1.3H1.5",
    "M0.3 0.6H1.1M1.6 1.9H2.4",
)
"""SVG path of the pattern for each fill of the palette, in a square of 2.6 mm."""

LABEL_CLEARANCE_MM = 0.4
"""Distance of a pattern from a label."""

MIN_ROAD_WIDTH_MM = {"path": 0.25, "internal": 0.4, "alley": 0.45, "local": 0.8}


@dataclass(frozen=True)
class Canvas:
    """The frame of one map: the area it shows, in metres, and its scale denominator."""

    box: Box
    scale: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in millimetres."""
        west, south, east, north = self.box
        return (east - west) * 1000 / self.scale, (north - south) * 1000 / self.scale

    def to_paper(self, shapes: Any) -> Any:
        """Transform shapes in metres to millimetres from the top left corner, with y downwards."""
        west, _, _, north = self.box
        factor = 1000 / self.scale
        return shapely.transform(shapes, lambda xy: (xy - (west, north)) * (factor, -factor))

    def clip(self, shapes: Any, margin: float = 2.0) -> Geometries:
        """Return the parts of shapes inside the map in millimetres, without empty ones.

        Parameters
        ----------
        shapes
            Geometries in metres, shape (n,), dtype object.
        margin
            Width around the map, in millimetres, in which parts are kept.
        """
        width, height = self.size
        scaled = self.to_paper(np.asarray(shapes, dtype=object))
        clipped = shapely.clip_by_rect(scaled, -margin, -margin, width + margin, height + margin)
        parts: Geometries = clipped[~(shapely.is_empty(clipped) | shapely.is_missing(clipped))]
        return parts


def draw_sheet(
    sheet: Sheet,
    canvas: Canvas,
    colours: dict[str, int],
    highlighted: str = "",
    labels: Iterable[shapely.Geometry] = (),
    micro_borders: Sequence[shapely.Geometry] = (),
) -> str:
    """Draw the map of a sheet, whose frames are in metres, as SVG.

    Parameters
    ----------
    colours
        Palette index by grid code.
    highlighted
        Code of the grid to highlight on a notice board.
    labels
        Areas of labels in millimetres, which patterns leave free.
    micro_borders
        Outlines of the micro-grids of the highlighted grid, in metres.
    """
    parts = [
        *_background(sheet, canvas, colours, labels),
        *_waters(sheet, canvas),
        *_roads(sheet, canvas),
        *_buildings(sheet, canvas),
        *_surroundings_cover(sheet, canvas, highlighted),
        *_micro_borders(micro_borders, canvas),
        *_borders(sheet, canvas, highlighted),
    ]
    return svg_document(canvas.size, parts)


def _micro_borders(borders: Sequence[shapely.Geometry], canvas: Canvas) -> Iterator[str]:
    if len(borders):
        lines = canvas.clip(np.array(borders, dtype=object))
        dashes = 'stroke-dasharray="1.6 1"'
        yield path_element(lines, stroke=RED, width=0.3, extra=dashes)


def draw_overview(
    lands: Geometries,
    canvas: Canvas,
    colours: Iterable[int],
    frames: Iterable[Box] = (),
    labels: Iterable[shapely.Geometry] = (),
) -> str:
    """Draw areas with their borders, and the frames of sheets above them, as SVG.

    Parameters
    ----------
    lands
        Polygons in metres, shape (n,), dtype object.
    colours
        Palette index of each area.
    frames
        West, south, east, north of each sheet in metres.
    labels
        Areas of labels in millimetres, which patterns leave free.
    """
    parts = [*_draw_areas(zip(lands, colours, strict=True), canvas, labels)]
    outlines = canvas.clip(shapely.boundary(lands))
    parts.append(path_element(outlines, stroke=style.COMMUNITY_BORDER, width=0.35))
    boxes = canvas.to_paper(np.array([shapely.box(*frame) for frame in frames], dtype=object))
    if len(boxes):
        parts.append(path_element(boxes, stroke=INK, width=0.35, extra='stroke-dasharray="2 1"'))
    return svg_document(canvas.size, parts)


def fill_swatch(index: int, *, with_building: bool = False) -> str:
    """Return the legend symbol of a fill with its pattern, optionally with a building on it."""
    area = np.array([shapely.box(0, 0, 8, 4.4)], dtype=object)
    parts = [path_element(area, fill=PALETTE[index]), path_element(area, fill=f"url(#p{index})")]
    if with_building:
        house = np.array([shapely.box(2, 1.1, 6, 3.3)], dtype=object)
        parts.append(path_element(house, fill=BUILDING_FILL, stroke=INK, width=0.18))
    parts.append(path_element(area, stroke=INK, width=0.2))
    return svg_document((8, 4.4), parts)


def legend_symbol(kind: str) -> str:
    """Return the legend symbol of a line or an area, 8 x 4.4 mm."""
    line = np.array([shapely.LineString([(0, 2.2), (8, 2.2)])], dtype=object)
    area = np.array([shapely.box(0, 0, 8, 4.4)], dtype=object)
    if kind in style.ROADS:
        width = min(style.ROADS[kind].width_m / 5, 2.4)
        parts = list(_road(line, kind, max(width, 0.5)))
    elif kind == "railway":
        parts = list(_rail(line))
    elif kind == "water":
        parts = [path_element(area, fill=style.WATER, stroke=INK, width=0.2)]
    elif kind == "park":
        parts = [path_element(area, fill=style.PARK, stroke=INK, width=0.2)]
    elif kind == "no_households":
        house = np.array([shapely.box(1.5, 0.9, 6.5, 3.5)], dtype=object)
        parts = [path_element(house, fill=UNINHABITED_FILL, stroke=INK, width=0.18)]
    elif kind == "wall":
        parts = [_wall(line)]
    elif kind == "grid_border":
        parts = list(_grid_border(line))
    elif kind == "neighbour_border":
        parts = [_neighbour_border(line)]
    elif kind in ("service_station", "landmark"):
        side = np.array([shapely.box(3.15, 1.35, 4.85, 3.05)], dtype=object)
        fill = RED if kind == "service_station" else INK
        parts = [path_element(side, fill=fill)]
    else:
        parts = list(_community_border(line))
    return svg_document((8, 4.4), parts)


def svg_document(size: tuple[float, float], parts: Iterable[str]) -> str:
    """Return an SVG document of a size in millimetres with the palette's patterns."""
    width, height = size
    patterns = "".join(
        f'<pattern id="p{index}" width="2.6" height="2.6" patternUnits="userSpaceOnUse">'
        f'<path d="{path}" stroke="{PATTERN_INK}" stroke-width="0.08" stroke-opacity="0.55" '
        'fill="none"/></pattern>'
        for index, path in enumerate(PATTERNS)
        if path
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.3f}mm" height="{height:.3f}mm" '
        f'viewBox="0 0 {width:.3f} {height:.3f}"><defs>{patterns}'
        f'<clipPath id="c"><rect width="{width:.3f}" height="{height:.3f}"/></clipPath></defs>'
        f'<g clip-path="url(#c)" stroke-linejoin="round">{"".join(parts)}</g></svg>'
    )


def _background(
    sheet: Sheet, canvas: Canvas, colours: dict[str, int], labels: Iterable[shapely.Geometry]
) -> Iterator[str]:
    yield f'<rect width="100%" height="100%" fill="{style.BACKGROUND}"/>'
    grids = zip(sheet.grids.geometry, (colours[code] for code in sheet.grids["code"]), strict=True)
    yield from _draw_areas(grids, canvas, labels)
    yield path_element(
        canvas.clip(sheet.parks.geometry), fill=style.PARK, extra='fill-opacity="0.75"'
    )


def _draw_areas(
    areas: Iterable[tuple[shapely.Geometry, int]],
    canvas: Canvas,
    labels: Iterable[shapely.Geometry],
) -> Iterator[str]:
    unpatterned = shapely.buffer(shapely.union_all(list(labels)), LABEL_CLEARANCE_MM)
    for area, index in areas:
        shapes = canvas.clip([area])
        yield path_element(shapes, fill=PALETTE[index])
        if PATTERNS[index]:
            patterned = shapely.difference(shapes, unpatterned)
            yield path_element(patterned[~shapely.is_empty(patterned)], fill=f"url(#p{index})")


def _waters(sheet: Sheet, canvas: Canvas) -> Iterator[str]:
    waters = sheet.waters
    areas = shapely.get_dimensions(waters.geometry.to_numpy()) == 2
    yield path_element(canvas.clip(waters.geometry[areas]), fill=style.WATER)
    for row in waters[~areas].itertuples():
        is_known = row.width_m == row.width_m and row.width_m is not None
        width = row.width_m if is_known else style.LINE_WATER_WIDTHS_M.get(row.kind, 3.0)
        shapes = canvas.clip([row.geom])
        yield path_element(shapes, stroke=style.WATER, width=max(width * 1000 / canvas.scale, 0.4))


def _roads(sheet: Sheet, canvas: Canvas) -> Iterator[str]:
    """Yield the roads: all casings below all fills, so that casings do not cut junctions."""
    clipped = [
        (name, canvas.clip(sheet.roads.geometry[sheet.roads["road_class"] == name]))
        for name in style.ROADS
    ]
    drawn = [
        (shapes, list(_road(shapes, name, road_width_mm(name, canvas))))
        for name, shapes in clipped
        if len(shapes)
    ]
    yield from (parts[0] for _, parts in drawn)
    yield from (parts[1] for _, parts in drawn)
    yield from _rail(canvas.clip(sheet.railways.geometry))
    walls = shapely.boundary(sheet.walls.geometry.to_numpy())
    yield _wall(canvas.clip(walls))


def road_width_mm(name: str, canvas: Canvas) -> float:
    """Return the width of a class of road on the map in millimetres."""
    return max(style.ROADS[name].width_m * 1000 / canvas.scale, MIN_ROAD_WIDTH_MM.get(name, 1.0))


def _road(shapes: Geometries, name: str, width: float) -> Iterator[str]:
    symbol = style.ROADS[name]
    caps = 'stroke-linecap="round"'
    yield path_element(shapes, stroke=darken(symbol.casing, 0.72), width=width + 0.3, extra=caps)
    yield path_element(shapes, stroke=symbol.fill, width=width, extra=caps)


def _rail(shapes: Geometries) -> Iterator[str]:
    yield path_element(shapes, stroke=INK, width=0.8)
    yield path_element(shapes, stroke="#ffffff", width=0.5, extra='stroke-dasharray="2.4 2.4"')


def _wall(shapes: Geometries) -> str:
    return path_element(shapes, stroke=style.WALL, width=0.25, extra='stroke-dasharray="1.6 0.6"')


def _buildings(sheet: Sheet, canvas: Canvas) -> Iterator[str]:
    is_inhabited = (sheet.buildings["households"].fillna(0) > 0).to_numpy()
    shapes = sheet.buildings.geometry.to_numpy()
    yield path_element(
        canvas.clip(shapes[~is_inhabited]), fill=UNINHABITED_FILL, stroke=INK, width=0.12
    )
    yield path_element(
        canvas.clip(shapes[is_inhabited]), fill=BUILDING_FILL, stroke=INK, width=0.16
    )


def _surroundings_cover(sheet: Sheet, canvas: Canvas, highlighted: str) -> Iterator[str]:
    """Yield a translucent cover of everything outside the community or the highlighted grid."""
    lands = (
        sheet.grids.geometry[sheet.grids["code"] == highlighted]
        if highlighted
        else [sheet.entry.land]
    )
    around = shapely.difference(shapely.box(*canvas.box), shapely.union_all(list(lands)))
    opacity = 0.5 if highlighted else 0.66
    yield path_element(canvas.clip([around]), fill="#ffffff", extra=f'fill-opacity="{opacity}"')


def _borders(sheet: Sheet, canvas: Canvas, highlighted: str) -> Iterator[str]:
    yield _neighbour_border(canvas.clip(shapely.boundary(sheet.neighbours.geometry.to_numpy())))
    yield from _grid_border(canvas.clip(shapely.boundary(sheet.grids.geometry.to_numpy())))
    yield from _community_border(canvas.clip([shapely.boundary(sheet.entry.land)]))
    if highlighted:
        grid = sheet.grids.geometry[sheet.grids["code"] == highlighted].to_numpy()
        yield path_element(canvas.clip(shapely.boundary(grid)), stroke=style.SELECTED, width=1.2)


def _neighbour_border(shapes: Geometries) -> str:
    dashes = 'stroke-dasharray="2.4 0.8 0.5 0.8"'
    return path_element(shapes, stroke="#8d7a7d", width=0.3, extra=dashes)


def _grid_border(shapes: Geometries) -> Iterator[str]:
    yield path_element(shapes, stroke="#ffffff", width=1.1)
    yield path_element(shapes, stroke=INK, width=0.55)


def _community_border(shapes: Geometries) -> Iterator[str]:
    yield path_element(shapes, stroke="#ffffff", width=1.7)
    dashes = 'stroke-dasharray="4 1.1 0.9 1.1"'
    yield path_element(shapes, stroke=style.COMMUNITY_BORDER, width=0.95, extra=dashes)


def path_element(
    shapes: Geometries, *, fill: str = "none", stroke: str = "", width: float = 0.0, extra: str = ""
) -> str:
    """Return shapes in millimetres as one SVG path element; empty without shapes.

    Parameters
    ----------
    shapes
        Lines or polygons in millimetres, shape (n,), dtype object.
    width
        Stroke width in millimetres.
    extra
        Further attributes.
    """
    if not len(shapes):
        return ""
    line = f' stroke="{stroke}" stroke-width="{width:.3f}"' if stroke else ""
    commands = "".join(_path_commands(shapes))
    return f'<path d="{commands}" fill="{fill}" fill-rule="evenodd"{line} {extra}/>'


def _path_commands(shapes: Geometries) -> Iterator[str]:
    parts = shapely.get_parts(shapely.get_parts(np.asarray(shapes, dtype=object)))
    areas = shapely.get_dimensions(parts) == 2
    rings = shapely.get_rings(parts[areas])
    for lines, end in ((rings, "Z"), (parts[shapely.get_dimensions(parts) == 1], "")):
        coordinates, owners = shapely.get_coordinates(lines, return_index=True)
        for line in np.split(coordinates, np.flatnonzero(np.diff(owners)) + 1):
            if len(line):
                yield "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in line.tolist()) + end
