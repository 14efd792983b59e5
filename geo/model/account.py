"""Who may sign in, and the sessions that are open."""

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
    """What a caller may do; each is a role of the database, ``gridatlas_<name>``."""

    PUBLIC = "public"
    PLANNER = "planner"
    FIRE = "fire"
    UTILITY = "utility"
    IMPORTER = "importer"
    ADMIN = "admin"


class Account(Base):
    """A person or program that signs in.

    ``scope`` is the code, or the digits it begins with, of the region a planner works in;
    ``networks`` are those a utility sees. Without a password only an identity provider vouches.
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
    )


class SignInAttempt(Base):
    """A password that was tried a moment ago, counted before it is looked at."""

    __tablename__ = "sign_in_attempt"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index(None, "at"),)


class Session(Base):
    """One sign-in: ``token`` is the hash of the refresh token that is valid now."""

    __tablename__ = "session"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    token: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index(None, "account_id"), Index(None, "expires_at"))
