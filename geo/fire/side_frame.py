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
    """Axes along a side: x along it, y towards the building.

    Parameters
    ----------
    origin
        (2,) float64 coordinates of the start of the side in metres.
    axes
        (2, 2) float64 matrix that turns coordinates into those along the axes.
    length
        Length of the side in metres.
    """

    origin: Floats
    axes: Floats
    length: float

    @classmethod
    def of(cls, side: shapely.LineString) -> "SideFrame":
        """Return the axes along a side of a ring that runs counter-clockwise."""
        (x0, y0), (x1, y1) = shapely.get_coordinates(side)
        length = float(side.length)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        # The building lies to the left: y > 0.
        return cls(np.array([x0, y0]), np.array([[ux, -uy], [uy, ux]]), length)

    def into(self, shapes: Geometries) -> Geometries:
        """Return (n,) shapes in the coordinates along the axes, of (n,) shapes in metres."""
        moved: Geometries = shapely.transform(shapes, lambda xy: (xy - self.origin) @ self.axes)
        return moved

    def back(self, shape: shapely.Geometry) -> Any:
        """Return a shape along the axes in the coordinates of the city."""
        moved: Any = shapely.transform(shape, lambda xy: xy @ self.axes.T + self.origin)
        return moved
