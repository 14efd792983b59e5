"""A served application over the test town, and its clients."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from sqlalchemy import Engine

from tests import accounts
from tests import town as little_town
from tests.accounts import PASSWORD
from tests.server import serving
from tests.waiting import TIMEOUT_S


@pytest.fixture(scope="module")
def town(shared_database: Engine) -> Engine:
    little_town.build(shared_database)
    return shared_database


ACCOUNTS = {
    "planner": {"scope": little_town.STREET},
    "fire": {},
    "utility": {"networks": ["gas"]},
    "importer": {},
    "grid_manager": {},
    "office": {"scope": little_town.NORTH_GATE},
    "admin": {},
}


@pytest.fixture(scope="module")
def address(town: Engine) -> Iterator[str]:
    with town.begin() as connection:
        for role, more in ACCOUNTS.items():
            accounts.add(connection, role, role, **more)
    with serving(town) as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="module")
def signed_in(address: str) -> Iterator[Callable[[str], httpx.Client]]:
    """Return the client of an account, by its name."""
    clients: dict[str, httpx.Client] = {}

    def get(name: str) -> httpx.Client:
        if name not in clients:
            clients[name] = httpx.Client(
                base_url=address, headers=bearer(address, name), timeout=TIMEOUT_S
            )
        return clients[name]

    yield get
    for client in clients.values():
        client.close()


def bearer(address: str, name: str, password: str = PASSWORD) -> dict[str, str]:
    form = {"grant_type": "password", "username": name, "password": password}
    tokens = (
        httpx.post(f"{address}/auth/token", data=form, timeout=TIMEOUT_S).raise_for_status().json()
    )
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture(scope="module")
def planner(signed_in: Callable[[str], httpx.Client]) -> httpx.Client:
    return signed_in("planner")
