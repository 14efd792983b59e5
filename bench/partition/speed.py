"""Duration of drawings (one community, the first one, whole cities), and moves of a redraw."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from sqlalchemy import Engine

from bench.partition.places import database
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.previous_plan import PreviousPlan
from geo.partition.scoring.objective import Weights

TIMES = 5

GROWING_SHARE, MIN_GROWING, GROWTH_SEED = 0.1, 3, 7
"""Share of the buildings that growth is scattered over, at least so many."""

MAX_MOVED_SHARE = 0.10
"""Share of the households that should change grid at most."""

LIMITS_AND_MOVES = Weights(balance=0, border=0, compactness=0, compound=0)
"""Weights that look for the fewest households to move within the limits, whatever it looks like."""


@dataclass(frozen=True)
class Timed:
    """Seconds, and peak memory of all processes together in MB."""

    households: int
    grids: int
    seconds: float
    memory_mb: float = 0.0


def one_community(community: Community) -> Timed:
    """Return the least time of a drawing with its cells, after a first one to warm up."""
    drawing, seconds = draw(community), np.inf
    for _ in range(TIMES):
        started = time.perf_counter()
        drawing = draw(community)
        seconds = min(seconds, time.perf_counter() - started)
    return Timed(drawing.score.households, drawing.score.grids, seconds)


def whole_city(size: str) -> tuple[Timed, Timed]:
    """Draw every community of a made city by the command line.

    Returns
    -------
    first, city
        The drawing of one community from the start of the program, and that of all.
    """
    with database() as engine:
        _command(engine, "sample", "--load", "--size", size)
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
        _command(
            engine, "draw", "--all", "--region", first_community(engine)
        )  # compiles what is missing
        first = _command(engine, "draw", "--community", first_community(engine))
        return first, _command(engine, "draw", "--all")


def first_community(engine: Engine) -> str:
    """Return the code of the first community of a database."""
    with engine.connect() as connection:
        sql = "SELECT min(code) FROM region WHERE level = 'community' AND geom IS NOT NULL"
        return str(connection.exec_driver_sql(sql).scalar_one())


def _command(engine: Engine, *words: str) -> Timed:
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "cli.main", *words]
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": os.fspath(Path.cwd())}
    started = time.perf_counter()
    with _watched(command, environment) as memory:
        pass
    seconds = time.perf_counter() - started
    with engine.connect() as connection:
        counts = "SELECT coalesce(sum(households), 0), count(*) FROM grid WHERE plan_id IN (%s)"
        newest = "SELECT max(id) FROM grid_plan GROUP BY community_code"
        households, grids = connection.exec_driver_sql(counts % newest).one()
    return Timed(int(households), int(grids), seconds, max(memory))


@contextmanager
def _watched(command: list[str], environment: dict[str, str]) -> Iterator[list[float]]:
    """Run a command; yields what it and its children held, in MB, every fifth of a second."""
    held = [0.0]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        own = psutil.Process(process.pid)
        while process.poll() is None:
            held.append(_memory(own))
            time.sleep(0.2)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        yield held


def _memory(process: psutil.Process) -> float:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return total / 1e6


@dataclass(frozen=True)
class Redrawn:
    """Shares of the households that change grid, and the least found within the limits.

    The least is looked for only where more than MAX_MOVED_SHARE change.
    """

    share: float
    least: float | None


def redraw_after_growth(
    community: Community, growth: float, *, scattered: bool = False
) -> Redrawn | None:
    """Redraw a community after its households grew by a share.

    They grow in its largest compound, or in a tenth of its buildings at random. None where there
    is nobody in them.
    """
    buildings = community.buildings
    households = buildings["households"].to_numpy(copy=True)
    where = np.flatnonzero(households > 0)
    if scattered and len(where):
        count = max(MIN_GROWING, int(len(where) * GROWING_SHARE))
        where = np.random.default_rng(GROWTH_SEED).choice(where, count)
    else:
        held = buildings.groupby("compound_code")["households"].sum()
        largest = held.idxmax() if len(held) else None
        where = where[(buildings["compound_code"] == largest).to_numpy()[where]]
    if len(where) == 0:
        return None
    more = round(households.sum() * growth)
    np.add.at(households, where[np.arange(more) % len(where)], 1)
    now = replace(community, buildings=buildings.assign(households=households))
    first = draw(community)
    previous = PreviousPlan(first.grids, pd.DataFrame(first.members.drop(columns="geom")))

    def moved(weights: Weights) -> float:
        again = draw(now, Constraints(weights=weights), previous)
        return float(again.score.moved or 0) / float(households.sum())

    share = moved(Weights())
    return Redrawn(share, moved(LIMITS_AND_MOVES) if share > MAX_MOVED_SHARE else None)
