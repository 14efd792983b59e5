"""Drawings as jobs: progress, cancelling, and no limbo when a process dies."""

import json
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import text

from geo import db
from geo.partition.scoring.objective import Weights
from geo.plans import store
from tests import town as t
from tests.server import serving
from tests.waiting import TIMEOUT_S, is_alive, wait_for_end, wait_for_job, wait_until

LIMITS = {"target": 250, "lower": 150, "upper": 350}
IMPOSSIBLE = LIMITS | {"together": [["no such", "x"]]}


@pytest.fixture(scope="module")
def drawn(planner):
    """Return the events of a drawing, to its end."""
    asked = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=LIMITS)
    assert asked.status_code == 202
    return followed(planner, asked.headers["location"])


def followed(caller, job):
    events = []
    with caller.stream("GET", f"{job}/events", timeout=TIMEOUT_S) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event:"):
                name = line.removeprefix("event:").strip()
            if line.startswith("data:"):
                events.append((name, json.loads(line.removeprefix("data:"))))
    return events


def test_drawing_job_is_followed_to_its_plan(planner, drawn):
    names = [name for name, _ in drawn]
    assert set(names[:-1]) == {"progress"}
    assert names[-1] == "done"
    end = drawn[-1][1]
    assert end["done"] == end["total"] == 3
    (plan,) = end["plans"]
    made = planner.get(f"/plans/{plan}").json()
    assert (made["status"], made["author"]) == ("draft", "planner")
    assert made["limits"] == LIMITS | {"balance": "households"}
    assert planner.get(f"/plans/{plan}/validation").json()["grids"] > 1


def test_drawing_uses_the_requested_weights_and_time_limit(town, planner):
    asked = LIMITS | {"weights": {"compound": 500, "border": 0.5}, "seconds": 2, "seed": 7}
    job = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=asked).headers["location"]
    (plan,) = wait_for_job(planner, job, "done", "failed")["plans"]
    with town.connect() as connection:
        kept = connection.execute(
            text("SELECT parameters FROM grid_plan WHERE id = :plan"), {"plan": plan}
        ).scalar_one()
    assert (kept["weights"]["compound"], kept["weights"]["border"]) == (500, 0.5)
    assert kept["weights"]["balance"] == Weights().balance
    assert (kept["effort"]["seconds"], kept["seed"]) == (2, 7)
    strange = LIMITS | {"weights": {"beauty": 1}}
    assert planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=strange).status_code == 422


def test_drawing_by_workload_shows_workload_and_households(planner):
    asked = LIMITS | {"balance": "workload", "seconds": 2, "fresh": True}
    job = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=asked).headers["location"]
    [number] = wait_for_job(planner, job, "done", "failed")["plans"]
    plan = planner.get(f"/plans/{number}").json()
    assert plan["limits"] == LIMITS | {"balance": "workload"}
    grids = planner.get(f"/plans/{number}/grids").json()["features"]
    sizes = [one["properties"]["workload"] for one in grids]
    assert sum(sizes) == plan["score"]["workload"]
    atoms = planner.get(f"/plans/{number}/atoms").json()["features"]
    assert sum(one["properties"]["workload"] for one in atoms) == sum(sizes)
    refused = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=LIMITS | {"balance": "luck"})
    assert refused.status_code == 422
    merged = {"kind": "merge", "grids": [one["id"] for one in grids[:2]]}
    seen = {"If-Match": f'"{plan["revision"]}"'}
    answer = planner.post(f"/plans/{number}/edits", json=merged, headers=seen).json()
    [above] = [one for one in answer["problems"] if one["kind"] == "above"]
    assert above["balance"] == "workload"
    assert above["households"] == sum(sizes[:2])
    assert "工作量" in above["detail"]


