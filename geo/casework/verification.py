"""Verification of dwellings on the spot by grid managers."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from geo.casework.actors import Actor
from geo.casework.ledger import grid_of_dwelling
from geo.casework.request_keys import is_recorded, lock_request
from geo.clock import date_in_city
from geo.errors import InputError, NotFoundError, StaleError
from geo.messages import text as text_of
from geo.model import Dwelling, DwellingVerification
from geo.model.register import AGE_BANDS
from geo.secrets import secret

COUNTS = ("residents", "registered", "floating", *AGE_BANDS, "alone_60_up", "need_help")
"""Columns of a dwelling that a verification may set, beside ``occupancy``."""

_TABLE: Any = Dwelling.__table__
DWELLING_COLUMNS = (
    *(_TABLE.c[name] for name in ("code", "building_code", "unit_code", "floor", "room")),
    *(_TABLE.c[name] for name in ("occupancy", *COUNTS, "verified_on", "verified_by")),
    _TABLE.c.valid_from.label("version"),
)
"""What a grid manager sees of a dwelling; ``version`` changes with every change."""


@dataclass(frozen=True)
class Verification:
    """What a grid manager saw at a dwelling.

    Attributes
    ----------
    seen
        ``version`` of the dwelling that the manager compared with.
    verified_at, device_at
        When by the server's clock, and what the device's clock showed.
    changes
        Columns to set; empty if everything was as recorded.
    """

    dwelling: str
    seen: datetime
    verified_at: datetime
    device_at: datetime | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


def verify_dwelling(
    connection: Connection, verification: Verification, actor: Actor, key: str
) -> RowMapping:
    """Record a verification and set the counts; return the dwelling as it is then.

    With a key that the actor used for the same verification before, nothing is changed.

    Raises
    ------
    InputError
        If the counts contradict each other.
    NotFoundError
        If the dwelling is in no grid of the actor's.
    ConflictError
        If the key was used for another verification.
    StaleError
        If the dwelling has changed since the version that was seen; ``current`` holds it.
    """
    request = lock_request(connection, f"verification {actor.name}", key, vars(verification))
    grid = grid_of_dwelling(connection, verification.dwelling)
    if is_recorded(connection, DwellingVerification, request):
        return _read_dwelling(connection, verification.dwelling)
    current = _lock_dwelling(connection, verification.dwelling)
    if current["version"] != verification.seen:
        raise StaleError("dwelling_stale", dwelling=verification.dwelling, current=dict(current))
    values = {
        **verification.changes,
        "verified_on": date_in_city(verification.verified_at),
        "verified_by": actor.name,
    }
    _set_values(connection, verification.dwelling, values)
    row = {
        "grid_code": grid,
        "dwelling_code": verification.dwelling,
        "verified_at": verification.verified_at,
        "device_at": verification.device_at,
        "verifier": actor.name,
        "changes": dict(verification.changes),
        **vars(request),
    }
    connection.execute(insert(DwellingVerification).inline(), row)
    return _read_dwelling(connection, verification.dwelling)


def _set_values(connection: Connection, dwelling: str, values: Mapping[str, Any]) -> None:
    try:
        connection.execute(update(Dwelling).where(Dwelling.code == dwelling), values)
    except IntegrityError as error:
        diagnostics: Any = error.orig
        rule = diagnostics.diag.constraint_name.removeprefix("ck_dwelling_")
        said = text_of(f"dwelling_rule.{rule}")
        raise InputError("dwelling_counts_unfit", dwelling=dwelling, said=said) from None


def _read_dwelling(connection: Connection, code: str) -> RowMapping:
    return (
        connection.execute(select(*DWELLING_COLUMNS).where(_TABLE.c.code == code)).mappings().one()
    )


def _lock_dwelling(connection: Connection, code: str) -> RowMapping:
    locked = select(*DWELLING_COLUMNS).where(_TABLE.c.code == code).with_for_update()
    row = connection.execute(locked).mappings().first()
    if row is None:
        raise NotFoundError("visit_dwelling_unknown", dwelling=code)
    return row


def device_key(account: int) -> bytes:
    """Return the key with which an account's devices encrypt what they have not sent yet.

    It follows from the installation's secret: a device that forgot it gets it again after signing
    in, and never after the account was disabled.
    """
    purpose = f"gridatlas field {account}".encode()
    return hmac.digest(secret(), purpose, hashlib.sha256)
