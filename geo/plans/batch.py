"""Draw communities and store the plans: one, or many with Dask on local cores or a cluster."""

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
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.forecast import Forecast, draw_for_forecast
from geo.partition.previous_plan import PreviousPlan
from geo.partition.search.alternatives import find_alternatives
from geo.plans import community_layers, micro_division, store
from geo.plans.data_state import DataState, mark_if_data_changed, read_data_state
from geo.plans.draw_runs import DrawOrder
from geo.plans.micro_division import MicroSummary

if TYPE_CHECKING:
    from distributed import Client, Future

MAX_IN_PROCESS = 3
"""Up to this many communities are drawn in this process: starting workers takes longer."""

QUEUED_PER_THREAD = 3
"""Communities submitted per worker thread; the others wait in this process."""

MAX_RETRIES = 2
"""How often a community is drawn again after its worker died."""

TIMEOUT_S = 30
"""Time limit for connecting to a scheduler, and for its first worker."""


@dataclass(frozen=True)
class DrawResult:
    """The result of drawing or scoring one community.

    Attributes
    ----------
    community, name
        Code and name of the community.
    plan
        Number of the stored plan; None if none was stored.
    score
        Score card as JSON; empty if the community was not drawn.
    refused
        Why the community was not drawn.
    failed
        Whether drawing it again may succeed: a worker died, the request is valid.
    micro
        Its micro-grids, None if they were not drawn.
    """

    community: str
    name: str
    plan: int | None
    score: dict[str, Any]
    refused: str = ""
    failed: bool = False
    micro: MicroSummary | None = None


def draw_community(
    bind: Engine,
    code: str,
    constraints: Constraints,
    *,
    previous: int | PreviousPlan | None = None,
    count: int = 1,
    publish: bool = False,
    author: str = "",
    run: int | None = None,
) -> list[DrawResult]:
    """Draw a community and store the plan as a draft, or publish it.

    Parameters
    ----------
    previous
        The plan to start from, or its number; None for the plan in force.
    count
        Number of distinct drawings to make. All are stored as drafts, the best first; with
        ``publish`` the best is published.
    run
        Number of the drawing run. If the run has a plan of this community, that one is returned.

    Raises
    ------
    GridatlasError
        If the community or the plan does not exist, the community has no buildings, or a
        constraint is not valid.
    """
    _freeze_garbage_collector()
    # One snapshot, so that an import meanwhile does not mix two states of the city.
    snapshot = bind.execution_options(isolation_level="REPEATABLE READ")
    with snapshot.connect() as connection:
        if stored := _stored_result(connection, run, code):
            return [stored]
        state, community, start = _read_start(connection, code, constraints, previous)
    if count > 1:
        drawings = find_alternatives(community, constraints, count, start)
    else:
        drawings = [draw(community, constraints, start)]
    return _store_drawings(
        bind, community, state, drawings, publish=publish, author=author, run=run
    )


def draw_community_for_forecast(
    bind: Engine,
    code: str,
    constraints: Constraints,
    forecast: Forecast,
    *,
    previous: int | PreviousPlan | None = None,
    publish: bool = False,
) -> tuple[DrawResult, DrawResult]:
    """Draw a community for a forecast, and store the plan with the households of today.

    Parameters
    ----------
    previous, publish
        As for :func:`draw_community`.

    Returns
    -------
    tuple of DrawResult
        The stored plan, and the score card under the forecast.

    Raises
    ------
    GridatlasError
        As for :func:`draw_community`, or if no planned building lies in the community.
    """
    _freeze_garbage_collector()
    with bind.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
        state, community, start = _read_start(connection, code, constraints, previous)
    forecast_drawing = draw_for_forecast(community, forecast, constraints, start)
    (stored,) = _store_drawings(bind, community, state, [forecast_drawing.drawing], publish=publish)
    name = text("draw.forecast", name=community.name, planned=forecast_drawing.planned)
    return stored, DrawResult(code, name, None, forecast_drawing.card.as_json())


def _read_start(
    connection: Connection,
    code: str,
    constraints: Constraints,
    previous: int | PreviousPlan | None,
) -> tuple[DataState, Community, PreviousPlan | None]:
    """Read the state of the data, a community, and the plan that a drawing of it starts from."""
    state = read_data_state(connection, code)
    community = community_layers.read_community(connection, code, constraints.limits.balance)
    if not constraints.fresh and not isinstance(previous, PreviousPlan):
        previous = store.read_previous_plan(connection, community, previous)
    return state, community, previous if isinstance(previous, PreviousPlan) else None


def _store_drawings(
    bind: Engine,
    community: Community,
    state: DataState,
    drawings: list[Drawing],
    *,
    publish: bool,
    author: str = "",
    run: int | None = None,
) -> list[DrawResult]:
    """Store drawings of a community as drafts; with ``publish`` the first one is published."""

    def store_all(connection: Connection) -> list[DrawResult]:
        store.lock_community(connection, community.code)
        if stored := _stored_result(connection, run, community.code):
            return [stored]  # by a worker that Dask believed to be dead
        numbers = [store.store_drawing(connection, drawing, author, run) for drawing in drawings]
        for number in numbers:
            mark_if_data_changed(connection, number, community.code, state)
            micro_division.continue_micro_grids(connection, number)
        if publish:
            store.publish(connection, numbers[0])
        return [
            DrawResult(community.code, community.name, plan, drawing.score.as_json())
            for plan, drawing in zip(numbers, drawings, strict=True)
        ]

    return db.run_in_transaction(bind, store_all)


