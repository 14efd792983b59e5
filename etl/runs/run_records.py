"""The records of runs: opened before a file is read, closed in the publishing transaction.

A run holds an advisory lock of its own while its process lives, by which the next run tells a
working run from a dead one.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    RootTransaction,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from geo import clock, db, locks
from geo.locks import Lock
from geo.model import ImportRun, LayerChange, LayerRevision
from geo.model.run import STAGING_SCHEMA, RunStatus

OnFinish = Callable[[Connection, int], None]
"""Called in the transaction that ends a run, to write an audit entry or a job with it."""

State = dict[str, list[int]]
"""Revision and number of changes of layers by name, and the year: all that a file is checked
against. The database counts the changes, also those made by plain SQL."""

YEAR = "year"

READ_LAYERS = {
    "building_unit": ("building",),
    "dwelling": ("building", "building_unit"),
    "entity": ("building",),
    "building_fire": ("building",),
    "register": ("building", "building_unit"),
    "pipe_segment": ("pipe_node",),
}
"""Layers that the checks of a layer read, besides the regions."""

OPEN = (RunStatus.RUNNING, RunStatus.HELD)

_Result = TypeVar("_Result")


@dataclass
class Run:
    """A running import run.

    Attributes
    ----------
    number, source
        Its number and source.
    connection
        The session that holds its lock, and publishes.
    timings
        Seconds by step.
    report
        Its report (see ``docs/imports.md``).
    on_finish
        Called in the transaction that ends the run, with its connection and the run's number.
    """

    number: int
    source: str
    connection: Connection
    timings: dict[str, float] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    on_finish: OnFinish | None = None

    def transact(self, task: Callable[[RootTransaction], _Result]) -> _Result:
        """Run a task in a transaction; repeat it from the same report after a conflict."""
        report = deepcopy(self.report)

        def attempt() -> _Result:
            self.report = deepcopy(report)
            with self.connection.begin() as transaction:
                return task(transaction)

        return db.retry_conflicts(attempt)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the duration of the block to the timing of a step."""
        began = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - began
            self.timings[step] = round(self.timings.get(step, 0.0) + spent, 3)


@contextmanager
def start_run(engine: Engine, layers: str, source: str, **report: Any) -> Iterator[Run]:
    """Open a run and the session that publishes it; the session ends with the block.

    Dead runs are closed first.
    """
    with open_session(engine) as connection:
        close_dead_runs(connection)
        with connection.begin():
            number: int = connection.execute(
                insert(ImportRun)
                .values(layer=layers, source=source, report=report)
                .returning(ImportRun.id)
            ).scalar_one()
            # In the same transaction: nobody sees the run without its lock.
            locks.acquire_for_session(connection, Lock.IMPORT_RUN, number)
        yield Run(number, source, connection, report=dict(report))


@contextmanager
def open_session(engine: Engine) -> Iterator[Connection]:
    """Open a session whose advisory locks end with the block, whatever happens."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            with suppress(DBAPIError):
                connection.rollback()
                locks.release_all(connection)
                connection.rollback()
            connection.invalidate()


def close_dead_runs(connection: Connection) -> list[int]:
    """Close the runs whose process died, and drop staging tables without an open run."""
    with connection.begin():
        running = connection.scalars(
            select(ImportRun.id).where(ImportRun.status == RunStatus.RUNNING).order_by(ImportRun.id)
        ).all()
        dead = [number for number in running if _close_dead(connection, number)]
    with connection.begin():
        # Listed before the runs: a run exists before its tables.
        tables = _list_staging_tables(connection)
        is_open = select(ImportRun.id).where(ImportRun.status.in_(OPEN))
        open_runs = set(connection.scalars(is_open))
        _drop(connection, [table for table, number in tables if number not in open_runs])
    return dead


def _close_dead(connection: Connection, number: int) -> bool:
    """Close a run if no process holds its lock; a run that has ended since stays as it is."""
    died, running = {"failure": "died"}, (RunStatus.RUNNING,)
    return locks.try_acquire(connection, Lock.IMPORT_RUN, number) and close_run(
        connection, number, RunStatus.FAILED, died, of=running
    )


def _list_staging_tables(connection: Connection) -> list[tuple[str, int]]:
    """Return the staging tables with the numbers of their runs."""
    names = connection.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = :schema ORDER BY tablename"),
        {"schema": STAGING_SCHEMA},
    )
    return [(name, int(name.split("_")[1])) for name in names]


def drop_staging_tables(connection: Connection, number: int) -> None:
    """Drop the staging tables of a run."""
    _drop(
        connection, [table for table, owner in _list_staging_tables(connection) if owner == number]
    )


def _drop(connection: Connection, tables: Sequence[str]) -> None:
    """Drop staging tables that another session may be dropping too."""
    for table in tables:
        connection.execute(text(f"DROP TABLE IF EXISTS {STAGING_SCHEMA}.{table}"))


def close_run(
    connection: Connection,
    number: int,
    status: RunStatus,
    report: dict[str, Any],
    *,
    of: Collection[RunStatus] = OPEN,
    **values: Any,
) -> bool:
    """Record how a run ended, if it has an expected status; return whether it had.

    Parameters
    ----------
    of
        The expected statuses: a published run stays published.
    """
    closed = connection.execute(
        update(ImportRun)
        .where(ImportRun.id == number, ImportRun.status.in_(of))
        .values(
            status=status,
            report=ImportRun.report.concat(report),
            finished_at=func.clock_timestamp(),
            **values,
        )
    )
    return closed.rowcount > 0


def layer_versions(connection: Connection, layers: Iterable[str]) -> State:
    """Return the versions of layers and of those that their checks read, and the year."""
    checked = set(layers) - {YEAR}
    names = {
        "region",
        *checked,
        *(other for name in checked for other in READ_LAYERS.get(name, ())),
    }
    rows = connection.execute(
        select(LayerRevision.layer, LayerRevision.revision, LayerChange.changes)
        .join(LayerChange, LayerChange.layer == LayerRevision.layer, isouter=True)
        .where(LayerRevision.layer.in_(names))
    )
    versions = {row.layer: [row.revision, row.changes or 0] for row in rows}
    return {YEAR: [clock.today().year]} | {name: versions.get(name, []) for name in sorted(names)}


def set_layer_revision(connection: Connection, layer: str, revision: int, run: int | None) -> None:
    """Record the revision of a layer, and the run that published it."""
    updated = connection.execute(
        update(LayerRevision)
        .where(LayerRevision.layer == layer)
        .values(revision=revision, run_id=run, published_at=func.now())
    )
    if updated.rowcount == 0:
        connection.execute(insert(LayerRevision).values(layer=layer, revision=revision, run_id=run))
