"""``gridatlas serve`` as a person runs it."""

import re
import signal
import socket
import subprocess
import sys

import httpx

SERVE = [sys.executable, "-m", "cli.main", "serve"]


def test_serves_until_it_is_told_to_stop(town):
    running = subprocess.Popen(
        [*SERVE, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        said = running.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", said)[0]
        assert httpx.get(f"{address}health").json()["status"] == "ok"
        assert "MapLibre" not in httpx.get(address).text
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 0
        assert "Traceback" not in running.stderr.read()
    finally:
        running.kill()
        running.communicate()


def test_port_in_use_is_one_line_with_the_remedy(town):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*SERVE, "--port", port], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert port in done.stderr
    assert "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
