"""What must not take the server down: a database that goes away, clients that dawdle, crowds."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from api.core import protocol
from api.middleware import concurrency
from etl.pipeline.run import Request, import_file
from geo.db import cluster, local_server
from geo.settings import Settings
from tests import accounts
from tests import town as t
from tests.api.conftest import bearer
from tests.api.plans.test_jobs import LIMITS
from tests.api.tiles.test_tiles import tile_of
from tests.conftest import fresh_database, make_cluster, open_folder
from tests.etl.delivery import houses, mapping, write
from tests.server import serving
from tests.waiting import TIMEOUT_S, is_alive, wait_for_job, wait_until

LON, LAT = t.degrees(300, 200)
COLUMN, ROW = tile_of(300, 350, 15)
ASKED = (
    f"/tiles/15/{COLUMN}/{ROW}",
    f"/grids?lon={LON}&lat={LAT}",
    "/regions",
    "/ogc/collections/building/items?limit=50",
)


@pytest.fixture(scope="module")
def own():
    """Return a server over a database of its own, which may be stopped."""
    with open_folder() as place:
        home = place / "home"
        make_cluster(home)
        try:
            with fresh_database(home) as engine:
                t.build(engine)
                with serving(engine) as address:
                    yield home, address
                engine.dispose()
        finally:
            local_server.stop(home)


def untimed(answer: httpx.Response) -> bytes:
    """Return a body without the time at which it was written."""
    return re.sub(rb'"timeStamp":"[^"]*"', b"", answer.content)


def test_restarted_database_is_503_for_a_while_and_never_a_wrong_answer(own):
    home, address = own
    right = {path: untimed(httpx.get(f"{address}{path}", timeout=TIMEOUT_S)) for path in ASKED}
    answers, over = [], threading.Event()

    def keep_asking(paths):
        with httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
            for path in cycle(paths):
                if over.is_set():
                    return
                answers.append((path, client.get(path)))

    def is_served_again():
        latest = answers[-10 * len(ASKED) :]
        return {path for path, _ in latest} == set(ASKED) and all(
            answer.status_code == 200 for _, answer in latest
        )

    threads = [
        threading.Thread(target=keep_asking, args=((*ASKED[n:], *ASKED[:n]),)) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(is_served_again)
        local_server.stop(home)
        wait_until(lambda: answers[-1][1].status_code == 503)
        local_server.ensure_running(home)
        wait_until(is_served_again)
    finally:
        over.set()
    for thread in threads:
        thread.join()
    for path, answer in answers:
        assert answer.status_code in (200, 503), (path, answer.status_code, answer.text[:300])
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"
        else:
            assert untimed(answer) == right[path], path


@contextmanager
def serve_command(*options, **environment):
    """Run ``gridatlas serve`` until it answers; yields its process and its address."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ) as running:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+", running.stdout.readline())[0]
            assert httpx.get(f"{address}/ready", timeout=TIMEOUT_S).status_code == 200
            yield running, address
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()


def status(url, **more):
    return httpx.get(url, timeout=TIMEOUT_S, **more).status_code


def test_served_database_that_is_killed_comes_back_by_itself(own):
    home, _ = own
    pid_file = cluster.data_directory(home) / "postmaster.pid"

    def process():
        with suppress(OSError, IndexError):  # it is being written
            return int(pid_file.read_text().split()[0])
        return None

    installation = {"GRIDATLAS_HOME": os.fspath(home), "DATABASE_URL": ""}
    with serve_command("--workers", "2", **installation) as (_, address):
        for end in (signal.SIGKILL, signal.SIGTERM):
            killed = process()
            os.kill(killed, end)
            wait_until(lambda killed=killed: process() not in {None, killed})
            for path in ("/ready", "/regions", "/tiles/15/0/0"):
                wait_until(lambda path=path: status(address + path) < 300)
        local_server.stop(home)
        time.sleep(3)
        assert not local_server.is_running(home)
        assert status(f"{address}/regions") == 503
        local_server.ensure_running(home)
        wait_until(lambda: status(f"{address}/regions") == 200)