def test_grids_are_divided_into_micro_grids_by_a_job(planner, client, drawn):
    (number,) = drawn[-1][1]["plans"]
    copy = planner.post(f"/plans/{number}/copy").json()["id"]
    assert planner.get(f"/plans/{copy}/micro-grids").json()["features"] == []
    asked = planner.post(f"/plans/{copy}/micro-grids")
    assert asked.status_code == 202
    ended = wait_for_job(planner, asked.headers["location"], "done", "failed")
    assert (ended["status"], ended["kind"], ended["plans"]) == ("done", "micro", [copy])
    parts = [
        one["properties"] for one in planner.get(f"/plans/{copy}/micro-grids").json()["features"]
    ]
    grids = [one["properties"] for one in planner.get(f"/plans/{copy}/grids").json()["features"]]
    for grid in grids:
        own = [part for part in parts if part["grid"] == grid["code"]]
        assert grid["micro_grids"] == len(own)
        assert sum(part["households"] for part in own) == grid["households"]
        assert len(own) >= 6 or grid["micro_reasons"]
    query = {"grid": grids[0]["code"]}
    only = planner.get(f"/plans/{copy}/micro-grids", params=query).json()["features"]
    assert {one["properties"]["grid"] for one in only} == {grids[0]["code"]}
    assert client.post(f"/plans/{copy}/micro-grids").status_code in (401, 403)
    revision = planner.get(f"/plans/{copy}").json()["revision"]
    published = planner.post(f"/plans/{copy}/publish", headers={"If-Match": f'"{revision}"'})
    assert published.status_code == 200
    card = client.get(f"/grids/{grids[0]['code']}").json()["properties"]
    assert [part["households"] for part in card["micro_grids"]] == [
        one["properties"]["households"] for one in only
    ]


def square(west, south, east, north):
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    ring = [list(t.degrees(*corner)) for corner in corners]
    return {"type": "Polygon", "coordinates": [ring]}


def test_requested_area_becomes_a_dedicated_grid(planner):
    area = {"name": "鼓楼广场", "geometry": square(805, 205, 995, 395)}
    asked = LIMITS | {"areas": [area], "fresh": True, "seconds": 2}
    job = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=asked).headers["location"]
    [plan] = wait_for_job(planner, job, "done", "failed")["plans"]
    grids = planner.get(f"/plans/{plan}/grids").json()["features"]
    own = [one["properties"] for one in grids if one["properties"]["kind"] == "dedicated"]
    assert [one["name"] for one in own] == ["鼓楼广场"]


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [112.14, 32.04]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": "everywhere"},
    ],
)
def test_invalid_area_is_refused_at_once(planner, geometry):
    asked = LIMITS | {"areas": [{"name": "x", "geometry": geometry}]}
    refused = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=asked)
    assert refused.status_code in (400, 422)
    assert "不是" in refused.json()["detail"] or "polygon" in refused.json()["detail"]


def test_score_card_is_updated_after_edits(planner, client, drawn, monkeypatch):
    monkeypatch.setattr("api.background.job_worker.DEBOUNCE_S", 0.5)
    (plan,) = drawn[-1][1]["plans"]
    before = planner.get(f"/plans/{plan}").json()
    grids = [one["id"] for one in planner.get(f"/plans/{plan}/grids").json()["features"]]
    merged = {"kind": "merge", "grids": grids[:2]}
    seen = {"If-Match": f'"{before["revision"]}"'}
    assert planner.post(f"/plans/{plan}/edits", json=merged, headers=seen).status_code == 200

    def plan_if_scored():
        found = planner.get(f"/plans/{plan}").json()
        return found if found["score"] != before["score"] else None

    now = wait_until(plan_if_scored, "the new score", 0.1)
    assert now["score"]["grids"] == before["score"]["grids"] - 1
    assert now["score"]["households"] == before["score"]["households"]
    assert now["score"]["objective"] != before["score"]["objective"]
    assert now["score"]["revision"] == now["revision"]
    copy = planner.post(f"/plans/{plan}/copy").json()
    assert copy["score"] == {
        name: value for name, value in now["score"].items() if name != "revision"
    }
    assert all(job["kind"] != "score" for job in planner.get("/jobs").json()["items"])


