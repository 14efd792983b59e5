"""CQL2 filters as SQL with every literal bound (OGC 21-065r2).

The text is parsed by the ``cql2`` library; what it parsed is written as SQL here and nowhere else:
operators come from a list, property names from the collection's own columns, literals go as
parameters. cql2's own SQL would call any function that a filter names.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from cql2 import Expr

from geo.errors import InputError

MOST_BYTES, MOST_DEPTH, MOST_NODES = 8_000, 40, 1_000
"""Measured before anything is parsed, and on what was parsed: nesting costs memory."""

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
_BY_BOX = {"s_intersects", "s_within", "s_contains", "s_touches", "s_crosses", "s_overlaps"}
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
    """Return a filter, in either of its languages, as CQL2 JSON.

    Raises
    ------
    InputError
        If it is too large or can't be understood.
    """
    if len(filter.encode()) > MOST_BYTES:
        raise InputError("filter_too_large", most=MOST_BYTES)
    depth = deepest = 0
    for letter in filter:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    words = filter.lower().split()
    if deepest > MOST_DEPTH or words.count("not") > MOST_DEPTH or len(words) > MOST_NODES:
        raise InputError("filter_too_deep", most=MOST_DEPTH)
    try:
        return Expr(filter).to_json()
    except Exception as error:  # the library raises nothing narrower
        said = " ".join(str(error).split())[:200]
        raise InputError("filter_unreadable", said=said) from None


class FilterWriter:
    """Writes one filter as SQL.

    Parameters
    ----------
    columns
        SQL of each property by its name; nothing else can be named.
    geometry
        Name of the geometry property.
    srid
        System of the column.
    literal_srid
        System of the geometries in the filter.
    bind
        Takes a value and its type, returns the placeholder.
    """

    def __init__(
        self,
        columns: Mapping[str, str],
        geometry: str | None,
        srid: int,
        literal_srid: int,
        bind: Callable[[Any, str], str],
    ) -> None:
        self._columns = columns
        self._geometry = geometry
        self._srid = srid
        self._literal_srid = literal_srid
        self._bind = bind
        self._nodes = 0

    def condition(self, node: Any, depth: int = 0) -> str:
        """Return a condition.

        Raises
        ------
        InputError
            If the node is none, or names an operator or property that is not there.
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
            one, other = self._pair(args, depth)
            return f"({one} {COMPARISONS[op]} {other})"
        if op == "isnull" and len(args) == 1:
            return f"({self.value(args[0], depth + 1)} IS NULL)"
        if op == "like" and len(args) == 2:
            one, other = self._pair(args, depth)
            return f"({one} LIKE {other})"
        if op == "between" and len(args) == 3:
            one, low, high = (self.value(arg, depth + 1) for arg in args)
            return f"({one} BETWEEN {low} AND {high})"
        if op == "in" and len(args) == 2 and isinstance(args[1], list) and args[1]:
            shown = [self.value(item, depth + 1) for item in args[1]]
            return f"({self.value(args[0], depth + 1)} IN ({', '.join(shown)}))"
        raise InputError("filter_unknown_operator", operator=op[:40])

    def _pair(self, args: list[Any], depth: int) -> tuple[str, str]:
        one, other = (self.value(arg, depth + 1) for arg in args)
        return one, other

    def value(self, node: Any, depth: int) -> str:
        """Return an operand: a property, a literal, a sum."""
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
                one, other = self._pair(args, depth)
                if op == "%":  # PostgreSQL has a remainder of exact numbers only
                    return f"(CAST({one} AS numeric) % CAST({other} AS numeric))"
                return f"({one} {ARITHMETIC[op]} {other})"
            if op == "casei" and len(args) == 1:
                return f"lower({self.value(args[0], depth + 1)})"
        raise InputError("filter_unknown_operand", part=json.dumps(node)[:80])

    def _property(self, node: Any) -> str:
        name = node["property"]
        if name not in self._columns:
            raise InputError("filter_unknown_property", property=str(name)[:80])
        return self._columns[name]

    def _spatial(self, op: str, args: list[Any], depth: int) -> str:
        one, other = (self._shape(arg, depth + 1) for arg in args)
        box = f"{one} && {other} AND " if op in _BY_BOX else ""
        return f"({box}{SPATIAL[op]}({one}, {other}))"

    def _shape(self, node: Any, depth: int) -> str:
        self._count(depth)
        if isinstance(node, dict) and node.get("property") == self._geometry and self._geometry:
            return self._columns[self._geometry]
        if isinstance(node, dict) and node.get("type") in _GEOMETRIES:
            made = f"ST_GeomFromGeoJSON({self._bind(json.dumps(node), 'text')})"
            return self._in_column_system(made)
        if isinstance(node, dict) and isinstance(node.get("bbox"), list):
            sides = node["bbox"]
            if len(sides) == 4 and all(isinstance(side, int | float) for side in sides):
                listed = ", ".join(self._bind(float(s), "double precision") for s in sides)
                return self._in_column_system(f"ST_MakeEnvelope({listed}, 0)")
        raise InputError("filter_unknown_shape", part=json.dumps(node)[:80])

    def _in_column_system(self, shape: str) -> str:
        tagged = f"ST_SetSRID({shape}, {self._literal_srid})"
        if self._literal_srid == self._srid:
            return tagged
        return f"ST_Transform({tagged}, {self._srid})"

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if depth > MOST_DEPTH or self._nodes > MOST_NODES:
            raise InputError("filter_too_deep", most=MOST_DEPTH)
