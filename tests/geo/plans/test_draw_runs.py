"""Runs over many communities: whatever dies, nothing is lost and nothing is drawn twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from etl.pipeline.publish_frames import publish
from etl.sample.city import SAMPLE_FILE, read_sample
from geo.errors import InputError, NotFoundError, SetupError
from geo.partition.constraints import Area, Constraints
from geo.partition.scoring.objective import Limits
from geo.partition.search.strategy import Effort
from geo.plans import community_layers, draw_runs, store
from geo.plans.batch import draw_communities, draw_community
from geo.plans.draw_runs import DrawOrder
from tests.waiting import wait_until

ROOT = SAMPLE_FILE.parents[2]
COMMUNITY = "420606007001"
QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100))


@pytest.fixture(scope="module")
def city(shared_database: Engine) -> Engine:
    publish(shared_database, read_sample(SAMPLE_FILE), "sample:S:1")
    return shared_database


def order(city: Engine, count: int, **fields: object) -> DrawOrder:
    with city.connect() as connection:
        communities = community_layers.list_communities(connection, "420606007")[:count]
    return replace(DrawOrder(tuple(communities), QUICK), **fields)


def stored_plans(city: Engine, run: int) -> list[tuple[str, str]]:
    """Return community and status of each plan of a run; check that it holds every household."""
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


def test_order_is_read_back_unchanged(city):
    area = Area("park", "POLYGON ((0 0, 1 0, 1 1, 0 0))")
    constraints = Constraints(
        limits=Limits(350, 250, 450), together=(("a", "b"),), areas=(area,), prove=9.0
    )
    drawing_order = order(
        city, 2, community_constraints={COMMUNITY: constraints}, publish=True, author="me"
    )
    run = draw_runs.start_run(city, drawing_order)
    with city.connect() as connection:
        assert draw_runs.find_interrupted_run(connection) == (run, drawing_order)
    for number in range(1, run + 1):
        draw_runs.finish_run(city, number)
    with city.connect() as connection, pytest.raises(NotFoundError):
        draw_runs.find_interrupted_run(connection)


def test_each_community_has_its_own_constraints(city):
    drawing_order = order(
        city, 2, community_constraints={COMMUNITY: replace(QUICK, limits=Limits(350, 250, 450))}
    )
    results = {result.community: result for result in draw_communities(city, drawing_order)}
    with city.connect() as connection:
        limits = {
            code: connection.execute(
                text("SELECT parameters->'limits'->>'target' FROM grid_plan WHERE id = :id"),
                {"id": result.plan},
            ).scalar()
            for code, result in results.items()
        }
    assert limits == {COMMUNITY: "350", drawing_order.communities[1][0]: "400"}


def test_run_stores_one_plan_per_community(city):
    run = draw_runs.start_run(city, order(city, 1))
    first, second = (
        draw_community(city, COMMUNITY, QUICK, run=run, publish=True) for _ in range(2)
    )
    assert first[0].plan == second[0].plan
    assert stored_plans(city, run) == [(COMMUNITY, "published")]


def test_concurrent_draws_store_one_plan_within_a_run_and_two_without(city):
    run = draw_runs.start_run(city, order(city, 1))
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda _: draw_community(city, COMMUNITY, QUICK, run=run), range(4)))
        apart = list(
            pool.map(lambda _: draw_community(city, COMMUNITY, QUICK, publish=True), range(2))
        )
    assert len({one.plan for (one,) in same}) == 1
    assert len(stored_plans(city, run)) == 1
    assert len({one.plan for (one,) in apart}) == 2
    with city.connect() as connection:
        assert store.plan_in_force(connection, COMMUNITY) in {one.plan for (one,) in apart}


def test_run_is_locked_by_one_process(city):
    run = draw_runs.start_run(city, order(city, 1))
    with draw_runs.lock_run(city, run):
        with pytest.raises(InputError) as refused, draw_runs.lock_run(city, run):
            pass
        assert refused.value.key == "run_going_on"
    with draw_runs.lock_run(city, run):
        pass


@pytest.mark.usefixtures("english")
def test_invalid_community_does_not_stop_the_others(city):
    drawing_order = order(
        city,
        2,
        community_constraints={COMMUNITY: replace(QUICK, together=(("nothing", "at all"),))},
    )
    refused, drawn = sorted(draw_communities(city, drawing_order), key=lambda one: one.community)
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


def test_killed_worker_loses_no_community_and_draws_none_twice(city, tmp_path):
    file = tmp_path / "scheduler.json"
    scheduler = dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
    with ending(scheduler):
        content = wait_until(lambda: file.exists() and file.read_text().strip())
        address = json.loads(content)["address"]
        worker = ("--scheduler-file", file, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        first, second = dask("worker", *worker), dask("worker", *worker)
        with ending(first, second):
            drawing_order = order(city, 12, publish=True)
            run = draw_runs.start_run(city, drawing_order)
            drawn = []
            for one in draw_communities(city, drawing_order, run, address):
                if not drawn:
                    first.send_signal(signal.SIGKILL)
                drawn.append(one)
    codes = [code for code, _ in drawing_order.communities]
    assert sorted(one.community for one in drawn) == codes
    assert all(one.plan for one in drawn)
    assert stored_plans(city, run) == [(code, "published") for code in codes]


def test_unreachable_scheduler_is_reported(city, monkeypatch):
    monkeypatch.setattr("geo.plans.batch.TIMEOUT_S", 1)
    with pytest.raises(SetupError) as refused:
        list(draw_communities(city, order(city, 1), None, "tcp://127.0.0.1:9"))
    assert refused.value.key == "scheduler_unreachable"
    with pytest.raises(SetupError) as refused:
        list(draw_communities(city, order(city, 1), None, "nonsense://"))
    assert refused.value.key == "scheduler_unreachable"


def gridatlas(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *words]


PLANS_OF_COMMAND = (
    "SELECT count(*) FROM grid_plan p JOIN draw_run r ON r.id = p.run_id "
    "WHERE asked->'wishes'->'limits'->>'target' = '390'"
)


def test_killed_command_is_resumed(city, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": "en"}
    command = gridatlas("draw", "--all", "--publish", "--target", "390", "--seconds", "1")
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with city.begin() as holding, ending(process):
        store.lock_community(holding, "420606007012")  # keeps the command from finishing

        def has_stored_a_plan() -> bool:
            assert process.poll() is None
            with city.connect() as connection:
                return bool(connection.execute(text(PLANS_OF_COMMAND)).scalar_one())

        wait_until(has_stored_a_plan)
    done = subprocess.run(
        gridatlas("draw", "--resume"), env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "12 communities" in done.stdout
    with city.connect() as connection:
        run = connection.execute(
            text("SELECT max(id) FROM draw_run WHERE finished_at IS NOT NULL")
        ).scalar_one()
        codes = [code for code, _ in community_layers.list_communities(connection)]
    assert stored_plans(city, run) == [(code, "published") for code in codes]
