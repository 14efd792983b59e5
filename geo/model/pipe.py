"""Underground pipe networks: nodes and segments."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, Feature, between, display_geometry, geometry, one_of


class Network(StrEnum):
    """The networks (classes of CJJ 61, detection of underground pipelines)."""

    WATER = "water"
    SEWAGE = "sewage"
    STORM = "storm"
    COMBINED = "combined"
    GAS = "gas"
    HEAT = "heat"
    POWER = "power"
    TELECOM = "telecom"


class NodeKind(StrEnum):
    """Kinds of nodes."""

    SOURCE = "source"
    JUNCTION = "junction"
    VALVE = "valve"
    CHECK_VALVE = "check_valve"
    REGULATOR = "regulator"
    HYDRANT = "hydrant"
    MANHOLE = "manhole"
    PUMP = "pump"
    SUBSTATION = "substation"
    CABINET = "cabinet"
    OUTFALL = "outfall"
    CONSUMER = "consumer"
    END = "end"


class HydrantType(StrEnum):
    """How a hydrant is built: with its outlets above the ground (地上) or under a cover (地下)."""

    ABOVE_GROUND = "above_ground"
    UNDERGROUND = "underground"


class Material(StrEnum):
    """Material of a pipe or cable."""

    DUCTILE_IRON = "ductile_iron"
    CAST_IRON = "cast_iron"
    STEEL = "steel"
    PE = "pe"
    PVC = "pvc"
    CONCRETE = "concrete"
    COPPER = "copper"
    ALUMINIUM = "aluminium"
    FIBRE = "fibre"
    OTHER = "other"


class Laying(StrEnum):
    """How a pipe or cable is laid (CJJ 61-2017, table C.0.2)."""

    DIRECT = "direct"
    DUCT = "duct"
    DUCT_BANK = "duct_bank"
    TRENCH = "trench"
    OVERHEAD = "overhead"
    SURFACE = "surface"
    RISER = "riser"
    IN_DRAIN = "in_drain"
    TUNNEL = "tunnel"
    SHELTER = "shelter"
    IN_MANHOLE = "in_manhole"
    TRENCHLESS = "trenchless"
    UNDER_WATER = "under_water"


class DepthOf(StrEnum):
    """What a burial depth is measured to: the outer top of a pipe, or its inner bottom."""

    TOP = "top"
    INVERT = "invert"


class PipeStatus(StrEnum):
    """Whether a pipe is used (CJJ 61-2017, table C.0.3)."""

    IN_USE = "in_use"
    ABANDONED = "abandoned"
    EMPTY = "empty"
    OTHER = "other"


class PressureClass(StrEnum):
    """Class of a gas pipe by its design pressure, with or without its grade.

    Source: GB 50028-2006, table 6.1.6.
    """

    LOW = "low"
    MEDIUM = "medium"
    MEDIUM_B = "medium_b"
    MEDIUM_A = "medium_a"
    SUB_HIGH = "sub_high"
    SUB_HIGH_B = "sub_high_b"
    SUB_HIGH_A = "sub_high_a"
    HIGH = "high"
    HIGH_B = "high_b"
    HIGH_A = "high_a"


class PipeNode(Feature, Base):
    """A valve, hydrant, manhole, junction or source.

    ``is_open`` is for valves; ``flow_l_s`` in litres a second and ``pressure_mpa`` in MPa are
    what was measured at the node; ``building_code`` is the building a consumer node feeds;
    ``hydrant_type`` is of hydrants.
    """

    __tablename__ = "pipe_node"

    network: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, server_default="")
    is_open: Mapped[bool | None]
    in_service: Mapped[bool | None]
    flow_l_s: Mapped[float | None]
    pressure_mpa: Mapped[float | None]
    burial_depth_m: Mapped[float | None]
    building_code: Mapped[str | None] = mapped_column(Text)
    hydrant_type: Mapped[str | None] = mapped_column(Text)
    geom: Mapped[Any] = geometry("POINT")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("network", Network),
        one_of("kind", NodeKind),
        one_of("hydrant_type", HydrantType),
        between("flow_l_s", 0, 10_000),
        between("pressure_mpa", 0, 20),
        between("burial_depth_m", -10, 100),
        Index(None, "network", "kind"),
        Index(None, "building_code"),
    )


class PipeSegment(Feature, Base):
    """A pipe or cable between two nodes; the node of an end is null if it is unknown.

    ``burial_depth_m`` is the depth of the whole pipe, ``depth_from_m`` and ``depth_to_m`` those at
    its ends, which take precedence; ``ducts`` is the number of a cable's ducts.
    """

    __tablename__ = "pipe_segment"

    network: Mapped[str] = mapped_column(Text)
    from_node: Mapped[str | None] = mapped_column(
        ForeignKey("pipe_node.code", deferrable=True, initially="DEFERRED")
    )
    to_node: Mapped[str | None] = mapped_column(
        ForeignKey("pipe_node.code", deferrable=True, initially="DEFERRED")
    )
    diameter_mm: Mapped[float | None]
    material: Mapped[str | None] = mapped_column(Text)
    burial_depth_m: Mapped[float | None]
    depth_from_m: Mapped[float | None]
    depth_to_m: Mapped[float | None]
    depth_of: Mapped[str | None] = mapped_column(Text)
    laying: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text, server_default="")
    pressure_mpa: Mapped[float | None]
    pressure_class: Mapped[str | None] = mapped_column(Text)
    voltage_kv: Mapped[float | None]
    ducts: Mapped[int | None] = mapped_column(SmallInteger)
    year_built: Mapped[int | None] = mapped_column(SmallInteger)
    geom: Mapped[Any] = geometry("LINESTRING")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("network", Network),
        one_of("material", Material),
        between("diameter_mm", 0, 10_000),
        one_of("depth_of", DepthOf),
        one_of("laying", Laying),
        one_of("status", PipeStatus),
        one_of("pressure_class", PressureClass),
        between("burial_depth_m", -10, 100),
        between("depth_from_m", -10, 100),
        between("depth_to_m", -10, 100),
        between("pressure_mpa", 0, 20),
        between("voltage_kv", 0, 1200),
        between("ducts", 0, 500),
        between("year_built", 1800, 2200),
        Index(None, "network"),
        Index(None, "from_node"),
        Index(None, "to_node"),
    )
