"""Measure the latency of plan edits: move an atom to another grid and back."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from sqlalchemy import delete, text

from geo import db
from geo.db import accounts
from geo.model import Account

ACCOUNT_NAME = "bench-editor"
TARGET_BUILDINGS = 500
"""Number of buildings of the community to edit; the closest one is used."""


def measure_edits(base: str, count: int) -> tuple[int, list[float]]:
    """Return the number of buildings of the community, and the latency of each edit in seconds."""
    plan, buildings = _select_plan()
    with _sign_in(base) as client:
        draft = client.post(f"/plans/{plan}/copy").raise_for_status().json()["id"]
        try:
            return buildings, _time_edits(client, draft, count)
        finally:
            etag = client.get(f"/plans/{draft}").headers["etag"]
            client.delete(f"/plans/{draft}", headers={"If-Match": etag}).raise_for_status()


def _time_edits(client: httpx.Client, draft: int, count: int) -> list[float]:
    atoms = client.get(f"/plans/{draft}/atoms", params={"limit": 20_000}).json()["features"]
    grid_of = {int(atom["id"]): atom["properties"]["grid"] for atom in atoms}
    atom, home = next(iter(grid_of.items()))
    targets = [next(code for code in grid_of.values() if code != home), home]
    latencies_s = []
    for number in range(count):
        body = {"kind": "assign", "atoms": [atom], "grid": targets[number % 2]}
        began = time.perf_counter()
        response = client.post(
            f"/plans/{draft}/edits", json=body, headers={"If-Match": f'"{number}"'}
        )
        latencies_s.append(time.perf_counter() - began)
        response.raise_for_status()
    return latencies_s


def _select_plan() -> tuple[int, int]:
    """Return the plan in force closest to :data:`TARGET_BUILDINGS`, and its number of buildings."""
    statement = text(
        "SELECT p.id, count(DISTINCT building_code) AS buildings FROM grid_plan p "
        "JOIN grid_member m ON m.plan_id = p.id WHERE status = 'published' "
        "GROUP BY p.id ORDER BY abs(count(DISTINCT building_code) - :target) LIMIT 1"
    )
    with db.get_engine().connect() as connection:
        row = connection.execute(statement, {"target": TARGET_BUILDINGS}).one()
    return int(row.id), int(row.buildings)


@contextmanager
def _sign_in(base: str) -> Iterator[httpx.Client]:
    """Yield a client signed in with a temporary account."""
    password = secrets.token_hex(16)
    remove = delete(Account).where(Account.name == ACCOUNT_NAME)
    with db.get_engine().begin() as connection:
        connection.execute(remove)
        accounts.add_account(connection, ACCOUNT_NAME, "admin", password)
    form = {"grant_type": "password", "username": ACCOUNT_NAME, "password": password}
    try:
        with httpx.Client(base_url=base, timeout=60) as client:
            tokens = client.post("/auth/token", data=form).raise_for_status().json()
            client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            yield client
    finally:
        with db.get_engine().begin() as connection:
            connection.execute(remove)
