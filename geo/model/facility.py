"""Public facilities."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text
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
)


class Category(StrEnum):
    """Kinds of public facility."""

    SERVICE_STATION = "service_station"
    GOVERNMENT = "government"
    SCHOOL = "school"
    KINDERGARTEN = "kindergarten"
    UNIVERSITY = "university"
    HOSPITAL = "hospital"
    CLINIC = "clinic"
    ELDERLY_CARE = "elderly_care"
    POLICE = "police"
    FIRE_STATION = "fire_station"
    MICRO_STATION = "micro_station"
    SHELTER = "shelter"
    INTAKE = "intake"
    MARKET = "market"
    PARK = "park"
    SPORT = "sport"
    CULTURE = "culture"
    WORSHIP = "worship"
    TOILET = "toilet"
    PARKING = "parking"
    TRANSPORT = "transport"
    FUEL = "fuel"
    OTHER = "other"


class StationClass(StrEnum):
    """Classes of fire stations (建标 152-2017): first, second, small (小型站), special (特勤站)."""

    FIRST = "first"
    SECOND = "second"
    SMALL = "small"
    SPECIAL = "special"


class Facility(Feature, Base):
    """A public facility: a point, or its grounds where they are known.

    ``staff_count`` and ``station_class`` are of fire stations and community micro-stations.
    """

    __tablename__ = "facility"

    category: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, server_default="")
    phone: Mapped[str] = mapped_column(Text, server_default="")
    address: Mapped[str] = mapped_column(Text, server_default="")
    region_code: Mapped[str | None] = mapped_column(Text)
    staff_count: Mapped[int | None]
    station_class: Mapped[str | None] = mapped_column(Text)
    geom: Mapped[Any] = geometry("GEOMETRY")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("category", Category),
        one_of("station_class", StationClass),
        between("staff_count", 0, 500_000),
        CheckConstraint(
            "GeometryType(geom) IN ('POINT', 'POLYGON', 'MULTIPOLYGON')", name="point_or_grounds"
        ),
        Index(None, "category"),
        name_index("facility", NAME_AND_ADDRESS),
        Index(None, "region_code"),
    )
