"""Files whose right reading is known by construction: what is live is what was meant."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from tests.etl.import_fuzz import check_delivery, clear, deliveries, load_city

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture(scope="module")
def city(shared_database):
    load_city(shared_database)
    return shared_database


@settings(max_examples=20)
@given(delivery=deliveries())
def test_delivery_is_read_as_it_was_meant(city, delivery):
    clear(city)
    with TemporaryDirectory() as folder:
        check_delivery(city, delivery, Path(folder))
