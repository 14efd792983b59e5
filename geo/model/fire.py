"""Fire safety: findings of the rules, areas for the map, building reviews, hydrant inspections."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, Feature, between, display_geometry, geometry, one_of


class ReviewState(StrEnum):
    """States of a building's review; ``due`` follows from dates and is not stored."""

    DRAFT = "draft"
    CHECKED = "checked"


class FireFinding(Base):
    """A feature that violates a rule, or that lacks the data to check it.

    ``measured``, ``required`` and ``shortfall`` are in the rule's unit; ``detail`` holds the fields
    of the finding's text; ``geom`` is its place, such as the line between two walls.
    """

    __tablename__ = "fire_finding"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    city: Mapped[str] = mapped_column(Text)
    overlay: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    layer: Mapped[str] = mapped_column(Text)
    feature: Mapped[str] = mapped_column(Text)
    other: Mapped[str | None] = mapped_column(Text)
    region_code: Mapped[str | None] = mapped_column(Text)
    measured: Mapped[float | None]
    required: Mapped[float | None]
    shortfall: Mapped[float | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    computed_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    revision: Mapped[int] = mapped_column(BigInteger, server_default="0")
    geom: Mapped[Any] = geometry("GEOMETRY")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        CheckConstraint("severity IN ('high', 'medium', 'low', 'missing')", name="severity_known"),
        Index(None, "city", "overlay"),
        Index(None, "feature"),
        Index(None, "other"),
        Index(None, "region_code"),
    )


class FireArea(Base):
    """An area of the map: reached within some minutes of a call, or covered by hydrants."""

    __tablename__ = "fire_area"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    city: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    station: Mapped[str] = mapped_column(Text, server_default="")
    minutes: Mapped[float | None]
    geom: Mapped[Any] = geometry("GEOMETRY")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        CheckConstraint("kind IN ('response', 'straight', 'route')", name="kind_known"),
        Index(None, "city", "kind"),
    )


class FireOverlay(Base):
    """The last computation of a city's overlay: its time, layer revisions and rule values."""

    __tablename__ = "fire_overlay"

    city: Mapped[str] = mapped_column(Text, primary_key=True)
    overlay: Mapped[str] = mapped_column(Text, primary_key=True)
    revisions: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    figures: Mapped[str] = mapped_column(Text, server_default="")
    missing: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    computed_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    seconds: Mapped[float]


class BuildingReview(Base):
    """The review of a building's sheet by a person on site."""

    __tablename__ = "building_review"

    building_code: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text, server_default="draft")
    checker: Mapped[str] = mapped_column(Text, server_default="")
    checked_on: Mapped[date | None] = mapped_column(Date)
    due_on: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text, server_default="")
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        one_of("state", ReviewState),
        CheckConstraint(
            "state <> 'checked' OR (checked_on IS NOT NULL AND checker <> '')",
            name="checked_signed",
        ),
        Index(None, "due_on"),
    )


class FireItem(StrEnum):
    """What a crew must know of a building and only somebody on site can say."""

    EXITS = "exits"
    EVACUATION_STAIRS = "evacuation_stairs"
    FIRE_LIFTS = "fire_lifts"
    CONTROL_ROOM = "control_room"
    DUTY_PHONE = "duty_phone"
    PUMP_ADAPTERS = "pump_adapters"
    TANKS = "tanks"
    POWER_CUT_OFF = "power_cut_off"
    CLADDING = "cladding"
    WINDOW_GRILLES = "window_grilles"
    EBIKE_CHARGING = "ebike_charging"
    BOTTLED_GAS = "bottled_gas"
    PEOPLE_TO_HELP = "people_to_help"


SITE_SOURCE = "site"
"""Source of the items that are recorded on the fire page."""


class BuildingFireItem(Feature, Base):
    """What was found on site about an item of a building: what there is, and where it is.

    ``code`` is the building's code and the item, so that each item is on record once. People who
    need help are counted by unit, never named.
    """

    __tablename__ = "building_fire"

    building_code: Mapped[str] = mapped_column(Text)
    item: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(Text, server_default="")
    checked_on: Mapped[date] = mapped_column(Date)
    checked_by: Mapped[str] = mapped_column(Text)
    geom: Mapped[Any] = geometry("POINT", nullable=True)
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("item", FireItem),
        CheckConstraint("value <> '' AND checked_by <> ''", name="signed"),
        Index(None, "building_code"),
    )


class PlanMedia(StrEnum):
    """Media types of the plans of a building."""

    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"


class BuildingPlan(Base):
    """A plan of a floor of a building, or of its site: a PDF or a picture.

    ``digest`` is that of the content, ``pages`` the number of its pages (1 for a picture).
    """

    __tablename__ = "building_plan"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    building_code: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    pages: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    added_by: Mapped[str] = mapped_column(Text, server_default="")
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        one_of("media_type", PlanMedia),
        between("pages", 1, 100),
        CheckConstraint("title <> ''", name="titled"),
        UniqueConstraint("building_code", "digest"),
    )


class HydrantInspection(Base):
    """An inspection of a hydrant; ``flow_l_s`` in litres a second.

    One by a grid manager has the code of the grid, what the device's clock showed, and the digests
    of its idempotency key and request.
    """

    __tablename__ = "hydrant_inspection"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    hydrant_code: Mapped[str] = mapped_column(Text)
    passed: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    flow_l_s: Mapped[float | None]
    inspector: Mapped[str] = mapped_column(Text)
    inspected_on: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date)
    grid_code: Mapped[str | None] = mapped_column(Text)
    device_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    key: Mapped[str | None] = mapped_column(Text, unique=True)
    request: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        between("flow_l_s", 0, 10_000),
        CheckConstraint("passed OR reason <> ''", name="failure_explained"),
        CheckConstraint("grid_code ~ '^[0-9]{15}$'", name="grid_code_15_digits"),
        Index(None, "hydrant_code", "inspected_on"),
        Index(None, "due_on"),
    )
