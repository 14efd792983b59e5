"""The map sheets of a community: what stands on each page, ready for the template."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from sqlalchemy import Connection

from geo import clock
from geo import crs as systems
from geo.messages import Language, text
from maps.atlas.sheet import AtlasEntry, Bounds, Sheet, read_sheet
from maps.atlas.sheet_map import TOUCHING_DEGREES, grid_serial
from maps.attribution import attributions
from maps.colours import colour_areas, touching_pairs
from maps.paper import svg_map
from maps.paper.labels import Label, LabelPlacer, place_labels
from maps.paper.page_layout import Layout, Paper, SheetTile, choose_layout
from maps.paper.staff import Manager, read_staff
from maps.paper.svg_map import Canvas
from maps.style import ROADS

SCALE_BAR_PART_M = {500: 5, 1000: 10, 2000: 20, 3000: 25}
"""Metres of one of the four parts of a scale bar, by scale."""

Page = dict[str, Any]


@dataclass(frozen=True)
class CommunityLayout:
    """A community ready to be drawn: its layout, and its sheet in metres."""

    layout: Layout
    sheet: Sheet
    crs: pyproj.CRS
    colours: dict[str, int]


@dataclass
class PageSet:
    """Pages and the pictures they name."""

    pages: list[Page]
    pictures: dict[str, bytes]

    def add_picture(self, name: str, svg: str) -> str:
        """Keep a picture; return its name."""
        self.pictures[name] = svg.encode()
        return name


def lay_out_community(
    connection: Connection, entry: AtlasEntry, paper: Paper, scale: int | None = None
) -> CommunityLayout:
    """Lay a community on paper and read what its sheets show."""
    system = systems.metric_crs_of(gpd.GeoSeries([entry.land], crs=systems.STORAGE))
    land = systems.transform(entry.land, systems.STORAGE, system)
    layout = choose_layout(land, paper, scale)
    boxes = [shapely.box(*layout.box(tile)) for tile in layout.tiles]
    edge = bounds_in_degrees(shapely.union_all(boxes), system)
    read = read_sheet(connection, entry, edge)
    areas = read.grids.geometry.to_numpy()
    fills = colour_areas(len(areas), touching_pairs(areas, TOUCHING_DEGREES)).tolist()
    return CommunityLayout(
        layout,
        project_sheet(read, system),
        system,
        dict(zip(read.grids["code"], fills, strict=True)),
    )


def with_sheet_of_area(
    connection: Connection, entry: AtlasEntry, laid: CommunityLayout, ground: shapely.Geometry
) -> CommunityLayout:
    """Return a laid community with what stands on other ground, in its metres."""
    sheet = read_sheet(connection, entry, bounds_in_degrees(ground, laid.crs))
    return replace(laid, sheet=project_sheet(sheet, laid.crs))


def bounds_in_degrees(ground: shapely.Geometry, system: pyproj.CRS) -> Bounds:
    """Return west, south, east, north in degrees around ground in metres."""
    outline = shapely.segmentize(shapely.boundary(shapely.envelope(ground)), 200.0)
    west, south, east, north = shapely.bounds(
        systems.transform(outline, system, systems.STORAGE)
    ).tolist()
    return west, south, east, north


def project_sheet(sheet: Sheet, system: pyproj.CRS) -> Sheet:
    """Return a sheet with its frames and its community in a metric system."""
    frames = {
        one.name: getattr(sheet, one.name).to_crs(system)
        for one in fields(sheet)
        if isinstance(getattr(sheet, one.name), gpd.GeoDataFrame)
    }
    land = systems.transform(sheet.entry.land, systems.STORAGE, system)
    return replace(sheet, entry=replace(sheet.entry, land=land), **frames)


def add_community_pages(
    folio: PageSet, connection: Connection, entry: AtlasEntry, laid: CommunityLayout, lang: Language
) -> list[str]:
    """Add the sheets of a community to a folio, an index sheet first where there are several.

    Returns
    -------
    list of str
        Codes of buildings whose number found no room.
    """
    staff = read_staff(connection, entry.code)
    credits = attributions(connection, lang)
    common = _common(laid, entry, staff.managers, credits, lang)
    common["legend"] = list(_legend(folio, laid.sheet, lang))
    layout, left_out = laid.layout, set[str]()
    index = _index(folio, laid, entry) if len(layout.tiles) > 1 else None
    if index:
        folio.pages.append(common | index | {"sheet": "", "kind": "index", "first": True})
    missed = []
    for place, tile in enumerate(layout.tiles):
        page, lettering = _sheet_page(folio, laid, entry, tile, lang)
        missed.append(set(lettering.left_out))
        small = {"key": _key_map(folio, laid, entry, tile)} if index else {"key": None}
        first = {"first": not index and place == 0}
        folio.pages.append(common | page | small | first)
    if missed:
        left_out = set.intersection(*missed)
    return sorted(left_out)


def _common(
    laid: CommunityLayout,
    entry: AtlasEntry,
    managers: dict[str, Manager],
    credits: list[str],
    lang: Language,
) -> Page:
    """Return what all sheets of a community say."""
    layout = laid.layout
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
        "convergence": meridian_convergence(laid),
        "edition": edition_text(entry, lang),
        "dated": clock.format_day(entry.dated),
        "system": laid.crs.name,
        "credits": " · ".join(credits),
        "grids": list(_grid_rows(laid, entry, managers)),
        "totals": {
            "grids": entry.grids,
            "households": entry.households,
            "buildings": int(laid.sheet.buildings["grids"].notna().sum()),
        },
    }


def _paper(layout: Layout) -> tuple[float, float]:
    size = layout.paper.width_mm, layout.paper.height_mm
    wide, high = sorted(size, reverse=layout.landscape)
    return wide, high


def meridian_convergence(laid: CommunityLayout) -> float:
    """Return by how many degrees true north leans from the top of the sheet."""
    west, north = laid.layout.tiles[0].west, laid.layout.tiles[0].north
    to_degrees = pyproj.Transformer.from_crs(laid.crs, systems.STORAGE, always_xy=True)
    factors = pyproj.Proj(laid.crs).get_factors(*to_degrees.transform(west, north))
    return float(-factors.meridian_convergence)


def edition_text(entry: AtlasEntry, lang: Language) -> str:
    key = "version" if entry.status == "published" else "version_draft"
    return text(f"atlas.{key}", lang=lang, version=entry.version)


def _grid_rows(
    laid: CommunityLayout, entry: AtlasEntry, managers: dict[str, Manager]
) -> Iterator[Page]:
    for row in laid.sheet.grids.itertuples():
        manager = managers.get(row.code)
        outside = row.kind == "general" and not entry.lower <= row.households <= entry.upper
        yield {
            "serial": grid_serial(row.code),
            "households": row.households,
            "buildings": row.buildings,
            "manager": manager.name if manager else "",
            "fill": laid.colours[row.code],
            "outside": outside,
        }


def _sheet_page(
    folio: PageSet, laid: CommunityLayout, entry: AtlasEntry, tile: SheetTile, lang: Language
) -> tuple[Page, LabelPlacer]:
    canvas = Canvas(laid.layout.box(tile), laid.layout.scale)
    name = f"map-{entry.code}-{tile.label}.svg"
    folio.add_picture(name, svg_map.draw_sheet(laid.sheet, canvas, laid.colours))
    lettering = place_labels(laid.sheet, canvas, lang)
    around = list(_joins(laid.layout, tile, lang))
    return {
        "map": name,
        "sheet": tile.label,
        "letters": [label_fields(one) for one in lettering.placed],
        "joins": around,
    }, lettering


def label_fields(letters: Label) -> Page:
    return {one.name: getattr(letters, one.name) for one in fields(letters)}


def _joins(layout: Layout, tile: SheetTile, lang: Language) -> Iterator[Page]:
    """Yield which sheet goes on at each side."""
    wide, high = layout.ground
    sides = {"left": (-1, 0), "right": (1, 0), "top": (0, 1), "bottom": (0, -1)}
    for side, (across, up) in sides.items():
        for other in layout.tiles:
            east, north = other.west - tile.west, other.north - tile.north
            beside = abs(east - across * wide) < wide / 4 and abs(north - up * high) < high / 4
            if other is not tile and beside:
                yield {"side": side, "words": text("paper.goes_on", lang=lang, sheet=other.label)}


def _index(folio: PageSet, laid: CommunityLayout, entry: AtlasEntry) -> Page:
    """Return the index sheet: the whole community with the frames of its sheets."""
    canvas = _whole(laid, laid.layout.frame)
    frames = [laid.layout.box(tile) for tile in laid.layout.tiles]
    grids = laid.sheet.grids
    fills = [laid.colours[code] for code in grids["code"]]
    svg = svg_map.draw_overview(grids.geometry.to_numpy(), canvas, fills, frames)
    return {
        "map": folio.add_picture(f"index-{entry.code}.svg", svg),
        "scale": canvas.scale,
        "bar_m": max(10, round(canvas.scale / 100, -1)),
        "letters": [
            *_frame_labels(laid, canvas, "sheet", 14.0),
            *_grid_labels(laid, canvas),
        ],
        "joins": [],
        "key": None,
    }


def _key_map(folio: PageSet, laid: CommunityLayout, entry: AtlasEntry, tile: SheetTile) -> Page:
    """Return the small map of the panel that says where in the community a sheet lies."""
    canvas = _whole(laid, (50.0, 34.0))
    frame = [laid.layout.box(tile)]
    grids = laid.sheet.grids
    fills = [laid.colours[code] for code in grids["code"]]
    svg = svg_map.draw_overview(grids.geometry.to_numpy(), canvas, fills, frame)
    name = folio.add_picture(f"key-{entry.code}-{tile.label}.svg", svg)
    return {"map": name, "letters": _frame_labels(laid, canvas, "sheet", 8.0)}


def _whole(laid: CommunityLayout, size: tuple[float, float]) -> Canvas:
    """Return a canvas of a size in millimetres with all sheets of a community on it."""
    frames = [shapely.box(*laid.layout.box(tile)) for tile in laid.layout.tiles]
    west, south, east, north = shapely.total_bounds(frames).tolist()
    needed = max((east - west) / size[0], (north - south) / size[1]) * 1000 * 1.02
    scale = int(np.ceil(needed / 250) * 250)
    wide, high = size[0] * scale / 1000, size[1] * scale / 1000
    x, y = (west + east - wide) / 2, (south + north - high) / 2
    return Canvas((x, y, x + wide, y + high), scale)


def _frame_labels(laid: CommunityLayout, canvas: Canvas, kind: str, size: float) -> list[Page]:
    found = []
    for tile in laid.layout.tiles:
        west, south, east, north = laid.layout.box(tile)
        place = shapely.Point(west + (east - west) * 0.2, north - (north - south) * 0.2)
        x, y = shapely.get_coordinates(canvas.to_paper(place))[0].tolist()
        found.append(label_fields(Label(kind, tile.label, x, y, size)))
    return found


def _grid_labels(laid: CommunityLayout, canvas: Canvas) -> Iterator[Page]:
    for row in laid.sheet.grids.itertuples():
        place = canvas.to_paper(shapely.point_on_surface(row.geom))
        x, y = shapely.get_coordinates(place)[0].tolist()
        yield label_fields(Label("plain", grid_serial(row.code), x, y, 9.0))


def _legend(folio: PageSet, sheet: Sheet, lang: Language) -> Iterator[dict[str, str]]:
    """Yield the signs that are on the sheet, and no more."""

    def sign(key: str, svg: str) -> dict[str, str]:
        name = folio.add_picture(f"sign-{key}.svg", svg)
        return {"picture": name, "words": text(f"sign.{key}", lang=lang)}

    yield sign("grid", svg_map.fill_swatch(1))
    yield sign("building_plain", svg_map.fill_swatch(0, built=True))
    present = set(sheet.roads["road_class"])
    keys = ["no_households"] if not sheet.buildings["households"].all() else []
    keys += ["grid_border", "community_border"]
    keys += [name for name in reversed(ROADS) if name in present]
    extras = {
        "railway": sheet.railways,
        "water": sheet.waters,
        "park": sheet.parks,
        "wall": sheet.walls,
    }
    for key in keys + [key for key, frame in extras.items() if len(frame)]:
        yield sign(key, svg_map.legend_symbol(key))
