"""Accounts for tests, all with one password and a hash that is quickly verified."""

import argon2
from sqlalchemy import Connection, update

from geo.db import accounts
from geo.model import Account

PASSWORD = "correct horse battery"  # noqa: S105
_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def add(connection: Connection, name: str, role: str, **more: object) -> None:
    """Add an account that signs in with ``PASSWORD``."""
    number = accounts.add_account(connection, name, role, None, **more)
    set_password = update(Account).where(Account.id == number).values(password=_HASH)
    connection.execute(set_password)
