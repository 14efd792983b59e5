"""Advisory locks of the database: their namespaces, and the order in which writers take them.

A lock is a pair of numbers: its namespace and the object in it. A transaction takes locks in the
order of :class:`Lock`, and locks of one namespace in ascending order of their objects, before it
writes the rows that they protect. Read what a lock protects after acquiring it: it may have
changed while the transaction waited.
"""

from collections.abc import Sequence
from enum import IntEnum

from sqlalchemy import ColumnElement, Connection, func, select

from geo.model import LAYERS

_MAX_OBJECT = 2**31 - 1


class Lock(IntEnum):
    """Namespaces, in the order in which a transaction takes them.

    Attributes
    ----------
    MIGRATION
        The tables of the whole database, while they are migrated.
    IMPORT_RUN, DRAW_RUN, JOB
        A run or a job by its number, held by the session that works on it.
    LAYER
        Live features of a layer by its index in :data:`geo.model.LAYERS`.
    PLANS
        Plans of all communities: shared while plans of one community are written, exclusive while
        an import marks the plans of many.
    COMMUNITY
        The plans of a community by its code.
    STAFF
        The manager of a grid by its code.
    FIRE_FINDINGS
        Findings of the fire rules.
    BAKING
        The files of the tile archive.
    SIGN_IN
        Sign-in attempts.
    CASE_KEY
        An idempotency key of casework by its digest.
    ASSESSMENT
        The closing of months.
    WHAT_IF
        The comparisons of an account by its number.
    """

    MIGRATION = 4206_0002
    IMPORT_RUN = 4206_0003
    DRAW_RUN = 4206_0007
    JOB = 4206_0008
    LAYER = 4206_0001
    PLANS = 4206_0009
    COMMUNITY = 4206_0010
    STAFF = 4206_0011
    FIRE_FINDINGS = 4206_0006
    BAKING = 4206_0004
    SIGN_IN = 4206_0005
    CASE_KEY = 4206_0012
    ASSESSMENT = 4206_0013
    WHAT_IF = 4206_0014


def acquire(connection: Connection, lock: Lock, key: int | str = 0) -> None:
    """Acquire a lock until the transaction ends.

    Parameters
    ----------
    key
        Number or code of the object.
    """
    connection.execute(select(func.pg_advisory_xact_lock(*_lock_numbers(lock, key))))


def acquire_shared(connection: Connection, lock: Lock) -> None:
    """Acquire a shared lock until the transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock_shared(*_lock_numbers(lock, 0))))


def try_acquire(connection: Connection, lock: Lock, key: int | str = 0) -> bool:
    """Acquire a lock until the transaction ends if it is free; return whether it was."""
    return _is_true(connection, func.pg_try_advisory_xact_lock(*_lock_numbers(lock, key)))


def acquire_for_session(connection: Connection, lock: Lock, key: int | str = 0) -> None:
    """Acquire a lock until it is released or the session ends."""
    connection.execute(select(func.pg_advisory_lock(*_lock_numbers(lock, key))))


def try_acquire_for_session(connection: Connection, lock: Lock, key: int | str = 0) -> bool:
    """Acquire a lock for the session if it is free; return whether it was."""
    return _is_true(connection, func.pg_try_advisory_lock(*_lock_numbers(lock, key)))


def release(connection: Connection, lock: Lock, key: int | str = 0) -> None:
    """Release a lock that the session holds."""
    connection.execute(select(func.pg_advisory_unlock(*_lock_numbers(lock, key))))


def release_all(connection: Connection) -> None:
    """Release every lock that the session holds."""
    connection.execute(select(func.pg_advisory_unlock_all()))


def layer_keys(layers: Sequence[str]) -> list[int]:
    """Return the keys of layers' locks, in the order in which they are taken."""
    return [key for key, name in enumerate(LAYERS) if name in layers]


def _lock_numbers(lock: Lock, key: int | str) -> tuple[int, int | ColumnElement[int]]:
    """Return the two numbers of a lock; the server hashes a code."""
    if isinstance(key, str):
        return int(lock), func.hashtext(key)
    return int(lock), key % _MAX_OBJECT


def _is_true(connection: Connection, condition: ColumnElement[bool]) -> bool:
    return bool(connection.execute(select(condition)).scalar_one())
