"""The values that the stages of an import pass on: a delivery, its counts, and its outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.pipeline.staging import Staged
from geo.model.run import RunStatus


@dataclass(frozen=True)
class Counts:
    """What a publication did to a layer."""

    added: int
    changed: int
    removed: int
    unchanged: int

    @property
    def rows_written(self) -> int:
        """The number of rows written."""
        return self.added + self.changed + self.removed

    @property
    def staged(self) -> int:
        """The number of features that the delivery holds."""
        return self.added + self.changed + self.unchanged

    @property
    def is_all_added(self) -> bool:
        """Whether every feature of the delivery is new, and nothing else changes."""
        return self.added > 0 and self.added == self.rows_written + self.unchanged


@dataclass(frozen=True)
class Scope:
    """What of the live layer a delivery speaks for.

    Attributes
    ----------
    source
        Its own features.
    partial
        It holds only some of them: what it lacks stays.
    fields_only
        It fills columns of features of any source, and neither adds nor removes any.
    """

    source: str
    partial: bool = False
    fields_only: bool = False


@dataclass(frozen=True)
class Concern:
    """A reason to hold a run: a key of the message catalogue, and the values of its fields."""

    key: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Guard:
    """The limits beyond which a run waits for a person.

    Attributes
    ----------
    removed_percent
        Of the live features of the source.
    changed_percent
        Of the live features of the source; if it only fills columns, of all of the layer.
    area_percent
        Of the live area of the source.
    rejected_percent
        Of the delivered features.
    few
        Up to so many features of a layer exceed no limit, unless all that came were rejected.
    """

    removed_percent: float
    changed_percent: float
    area_percent: float
    rejected_percent: float
    few: int


@dataclass
class Delivery:
    """Staged layers that are to be published.

    Attributes
    ----------
    staged
        Staging tables by layer, parents before children.
    rejected
        Table of the rejected features.
    scope
        The part of the live layers that the delivery replaces.
    guard
        Limits beyond which it waits for a person; None publishes it whatever it changes.
    concerns
        What the checks found that a person should see before it is published.
    register_rows
        Rows of the register that were joined, whose counts are staged by building and unit.
    is_quarantined
        The rejected features are in the quarantine already, since the run was held.
    replayed
        Numbers of the features from the quarantine that it delivers again.
    written
        The revision under which the open transaction has already written all of it into the live
        tables (see :mod:`etl.pipeline.bulk_load`).
    """

    staged: dict[str, Staged]
    rejected: str
    scope: Scope
    guard: Guard | None = None
    concerns: list[Concern] = field(default_factory=list)
    register_rows: int = 0
    is_quarantined: bool = False
    replayed: Sequence[int] = ()
    written: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    run, status
        Its number and its status.
    counts
        Counts by layer.
    report
        The report (see ``docs/imports.md``).
    """

    run: int
    status: RunStatus
    counts: dict[str, Counts]
    report: dict[str, Any]
