"""Casework: cases with their events, photos and contacts, visits and duties of grid managers.

``service_case`` holds the current state of a case; it follows from the events, which are only ever
added (a trigger refuses anything else).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, between, geometry, one_of


class Flow(StrEnum):
    """The two flows of the city's programme of 2011."""

    SERVICE = "service"
    DISPUTE = "dispute"


class CaseState(StrEnum):
    """States of a case; the table of transitions is :data:`geo.casework.workflow.TRANSITIONS`."""

    FILED = "filed"
    ACCEPTED = "accepted"
    REGISTERED = "registered"
    HANDLING = "handling"
    REPORTED = "reported"
    RATED = "rated"
    ARCHIVED = "archived"
    DECLINED = "declined"


class CaseLevel(StrEnum):
    """Levels of responsibility, from below."""

    GRID = "grid"
    COMMUNITY = "community"
    STREET = "street"
    DISTRICT = "district"
    CITY = "city"


class Channel(StrEnum):
    """Ways in which a case is filed."""

    PAGE = "page"
    FIELD = "field"
    KIOSK = "kiosk"
    OFFICE = "office"
    OPEN311 = "open311"


class ServiceCase(Base):
    """A request, complaint or dispute at a place.

    ``region_code`` is the lowest division at the place, ``grid_code`` and ``plan_id`` the grid in
    force there at filing, which stay when plans change. ``handler_code`` is who is responsible: a
    grid or the office of a division. ``offered_code`` is to whom it is being handed over;
    until that one accepts, the handler stays responsible (首问负责). ``involved`` holds the place's
    and all handlers' codes: who may see the case. ``is_provisional`` says that the deadline was
    counted without the official calendar of its year. ``anonymized_at`` is when words, photos and
    the exact place were removed.
    """

    __tablename__ = "service_case"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text)
    flow: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default="filed")
    description: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text, server_default="")
    geom: Mapped[Any] = geometry("POINT")
    region_code: Mapped[str] = mapped_column(Text)
    grid_code: Mapped[str | None] = mapped_column(Text)
    plan_id: Mapped[int | None] = mapped_column(ForeignKey("grid_plan.id", ondelete="SET NULL"))
    handler_code: Mapped[str] = mapped_column(Text)
    level: Mapped[str] = mapped_column(Text)
    department: Mapped[str] = mapped_column(Text, server_default="")
    offered_code: Mapped[str | None] = mapped_column(Text)
    offered_department: Mapped[str] = mapped_column(Text, server_default="")
    involved: Mapped[list[str]] = mapped_column(ARRAY(Text))
    filed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    is_provisional: Mapped[bool] = mapped_column(server_default="false")
    reported_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    supervised_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    released_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    escalations: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    reworks: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    revision: Mapped[int] = mapped_column(server_default="1")
    anonymized_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(
            "anonymized_at IS NULL OR closed_at IS NOT NULL AND description = '' AND address = ''",
            name="anonymized_empty",
        ),
        one_of("flow", Flow),
        one_of("channel", Channel),
        one_of("state", CaseState),
        one_of("level", CaseLevel),
        between("rating", 1, 5),
        CheckConstraint("region_code ~ '^[0-9]{12}$'", name="region_code_12_digits"),
        CheckConstraint("handler_code ~ '^([0-9]{12}|[0-9]{15})$'", name="handler_code_digits"),
        Index(None, "involved", postgresql_using="gin"),
        Index(None, "plan_id"),
        Index(
            "ix_service_case_retained", "closed_at", postgresql_where=text("anonymized_at IS NULL")
        ),
        Index(None, "released_at", postgresql_where=text("released_at IS NOT NULL")),
        Index(
            "ix_service_case_due",
            "due_at",
            postgresql_where=text("state IN ('filed', 'accepted', 'registered', 'handling')"),
        ),
    )


class CaseEvent(Base):
    """A step of a case: who did what, when, and the values that it set (``data``)."""

    __tablename__ = "case_event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("service_case.id"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    actor: Mapped[str] = mapped_column(Text, server_default="")
    role: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, server_default="")
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))

    __table_args__ = (one_of("state", CaseState), Index(None, "case_id"), Index(None, "at"))


class CasePhoto(Base):
    """A photo of an event, re-encoded without metadata."""

    __tablename__ = "case_photo"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("service_case.id"))
    event_id: Mapped[int] = mapped_column(ForeignKey("case_event.id"))
    photo: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)

    __table_args__ = (Index(None, "case_id"), Index(None, "event_id"))


