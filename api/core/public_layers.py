"""Layers that the API offers to a role, for features, tiles, exports and search alike.

:data:`geo.db.access_rules.RULES` says who may read which table, and the schema ``published`` holds
the public views. The database enforces both; this module lists what to offer.
"""

from dataclasses import dataclass
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    FromClause,
    Integer,
    SmallInteger,
    Table,
    Text,
)

from geo.db.access_rules import ROLES, RULES
from geo.db.views import GRIDS, OUTLINES
from geo.errors import NotFoundError
from geo.model import Base

_HIDDEN = {"geom_3857", "valid_to", "id"}


@dataclass(frozen=True)
class Layer:
    """A layer and its readers.

    Attributes
    ----------
    source
        Table or view that it is read from.
    roles
        Roles that may read it.
    """

    name: str
    source: Table
    roles: frozenset[str]

    @property
    def is_protected(self) -> bool:
        """Whether the public may not read it, so that reads are audited."""
        return "public" not in self.roles

    def columns(self) -> list[Column[Any]]:
        """Return the columns of its attributes, without geometry."""
        return [
            column
            for column in self.source.columns
            if column.name not in _HIDDEN and not isinstance(column.type, Geometry)
        ]


def _of_table(name: str, table: str | None = None) -> Layer:
    table = table or name
    readers = frozenset(RULES[table].read) & frozenset(ROLES)
    return Layer(name, Base.metadata.tables[table], readers)


LAYERS: dict[str, Layer] = {
    layer.name: layer
    for layer in (
        Layer("grid", GRIDS, frozenset(ROLES)),
        _of_table("region"),
        _of_table("compound"),
        Layer("building", OUTLINES, frozenset(ROLES)),
        _of_table("facility"),
        _of_table("road"),
        _of_table("railway"),
        _of_table("water"),
        _of_table("building_detail", "building"),
        _of_table("building_unit"),
        _of_table("pipe_node"),
        _of_table("pipe_segment"),
        _of_table("dwelling"),
        _of_table("entity"),
        _of_table("building_fire"),
    )
}
"""Layers by name; ``building`` has public attributes, ``building_detail`` all."""


def layers_for_role(role: str) -> dict[str, Layer]:
    """Return the layers that a role may read."""
    return {name: layer for name, layer in LAYERS.items() if role in layer.roles}


def readable_layer(name: str, role: str) -> Layer:
    """Return a layer.

    Raises
    ------
    NotFoundError
        If the role may read no layer of this name.
    """
    layer = layers_for_role(role).get(name)
    if layer is None:
        raise NotFoundError("no_layer_here", layer=name, layers=", ".join(layers_for_role(role)))
    return layer


def postgres_type(column: Column[Any]) -> str:
    """Return the PostgreSQL name of a column's type."""
    kinds: tuple[tuple[type, str], ...] = (
        (Geometry, "geometry"),
        (BigInteger, "bigint"),
        (SmallInteger, "smallint"),
        (Integer, "integer"),
        (Boolean, "boolean"),
        (DateTime, "timestamptz"),
        (Date, "date"),
        (ARRAY, "text[]"),
        (Text, "text"),
    )
    return next((name for kind, name in kinds if isinstance(column.type, kind)), "float8")


def qualified_name(source: FromClause) -> str:
    """Return the quoted name of a table with its schema."""
    schema = getattr(source, "schema", None) or "public"
    return f'"{schema}"."{source.name}"'  # type: ignore[attr-defined]
