"""``deploy/nginx.conf`` in a real nginx before a real server."""

import datetime as dt
import gzip
import os
import shutil
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from geo.plans import store
from tests import town as t
from tests.api.plans.test_jobs import LIMITS
from tests.api.tiles.test_tiles import tile_of
from tests.waiting import TIMEOUT_S, wait_until

ROOT = Path(__file__).parents[2]
COLUMN, ROW = tile_of(300, 350, 15)

# Around the example as Debian's own nginx.conf is, with compression of whatever may be compressed.
AROUND = """
daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ }}
{user}
http {{
    access_log off; gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/gridatlas.conf;
}}
"""


@contextmanager
def before(address, folder):
    """Run nginx before a server; yields its address, and the trust in its certificate."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _certificate(folder)
    example = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8")
    for given, ours in {
        "127.0.0.1:8000": address.removeprefix("http://"),
        "listen 443": f"listen 127.0.0.1:{port}",
        "server_name atlas.example": "server_name localhost",
        "/etc/ssl/gridatlas.pem": f"{folder}/pem",
        "/etc/ssl/gridatlas.key": f"{folder}/key",
    }.items():
        assert given in example
        example = example.replace(given, ours)
    (folder / "gridatlas.conf").write_text(example, encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # it would write as nobody
    (folder / "conf").write_text(AROUND.format(folder=folder, user=user))
    running = subprocess.Popen([_nginx(), "-p", folder, "-e", folder / "error", "-c", "conf"])
    try:
        _wait_for(port, running, folder / "error")
        yield f"https://localhost:{port}", ssl.create_default_context(cafile=folder / "pem")
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture(scope="module")
def outer(address, tmp_path_factory):
    with before(address, tmp_path_factory.mktemp("nginx")) as found:
        yield found


def _nginx() -> str:
    """Return the nginx of the system, or the one that ``./gridatlas test`` has unpacked."""
    unpacked = Path(sys.executable).parents[2] / "nginx/usr/sbin"  # beside the environment
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:{unpacked}")
    assert found, "There is no nginx. Run: ./gridatlas test"
    return found


def _certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _wait_for(port, running, log):
    def is_listening():
        assert running.poll() is None, log.read_text()
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    wait_until(is_listening, "nginx")


@pytest.fixture
def client(outer):
    base, trust = outer
    with httpx.Client(base_url=base, verify=trust, timeout=TIMEOUT_S) as client:
        yield client


def test_links_lead_through_the_proxy(client, outer):
    base, _ = outer
    for link in client.get("/ogc/").json()["links"]:
        assert link["href"].startswith(f"{base}/ogc/"), link
        assert client.get(link["href"]).status_code == 200
    page = client.get("/ogc/collections/building/items?limit=2").json()
    hrefs = [link["href"] for link in page["links"]]
    assert len(hrefs) > 4
    assert all(href.startswith(f"{base}/ogc/") for href in hrefs)
    next_page = next(one["href"] for one in client.get("/grids?limit=1").json()["links"][1:])
    assert next_page.startswith(f"{base}/grids")


def test_tile_is_packed_once_and_known_again(client, address):
    path = f"/tiles/15/{COLUMN}/{ROW}"
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    plain = httpx.get(
        f"{address}{path}", headers={"Accept-Encoding": "identity"}, timeout=TIMEOUT_S
    )
    assert gzip.decompress(sent) == plain.content
    known = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert known.status_code == 304


def test_progress_comes_as_it_happens(client, outer, town):
    client.headers.update(bearer_of(outer))
    with ExitStack() as stack:
        holding = stack.enter_context(town.connect())
        store.lock_community(holding, t.DRUM_TOWER)  # keeps the job from ending
        asked = client.post(f"/communities/{t.DRUM_TOWER}/plans", json=LIMITS)
        job = asked.headers["location"]
        lines = stack.enter_context(client.stream("GET", f"{job}/events")).iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: progress"
        holding.rollback()
        assert [line for line in lines if line.startswith("event:")][-1] == "event: done"


def bearer_of(outer):
    base, trust = outer
    form = {"grant_type": "password", "username": "planner", "password": "correct horse battery"}
    tokens = (
        httpx.post(f"{base}/auth/token", data=form, verify=trust, timeout=TIMEOUT_S)
        .raise_for_status()
        .json()
    )
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.mark.parametrize(("language", "title"), [("zh-CN", "内容过大"), ("en-GB", "Too large")])
@pytest.mark.parametrize("megabytes", [9, 66])
def test_body_that_is_too_large_is_a_problem_document(outer, language, title, megabytes):
    base, trust = outer
    headers = {"Accept-Language": language, "Content-Type": "application/json"}
    body = bytes(megabytes * 2**20)
    answer = httpx.post(
        f"{base}/plans/1/edits", content=body, headers=headers, verify=trust, timeout=TIMEOUT_S
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == title


def test_sign_ins_without_end_are_told_to_wait(client):
    form = {"grant_type": "password", "username": "nobody-here", "password": "x"}
    with ThreadPoolExecutor(30) as pool:  # at once: as time passes, more are allowed
        answers = list(pool.map(lambda _: client.post("/auth/token", data=form), range(30)))
    assert {one.status_code for one in answers} <= {400, 401, 429}
    answer = next(one for one in answers if one.status_code == 429 and "instance" not in one.json())
    # Ours would name the path as its instance.
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


def test_server_that_is_away_is_503_with_the_time_to_come_back(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with before(nobody, tmp_path) as (base, trust):
        answer = httpx.get(f"{base}/health", verify=trust, timeout=TIMEOUT_S)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 503
    assert int(answer.headers["retry-after"]) > 0
