"""Concurrent imports, edits, drawings, publications and rollbacks, compared with a serial replay.

``python -m tests.soak ROUNDS`` starts a server of its own and prints the figures as JSON. After
each round, what it published is repeated in a second database in the order of the revisions: the
live features of both must be equal.
"""

import json
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, NullPool, create_engine, text

from etl.runs.rollback import roll_back
from geo.db import overrides
from geo.errors import ConflictError, InputError
from geo.partition.constraints import Constraints
from geo.partition.scoring.objective import Limits
from geo.partition.search.strategy import Effort
from geo.plans.batch import draw_community
from tests import accounts
from tests.accounts import PASSWORD
from tests.etl.delivery import DISTRICT, STREET, box, bring, frame, houses, mapping, rows, write
from tests.server import serving

COMMUNITIES = ("420602001001", "420602001002", "420602001003")
CORRECTED = "one000"
GRID = f"{COMMUNITIES[0]}001"
CONSTRAINTS = Constraints(
    limits=Limits(120, 60, 200), effort=Effort(generations=1, moves_per_node=20)
)
LIMITS = dict.fromkeys(
    ("changed_percent", "removed_percent", "rejected_percent", "area_percent"), 100
)
REFUSED = (400, 404, 409, 412)
"""Statuses of requests that lost against a concurrent one."""

_PUBLISHED = """
SELECT revision, id, report->>'file' AS file, report->'rolls_back' AS rolls_back, NULL AS value
FROM import_run WHERE revision > :after
UNION ALL
SELECT CAST(detail->>'revision' AS bigint), NULL, NULL, NULL, detail->'fields'->>'address'
FROM audit_event WHERE action = 'correct' AND CAST(detail->>'revision' AS bigint) > :after
ORDER BY 1
"""
_LIVE = (
    "SELECT code, name, households, address, region_code, source, ST_AsText(geom) FROM building "
    "ORDER BY code",
    "SELECT code, name, parent_code, source, ST_AsText(geom) FROM region ORDER BY code",
)


@dataclass
class Soak:
    """Figures of a run.

    Attributes
    ----------
    done, refused
        How often each kind of work was done, or refused for an expected reason.
    reported
        Unexpected errors.
    differences
        Rounds after which the live data differed from the serial replay.
    retried
        Transactions that were repeated after a conflict.
    """

    rounds: int = 0
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reported: list[str] = field(default_factory=list)
    differences: list[int] = field(default_factory=list)
    retried: int = 0


class _Conflicts(logging.Handler):
    """Counts the transactions that were repeated."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += "conflicted with another" in record.getMessage()


def deliveries(folder: Path) -> dict[str, list[Path]]:
    """Write files of two bureaus' buildings and of the borders, several versions of each."""
    chance = random.Random(1)
    files: dict[str, list[Path]] = {"one": [], "two": [], "region": []}
    for version in range(4):
        for source, count, gone in (("one", 60, 30), ("two", 20, 10)):
            data = houses(
                count,
                code=[f"{source}{i:03d}" for i in range(count)],
                name=[f"{source} {version}"] * count,
                households=[chance.randrange(10, 30) for _ in range(count)],
            )
            if source == "two":
                data = data.set_geometry(data.translate(0, 150 / 110_890))
            if version % 2:
                data = data.drop(index=gone + version)
            files[source].append(write(data, folder / f"{source}{version}.gpkg"))
        whole, border = box(-100, -100, 1300, 1300), 400 - 50 * version
        shapes = [
            *(whole, whole, whole, box(0, 0, border, 400)),
            *(box(border, 0, 800 - border, 400), box(800, 0, 400, 400)),
        ]
        codes = ["420600000000", DISTRICT, STREET, *COMMUNITIES]
        data = frame(shapes, code=codes, name=[f"{code[6:]}" for code in codes])
        files["region"].append(write(data, folder / f"region{version}.gpkg"))
    return files


def import_version(engine: Engine, file: Path) -> int:
    source = file.stem[:-1]
    layer = "region" if source == "region" else "building"
    outcome = bring(engine, layer, file, mapping(layer, source=source, guard=LIMITS), again=True)
    return outcome.run


