"""Build the template data and pictures of the map sheets of a community."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from sqlalchemy import Connection

from geo import clock
from geo import crs as systems
from geo.codes import grid_serial
from geo.messages import Language, text
from geo.settings import settings
from maps.atlas.sheet import AtlasEntry, Bounds, Sheet, read_sheet
from maps.attribution import attributions
from maps.colours import TOUCHING_DEGREES, colour_areas, touching_pairs
from maps.paper import svg_map
from maps.paper.label_placer import Label, LabelPlacer, label_extent
from maps.paper.labels import place_labels
from maps.paper.page_layout import Layout, Paper, SheetTile, choose_layout
from maps.paper.staff import Manager, read_staff
from maps.paper.svg_map import Canvas
from maps.style import ROADS

NATURAL_ORIGIN_LONGITUDE = "8802"
"""EPSG code of the parameter of a projection that holds its central meridian."""

SCALE_BAR_PART_M = {500: 5, 1000: 10, 1500: 15, 2000: 20, 3000: 25}
"""Length on the ground of one of the four parts of a scale bar, by scale."""

Page = dict[str, Any]


@dataclass(frozen=True)
class CommunityLayout:
    """A community with its page layout, and its sheet in a metric coordinate system."""

    layout: Layout
    sheet: Sheet
    crs: pyproj.CRS
    colours: dict[str, int]


@dataclass
class PageSet:
    """Template data of pages, and the pictures they name."""

    pages: list[Page]
    pictures: dict[str, bytes]

    def add_picture(self, name: str, content: bytes) -> str:
        """Add a picture file and return its name."""
        self.pictures[name] = content
        return name


def lay_out_community(
    connection: Connection, entry: AtlasEntry, paper: Paper, scale: int | None = None
) -> CommunityLayout:
    """Choose the page layout of a community and read the contents of its sheets."""
    system = systems.metric_crs_of(gpd.GeoSeries([entry.land], crs=systems.STORAGE))
    land = systems.transform(entry.land, systems.STORAGE, system)
    layout = choose_layout(land, paper, scale)
    boxes = [shapely.box(*layout.box(tile)) for tile in layout.tiles]
    sheet = read_sheet(connection, entry, bounds_in_degrees(shapely.union_all(boxes), system))
    areas = sheet.grids.geometry.to_numpy()
    fills = colour_areas(len(areas), touching_pairs(areas, TOUCHING_DEGREES)).tolist()
    return CommunityLayout(
        layout,
        project_sheet(sheet, system),
        system,
        dict(zip(sheet.grids["code"], fills, strict=True)),
    )


def with_sheet_of_area(
    connection: Connection, entry: AtlasEntry, community: CommunityLayout, area: shapely.Geometry
) -> CommunityLayout:
    """Return the layout with the sheet of another area, given in its metric system."""
    sheet = read_sheet(connection, entry, bounds_in_degrees(area, community.crs))
    return replace(community, sheet=project_sheet(sheet, community.crs))


def bounds_in_degrees(area: shapely.Geometry, system: pyproj.CRS) -> Bounds:
    """Return west, south, east, north in degrees of an area in a metric system."""
    outline = shapely.segmentize(shapely.boundary(shapely.envelope(area)), 200.0)
    west, south, east, north = shapely.bounds(
        systems.transform(outline, system, systems.STORAGE)
    ).tolist()
    return west, south, east, north


def project_sheet(sheet: Sheet, system: pyproj.CRS) -> Sheet:
    """Return a sheet with its frames and its community projected to a metric system."""
    frames = {
        name: value.to_crs(system)
        for name, value in vars(sheet).items()
        if isinstance(value, gpd.GeoDataFrame)
    }
    land = systems.transform(sheet.entry.land, systems.STORAGE, system)
    return replace(sheet, entry=replace(sheet.entry, land=land), **frames)


def add_community_pages(
    page_set: PageSet,
    connection: Connection,
    entry: AtlasEntry,
    community: CommunityLayout,
    lang: Language,
) -> list[str]:
    """Add the sheets of a community to the pages, with an index sheet first if there are several.

    Returns
    -------
    list of str
        Codes of the buildings whose number fits on none of the sheets.
    """
    staff = read_staff(connection, entry.code)
    credits = attributions(connection, lang)
    common = _common(community, entry, staff.managers, credits, lang)
    common["legend"] = list(_legend(page_set, community.sheet, lang))
    tiles = community.layout.tiles
    index = _index(page_set, community, entry) if len(tiles) > 1 else None
    if index:
        page_set.pages.append(common | index | {"sheet": "", "kind": "index", "first": True})
    left_out = []
    for number, tile in enumerate(tiles):
        page, labels = _sheet_page(page_set, community, entry, tile, lang)
        left_out.append(set(labels.left_out))
        page |= {
            "key": _key_map(page_set, community, entry, tile) if index else None,
            "first": not index and number == 0,
        }
        page_set.pages.append(common | page)
    return sorted(set.intersection(*left_out)) if left_out else []


def _common(
    community: CommunityLayout,
    entry: AtlasEntry,
    managers: dict[str, Manager],
    credits: list[str],
    lang: Language,
) -> Page:
    """Return the template data that all sheets of a community share."""
    layout = community.layout
    return {
        "kind": "map",
        "paper": _paper(layout),
        "landscape": layout.landscape,
        "frame": layout.frame,
        "code": entry.code,
        "title": text("paper.title", lang=lang, community=entry.name),
        "place": " ".join(name for name in (entry.city, entry.street) if name),
        "scale": layout.scale,
        "bar_m": SCALE_BAR_PART_M.get(layout.scale, max(5, layout.scale // 100)),
        "convergence": meridian_convergence(community),
        "edition": edition_text(entry, lang),
        "dated": clock.format_day(entry.dated),
        "imprint": [*imprint(lang), crs_text(community.crs, lang), *credits],
        "grids": list(_grid_rows(community, entry, managers)),
        "totals": text(
            "paper.totals",
            lang=lang,
            grids=entry.grids,
            households=entry.households,
            buildings=int(community.sheet.buildings["grids"].notna().sum()),
        ),
    }


def _paper(layout: Layout) -> tuple[float, float]:
    size = layout.paper.width_mm, layout.paper.height_mm
    width, height = sorted(size, reverse=layout.landscape)
    return width, height


def meridian_convergence(community: CommunityLayout) -> float:
    """Return the angle in degrees from grid north (the top of the sheet) to true north."""
    west, north = community.layout.tiles[0].west, community.layout.tiles[0].north
    to_degrees = pyproj.Transformer.from_crs(community.crs, systems.STORAGE, always_xy=True)
    factors = pyproj.Proj(community.crs).get_factors(*to_degrees.transform(west, north))
    return float(-factors.meridian_convergence)


def crs_text(system: pyproj.CRS, lang: Language) -> str:
    """Return the name of a metric coordinate system as printed."""
    if zone := system.utm_zone:
        return text("paper.crs_utm", lang=lang, zone=zone)
    operation = system.coordinate_operation
    parameters = operation.params if operation else []
    meridian = next((p.value for p in parameters if p.code == NATURAL_ORIGIN_LONGITUDE), None)
    if meridian is None:
        return system.name
    return text("paper.crs_gauss_kruger", lang=lang, meridian=f"{meridian:g}")


def imprint(lang: Language) -> list[str]:
    """Return the producer and the approval number of printed maps, where they are set."""
    values = {"producer": settings().map_producer, "approval": settings().map_approval}
    return [text(f"paper.{key}", lang=lang, value=value) for key, value in values.items() if value]


def edition_text(entry: AtlasEntry, lang: Language) -> str:
    """Return the version of a plan as printed, marked if it is a draft."""
    key = "version" if entry.status == "published" else "version_draft"
    return text(f"atlas.{key}", lang=lang, version=entry.version)


def _grid_rows(
    community: CommunityLayout, entry: AtlasEntry, managers: dict[str, Manager]
) -> Iterator[Page]:
    for row in community.sheet.grids.itertuples():
        manager = managers.get(row.code)
        outside = row.kind == "general" and not entry.lower <= row.households <= entry.upper
        yield {
            "serial": grid_serial(row.code),
            "households": row.households,
            "buildings": row.buildings,
            "manager": manager.name if manager else "",
            "phone": manager.phone if manager else "",
            "fill": community.colours[row.code],
            "outside": outside,
        }


def _sheet_page(
    page_set: PageSet,
    community: CommunityLayout,
    entry: AtlasEntry,
    tile: SheetTile,
    lang: Language,
) -> tuple[Page, LabelPlacer]:
    canvas = Canvas(community.layout.box(tile), community.layout.scale)
    labels = place_labels(community.sheet, canvas, lang)
    svg = svg_map.draw_sheet(
        community.sheet,
        canvas,
        community.colours,
        labels=[label_extent(label) for label in labels.placed],
    )
    return {
        "map": page_set.add_picture(f"map-{entry.code}-{tile.label}.svg", svg.encode()),
        "sheet": tile.label,
        "letters": [label_fields(label) for label in labels.placed],
        "joins": list(_joins(community.layout, tile, lang)),
    }, labels


def label_fields(label: Label) -> Page:
    """Return a label as template data."""
    return dict(vars(label))


def _joins(layout: Layout, tile: SheetTile, lang: Language) -> Iterator[Page]:
    """Yield the adjacent sheet at each side."""
    width, height = layout.area_size
    sides = {"left": (-1, 0), "right": (1, 0), "top": (0, 1), "bottom": (0, -1)}
    for side, (across, up) in sides.items():
        for other in layout.tiles:
            east, north = other.west - tile.west, other.north - tile.north
            is_adjacent = (
                abs(east - across * width) < width / 4 and abs(north - up * height) < height / 4
            )
            if other is not tile and is_adjacent:
                yield {"side": side, "words": text("paper.goes_on", lang=lang, sheet=other.label)}


def _index(page_set: PageSet, community: CommunityLayout, entry: AtlasEntry) -> Page:
    """Return the template data of the index sheet: the community with the frames of its sheets."""
    canvas = _community_canvas(community, community.layout.frame)
    svg = _draw_frames(community, canvas, community.layout.tiles)
    return {
        "map": page_set.add_picture(f"index-{entry.code}.svg", svg),
        "scale": canvas.scale,
        "bar_m": max(10, round(canvas.scale / 100, -1)),
        "letters": [
            *_frame_labels(community, canvas, 14.0),
            *_grid_labels(community, canvas),
        ],
        "joins": [],
        "key": None,
    }


def _key_map(
    page_set: PageSet, community: CommunityLayout, entry: AtlasEntry, tile: SheetTile
) -> Page:
    """Return the template data of the key map, which shows the position of a sheet."""
    canvas = _community_canvas(community, (50.0, 34.0))
    svg = _draw_frames(community, canvas, [tile])
    name = page_set.add_picture(f"key-{entry.code}-{tile.label}.svg", svg)
    return {"map": name, "letters": _frame_labels(community, canvas, 8.0)}


def _draw_frames(community: CommunityLayout, canvas: Canvas, tiles: Sequence[SheetTile]) -> bytes:
    """Return the SVG of the grids of a community with the frames of sheets."""
    grids = community.sheet.grids
    fills = [community.colours[code] for code in grids["code"]]
    frames = [community.layout.box(tile) for tile in tiles]
    return svg_map.draw_overview(grids.geometry.to_numpy(), canvas, fills, frames).encode()


def _community_canvas(community: CommunityLayout, size: tuple[float, float]) -> Canvas:
    """Return a canvas of a size in millimetres that shows all sheets of a community."""
    frames = [shapely.box(*community.layout.box(tile)) for tile in community.layout.tiles]
    west, south, east, north = shapely.total_bounds(frames).tolist()
    needed = max((east - west) / size[0], (north - south) / size[1]) * 1000 * 1.02
    scale = int(np.ceil(needed / 250) * 250)
    width, height = size[0] * scale / 1000, size[1] * scale / 1000
    x, y = (west + east - width) / 2, (south + north - height) / 2
    return Canvas((x, y, x + width, y + height), scale)


def _frame_labels(community: CommunityLayout, canvas: Canvas, size: float) -> list[Page]:
    labels = []
    for tile in community.layout.tiles:
        west, south, east, north = community.layout.box(tile)
        place = shapely.Point(west + (east - west) * 0.2, north - (north - south) * 0.2)
        x, y = shapely.get_coordinates(canvas.to_paper(place))[0].tolist()
        labels.append(label_fields(Label("sheet", tile.label, x, y, size)))
    return labels


def _grid_labels(community: CommunityLayout, canvas: Canvas) -> Iterator[Page]:
    for row in community.sheet.grids.itertuples():
        place = canvas.to_paper(shapely.point_on_surface(row.geom))
        x, y = shapely.get_coordinates(place)[0].tolist()
        yield label_fields(Label("plain", grid_serial(row.code), x, y, 9.0))


def _legend(page_set: PageSet, sheet: Sheet, lang: Language) -> Iterator[dict[str, str]]:
    """Yield the legend entries of what is on the sheet."""

    def entry(key: str, svg: str) -> dict[str, str]:
        name = page_set.add_picture(f"sign-{key}.svg", svg.encode())
        return {"picture": name, "words": text(f"sign.{key}", lang=lang)}

    yield entry("grid", svg_map.fill_swatch(1))
    yield entry("building_plain", svg_map.fill_swatch(0, with_building=True))
    present = set(sheet.roads["road_class"])
    keys = ["no_households"] if not sheet.buildings["households"].all() else []
    keys += ["grid_border", "community_border"]
    keys += [name for name in reversed(ROADS) if name in present]
    is_station = sheet.facilities["category"] == "service_station"
    extras = {
        "railway": sheet.railways,
        "water": sheet.waters,
        "park": sheet.parks,
        "wall": sheet.walls,
        "neighbour_border": sheet.neighbours,
        "service_station": sheet.facilities[is_station],
        "landmark": sheet.facilities[~is_station],
    }
    for key in keys + [key for key, frame in extras.items() if len(frame)]:
        yield entry(key, svg_map.legend_symbol(key))
