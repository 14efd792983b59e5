"""Declarative base, and the columns, indexes and constraints that feature tables share."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    Index,
    MetaData,
    Table,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STORAGE_SRID = 4490
DISPLAY_SRID = 3857

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of all tables."""

    metadata = MetaData(naming_convention=NAMING)


class Feature:
    """Columns of every feature table.

    The table holds live rows; a trigger moves each superseded row to ``<table>_history``
    with its ``valid_to`` (see ``geo/model/history.py``), so ``valid_to`` is always null here.
    """

    code: Mapped[str] = mapped_column(Text, primary_key=True, sort_order=-1)
    source: Mapped[str] = mapped_column(Text, server_default="")
    valid_from: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    valid_to: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(BigInteger, server_default="0")


NAME_AND_ADDRESS = "(name || ' '::text) || address"
"""SQL expression of the text by which a feature with name and address is searched."""


def name_index(table: str, expression: str = "name") -> Index:
    """Return the GIN index of the characters of a text, by which names are searched."""
    return Index(f"ix_{table}_signs", text(f"signs_of({expression})"), postgresql_using="gin")


def prefix_index(name: str, expression: str) -> Index:
    """Return the index by which rows are found by a prefix of an expression."""
    key: Any = literal_column(expression).label("key")
    return Index(name, key, postgresql_ops={"key": "text_pattern_ops"})


def geometry(kind: str, *, nullable: bool = False) -> Mapped[Any]:
    """Return the column ``geom`` of a feature table: CGCS2000, with a GiST index."""
    return mapped_column(Geometry(kind, srid=STORAGE_SRID, spatial_index=False), nullable=nullable)


def display_geometry() -> Mapped[Any]:
    """Return the generated column that tiles read: ``geom`` in Web Mercator."""
    return mapped_column(
        Geometry("GEOMETRY", srid=DISPLAY_SRID, spatial_index=False),
        Computed(f"ST_Transform(geom, {DISPLAY_SRID})", persisted=True),
        deferred=True,
        nullable=True,
    )


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return the constraint that a column holds a value of an enumeration, or null."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def between(column: str, low: float, high: float) -> CheckConstraint:
    """Return the constraint that a value lies in a plausible range."""
    return CheckConstraint(f"{column} BETWEEN {low} AND {high}", name=f"{column}_plausible")


def gist_indexes(table: Table) -> None:
    """Declare the GiST indexes of a table's geometry columns.

    The display geometry has none: tiles select rows by the box of ``geom`` in degrees, which spares
    an index on every write (see ``docs/decisions/imports.md``).
    """
    for column in table.columns:
        if isinstance(column.type, Geometry) and not isinstance(column.server_default, Computed):
            Index(f"ix_{table.name}_{column.name}", column, postgresql_using="gist")
