"""Runs, held and rejected data, and corrections over HTTP."""

import io
import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path

import geopandas as gpd
import httpx
import pytest
from sqlalchemy import text

from api.imports import import_jobs
from etl.pipeline.run import Request, import_file
from geo import locks
from geo.locks import Lock
from geo.settings import Settings
from tests.api.conformance import hold_to_description
from tests.etl.attacks import MARK, attack_files, listening, secret_file
from tests.etl.delivery import houses, mapping, rows, write
from tests.waiting import TIMEOUT_S, wait_for_job, wait_until


@pytest.fixture(scope="module")
def importer(signed_in):
    client = signed_in("importer")
    hold_to_description(client)
    return client


@pytest.fixture(scope="module")
def published(town, tmp_path_factory):
    """Return a published run of buildings, two of which were rejected."""
    folder = tmp_path_factory.mktemp("importer")
    data = houses(40, code=[f"d{i:03d}" for i in range(40)])
    data.loc[3, "households"], data.loc[5, "households"] = -1, -2
    file = write(data, folder / "houses.gpkg")
    outcome = import_file(town, Request("building", file, mapping(source="importer")), Settings())
    assert outcome.status == "published"
    return outcome.run


def delivered(town, tmp_path, count):
    data = houses(count, code=[f"d{i:03d}" for i in range(count)])
    file = write(data, tmp_path / f"{count}.gpkg")
    return import_file(town, Request("building", file, mapping(source="importer")), Settings())


@pytest.mark.parametrize("path", ["/imports/runs", "/imports/quarantine", "/imports/corrections"])
def test_only_importers_read_imports(client, signed_in, path):
    assert client.get(path).status_code == 401
    for role in ("planner", "fire", "utility"):
        assert signed_in(role).get(path).status_code == 403


