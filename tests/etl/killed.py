"""Imports that are killed: a process that loads everything once, and forks one child a case.

Called as ``python -m tests.etl.killed URL FOLDER``; prints what it saw as JSON. Two deliveries
take turns, so that every run changes every row: what is live is all of one or all of the other.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, event, text

from etl.input.mapping import Mapping
from etl.input.source import layer_names
from etl.pipeline import reading
from etl.runs import run_records
from tests.etl.delivery import bring, houses, mapping, write

SIZE = 30
RANDOM_KILLS = 5
HOW = mapping(guard={"changed_percent": 100})


def engine_of(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def deliveries(folder: Path) -> dict[str, Path]:
    found = {}
    for name in "AB":
        data = houses(SIZE + 1, name=[name] * (SIZE + 1))
        data.loc[SIZE, "households"] = -1  # one is always refused
        found[name] = write(data, folder / f"{name}.gpkg")
    return found


def live(engine: Engine) -> str:
    """Return which delivery is live; anything mixed comes out longer than one letter."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, count(*) FROM building GROUP BY 1 ORDER BY 1"))
        return "".join(f"{name}{'' if count == SIZE else count}" for name, count in rows)


def is_whole(engine: Engine) -> bool:
    """Return whether history and quarantine hold what they must after the runs that published."""
    with engine.connect() as connection:
        published, history, waiting, gaps = connection.execute(
            text(
                "SELECT (SELECT count(*) FROM import_run "
                "WHERE status = 'published' AND layer = 'building'), "
                "(SELECT count(*) FROM building_history), "
                "(SELECT count(*) FROM quarantine WHERE resolved_at IS NULL), "
                "(SELECT count(*) FROM building_history h JOIN building b USING (code) "
                "WHERE h.valid_to > b.valid_from OR h.valid_from >= h.valid_to)"
            )
        ).one()
    return bool(history == SIZE * (published - 1) and waiting == 1 and gaps == 0)


def in_child(work: Callable[[], object], after: float | None = None) -> bool:
    """Do some work in a child, killed after some seconds; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_at(url: str, file: Path, moment: int, how: Mapping = HOW) -> Callable[[], object]:
    """Return an import that dies at the n-th boundary: a step begins or ends, a commit is due."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == moment:
            die()

    def work() -> object:
        timed = run_records.Run.timed

        def marked(self: run_records.Run, step: str) -> object:
            count()
            return _Marked(timed(self, step), count)

        run_records.Run.timed = marked  # type: ignore[method-assign, assignment]
        engine = engine_of(url)
        event.listen(engine, "commit", count)
        return bring(engine, how.layer, file, how)

    return work


class _Marked:
    def __init__(self, step: object, count: Callable[[], None]) -> None:
        self.step, self.count = step, count

    def __enter__(self) -> None:
        self.step.__enter__()  # type: ignore[attr-defined]

    def __exit__(self, *error: object) -> None:
        self.step.__exit__(*error)  # type: ignore[attr-defined]
        self.count()


def indexes(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        listed = text("SELECT indexdef FROM pg_indexes WHERE tablename = 'compound'")
        return set(connection.scalars(listed))


def firsts(url: str, file: Path, wrong: list[str]) -> int:
    """Kill the first delivery of a source of its own at one boundary after another; count them.

    The layer is empty until one comes in, and without its indexes meanwhile.
    """
    engine, moment = engine_of(url), 0
    reading.MIN_ROWS = 0
    before = indexes(engine)
    while True:
        moment += 1
        source = f"first {moment}"
        how = mapping("compound", source=source, code_prefix=f"{moment}-")
        ended = in_child(dying_at(url, file, moment, how))
        with engine.connect() as connection:
            live = connection.scalar(
                text("SELECT count(*) FROM compound WHERE source = :source"), {"source": source}
            )
        if live not in ((SIZE,) if ended else (0, SIZE)):
            wrong.append(f"first delivery, boundary {moment}: {live}")
        if ended:
            if indexes(engine) != before:
                wrong.append(f"indexes: {before ^ indexes(engine)}")
            return moment - 1


def main(url: str, folder: Path) -> dict[str, object]:
    files, engine = deliveries(folder), engine_of(url)
    layer_names(files["A"])  # starts the process that reads for all children
    in_child(lambda: bring(engine_of(url), "building", files["A"], HOW))
    wrong: list[str] = []

    def other() -> Path:
        return files["B" if live(engine) == "A" else "A"]

    def look(case: str) -> None:
        if live(engine) not in ("A", "B"):
            wrong.append(f"{case}: {live(engine)}")
        if not is_whole(engine):
            wrong.append(f"{case}: history or quarantine")

    def complete(case: str) -> float:
        began, file = time.monotonic(), other()
        if not in_child(lambda: bring(engine_of(url), "building", file, HOW)):
            wrong.append(f"{case}: the next run failed")
        if live(engine) != file.stem:
            wrong.append(f"{case}: the next run did not publish")
        return time.monotonic() - began

    lasts = complete("first")
    boundaries = 0
    while not in_child(dying_at(url, other(), boundaries + 1)):
        boundaries += 1
        look(f"boundary {boundaries}")
        if boundaries % 4 == 0:
            complete(f"boundary {boundaries}")
    grounds = write(houses(SIZE), folder / "grounds.gpkg")
    first_boundaries = firsts(url, grounds, wrong)
    chance, killed, tries = random.Random(7), 0, 0
    while killed < RANDOM_KILLS and tries < 20 * RANDOM_KILLS:
        tries += 1
        file = other()
        killed += not in_child(
            lambda file=file: bring(engine_of(url), "building", file, HOW),
            chance.uniform(0.0, lasts),
        )
        look(f"random {tries}")
    complete("random")
    look("end")
    with engine.connect() as connection:
        left = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")
        ).all()
        running = connection.scalar(
            text("SELECT count(*) FROM import_run WHERE status = 'running'")
        )
    return {
        "wrong": wrong,
        "boundaries": boundaries,
        "firsts": first_boundaries,
        "killed": killed,
        "left": list(left),
        "running": running,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
