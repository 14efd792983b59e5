"""The register: dwellings with counts of who lives there, and organisations.

No table holds a named resident (``docs/decisions/no-named-residents.md``).
"""

from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Date, Index, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import (
    Base,
    Feature,
    between,
    display_geometry,
    geometry,
    name_index,
    one_of,
)

MAX_RESIDENTS = 500
"""Residents of one dwelling: a collective household, such as a dormitory, has many."""

AGE_BANDS = {
    "age_0_6": (0, 6),
    "age_7_17": (7, 17),
    "age_18_59": (18, 59),
    "age_60_79": (60, 79),
    "age_80_up": (80, 150),
}
"""First and last year of age of the residents that a column counts."""

VERIFIED_COLUMNS = (
    *("occupancy", "residents", "registered", "floating"),
    *AGE_BANDS,
    *("alone_60_up", "need_help"),
)
"""What a grid manager verifies of a dwelling."""

INDUSTRY_SECTIONS = {
    "A": (1, 5),
    "B": (6, 12),
    "C": (13, 43),
    "D": (44, 46),
    "E": (47, 50),
    "F": (51, 52),
    "G": (53, 60),
    "H": (61, 62),
    "I": (63, 65),
    "J": (66, 69),
    "K": (70, 70),
    "L": (71, 72),
    "M": (73, 75),
    "N": (76, 79),
    "O": (80, 82),
    "P": (83, 83),
    "Q": (84, 85),
    "R": (86, 90),
    "S": (91, 96),
    "T": (97, 97),
}
"""First and last division of each section of industries (GB/T 4754-2017)."""


class Occupancy(StrEnum):
    """Who uses a dwelling."""

    OWNER = "owner"
    RENTED = "rented"
    VACANT = "vacant"
    BUSINESS = "business"


class EntityKind(StrEnum):
    """Kinds of organisations."""

    ENTERPRISE = "enterprise"
    INDIVIDUAL = "individual"
    INSTITUTION = "institution"
    GOVERNMENT = "government"
    ASSOCIATION = "association"
    COOPERATIVE = "cooperative"
    OTHER = "other"


class Dwelling(Feature, Base):
    """A dwelling: where it is, how it is used, and counts of its residents; null is unknown.

    ``registered`` residents have their household registration here, ``floating`` ones elsewhere.
    ``alone_60_up`` counts residents of 60 and over who live alone, ``need_help`` those who cannot
    leave the building without help.
    """

    __tablename__ = "dwelling"

    building_code: Mapped[str] = mapped_column(Text)
    unit_code: Mapped[str | None] = mapped_column(Text)
    floor: Mapped[str] = mapped_column(Text, server_default="")
    room: Mapped[str] = mapped_column(Text, server_default="")
    occupancy: Mapped[str | None] = mapped_column(Text)
    residents: Mapped[int | None] = mapped_column(SmallInteger)
    registered: Mapped[int | None] = mapped_column(SmallInteger)
    floating: Mapped[int | None] = mapped_column(SmallInteger)
    age_0_6: Mapped[int | None] = mapped_column(SmallInteger)
    age_7_17: Mapped[int | None] = mapped_column(SmallInteger)
    age_18_59: Mapped[int | None] = mapped_column(SmallInteger)
    age_60_79: Mapped[int | None] = mapped_column(SmallInteger)
    age_80_up: Mapped[int | None] = mapped_column(SmallInteger)
    alone_60_up: Mapped[int | None] = mapped_column(SmallInteger)
    need_help: Mapped[int | None] = mapped_column(SmallInteger)
    verified_on: Mapped[date | None] = mapped_column(Date)
    verified_by: Mapped[str] = mapped_column(Text, server_default="")
    geom: Mapped[Any] = geometry("POINT")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("occupancy", Occupancy),
        *(between(column, 0, MAX_RESIDENTS) for column in VERIFIED_COLUMNS[1:]),
        CheckConstraint("registered + floating <= residents", name="registration_of_residents"),
        CheckConstraint("registered <= residents", name="registered_residents"),
        CheckConstraint("floating <= residents", name="floating_residents"),
        CheckConstraint(f"{' + '.join(AGE_BANDS)} <= residents", name="ages_of_residents"),
        CheckConstraint("alone_60_up <= residents", name="alone_residents"),
        CheckConstraint("need_help <= residents", name="help_residents"),
        CheckConstraint("occupancy <> 'vacant' OR residents = 0", name="vacant_is_empty"),
        Index(None, "building_code"),
    )


class Entity(Feature, Base):
    """An organisation: its unified social credit code (GB 32100-2015), industry, staff and place.

    ``industry_section`` and ``industry_division`` are those of GB/T 4754; ``key_unit`` marks a key
    unit of fire safety.
    """

    __tablename__ = "entity"

    credit_code: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str | None] = mapped_column(Text)
    industry_section: Mapped[str | None] = mapped_column(Text)
    industry_division: Mapped[int | None] = mapped_column(SmallInteger)
    staff_count: Mapped[int | None]
    building_code: Mapped[str] = mapped_column(Text)
    floor: Mapped[str] = mapped_column(Text, server_default="")
    key_unit: Mapped[bool | None]
    geom: Mapped[Any] = geometry("POINT")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("kind", EntityKind),
        CheckConstraint(
            f"industry_section IN ({', '.join(map(repr, INDUSTRY_SECTIONS))})",
            name="industry_section_known",
        ),
        between("industry_division", 1, 97),
        between("staff_count", 0, 500_000),
        name_index("entity"),
        Index(None, "building_code"),
        Index(None, "credit_code"),
    )
