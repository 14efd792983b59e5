"""A delivery on its way to being live, and how its run ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.pipeline.diff import Counts, Scope
from etl.pipeline.guard import Concern, Guard
from etl.pipeline.staging import Staged
from geo.model.run import RunStatus


@dataclass
class Delivery:
    """Staged layers on their way to being live.

    Attributes
    ----------
    staged
        By layer, parents before children.
    rejected
        Table of what was refused.
    scope
        What of the live layers it speaks for.
    guard
        Limits beyond which it waits for a person; none for an approved run.
    concerns
        What the checks found that a person should see first.
    replayed
        Numbers of refused features that it brings again.
    passed_over
        Rows by layer that passed before and were not looked at again (see
        :mod:`etl.pipeline.row_digests`).
    same
        Counts by layer, where every row is one of these and nothing is gone.
    written
        The revision under which all of it is in the live tables, in the transaction that is open
        (see :mod:`etl.pipeline.bulk_load`).
    """

    staged: dict[str, Staged]
    rejected: str
    scope: Scope
    guard: Guard | None = None
    concerns: list[Concern] = field(default_factory=list)
    replayed: Sequence[int] = ()
    passed_over: dict[str, int] = field(default_factory=dict)
    same: dict[str, Counts] | None = None
    written: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    run, status
        Its number and how it stands.
    counts
        By layer.
    report
        What is told of it.
    """

    run: int
    status: RunStatus
    counts: dict[str, Counts]
    report: dict[str, Any]
