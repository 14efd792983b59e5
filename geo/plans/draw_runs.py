"""Drawing runs: what was asked of many communities, kept so that a run broken off can go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, func, insert, select, update

from geo import locks
from geo.errors import InputError, NotFoundError
from geo.locks import Lock
from geo.model import DrawRun
from geo.partition.constraints import Constraints


@dataclass(frozen=True)
class DrawOrder:
    """What is asked of a run.

    Attributes
    ----------
    communities
        Code and name of each.
    wishes, own
        What is wished for everywhere, and instead of it in single communities by code.
    publish
        Whether to put the plans in force.
    author
        Who asked.
    """

    communities: tuple[tuple[str, str], ...]
    wishes: Constraints = field(default_factory=Constraints)
    own: dict[str, Constraints] = field(default_factory=dict)
    publish: bool = False
    author: str = ""

    def wishes_of(self, code: str) -> Constraints:
        """Return what is wished for in a community."""
        return self.own.get(code, self.wishes)


_ORDER: TypeAdapter[DrawOrder] = TypeAdapter(DrawOrder)


def start_run(bind: Engine, order: DrawOrder) -> int:
    """Keep what is asked; return the number of the run."""
    with bind.begin() as connection:
        run: int = connection.execute(
            insert(DrawRun)
            .values(asked=_ORDER.dump_python(order, mode="json"), author=order.author)
            .returning(DrawRun.id)
        ).scalar_one()
    return run


def find_interrupted_run(connection: Connection) -> tuple[int, DrawOrder]:
    """Return number and order of the last run that did not come to its end.

    Raises
    ------
    NotFoundError
        If every run did.
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
    """Say that a run came to its end."""
    with bind.begin() as connection:
        connection.execute(update(DrawRun).where(DrawRun.id == run).values(finished_at=func.now()))


@contextmanager
def lock_run(bind: Engine, run: int) -> Iterator[None]:
    """Hold a run while working on it; the database lets go when this process dies.

    Raises
    ------
    InputError
        If someone else is working on it.
    """
    alone = bind.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        if not locks.try_acquire_for_session(connection, Lock.DRAW_RUN, run):
            raise InputError("run_going_on", run=run)
        try:
            yield
        finally:
            locks.release(connection, Lock.DRAW_RUN, run)