def divide_community(
    bind: Engine,
    code: str,
    constraints: Constraints,
    *,
    plan: int | None = None,
    publish: bool = False,
    author: str = "",
) -> DrawResult:
    """Divide the grids of a community's plan into micro-grids.

    Parameters
    ----------
    plan
        Number of the plan; None for the plan in force, which is drawn where there is none.

    Raises
    ------
    GridatlasError
        If the community or the plan does not exist, or nothing can be drawn.
    """
    with bind.connect() as connection:
        number = plan or store.plan_in_force(connection, code)
    if number is None:
        [drawn] = draw_community(bind, code, constraints, publish=publish, author=author)
        number = drawn.plan
    assert number is not None  # noqa: S101 (a drawing that failed has raised)

    def divide(connection: Connection) -> DrawResult:
        summary = micro_division.divide_plan(connection, number)
        card = store.score_card_of_plan(connection, number)
        return DrawResult(code, card.name, number, card.score, micro=summary)

    return db.run_in_transaction(bind, divide)


def _stored_result(connection: Connection, run: int | None, code: str) -> DrawResult | None:
    """Return the plan of a community that a run has stored already."""
    cards = {} if run is None else store.score_cards_of_run(connection, run, code)
    card = cards.get(code)
    return DrawResult(code, card.name, card.plan, card.score) if card else None


def draw_communities(
    bind: Engine, order: DrawOrder, run: int | None = None, scheduler: str | None = None
) -> Iterator[DrawResult]:
    """Draw communities and store each plan as soon as it is drawn.

    Parameters
    ----------
    bind
        The database. Workers connect to it by the same URL.
    run
        Number of the drawing run, of which each community is stored once; None for no run.
    scheduler
        Address of a Dask scheduler; None for local workers.

    Raises
    ------
    SetupError
        If the scheduler can't be reached or has no worker.
    """
    if len(order.communities) <= MAX_IN_PROCESS and scheduler is None:
        for code, name in order.communities:
            yield _try_to_draw(bind, order, code, name, order.constraints_of(code), run)
        return
    url = bind.url.render_as_string(hide_password=False)
    with _connect_client(scheduler) as client:
        yield from _draw_on_workers(client, url, order, run)


def _try_to_draw(
    bind: Engine, order: DrawOrder, code: str, name: str, constraints: Constraints, run: int | None
) -> DrawResult:
    """Draw one community of an order; return a result without a plan if it can't be drawn."""
    try:
        if order.micro:
            return divide_community(
                bind, code, constraints, publish=order.publish, author=order.author
            )
        results = draw_community(
            bind, code, constraints, publish=order.publish, author=order.author, run=run
        )
    except GridatlasError as error:
        return DrawResult(code, name, None, {}, str(error))
    return results[0]


def _draw_on_workers(
    client: "Client", url: str, order: DrawOrder, run: int | None
) -> Iterator[DrawResult]:
    """Submit communities to workers, a few per thread at a time, and yield the results."""
    from distributed import as_completed

    # Each task carries its own constraints: the whole order may be large.
    bare_order = replace(order, communities=(), constraints=Constraints(), community_constraints={})

    def submit(communities: Iterator[tuple[str, str]], number: int) -> "list[Future[DrawResult]]":
        return [
            client.submit(
                _draw_on_worker,
                *(url, bare_order, code, name, order.constraints_of(code), run),
                key=f"draw-{run}-{code}",
                pure=False,
                retries=MAX_RETRIES,
            )
            for code, name in islice(communities, number)
        ]

    waiting = iter(order.communities)
    names = dict(order.communities)
    threads = max(sum(client.nthreads().values()), 1)
    pending = as_completed(submit(waiting, QUEUED_PER_THREAD * threads))
    for future in pending:
        yield _result_of(future, names)
        future.release()
        for submitted in submit(waiting, 1):
            pending.add(submitted)


def _result_of(future: "Future[DrawResult]", names: dict[str, str]) -> DrawResult:
    """Return the result of a task, or the error with which it failed."""
    try:
        result: DrawResult = future.result()
    except Exception as error:  # one community that fails must not stop the others
        code = str(future.key).rsplit("-", 1)[1]
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        message = text("error.draw_failed", name=names[code], code=code, said=reason)
        return DrawResult(code, names[code], None, {}, message, failed=True)
    return result


@contextmanager
def _connect_client(scheduler: str | None) -> Iterator["Client"]:
    """Connect to a scheduler, or start local workers that end with the block."""
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
    """Defer SIGINT until the block has ended, and block it in the processes that it starts."""
    # A worker that is interrupted while it starts prints a traceback.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock SIGINT
    received: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if received:
        raise KeyboardInterrupt


@cache
def _freeze_garbage_collector() -> None:
    """Exempt the objects loaded so far from collections, which took a tenth of the drawing time."""
    gc.freeze()


@cache
def _worker_engine(url: str) -> Engine:
    """Return the engine of a worker process."""
    return create_engine(url, pool_size=1, pool_pre_ping=True)


def _draw_on_worker(
    url: str, order: DrawOrder, code: str, name: str, constraints: Constraints, run: int | None
) -> DrawResult:
    one_thread = replace(constraints, effort=replace(constraints.effort, threads=1))
    return _try_to_draw(_worker_engine(url), order, code, name, one_thread, run)
