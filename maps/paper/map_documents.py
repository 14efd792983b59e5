"""Printable PDF documents: the map sheets of a community, and the atlas of a street."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from sqlalchemy import Connection

from geo import clock
from geo import crs as systems
from geo.codes import grid_serial
from geo.errors import NotFoundError
from geo.messages import Language, catalogue, text
from geo.progress import Progress, silent
from maps.atlas.sheet import AtlasEntry, Sheet, read_entries
from maps.attribution import attributions
from maps.colours import TOUCHING_DEGREES, colour_areas, touching_pairs
from maps.paper import svg_map
from maps.paper.label_placer import Label, LabelPlacer, label_extent
from maps.paper.map_sheets import PageSet, add_community_pages, imprint, lay_out_community
from maps.paper.page_layout import MARGIN_MM, TITLE_MM, Layout, Paper
from maps.paper.pdf import compile_pdf
from maps.paper.staff import Staff, read_staff
from maps.paper.svg_map import Canvas


@dataclass(frozen=True)
class PrintedDocument:
    """A PDF with the layout of each community by code.

    ``left_out`` lists the codes of buildings whose number did not fit.
    """

    pdf: bytes
    layouts: dict[str, Layout]
    left_out: list[str]


def community_sheet(
    connection: Connection,
    community: str,
    paper: Paper,
    *,
    scale: int | None = None,
    plan: int | None = None,
    lang: Language = "zh",
) -> PrintedDocument:
    """Return the map of a community as PDF, on several sheets if one is too small.

    Parameters
    ----------
    scale
        Denominator of the scale; by default the most detailed one that fits.
    plan
        Number of the plan to show; by default the one in force, else the newest draft.

    Raises
    ------
    NotFoundError
        If the community has no grids.
    """
    entry = read_entry(connection, community, plan)
    community_layout = lay_out_community(connection, entry, paper, scale)
    page_set = PageSet([], {})
    left_out = add_community_pages(page_set, connection, entry, community_layout, lang)
    title = page_set.pages[0]["title"]
    data = {"lang": lang, "title": title, "words": template_texts(lang), "pages": page_set.pages}
    pdf = compile_pdf("sheets", data, page_set.pictures, entry.dated)
    return PrintedDocument(pdf, {entry.code: community_layout.layout}, left_out)


def street_atlas(
    connection: Connection,
    region: str | None,
    paper: Paper,
    *,
    lang: Language = "zh",
    progress: Progress = silent,
) -> PrintedDocument:
    """Return the maps of all communities of a street or other region as one PDF with contents.

    Raises
    ------
    NotFoundError
        If no community of the region has grids.
    """
    page_set, layouts, left_out = PageSet([], {}), dict[str, Layout](), list[str]()
    sheets = dict[str, Sheet]()
    entries = read_entries(connection, region)
    if not entries:
        raise NotFoundError("nothing_to_map", region=region or "*")
    for done, entry in enumerate(entries):
        progress("paper", done, len(entries) + 1)
        community_layout = lay_out_community(connection, entry, paper)
        layouts[entry.code] = community_layout.layout
        sheets[entry.code] = community_layout.sheet
        left_out += add_community_pages(page_set, connection, entry, community_layout, lang)
    progress("paper", len(entries), len(entries) + 1)
    staff = {entry.code: read_staff(connection, entry.code) for entry in entries}
    data = _front_matter(entries, layouts, page_set, paper, lang) | {
        "imprint": [*imprint(lang), *attributions(connection, lang)],
        "contents": [
            _contents_row(entry, layouts[entry.code], staff[entry.code].station)
            for entry in entries
        ],
        "directory": [
            row
            for entry in entries
            for row in _directory_rows(entry, sheets[entry.code], staff[entry.code])
        ],
    }
    pdf = compile_pdf("book", data, page_set.pictures, _newest(entries))
    progress("paper", len(entries) + 1, len(entries) + 1)
    return PrintedDocument(pdf, layouts, left_out)


def read_entry(connection: Connection, community: str, plan: int | None = None) -> AtlasEntry:
    """Return a community with its plan to show.

    Raises
    ------
    NotFoundError
        If it has no grids.
    """
    entries = read_entries(connection, community, plan)
    if len(community) != 12 or not entries:
        raise NotFoundError("nothing_to_map", region=community)
    return entries[0]


def template_texts(lang: Language) -> dict[str, str]:
    """Return the texts that the templates use."""
    section = "paper."
    texts = {
        key.removeprefix(section): value
        for key, value in catalogue(lang).items()
        if key.startswith(section)
    }
    shared = ("grids", "households", "buildings", "legend", "code", "community", "number")
    return {key: text(f"atlas.{key}", lang=lang) for key in shared} | texts


def _newest(entries: Sequence[AtlasEntry]) -> datetime:
    return max(entry.dated for entry in entries)


def _front_matter(
    entries: Sequence[AtlasEntry],
    layouts: dict[str, Layout],
    page_set: PageSet,
    paper: Paper,
    lang: Language,
) -> dict[str, Any]:
    """Return the template data of the pages before the sheets: cover, contents, overview map."""
    streets = {entry.street for entry in entries if entry.street}
    names = {entry.city for entry in entries if entry.city}
    totals = {
        "communities": len(entries),
        "grids": sum(entry.grids for entry in entries),
        "households": f"{sum(entry.households for entry in entries):,}",
    }
    place = " ".join([*sorted(names), *(streets if len(streets) == 1 else ())])
    cover = text("atlas.title", lang=lang)
    return {
        "lang": lang,
        "title": f"{place} {cover}",
        "words": template_texts(lang),
        "paper": [paper.width_mm, paper.height_mm],
        "place": place,
        "cover": cover,
        "totals": text("atlas.totals", lang=lang, **totals),
        "dated": clock.format_day(_newest(entries)),
        "overview": _overview(entries, page_set, paper),
        "pages": page_set.pages,
    }


def _contents_row(entry: AtlasEntry, layout: Layout, station: dict[str, str]) -> dict[str, Any]:
    return {
        "station": station["name"],
        "phone": station["phone"],
        "code": entry.code,
        "name": entry.name,
        "grids": entry.grids,
        "households": entry.households,
        "scale": f"1 : {layout.scale}",
    }


def _directory_rows(entry: AtlasEntry, sheet: Sheet, staff: Staff) -> Iterator[list[str]]:
    """Yield community, number, households, manager and phone of each grid."""
    for row in sheet.grids.itertuples():
        manager = staff.managers.get(row.code)
        contact = (manager.name, manager.phone) if manager else ("", "")
        yield [entry.name, grid_serial(row.code), str(row.households), *contact]


def _overview(entries: Sequence[AtlasEntry], page_set: PageSet, paper: Paper) -> dict[str, Any]:
    """Return the template data of the map of all communities, at a round scale that fits a page."""
    degrees = gpd.GeoSeries([entry.land for entry in entries], crs=systems.STORAGE)
    system = systems.metric_crs_of(degrees)
    lands = degrees.to_crs(system).to_numpy()
    west, south, east, north = shapely.total_bounds(lands).tolist()
    is_landscape = east - west > north - south
    sides = sorted((paper.width_mm, paper.height_mm), reverse=is_landscape)
    frame = sides[0] - 2 * MARGIN_MM, sides[1] - 2 * MARGIN_MM - TITLE_MM - 21
    needed = max((east - west) / frame[0], (north - south) / frame[1]) * 1060
    scale = int(np.ceil(needed / 500) * 500)
    width, height = (side * scale / 1000 for side in frame)
    x, y = (west + east - width) / 2, (south + north - height) / 2
    canvas = Canvas((x, y, x + width, y + height), scale)
    fills = colour_areas(len(lands), touching_pairs(lands, TOUCHING_DEGREES * 1e5)).tolist()
    names = _names(entries, lands, canvas)
    rooms = [label_extent(label) for label in names]
    svg = svg_map.draw_overview(lands, canvas, fills, labels=rooms)
    return {
        "map": page_set.add_picture("overview.svg", svg.encode()),
        "paper": sides,
        "frame": frame,
        "scale": scale,
        "bar_m": max(50, round(scale / 60, -2)),
        "convergence": _convergence_degrees(system, degrees),
        "letters": [vars(label) for label in names],
    }


def _convergence_degrees(system: pyproj.CRS, lands: gpd.GeoSeries) -> float:
    west, south, east, north = lands.total_bounds
    factors = pyproj.Proj(system).get_factors((west + east) / 2, (south + north) / 2)
    return float(-factors.meridian_convergence)


def _names(entries: Sequence[AtlasEntry], lands: Any, canvas: Canvas) -> list[Label]:
    """Return the labels with the names of communities, smaller where they would overlap."""
    placer = LabelPlacer(canvas.size)
    for entry, land in zip(entries, lands, strict=True):
        circle = shapely.maximum_inscribed_circle(canvas.to_paper(land), tolerance=0.5)
        x, y = shapely.get_coordinates(circle)[0].tolist()
        shifts = (0.0, 4.0, -4.0, 8.0, -8.0)
        placer.place(
            Label("plain", entry.name, x, y + shift, size)
            for size in (10.0, 8.0, 6.5)
            for shift in shifts
        )
    return placer.placed
