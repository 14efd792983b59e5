"""What hangs by the door and what goes into the letter box: notice boards and contact cards."""

import io
from collections.abc import Iterator
from typing import Any

import segno
import shapely
from PIL import Image
from sqlalchemy import Connection

from geo import clock
from geo.errors import NotFoundError
from geo.messages import Language, text
from maps.atlas.sheet import AtlasEntry
from maps.atlas.sheet_map import grid_serial
from maps.paper import svg_map
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
from maps.paper.staff import Staff, read_staff
from maps.paper.svg_map import Canvas

BOARD_MM = (165.0, 159.0)
"""The map on a notice board, which is set twice as large: letters are read from afar."""

BOARD_ENLARGEMENT = 2

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
    """Return the notice boards of a community's grids, an A2 page each, as PDF.

    Parameters
    ----------
    grid
        Code of the only grid to print.
    site
        Address of the public page, which the code to scan leads to.

    Raises
    ------
    NotFoundError
        If the community has no grids, or not this one.
    """
    entry = read_entry(connection, community)
    laid = lay_out_community(connection, entry, PAPERS["A2"])
    shown = {row.code: _board_extent(row.geom) for row in laid.sheet.grids.itertuples()}
    ground = shapely.union_all([shapely.box(*box) for box, _ in shown.values()])
    laid = with_sheet_of_area(connection, entry, laid, ground)
    folio = PageSet([], {})
    for page in _people(connection, entry, laid, folio, site, lang):
        if grid in ("", page["code"]):
            board = _board(laid, page["code"], shown[page["code"]], folio, lang)
            folio.pages.append(page | board)
    if not folio.pages:
        raise NotFoundError("no_such_grid", grid=grid)
    return _compile_template("notice", folio, entry, lang)


def contact_cards(
    connection: Connection, community: str, *, site: str = "", lang: Language = "zh"
) -> bytes:
    """Return the contact cards of a community's grids, ten to an A4 page, as PDF.

    Raises
    ------
    NotFoundError
        If the community has no grids.
    """
    entry = read_entry(connection, community)
    laid = lay_out_community(connection, entry, PAPERS["A3"])
    folio = PageSet([], {})
    folio.pages += _people(connection, entry, laid, folio, site, lang)
    return _compile_template("cards", folio, entry, lang)


def _compile_template(template: str, folio: PageSet, entry: AtlasEntry, lang: Language) -> bytes:
    title = text(f"paper.{template}_title", lang=lang, community=entry.name)
    data = {"lang": lang, "title": title, "words": template_texts(lang), "pages": folio.pages}
    return compile_pdf(template, data, folio.pictures, entry.dated)


def _people(
    connection: Connection,
    entry: AtlasEntry,
    laid: CommunityLayout,
    folio: PageSet,
    site: str,
    lang: Language,
) -> Iterator[dict[str, Any]]:
    """Yield what board and card say of each grid."""
    staff = read_staff(connection, entry.code)
    for row in laid.sheet.grids.itertuples():
        manager = staff.managers.get(row.code)
        title = row.name or text("page.grid_number", lang=lang, serial=grid_serial(row.code))
        address = f"{site.rstrip('/')}/?grid={row.code}"
        yield {
            "code": row.code,
            "title": f"{entry.name} {title}",
            "place": " ".join(name for name in (entry.city, entry.street) if name),
            "households": row.households,
            "buildings": row.buildings,
            "manager": manager.name if manager else "",
            "phone": manager.phone if manager else "",
            "duties": (manager.duties if manager else "") or text("paper.usual_duties", lang=lang),
            "photo": _photo(staff, row.code, folio),
            "informants": staff.informants.get(row.code, []),
            "station": staff.station,
            "address": address,
            "qr": _qr(address, row.code, folio),
            "edition": edition_text(entry, lang),
            "dated": clock.format_day(entry.dated),
        }


def _photo(staff: Staff, code: str, folio: PageSet) -> str:
    """Keep a manager's photo, brought to JPEG; return its name, empty where there is none."""
    manager = staff.managers.get(code)
    if manager is None or not manager.photo:
        return ""
    kept = io.BytesIO()
    Image.open(io.BytesIO(manager.photo)).convert("RGB").save(kept, "JPEG", quality=90)
    folio.pictures[f"photo-{code}.jpg"] = kept.getvalue()
    return f"photo-{code}.jpg"


def _qr(address: str, code: str, folio: PageSet) -> str:
    kept = io.BytesIO()
    segno.make(address, error="m", micro=False).save(kept, kind="svg", border=2, scale=4)
    folio.pictures[f"qr-{code}.svg"] = kept.getvalue()
    return f"qr-{code}.svg"


Box = tuple[float, float, float, float]


def _board_extent(area: shapely.Geometry) -> tuple[Box, int]:
    """Return what the board of a grid shows, in metres, and its scale: the most detailed one."""
    west, south, east, north = shapely.bounds(area).tolist()
    wide, high = (side * BOARD_ENLARGEMENT for side in BOARD_MM)
    needed = max((east - west) / wide, (north - south) / high) * 1000 * BOARD_MARGIN_FACTOR
    scale = next((one for one in BOARD_SCALES if one >= needed), int(needed // 500 + 1) * 500)
    wide, high = (side * scale / 1000 for side in (wide, high))
    x, y = (west + east - wide) / 2, (south + north - high) / 2
    return (x, y, x + wide, y + high), scale


def _board(
    laid: CommunityLayout, code: str, shown: tuple[Box, int], folio: PageSet, lang: Language
) -> dict[str, Any]:
    """Return the map of a board."""
    box, scale = shown
    canvas = Canvas(box, scale * BOARD_ENLARGEMENT)
    svg = svg_map.draw_sheet(laid.sheet, canvas, laid.colours, chosen=code)
    return {
        "map": folio.add_picture(f"board-{code}.svg", svg),
        "frame": BOARD_MM,
        "scale": scale,
        "bar_m": max(5, round(scale / 50, -1)),
        "convergence": meridian_convergence(laid),
        "letters": [
            label_fields(one) for one in place_labels(laid.sheet, canvas, lang, code).placed
        ],
    }
