"""Edits of a draft as a planner makes them: an atom moved to a neighbour's grid and back."""

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
"""Buildings of the community."""


def measure_edits(base: str, count: int) -> tuple[int, list[float]]:
    """Return how many buildings the community has, and the seconds of each edit's answer."""
    plan, buildings = _plan()
    with _signed_in(base) as client:
        draft = client.post(f"/plans/{plan}/copy").raise_for_status().json()["id"]
        try:
            return buildings, _edited(client, draft, count)
        finally:
            seen = client.get(f"/plans/{draft}").headers["etag"]
            client.delete(f"/plans/{draft}", headers={"If-Match": seen}).raise_for_status()


def _edited(client: httpx.Client, draft: int, count: int) -> list[float]:
    atoms = client.get(f"/plans/{draft}/atoms", params={"limit": 20_000}).json()["features"]
    grid_of = {int(one["id"]): one["properties"]["grid"] for one in atoms}
    moving = next(iter(grid_of))
    homes = [next(code for code in grid_of.values() if code != grid_of[moving]), grid_of[moving]]
    taken = []
    for number in range(count):
        body = {"kind": "assign", "atoms": [moving], "grid": homes[number % 2]}
        began = time.perf_counter()
        answer = client.post(
            f"/plans/{draft}/edits", json=body, headers={"If-Match": f'"{number}"'}
        )
        taken.append(time.perf_counter() - began)
        answer.raise_for_status()
    return taken


def _plan() -> tuple[int, int]:
    """Return the plan in force whose community is nearest to 500 buildings, and its number."""
    statement = text(
        "SELECT p.id, count(DISTINCT building_code) AS buildings FROM grid_plan p "
        "JOIN grid_member m ON m.plan_id = p.id WHERE status = 'published' "
        "GROUP BY p.id ORDER BY abs(count(DISTINCT building_code) - :wanted) LIMIT 1"
    )
    with db.get_engine().connect() as connection:
        row = connection.execute(statement, {"wanted": TARGET_BUILDINGS}).one()
    return int(row.id), int(row.buildings)


@contextmanager
def _signed_in(base: str) -> Iterator[httpx.Client]:
    """Sign in as an account made for the while."""
    password = secrets.token_hex(16)
    forget = delete(Account).where(Account.name == ACCOUNT_NAME)
    with db.get_engine().begin() as connection:
        connection.execute(forget)
        accounts.add(connection, ACCOUNT_NAME, "admin", password)
    form = {"grant_type": "password", "username": ACCOUNT_NAME, "password": password}
    try:
        with httpx.Client(base_url=base, timeout=60) as client:
            tokens = client.post("/auth/token", data=form).raise_for_status().json()
            client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            yield client
    finally:
        with db.get_engine().begin() as connection:
            connection.execute(forget)
