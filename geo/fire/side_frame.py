"""Axes along a side of a building, in which rectangles beside it are axis-parallel boxes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from geo.types import Floats, Geometries

LONG_SIDE_SHARE = 0.8
"""Share of the longest side from which another one counts as a long side too."""


@dataclass(frozen=True)
class SideFrame:
    """Axes along a side: x along it, y towards the building."""

    origin: Floats
    axes: Floats
    length: float

    @classmethod
    def of(cls, side: shapely.LineString) -> "SideFrame":
        (x0, y0), (x1, y1) = shapely.get_coordinates(side)
        length = float(side.length)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        # The ring runs counter-clockwise, so the building lies to the left: y > 0.
        return cls(np.array([x0, y0]), np.array([[ux, -uy], [uy, ux]]), length)

    def into(self, shapes: Geometries) -> Geometries:
        moved: Geometries = shapely.transform(shapes, lambda xy: (xy - self.origin) @ self.axes)
        return moved

    def back(self, shape: shapely.Geometry) -> Any:
        moved: Any = shapely.transform(shape, lambda xy: xy @ self.axes.T + self.origin)
        return moved
