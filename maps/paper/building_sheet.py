"""The fire sheet of a building: its briefing on one page, in black and white."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection

from geo import clock
from geo.fire import building_plans
from geo.fire.briefing import BuildingBriefing
from geo.fire.building_record import Details
from geo.messages import Language, text
from geo.model.fire import PlanMedia
from maps.paper.pdf import compile_pdf
from maps.paper.plan_files import SUFFIXES
from maps.paper.sheet_back import back_tables, position_plan
from maps.paper.site_plan import (
    INK,
    PALE,
    SOFT,
    Bounds,
    Label,
    Surroundings,
    build_label,
    find_surroundings,
    paper_position,
    street_names,
)
from maps.paper.svg_map import Canvas, path_element, svg_document

PLAN_MM = (190.0, 146.0)
SCALES = (300, 500, 750, 1000, 1500, 2000, 3000)
MARGIN_M = 18.0
SCALE_BAR_M = {300: 5, 500: 10, 750: 10, 1000: 20, 1500: 20, 2000: 50, 3000: 50}
MAX_PLAN_PAGES_PRINTED = 60

MAX_DISTANCE_M = 200.0
"""The plan is not made smaller to show a hydrant or valve farther away than this."""

MAX_DISTANCE_LABELS = 3
"""Nearest neighbours whose distance is written on the plan; the table lists more."""


def plan_box(content: Details) -> tuple[Bounds, int]:
    """Return the bounds of a building's plan in metres, and its scale.

    Parameters
    ----------
    content
        The content of the building's briefing.
    """
    wall = content["geometry"]
    hydrants = content["hydrants"]
    valves = itertools.chain(*content["valves"].values())
    points = [h["point"] for h in hydrants if h["straight_m"] <= MAX_DISTANCE_M]
    points += [v["point"] for v in valves if v["distance_m"] <= MAX_DISTANCE_M]
    west, south, east, north = shapely.total_bounds([wall, *points])
    width, height = east - west + 2 * MARGIN_M, north - south + 2 * MARGIN_M
    fits = (
        scale
        for scale in SCALES
        if width <= PLAN_MM[0] * scale / 1000 and height <= PLAN_MM[1] * scale / 1000
    )
    scale = next(fits, SCALES[-1])
    x, y = (west + east) / 2, (south + north) / 2
    half_x, half_y = PLAN_MM[0] * scale / 2000, PLAN_MM[1] * scale / 2000
    return (x - half_x, y - half_y, x + half_x, y + half_y), scale


@dataclass(frozen=True)
class PlanPage:
    """A page of a plan attached to a building: the name of its file, and the file."""

    title: str
    file: str
    page: int
    content: bytes


def read_plan_pages(connection: Connection, briefing: BuildingBriefing) -> list[PlanPage]:
    """Return the pages of the plans attached to a building, as many as are printed."""
    code = briefing.content["code"]
    pages: list[PlanPage] = []
    for plan in briefing.content["plans"]:
        if len(pages) + plan["pages"] > MAX_PLAN_PAGES_PRINTED:
            break
        title, media_type, content = building_plans.read_plan(connection, code, plan["id"])
        file = f"plan-{plan['id']}.{SUFFIXES[PlanMedia(media_type)]}"
        pages += [PlanPage(title, file, page, content) for page in range(1, plan["pages"] + 1)]
    return pages


def sheet_of_briefing(
    briefing: BuildingBriefing, lang: Language, plan_pages: Sequence[PlanPage] = ()
) -> bytes:
    """Return the sheet of a building as PDF: plan and tables, what was found on site, plans."""
    content = briefing.content
    box, scale = plan_box(content)
    canvas = Canvas(box, scale)
    around = find_surroundings(briefing.context, content, box)
    plan = svg_document(canvas.size, list(_draw_plan(content, around, canvas)))
    data = {
        "lang": lang,
        "title": str(content["name"] or content["address"] or content["code"]),
        "words": sheet_words(lang),
        "size": canvas.size,
        "scale": scale,
        "bar_m": SCALE_BAR_M[scale],
        "lean": around.convergence,
        "map": "plan.svg",
        "labels": [*_labels(content, around, canvas)],
        **_tables(content, lang),
        **back_tables(content, lang),
        "plans": [
            {"title": page.title, "file": page.file, "page": page.page} for page in plan_pages
        ],
    }
    position, position_data = position_plan(briefing, content)
    pictures = {
        "plan.svg": plan.encode(),
        "position.svg": position.encode(),
        **{page.file: page.content for page in plan_pages},
    }
    dated = content["data"]["published_at"] or datetime.now(UTC)
    return compile_pdf("building", data | position_data, pictures, dated)


def sheet_words(lang: Language) -> dict[str, str]:
    """Return the fixed texts of a sheet by name."""
    names = (
        *("heading", "north", "address", "use", "storeys", "height", "structure", "fire_class"),
        *("households", "hydrants", "stations", "entrances", "neighbours", "valves", "contacts"),
        *("fire_lane", "ladder", "missing", "review", "data_of", "printed", "scale"),
        *("legend_this", "legend_hydrant", "legend_entrance", "legend_hose", "legend_drive"),
        *("legend_close", "legend_ladder", "legend_valve", "high_rise", "none"),
        *("items", "item", "item_value", "item_place", "item_checked", "not_recorded"),
        *("position", "surroundings", "side", "side_building", "side_road", "intakes", "plans"),
        *("people", "unit", "residents", "need_help", "key_units", "people_not_shown"),
    )
    return {name: text(f"building_sheet.{name}", lang=lang) for name in names}


def _draw_plan(content: Details, around: Surroundings, canvas: Canvas) -> Iterator[str]:
    """Yield the SVG parts of the plan, the lowest first."""
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    roads = [shapely.buffer(line, width / 2, cap_style="flat") for line, width, _ in around.roads]
    surface = canvas.clip([shapely.union_all(roads)])
    yield path_element(surface, fill="#f2f2f2", stroke="#9a9a9a", width=0.2)
    yield path_element(
        canvas.clip(around.walls), stroke=SOFT, width=0.3, extra='stroke-dasharray="1.6 .8"'
    )
    others = [outline for outline, _ in around.buildings]
    yield path_element(canvas.clip(others), fill=PALE, stroke=SOFT, width=0.2)
    areas = content["ladder"]["areas"]
    yield path_element(
        canvas.clip(areas), fill="none", stroke=INK, width=0.4, extra='stroke-dasharray="0.4 0.9"'
    )
    yield from _draw_building(content["geometry"], canvas)
    close = [other["line"] for other in content["neighbours"] if other["too_close"]]
    yield path_element(canvas.clip(close), stroke=INK, width=0.7)
    yield from _draw_routes(content, canvas)
    yield from _draw_symbols(content, canvas)


def _draw_building(wall: shapely.Geometry, canvas: Canvas) -> Iterator[str]:
    """Yield the building of the sheet: hatched, with a heavy outline."""
    west, south, east, north = shapely.bounds(wall)
    step = 1.6 * canvas.scale / 1000
    starts = np.arange(west - (north - south), east, step)
    ends = np.column_stack([starts, starts + north - south])
    levels = np.broadcast_to([south, north], ends.shape)
    lines = np.asarray(shapely.linestrings(np.stack([ends, levels], axis=-1)), dtype=object)
    hatch = np.asarray(shapely.intersection(lines, wall), dtype=object)
    lined = hatch[shapely.get_dimensions(hatch) == 1]
    yield path_element(canvas.clip([wall]), fill="#ffffff")
    yield path_element(canvas.clip(lined), stroke=SOFT, width=0.15)
    yield path_element(canvas.clip([wall]), stroke=INK, width=0.9)


def _draw_routes(content: Details, canvas: Canvas) -> Iterator[str]:
    """Yield the hose routes, dashed, and the nearest engine's route, in heavy dashes and dots."""
    hoses = [item["route"] for item in content["hydrants"] if item["route"] is not None]
    yield path_element(canvas.clip(hoses), stroke=INK, width=0.45, extra='stroke-dasharray="1.8 1"')
    drives = [item["route"] for item in content["stations"][:1] if item["route"] is not None]
    placed = canvas.clip(drives)
    yield path_element(placed, stroke="#ffffff", width=1.6)
    yield path_element(placed, stroke=INK, width=0.9, extra='stroke-dasharray="4 1 0.9 1"')


