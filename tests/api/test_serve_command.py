"""``gridatlas serve`` as a person runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import httpx

from tests import accounts
from tests import town as t
from tests.api.conftest import bearer
from tests.waiting import TIMEOUT_S

SERVE = [sys.executable, "-m", "cli.main", "serve"]


def test_serves_until_it_is_told_to_stop(town):
    running = subprocess.Popen(
        [*SERVE, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        said = running.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", said)[0]
        assert httpx.get(f"{address}health", timeout=TIMEOUT_S).json()["status"] == "ok"
        assert "MapLibre" not in httpx.get(address, timeout=TIMEOUT_S).text
        running.send_signal(signal.SIGINT)
        assert running.wait(TIMEOUT_S) == 0
        assert "Traceback" not in running.stderr.read()
    finally:
        running.kill()
        running.communicate()


def test_port_in_use_is_one_line_with_the_remedy(town):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*SERVE, "--port", port], capture_output=True, text=True, timeout=TIMEOUT_S
        )
    assert done.returncode == 2
    assert port in done.stderr
    assert "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_mistake_in_the_citys_kinds_of_cases_is_one_line_before_anything_is_served(town, tmp_path):
    file = tmp_path / "kinds.toml"
    file.write_text("[[kinds]]\nkey = 'noise'\n[departments]\n", encoding="utf-8")
    done = subprocess.run(
        [*SERVE, "--port", "0"],
        env=os.environ | {"GRIDATLAS_CASE_KINDS": os.fspath(file)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert "kinds.noise" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_open_stream_of_cases_does_not_hold_up_the_end(town):
    with town.begin() as connection:
        accounts.add(connection, "duty_officer", "office", scope=t.NORTH_GATE)
    running = subprocess.Popen(
        [*SERVE, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+", running.stdout.readline())[0]
        headers = bearer(address, "duty_officer")
        with httpx.stream(
            "GET", f"{address}/casework/events", headers=headers, timeout=TIMEOUT_S
        ) as stream:
            assert next(stream.iter_lines()) == "event: reset"
            running.send_signal(signal.SIGTERM)
            assert running.wait(TIMEOUT_S) in (0, -signal.SIGTERM)
        assert "Traceback" not in running.stderr.read()
    finally:
        running.kill()
        running.communicate()


def test_several_workers_answer_write_lines_of_json_and_stop_in_order(town):
    running = subprocess.Popen(
        [*SERVE, "--port", "0", "--workers", "2", "--log"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", running.stdout.readline())[0]
        answer = httpx.get(f"{address}ready", timeout=TIMEOUT_S)
        assert answer.json() == {"ready": True}
        assert "gridatlas_requests_total" in httpx.get(f"{address}metrics", timeout=TIMEOUT_S).text
        running.send_signal(signal.SIGTERM)
        assert running.wait(TIMEOUT_S) in (0, -signal.SIGTERM)
        lines = [json.loads(line) for line in running.stderr.read().splitlines() if line[:1] == "{"]
        (told,) = [line for line in lines if line.get("path") == "/ready"]
        assert told["status"] == 200
        assert told["request"] == answer.headers["x-request-id"]
    finally:
        running.kill()
        running.communicate()


def test_worker_holds_no_compiler_until_somebody_draws():
    """Numba is 60 MB of each worker, and only drawing needs it."""
    heavy = ("numba", "llvmlite", "matplotlib", "ortools", "dask")
    loaded = "import sys, api.app; print([name for name in sys.argv[1:] if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", loaded, *heavy], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
