"""Accounts for tests, all with one password, because hashing takes a quarter of a second."""

from functools import cache

from sqlalchemy import Connection, update

from geo.db import accounts
from geo.model import Account

PASSWORD = "correct horse battery"  # noqa: S105
_hashed = cache(accounts.hash_password)


def add(connection: Connection, name: str, role: str, **more: object) -> None:
    """Add an account that signs in with ``PASSWORD``."""
    number = accounts.add_account(connection, name, role, None, **more)
    set_password = update(Account).where(Account.id == number).values(password=_hashed(PASSWORD))
    connection.execute(set_password)
