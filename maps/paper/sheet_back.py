"""The back of a building's sheet: where it stands in the city, and tables beside the items."""

from collections.abc import Iterator
from typing import Any

import shapely

from geo.fire.briefing import BuildingBriefing
from geo.fire.building_record import Details
from geo.messages import Language, text
from maps.paper.site_plan import (
    INK,
    PALE,
    SOFT,
    Surroundings,
    build_label,
    find_surroundings,
    paper_position,
    street_names,
)
from maps.paper.svg_map import Canvas, path_element, svg_document

POSITION_MM, POSITION_SCALE = (190.0, 66.0), 5000
"""Size and scale of the plan of where the building stands in the city."""

MAX_UNITS_LISTED, MAX_KEY_UNITS_LISTED = 12, 4


def position_plan(briefing: BuildingBriefing, content: Details) -> tuple[str, Details]:
    """Return the plan of where the building stands in the city, as SVG, and its data."""
    x, y = shapely.get_coordinates(content["point"])[0].tolist()
    half_x, half_y = (side * POSITION_SCALE / 2000 for side in POSITION_MM)
    box = (x - half_x, y - half_y, x + half_x, y + half_y)
    canvas = Canvas(box, POSITION_SCALE)
    around = find_surroundings(briefing.context, content, box)
    names = street_names(around, canvas)
    labels = [build_label(place, name, 6.5, box=True) for name, place in names.items()]
    wide, high = canvas.size
    return svg_document(canvas.size, list(_draw_position(content, around, canvas))), {
        "position_size": canvas.size,
        "position_scale": POSITION_SCALE,
        "position_labels": [
            label for label in labels if 6 < label["x"] < wide - 6 and 3 < label["y"] < high - 3
        ],
    }


def _draw_position(content: Details, around: Surroundings, canvas: Canvas) -> Iterator[str]:
    """Yield the parts of the position plan: streets, buildings, the building in black, water."""
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    roads = [shapely.buffer(line, width / 2, cap_style="flat") for line, width, _ in around.roads]
    surface = canvas.clip([shapely.union_all(roads)])
    yield path_element(surface, fill="#f2f2f2", stroke="#9a9a9a", width=0.15)
    others = [outline for outline, _ in around.buildings]
    yield path_element(canvas.clip(others), fill=PALE, stroke=SOFT, width=0.1)
    yield path_element(canvas.clip([content["geometry"]]), fill=INK, stroke=INK, width=0.8)
    drives = [item["route"] for item in content["stations"][:1] if item["route"] is not None]
    yield path_element(
        canvas.clip(drives), stroke=INK, width=0.8, extra='stroke-dasharray="4 1 0.9 1"'
    )
    for hydrant in content["hydrants"]:
        x, y = paper_position(hydrant["point"], canvas)
        disc = f'<circle cx="{x}" cy="{y}" r="1.1" fill="#ffffff" stroke="{INK}"'
        yield f'{disc} stroke-width="0.5"/>'
    for intake in content["intakes"]:
        x, y = paper_position(intake["point"], canvas)
        yield f'<rect x="{x - 1.2}" y="{y - 1.2}" width="2.4" height="2.4" fill="{INK}"/>'


def back_tables(content: Details, lang: Language) -> dict[str, Any]:
    """Return the tables of the back beside the items."""
    not_recorded = text("building_sheet.not_recorded", lang=lang)

    def count(value: int | None) -> str:
        return not_recorded if value is None else str(value)

    people = content["people"]
    return {
        "surroundings": [
            [side["title"], _beside_text(side["building"]), _beside_text(side["road"])]
            for side in content["surroundings"]
        ],
        "intakes": [
            f"{item['name'] or item['code']} {item['distance_m']:.0f} m"
            for item in content["intakes"]
        ],
        "people_shown": people is not None,
        "people": [
            [
                unit["unit"] or unit["unit_code"] or "-",
                count(unit["residents"]),
                count(unit["need_help"]),
            ]
            for unit in (people or [])[:MAX_UNITS_LISTED]
        ],
        "key_units": [
            " ".join(part for part in (unit["name"], unit["floor"]) if part)
            for unit in content["key_units"][:MAX_KEY_UNITS_LISTED]
        ],
    }


def _beside_text(thing: Details | None) -> str:
    """Return a building or road beside, with what is known of it and its distance."""
    if thing is None:
        return "-"
    name = thing["name"] or thing.get("address") or thing["code"]
    storeys = thing.get("storeys_above")
    parts = [name, thing.get("use_text"), None if storeys is None else f"{storeys}F"]
    return " ".join([*(part for part in parts if part), f"{thing['distance_m']:.0f} m"])
