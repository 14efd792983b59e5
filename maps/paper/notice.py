"""Notice boards and contact cards of the grids of a community, as PDF."""

import io
from collections.abc import Iterator
from typing import Any

import shapely
from PIL import Image
from sqlalchemy import Connection, select

from geo import clock
from geo.codes import grid_serial
from geo.db.layer_frames import read_frame, wkb
from geo.errors import NotFoundError
from geo.messages import Language, text
from geo.model import Grid, MicroGrid
from geo.plans.micro_grids import list_micro_grids
from maps.atlas.sheet import AtlasEntry
from maps.paper import svg_map
from maps.paper.label_placer import label_extent
from maps.paper.labels import place_labels
from maps.paper.map_documents import read_entry, template_texts
from maps.paper.map_sheets import (
    CommunityLayout,
    PageSet,
    edition_text,
    label_fields,
    lay_out_community,
    meridian_convergence,
    with_sheet_of_area,
)
from maps.paper.page_layout import PAPERS
from maps.paper.pdf import compile_pdf
from maps.paper.staff import Manager, read_staff
from maps.paper.svg_map import Canvas
from maps.qr_code import grid_link, qr_svg

BOARD_MM = (165.0, 159.0)
"""Width and height of the map on a notice board, before :data:`BOARD_ENLARGEMENT`."""

BOARD_ENLARGEMENT = 2
"""Factor by which boards are enlarged, so that they can be read from a distance."""

BOARD_SCALES = (200, 250, 500, 750, 1000, 1500, 2000, 3000, 5000)
BOARD_MARGIN_FACTOR = 1.15


def notice_boards(
    connection: Connection,
    community: str,
    *,
    grid: str = "",
    site: str = "",
    lang: Language = "zh",
) -> bytes:
    """Return the notice boards of a community's grids as PDF, an A2 page each.

    Parameters
    ----------
    grid
        Code of the only grid to print.
    site
        URL of the public page, to which the QR code links.

    Raises
    ------
    NotFoundError
        If the community has no grids, or not the given one.
    InputError
        If other machines can't reach ``site``.
    """
    entry = read_entry(connection, community)
    layout = lay_out_community(connection, entry, PAPERS["A2"])
    extents = {row.code: _board_extent(row.geom) for row in layout.sheet.grids.itertuples()}
    area = shapely.union_all([shapely.box(*box) for box, _ in extents.values()])
    layout = with_sheet_of_area(connection, entry, layout, area)
    page_set = PageSet([], {})
    micro_borders = _micro_borders(connection, entry.plan, layout)
    for page in _grid_pages(connection, entry, layout, page_set, site, lang):
        if grid in ("", page["code"]):
            board = _board(
                layout, page["code"], extents[page["code"]], micro_borders, page_set, lang
            )
            page_set.pages.append(page | board)
    if not page_set.pages:
        raise NotFoundError("no_such_grid", grid=grid)
    return _compile_template("notice", page_set, entry, lang)


def contact_cards(
    connection: Connection,
    community: str,
    *,
    grid: str = "",
    copies: int = 1,
    site: str = "",
    lang: Language = "zh",
) -> bytes:
    """Return the contact cards of a community's grids as PDF, ten on an A4 page.

    Parameters
    ----------
    grid
        Code of the only grid whose card is printed.
    copies
        Number of copies of each card.
    site
        URL of the public page, to which the QR code links.

    Raises
    ------
    NotFoundError
        If the community has no grids, or not the given one.
    InputError
        If other machines can't reach ``site``.
    """
    entry = read_entry(connection, community)
    layout = lay_out_community(connection, entry, PAPERS["A3"])
    page_set = PageSet([], {})
    for page in _grid_pages(connection, entry, layout, page_set, site, lang):
        if grid in ("", page["code"]):
            page_set.pages += [page] * copies
    if not page_set.pages:
        raise NotFoundError("no_such_grid", grid=grid)
    return _compile_template("cards", page_set, entry, lang)


def _compile_template(template: str, page_set: PageSet, entry: AtlasEntry, lang: Language) -> bytes:
    title = text(f"paper.{template}_title", lang=lang, community=entry.name)
    data = {"lang": lang, "title": title, "words": template_texts(lang), "pages": page_set.pages}
    return compile_pdf(template, data, page_set.pictures, entry.dated)


