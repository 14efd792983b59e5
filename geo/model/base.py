"""What all feature tables share: key, geometry, source, period of validity, revision."""

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

    The table holds what is live; a trigger moves each superseded row to ``<table>_history``
    with its ``valid_to`` (see ``geo/model/history.py``), so ``valid_to`` is always null here.
    """

    code: Mapped[str] = mapped_column(Text, primary_key=True, sort_order=-1)
    source: Mapped[str] = mapped_column(Text, server_default="")
    valid_from: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    valid_to: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(BigInteger, server_default="0")


NAME_AND_ADDRESS = "(name || ' '::text) || address"
"""What a thing with a name and an address is found by."""


def name_index(table: str, said: str = "name") -> Index:
    """Return the index by which a name is found: of its signs."""
    return Index(f"ix_{table}_signs", text(f"signs_of({said})"), postgresql_using="gin")


def prefix_index(name: str, said: str) -> Index:
    """Return the index by which rows are found of which something begins as asked."""
    key: Any = literal_column(said).label("said")
    return Index(name, key, postgresql_ops={"said": "text_pattern_ops"})


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
    """Return the constraint that a figure lies in the range its unit makes plausible."""
    return CheckConstraint(f"{column} BETWEEN {low} AND {high}", name=f"{column}_plausible")


def gist_indexes(table: Table) -> None:
    """Declare the GiST indexes of a table's geometry columns.

    The display geometry has none: its box is that of ``geom`` in degrees, side by side, so a tile
    finds its rows by ``geom``, and every row written spares an index (see
    ``docs/decisions/imports.md``).
    """
    for column in table.columns:
        if isinstance(column.type, Geometry) and not isinstance(column.server_default, Computed):
            Index(f"ix_{table.name}_{column.name}", column, postgresql_using="gist")
