"""Drawing runs: stored orders to draw many communities, which can be resumed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, TypeAdapter
from sqlalchemy import Connection, Engine, func, insert, select, update

from geo import locks
from geo.errors import InputError, NotFoundError
from geo.locks import Lock
from geo.model import DrawRun
from geo.partition.constraints import Constraints


@dataclass(frozen=True)
class DrawOrder:
    """An order to draw communities.

    Attributes
    ----------
    communities
        Code and name of each.
    constraints
        Those of all communities without constraints of their own.
    community_constraints
        Constraints of single communities by code. They replace ``constraints``.
    publish
        Whether to publish the plans.
    author
        Name of the account that ordered the run.
    micro
        Whether to divide the grids in force into micro-grids; only communities without a plan in
        force are drawn.
    """

    communities: tuple[tuple[str, str], ...]
    # The aliases are the names in the column ``draw_run.asked``.
    constraints: Annotated[Constraints, Field(alias="wishes")] = field(default_factory=Constraints)
    community_constraints: Annotated[dict[str, Constraints], Field(alias="own")] = field(
        default_factory=dict
    )
    publish: bool = False
    author: str = ""
    micro: bool = False

    def constraints_of(self, code: str) -> Constraints:
        """Return the constraints of a community."""
        return self.community_constraints.get(code, self.constraints)


_ORDER: TypeAdapter[DrawOrder] = TypeAdapter(DrawOrder)


def start_run(bind: Engine, order: DrawOrder) -> int:
    """Store an order; return the number of its run."""
    with bind.begin() as connection:
        run: int = connection.execute(
            insert(DrawRun)
            .values(
                asked=_ORDER.dump_python(order, mode="json", by_alias=True), author=order.author
            )
            .returning(DrawRun.id)
        ).scalar_one()
    return run


def find_interrupted_run(connection: Connection) -> tuple[int, DrawOrder]:
    """Return number and order of the last run that has not finished.

    Raises
    ------
    NotFoundError
        If all runs have finished.
    """
    row = connection.execute(
        select(DrawRun.id, DrawRun.asked)
        .where(DrawRun.finished_at.is_(None))
        .order_by(DrawRun.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFoundError("nothing_to_resume")
    return row.id, _ORDER.validate_python(row.asked)


def finish_run(bind: Engine, run: int) -> None:
    """Record that a run has finished."""
    with bind.begin() as connection:
        connection.execute(update(DrawRun).where(DrawRun.id == run).values(finished_at=func.now()))


@contextmanager
def lock_run(bind: Engine, run: int) -> Iterator[None]:
    """Hold the advisory lock of a run; it is released when the process ends.

    Raises
    ------
    InputError
        If another process holds it.
    """
    autocommit = bind.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        if not locks.try_acquire_for_session(connection, Lock.DRAW_RUN, run):
            raise InputError("run_going_on", run=run)
        try:
            yield
        finally:
            locks.release(connection, Lock.DRAW_RUN, run)
