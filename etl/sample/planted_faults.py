"""Faults against the fire rules that are planted in the park of each office, with right answers.

They are far enough from everything else, and from each other, to break no other rule: correct fire
overlays find these answers there, and nothing else.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

PLOT_SPACING_M = 15.0
"""Distance between two plots, more than the largest separation distance (14 m)."""

MARGIN_M = 8.0
"""Distance from the border of the park, so that walls across a street are over 14 m away."""

Point = tuple[float, float]


@dataclass
class Faults:
    """Planted faults.

    Attributes
    ----------
    buildings
        Rows with a ``tag``, to which answers refer.
    lanes
        Rows of lanes from the park to a street outside.
    answers
        Rows of kind, rule, tag of the feature that breaks it, tag of the other feature of a pair,
        measured and required figure (None where there is nothing to measure).
    """

    buildings: list[dict[str, Any]] = field(default_factory=list)
    lanes: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def add_house(
        self, tag: str, x: float, y: float, wide: float, deep: float, **more: Any
    ) -> None:
        """Add a house by its south-west corner."""
        self.add_building(tag, shapely.box(x, y, x + wide, y + deep), **more)

    def add_building(self, tag: str, footprint: BaseGeometry, **more: Any) -> None:
        """Add a building."""
        usual = {"storeys_above": 3, "fire_class": 2, "structure": "reinforced_concrete"}
        self.buildings.append({"tag": tag, "geom": footprint} | usual | more)

    def add_lane(self, tag: str, *points: Point, **more: Any) -> None:
        """Add a lane."""
        usual = {"road_class": "internal", "width_m": 5.0}
        self.lanes.append({"tag": tag, "geom": shapely.LineString(points)} | usual | more)

    def add_answer(
        self,
        kind: str,
        rule: str,
        tag: str,
        measured: float | None = None,
        required: float | None = None,
        other: str = "",
    ) -> None:
        """Add the right answer about a building or a lane."""
        right = build_answer(kind, rule, measured, required)
        self.answers.append(right | {"tag": tag, "other": other})


def plant_faults(land: BaseGeometry, angle: float, standing: list[BaseGeometry]) -> Faults:
    """Plant faults in a park.

    Parameters
    ----------
    land
        The park, in metres.
    angle
        Rotation of its southern side, in degrees.
    standing
        Its two buildings; faults are planted in the strips to the south and north of them.
    """
    pivot = land.centroid
    turned = shapely.affinity.rotate(land, -angle, origin=pivot)
    built = shapely.affinity.rotate(shapely.union_all(standing), -angle, origin=pivot)
    free = shapely.difference(
        shapely.buffer(turned, -MARGIN_M, join_style="mitre"), shapely.buffer(built, PLOT_SPACING_M)
    )
    west, south, east, north = free.bounds
    faults = Faults()
    inwards = np.arange(0.0, 25.0, _STEP_M)
    _place_plots(faults, free, (west, east), south + inwards, _SOUTH)
    _place_plots(faults, free, (west, east), north - _NORTH_HIGH_M - inwards, _NORTH)
    for thing in (*faults.buildings, *faults.lanes):
        thing["geom"] = shapely.affinity.rotate(thing["geom"], angle, origin=pivot)
    return faults


def _place_plots(
    faults: Faults,
    free: BaseGeometry,
    span: tuple[float, float],
    heights: np.ndarray,
    plots: tuple[Any, ...],
) -> None:
    """Place plots side by side from the west, each at the first of some heights with room."""
    x, east = span
    for wide, high, make in plots:
        for at in np.arange(x, east - wide, _STEP_M):
            plot = shapely.box(at, heights, at + wide, heights + high)
            room = heights[shapely.within(plot, free)]
            if len(room):
                make(faults, float(at), float(room[0]))
                x = float(at) + wide + PLOT_SPACING_M
                break


_STEP_M = 2.0


def _add_tower(faults: Faults, x: float, y: float) -> None:
    """Add a tower of 60 m with houses on all sides where a ladder truck should stand."""
    gap, thin, wide, deep = 9.3, 7.0, 24.0, 14.0  # 9 m from a high-rise is enough for the table
    x, y = x + thin + gap, y + thin + gap
    faults.add_house("tower", x, y, wide, deep, storeys_above=20, fire_class=1)
    faults.add_house("tower-s", x, y - gap - thin, wide, thin)
    faults.add_house("tower-n", x, y + deep + gap, wide, thin)
    faults.add_house("tower-w", x - gap - thin, y, thin, deep)
    faults.add_house("tower-e", x + wide + gap, y, thin, deep)
    faults.add_answer("hemmed_tower", "ladder_area_tall", "tower", 0.0, wide)
    # Where no truck can stand no lane runs either; the park's buildings are for public use.
    faults.add_answer("hemmed_tower", "lane_along_two", "tower", 0.0, 90.0)


def _add_blind_lane(faults: Faults, x: float, y: float) -> None:
    """Add a lane that ends between two long houses, where an engine can't turn."""
    faults.add_house("blind-w", x, y, 6.0, 30.0)
    faults.add_house("blind-e", x + 14.0, y, 6.0, 30.0)
    faults.add_lane("blind", (x + 10.0, y + 22.0), (x + 10.0, y - 100.0))
    faults.add_answer("blind_lane", "lane_turning", "blind", 6.0, 12.0)