def test_jobs_are_hidden_from_the_public_and_other_streets(client, signed_in, planner, drawn):
    job = f"/jobs/{drawn[-1][1]['id']}"
    assert client.get(job).status_code == 401
    assert signed_in("fire").get(job).status_code == 403
    assert signed_in("admin").get(job).status_code == 200
    assert planner.get("/jobs").json()["numberMatched"] >= 1
    assert planner.get("/jobs/99999").status_code == 404


def test_unsatisfiable_constraint_is_reported_by_the_job(planner, drawn):
    asked = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=IMPOSSIBLE)
    failed = wait_for_job(planner, asked.headers["location"], "failed", "done")
    assert failed["status"] == "failed"
    assert "no such" in failed["problem"]["detail"]


def test_cancelled_job_leaves_no_plan(planner, town):
    before = planner.get(f"/communities/{t.DRUM_TOWER}/plans").json()["numberMatched"]
    with town.begin() as connection:
        store.lock_community(connection, t.DRUM_TOWER)  # keeps the job from storing its plan
        job = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=LIMITS).headers["location"]
        assert planner.delete(job).json()["status"] == "cancelled"
        assert planner.delete(job).status_code == 409
        after_it = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=IMPOSSIBLE)
        wait_for_job(planner, after_it.headers["location"], "failed")
    assert planner.get(f"/communities/{t.DRUM_TOWER}/plans").json()["numberMatched"] == before


def test_group_of_one_is_refused_at_once(planner):
    asked = LIMITS | {"together": [["x"]]}
    assert planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=asked).status_code == 422


def test_inconsistent_limits_are_refused_at_once(planner):
    asked = {"target": 100, "lower": 300, "upper": 500}
    assert planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=asked).status_code == 400


def test_job_of_a_killed_server_is_retried_once(town, planner):
    """What a killed server leaves: a running job on which nobody holds the lock."""
    row = text(
        "INSERT INTO job (kind, status, community_code, caller, attempts) VALUES ('draw', "
        "'running', :code, CAST(:caller AS jsonb), :attempts) RETURNING id"
    )
    caller = {"role": "planner", "scope": t.STREET[:9], "networks": [], "name": "p", "account": 0}
    with town.begin() as connection:
        given = {"code": t.DRUM_TOWER, "caller": json.dumps(caller)}
        broken, hopeless = (
            connection.execute(row, given | {"attempts": attempts}).scalar_one()
            for attempts in (1, 2)
        )
    assert wait_for_job(planner, f"/jobs/{hopeless}", "failed")["problem"]["detail"]
    assert wait_for_job(planner, f"/jobs/{broken}", "done")["plans"]


def test_stopping_server_requeues_its_job(town, planner):
    with serving(town) as other:
        assert other
    listed = planner.get("/jobs").json()["items"]
    assert all(job["status"] not in {"running"} for job in listed)


WORKER = """
import json, os, subprocess, sys, time
command = [sys.executable, "-m", "api.background.worker_process", str(os.getpid())]
drawing = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
drawing.stdin.write(json.dumps({"url": sys.argv[1]}).encode() + b"\\n")
drawing.stdin.flush()
assert drawing.stdout.readline()
print(drawing.pid, flush=True)
time.sleep(600)
"""


def test_drawing_process_ends_with_its_worker(town):
    url = db.api_url(town.url).render_as_string(hide_password=False)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, url], stdout=subprocess.PIPE, text=True
    )
    drawing = int(worker.stdout.readline())
    os.kill(drawing, signal.SIGSTOP)  # it cannot notice the end of its input
    worker.kill()
    worker.communicate()
    try:
        wait_for_end(drawing)
    finally:
        if is_alive(drawing):
            os.kill(drawing, signal.SIGKILL)