class Town:
    """A database with concurrent work, and one in which the same is replayed serially."""

    def __init__(self, engine: Engine, serial: Engine, folder: Path, address: str) -> None:
        self.engine, self.serial = engine, serial
        self.files = deliveries(folder)
        self.soak = Soak()
        self._serial_run: dict[int, int] = {}
        self._revision = 0
        self._address = address
        sources = (self.files["region"], self.files["one"], self.files["two"])
        self._kept_runs = [import_version(engine, files[0]) for files in sources]
        for community in COMMUNITIES:
            draw_community(engine, community, CONSTRAINTS, publish=True)
        with engine.begin() as connection:
            accounts.add(connection, "planner", "planner", scope=STREET)
            accounts.add(connection, "importer", "importer")
        self.replay()

    def run_round(self, chance: random.Random) -> None:
        """Do one of everything at the same time, then the same in turn, and compare."""
        with (
            _signed_in(self._address, "planner") as planner,
            _signed_in(self._address, "importer") as importer,
        ):
            work = self._work(chance, planner, importer)
            chance.shuffle(work)
            with ThreadPoolExecutor(len(work)) as threads:
                list(threads.map(lambda one: self._attempt(*one), work))
        self.soak.rounds += 1
        self.replay()
        if [rows(self.engine, one) for one in _LIVE] != [rows(self.serial, one) for one in _LIVE]:
            self.soak.differences.append(self.soak.rounds)

    def _work(
        self, chance: random.Random, planner: httpx.Client, importer: httpx.Client
    ) -> list[tuple[str, Callable[[], Any]]]:
        one, two, region = (chance.choice(self.files[name]) for name in ("one", "two", "region"))
        community, other = chance.sample(COMMUNITIES, 2)
        published = rows(
            self.engine,
            "SELECT id FROM import_run WHERE status = 'published' AND id <> ALL (:kept) "
            "ORDER BY id DESC LIMIT 12",
            kept=self._kept_runs,  # plans need their communities
        )
        (taken_back,) = chance.choice(published or [(self._kept_runs[-1],)])
        with_later, revision = chance.random() < 0.5, chance.randrange(10**6)
        path = f"/imports/runs/{taken_back}/rollback"
        corrected = f"/imports/corrections/building/{CORRECTED}"
        return [
            ("import", lambda: import_version(self.engine, one)),
            ("import", lambda: import_version(self.engine, two)),
            ("import", lambda: import_version(self.engine, region)),
            ("roll back", lambda: _sent(importer.post(path, json={"with_later": with_later}))),
            ("roll back", lambda: _sent(importer.post(path, json={"with_later": True}))),
            ("correct", lambda: _sent(importer.put(corrected, json={"address": f"{revision}"}))),
            ("draw", lambda: draw_community(self.engine, community, CONSTRAINTS, publish=True)),
            ("draw", lambda: draw_community(self.engine, other, CONSTRAINTS, publish=False)),
            ("publish", lambda: self._publish_copy(planner, community)),
            ("publish", lambda: self._publish_copy(planner, community)),
            ("publish", lambda: self._publish_copy(planner, other)),
            ("appoint", lambda: _sent(planner.put(f"/grids/{GRID}/manager", json={"name": "王"}))),
            ("appoint", lambda: _sent(planner.put(f"/grids/{GRID}/manager", json={"name": "李"}))),
        ]

    def _publish_copy(self, planner: httpx.Client, community: str) -> None:
        """Copy the newest plan, edit the copy, and put it in force."""
        plans = _sent(planner.get(f"/communities/{community}/plans")).json()["items"]
        plan = _sent(planner.post(f"/plans/{plans[0]['id']}/copy")).json()["id"]
        seen = {"If-Match": '"0"'}
        lock = {"kind": "lock", "grids": "all", "locked": True}
        edited = planner.post(f"/plans/{plan}/edits", json=lock, headers=seen)
        seen = {"If-Match": _sent(edited).headers["etag"]}
        _sent(planner.post(f"/plans/{plan}/publish", headers=seen))

    def _attempt(self, kind: str, work: Callable[[], Any]) -> None:
        try:
            work()
        except (ConflictError, InputError) as error:
            self.soak.refused[f"{kind}: {error.key}"] += 1
        except httpx.HTTPStatusError as error:
            problem = error.response.json()
            if error.response.status_code in REFUSED:
                self.soak.refused[f"{kind}: {problem['type'].rpartition(':')[2]}"] += 1
            else:
                self.soak.reported.append(f"{kind}: {problem}")
        except Exception as error:
            self.soak.reported.append(f"{kind}: {type(error).__name__}: {error}")
        else:
            self.soak.done[kind] += 1

    def replay(self) -> None:
        """Repeat in the second database what was published in the first, in order."""
        for row in rows(self.engine, _PUBLISHED, after=self._revision):
            self._revision, run, file, rolls_back, value = row
            if value is not None:
                with self.serial.begin() as connection:
                    fields = {"address": value}
                    overrides.set_override(connection, "building", CORRECTED, fields, "importer")
            elif rolls_back is not None:
                first = self._serial_run[rolls_back[-1]]
                later = len(rolls_back) > 1
                self._serial_run[run] = roll_back(self.serial, first, with_later=later).run
            else:
                self._serial_run[run] = import_version(self.serial, Path(file))


def _sent(answer: httpx.Response) -> httpx.Response:
    return answer.raise_for_status()


def _signed_in(address: str, name: str) -> httpx.Client:
    form = {"grant_type": "password", "username": name, "password": PASSWORD}
    token = httpx.post(f"{address}/auth/token", data=form, timeout=60).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
    # The server may close a connection that is kept just when it is used again.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=address, headers=headers, timeout=120, limits=limits)


def soak(engine: Engine, serial: Engine, folder: Path, rounds: int, seed: int = 1) -> Soak:
    """Run rounds of concurrent work on a database; return the figures."""
    conflicts, chance = _Conflicts(), random.Random(seed)
    logger = logging.getLogger("geo.db")
    level = logger.level
    logger.addHandler(conflicts)
    logger.setLevel(logging.INFO)
    try:
        with serving(engine) as address:
            town = Town(engine, serial, folder, address)
            for _ in range(rounds):
                town.run_round(chance)
    finally:
        logger.removeHandler(conflicts)
        logger.setLevel(level)
    town.soak.retried = conflicts.count
    return town.soak


def deadlocks(engine: Engine) -> int:
    """Return how many deadlocks the server has ended in a database."""
    with engine.connect() as connection:
        counted = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(connection.execute(counted).scalar_one())


def main(rounds: int) -> None:
    from geo.db import local_server
    from tests.conftest import fresh_database, make_cluster

    with tempfile.TemporaryDirectory(prefix="gridatlas-soak-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        home = folder / "home"
        make_cluster(home)
        try:
            with fresh_database(home) as other:
                serial = create_engine(other.url, poolclass=NullPool)
                with fresh_database(home) as engine:
                    result = soak(engine, serial, folder, rounds)
                    figures = vars(result) | {"deadlocks": deadlocks(engine)}
        finally:
            local_server.stop(home)
    print(json.dumps(figures, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]))