def _add_courtyard(faults: Faults, x: float, y: float) -> None:
    """Add a hut in a courtyard without an entrance."""
    whole, yard = shapely.box(x, y, x + 24, y + 24), shapely.box(x + 3, y + 3, x + 21, y + 21)
    faults.add_building("yard", shapely.difference(whole, yard))
    faults.add_house("hut", x + 10.0, y + 10.0, 4.0, 4.0, storeys_above=1)
    faults.add_answer("courtyard", "engine_reach", "hut", None, 80.0)
    faults.add_answer("courtyard", "response_time", "hut", None, 300.0)


def _add_close_walls(faults: Faults, x: float, y: float) -> None:
    """Add two houses of fire class 2 and 4, 5 m apart."""
    faults.add_house("close-a", x, y, 10.0, 10.0)
    faults.add_house("close-b", x + 15.0, y, 10.0, 10.0, fire_class=4, structure="brick_wood")
    faults.add_answer("close_walls", "separation_2_4", "close-a", 5.0, 9.0, other="close-b")


def _add_adjoining(faults: Faults, x: float, y: float) -> None:
    """Add two adjoining houses of fire class 2."""
    faults.add_house("joined-a", x, y, 10.0, 10.0)
    faults.add_house("joined-b", x + 10.0, y, 10.0, 10.0)
    faults.add_answer(
        "adjoining_walls", "separation_adjoining", "joined-a", 0.0, 6.0, other="joined-b"
    )


def _add_no_class(faults: Faults, x: float, y: float) -> None:
    """Add a house of unknown class, 7 m from another: enough for class 2, not for every class."""
    faults.add_house("known", x, y, 10.0, 10.0)
    faults.add_house("unknown", x + 17.0, y, 10.0, 10.0, fire_class=None)
    faults.add_answer("unknown_class", "separation_4_4", "unknown", 7.0, None, other="known")


def _add_steep_lane(faults: Faults, x: float, y: float) -> None:
    """Add a lane with a slope of 10 % and room to turn at its end."""
    faults.add_lane("steep", (x + 7.0, y - 2.0), (x + 7.0, y + 100.0), slope_percent=10.0)
    faults.add_answer("steep_lane", "lane_slope", "steep", 10.0, 8.0)


_SOUTH = ((56.6, 46.6, _add_tower), (20.0, 30.0, _add_blind_lane), (24.0, 24.0, _add_courtyard))
_NORTH_HIGH_M = 12.0
_NORTH = (
    (25.0, _NORTH_HIGH_M, _add_close_walls),
    (20.0, _NORTH_HIGH_M, _add_adjoining),
    (27.0, _NORTH_HIGH_M, _add_no_class),
    (14.0, _NORTH_HIGH_M, _add_steep_lane),
)
"""Plots of the two strips: width and depth in metres, and the function that builds them."""


def obstruct_lanes(lanes: list[dict[str, Any]], random: np.random.Generator) -> None:
    """Make a few lanes of the city too narrow or too low for an engine."""
    chosen = random.choice(len(lanes), size=min(5, len(lanes)), replace=False)
    for number, index in enumerate(chosen):
        lane = lanes[int(index)]
        if number < _NARROW:
            lane["width_m"] = 3.0
            lane["planted"] = [build_answer("narrow_lane", "lane_width", 3.0, 4.0)]
        else:
            lane["clear_height_m"] = 3.2
            lane["planted"] = [build_answer("low_arch", "lane_height", 3.2, 4.0)]


_NARROW = 3


def leave_gap(lanes: list[dict[str, Any]], streets: list[tuple[BaseGeometry, float]]) -> None:
    """Let the lane of one compound stop short of the street that it leads to.

    Parameters
    ----------
    streets
        Centreline and width in metres of each street.
    """
    around = shapely.union_all(
        [shapely.buffer(line, width / 2 + _GAP_M, quad_segs=64) for line, width in streets]
    )
    for lane in reversed(lanes):
        cut = shapely.difference(lane["geom"], around)
        is_shorter = 20.0 < cut.length < lane["geom"].length - _GAP_M
        if "planted" not in lane and cut.geom_type == "LineString" and is_shorter:
            lane["geom"] = cut
            lane["planted"] = [build_answer("road_gap", "road_join", _GAP_M, 3.0)]
            return


_GAP_M = 2.0


def build_answer(
    kind: str, rule: str, measured: float | None = None, required: float | None = None
) -> dict[str, Any]:
    """Return a right answer: the broken rule, and the measured and the required figure."""
    return {"kind": kind, "rule": rule, "measured": measured, "required": required}