class CaseContact(Base):
    """The contact that a reporter gave, encrypted; deleted some days after the case is closed."""

    __tablename__ = "case_contact"

    case_id: Mapped[int] = mapped_column(ForeignKey("service_case.id"), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class CaseKey(Base):
    """A request with an idempotency key that was carried out: the digests of key and request."""

    __tablename__ = "case_key"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request: Mapped[str] = mapped_column(Text)
    case_id: Mapped[int] = mapped_column(ForeignKey("service_case.id"))
    owner: Mapped[str] = mapped_column(Text, server_default="")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index(None, "case_id"), Index(None, "at"))


class ReportCount(Base):
    """Requests of an address or a device in a minute; ``origin`` is a keyed digest of it."""

    __tablename__ = "report_count"

    origin: Mapped[str] = mapped_column(Text, primary_key=True)
    minute: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    requests: Mapped[int]

    __table_args__ = (Index(None, "minute"),)


class VisitTopic(StrEnum):
    """What a visit is about."""

    GREETING = "greeting"
    CONDITIONS = "conditions"
    OPINION = "opinion"
    DISPUTE = "dispute"
    SAFETY = "safety"
    POLICY = "policy"
    HELP = "help"
    OTHER = "other"


class Visit(Base):
    """An entry of the ledger of visits (民情台账): by dwelling, never by name.

    ``device_at`` is what the clock of the visitor's device showed at the visit, ``anonymized_at``
    when dwelling and words were removed: the entry still counts as a visit of its grid.
    """

    __tablename__ = "visit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    grid_code: Mapped[str] = mapped_column(Text)
    dwelling_code: Mapped[str] = mapped_column(Text)
    visited_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    device_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    topic: Mapped[str] = mapped_column(Text)
    said: Mapped[str] = mapped_column(Text, server_default="")
    advice: Mapped[str] = mapped_column(Text, server_default="")
    result: Mapped[str] = mapped_column(Text, server_default="")
    case_id: Mapped[int | None] = mapped_column(ForeignKey("service_case.id"))
    visitor: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text, unique=True)
    recorded_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    anonymized_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        one_of("topic", VisitTopic),
        CheckConstraint(
            "anonymized_at IS NULL OR dwelling_code = '' AND said = '' AND advice = '' "
            "AND result = ''",
            name="anonymized_empty",
        ),
        CheckConstraint("grid_code ~ '^[0-9]{15}$'", name="grid_code_15_digits"),
        Index(None, "grid_code", "visited_at"),
        Index(None, "dwelling_code"),
        Index(None, "case_id"),
        Index("ix_visit_retained", "visited_at", postgresql_where=text("anonymized_at IS NULL")),
    )


class DwellingVerification(Base):
    """A verification of a dwelling on the spot; the layer's history keeps the counts before it.

    ``verified_at`` is when, by the server's clock as the device knew it; ``device_at`` is what the
    device's own clock showed. ``changes`` holds the counts that were set, ``request`` the digest of
    the request with the idempotency key ``key``. ``dwelling_code`` and ``changes`` are empty once
    the period of retention has ended.
    """

    __tablename__ = "dwelling_verification"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    grid_code: Mapped[str] = mapped_column(Text)
    dwelling_code: Mapped[str] = mapped_column(Text)
    verified_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    device_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    verifier: Mapped[str] = mapped_column(Text)
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    key: Mapped[str] = mapped_column(Text, unique=True)
    request: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )

    __table_args__ = (
        CheckConstraint("grid_code ~ '^[0-9]{15}$'", name="grid_code_15_digits"),
        CheckConstraint("dwelling_code <> '' OR changes = '{}'", name="anonymized_empty"),
        Index(None, "dwelling_code"),
        Index(
            "ix_dwelling_verification_retained",
            "verified_at",
            postgresql_where=text("dwelling_code <> ''"),
        ),
    )


class DutyRecord(Base):
    """A monthly duty of a grid manager that was done; ``month`` is its first day."""

    __tablename__ = "duty_record"

    grid_code: Mapped[str] = mapped_column(Text, primary_key=True)
    duty: Mapped[str] = mapped_column(Text, primary_key=True)
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    done_on: Mapped[date] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text, server_default="")
    recorded_by: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )

    __table_args__ = (
        CheckConstraint("grid_code ~ '^[0-9]{15}$'", name="grid_code_15_digits"),
        CheckConstraint("extract(day FROM month) = 1", name="month_first_day"),
    )
