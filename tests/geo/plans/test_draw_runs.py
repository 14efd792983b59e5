"""Runs over many communities: whatever dies, nothing is lost and nothing is drawn twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from etl.pipeline.publish_frames import publish
from etl.sample.city import SAMPLE_FILE, read_sample
from geo.errors import InputError, NotFoundError, SetupError
from geo.partition.constraints import Area, Constraints
from geo.partition.scoring.objective import Limits
from geo.partition.search.strategy import Effort
from geo.plans import draw_runs, store
from geo.plans.batch import draw_many, draw_one
from geo.plans.draw_runs import DrawOrder

ROOT = SAMPLE_FILE.parents[2]
COMMUNITY = "420606007001"
QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100))


@pytest.fixture(scope="module")
def city(shared_database: Engine) -> Engine:
    publish(shared_database, read_sample(SAMPLE_FILE), "sample:S:1")
    return shared_database


def order(city: Engine, count: int, **fields: object) -> DrawOrder:
    with city.connect() as connection:
        some = store.communities(connection, "420606007")[:count]
    return replace(DrawOrder(tuple(some), QUICK), **fields)


def kept(city: Engine, run: int) -> list[tuple[str, str]]:
    """Return community and status of every plan of a run, and check that each is whole."""
    with city.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT community_code, status, (SELECT sum(households) FROM grid_member m "
                "WHERE m.plan_id = p.id) AS placed, (SELECT sum(households) FROM building b "
                "WHERE b.region_code = p.community_code) AS there "
                "FROM grid_plan p WHERE run_id = :run ORDER BY 1"
            ),
            {"run": run},
        ).all()
    assert all(row.placed == row.there for row in rows)
    return [(row.community_code, row.status) for row in rows]


def test_order_is_read_back_as_it_was_asked(city):
    area = Area("park", "POLYGON ((0 0, 1 0, 1 1, 0 0))")
    wishes = Constraints(
        limits=Limits(350, 250, 450), together=(("a", "b"),), areas=(area,), prove=9.0
    )
    asked = order(city, 2, own={COMMUNITY: wishes}, publish=True, author="me")
    run = draw_runs.begin(city, asked)
    with city.connect() as connection:
        assert draw_runs.find_interrupted_run(connection) == (run, asked)
    for number in range(1, run + 1):
        draw_runs.finish(city, number)
    with city.connect() as connection, pytest.raises(NotFoundError):
        draw_runs.find_interrupted_run(connection)


def test_each_community_has_its_own_wishes(city):
    asked = order(city, 2, own={COMMUNITY: replace(QUICK, limits=Limits(350, 250, 450))})
    drawn = {one.community: one for one in draw_many(city, asked)}
    with city.connect() as connection:
        limits = {
            code: connection.execute(
                text("SELECT parameters->'limits'->>'target' FROM grid_plan WHERE id = :id"),
                {"id": one.plan},
            ).scalar()
            for code, one in drawn.items()
        }
    assert limits == {COMMUNITY: "350", asked.communities[1][0]: "400"}


def test_community_drawn_again_by_the_same_run_keeps_the_plan_that_is_there(city):
    run = draw_runs.begin(city, order(city, 1))
    once, again = (draw_one(city, COMMUNITY, QUICK, run=run, publish=True) for _ in range(2))
    assert once[0].plan == again[0].plan
    assert kept(city, run) == [(COMMUNITY, "published")]


def test_two_at_once_keep_one_plan_of_a_run_and_two_without(city):
    run = draw_runs.begin(city, order(city, 1))
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda _: draw_one(city, COMMUNITY, QUICK, run=run), range(4)))
        apart = list(pool.map(lambda _: draw_one(city, COMMUNITY, QUICK, publish=True), range(2)))
    assert len({one.plan for (one,) in same}) == 1
    assert len(kept(city, run)) == 1
    assert len({one.plan for (one,) in apart}) == 2
    with city.connect() as connection:
        assert store.in_force(connection, COMMUNITY) in {one.plan for (one,) in apart}


def test_run_is_worked_on_by_one_process(city):
    run = draw_runs.begin(city, order(city, 1))
    with draw_runs.working_on(city, run):
        with pytest.raises(InputError) as refused, draw_runs.working_on(city, run):
            pass
        assert refused.value.key == "run_going_on"
    with draw_runs.working_on(city, run):
        pass


@pytest.mark.usefixtures("english")
def test_what_can_not_be_drawn_does_not_stop_the_others(city):
    asked = order(city, 2, own={COMMUNITY: replace(QUICK, together=(("nothing", "at all"),))})
    refused, drawn = sorted(draw_many(city, asked), key=lambda one: one.community)
    assert "no building, unit or compound with the code nothing" in refused.refused
    assert not refused.failed
    assert drawn.plan is not None


def dask(role: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{role}", "--no-dashboard", *words],
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def ending(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def waited_for(file: Path) -> str:
    while not (file.exists() and file.read_text().strip()):
        time.sleep(0.05)
    return file.read_text()


def test_worker_killed_in_the_middle_loses_nothing_and_draws_nothing_twice(city, tmp_path):
    file = tmp_path / "scheduler.json"
    scheduler = dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
    with ending(scheduler):
        address = json.loads(waited_for(file))["address"]
        worker = ("--scheduler-file", file, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        first, second = dask("worker", *worker), dask("worker", *worker)
        with ending(first, second):
            asked = order(city, 12, publish=True)
            run = draw_runs.begin(city, asked)
            drawn = []
            for one in draw_many(city, asked, run, address):
                if not drawn:
                    first.send_signal(signal.SIGKILL)
                drawn.append(one)
    codes = [code for code, _ in asked.communities]
    assert sorted(one.community for one in drawn) == codes
    assert all(one.plan for one in drawn)
    assert kept(city, run) == [(code, "published") for code in codes]


def test_scheduler_that_is_not_there_is_said(city, monkeypatch):
    monkeypatch.setattr("geo.plans.batch.TIMEOUT_S", 1)
    with pytest.raises(SetupError) as refused:
        list(draw_many(city, order(city, 1), None, "tcp://127.0.0.1:9"))
    assert refused.value.key == "scheduler_unreachable"
    with pytest.raises(SetupError) as refused:
        list(draw_many(city, order(city, 1), None, "nonsense://"))
    assert refused.value.key == "scheduler_unreachable"


def gridatlas(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *words]


KEPT_BY_COMMAND = (
    "SELECT count(*) FROM grid_plan p JOIN draw_run r ON r.id = p.run_id "
    "WHERE asked->'wishes'->'limits'->>'target' = '390'"
)


def test_command_killed_in_the_middle_goes_on_with_resume(city, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": "en"}
    command = gridatlas("draw", "--all", "--publish", "--target", "390", "--seconds", "1")
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with city.begin() as holding, ending(process):
        store.lock_community(holding, "420606007012")  # so that it can't come to its end
        before = 0
        while not before:
            assert process.poll() is None
            time.sleep(0.05)
            with city.connect() as connection:
                before = connection.execute(text(KEPT_BY_COMMAND)).scalar_one()
    done = subprocess.run(
        gridatlas("draw", "--resume"), env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "12 communities" in done.stdout
    with city.connect() as connection:
        run = connection.execute(
            text("SELECT max(id) FROM draw_run WHERE finished_at IS NOT NULL")
        ).scalar_one()
        codes = [code for code, _ in store.communities(connection)]
    assert kept(city, run) == [(code, "published") for code in codes]
