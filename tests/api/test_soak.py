"""Everything at once, some rounds of it; ``python -m tests.soak 200`` does as many as one likes."""

from sqlalchemy import NullPool, create_engine

from tests.conftest import fresh_database
from tests.soak import soak

ROUNDS = 3


def test_live_data_are_those_of_a_serial_order_and_no_deadlock_is_reported(home, tmp_path):
    with fresh_database(home) as other:
        serial = create_engine(other.url, poolclass=NullPool)
        with fresh_database(home) as engine:
            found = soak(engine, serial, tmp_path, ROUNDS)
    assert found.reported == []
    assert found.differences == []
    assert found.rounds == ROUNDS
    assert found.done["import"] + found.done["publish"] >= 4 * ROUNDS
