"""Idempotency keys: a request that is sent twice is carried out once."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select

from geo import locks
from geo.casework.actors import Actor
from geo.casework.confidential import digest_with_key, key_digest
from geo.errors import ConflictError
from geo.locks import Lock
from geo.model import CaseKey, DwellingVerification, HydrantInspection, ServiceCase


@dataclass(frozen=True)
class KeyedRequest:
    """Digests of a request and of its key."""

    key: str
    request: str


def lock_request(
    connection: Connection, owner: str, key: str, values: Mapping[str, Any]
) -> KeyedRequest:
    """Lock the key of a request until the transaction ends, a new one if it has none."""
    digest = key_digest(owner, key or secrets.token_hex())
    locks.acquire(connection, Lock.CASE_KEY, digest)
    return KeyedRequest(digest, digest_with_key(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)))


def is_recorded(
    connection: Connection,
    table: type[DwellingVerification] | type[HydrantInspection],
    request: KeyedRequest,
) -> bool:
    """Return whether a request is recorded in a table under its key.

    Raises
    ------
    ConflictError
        If another request is.
    """
    earlier = connection.execute(select(table.request).where(table.key == request.key)).scalar()
    if earlier not in (None, request.request):
        raise ConflictError("case_key_reused")
    return earlier is not None


def digest_request(values: Mapping[str, Any], photos: Sequence[bytes]) -> str:
    """Return the digest of a request without its key and the revision that the actor saw.

    It is keyed: a contact could be guessed from a plain one.
    """
    values = {name: values[name] for name in values.keys() - {"key", "revision", "photos"}}
    return digest_with_key(orjson.dumps(values, option=orjson.OPT_SORT_KEYS), *photos)


def find_earlier_case(connection: Connection, actor: Actor, key: str, digest: str) -> str | None:
    """Return the number of the case for which the actor used a key before, None if never.

    Raises
    ------
    ConflictError
        If it was for another request.
    """
    if not key:
        return None
    name = key_digest(actor.name, key)
    locks.acquire(connection, Lock.CASE_KEY, name)
    columns = CaseKey.request, ServiceCase.number
    known = select(*columns).join(ServiceCase, ServiceCase.id == CaseKey.case_id)
    row = connection.execute(known.where(CaseKey.key == name)).first()
    if row is None:
        return None
    if row.request != digest:
        raise ConflictError("case_key_reused")
    return str(row.number)


def store_key(connection: Connection, actor: Actor, key: str, digest: str, case: int) -> None:
    """Record that a request with a key was carried out for a case."""
    if key:
        row = {
            "key": key_digest(actor.name, key),
            "request": digest,
            "case_id": case,
            "owner": actor.name,
        }
        connection.execute(insert(CaseKey).inline(), row)
