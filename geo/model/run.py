"""Import runs, their changes and quarantined features, layer revisions, and the audit trail."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Sequence,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, geometry, one_of

STAGING_SCHEMA = "staging"
"""Schema of the tables in which runs stage what they publish."""

REVISIONS = Sequence("layer_revision_number", metadata=Base.metadata)
"""Revision numbers, one sequence for all layers."""


class RunStatus(StrEnum):
    """Life of an import run."""

    RUNNING = "running"
    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    HELD = "held"
    REJECTED = "rejected"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class ImportRun(Base):
    """One run of an import with its counts, timings in seconds, and report."""

    __tablename__ = "import_run"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    layer: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="running")
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    timings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    report: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    revision: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (one_of("status", RunStatus), Index(None, "layer", "started_at"))


class RunChange(Base):
    """The codes that a run added, changed and removed in a layer, and the columns it may write.

    A rollback needs this and the history of the layer.
    """

    __tablename__ = "run_change"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("import_run.id", ondelete="CASCADE"), primary_key=True
    )
    layer: Mapped[str] = mapped_column(Text, primary_key=True)
    columns: Mapped[list[str]] = mapped_column(ARRAY(Text))
    added: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    changed: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    removed: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))


class Correction(Base):
    """A manual override of an imported value; imports do not write it and report theirs."""

    __tablename__ = "correction"

    layer: Mapped[str] = mapped_column(Text, primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    field: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class IndexLeftOff(Base):
    """An index of an empty layer that is dropped until its first delivery is imported."""

    __tablename__ = "index_left_off"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    layer: Mapped[str] = mapped_column(Text)
    definition: Mapped[str] = mapped_column(Text)


class Quarantine(Base):
    """A feature that an import rejected: reason, properties, and geometry as delivered (WKB).

    ``detail`` holds the fields of the reason's text, and the number of the feature in its file.
    """

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("import_run.id", ondelete="CASCADE"))
    layer: Mapped[str] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    original: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    geom: Mapped[Any] = geometry("GEOMETRY", nullable=True)
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index(None, "run_id"), Index(None, "layer", "code"))


class LayerRevision(Base):
    """The current revision of a layer, updated in the publishing transaction."""

    __tablename__ = "layer_revision"

    layer: Mapped[str] = mapped_column(Text, primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("import_run.id", ondelete="SET NULL"))
    published_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


class LayerChange(Base):
    """Number of changes of a layer, counted by triggers in the changing transaction, for caches."""

    __tablename__ = "layer_change"

    layer: Mapped[str] = mapped_column(Text, primary_key=True)
    changes: Mapped[int] = mapped_column(BigInteger, server_default="0")


class AuditEvent(Base):
    """An event of the audit trail: who did what to which object, and when."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    object_type: Mapped[str] = mapped_column(Text)
    object_code: Mapped[str] = mapped_column(Text, server_default="")
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))

    __table_args__ = (Index(None, "at"), Index(None, "object_type", "object_code"))
