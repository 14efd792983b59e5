"""``gridatlas user``: add, list and disable accounts."""

import httpx
from sqlalchemy import text

from tests.api.conftest import bearer
from tests.command import gridatlas
from tests.server import serving
from tests.waiting import TIMEOUT_S

PASSWORD = "correct horse battery"  # noqa: S105


def user(*words, password=PASSWORD):
    return gridatlas("user", *words, GRIDATLAS_PASSWORD=password)


def test_added_administrator_can_sign_in(database):
    assert user("add", "root", "--role", "admin").returncode == 0
    listed = user("list").stdout
    assert "root" in listed
    with serving(database) as address:
        form = {"grant_type": "password", "username": "root", "password": PASSWORD}
        assert (
            httpx.post(f"{address}/auth/token", data=form, timeout=TIMEOUT_S).json()["role"]
            == "admin"
        )


def test_account_of_a_grid_manager_follows_the_appointments(database):
    appoint = "INSERT INTO grid_manager (grid_code, name) VALUES (:grid, '王芳')"
    grids = ("420602001001001", "420602001001002")
    with database.begin() as connection:
        for grid in grids:
            connection.execute(text(appoint), {"grid": grid})
    assert user("add", "wang", "--role", "grid_manager", "--grids", grids[0]).returncode == 0
    with serving(database) as address:
        headers = bearer(address, "wang")

        def own_grids():
            return httpx.get(f"{address}/auth/me", headers=headers, timeout=TIMEOUT_S).json()[
                "grids"
            ]

        assert own_grids() == [grids[0]]
        assert user("bind", "wang", ",".join(grids)).returncode == 0
        assert own_grids() == list(grids)
        with database.begin() as connection:
            connection.execute(text("UPDATE grid_manager SET valid_to = now()"))
        assert own_grids() == []


def test_invalid_account_is_refused_in_one_line(database):
    assert user("add", "a", "--role", "fire").returncode == 0
    for words, password in (
        (("add", "a", "--role", "fire"), PASSWORD),
        (("add", "b", "--role", "king"), PASSWORD),
        (("add", "b", "--role", "planner"), PASSWORD),
        (("add", "b", "--role", "utility"), PASSWORD),
        (("add", "b", "--role", "office"), PASSWORD),
        (("add", "b", "--role", "grid_manager", "--grids", "420602001001001"), PASSWORD),
        (("add", "b", "--role", "fire", "--grids", "420602001001001"), PASSWORD),
        (("bind", "a", "420602001001001"), PASSWORD),
        (("bind", "nobody", "420602001001001"), PASSWORD),
        (("add", "b", "--role", "utility", "--networks", "beer"), PASSWORD),
        (("add", "b", "--role", "fire"), "short"),
        (("disable", "nobody"), PASSWORD),
    ):
        done = user(*words, password=password)
        assert done.returncode == 2, words
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
