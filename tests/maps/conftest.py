"""The little town, and the built assets that pages carry inside."""

import pytest
from sqlalchemy import Engine

from maps import build
from tests import town as little_town


@pytest.fixture(scope="module")
def town(shared_database: Engine) -> Engine:
    build.build()
    little_town.build(shared_database)
    return shared_database