def _draw_symbols(content: Details, canvas: Canvas) -> Iterator[str]:
    """Yield entrances as triangles, hydrants as discs, valves as diamonds, obstacles as crosses."""
    for unit in content["units"]:
        x, y = paper_position(unit["point"], canvas)
        yield f'<path d="M{x} {y - 1.3}L{x + 1.3} {y + 1}L{x - 1.3} {y + 1}Z" fill="{INK}"/>'
    for hydrant in content["hydrants"]:
        x, y = paper_position(hydrant["point"], canvas)
        disc = f'<circle cx="{x}" cy="{y}" r="2.1" fill="#ffffff" stroke="{INK}"'
        yield f'{disc} stroke-width="0.6"/>'
    for valve in itertools.chain(*content["valves"].values()):
        x, y = paper_position(valve["point"], canvas)
        diamond = f"M{x} {y - 1.5}L{x + 1.5} {y}L{x} {y + 1.5}L{x - 1.5} {y}Z"
        yield f'<path d="{diamond}" fill="#ffffff" stroke="{INK}" stroke-width="0.4"/>'
    for obstacle in content["fire_lane"]["obstacles"]:
        x, y = paper_position(obstacle["point"], canvas)
        cross = f"M{x - 1.6} {y - 1.6}L{x + 1.6} {y + 1.6}M{x - 1.6} {y + 1.6}L{x + 1.6} {y - 1.6}"
        yield f'<path d="{cross}" stroke="{INK}" stroke-width="0.9"/>'


