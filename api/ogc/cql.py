"""Translate CQL2 filters (OGC 21-065r2) to SQL with bound parameters.

The ``cql2`` library parses a filter; only this module writes SQL from the result. Operators come
from a fixed list, property names from the columns of the collection, and literals become bound
parameters. The library's own SQL would call any function that a filter names.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from cql2 import Expr

from api.core import coordinates
from api.ogc.query_parameters import is_finite, split_at_antimeridian
from geo.errors import InputError

MAX_BYTES, MAX_DEPTH, MAX_NODES = 8_000, 40, 1_000
"""Checked before and after parsing, since nesting costs memory."""

COMPARISONS = {"=": "=", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
ARITHMETIC = {"+": "+", "-": "-", "*": "*", "/": "/", "%": "%"}
SPATIAL = {
    "s_intersects": "ST_Intersects",
    "s_within": "ST_Within",
    "s_contains": "ST_Contains",
    "s_disjoint": "ST_Disjoint",
    "s_touches": "ST_Touches",
    "s_crosses": "ST_Crosses",
    "s_overlaps": "ST_Overlaps",
    "s_equals": "ST_Equals",
}
_INDEXED = {"s_intersects", "s_within", "s_contains", "s_touches", "s_crosses", "s_overlaps"}
_GEOMETRIES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
}


def parse_filter(filter: str) -> Any:
    """Parse a filter in CQL2 text or CQL2 JSON and return it as CQL2 JSON.

    Raises
    ------
    InputError
        If it is too large, too deep, or not valid CQL2.
    """
    if len(filter.encode()) > MAX_BYTES:
        raise InputError("filter_too_large", most=MAX_BYTES)
    depth = deepest = 0
    for letter in filter:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    words = filter.lower().split()
    if deepest > MAX_DEPTH or words.count("not") > MAX_DEPTH or len(words) > MAX_NODES:
        raise InputError("filter_too_deep", most=MAX_DEPTH)
    try:
        return Expr(filter).to_json()
    except Exception as error:  # the library raises nothing narrower
        message = " ".join(str(error).split())[:200]
        raise InputError("filter_unreadable", said=message) from None


class FilterWriter:
    """Translator of one filter to SQL.

    Parameters
    ----------
    columns
        SQL expression of each property that a filter may name.
    geometry
        Name of the geometry property.
    srid
        EPSG code of the geometry column.
    literal_crs
        URI of the coordinate system of the geometries in the filter, whose axis order they have.
    bind
        Function that binds a value of an SQL type and returns its placeholder.
    """

    def __init__(
        self,
        columns: Mapping[str, str],
        geometry: str | None,
        srid: int,
        literal_crs: str,
        bind: Callable[[Any, str], str],
    ) -> None:
        self._columns = columns
        self._geometry = geometry
        self._srid = srid
        self._literal_crs = literal_crs
        self._bind = bind
        self._nodes = 0

    def condition(self, node: Any, depth: int = 0) -> str:
        """Return the SQL condition for a node.

        Raises
        ------
        InputError
            If the node is not a condition, or names an unknown operator or property.
        """
        self._count(depth)
        if isinstance(node, bool):
            return "true" if node else "false"
        if not isinstance(node, dict) or "op" not in node:
            if isinstance(node, dict) and "property" in node:
                return self._property(node)
            raise InputError("filter_no_condition", part=json.dumps(node)[:80])
        op, args = str(node["op"]).lower(), node.get("args") or []
        if op in {"and", "or"} and args:
            return "(" + f" {op} ".join(self.condition(a, depth + 1) for a in args) + ")"
        if op == "not" and len(args) == 1:
            return f"(NOT {self.condition(args[0], depth + 1)})"
        if op in SPATIAL and len(args) == 2:
            return self._spatial(op, args, depth)
        return self._scalar_condition(op, args, depth)

    def _scalar_condition(self, op: str, args: list[Any], depth: int) -> str:
        if op in COMPARISONS and len(args) == 2:
            left, right = self._pair(args, depth)
            return f"({left} {COMPARISONS[op]} {right})"
        if op == "isnull" and len(args) == 1:
            return f"({self.value(args[0], depth + 1)} IS NULL)"
        if op == "like" and len(args) == 2:
            text, pattern = self._pair(args, depth)
            return f"({text} LIKE {pattern})"
        if op == "between" and len(args) == 3:
            operand, low, high = (self.value(arg, depth + 1) for arg in args)
            return f"({operand} BETWEEN {low} AND {high})"
        if op == "in" and len(args) == 2 and isinstance(args[1], list) and args[1]:
            items = [self.value(item, depth + 1) for item in args[1]]
            return f"({self.value(args[0], depth + 1)} IN ({', '.join(items)}))"
        raise InputError("filter_unknown_operator", operator=op[:40])

    def _pair(self, args: list[Any], depth: int) -> tuple[str, str]:
        left, right = (self.value(arg, depth + 1) for arg in args)
        return left, right

    def value(self, node: Any, depth: int) -> str:
        """Return the SQL of an operand: a property, a literal, or an arithmetic expression.

        Raises
        ------
        InputError
            If the node is none of these.
        """
        self._count(depth)
        if isinstance(node, bool):
            return self._bind(node, "boolean")
        if isinstance(node, int | float):
            return self._bind(float(node), "double precision")
        if isinstance(node, str):
            return self._bind(node, "text")
        if isinstance(node, dict):
            if "property" in node:
                return self._property(node)
            for kind, sql in (("timestamp", "timestamptz"), ("date", "date")):
                if isinstance(node.get(kind), str):
                    return f"CAST({self._bind(node[kind], 'text')} AS {sql})"
            op, args = str(node.get("op", "")).lower(), node.get("args") or []
            if op in ARITHMETIC and len(args) == 2:
                left, right = self._pair(args, depth)
                if op == "%":  # PostgreSQL defines it for exact numbers only
                    return f"(CAST({left} AS numeric) % CAST({right} AS numeric))"
                return f"({left} {ARITHMETIC[op]} {right})"
            if op == "casei" and len(args) == 1:
                return f"lower({self.value(args[0], depth + 1)})"
        raise InputError("filter_unknown_operand", part=json.dumps(node)[:80])

    def _property(self, node: Any) -> str:
        name = node["property"]
        if name not in self._columns:
            raise InputError("filter_unknown_property", property=str(name)[:80])
        return self._columns[name]

    def _spatial(self, op: str, args: list[Any], depth: int) -> str:
        left, right = (self._shape(arg, depth + 1) for arg in args)
        box = f"{left} && {right} AND " if op in _INDEXED else ""
        return f"({box}{SPATIAL[op]}({left}, {right}))"

    def _shape(self, node: Any, depth: int) -> str:
        self._count(depth)
        if isinstance(node, dict) and node.get("property") == self._geometry and self._geometry:
            return self._columns[self._geometry]
        if isinstance(node, dict) and node.get("type") in _GEOMETRIES:
            geometry = f"ST_GeomFromGeoJSON({self._bind(json.dumps(node), 'text')})"
            if coordinates.is_northing_first(self._literal_crs):
                geometry = f"ST_FlipCoordinates({geometry})"
            return self._in_column_system(geometry)
        if isinstance(node, dict) and isinstance(node.get("bbox"), list):
            return self._in_column_system(self._box(node["bbox"]))
        raise InputError("filter_unknown_shape", part=json.dumps(node)[:80])

    def _box(self, sides: list[Any]) -> str:
        """Return a box of four numbers, or of six with heights, which are ignored."""
        are_numbers = all(isinstance(side, int | float) and is_finite(side) for side in sides)
        if len(sides) not in (4, 6) or not are_numbers:
            raise InputError("filter_unknown_shape", part=json.dumps(sides)[:80])
        half = len(sides) // 2
        west, south, east, north = map(float, (*sides[:2], *sides[half : half + 2]))
        if coordinates.is_northing_first(self._literal_crs):
            west, south, east, north = south, west, north, east
        boxes = [(west, south, east, north)]
        if coordinates.is_in_degrees(self._literal_crs):
            boxes = split_at_antimeridian(boxes[0])
        envelopes = [
            f"ST_MakeEnvelope({', '.join(self._bind(side, 'double precision') for side in box)})"
            for box in boxes
        ]
        return envelopes[0] if len(envelopes) == 1 else f"ST_Collect({', '.join(envelopes)})"

    def _in_column_system(self, shape: str) -> str:
        if coordinates.is_in_degrees(self._literal_crs):
            return f"ST_SetSRID({shape}, {self._srid})"
        srid = coordinates.EPSG_BY_URI[self._literal_crs]
        return f"ST_Transform(ST_SetSRID({shape}, {srid}), {self._srid})"

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise InputError("filter_too_deep", most=MAX_DEPTH)
