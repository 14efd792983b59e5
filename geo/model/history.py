"""History of the feature tables: superseded rows, and layers as of a past time.

A trigger of each feature table writes it (``alembic/versions/0001_keep_history.sql``); a migration
that adds a column to one calls ``SELECT keep_history('<table>')`` again.
"""

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import Column, Index, Select, Table, or_, select, text, union_all

from geo.model import LAYERS
from geo.model.base import STORAGE_SRID, Base
from geo.model.register import VERIFIED_COLUMNS, Dwelling

HAS_COUNTS = f"num_nonnulls({', '.join(VERIFIED_COLUMNS)}) > 0"
"""Condition of the rows of ``dwelling_history`` that still tell about residents."""


def _history_table(live: Table) -> Table:
    """Return the table of a layer's superseded rows: the same columns, no constraints."""
    name = f"{live.name}_history"
    columns = []
    for column in live.columns:
        if column.computed is not None:
            continue
        kind = column.type
        if isinstance(kind, Geometry):
            kind = Geometry(kind.geometry_type, srid=STORAGE_SRID, spatial_index=False)
        nullable = column.nullable and column.name != "valid_to"
        columns.append(Column(column.name, kind, nullable=nullable))
    table = Table(name, Base.metadata, *columns)
    Index(f"ix_{name}_code_valid_from", table.c.code, table.c.valid_from)
    Index(f"ix_{name}_geom", table.c.geom, postgresql_using="gist")
    if live.name == Dwelling.__tablename__:  # whose counts are removed after years
        Index(f"ix_{name}_retained", table.c.valid_to, postgresql_where=text(HAS_COUNTS))
    return table


HISTORY: dict[str, Table] = {name: _history_table(Base.metadata.tables[name]) for name in LAYERS}
"""Tables of superseded rows by layer."""


def as_of(layer: str, when: datetime) -> Select[*tuple[Any, ...]]:
    """Return the rows of a layer that were valid at a time, with the columns of its history.

    Raises
    ------
    KeyError
        If there is no such layer.
    """
    history = HISTORY[layer]
    live = Base.metadata.tables[layer]

    def select_valid(table: Table) -> Select[*tuple[Any, ...]]:
        ends = or_(table.c.valid_to.is_(None), table.c.valid_to > when)
        columns = [table.c[column.name] for column in history.columns]
        return select(*columns).where(table.c.valid_from <= when, ends)

    rows = union_all(select_valid(live), select_valid(history)).subquery(layer)
    return select(*rows.c)
