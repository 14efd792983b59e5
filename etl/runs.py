"""The records of runs: opened before a file is read, closed in the publishing transaction.

A run holds a lock of its own for as long as its process lives, so that the next one can tell a run
that works from one that died.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from geo import clock
from geo.model import ImportRun, LayerChange, LayerRevision
from geo.model.run import STAGING_SCHEMA, RunStatus

RUN_LOCK = 4206_0003
"""First number of the advisory lock of a run; its second is the run's."""

_LONGEST_NUMBER = 2**31 - 1

State = dict[str, list[int]]
"""Revision and number of changes of layers by name, and the year: all that a file is checked
against. The database counts changes, in plain SQL too."""

YEAR = "year"

LOOKS_AT = {
    "building_unit": ("building",),
    "register": ("building", "building_unit"),
    "pipe_segment": ("pipe_node",),
}
"""Layers in which those of a delivery look up what they name, besides the regions."""

OPEN = (RunStatus.RUNNING, RunStatus.HELD)


@dataclass
class Run:
    """A run on its way.

    Attributes
    ----------
    number, source
        Its number and its source.
    connection
        The session that holds its lock, and publishes.
    timings
        Seconds a step.
    report
        What is told of it (see ``docs/imports.md``).
    """

    number: int
    source: str
    connection: Connection
    timings: dict[str, float] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds of the block to a step."""
        began = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - began
            self.timings[step] = round(self.timings.get(step, 0.0) + spent, 3)


@contextmanager
def opened(engine: Engine, layers: str, source: str, **report: Any) -> Iterator[Run]:
    """Open a run, and the session that publishes it; both end with the block.

    Runs whose process died are closed first.
    """
    with session(engine) as connection:
        sweep(connection)
        with connection.begin():
            number: int = connection.execute(
                insert(ImportRun)
                .values(layer=layers, source=source, report=report)
                .returning(ImportRun.id)
            ).scalar_one()
            # In the same transaction: nobody sees the run without its lock.
            connection.execute(select(func.pg_advisory_lock(RUN_LOCK, _short(number))))
        yield Run(number, source, connection, report=dict(report))


@contextmanager
def session(engine: Engine) -> Iterator[Connection]:
    """Open a session of its own: its locks end with it, whatever happens."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            with suppress(DBAPIError):
                connection.rollback()
                connection.execute(select(func.pg_advisory_unlock_all()))
                connection.rollback()
            connection.invalidate()


def _short(number: int) -> int:
    return number % _LONGEST_NUMBER


def sweep(connection: Connection) -> list[int]:
    """Close the runs whose process died, and drop what nobody will publish."""
    dead = []
    with connection.begin():
        running = connection.scalars(
            select(ImportRun.id).where(ImportRun.status == RunStatus.RUNNING).order_by(ImportRun.id)
        ).all()
        for number in running:
            lock = select(func.pg_try_advisory_xact_lock(RUN_LOCK, _short(number)))
            if connection.execute(lock).scalar():
                dead.append(number)
                close(connection, number, RunStatus.FAILED, {"failure": "died"})
    with connection.begin():
        kept = set(connection.scalars(select(ImportRun.id).where(ImportRun.status.in_(OPEN))))
        for table, number in _staged(connection):
            if number not in kept:
                connection.execute(text(f"DROP TABLE IF EXISTS {STAGING_SCHEMA}.{table}"))
    return dead


def _staged(connection: Connection) -> list[tuple[str, int]]:
    """Return the staging tables with the numbers of their runs."""
    names = connection.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = :schema"),
        {"schema": STAGING_SCHEMA},
    )
    return [(name, int(name.split("_")[1])) for name in names]


def drop_staged(connection: Connection, number: int) -> None:
    """Drop the staging tables of a run."""
    for table, owner in _staged(connection):
        if owner == number:
            connection.execute(text(f"DROP TABLE {STAGING_SCHEMA}.{table}"))


def close(
    connection: Connection, number: int, status: RunStatus, report: dict[str, Any], **values: Any
) -> None:
    """Write how a run ended."""
    connection.execute(
        update(ImportRun)
        .where(ImportRun.id == number)
        .values(
            status=status,
            report=ImportRun.report.concat(report),
            finished_at=func.clock_timestamp(),
            **values,
        )
    )


def status_of(engine: Engine, number: int) -> str:
    """Return how a run stands, asked in a new session."""
    with session(engine) as connection:
        return str(
            connection.execute(select(ImportRun.status).where(ImportRun.id == number)).scalar_one()
        )


def state_of(connection: Connection, layers: Iterable[str]) -> State:
    """Return what layers and those that their checks look at stand at, and the year."""
    asked = set(layers) - {YEAR}
    names = {"region", *asked, *(other for name in asked for other in LOOKS_AT.get(name, ()))}
    rows = connection.execute(
        select(LayerRevision.layer, LayerRevision.revision, LayerChange.changes)
        .join(LayerChange, LayerChange.layer == LayerRevision.layer, isouter=True)
        .where(LayerRevision.layer.in_(names))
    )
    found = {row.layer: [row.revision, row.changes or 0] for row in rows}
    return {YEAR: [clock.today().year]} | {name: found.get(name, []) for name in sorted(names)}
