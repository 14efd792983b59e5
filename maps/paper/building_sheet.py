"""The sheet of a building: one page that a crew reads in the engine, in black and white."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyproj
import shapely

from geo import clock
from geo.fire.briefing import Shown, surroundings
from geo.fire.context import FireContext
from geo.messages import Language, text
from maps.paper.pdf import compile_pdf
from maps.paper.svg_map import Canvas, path_element, svg_document

PLAN_MM = (190.0, 146.0)
SCALES = (300, 500, 750, 1000, 1500, 2000, 3000)
AROUND_M = 18.0
INK, SOFT, PALE = "#000000", "#666666", "#d9d9d9"
BAR_M = {300: 5, 500: 10, 750: 10, 1000: 20, 1500: 20, 2000: 50, 3000: 50}
FARTHEST_SHOWN_M = 200.0
"""A hydrant farther than this does not make the plan smaller."""

LABELLED = 3
"""Neighbours whose distance is written on the plan, the nearest; the table has more."""

Label = dict[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What stands around a building, in metres.

    Attributes
    ----------
    buildings
        (outline, storeys or None) of the others.
    roads
        (line, width in metres, name).
    walls
        Lines of the walls of gated compounds.
    lean
        Degrees from the grid's north to true north, clockwise.
    """

    buildings: list[tuple[shapely.Geometry, int | None]]
    roads: list[tuple[shapely.Geometry, float, str]]
    walls: list[shapely.Geometry]
    lean: float


def plan_box(shown: Shown) -> tuple[tuple[float, float, float, float], int]:
    """Return the ground that a building's plan shows, in metres, and its scale."""
    wall = shown["geometry"]
    points = [h["point"] for h in shown["hydrants"] if h["straight_m"] <= FARTHEST_SHOWN_M]
    west, south, east, north = shapely.total_bounds([wall, *points])
    wide, high = east - west + 2 * AROUND_M, north - south + 2 * AROUND_M
    fits = (s for s in SCALES if wide <= PLAN_MM[0] * s / 1000 and high <= PLAN_MM[1] * s / 1000)
    scale = next(fits, SCALES[-1])
    x, y = (west + east) / 2, (south + north) / 2
    half_x, half_y = PLAN_MM[0] * scale / 2000, PLAN_MM[1] * scale / 2000
    return (x - half_x, y - half_y, x + half_x, y + half_y), scale


def of_layout(desk: FireContext, shown: Shown, data: Shown, lang: Language) -> bytes:
    """Return the sheet of a layout as PDF.

    Parameters
    ----------
    shown
        The layout of a building (``geo.fire.briefing``) with its valves, what is missing in words.
    data
        How old its data is.
    """
    box, _ = plan_box(shown)
    lon, lat = shapely.get_coordinates(desk.ground.to_degrees(shown["point"]))[0]
    lean = -pyproj.Proj(desk.ground.crs).get_factors(lon, lat).meridian_convergence
    around = Surroundings(**surroundings(desk, shown["code"], box), lean=lean)
    dated = data["published_at"] or datetime.now(UTC)
    return sheet_pdf(shown | {"data": data}, around, dated, lang)


def sheet_pdf(shown: Shown, around: Surroundings, dated: datetime, lang: Language) -> bytes:
    """Return the sheet of a building as PDF.

    Parameters
    ----------
    shown
        Its layout (``geo.fire.briefing``) with ``valves``, ``missing`` in words, ``data``.
    """
    box, scale = plan_box(shown)
    canvas = Canvas(box, scale)
    drawn = svg_document(canvas.size, list(_plan(shown, around, canvas)))
    data = {
        "lang": lang,
        "title": f"{shown['name'] or shown['address'] or shown['code']}",
        "words": words(lang),
        "size": canvas.size,
        "scale": scale,
        "bar_m": BAR_M[scale],
        "lean": around.lean,
        "map": "plan.svg",
        "labels": [*_labels(shown, around, canvas)],
        **_tables(shown, lang),
    }
    return compile_pdf("building", data, {"plan.svg": drawn.encode()}, dated)


def words(lang: Language) -> dict[str, str]:
    """Return the fixed words of a sheet."""
    names = (
        *("heading", "north", "address", "use", "storeys", "height", "structure", "fire_class"),
        *("households", "hydrants", "stations", "entrances", "neighbours", "valves", "contacts"),
        *("fire_lane", "ladder", "missing", "review", "data_of", "printed", "scale"),
        *("legend_this", "legend_hydrant", "legend_entrance", "legend_hose", "legend_drive"),
        *("legend_close", "legend_ladder", "legend_valve", "high_rise", "none"),
    )
    return {name: text(f"building_sheet.{name}", lang=lang) for name in names}


