"""Accounts of the API: add, list and disable them, set their passwords."""

from collections.abc import Sequence

import argon2
from sqlalchemy import Connection, Engine, Row, func, insert, select, text, update

from geo.errors import InputError
from geo.model import Account, AuditEvent, Role
from geo.model.pipe import Network

MIN_PASSWORD_CHARACTERS = 12
"""Characters (NIST SP 800-63B-4 asks for at least 8 with a second factor, 15 without)."""

MAX_PASSWORD_CHARACTERS = 200
_HASHER = argon2.PasswordHasher()


def add_account(
    connection: Connection,
    name: str,
    role: str,
    password: str | None,
    *,
    scope: str = "",
    networks: Sequence[str] = (),
) -> int:
    """Add an account; return its number.

    Parameters
    ----------
    password
        None for an account that signs in only with an identity provider.

    Raises
    ------
    InputError
        If the name is taken, the password is too short or too long, the role is unknown, or the
        role lacks its scope or networks.
    """
    _validate(name, role, scope, networks)
    taken = select(Account.id).where(Account.name == name)
    if connection.execute(taken).first():
        raise InputError("account_taken", name=name)
    row = {
        "name": name,
        "role": role,
        "password": None if password is None else hash_password(password),
        "scope": scope,
        "networks": list(networks),
    }
    number: int = connection.execute(insert(Account).returning(Account.id), row).scalar_one()
    _record(connection, "account_added", name)
    return number


def _validate(name: str, role: str, scope: str, networks: Sequence[str]) -> None:
    roles = [known.value for known in Role if known is not Role.PUBLIC]
    if not name.strip() or len(name) > 200:
        raise InputError("account_name")
    if role not in roles:
        raise InputError("role_unknown", role=role, roles=", ".join(roles))
    if not ((scope.isascii() and scope.isdigit()) or not scope) or len(scope) > 12:
        raise InputError("scope_no_code", scope=scope)
    if role == Role.PLANNER and not scope:
        raise InputError("planner_without_scope", name=name)
    if role == Role.UTILITY and not networks:
        raise InputError("utility_without_networks", name=name)
    for network in networks:
        if network not in list(Network):
            raise InputError("network_unknown", network=network, networks=", ".join(Network))


def hash_password(password: str) -> str:
    """Return the argon2 hash of a password.

    Raises
    ------
    InputError
        If it is too short or too long.
    """
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InputError(
            "password_length", least=MIN_PASSWORD_CHARACTERS, most=MAX_PASSWORD_CHARACTERS
        )
    return _HASHER.hash(password)


def list_accounts(connection: Connection) -> Sequence[Row[str, str, str, list[str], bool]]:
    """Return name, role, scope, networks and active state of every account."""
    columns = Account.name, Account.role, Account.scope, Account.networks, Account.active
    return connection.execute(select(*columns).order_by(Account.name)).all()


def set_password(engine: Engine, name: str, password: str) -> bool:
    """Set a password and end the account's sessions; return whether there is such an account."""
    return _change_account(engine, name, "password_set", password=hash_password(password))


def disable_account(engine: Engine, name: str) -> bool:
    """Disable an account and end its sessions; return whether there is such an account."""
    return _change_account(engine, name, "account_disabled", active=False)


def _change_account(engine: Engine, name: str, action: str, **values: object) -> bool:
    with engine.begin() as connection:
        changed = update(Account).where(Account.name == name).values(**values)
        number = connection.execute(changed.returning(Account.id)).scalar()
        if number is None:
            return False
        end = text("UPDATE session SET revoked_at = now() WHERE account_id = :account")
        connection.execute(end, {"account": number})
        _record(connection, action, name)
    return True


def _record(connection: Connection, action: str, name: str) -> None:
    event = {"action": action, "object_type": "account", "object_code": name}
    connection.execute(insert(AuditEvent).values(actor=func.session_user(), **event))
