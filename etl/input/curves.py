"""Arcs in well-known binary as lines, which deviate from them by at most a centimetre.

GDAL turns arcs into lines by steps of 4 degrees, whatever their radius; shapely reads none.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from geo.types import Floats

TOLERANCE_M = 0.01
_METRES_PER_DEGREE = 111_320.0
_MAX_DEGREES = 360.0
"""Coordinates up to this are taken for degrees."""
_MAX_SEGMENTS = 10_000  # of one arc
_MAX_DEPTH = 8

_POINT, _LINE, _POLYGON, _CIRCULAR, _COMPOUND, _CURVE_POLYGON, _TRIANGLE = 1, 2, 3, 8, 9, 10, 17
_COLLECTIONS: dict[int, Any] = {
    4: shapely.multipoints,
    **dict.fromkeys((5, 11), shapely.multilinestrings),
    **dict.fromkeys((6, 12, 15, 16), shapely.multipolygons),
    7: shapely.geometrycollections,
}
"""Constructors by type code: multi-part geometries, of arcs too, and collections."""


def linearize(wkb: bytes) -> shapely.Geometry | None:
    """Return a geometry without heights, with lines for its arcs; None if it is malformed."""
    try:
        return _Reader(wkb).read_geometry()
    except (struct.error, ValueError, LookupError, shapely.errors.GEOSException):
        return None


@dataclass
class _Reader:
    """A position in well-known binary (ISO 19125 and its extension by PostGIS)."""

    wkb: bytes
    position: int = 0

    def read_geometry(self, depth: int = 0) -> shapely.Geometry:
        order, kind, dimensions = self._read_header()
        if depth > _MAX_DEPTH:
            raise ValueError(depth)
        if kind == _POINT:
            return shapely.Point(self._read_corners(order, 1, dimensions)[0])
        if kind in (_POLYGON, _TRIANGLE):
            rings = [self._read_line(order, dimensions) for _ in range(self._read_count(order))]
            return _polygon(rings)
        if kind == _CURVE_POLYGON:
            return _polygon([self._read_curve(depth + 1) for _ in range(self._read_count(order))])
        if kind in (_LINE, _CIRCULAR, _COMPOUND):
            return shapely.LineString(self._read_curve_body(order, kind, dimensions, depth))
        build = _COLLECTIONS[kind]
        parts = [self.read_geometry(depth + 1) for _ in range(self._read_count(order))]
        geometry: shapely.Geometry = build(parts)
        return geometry

    def _read_curve(self, depth: int) -> Floats:
        """Return the corners of a line, an arc, or a chain of both."""
        return self._read_curve_body(*self._read_header(), depth)

    def _read_curve_body(self, order: str, kind: int, dimensions: int, depth: int) -> Floats:
        if kind == _COMPOUND:
            if depth > _MAX_DEPTH:
                raise ValueError(depth)
            pieces = [self._read_curve(depth + 1) for _ in range(self._read_count(order))]
            return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])
        corners = self._read_line(order, dimensions)
        return _stroke(corners) if kind == _CIRCULAR else corners

    def _read_header(self) -> tuple[str, int, int]:
        """Return the byte order, the type code and the number of dimensions of a geometry."""
        order = "<" if self.wkb[self.position] else ">"
        (code,) = struct.unpack_from(f"{order}I", self.wkb, self.position + 1)
        self.position += 9 if code & 0x20000000 else 5
        flags = bool(code & 0x80000000) + bool(code & 0x40000000)
        thousands, kind = divmod(code & 0x0FFFFFFF, 1000)
        return order, kind, 2 + flags + (0, 1, 1, 2)[thousands]

    def _read_count(self, order: str) -> int:
        (count,) = struct.unpack_from(f"{order}I", self.wkb, self.position)
        self.position += 4
        return int(count)

    def _read_line(self, order: str, dimensions: int) -> Floats:
        return self._read_corners(order, self._read_count(order), dimensions)

    def _read_corners(self, order: str, count: int, dimensions: int) -> Floats:
        corners = np.frombuffer(self.wkb, f"{order}f8", count * dimensions, self.position)
        self.position += 8 * count * dimensions
        return corners.reshape(-1, dimensions)[:, :2].astype(np.float64)


def _polygon(rings: list[Floats]) -> shapely.Geometry:
    if not rings:
        return shapely.Polygon()
    return shapely.Polygon(rings[0], rings[1:])


def _stroke(corners: Floats) -> Floats:
    """Return the corners of a line along arcs, each given by its start, a point on it, its end."""
    if len(corners) < 3:
        return corners
    arcs = [_stroke_arc(*corners[start : start + 3]) for start in range(0, len(corners) - 2, 2)]
    return np.concatenate([corners[:1], *arcs])


def _stroke_arc(start: Floats, middle: Floats, end: Floats) -> Floats:
    """Return the corners along an arc after its start."""
    centre = (start + middle) / 2 if np.array_equal(start, end) else _centre(start, middle, end)
    if centre is None:
        return np.stack([middle, end])
    radius = float(np.hypot(*(start - centre)))
    first, between, last = (float(np.arctan2(*(p - centre)[::-1])) for p in (start, middle, end))
    sweep = (last - first) % (2 * np.pi) or 2 * np.pi
    if (between - first) % (2 * np.pi) > sweep:
        sweep -= 2 * np.pi
    is_degrees = np.abs([start, middle, end]).max() <= _MAX_DEGREES
    tolerance = TOLERANCE_M / (_METRES_PER_DEGREE if is_degrees else 1.0)
    step = 2 * np.arccos(max(1 - tolerance / radius, 0.0)) if radius > 0 else np.pi
    count = int(min(max(np.ceil(abs(sweep) / max(step, 1e-12)), 2), _MAX_SEGMENTS))
    angles = first + sweep * np.arange(1, count + 1) / count
    corners = centre + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    corners[-1] = end
    return corners


def _centre(start: Floats, middle: Floats, end: Floats) -> Floats | None:
    """Return the centre of the circle through three points, None if they lie on a line."""
    (bx, by), (cx, cy) = middle - start, end - start
    cross = 2 * (bx * cy - by * cx)
    if abs(cross) <= 1e-12 * (bx * bx + by * by + cx * cx + cy * cy):
        return None
    b, c = bx * bx + by * by, cx * cx + cy * cy
    centre: Floats = start + np.array([cy * b - by * c, bx * c - cx * b]) / cross
    return centre
