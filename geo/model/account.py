"""Accounts, sign-in attempts and sessions."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, one_of


class Role(StrEnum):
    """Roles of callers; each has a database role, ``gridatlas_<name>``."""

    PUBLIC = "public"
    PLANNER = "planner"
    FIRE = "fire"
    UTILITY = "utility"
    IMPORTER = "importer"
    GRID_MANAGER = "grid_manager"
    OFFICE = "office"
    ADMIN = "admin"


class Account(Base):
    """A person or program that may sign in.

    ``scope`` is the code, or its first digits, of the region of a planner or an office;
    ``networks`` are those that a utility may read. The grids of a grid manager are those whose
    current manager has the account (:class:`geo.model.grid.GridManager`). An account without a
    password signs in with the identity provider only.
    """

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    password: Mapped[str | None] = mapped_column(Text, deferred=True)
    role: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text, server_default="")
    networks: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    active: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        one_of("role", Role),
        CheckConstraint("role <> 'public'", name="role_signs_in"),
        CheckConstraint("scope ~ '^[0-9]{0,12}$'", name="scope_digits"),
        CheckConstraint("role <> 'planner' OR scope <> ''", name="planner_has_scope"),
        CheckConstraint("role <> 'office' OR scope <> ''", name="office_has_scope"),
    )


class SignInAttempt(Base):
    """A recent sign-in attempt, counted before its password is verified."""

    __tablename__ = "sign_in_attempt"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index(None, "at"),)


class Session(Base):
    """A session: ``token`` is the hash of its current refresh token, issued at ``rotated_at``."""

    __tablename__ = "session"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    token: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    rotated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index(None, "account_id"), Index(None, "expires_at"))
