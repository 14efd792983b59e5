"""``gridatlas user``: add, list and disable accounts."""

import os
import subprocess
import sys

import httpx

from tests.server import serving

PASSWORD = "correct horse battery"  # noqa: S105


def gridatlas(*words, password=PASSWORD):
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "user", *words],
        env=os.environ | {"GRIDATLAS_PASSWORD": password, "GRIDATLAS_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_added_administrator_can_sign_in(database):
    assert gridatlas("add", "root", "--role", "admin").returncode == 0
    listed = gridatlas("list").stdout
    assert "root" in listed
    with serving(database) as address:
        form = {"grant_type": "password", "username": "root", "password": PASSWORD}
        assert httpx.post(f"{address}/auth/token", data=form, timeout=30).json()["role"] == "admin"


def test_invalid_account_is_refused_in_one_line(database):
    assert gridatlas("add", "a", "--role", "fire").returncode == 0
    for words, password in (
        (("add", "a", "--role", "fire"), PASSWORD),
        (("add", "b", "--role", "king"), PASSWORD),
        (("add", "b", "--role", "planner"), PASSWORD),
        (("add", "b", "--role", "utility"), PASSWORD),
        (("add", "b", "--role", "utility", "--networks", "beer"), PASSWORD),
        (("add", "b", "--role", "fire"), "short"),
        (("disable", "nobody"), PASSWORD),
    ):
        done = gridatlas(*words, password=password)
        assert done.returncode == 2, words
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
