"""Residential quarters, buildings and their stairwell units."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import (
    NAME_AND_ADDRESS,
    Base,
    Feature,
    between,
    display_geometry,
    geometry,
    name_index,
    one_of,
    prefix_index,
)


class Use(StrEnum):
    """Uses of buildings."""

    RESIDENTIAL = "residential"
    APARTMENT = "apartment"
    DORMITORY = "dormitory"
    MIXED = "mixed"
    COMMERCIAL = "commercial"
    OFFICE = "office"
    INDUSTRIAL = "industrial"
    WAREHOUSE = "warehouse"
    EDUCATION = "education"
    MEDICAL = "medical"
    CULTURE = "culture"
    PUBLIC = "public"
    TRANSPORT = "transport"
    UTILITY = "utility"
    ANCILLARY = "ancillary"
    OTHER = "other"


class Structure(StrEnum):
    """Load-bearing structure (GB/T 17986.1: steel, steel and concrete, mixed, brick-wood)."""

    STEEL = "steel"
    REINFORCED_CONCRETE = "reinforced_concrete"
    BRICK_CONCRETE = "brick_concrete"
    BRICK_WOOD = "brick_wood"
    WOOD = "wood"
    OTHER = "other"


class HouseholdsSource(StrEnum):
    """Source of a number of households."""

    REGISTER = "register"
    SURVEY = "survey"
    ESTIMATED = "estimated"


class Compound(Feature, Base):
    """A residential quarter (小区)."""

    __tablename__ = "compound"

    name: Mapped[str] = mapped_column(Text, server_default="")
    gated: Mapped[bool | None]
    region_code: Mapped[str | None] = mapped_column(Text)
    geom: Mapped[Any] = geometry("MULTIPOLYGON")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (Index(None, "region_code"), name_index("compound"))


class Building(Feature, Base):
    """A building: its footprint, structure and counts of households."""

    __tablename__ = "building"

    name: Mapped[str] = mapped_column(Text, server_default="")
    address: Mapped[str] = mapped_column(Text, server_default="")
    use: Mapped[str | None] = mapped_column(Text)
    storeys_above: Mapped[int | None] = mapped_column(SmallInteger)
    storeys_below: Mapped[int | None] = mapped_column(SmallInteger)
    height_m: Mapped[float | None]
    structure: Mapped[str | None] = mapped_column(Text)
    fire_class: Mapped[int | None] = mapped_column(SmallInteger)
    year_built: Mapped[int | None] = mapped_column(SmallInteger)
    high_rise: Mapped[bool | None]
    households: Mapped[int] = mapped_column(server_default="0")
    population: Mapped[int | None]
    households_source: Mapped[str | None] = mapped_column(Text)
    compound_code: Mapped[str | None] = mapped_column(Text)
    region_code: Mapped[str | None] = mapped_column(Text)
    geom: Mapped[Any] = geometry("MULTIPOLYGON")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        name_index("building", NAME_AND_ADDRESS),
        prefix_index("ix_building_name_begins", "name"),
        prefix_index("ix_building_code_begins", "lower(code)"),
        prefix_index("ix_building_code_ends", "reverse(lower(code))"),
        one_of("use", Use),
        one_of("structure", Structure),
        one_of("households_source", HouseholdsSource),
        between("storeys_above", 0, 200),
        between("storeys_below", 0, 20),
        between("height_m", 0, 1000),
        between("fire_class", 1, 4),
        between("year_built", 500, 2200),
        between("households", 0, 20_000),
        between("population", 0, 100_000),
        Index(None, "region_code"),
        Index(None, "compound_code", postgresql_where=text("compound_code IS NOT NULL")),
    )


class BuildingUnit(Feature, Base):
    """A stairwell or entrance (单元) of a building."""

    __tablename__ = "building_unit"

    building_code: Mapped[str] = mapped_column(
        ForeignKey("building.code", deferrable=True, initially="DEFERRED")
    )
    name: Mapped[str] = mapped_column(Text, server_default="")
    storeys: Mapped[int | None] = mapped_column(SmallInteger)
    households: Mapped[int] = mapped_column(server_default="0")
    population: Mapped[int | None]
    geom: Mapped[Any] = geometry("POINT")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        between("storeys", 0, 200),
        between("households", 0, 5_000),
        between("population", 0, 25_000),
        Index(None, "building_code"),
    )
