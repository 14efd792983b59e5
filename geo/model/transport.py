"""Roads, railways and waters."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, Feature, between, display_geometry, geometry, name_index, one_of


class RoadClass(StrEnum):
    """Classes of CJJ 37 (快速路, 主干路, 次干路, 支路) and what lies below (巷, 小区路, 步道)."""

    EXPRESSWAY = "expressway"
    ARTERIAL = "arterial"
    SECONDARY = "secondary"
    LOCAL = "local"
    ALLEY = "alley"
    INTERNAL = "internal"
    PATH = "path"


class Oneway(StrEnum):
    """Direction of traffic along the line."""

    NO = "no"
    FORWARD = "forward"
    BACKWARD = "backward"


class Surface(StrEnum):
    """Surface of a road."""

    ASPHALT = "asphalt"
    CONCRETE = "concrete"
    PAVING = "paving"
    GRAVEL = "gravel"
    EARTH = "earth"
    OTHER = "other"


class WaterKind(StrEnum):
    """Kinds of water; a river, canal or stream is a barrier to walking, a pond is not."""

    RIVER = "river"
    CANAL = "canal"
    STREAM = "stream"
    LAKE = "lake"
    POND = "pond"
    SEA = "sea"


class Road(Feature, Base):
    """A piece of road centreline: metres, percent of slope, tonnes."""

    __tablename__ = "road"

    road_class: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, server_default="")
    width_m: Mapped[float | None]
    clear_height_m: Mapped[float | None]
    max_weight_t: Mapped[float | None]
    slope_percent: Mapped[float | None]
    lanes: Mapped[int | None] = mapped_column(SmallInteger)
    oneway: Mapped[str] = mapped_column(Text, server_default="no")
    surface: Mapped[str | None] = mapped_column(Text)
    fire_lane: Mapped[bool | None]
    bridge: Mapped[bool] = mapped_column(server_default="false")
    tunnel: Mapped[bool] = mapped_column(server_default="false")
    geom: Mapped[Any] = geometry("LINESTRING")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        name_index("road"),
        one_of("road_class", RoadClass),
        one_of("oneway", Oneway),
        one_of("surface", Surface),
        between("width_m", 0, 200),
        between("clear_height_m", 0, 100),
        between("max_weight_t", 0, 1000),
        between("slope_percent", -100, 100),
        between("lanes", 0, 30),
    )


class Railway(Feature, Base):
    """A railway line on the ground, on a bridge or in a tunnel."""

    __tablename__ = "railway"

    name: Mapped[str] = mapped_column(Text, server_default="")
    bridge: Mapped[bool] = mapped_column(server_default="false")
    tunnel: Mapped[bool] = mapped_column(server_default="false")
    geom: Mapped[Any] = geometry("LINESTRING")
    geom_3857: Mapped[Any] = display_geometry()


class Water(Feature, Base):
    """A water: its surface where surveyed, else its centreline with a width in metres."""

    __tablename__ = "water"

    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, server_default="")
    width_m: Mapped[float | None]
    covered: Mapped[bool] = mapped_column(server_default="false")
    geom: Mapped[Any] = geometry("GEOMETRY")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("kind", WaterKind),
        between("width_m", 0, 10_000),
        CheckConstraint(
            "GeometryType(geom) IN ('LINESTRING', 'POLYGON', 'MULTIPOLYGON')",
            name="centreline_or_surface",
        ),
        Index(None, "kind"),
    )
