import asyncio
import socket

import httpx
from sqlalchemy import create_engine, text

from tests.server import serving
from tests.waiting import TIMEOUT_S


def test_health_names_the_versions_and_the_migration(client, town):
    with town.connect() as connection:
        migration = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    state = client.get("/health").json()
    assert state["status"] == "ok"
    assert state["database"]["migration"] == migration
    assert state["database"]["postgis"] >= "3.3"


def test_missing_database_answers_503_with_retry_after():
    nobody = create_engine("postgresql+psycopg://nobody@/none?host=/nowhere")
    with serving(nobody) as address:
        english = {"Accept-Language": "en"}
        answer = httpx.get(f"{address}/health", headers=english, timeout=TIMEOUT_S)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Temporarily unavailable"


def test_ready_and_metrics(client):
    assert client.get("/ready").json() == {"ready": True}
    text = client.get("/metrics").text
    assert 'gridatlas_requests_total{method="GET",route="/ready",status="200"}' in text


def test_every_response_has_a_request_id(client):
    assert len(client.get("/health").headers["x-request-id"]) == 16
    named = client.get("/health", headers={"X-Request-Id": "abc-1"})
    assert named.headers["x-request-id"] == "abc-1"
    odd = client.get("/health", headers={"X-Request-Id": "a b<script>"})
    assert odd.headers["x-request-id"] != "a b<script>"


def test_more_requests_than_connections_are_all_answered(address):
    async def ask():
        limits = httpx.Limits(max_connections=120)
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=TIMEOUT_S) as client:
            asked = (client.get("/regions", params={"limit": 1}) for _ in range(120))
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    answers = asyncio.run(ask())
    assert set(answers) <= {200, 503}
    assert answers.count(200) > 60


def test_abandoned_connections_do_not_block_others(client, address):
    host, port = httpx.URL(address).host, httpx.URL(address).port
    left = [socket.create_connection((host, port)) for _ in range(300)]
    try:
        assert client.get("/health").status_code == 200
    finally:
        for one in left:
            one.close()