def _labels(content: Details, around: Surroundings, canvas: Canvas) -> Iterator[Label]:
    """Yield the labels on the plan, without those outside it."""
    for label in _every_label(content, around, canvas):
        wide, high = canvas.size
        if 2 < label["x"] < wide - 2 and 2 < label["y"] < high - 2:
            yield label


def _every_label(content: Details, around: Surroundings, canvas: Canvas) -> Iterator[Label]:
    for outline, storeys in around.buildings:
        middle = canvas.clip([outline])
        if storeys is not None and len(middle) and shapely.area(middle[0]) > 12:
            yield build_label(shapely.point_on_surface(middle[0]), str(storeys), 6, box=False)
    for name, place in street_names(around, canvas).items():
        yield build_label(place, name, 7, box=True)
    for number, hydrant in enumerate(content["hydrants"], start=1):
        yield build_label(canvas.to_paper(hydrant["point"]), str(number), 7, box=False, bold=True)
    for unit in content["units"]:
        x, y = paper_position(unit["point"], canvas)
        yield build_label(shapely.Point(x, y - 2.9), unit["name"], 6, box=True)
    close = [other for other in content["neighbours"] if other["too_close"]]
    for other in close[:MAX_DISTANCE_LABELS]:
        if shapely.length(other["line"]) > 0:
            middle = shapely.centroid(canvas.to_paper(other["line"]))
            yield build_label(middle, f"{other['distance_m']:.1f}", 6, box=True)
    storeys = content["attributes"]["storeys_above"]
    if storeys is not None:
        inside = shapely.point_on_surface(canvas.to_paper(content["geometry"]))
        yield build_label(inside, str(storeys), 11, box=True, bold=True)


