"""``./gridatlas demo`` on an empty installation: maps, an atlas and a server."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pypdfium2
import pytest

from geo.db import local_server
from tests.conftest import open_folder
from tests.waiting import TIMEOUT_S, wait_until

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock")


@pytest.fixture
def fresh():
    """Return an installation that holds only the packages of this environment."""
    with open_folder() as home:
        (home / "venv").symlink_to(sys.prefix)
        for lock in LOCKS:
            (home / f"{lock}.installed").write_bytes((ROOT / lock).read_bytes())
        yield home
        local_server.stop(home)


@contextmanager
def demo(home, cwd):
    """Run the demo until its server answers; yields what it said and the server's address."""
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    environment |= {"GRIDATLAS_HOME": os.fspath(home), "GRIDATLAS_LANG": "zh"}
    said = cwd / "said"
    with said.open("w") as out:
        command = [ROOT / "gridatlas", "demo", "--port", "0"]
        running = subprocess.Popen(command, cwd=cwd, env=environment, stdout=out, stderr=out)

    def find_address():
        assert running.poll() is None, said.read_text(encoding="utf-8")
        return re.search(r"http://127\.0\.0\.1:[1-9]\d*", said.read_text(encoding="utf-8"))

    try:
        address = wait_until(find_address, "the server of the demo")[0]
        yield said.read_text(encoding="utf-8"), address
    finally:
        running.terminate()
        running.wait(TIMEOUT_S)


def test_demo_writes_the_atlas_and_starts_a_server(fresh, tmp_path):
    with (
        demo(fresh, tmp_path) as (said, address),
        httpx.Client(base_url=address, timeout=TIMEOUT_S) as client,
    ):
        regions = client.get("/regions?level=community&limit=100").json()["features"]
        assert len(regions) == 12
        assert all(one["properties"]["grids"] for one in regions)
        assert "网格图谱" in client.get("/").text
        password = re.search(r"demo\W+.*?([\w-]{16})", said, re.DOTALL)
        assert password, said
        grant = {"grant_type": "password", "username": "demo", "password": password[1]}
        assert client.post("/auth/token", data=grant).status_code == 200
        grid = client.get(f"/grids/{regions[0]['properties']['code']}001").json()
        assert grid["properties"]["manager"]["name"], "an invented one"
    pages = sorted((tmp_path / "out" / "atlas").rglob("*.html"))
    assert len(pages) == 1 + len(regions)
    book = pypdfium2.PdfDocument(tmp_path / "out" / "atlas.pdf")
    assert len(book) > len(regions)
    words = "".join(page.get_textpage().get_text_bounded() for page in book)
    assert regions[0]["properties"]["name"] in words
    environment = os.environ | {"GRIDATLAS_HOME": os.fspath(fresh), "GRIDATLAS_LANG": "zh"}
    command = [ROOT / "gridatlas", "demo", "--no-serve"]
    again = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert "演示账号 demo" in again.stdout
    assert "gridatlas serve" in again.stdout.partition("下一步")[2]


def help_while_locked(home, recorded):
    """Run the script on a home whose lock another process holds; return it and the holder."""
    lock = home / "install.lock"
    holder = subprocess.Popen(["flock", lock, "sleep", "600"], start_new_session=True)
    lock.write_text(f"{recorded or holder.pid}\n")
    command = [ROOT / "gridatlas", "--help"]
    environment = os.environ | {"GRIDATLAS_HOME": os.fspath(home)}
    running = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    return running, holder


def test_installation_waits_for_another_and_names_its_process(fresh):
    running, holder = help_while_locked(fresh, None)
    try:
        assert f"Waiting for process {holder.pid}" in running.stderr.readline()
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    running.communicate()
    assert running.returncode == 0


def test_lock_held_after_its_installation_ended_is_refused(fresh):
    ended = subprocess.Popen(["true"])
    ended.wait()
    running, holder = help_while_locked(fresh, ended.pid)
    try:
        _, said = running.communicate(timeout=TIMEOUT_S)
        assert running.returncode == 1
        assert "install.lock" in said.splitlines()[-1]
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
