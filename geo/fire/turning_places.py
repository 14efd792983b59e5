"""Places where an engine can turn at a dead end: free squares, and T and Y heads."""

from functools import cache

import numpy as np
import shapely

from geo.fire.snapshot import CitySnapshot
from geo.types import Floats, Geometries, Ints

_STEP_M = 3.0
_CLEAR_M = 0.001
"""Ground beside walls, so that no rounding of coordinates decides where an engine turns."""

_ANGLES = (0.0, 45.0)
_ARM_WIDTH_M = 4.0
_SHORTEST_ARM_M = 12.0
_FORKS = (45.0, 60.0)
"""Angles in degrees between the lane's direction and the arms of a Y head."""


def largest_turning_place(
    snapshot: CitySnapshot, end: Floats, lines: Geometries, required_side: float
) -> float:
    """Return how large a place to turn there is at a dead end, up to a required size.

    Parameters
    ----------
    end
        (2,) the end of the lane, metres.
    lines
        The pieces of the lane, the one at its end first.
    required_side
        Side of a square in metres, or length of the arms of a T or Y head.

    Returns
    -------
    float
        Side of the largest free square, or length of the arms of the largest head of at least
        12 m; 0 for none.
    """
    heading = _end_direction(lines[0], end)
    obstacles = _in_frame(obstacles_around(snapshot, end, 2 * required_side), end, heading)
    line = _in_frame(lines[:1], end, heading)
    for side in (required_side, 15.0, 12.0, 10.0, 8.0, 6.0, 4.0):
        if side > required_side:
            continue
        heads, squares = _turning_heads(side), _turning_squares(side)
        if side >= _SHORTEST_ARM_M and _is_any_free(heads, np.arange(len(heads)), obstacles):
            return side
        if _is_any_free(squares, squares.query(line, predicate="intersects")[1], obstacles):
            return side
    return 0.0


def obstacles_around(snapshot: CitySnapshot, end: Floats, radius: float) -> Geometries:
    """Return (k,) what an engine that turns near a place would hit: buildings, open water, fences.

    Parameters
    ----------
    end
        (2,) float64 the place, metres.
    radius
        Metres from the place to each side.
    """
    near = shapely.box(*(end - radius), *(end + radius))
    walls = snapshot.walls[snapshot.wall_tree.query(near)]
    hard = snapshot.barriers[snapshot.barrier_tree.query(near)]
    everything = np.concatenate([walls, hard])
    return everything[shapely.intersects(everything, near)]


def _end_direction(line: shapely.Geometry, end: Floats) -> float:
    """Return the direction of a line at its end, degrees."""
    coords = shapely.get_coordinates(line)
    if np.hypot(*(coords[0] - end)) < np.hypot(*(coords[-1] - end)):
        coords = coords[::-1]
    along = coords[-1] - coords[-2]
    return float(np.degrees(np.arctan2(along[1], along[0])))


def _in_frame(shapes: Geometries, end: Floats, heading: float) -> Geometries:
    """Return shapes as seen from the end of a lane, which is the origin, its heading along x."""
    c, s = np.cos(np.radians(heading)), np.sin(np.radians(heading))
    turned: Geometries = shapely.transform(
        shapes, lambda xy: (xy - end) @ np.array([[c, -s], [s, c]])
    )
    return turned


def _is_any_free(places: shapely.STRtree, rows: Ints, obstacles: Geometries) -> bool:
    """Return whether one of some (k,) rows of places meets none of (n,) obstacles."""
    blocked = places.query(obstacles, predicate="intersects")[1]
    return not np.isin(rows, blocked).all()


@cache
def _turning_squares(side: float) -> shapely.STRtree:
    """Return squares around the origin with a side in metres, in both directions."""
    ahead = np.arange(0.0, side + 0.1, _STEP_M)
    steps = np.concatenate([-ahead[:0:-1], ahead])
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    half = side / 2 + _CLEAR_M
    squares = np.asarray(shapely.box(x - half, y - half, x + half, y + half), dtype=object)
    origin = np.zeros(2)
    return shapely.STRtree(np.concatenate([_in_frame(squares, origin, turn) for turn in _ANGLES]))


@cache
def _turning_heads(arm: float) -> shapely.STRtree:
    """Return T and Y heads at the origin, with arms of a length in metres.

    The arms begin at the edge of the lane and are as wide as it.
    """
    half, length = _ARM_WIDTH_M / 2, arm + _ARM_WIDTH_M / 2
    heads: list[shapely.Geometry] = [
        shapely.box(at - half, -length, at + half, length) for at in (-half, 0.0, half)
    ]
    forward = shapely.box(0.0, -half, length, half)
    for fork in _FORKS:
        arms = [shapely.affinity.rotate(forward, turn, origin=(0, 0)) for turn in (fork, -fork)]
        heads.append(shapely.union_all(arms))
    return shapely.STRtree(heads)