def _plan(shown: Shown, around: Surroundings, canvas: Canvas) -> Iterator[str]:
    """Yield the parts of the plan from the ground up."""
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    roads = [shapely.buffer(line, width / 2, cap_style="flat") for line, width, _ in around.roads]
    surface = canvas.clip([shapely.union_all(roads)])
    yield path_element(surface, fill="#f2f2f2", stroke="#9a9a9a", width=0.2)
    yield path_element(
        canvas.clip(around.walls), stroke=SOFT, width=0.3, extra='stroke-dasharray="1.6 .8"'
    )
    others = [outline for outline, _ in around.buildings]
    yield path_element(canvas.clip(others), fill=PALE, stroke=SOFT, width=0.2)
    areas = shown["ladder"]["areas"]
    yield path_element(
        canvas.clip(areas), fill="none", stroke=INK, width=0.4, extra='stroke-dasharray="0.4 0.9"'
    )
    yield from _this(shown["geometry"], canvas)
    close = [one["line"] for one in shown["neighbours"] if one["too_close"]]
    yield path_element(canvas.clip(close), stroke=INK, width=0.7)
    yield from _ways(shown, canvas)
    yield from _signs(shown, canvas)


def _this(wall: shapely.Geometry, canvas: Canvas) -> Iterator[str]:
    """Yield the building itself: hatched, in a heavy line."""
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


def _ways(shown: Shown, canvas: Canvas) -> Iterator[str]:
    """Yield the hose routes, dashed, and the way of the engine, in a heavy dash and dot."""
    hoses = [one["route"] for one in shown["hydrants"] if one["route"] is not None]
    yield path_element(canvas.clip(hoses), stroke=INK, width=0.45, extra='stroke-dasharray="1.8 1"')
    drives = [one["route"] for one in shown["stations"][:1] if one["route"] is not None]
    placed = canvas.clip(drives)
    yield path_element(placed, stroke="#ffffff", width=1.6)
    yield path_element(placed, stroke=INK, width=0.9, extra='stroke-dasharray="4 1 0.9 1"')


def _signs(shown: Shown, canvas: Canvas) -> Iterator[str]:
    """Yield entrances as triangles, hydrants as discs, valves as diamonds, obstacles as crosses."""
    for unit in shown["units"]:
        x, y = _at(unit["point"], canvas)
        yield f'<path d="M{x} {y - 1.3}L{x + 1.3} {y + 1}L{x - 1.3} {y + 1}Z" fill="{INK}"/>'
    for hydrant in shown["hydrants"]:
        x, y = _at(hydrant["point"], canvas)
        disc = f'<circle cx="{x}" cy="{y}" r="2.1" fill="#ffffff" stroke="{INK}"'
        yield f'{disc} stroke-width="0.6"/>'
    for valve in _valves(shown):
        x, y = _at(valve["point"], canvas)
        diamond = f"M{x} {y - 1.5}L{x + 1.5} {y}L{x} {y + 1.5}L{x - 1.5} {y}Z"
        yield f'<path d="{diamond}" fill="#ffffff" stroke="{INK}" stroke-width="0.4"/>'
    for obstacle in shown["fire_lane"]["obstacles"]:
        x, y = _at(obstacle["point"], canvas)
        cross = f"M{x - 1.6} {y - 1.6}L{x + 1.6} {y + 1.6}M{x - 1.6} {y + 1.6}L{x + 1.6} {y - 1.6}"
        yield f'<path d="{cross}" stroke="{INK}" stroke-width="0.9"/>'


def _at(point: shapely.Geometry, canvas: Canvas) -> tuple[float, float]:
    x, y = shapely.get_coordinates(canvas.to_paper(point))[0]
    return round(float(x), 2), round(float(y), 2)


def _valves(shown: Shown) -> Iterator[Shown]:
    for network, valves in shown.get("valves", {}).items():
        for valve in valves:
            yield valve | {"network": network}


def _labels(shown: Shown, around: Surroundings, canvas: Canvas) -> Iterator[Label]:
    """Yield the words on the plan, those outside it left out."""
    for label in _every_label(shown, around, canvas):
        wide, high = canvas.size
        if 2 < label["x"] < wide - 2 and 2 < label["y"] < high - 2:
            yield label


def _every_label(shown: Shown, around: Surroundings, canvas: Canvas) -> Iterator[Label]:
    for outline, storeys in around.buildings:
        middle = canvas.clip([outline])
        if storeys is not None and len(middle) and shapely.area(middle[0]) > 12:
            yield _label(shapely.point_on_surface(middle[0]), str(storeys), 6, box=False)
    for name, place in _street_names(around, canvas).items():
        yield _label(place, name, 7, box=True)
    for number, hydrant in enumerate(shown["hydrants"], start=1):
        yield _label(canvas.to_paper(hydrant["point"]), str(number), 7, box=False, bold=True)
    for unit in shown["units"]:
        x, y = _at(unit["point"], canvas)
        yield _label(shapely.Point(x, y - 2.9), unit["name"], 6, box=True)
    near = [one for one in shown["neighbours"] if one["too_close"]]
    for one in near[:LABELLED]:
        if shapely.length(one["line"]) > 0:
            middle = shapely.centroid(canvas.to_paper(one["line"]))
            yield _label(middle, f"{one['distance_m']:.1f}", 6, box=True)
    storeys = shown["attributes"]["storeys_above"]
    if storeys is not None:
        inside = shapely.point_on_surface(canvas.to_paper(shown["geometry"]))
        yield _label(inside, str(storeys), 11, box=True, bold=True)


