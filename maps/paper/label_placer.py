"""Labels of a map sheet, placed so that none overlap and none cross its edge."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

MM_PER_PT = 25.4 / 72
CJK_EM, LATIN_EM, LINE_EM = 1.0, 0.58, 1.0
"""Width of a Chinese and a Latin character and height of a line, in em."""

LAST_NARROW_CODE_POINT = 0x2E7F
"""Characters after it are Chinese."""

DISC_RADIUS_MM = 3.5
"""Radius of the disc behind the number of a grid."""

SYMBOL_SIDE_MM = 1.7
"""Side of the symbol of a facility."""

SIZES_PT = {"grid": 12.0, "households": 7.0, "neighbour": 9.0, "facility": 5.5}


@dataclass(frozen=True)
class Label:
    """A label: text, centre in millimetres, size in points, angle in degrees, kind of feature.

    ``upright`` text is written vertically, character below character; ``below`` is a second line.
    """

    kind: str
    words: str
    x: float
    y: float
    size: float
    angle: float = 0.0
    upright: bool = False
    below: str = ""


@dataclass
class LabelPlacer:
    """The labels placed on a map of ``size`` millimetres, and the codes of those without room."""

    size: tuple[float, float]
    placed: list[Label] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _taken: list[shapely.Geometry] = field(default_factory=list)
    _avoided: shapely.STRtree = field(default_factory=lambda: shapely.STRtree([]))

    def place(self, candidates: Iterable[Label]) -> bool:
        """Place the first candidate that is free; return whether one was placed.

        Candidates that also keep off the shapes given to :meth:`avoid` come first.
        """
        fallback: tuple[Label, shapely.Geometry] | None = None
        for label in candidates:
            extent = label_extent(label)
            if self._is_free(extent):
                if len(self._avoided.query(extent, predicate="intersects")) == 0:
                    return self._add(label, extent)
                fallback = fallback or (label, extent)
        return self._add(*fallback) if fallback else False

    def has_room(self, label: Label) -> bool:
        """Return whether a label would be inside the map and overlap no other."""
        return self._is_free(label_extent(label))

    def avoid(self, shapes: Any) -> None:
        """Keep later labels off shapes if they have another free candidate."""
        self._avoided = shapely.STRtree(np.asarray(shapes, dtype=object))

    def _add(self, label: Label, extent: shapely.Geometry) -> bool:
        self._taken.append(extent)
        self.placed.append(label)
        return True

    def _is_free(self, extent: shapely.Geometry) -> bool:
        width, height = self.size
        left, top, right, bottom = shapely.bounds(extent).tolist()
        if min(left, top) < 0.5 or right > width - 0.5 or bottom > height - 0.5:
            return False
        return not self._taken or not shapely.intersects(extent, np.array(self._taken)).any()


def label_extent(label: Label) -> shapely.Geometry:
    """Return the rectangle that a label covers on the map, in millimetres."""
    if label.kind == "grid":
        wide, high = DISC_RADIUS_MM, DISC_RADIUS_MM
        low = high
        if label.below:
            wide = max(wide, text_width_mm(label.below, SIZES_PT["households"]) / 2)
            low = high + SIZES_PT["households"] * MM_PER_PT * 1.25
        return shapely.box(label.x - wide, label.y - high, label.x + wide, label.y + low)
    if label.kind == "dot":
        half = SYMBOL_SIDE_MM / 2
        return shapely.box(label.x - half, label.y - half, label.x + half, label.y + half)
    along = text_width_mm(label.words, label.size) / 2
    across = label.size * MM_PER_PT * LINE_EM / 2
    if label.upright:
        along, across = across, label.size * MM_PER_PT * 1.08 * len(label.words) / 2
    room = shapely.box(-along - 0.25, -across, along + 0.25, across)
    turn = np.radians(label.angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return shapely.transform(room, lambda xy: xy @ rotation + (label.x, label.y))


def is_wide(char: str) -> bool:
    """Return whether a character is as wide as a Chinese one."""
    return ord(char) > LAST_NARROW_CODE_POINT


def text_width_mm(words: str, size: float) -> float:
    """Return the width in millimetres of a text with a size in points."""
    ems = sum(CJK_EM if is_wide(char) else LATIN_EM for char in words)
    return ems * size * MM_PER_PT
