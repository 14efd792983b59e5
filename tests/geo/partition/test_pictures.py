"""Drawings known to be optimal; people check their pictures in ``pictures/``.

A picture holds the grid of every building. After a change that is meant to change a drawing, run
with ``GRIDATLAS_PICTURES=new``, check the pictures, and commit them.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import shapely

from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, draw
from tests.geo.partition.places import community, house, rows_of_houses

PICTURES = Path(__file__).parent / "pictures"
COLOURS = ("#8dd3c7", "#fdb462", "#bebada", "#fb8072", "#b3de69", "#80b1d3")


def street(*xy: tuple[float, float], kind: str = "local") -> dict[str, object]:
    return {"geom": shapely.LineString(xy), "road_class": kind}


def quarter_by_the_arterial() -> Community:
    """Return a walled quarter north of an arterial, rows of houses south of it."""
    walls = shapely.box(10, 140, 150, 260)
    random = np.random.default_rng(4)
    rows = rows_of_houses(12, 11, 0)
    rows = [
        row for row in rows if not row["geom"].buffer(2).intersects(shapely.box(0, 118, 300, 134))
    ]
    for row in rows:
        inside = row["geom"].within(walls)
        row |= {
            "households": int(random.integers(8, 15)),
            "compound_code": "c1" if inside else None,
        }
    return community(
        shapely.box(0, 0, 300, 275),
        rows,
        compounds=[{"code": "c1", "gated": True, "geom": walls}],
        roads=[
            street((0, 126), (300, 126), kind="arterial"),
            street((155, 126), (155, 275)),
            street((130, 0), (130, 126), kind="alley"),
        ],
    )


def island_with_a_bridge() -> Community:
    """Return two banks of a river; few live on the southern one, a bridge joins it."""
    river = shapely.box(0, 100, 300, 120)
    north = [row for row in rows_of_houses(12, 10, 9) if row["geom"].bounds[1] > 122]
    south = [{"geom": house(x, 60), "households": 12} for x in range(20, 280, 40)]
    return community(
        shapely.box(0, 40, 300, 250),
        north + south,
        roads=[street((206, 30), (206, 260)), street((0, 175), (300, 175))],
        waters=[{"geom": river, "kind": "river"}],
    )


def tower_among_houses() -> Community:
    """Return a tower of 900 households in three stairwells, with houses around it."""
    tower = {"code": "tower", "geom": shapely.box(50, 100, 170, 118), "households": 900}
    rows = [
        row
        for row in rows_of_houses(9, 9, 6)
        if not row["geom"].buffer(3).intersects(tower["geom"])
    ]
    units = [
        {
            "code": f"u{n}",
            "building_code": "tower",
            "households": 300,
            "geom": shapely.Point(x, 109),
        }
        for n, x in enumerate((70, 110, 150))
    ]
    return community(shapely.box(0, 0, 225, 225), [tower, *rows], units=units)


PLACES = {
    place.__name__: place
    for place in (quarter_by_the_arterial, island_with_a_bridge, tower_among_houses)
}


def assignment(drawing: Drawing) -> dict[str, str]:
    housed = drawing.members.dropna(subset=["building_code"])
    code = housed["unit_code"].where(housed["unit_code"].notna(), housed["building_code"])
    return dict(sorted(zip(code, housed["grid"].str[-3:], strict=True)))


def path(shape: shapely.Geometry, top: float) -> str:
    rings = [ring for part in shapely.get_parts(shape) for ring in (part.exterior, *part.interiors)]
    return " ".join(
        "M" + "L".join(f"{x:.1f},{top - y:.1f}" for x, y in ring.coords[:-1]) + "Z"
        for ring in rings
    )


def picture(place: Community, drawing: Drawing) -> str:
    """Return an SVG of the grids, the roads and the buildings."""
    west, south, east, north = place.polygon.bounds
    grid_of = assignment(drawing)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{west:g} 0 {east - west:g} '
        f'{north - south:g}" fill-rule="evenodd" stroke="#333" stroke-width="0.5">'
    ]
    for number, (code, shape) in enumerate(
        zip(drawing.grids["code"], drawing.grids["geom"], strict=True)
    ):
        fill = COLOURS[number % len(COLOURS)]
        lines.append(f'<path id="{code[-3:]}" fill="{fill}" d="{path(shape, north)}"/>')
    for road in place.roads.geometry:
        points = " ".join(f"{x:.1f},{north - y:.1f}" for x, y in road.coords)
        lines.append(f'<polyline fill="none" stroke="#fff" stroke-width="2" points="{points}"/>')
    for code, shape in zip(place.buildings["code"], place.buildings["geom"], strict=True):
        lines.append(f'<path id="{code}" fill="#999" d="{path(shape, north)}"/>')
    told = " ".join(f"{code}={grid}" for code, grid in grid_of.items())
    return "\n".join([*lines, f"<desc>{told}</desc>", "</svg>"]) + "\n"


@pytest.mark.parametrize("name", PLACES)
def test_drawing_is_the_one_in_the_picture(name):
    place = PLACES[name]()
    drawing = draw(place, Constraints())
    file = PICTURES / f"{name}.svg"
    if os.environ.get("GRIDATLAS_PICTURES") == "new":
        file.write_text(picture(place, drawing), encoding="utf-8")
    told = re.search("<desc>(.*)</desc>", file.read_text(encoding="utf-8"))
    assert told is not None
    assert assignment(drawing) == dict(one.split("=") for one in told[1].split())
