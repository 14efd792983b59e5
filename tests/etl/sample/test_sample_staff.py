"""Invented managers of the sample's grids."""

from sqlalchemy import select

from etl.sample.sample_staff import appoint_managers
from geo.model import GridManager
from tests import town


def test_every_grid_in_force_gets_one_manager_once(database):
    town.build(database)
    with database.begin() as connection:
        assert appoint_managers(connection, "4206") == 12
        assert appoint_managers(connection, "4206") == 0
        rows = connection.execute(select(GridManager.name, GridManager.phone)).all()
    assert all(name and phone.startswith("0710-000") for name, phone in rows)
    assert len({name for name, _ in rows}) > 6
