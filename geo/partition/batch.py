"""Drawing many communities, one task each, on this machine's cores or on a Dask cluster."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import create_engine

from geo import plans
from geo.errors import GridatlasError
from geo.partition.plan import draw
from geo.partition.wishes import Wishes

FEW = 3
"""So few communities are drawn in this process: workers take longer to start."""


@dataclass(frozen=True)
class Drawn:
    """What became of one community: the number of its plan and its score card, or why not."""

    community: str
    name: str
    plan: int | None
    score: dict[str, Any]
    refused: str = ""


def draw_many(
    url: str,
    communities: Sequence[tuple[str, str]],
    wishes: Wishes,
    *,
    publish: bool = False,
    author: str = "",
    scheduler: str | None = None,
) -> Iterator[Drawn]:
    """Draw communities and keep each drawing as soon as it is done.

    Parameters
    ----------
    url
        SQLAlchemy URL of the database; workers open it themselves.
    communities
        Code and name of each.
    publish
        Whether to put each drawing in force.
    scheduler
        Address of a Dask scheduler; by default this machine's cores.
    """
    tasks = [(url, code, name, wishes, publish, author) for code, name in communities]
    if len(tasks) <= FEW and scheduler is None:
        yield from (_draw_one(*task) for task in tasks)
        return
    from distributed import Client, LocalCluster, as_completed

    logging.getLogger("distributed").setLevel(logging.ERROR)
    alone = replace(wishes, effort=replace(wishes.effort, threads=1))
    tasks = [(*task[:3], alone, *task[4:]) for task in tasks]
    local = None if scheduler else LocalCluster(threads_per_worker=1, dashboard_address=None)
    try:
        with Client(scheduler or local) as client:
            futures = [client.submit(_draw_one, *task, pure=False) for task in tasks]
            for future in as_completed(futures):
                yield future.result()
                future.release()
    finally:
        if local is not None:
            local.close()


def _draw_one(url: str, code: str, name: str, wishes: Wishes, publish: bool, author: str) -> Drawn:
    """Draw and keep one community in a transaction of its own."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            community = plans.read_community(connection, code)
            before = None if wishes.fresh else plans.before(connection, community, None)
        drawing = draw(community, wishes, before)
        with engine.begin() as connection:
            plan = plans.store(connection, drawing, author)
            if publish:
                plans.publish(connection, plan)
    except GridatlasError as error:
        return Drawn(code, name, None, {}, str(error))
    finally:
        engine.dispose()
    return Drawn(code, name, plan, drawing.score.as_json())