def _tables(content: Details, lang: Language) -> dict[str, Any]:
    """Return the tables beside and below the plan."""
    attributes = content["attributes"]
    published = content["data"]["published_at"]
    region = content["region"] or {"name": "", "street": ""}
    return {
        "code": content["code"],
        "place": f"{region['street'] or ''} {region['name']}".strip(),
        "address": content["address"],
        "high_rise": attributes["high_rise"],
        "facts": _facts(attributes, lang),
        "hydrants": [
            [
                *(number, _format_hose(item, lang), f"{item['straight_m']:.0f} m"),
                *(_format_type_and_main(item, lang), _format_flow(item)),
            ]
            for number, item in enumerate(content["hydrants"], start=1)
        ],
        "stations": [
            [
                item["name"],
                f"{item['response_s'] / 60:.1f} min",
                f"{item['distance_m']:.0f} m",
                _or_unknown(item["phone"] or None),
            ]
            for item in content["stations"]
        ],
        "entrances": [
            f"{unit['name']} {_or_unknown(unit['storeys'])}F {unit['households']}"
            for unit in content["units"][:12]
        ],
        "neighbours": [
            [
                item["name"] or item["address"] or item["code"],
                f"{item['distance_m']:.1f} m",
                f"{item['required_m']:g} m",
            ]
            for item in content["neighbours"]
            if item["too_close"]
        ][:5],
        "contacts": [
            [grid["code"][-3:], _or_unknown(grid["manager"]), _or_unknown(grid["phone"])]
            for grid in content["grids"]
        ][:4],
        "valves": list(_valve_lines(content, lang)),
        "fire_lane": [
            content["fire_lane"]["text"],
            *(item["text"] for item in content["fire_lane"]["obstacles"][:2]),
        ],
        "ladder": content["ladder"]["text"],
        "items": [_item_row(item) for item in content["items"]],
        "missing": [item["text"] for item in content["missing"]],
        "review": _review_text(content["review"], lang),
        "data_of": "?" if published is None else clock.format_day(published),
        "printed": clock.today().isoformat(),
    }


def _facts(attributes: Details, lang: Language) -> list[list[str]]:
    """Return the key and the text of each attribute of the building."""
    above, below = attributes["storeys_above"], attributes["storeys_below"]
    return [
        ["use", attributes["use_text"] or "?"],
        ["storeys", f"{_or_unknown(above)} / -{_or_unknown(below)}"],
        ["height", _format_height(attributes, lang)],
        ["structure", attributes["structure_text"] or "?"],
        ["fire_class", attributes["fire_class_text"] or "?"],
        ["households", _format_households(attributes)],
    ]


def _item_row(item: Details) -> list[str | None]:
    """Return what was found on site, where, and who checked it when."""
    checked = None if item["value"] is None else f"{item['checked_on']} {item['checked_by']}"
    return [item["title"], item["value"], item["place"], checked]


def _format_type_and_main(hydrant: Details, lang: Language) -> str:
    """Return a hydrant's type and the diameter of its main, blanks as not recorded."""
    main = hydrant["main_dn"]
    kind = hydrant["hydrant_type_text"]
    if main is None and kind is None:
        return text("building_sheet.not_recorded", lang=lang)
    return " ".join([kind or "?", "DN?" if main is None else f"DN{main:.0f}"])


def _or_unknown(value: object) -> str:
    return "?" if value is None else f"{value}"


def _format_height(attributes: Details, lang: Language) -> str:
    estimate = attributes["estimated_height_m"]
    if estimate is None:
        return f"{_or_unknown(attributes['height_m'])} m"
    return text("fire.height_estimated", lang=lang, height=f"{estimate:.0f} m")


def _format_households(attributes: Details) -> str:
    return f"{attributes['households']} / {_or_unknown(attributes['population'])}"


def _format_hose(hydrant: Details, lang: Language) -> str:
    route_m = hydrant["route_m"]
    return (
        text("building_sheet.route_unknown", lang=lang) if route_m is None else f"{route_m:.0f} m"
    )


def _format_flow(hydrant: Details) -> str:
    flow, pressure = hydrant["flow_l_s"], hydrant["pressure_mpa"]
    return f"{_or_unknown(flow)} L/s · {_or_unknown(pressure)} MPa"


def _valve_lines(content: Details, lang: Language) -> Iterator[str]:
    for network, valves in content["valves"].items():
        name = text(f"network.{network}", lang=lang)
        listed = "、".join(f"{valve['code']} ({valve['distance_m']:.0f} m)" for valve in valves[:3])
        yield f"{name}：{listed or content['valve_notes'][network] or '?'}"


def _review_text(review: Details, lang: Language) -> str:
    state = text(f"review.{review['state']}", lang=lang)
    if review["checked_on"] is None:
        return state
    return f"{state} · {review['checker']} · {review['checked_on']}"