def descendants(process):
    """Return the processes below a process."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True)
    parents = dict(map(int, line.split()) for line in listed.stdout.splitlines())
    below = {process}
    while more := {one for one, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {process}


def test_workers_and_drawings_end_with_a_killed_serve_and_free_the_port(town):
    with town.begin() as connection:
        accounts.add(connection, "orphan", "planner", scope=t.STREET)
    with serve_command("--workers", "2") as (running, address):
        wait_until(lambda: len(descendants(running.pid)) >= 3)
        headers = bearer(address, "orphan")
        path = f"{address}/communities/{t.DRUM_TOWER}/plans"
        httpx.post(path, json=LIMITS, headers=headers, timeout=TIMEOUT_S).raise_for_status()
        # Two workers, their resource tracker, one that draws and waits for the next job then.
        wait_until(lambda: len(descendants(running.pid)) >= 4)
        below = descendants(running.pid)
        running.kill()
        wait_until(lambda: not any(map(is_alive, below)), "their end")
        url = httpx.URL(address)
        socket.create_server((url.host, url.port)).close()


LIMITS_OF_CLIENTS = ("HEAD_TIMEOUT_S", "BODY_INTERVAL_S", "WRITE_TIMEOUT_S")


def hurry(monkeypatch):
    """Have the server wait half a second where it waits 15 or 30."""
    for limit in LIMITS_OF_CLIENTS:
        monkeypatch.setattr(protocol, limit, 0.5)


def hold_on(monkeypatch):
    """Let go no slow client: a request that finds no place for one of them is refused."""
    for limit in LIMITS_OF_CLIENTS:
        monkeypatch.setattr(protocol, limit, 10 * TIMEOUT_S)
    monkeypatch.setattr(concurrency, "TIMEOUT_S", TIMEOUT_S / 10)


@contextmanager
def opened(address, count):
    """Yield connections to the server, closed afterwards."""
    with ExitStack() as stack:
        yield [stack.enter_context(connected(address)) for _ in range(count)]


def connected(address):
    url = httpx.URL(address)
    return socket.create_connection((url.host, url.port))


def ended(connection):
    """Return what a connection brought until the server ended it."""
    connection.settimeout(TIMEOUT_S)
    brought = b""
    try:
        while piece := connection.recv(65_536):
            brought += piece
    except ConnectionResetError:
        pass
    return brought


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nusername=",
        b"PUT /grids/420602001001001/manager/photo HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000000\r\n\r\n--b\r\n",
    ],
    ids=["nothing", "half a head", "half a form", "the beginning of a photo"],
)
def test_clients_that_stop_halfway_are_let_go_and_hold_nobody_up(
    client, address, monkeypatch, sent
):
    hold_on(monkeypatch)
    with opened(address, 40) as slow:
        for one in slow:
            one.sendall(sent)
        assert client.get("/regions").status_code == 200
    hurry(monkeypatch)
    with opened(address, 40) as slow:
        for one in slow:
            one.sendall(sent)
        for one in slow:
            ended(one)


def test_client_that_does_not_read_its_answer_holds_no_place(client, address, monkeypatch):
    hold_on(monkeypatch)
    asked = "GET /style.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    with opened(address, 40) as deaf:
        for one in deaf:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.send(asked.encode())
        assert client.get("/regions").status_code == 200


LONG = 6_000_000
"""Signs of a name: more than the sockets between take up."""


@pytest.fixture
def lengthy(own):
    """Return the address of a server with a compound whose name never ends."""
    home, address = own
    add = text(
        "INSERT INTO compound (code, name, geom) SELECT 'long', repeat('长', :long), geom "
        "FROM region WHERE level = 'community' LIMIT 1"
    )
    engine = create_engine(cluster.url(home, _database(home)), connect_args=OWNER)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE compound DISABLE TRIGGER ALL"))
        connection.execute(text("DROP INDEX ix_compound_signs"))
        connection.execute(add, {"long": LONG})
    yield address
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM compound WHERE code = 'long'"))
    engine.dispose()


OWNER = {"options": "-c gridatlas.owner=on"}


def _database(home):
    server = create_engine(cluster.url(home, "postgres"))
    with server.connect() as connection:
        names = text("SELECT datname FROM pg_database WHERE starts_with(datname, 'test_')")
        found = connection.execute(names).scalar_one()
    server.dispose()
    return found


def is_held(connection):
    """Return whether the server has not closed its end of a connection; reading would free it."""
    names = connection.getsockname(), connection.getpeername()
    ours, theirs = (f":{port:04X}" for _, port in names)
    lines = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
    ends = {tuple(name[-5:] for name in words[1:3]): words[3] for words in lines}
    return ends.get((theirs, ours)) == "01"  # ESTABLISHED


def test_client_that_does_not_read_is_cut_off_and_its_place_is_free(lengthy, monkeypatch):
    """An export holds a connection of the database while it goes out: nobody may hold all."""
    export = f"{lengthy}/exports/compound?format=geojson"
    whole = httpx.get(export, timeout=TIMEOUT_S)
    assert whole.status_code == 200
    assert len(whole.content) > 3 * LONG
    hurry(monkeypatch)
    with opened(lengthy, 12) as deaf:
        for one in deaf:
            one.sendall(b"GET /exports/compound?format=geojson HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: not any(map(is_held, deaf)), "the end of all connections")
        monkeypatch.undo()
        assert len(httpx.get(export, timeout=TIMEOUT_S).content) == len(whole.content)
        assert all(len(ended(one)) < len(whole.content) for one in deaf)


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_slow_head_is_ended_however_much_of_it_comes(address, monkeypatch, sent):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 1.0)
    with connected(address) as one:
        one.sendall(sent)
        one.settimeout(0.1)

        def is_ended():
            try:
                return not one.recv(100)
            except TimeoutError:
                one.sendall(b"a" if sent else b"")
            except OSError:
                return True
            return False

        with suppress(OSError):
            wait_until(is_ended, "the end of the connection")


def test_body_that_begins_late_on_a_connection_has_its_whole_time(address, monkeypatch):
    monkeypatch.setattr(protocol, "BODY_INTERVAL_S", 1.0)
    form = b"grant_type=password&username=fire"
    head = b"POST /auth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
    with connected(address) as one:
        for _ in range(3):
            time.sleep(0.4)
            one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = http.client.HTTPResponse(one)
            answer.begin()
            assert (answer.status, answer.read()[:1]) == (200, b"{")
        monkeypatch.setattr(protocol, "BODY_INTERVAL_S", TIMEOUT_S)
        one.sendall(head % len(form) + form[:10])
        time.sleep(1.2)  # in which the times of the requests before would end
        one.sendall(form[10:])
        assert ended(one).startswith(b"HTTP/1.1 401")


def test_head_without_end_is_refused(address):
    with connected(address) as one:
        one.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)
        assert ended(one).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("header", "status"),
    [("Content-Length: 99999999999", 413), ("Transfer-Encoding: chunked", 400)],
)
def test_endless_body_is_refused_before_it_comes(address, header, status):
    with connected(address) as one:
        head = (
            f"POST /auth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\r\n"
        )
        one.sendall(head.encode())
        assert ended(one).startswith(f"HTTP/1.1 {status}".encode())


CROWD = """
import socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
crowd = []
for number in range(count):
    one = socket.create_connection((host, port))
    if number % 2:
        one.send(b"GET /")
    crowd.append(one)
