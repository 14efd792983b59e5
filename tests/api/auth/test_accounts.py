"""Accounts and passwords by the API."""

import pytest
from sqlalchemy import text

from geo.db import accounts
from tests import town as t
from tests.api.conformance import hold_to_description
from tests.api.conftest import PASSWORD, bearer
from tests.waiting import Task, wait_for_waiting


@pytest.fixture(scope="module")
def admin(signed_in):
    client = signed_in("admin")
    hold_to_description(client)
    return client


def add(admin, name, role="fire", **more):
    account = {"name": name, "role": role, "password": PASSWORD} | more
    return admin.post("/accounts", json=account, headers={"Accept-Language": "en"})


def can_sign_in(client, name, password=PASSWORD):
    form = {"grant_type": "password", "username": name, "password": password}
    return client.post("/auth/token", data=form).status_code == 200


def test_account_is_added_listed_and_signs_in(admin, client):
    made = add(admin, "li", "planner", scope=t.STREET)
    assert made.status_code == 201, made.text
    assert made.json()["scope"] == t.STREET
    assert "password" not in made.json()
    names = [one["name"] for one in admin.get("/accounts").json()["items"]]
    assert "li" in names
    assert names == sorted(names)
    assert can_sign_in(client, "li")


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"role": "planner"}, "region"),
        ({"role": "utility"}, "networks"),
        ({"password": "short"}, "12"),
        ({"name": "admin"}, "exists already"),
        ({"scope": "abc"}, "abc"),
        ({"role": "office"}, "region"),
        ({"role": "office", "scope": "42060"}, "42060"),
        ({"role": "office", "scope": "420602001009"}, "no region 420602001009"),
        ({"role": "planner", "scope": "9999"}, "no region 9999"),
        ({"name": "li/wang"}, "slash"),
        ({"name": " admin"}, "space"),
        ({"name": "admin\u202e"}, "visible"),
        ({"role": "grid_manager", "grids": ["420602001001999"]}, "no manager"),
    ],
)
def test_account_that_lacks_something_is_refused_with_the_reason(admin, account, words):
    answer = add(admin, **({"name": "wrong"} | account))
    assert answer.status_code in (400, 422)
    assert words in answer.json()["detail"]
    assert "gridatlas user" not in answer.json()["detail"]
    assert not any(one["name"] == "wrong" for one in admin.get("/accounts").json()["items"])


def test_disabled_account_is_refused_at_once_and_can_be_enabled_again(admin, client, address):
    add(admin, "wang")
    headers = bearer(address, "wang")
    off = admin.patch("/accounts/wang", json={"active": False})
    assert off.json()["active"] is False
    assert client.get("/auth/me", headers=headers).status_code == 401
    assert not can_sign_in(client, "wang")
    assert admin.patch("/accounts/wang", json={"active": True}).status_code == 200
    assert can_sign_in(client, "wang")


def test_region_of_an_account_cannot_change_to_one_that_does_not_exist(admin):
    add(admin, "qi", "planner", scope=t.STREET)
    assert admin.patch("/accounts/qi", json={"scope": "420699"}).status_code == 400
    assert admin.patch("/accounts/qi", json={"scope": t.CITY}).json()["scope"] == t.CITY


def test_administrators_who_disable_each_other_at_once_leave_one(admin, town, signed_in):
    add(admin, "second", "admin")
    second = signed_in("second")
    with town.begin() as connection:  # the first request, before it commits
        accounts.require_other_admin(connection, "second")
        accounts.change_account(connection, "second", active=False)
        task = Task(lambda: second.patch("/accounts/admin", json={"active": False}))
        wait_for_waiting(town)
    answer = task.end()
    assert answer.status_code == 409, answer.text
    names = [one["name"] for one in admin.get("/accounts").json()["items"] if one["active"]]
    assert "admin" in names


def test_role_and_region_change_and_end_the_sessions(admin, client, address):
    add(admin, "zhao")
    headers = bearer(address, "zhao")
    assert admin.patch("/accounts/zhao", json={"role": "planner"}).status_code in (400, 422)
    change = {"role": "planner", "scope": t.STREET}
    assert admin.patch("/accounts/zhao", json=change).json()["role"] == "planner"
    assert client.get("/auth/me", headers=headers).status_code == 401
    me = client.get("/auth/me", headers=bearer(address, "zhao")).json()
    assert (me["role"], me["scope"]) == ("planner", t.STREET.rstrip("0"))


def test_grid_managers_account_is_bound_to_grids_and_released_again(admin, town, address, client):
    grid = "420602001001777"
    with town.begin() as connection:
        appoint = text("INSERT INTO grid_manager (grid_code, name) VALUES (:grid, 'Sun')")
        connection.execute(appoint, {"grid": grid})
    added = add(admin, "sun", "grid_manager", grids=[grid])
    assert added.status_code == 201, added.text
    assert added.json()["grids"] == [grid]
    assert client.get("/auth/me", headers=bearer(address, "sun")).json()["grids"] == [grid]
    assert admin.patch("/accounts/sun", json={}).json()["grids"] == [grid]
    assert admin.patch("/accounts/sun", json={"active": False}).json()["grids"] == [grid]
    assert admin.patch("/accounts/sun", json={"grids": []}).json()["grids"] == []


def test_administrator_cannot_lock_the_own_account_out(admin):
    for change in ({"active": False}, {"role": "fire"}):
        assert admin.patch("/accounts/admin", json=change).status_code == 409


def test_password_is_reset_by_the_administrator(admin, client, address):
    add(admin, "zhou")
    headers = bearer(address, "zhou")
    new = "a quite different one"
    assert admin.put("/accounts/zhou/password", json={"password": new}).status_code == 204
    assert client.get("/auth/me", headers=headers).status_code == 401
    assert not can_sign_in(client, "zhou")
    assert can_sign_in(client, "zhou", new)
    short = admin.put("/accounts/zhou/password", json={"password": "short"})
    assert short.status_code in (400, 422)
    missing = admin.put("/accounts/nobody-here/password", json={"password": new})
    assert missing.status_code == 404


def test_own_password_is_changed_with_the_current_one(admin, client, address):
    add(admin, "wu")
    headers = bearer(address, "wu")
    new = "my own new password"
    wrong = client.put(
        "/auth/password", json={"current": "not it at all", "password": new}, headers=headers
    )
    assert wrong.status_code == 403
    assert can_sign_in(client, "wu")
    right = client.put(
        "/auth/password", json={"current": PASSWORD, "password": new}, headers=headers
    )
    assert right.status_code == 200, right.text
    assert client.get("/auth/me", headers=headers).status_code == 401  # other sessions end
    fresh = {"Authorization": f"Bearer {right.json()['access_token']}"}
    assert client.get("/auth/me", headers=fresh).json()["name"] == "wu"
    assert can_sign_in(client, "wu", new)
    assert not can_sign_in(client, "wu")


def test_guessing_the_current_password_is_slowed_down(admin, client, address):
    add(admin, "guessed")
    headers = bearer(address, "guessed")
    body = {"current": "not it at all", "password": "my own new password"}
    answers = [client.put("/auth/password", json=body, headers=headers) for _ in range(7)]
    assert answers[-1].status_code == 429


def test_changes_of_accounts_are_recorded_with_who_made_them(admin, town):
    add(admin, "recorded")
    admin.patch("/accounts/recorded", json={"active": False})
    with town.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT actor, action FROM audit_event WHERE object_code = 'recorded' ORDER BY id"
        ).all()
    assert [tuple(row) for row in rows] == [
        ("admin", "account_added"),
        ("admin", "account_disabled"),
    ]
