"""The application over the little town."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine

from tests import town as little_town
from tests.server import serving


@pytest.fixture(scope="module")
def town(shared_database: Engine) -> Engine:
    little_town.build(shared_database)
    return shared_database


@pytest.fixture(scope="module")
def client(town: Engine) -> Iterator[httpx.Client]:
    with serving(town) as address, httpx.Client(base_url=address) as client:
        yield client
