"""Drawing communities and keeping the plans: one, or many on this machine's cores or a cluster."""

import gc
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine

from geo import db
from geo.errors import GridatlasError, SetupError
from geo.messages import text
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.previous_plan import PreviousPlan
from geo.partition.search.alternatives import find_alternatives
from geo.plans import store as plans_store
from geo.plans.draw_runs import DrawOrder

if TYPE_CHECKING:
    from distributed import Client, Future

FEW = 3
"""So few communities are drawn in this process: workers take longer to start."""

AHEAD = 3
"""Communities that wait at a worker's thread for their turn; the others are not sent yet."""

RETRIES = 2
"""How often a community is tried again when a worker fails in it."""

TIMEOUT_S = 30
"""How long to wait for a scheduler, and for its first worker."""


@dataclass(frozen=True)
class DrawResult:
    """What became of one community: the number of its plan and its score card, or why not.

    ``failed`` is whether another try may help, which a mistake of the planner's is not.
    """

    community: str
    name: str
    plan: int | None
    score: dict[str, Any]
    refused: str = ""
    failed: bool = False


def draw_one(
    bind: Engine,
    code: str,
    wishes: Constraints,
    *,
    before: int | PreviousPlan | None = None,
    count: int = 1,
    publish: bool = False,
    author: str = "",
    run: int | None = None,
) -> list[DrawResult]:
    """Draw a community and keep the plan as a draft, or put it in force.

    Parameters
    ----------
    before
        The plan to go on from, or its number; None for the plan in force.
    count
        How many drawings that differ to make; all are kept as drafts, the best first.
    run
        The run it belongs to. What the run has drawn already is returned as it is stored.

    Raises
    ------
    GridatlasError
        If there is no such community or plan, nothing to draw, or a wish can't be understood.
    """
    _settle()
    with bind.connect() as connection:
        if stored := _of_run(connection, run, code):
            return [stored]
        community = plans_store.read_community(connection, code)
        if not wishes.fresh and not isinstance(before, PreviousPlan):
            before = plans_store.before(connection, community, before)
    known = before if isinstance(before, PreviousPlan) else None
    if count > 1:
        drawings = find_alternatives(community, wishes, count, known)
    else:
        drawings = [draw(community, wishes, known)]

    def store(connection: Connection) -> list[DrawResult]:
        plans_store.lock_community(connection, code)
        if stored := _of_run(connection, run, code):
            return [stored]  # by a worker that was taken for dead
        numbers = [plans_store.store(connection, drawing, author, run) for drawing in drawings]
        if publish:
            plans_store.publish(connection, numbers[0])
        return [
            DrawResult(code, community.name, plan, drawing.score.as_json())
            for plan, drawing in zip(numbers, drawings, strict=True)
        ]

    return db.run_in_transaction(bind, store)


def _of_run(connection: Connection, run: int | None, code: str) -> DrawResult | None:
    """Return what a run has kept of a community already."""
    kept = {} if run is None else plans_store.cards_of_run(connection, run, code)
    return (
        DrawResult(code, kept[code].name, kept[code].plan, kept[code].score)
        if code in kept
        else None
    )


def draw_many(
    bind: Engine, order: DrawOrder, run: int | None = None, scheduler: str | None = None
) -> Iterator[DrawResult]:
    """Draw communities and keep each drawing as soon as it is done.

    Parameters
    ----------
    bind
        The database; workers open it themselves, by the same address.
    run
        The run, so that nothing is drawn twice whatever dies; None for one that is not kept.
    scheduler
        Address of a Dask scheduler; by default this machine's cores.

    Raises
    ------
    SetupError
        If the scheduler can't be reached or has no worker.
    """
    if len(order.communities) <= FEW and scheduler is None:
        for code, name in order.communities:
            yield _try_to_draw(bind, order, code, name, order.wishes_of(code), run)
        return
    url = bind.url.render_as_string(hide_password=False)
    with _client(scheduler) as client:
        yield from _on_workers(client, url, order, run)


def _try_to_draw(
    bind: Engine, order: DrawOrder, code: str, name: str, wishes: Constraints, run: int | None
) -> DrawResult:
    """Draw one community of an order; what stands in the way is said, not raised."""
    try:
        kept = draw_one(bind, code, wishes, publish=order.publish, author=order.author, run=run)
    except GridatlasError as error:
        return DrawResult(code, name, None, {}, str(error))
    return kept[0]


def _on_workers(
    client: "Client", url: str, order: DrawOrder, run: int | None
) -> Iterator[DrawResult]:
    """Send communities to workers, a few ahead of what they can do, and yield what comes back."""
    from distributed import as_completed

    bare = replace(order, communities=(), wishes=Constraints(), own={})

    def sent(communities: Iterator[tuple[str, str]], number: int) -> "list[Future[DrawResult]]":
        return [
            client.submit(
                _draw_on_worker,
                *(url, bare, code, name, order.wishes_of(code), run),
                key=f"draw-{run}-{code}",
                pure=False,
                retries=RETRIES,
            )
            for code, name in islice(communities, number)
        ]

    waiting = iter(order.communities)
    names = dict(order.communities)
    ahead = AHEAD * max(sum(client.nthreads().values()), 1)
    flying = as_completed(sent(waiting, ahead))
    for future in flying:
        yield _result(future, names)
        future.release()
        for following in sent(waiting, 1):
            flying.add(following)


def _result(future: "Future[DrawResult]", names: dict[str, str]) -> DrawResult:
    """Return what a worker sent back, or what it died of."""
    try:
        drawn: DrawResult = future.result()
    except Exception as error:  # whatever one community dies of, the others are drawn
        code = str(future.key).rsplit("-", 1)[1]
        said = " ".join(f"{type(error).__name__}: {error}".split())
        line = text("error.draw_failed", name=names[code], code=code, said=said)
        return DrawResult(code, names[code], None, {}, line, failed=True)
    return drawn


@contextmanager
def _client(scheduler: str | None) -> Iterator["Client"]:
    """Connect to a scheduler, or to workers of this machine that end with the block."""
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        with _defer_interrupt():
            workers = LocalCluster(
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
        with workers as local, Client(local) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise SetupError("scheduler_unreachable", address=scheduler, said=str(error)) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=TIMEOUT_S)
        except TimeoutError:
            raise SetupError("scheduler_without_workers", address=scheduler) from None
        yield client


@contextmanager
def _defer_interrupt() -> Iterator[None]:
    """Keep an interrupt until the block has ended, and from the processes that it starts.

    Workers that are interrupted while they start print where they were.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # whose start would let interrupts through again
    pressed: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt


@cache
def _settle() -> None:
    """Take what is loaded out of the rounds for garbage: walking it costs a tenth of a drawing."""
    gc.freeze()


@cache
def _engine(url: str) -> Engine:
    """Return a worker's engine, made once a process."""
    return create_engine(url, pool_size=1, pool_pre_ping=True)


def _draw_on_worker(
    url: str, order: DrawOrder, code: str, name: str, wishes: Constraints, run: int | None
) -> DrawResult:
    alone = replace(wishes, effort=replace(wishes.effort, threads=1))
    return _try_to_draw(_engine(url), order, code, name, alone, run)