print("there", flush=True)
sys.stdin.readline()
for one in crowd:
    one.settimeout(600)
print(sum(one.recv(1) == b"" for one in crowd), flush=True)
"""


def test_ten_thousand_connections_opened_and_left_are_let_go(client, address, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 6.0)
    url = httpx.URL(address)
    words = [sys.executable, "-c", CROWD, url.host, str(url.port), "10000"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        assert crowd.stdout.readline() == "there\n"
        answer = client.get("/health")
        assert answer.status_code == 200
        said, _ = crowd.communicate("go\n", timeout=TIMEOUT_S)
    assert said == "10000\n"


def test_drawing_and_importing_at_once_both_come_to_their_end(planner, town, tmp_path):
    """A drawing reads one state of the city, however an import changes it meanwhile."""
    job = planner.post(f"/communities/{t.DRUM_TOWER}/plans", json=LIMITS).headers["location"]
    for count in (30, 40):
        data = houses(count, code=[f"r{i:03d}" for i in range(count)])
        file = write(data, tmp_path / f"{count}.gpkg")
        outcome = import_file(town, Request("building", file, mapping(source="race")), Settings())
        assert outcome.status == "published"
    (plan,) = wait_for_job(planner, job, "done", "failed")["plans"]
    assert planner.get(f"/plans/{plan}/validation").status_code == 200
    with town.connect() as connection:
        total = "SELECT sum(households) FROM {} WHERE plan_id = :plan"
        members, grids = (
            connection.execute(text(total.format(table)), {"plan": plan}).scalar_one()
            for table in ("grid_member", "grid")
        )
    assert members == grids > 0
