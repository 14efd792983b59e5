"""The little town, for commands that read the city."""

import pytest
from sqlalchemy import Engine

from tests import town as little_town


@pytest.fixture(scope="module")
def town(shared_database: Engine) -> Engine:
    little_town.build(shared_database)
    return shared_database
