"""Places where an engine can turn at a dead end: free squares, and T and Y heads."""

from functools import cache

import numpy as np
import shapely

from geo.fire.snapshot import CitySnapshot
from geo.types import Floats, Geometries

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
    obstacles = obstacles_around(snapshot, end, 2 * required_side)
    line = lines[0]
    angle = _heading(line, end)
    for side in (required_side, 15.0, 12.0, 10.0, 8.0, 6.0, 4.0):
        if side > required_side:
            continue
        has_head = side >= _SHORTEST_ARM_M and _has_head(obstacles, end, angle, side)
        if has_head or _fits(obstacles, end, line, angle, side):
            return side
    return 0.0


def obstacles_around(snapshot: CitySnapshot, end: Floats, radius: float) -> Geometries:
    """Return what an engine that turns near a place would hit: buildings, open water, fences.

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


def _heading(line: shapely.Geometry, end: Floats) -> float:
    """Return the direction of a line at its end, degrees."""
    coords = shapely.get_coordinates(line)
    if np.hypot(*(coords[0] - end)) < np.hypot(*(coords[-1] - end)):
        coords = coords[::-1]
    along = coords[-1] - coords[-2]
    return float(np.degrees(np.arctan2(along[1], along[0])))


def _fits(
    obstacles: Geometries, end: Floats, line: shapely.Geometry, angle: float, side: float
) -> bool:
    """Return whether a free square with a side in metres touches the end of a lane."""
    placed = _rotate_and_move(_squares(side), angle, end)
    return _is_any_free(placed[shapely.intersects(placed, line)], obstacles)


def _has_head(obstacles: Geometries, end: Floats, angle: float, arm: float) -> bool:
    """Return whether there is free ground for a T or Y head with arms of a length in metres."""
    return _is_any_free(_rotate_and_move(_heads(arm), angle, end), obstacles)


def _is_any_free(places: Geometries, obstacles: Geometries) -> bool:
    """Return whether one of some (k,) places meets none of (n,) obstacles."""
    blocked = shapely.intersects(places[:, None], obstacles[None, :]).any(axis=1)
    return not blocked.all()


@cache
def _squares(side: float) -> Geometries:
    """Return (k,) squares around the origin with a side in metres, in both directions."""
    ahead = np.arange(0.0, side + 0.1, _STEP_M)
    steps = np.concatenate([-ahead[:0:-1], ahead])
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    half = side / 2 + _CLEAR_M
    squares = np.asarray(shapely.box(x - half, y - half, x + half, y + half), dtype=object)
    return np.concatenate([_rotate_and_move(squares, turn, np.zeros(2)) for turn in _ANGLES])


@cache
def _heads(arm: float) -> Geometries:
    """Return (k,) T and Y heads at the origin, with arms of a length in metres.

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
    return np.array(heads, dtype=object)


def _rotate_and_move(shapes: Geometries, degrees: float, origin: Floats) -> Geometries:
    """Return shapes rotated around the origin and moved to a place."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, s], [-s, c]])
    turned: Geometries = shapely.transform(shapes, lambda xy: xy @ turn + origin)
    return turned
