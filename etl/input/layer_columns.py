"""The columns of the layers that imports fill, with their types and constraints."""

from functools import cache

from geoalchemy2 import Geometry
from sqlalchemy import CheckConstraint, Column, Computed, Integer, MetaData, Table, Text
from sqlalchemy.dialects import postgresql

from etl.input import synonyms
from etl.input.units import is_measure
from geo.model import STORAGE_SRID, Base

REGISTER = "register"
"""Rows of a household register, which are joined to buildings and units and are no layer."""

_REGISTER = Table(
    REGISTER,
    MetaData(),
    Column("code", Text),
    Column("unit_code", Text),
    Column("address", Text),
    Column("households", Integer),
    Column("population", Integer),
    Column("geom", Geometry("POINT", srid=STORAGE_SRID, spatial_index=False)),
)

RESIDENT = "resident"
"""Rows of persons, which are counted by dwelling while they are read and are no layer."""

BUILDING_PARTS = ("building_unit", "dwelling", "entity", "building_fire")
"""Layers whose features belong to a building, and get their place from it."""

PERSONAL_LAYERS = (REGISTER, "dwelling", "entity", "building_fire")
"""Layers whose files may name persons: of a rejected row only the mapped columns are stored."""

MATCHING_COLUMNS = {
    REGISTER: ("unit",),
    "building_unit": ("address",),
    "dwelling": ("address", "unit"),
    "entity": ("address", "industry"),
    "building_fire": ("address",),
    "pipe_node": ("feature",),
    "pipe_segment": ("section_mm",),
}
"""Delivered columns that serve to match features or to fill other columns, and are not stored."""

INFERRED_COLUMNS = {
    "building_unit": ("building_code", "geom"),
    "dwelling": ("code", "building_code", "unit_code", "floor", "room", "geom"),
    "entity": ("code", "building_code", "floor", "geom"),
    "building_fire": ("code", "building_code", "geom"),
}
"""Columns that matching can fill after a delivery is staged."""

LAYERS_JOINED_LATER = frozenset({"region", REGISTER, *BUILDING_PARTS, "pipe_segment"})
"""Layers on which others depend, or that are matched with others after staging."""

DATABASE_COLUMNS = {"valid_from", "valid_to", "revision", "source", "verified_by"}
"""Columns that the database fills, or a verification in the street."""


@cache
def table_of(layer: str) -> Table:
    """Return the table of a layer."""
    return _REGISTER if layer == REGISTER else Base.metadata.tables[layer]


@cache
def deliverable_columns(layer: str) -> tuple[str, ...]:
    """Return the columns of a layer that a delivery fills."""
    return tuple(
        column.name
        for column in table_of(layer).columns
        if not isinstance(column.server_default, Computed) and column.name not in DATABASE_COLUMNS
    )


@cache
def check_constraints(layer: str) -> tuple[str, ...]:
    """Return the check constraints of a layer, as SQL."""
    constraints = table_of(layer).constraints
    return tuple(str(c.sqltext) for c in constraints if isinstance(c, CheckConstraint))


@cache
def geometry_kind(layer: str) -> str:
    """Return the geometry type of a layer, such as ``MULTIPOLYGON``."""
    return str(getattr(table_of(layer).c.geom.type, "geometry_type", ""))


def required_columns(layer: str) -> list[Column[object]]:
    """Return the columns that every feature must fill."""
    return [
        column
        for column in table_of(layer).columns
        if column.name in deliverable_columns(layer)
        and not column.nullable
        and column.server_default is None
    ]


def is_code(column: str) -> bool:
    """Return whether a column holds codes: texts, even if all of them are digits."""
    return column in ("code", "from_node", "to_node") or column.endswith("_code")


def is_text(layer: str, column: str) -> bool:
    """Return whether a column holds any text: neither numbers, nor truth, nor words of a list."""
    if layer == RESIDENT or column in MATCHING_COLUMNS.get(layer, ()):
        return not is_measure(column)
    is_string = table_of(layer).c[column].type.python_type is str
    return is_string and not synonyms.value_translations(column, layer)


def declared_type(layer: str, column: str) -> str:
    """Return the type of a column in SQL."""
    if column in MATCHING_COLUMNS.get(layer, ()):
        return "text"
    kind = table_of(layer).c[column].type
    return str(kind.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
