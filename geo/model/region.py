"""The four levels of administration: city, district, street, community."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, Feature, display_geometry, geometry, one_of


class Level(StrEnum):
    """Levels, from the top."""

    CITY = "city"
    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"


class Region(Feature, Base):
    """A division with its 12-digit code (GB/T 10114: 6 digits county, 3 street, 3 community).

    ``geom`` is null where the division has a code but no surveyed border.
    """

    __tablename__ = "region"

    name: Mapped[str] = mapped_column(Text)
    level: Mapped[str] = mapped_column(Text)
    parent_code: Mapped[str | None] = mapped_column(
        ForeignKey("region.code", deferrable=True, initially="DEFERRED")
    )
    geom: Mapped[Any] = geometry("MULTIPOLYGON", nullable=True)
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("level", Level),
        CheckConstraint("code ~ '^[0-9]{12}$'", name="code_12_digits"),
        CheckConstraint("(level = 'city') = (parent_code IS NULL)", name="parent_above_city"),
        Index(None, "parent_code"),
    )
