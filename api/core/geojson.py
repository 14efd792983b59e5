"""JSON of results that hold shapely geometry in metres, as GeoJSON in degrees."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import shapely

DIGITS = 7
"""Decimal places of degrees: a centimetre."""

ToDegrees = Callable[[Any], Any]


def encode(value: Any, to_degrees: ToDegrees) -> bytes:
    """Return a value as JSON.

    Geometry under any key becomes GeoJSON; a point under ``point`` becomes ``lon`` and ``lat`` in
    its place.

    Parameters
    ----------
    value
        Nested dictionaries and lists.
    to_degrees
        Returns an object array of geometries, shape (n,) in metres, in longitude and latitude; it
        is called once with all of them.
    """
    shapes: list[shapely.Geometry] = []
    _collect_geometries(value, shapes)
    encoded = iter(_encode_geometries(to_degrees(np.array(shapes, dtype=object))) if shapes else ())
    return orjson.dumps(_replace_geometries(value, encoded), option=orjson.OPT_SERIALIZE_NUMPY)


def _encode_geometries(shapes: Any) -> list[tuple[Any, str]]:
    """Return each geometry rounded, and its GeoJSON."""
    rounded = shapely.transform(shapes, lambda xy: np.round(xy, DIGITS))
    rounded = shapely.orient_polygons(rounded, exterior_cw=False)
    return list(zip(rounded, shapely.to_geojson(rounded), strict=True))


def _collect_geometries(value: Any, shapes: list[shapely.Geometry]) -> None:
    if isinstance(value, shapely.Geometry):
        shapes.append(value)
    elif isinstance(value, dict):
        for part in value.values():
            _collect_geometries(part, shapes)
    elif isinstance(value, list | tuple):
        for part in value:
            _collect_geometries(part, shapes)


def _replace_geometries(value: Any, encoded: Iterator[tuple[Any, str]]) -> Any:
    if isinstance(value, shapely.Geometry):
        return orjson.Fragment(next(encoded)[1])
    if isinstance(value, dict):
        replaced: dict[str, Any] = {}
        for key, part in value.items():
            if key == "point" and isinstance(part, shapely.Point):
                point = next(encoded)[0]
                replaced |= {"lon": point.x, "lat": point.y}
            else:
                replaced[str(key)] = _replace_geometries(part, encoded)
        return replaced
    if isinstance(value, list | tuple):
        return [_replace_geometries(part, encoded) for part in value]
    return value
