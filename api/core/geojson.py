"""Answers that hold shapely geometry in metres, as JSON with GeoJSON in degrees."""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import shapely

DIGITS = 7

ToDegrees = Callable[[Any], Any]


def encode(value: Any, to_degrees: ToDegrees) -> bytes:
    """Return a value as JSON.

    Geometry under any key becomes GeoJSON; a point under ``point`` becomes ``lon`` and ``lat``
    beside it. Everything is brought to degrees in one go.
    """
    shapes: list[shapely.Geometry] = []
    _gather(value, shapes)
    there = np.array(shapes, dtype=object)
    degrees = to_degrees(there) if len(there) else there
    texts = iter(_texts(degrees))
    return orjson.dumps(_replace_texts(value, texts), option=orjson.OPT_SERIALIZE_NUMPY)


def _texts(shapes: Any) -> list[Any]:
    """Return GeoJSON of each geometry, and the two numbers of a point."""
    rounded = shapely.transform(shapes, lambda xy: np.round(xy, DIGITS)) if len(shapes) else shapes
    rounded = shapely.orient_polygons(rounded, exterior_cw=False) if len(shapes) else rounded
    return list(zip(rounded, shapely.to_geojson(rounded), strict=True)) if len(shapes) else []


def _gather(value: Any, shapes: list[shapely.Geometry]) -> None:
    if isinstance(value, shapely.Geometry):
        shapes.append(value)
    elif isinstance(value, dict):
        for part in value.values():
            _gather(part, shapes)
    elif isinstance(value, list | tuple):
        for part in value:
            _gather(part, shapes)


def _replace_texts(value: Any, texts: Any) -> Any:
    if isinstance(value, shapely.Geometry):
        return orjson.Fragment(next(texts)[1])
    if isinstance(value, dict):
        made: dict[str, Any] = {}
        for key, part in value.items():
            if key == "point" and isinstance(part, shapely.Point):
                shown = next(texts)[0]
                made |= {"lon": shown.x, "lat": shown.y}
            else:
                made[str(key)] = _replace_texts(part, texts)
        return made
    if isinstance(value, list | tuple):
        return [_replace_texts(part, texts) for part in value]
    return value