def _label(at: shapely.Geometry, said: str, size: float, *, box: bool, bold: bool = False) -> Label:
    x, y = shapely.get_coordinates(at)[0].tolist()
    return {"x": x, "y": y, "text": said, "size": size, "box": box, "bold": bold}


def _street_names(around: Surroundings, canvas: Canvas) -> dict[str, shapely.Geometry]:
    """Return where the name of each street stands: in the middle of its longest stretch shown."""
    best: dict[str, tuple[float, shapely.Geometry]] = {}
    for line, _, name in around.roads:
        for piece in canvas.clip([line], margin=-4):
            for part in shapely.get_parts(piece):
                length = float(shapely.length(part))
                if name and length > max(14.0, best.get(name, (0.0, None))[0]):
                    best[name] = length, shapely.line_interpolate_point(part, 0.5, normalized=True)
    return {name: place for name, (_, place) in best.items()}


def _tables(shown: Shown, lang: Language) -> dict[str, Any]:
    """Return the tables beside and below the plan."""
    own = shown["attributes"]
    storeys = f"{_or(own['storeys_above'])} / -{_or(own['storeys_below'])}"
    households, people = own["households"], own["population"]
    units = shown["units"]
    region = shown["region"] or {"name": "", "street": ""}
    return {
        "code": shown["code"],
        "place": f"{region['street'] or ''} {region['name']}".strip(),
        "address": shown["address"],
        "high_rise": own["high_rise"],
        "facts": [
            ["use", own["use_text"] or "?"],
            ["storeys", storeys],
            ["height", f"{_or(own['height_m'])} m"],
            ["structure", own["structure_text"] or "?"],
            ["fire_class", own["fire_class_text"] or "?"],
            ["households", f"{households} / {_or(people)}"],
        ],
        "hydrants": [
            [number, f"{one['route_m']:.0f} m", f"{one['straight_m']:.0f} m", _flow(one)]
            for number, one in enumerate(shown["hydrants"], start=1)
        ],
        "stations": [
            [
                one["name"],
                f"{one['response_s'] / 60:.1f} min",
                f"{one['distance_m']:.0f} m",
                _or(one["phone"] or None),
            ]
            for one in shown["stations"]
        ],
        "entrances": [
            f"{unit['name']} {_or(unit['storeys'])}F {unit['households']}" for unit in units[:12]
        ],
        "neighbours": [
            [
                one["name"] or one["address"] or one["code"],
                f"{one['distance_m']:.1f} m",
                f"{one['required_m']:g} m",
            ]
            for one in shown["neighbours"]
            if one["too_close"]
        ][:5],
        "contacts": [
            [grid["code"][-3:], _or(grid["manager"]), _or(grid["phone"])] for grid in shown["grids"]
        ][:4],
        "valves": list(_valve_lines(shown, lang)),
        "fire_lane": [
            shown["fire_lane"]["text"],
            *(one["text"] for one in shown["fire_lane"]["obstacles"][:2]),
        ],
        "ladder": shown["ladder"]["text"],
        "missing": [one["text"] for one in shown["missing"]],
        "review": _review(shown["review"], lang),
        "data_of": _day(shown["data"]["published_at"]),
        "printed": clock.today().isoformat(),
    }


def _display_name(building: Shown) -> str:
    return str(building["name"] or building["address"] or building["code"])


def _or(value: object) -> str:
    return "?" if value is None else f"{value}"


def _flow(hydrant: Shown) -> str:
    flow, pressure = hydrant["flow_l_s"], hydrant["pressure_mpa"]
    return f"{_or(flow)} L/s · {_or(pressure)} MPa"


def _day(when: datetime | None) -> str:
    return "?" if when is None else clock.format_day(when)


def _valve_lines(shown: Shown, lang: Language) -> Iterable[str]:
    notes = shown.get("valve_notes", {})
    for network, valves in shown.get("valves", {}).items():
        name = text(f"network.{network}", lang=lang)
        listed = "、".join(f"{one['code']} ({one['distance_m']:.0f} m)" for one in valves[:3])
        yield f"{name}：{listed or notes.get(network) or '?'}"


def _review(review: Shown, lang: Language) -> str:
    said = text(f"review.{review['state']}", lang=lang)
    if review["checked_on"] is None:
        return said
    return f"{said} · {review['checker']} · {review['checked_on']}"