def _grid_pages(
    connection: Connection,
    entry: AtlasEntry,
    layout: CommunityLayout,
    page_set: PageSet,
    site: str,
    lang: Language,
) -> Iterator[dict[str, Any]]:
    """Yield the texts and pictures of each grid for its board and card."""
    staff = read_staff(connection, entry.code)
    parts = _micro_grids(connection, entry.plan)
    for row in layout.sheet.grids.itertuples():
        manager = staff.managers.get(row.code)
        title = row.name or text("page.grid_number", lang=lang, serial=grid_serial(row.code))
        url = grid_link(site, row.code)
        yield {
            "code": row.code,
            "title": f"{entry.name} {title}",
            "place": " ".join(name for name in (entry.city, entry.street) if name),
            "households": row.households,
            "buildings": row.buildings,
            "manager": manager.name if manager else "",
            "phone": manager.phone if manager else "",
            "tasks": (manager.tasks if manager else "") or text("paper.usual_tasks", lang=lang),
            "duties": (manager.duties if manager else "") or text("paper.usual_duties", lang=lang),
            "photo": _add_photo(manager, row.code, page_set),
            "informants": staff.informants.get(row.code, []),
            "parts": _parts_with_informants(
                parts.get(row.code, []), staff.informants.get(row.code, []), lang
            ),
            "station": staff.station,
            "address": url,
            "qr": page_set.add_picture(f"qr-{row.code}.svg", qr_svg(url)),
            "edition": edition_text(entry, lang),
            "dated": clock.format_day(entry.dated),
        }


def _micro_grids(connection: Connection, plan: int) -> dict[str, list[dict[str, Any]]]:
    """Return the micro-grids of a plan by the code of their grid."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in list_micro_grids(connection, plan):
        parts.setdefault(part["grid"], []).append(part)
    return parts


def _parts_with_informants(
    parts: list[dict[str, Any]], informants: list[dict[str, Any]], lang: Language
) -> list[str]:
    """Return a line for each micro-grid: its serial, households and informants."""
    lines = []
    for part in parts:
        people = [
            informant for informant in informants if informant["micro_grid"] == part["serial"]
        ]
        who = " ".join(f"{informant['name']} {informant['phone']}".strip() for informant in people)
        fields = {"serial": part["serial"], "households": part["households"], "who": who}
        lines.append(text("paper.micro_grid_line", lang=lang, **fields).strip())
    return lines


def _add_photo(manager: Manager | None, code: str, page_set: PageSet) -> str:
    """Add a manager's photo as JPEG and return its name; empty without a photo."""
    if manager is None or not manager.photo:
        return ""
    jpeg = io.BytesIO()
    Image.open(io.BytesIO(manager.photo)).convert("RGB").save(jpeg, "JPEG", quality=90)
    return page_set.add_picture(f"photo-{code}.jpg", jpeg.getvalue())


Box = tuple[float, float, float, float]


def _board_extent(area: shapely.Geometry) -> tuple[Box, int]:
    """Return the area of a grid's board in metres and the most detailed scale that fits."""
    west, south, east, north = shapely.bounds(area).tolist()
    wide, high = (side * BOARD_ENLARGEMENT for side in BOARD_MM)
    needed = max((east - west) / wide, (north - south) / high) * 1000 * BOARD_MARGIN_FACTOR
    scale = next((scale for scale in BOARD_SCALES if scale >= needed), int(needed // 500 + 1) * 500)
    wide, high = (side * scale / 1000 for side in (wide, high))
    x, y = (west + east - wide) / 2, (south + north - high) / 2
    return (x, y, x + wide, y + high), scale


def _micro_borders(
    connection: Connection, plan: int, layout: CommunityLayout
) -> dict[str, list[shapely.Geometry]]:
    """Return the outlines of the micro-grids of a plan in the metres of its sheet, by grid."""
    statement = (
        select(Grid.code.label("grid"), wkb(MicroGrid.geom))
        .join(Grid, Grid.id == MicroGrid.grid_id)
        .where(MicroGrid.plan_id == plan)
    )
    frame = read_frame(connection, statement, layout.sheet.grids.crs)
    borders: dict[str, list[shapely.Geometry]] = {}
    for grid, shape in zip(frame["grid"], frame.geometry, strict=True):
        borders.setdefault(grid, []).append(shapely.boundary(shape))
    return borders


def _board(
    layout: CommunityLayout,
    code: str,
    extent: tuple[Box, int],
    micro_borders: dict[str, list[shapely.Geometry]],
    page_set: PageSet,
    lang: Language,
) -> dict[str, Any]:
    """Return the template data of the map on a board."""
    box, scale = extent
    canvas = Canvas(box, scale * BOARD_ENLARGEMENT)
    labels = place_labels(layout.sheet, canvas, lang, code).placed
    svg = svg_map.draw_sheet(
        layout.sheet,
        canvas,
        layout.colours,
        code,
        [label_extent(label) for label in labels],
        micro_borders.get(code, ()),
    )
    return {
        "map": page_set.add_picture(f"board-{code}.svg", svg.encode()),
        "frame": BOARD_MM,
        "scale": scale,
        "bar_m": max(5, round(scale / 50, -1)),
        "convergence": meridian_convergence(layout),
        "letters": [label_fields(label) for label in labels],
    }
