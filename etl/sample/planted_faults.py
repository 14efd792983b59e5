"""Faults planted in an office's park, where there is room, each with the answer that is right.

They stand far enough from everything else, and from each other, to break no other rule: an overlay
that works finds these answers there, and nothing else.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

PLOT_SPACING_M = 15.0
"""Between two plots: more than the largest separation distance (14 m)."""

MARGIN_M = 8.0
"""From the park's border: walls across a street are farther than 14 m then."""

Point = tuple[float, float]


@dataclass
class Faults:
    """What is planted.

    Attributes
    ----------
    buildings
        Rows with a ``tag``, by which answers name them.
    lanes
        Rows that lead from inside the park beyond its border, to the street there.
    answers
        Rows of kind, rule, tag of what breaks it, tag of the other of a pair, what is to be
        measured and what is required; None where there is nothing to measure.
    """

    buildings: list[dict[str, Any]] = field(default_factory=list)
    lanes: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def house(self, tag: str, x: float, y: float, wide: float, deep: float, **more: Any) -> None:
        """Add a house by its south-west corner."""
        self.stand(tag, shapely.box(x, y, x + wide, y + deep), **more)

    def stand(self, tag: str, footprint: BaseGeometry, **more: Any) -> None:
        """Add a building."""
        usual = {"storeys_above": 3, "fire_class": 2, "structure": "reinforced_concrete"}
        self.buildings.append({"tag": tag, "geom": footprint} | usual | more)

    def lane(self, tag: str, *points: Point, **more: Any) -> None:
        """Add a lane."""
        usual = {"road_class": "internal", "width_m": 5.0}
        self.lanes.append({"tag": tag, "geom": shapely.LineString(points)} | usual | more)

    def answer(
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
    """Return faults in a park.

    Parameters
    ----------
    land
        The park, metres.
    angle
        By how much its southern side is turned, degrees.
    standing
        Its two buildings; the faults leave a strip free to the south and to the north of them.
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
    _beside(faults, free, (west, east), south + inwards, _SOUTH)
    _beside(faults, free, (west, east), north - _NORTH_HIGH_M - inwards, _NORTH)
    for thing in (*faults.buildings, *faults.lanes):
        thing["geom"] = shapely.affinity.rotate(thing["geom"], angle, origin=pivot)
    return faults


def _beside(
    faults: Faults,
    free: BaseGeometry,
    span: tuple[float, float],
    heights: np.ndarray,
    plots: tuple[Any, ...],
) -> None:
    """Plant plots side by side from the west, each at the first of some heights with room."""
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


def _tower(faults: Faults, x: float, y: float) -> None:
    """A tower of 60 m with houses on all sides where a ladder engine should stand."""
    gap, thin, wide, deep = 9.3, 7.0, 24.0, 14.0  # 9 m from a high-rise is enough for the table
    x, y = x + thin + gap, y + thin + gap
    faults.house("tower", x, y, wide, deep, storeys_above=20, fire_class=1)
    faults.house("tower-s", x, y - gap - thin, wide, thin)
    faults.house("tower-n", x, y + deep + gap, wide, thin)
    faults.house("tower-w", x - gap - thin, y, thin, deep)
    faults.house("tower-e", x + wide + gap, y, thin, deep)
    faults.answer("hemmed_tower", "ladder_area_tall", "tower", 0.0, wide)


def _blind_lane(faults: Faults, x: float, y: float) -> None:
    """A lane that ends between two long houses: an engine can't turn."""
    faults.house("blind-w", x, y, 6.0, 30.0)
    faults.house("blind-e", x + 14.0, y, 6.0, 30.0)
    faults.lane("blind", (x + 10.0, y + 22.0), (x + 10.0, y - 100.0))
    faults.answer("blind_lane", "lane_turning", "blind", 6.0, 12.0)


def _courtyard(faults: Faults, x: float, y: float) -> None:
    """A hut in a yard that walls close on all sides."""
    whole, yard = shapely.box(x, y, x + 24, y + 24), shapely.box(x + 3, y + 3, x + 21, y + 21)
    faults.stand("yard", shapely.difference(whole, yard))
    faults.house("hut", x + 10.0, y + 10.0, 4.0, 4.0, storeys_above=1)
    faults.answer("courtyard", "engine_reach", "hut", None, 80.0)
    faults.answer("courtyard", "response_time", "hut", None, 300.0)


def _close_walls(faults: Faults, x: float, y: float) -> None:
    """Two houses of class 2 and 4, 5 m apart."""
    faults.house("close-a", x, y, 10.0, 10.0)
    faults.house("close-b", x + 15.0, y, 10.0, 10.0, fire_class=4, structure="brick_wood")
    faults.answer("close_walls", "separation_2_4", "close-a", 5.0, 9.0, other="close-b")


def _adjoining(faults: Faults, x: float, y: float) -> None:
    """Two houses of class 2, wall to wall."""
    faults.house("joined-a", x, y, 10.0, 10.0)
    faults.house("joined-b", x + 10.0, y, 10.0, 10.0)
    faults.answer("adjoining_walls", "separation_adjoining", "joined-a", 0.0, 6.0, other="joined-b")


def _no_class(faults: Faults, x: float, y: float) -> None:
    """A house without a class, 7 m from another: enough for class 2, not for every class."""
    faults.house("known", x, y, 10.0, 10.0)
    faults.house("unknown", x + 17.0, y, 10.0, 10.0, fire_class=None)
    faults.answer("unknown_class", "separation_4_4", "unknown", 7.0, None, other="known")


def _steep_lane(faults: Faults, x: float, y: float) -> None:
    """A lane that climbs 10 %, with room to turn at its end."""
    faults.lane("steep", (x + 7.0, y - 2.0), (x + 7.0, y + 100.0), slope_percent=10.0)
    faults.answer("steep_lane", "lane_slope", "steep", 10.0, 8.0)


_SOUTH = ((56.6, 46.6, _tower), (20.0, 30.0, _blind_lane), (24.0, 24.0, _courtyard))
_NORTH_HIGH_M = 12.0
_NORTH = (
    (25.0, _NORTH_HIGH_M, _close_walls),
    (20.0, _NORTH_HIGH_M, _adjoining),
    (27.0, _NORTH_HIGH_M, _no_class),
    (14.0, _NORTH_HIGH_M, _steep_lane),
)
"""Plots of the two strips: how wide, how deep, and what stands there."""


def obstruct_lanes(lanes: list[dict[str, Any]], random: np.random.Generator) -> None:
    """Make a few of a city's own lanes too narrow or too low for an engine."""
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


def build_answer(
    kind: str, rule: str, measured: float | None = None, required: float | None = None
) -> dict[str, Any]:
    """Return a right answer: the rule that is broken, what is to be measured, what is required."""
    return {"kind": kind, "rule": rule, "measured": measured, "required": required}
