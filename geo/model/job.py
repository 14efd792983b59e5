"""Work that takes longer than a request: drawings, score cards, and publications of imports."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base, one_of


class JobKind(StrEnum):
    """Kinds of jobs."""

    DRAW = "draw"
    ALTERNATIVES = "alternatives"
    COMPLETE = "complete"
    SCORE = "score"
    MICRO = "micro"
    WHAT_IF = "what_if"
    APPROVE = "approve"
    ROLL_BACK = "roll_back"
    REPLAY = "replay"
    DRY_RUN = "dry_run"
    IMPORT = "import"


IMPORT_KINDS = (
    *(JobKind.APPROVE, JobKind.ROLL_BACK, JobKind.REPLAY),
    *(JobKind.DRY_RUN, JobKind.IMPORT),
)
"""Jobs of imports, which belong to no community."""

PLAN_KINDS = tuple(kind for kind in JobKind if kind not in IMPORT_KINDS)


class JobStatus(StrEnum):
    """Life of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Base):
    """A job: a drawing, a comparison, a score card, or an import to publish or roll back.

    ``caller`` requested it, and drawings run under the caller's rights; ``attempts`` counts starts;
    ``plans`` and ``runs`` are its results, ``result`` is that of a what-if; ``problem`` is why it
    failed. ``upload`` is its input file, null once it has ended.
    """

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="queued")
    community_code: Mapped[str] = mapped_column(Text)
    caller: Mapped[dict[str, Any]] = mapped_column(JSONB)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    step: Mapped[str] = mapped_column(Text, server_default="")
    done: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    plans: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    runs: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    upload: Mapped[bytes | None] = mapped_column(LargeBinary)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        one_of("kind", JobKind),
        one_of("status", JobStatus),
        Index(None, "community_code"),
        Index("ix_job_open", "id", postgresql_where=text("status IN ('queued', 'running')")),
    )
