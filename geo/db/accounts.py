"""Accounts of the API: add, list, change and disable them, set their passwords."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import argon2
from sqlalchemy import Connection, Row, func, insert, select, update

from geo.errors import InputError
from geo.model import Account, AuditEvent, Role, Session
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


def list_accounts(
    connection: Connection,
) -> Sequence[Row[str, str, str, list[str], bool, bool, datetime]]:
    """Return name, role, scope, networks, active state, whether it has a password, and the time of
    creation of every account, by name."""
    statement = select(
        *(Account.name, Account.role, Account.scope, Account.networks, Account.active),
        Account.password.is_not(None).label("has_password"),
        Account.created_at,
    )
    return connection.execute(statement.order_by(Account.name)).all()


def set_password(connection: Connection, name: str, password: str) -> bool:
    """Set a password and end the account's sessions; return whether there is such an account.

    Raises
    ------
    InputError
        If the password is too short or too long.
    """
    return _update_account(connection, name, "password_set", password=hash_password(password))


def disable_account(connection: Connection, name: str) -> bool:
    """Disable an account and end its sessions; return whether there is such an account."""
    return _update_account(connection, name, "account_disabled", active=False)


def change_account(connection: Connection, name: str, **values: Any) -> bool:
    """Change an account and end its sessions; return whether there is such an account.

    Parameters
    ----------
    values
        New ``role``, ``scope``, ``networks`` or ``active``.

    Raises
    ------
    InputError
        If the role is unknown, or lacks its scope or networks.
    """
    columns = Account.role, Account.scope, Account.networks
    account = connection.execute(select(*columns).where(Account.name == name)).first()
    if account is None:
        return False
    changed = account._asdict() | values
    _validate(name, changed["role"], changed["scope"], changed["networks"])
    actions = {True: "account_enabled", False: "account_disabled"}
    action = actions[values["active"]] if "active" in values else "account_changed"
    return _update_account(connection, name, action, **values)


def _update_account(connection: Connection, name: str, action: str, **values: object) -> bool:
    changed = update(Account).where(Account.name == name).values(**values)
    number = connection.execute(changed.returning(Account.id)).scalar()
    if number is None:
        return False
    ended = update(Session).where(Session.account_id == number, Session.revoked_at.is_(None))
    connection.execute(ended.values(revoked_at=func.now()))
    _record(connection, action, name)
    return True


def _record(connection: Connection, action: str, name: str) -> None:
    """Record a change in the name of the API's caller, else of the session's role."""
    caller = func.nullif(func.current_setting("gridatlas.actor", True), "")
    event = {"action": action, "object_type": "account", "object_code": name}
    actor = func.coalesce(caller, func.session_user())
    connection.execute(insert(AuditEvent).inline().values(actor=actor, **event))