def test_runs_are_listed_with_their_reports(importer, published):
    listed = importer.get(
        "/imports/runs", params={"source": "importer", "status": "published"}
    ).json()
    found = {run["id"]: run for run in listed["items"]}
    assert found[published]["counts"]["building"]["added"] == 38
    told = importer.get(f"/imports/runs/{published}").json()
    assert len(told["refused"]) == 2
    assert told["report"]["differences"]["building"][0]["shape"]["coordinates"]
    page = importer.get(f"/imports/runs/{published}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "<svg" in page.text
    assert importer.get("/imports/runs/999999").status_code == 404


def test_rejected_features_are_exported_corrected_and_replayed(importer, town, published):
    listed = importer.get("/imports/quarantine", params={"run": published}).json()
    assert listed["numberMatched"] == 2
    assert listed["items"][0]["geometry"]["type"] in ("Polygon", "MultiPolygon")
    asked = {"run": published, "format": "geojson"}
    sent = importer.get("/imports/quarantine/export", params=asked)
    data = gpd.read_file(io.BytesIO(sent.content))
    data.loc[0, "households"] = 31
    mended = {"file": ("q.geojson", data.to_json(to_wgs84=False).encode())}
    answer = importer.post("/imports/quarantine/replay", files=mended)
    assert answer.status_code == 200, answer.text
    assert rows(town, "SELECT households FROM building WHERE code = 'd003'") == [(31,)]
    [replayed] = answer.json()["runs"]
    assert replayed["waiting"] == 1
    again = importer.post("/imports/quarantine/replay", json={"run": replayed["id"]})
    assert [run["status"] for run in again.json()["runs"]] == ["unchanged"]


def test_held_run_is_approved_and_rolled_back(importer, town, published, tmp_path):
    held = delivered(town, tmp_path, 20)
    assert held.status == "held"
    concerns = importer.get(f"/imports/runs/{held.run}").json()["concerns"]
    assert concerns[0]["key"] == "too_many_removed"
    for lang, words in (("zh", "移除"), ("en", "would be removed")):
        told = importer.get(f"/imports/runs/{held.run}", headers={"Accept-Language": lang}).json()
        assert words in told["concerns"][0]["said"]
    assert importer.post(f"/imports/runs/{held.run}/approve").json()["status"] == "published"
    assert importer.post(f"/imports/runs/{held.run}/approve").status_code == 409
    assert importer.post(f"/imports/runs/{published}/rollback").status_code == 409
    back = importer.post(f"/imports/runs/{held.run}/rollback", json={"with_later": False})
    assert back.json()["status"] == "published"
    assert rows(town, "SELECT count(*) FROM building WHERE source = 'importer'")[0][0] >= 38
    actions = rows(town, "SELECT action FROM audit_event WHERE object_type = 'import_run'")
    assert {"approve", "roll_back"} <= {action for (action,) in actions}


@contextmanager
def layer_busy(town, layer):
    """Hold the lock of a layer's publications, as a long import does."""
    with town.connect() as session:
        (key,) = locks.layer_keys([layer])
        locks.acquire_for_session(session, Lock.LAYER, key)
        yield
        locks.release(session, Lock.LAYER, key)


def children_running(module):
    """Return the numbers of this process's children that run a module."""
    found = []
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = status.read_bytes().split(b"\0")
            parent = int((status.parent / "stat").read_text().rpartition(")")[2].split()[1])
            if module.encode() in words and parent == os.getpid():
                found.append(int(status.parent.name))
    return found


def audited(town, action, number):
    told = "SELECT count(*) FROM audit_event WHERE action = '{}' AND object_code = '{}'"
    return rows(town, told.format(action, number))[0][0]


def test_long_approval_is_a_job_and_publishes_all_or_nothing(importer, town, tmp_path, monkeypatch):
    monkeypatch.setattr(import_jobs, "TIMEOUT_S", 0.0)
    held = delivered(town, tmp_path, 21)
    assert held.status == "held"
    with layer_busy(town, "building"):
        answer = importer.post(f"/imports/runs/{held.run}/approve")
        assert answer.status_code == 202
        job = answer.headers["location"]
        assert (answer.json()["kind"], job) == ("approve", f"/jobs/{answer.json()['id']}")
        wait_for_job(importer, job, "running")
        assert importer.delete(job).status_code == 409
        assert audited(town, "approve", held.run) == 0
        [process] = wait_until(lambda: children_running("api.imports.import_jobs"))
        os.kill(process, signal.SIGKILL)
        assert importer.get(f"/imports/runs/{held.run}").json()["status"] == "held"
    assert "中断" in wait_for_job(importer, job, "done", "failed")["problem"]["detail"]
    again = importer.post(f"/imports/runs/{held.run}/approve").headers["location"]
    done = wait_for_job(importer, again, "done", "failed")
    assert (done["status"], done["runs"]) == ("done", [held.run])
    assert audited(town, "approve", held.run) == 1
    assert importer.get(f"/imports/runs/{held.run}").json()["status"] == "published"


def test_nothing_is_published_without_its_audit_event(importer, town, tmp_path):
    # Without the hook that checks answers: the description lists no 500.
    plain = httpx.Client(base_url=importer.base_url, headers=importer.headers, timeout=TIMEOUT_S)
    held = delivered(town, tmp_path, 15)
    before = rows(town, "SELECT code, revision FROM building ORDER BY code")
    refuse = (
        "CREATE FUNCTION refuse_audit() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no room for the trail'; END $$; "
        "CREATE TRIGGER refuse_audit BEFORE INSERT ON audit_event FOR EACH ROW "
        "WHEN (NEW.object_type = 'import_run') EXECUTE FUNCTION refuse_audit()"
    )
    with town.begin() as connection:
        connection.execute(text(refuse))
    try:
        for way in ("dismiss", "approve"):
            answer = followed(plain, plain.post(f"/imports/runs/{held.run}/{way}"))
            assert answer.status_code >= 500 or answer.json()["status"] == "failed"
    finally:
        plain.close()
        with town.begin() as connection:
            connection.execute(text("DROP FUNCTION refuse_audit CASCADE"))
    assert rows(town, "SELECT code, revision FROM building ORDER BY code") == before


def followed(importer, answer):
    """Return the answer, or if it is a job's what became of the job."""
    if answer.status_code != 202:
        return answer
    wait_for_job(importer, answer.headers["location"], "done", "failed")
    return importer.get(answer.headers["location"])


def test_only_importers_read_jobs_of_imports(importer, signed_in, published):
    importer.post("/imports/quarantine/replay", json={"run": published})
    kinds = {job["kind"] for job in importer.get("/jobs").json()["items"]}
    assert {"replay"} <= kinds <= {"approve", "roll_back", "replay"}
    planner = signed_in("planner").get("/jobs").json()["items"]
    assert kinds.isdisjoint(job["kind"] for job in planner)


def test_correction_is_not_overwritten_by_imports(importer, town, published):
    path = "/imports/corrections/building/d001"
    assert importer.put(path, json={"households": 77}).status_code == 200
    assert rows(town, "SELECT households FROM building WHERE code = 'd001'") == [(77,)]
    listed = importer.get("/imports/corrections").json()["items"]
    assert [(one["code"], one["value"], one["actor"]) for one in listed] == [
        ("d001", "77", "importer")
    ]
    assert importer.put(path, json={"households": -5}).status_code in (400, 422)
    assert importer.put(path, json={"source": "x"}).status_code in (400, 422)
    assert importer.delete(path).status_code == 204
    assert importer.delete(path).status_code == 404


def test_uploaded_file_that_references_others_reads_nothing(importer, town, published, tmp_path):
    folder = tmp_path / "sent"
    folder.mkdir()
    with listening() as listener:
        # Under every suffix they are read in tests/etl/input/test_untrusted_files.py.
        files = attack_files(folder, listener.address, secret_file(tmp_path), ["gpkg"])
        for file in filter(Path.is_file, files):
            sent = {"file": (file.name, file.read_bytes())}
            answer = importer.post("/imports/quarantine/replay", files=sent)
            assert answer.status_code == 400, (file.name, answer.text)
            assert MARK not in answer.text
        sent = {"file": (f"/vsicurl/{listener.address}/a.gpkg", b"x")}
        assert importer.post("/imports/quarantine/replay", files=sent).status_code == 400
        assert not listener.heard
    outside = f"SELECT count(*) FROM building b WHERE b::text LIKE '%{MARK}%'"
    assert rows(town, outside) == [(0,)]
