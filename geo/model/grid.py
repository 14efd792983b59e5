"""Plans of communities, their grids, and the people in charge of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, between, display_geometry, geometry, one_of


class PlanStatus(StrEnum):
    """Life of a plan; a community has at most one published plan."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class GridKind(StrEnum):
    """General grids hold households; dedicated ones a school, market, hospital or park."""

    GENERAL = "general"
    DEDICATED = "dedicated"


class DrawRun(Base):
    """A drawing of many communities; ``asked`` holds its options.

    ``finished_at`` is null while it runs and after an interruption.
    """

    __tablename__ = "draw_run"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    asked: Mapped[dict[str, Any]] = mapped_column(JSONB)
    author: Mapped[str] = mapped_column(Text, server_default="")
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class GridPlan(Base):
    """A plan of one community.

    ``stale`` holds later changes of the community's data, null if there are none; ``revision``
    counts edits.
    """

    __tablename__ = "grid_plan"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    community_code: Mapped[str] = mapped_column(
        ForeignKey("region.code", deferrable=True, initially="DEFERRED")
    )
    version: Mapped[int]
    status: Mapped[str] = mapped_column(Text, server_default="draft")
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    score: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    author: Mapped[str] = mapped_column(Text, server_default="")
    note: Mapped[str] = mapped_column(Text, server_default="")
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("grid_plan.id", ondelete="SET NULL"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("draw_run.id", ondelete="SET NULL"))
    stale: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    archived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (
        one_of("status", PlanStatus),
        CheckConstraint(
            "status = 'draft' OR published_at IS NOT NULL OR archived_at IS NOT NULL",
            name="status_dated",
        ),
        UniqueConstraint("community_code", "version"),
        UniqueConstraint("run_id", "community_code"),
        Index(
            "uq_grid_plan_published",
            "community_code",
            unique=True,
            postgresql_where=text("status = 'published'"),
        ),
        Index(None, "parent_id"),
    )


class Grid(Base):
    """A grid of a plan, in force from ``valid_from`` to ``valid_to``; both are null in a draft.

    ``workload`` is null unless the plan balances it. ``micro_reasons`` says, as [key, fields], why
    its micro-grids are not as the programme asks; null where it is not divided.
    """

    __tablename__ = "grid"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("grid_plan.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(Text, server_default="general")
    households: Mapped[int]
    workload: Mapped[int | None]
    micro_reasons: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    locked: Mapped[bool] = mapped_column(server_default="false")
    source: Mapped[str] = mapped_column(Text, server_default="")
    valid_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    valid_to: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(BigInteger, server_default="0")
    geom: Mapped[Any] = geometry("MULTIPOLYGON")
    geom_3857: Mapped[Any] = display_geometry()

    __table_args__ = (
        one_of("kind", GridKind),
        CheckConstraint("code ~ '^[0-9]{15}$'", name="code_15_digits"),
        between("households", 0, 1_000_000),
        between("workload", 0, 10_000_000),
        UniqueConstraint("plan_id", "code"),
        Index(None, "code"),
    )


class GridMember(Base):
    """A cell of a plan's community: its land, and the building or unit on it.

    A building over the upper limit has one cell for each of its units; a cell without a building
    has neither code and no households.
    """

    __tablename__ = "grid_member"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("grid_plan.id", ondelete="CASCADE"))
    grid_id: Mapped[int] = mapped_column(ForeignKey("grid.id", ondelete="CASCADE"))
    building_code: Mapped[str | None] = mapped_column(Text)
    unit_code: Mapped[str | None] = mapped_column(Text)
    households: Mapped[int]
    workload: Mapped[int | None]
    geom: Mapped[Any] = geometry("MULTIPOLYGON")

    __table_args__ = (
        CheckConstraint("unit_code IS NULL OR building_code IS NOT NULL", name="unit_in_building"),
        CheckConstraint("building_code IS NOT NULL OR households = 0", name="empty_cell_is_empty"),
        UniqueConstraint("plan_id", "building_code", "unit_code"),
        Index(None, "grid_id"),
        Index(None, "building_code"),
    )


class MicroGrid(Base):
    """A part of a grid for one informant, with the buildings and stairwell units in it.

    ``code`` is that of the grid and a serial of two digits.
    """

    __tablename__ = "micro_grid"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("grid_plan.id", ondelete="CASCADE"))
    grid_id: Mapped[int] = mapped_column(ForeignKey("grid.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(Text)
    households: Mapped[int]
    buildings: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    units: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    geom: Mapped[Any] = geometry("MULTIPOLYGON")

    __table_args__ = (
        CheckConstraint("code ~ '^[0-9]{17}$'", name="code_17_digits"),
        between("households", 0, 1_000_000),
        UniqueConstraint("plan_id", "code"),
        Index(None, "grid_id"),
    )


class PlanEdit(Base):
    """An edit of a draft, with the state before and after it.

    ``members`` holds {atom: [grid code before, after]}, ``grids`` {code: [before, after]} with null
    for a grid that does not exist. ``undone`` edits can be redone.
    """

    __tablename__ = "plan_edit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("grid_plan.id", ondelete="CASCADE"))
    revision: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    members: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    grids: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    undone: Mapped[bool] = mapped_column(server_default="false")
    author: Mapped[str] = mapped_column(Text, server_default="")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index(None, "plan_id", "id"),)


class PlanComment(Base):
    """A remark on a place in a plan, open until somebody marks it as resolved."""

    __tablename__ = "plan_comment"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("grid_plan.id", ondelete="CASCADE"))
    words: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text, server_default="")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    resolved_by: Mapped[str] = mapped_column(Text, server_default="")
    geom: Mapped[Any] = geometry("POINT")

    __table_args__ = (
        CheckConstraint("length(words) BETWEEN 1 AND 2000", name="words_given"),
        Index(None, "plan_id", "id"),
    )


class GridManager(Base):
    """The manager of a grid, identified by its 15-digit code, which outlives plans.

    ``tasks`` is what they do (工作内容), ``duties`` what they answer for (职责). ``account_id`` is
    the account with which they sign in; it gives access to the grid as long as the term lasts.
    """

    __tablename__ = "grid_manager"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    grid_code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    photo: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    phone: Mapped[str] = mapped_column(Text, server_default="")
    tasks: Mapped[str] = mapped_column(Text, server_default="")
    duties: Mapped[str] = mapped_column(Text, server_default="")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    valid_from: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    valid_to: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("grid_code ~ '^[0-9]{15}$'", name="grid_code_15_digits"),
        Index(
            "uq_grid_manager_current",
            "grid_code",
            unique=True,
            postgresql_where=text("valid_to IS NULL"),
        ),
        Index(None, "account_id"),
    )


class GridInformant(Base):
    """One of the 6 to 8 informants of a grid, with the households and buildings in their care.

    ``micro_grid`` is the serial of their micro-grid, null for none.
    """

    __tablename__ = "grid_informant"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    grid_code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(Text, server_default="")
    households: Mapped[int] = mapped_column(server_default="0")
    buildings: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    micro_grid: Mapped[int | None] = mapped_column(SmallInteger)
    valid_from: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    valid_to: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("grid_code ~ '^[0-9]{15}$'", name="grid_code_15_digits"),
        between("households", 0, 10_000),
        between("micro_grid", 1, 99),
        Index(None, "grid_code"),
    )
