"""Accounts of the API: add, list, change and disable them, set their passwords."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import argon2
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from geo.codes import DIGITS, code_prefix
from geo.errors import ConflictError, InputError
from geo.model import Account, AuditEvent, GridManager, Region, Role, Session
from geo.model.pipe import Network

MIN_PASSWORD_CHARACTERS = 12
"""Characters (NIST SP 800-63B-4 asks for at least 8 with a second factor, 15 without)."""

MAX_PASSWORD_CHARACTERS = 200
_SCOPE_DIGITS = {2, *DIGITS.values()}
_HASHER = argon2.PasswordHasher()


def add_account(
    connection: Connection,
    name: str,
    role: str,
    password: str | None,
    *,
    scope: str = "",
    networks: Sequence[str] = (),
    grids: Sequence[str] = (),
) -> int:
    """Add an account; return its number.

    Parameters
    ----------
    password
        None for an account that signs in only with an identity provider.
    grids
        Codes of the grids whose current manager signs in with a grid manager's account.

    Raises
    ------
    InputError
        If the name is taken, the password is too short or too long, the role is unknown, the
        role lacks its scope or networks, there is no such region, or a grid has no manager.
    """
    if not _is_name(name):
        raise InputError("account_name")
    _validate_rights(connection, name, role, scope, networks)
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
    _bind_grids(connection, number, role, grids)
    _record_change(connection, "account_added", name)
    return number


def bind_grids(connection: Connection, name: str, grids: Sequence[str]) -> bool:
    """Have the current managers of grids, and of no others, sign in with an account.

    Returns
    -------
    bool
        Whether there is such an account.

    Raises
    ------
    InputError
        If the account is not a grid manager's, or a grid has no manager.
    """
    columns = select(Account.id, Account.role).where(Account.name == name)
    account = connection.execute(columns).first()
    if account is None:
        return False
    _bind_grids(connection, account.id, account.role, grids)
    _record_change(connection, "account_bound", name)
    return True


def _bind_grids(connection: Connection, number: int, role: str, grids: Sequence[str]) -> None:
    if grids and role != Role.GRID_MANAGER:
        raise InputError("grids_of_other_role", role=role)
    is_current = GridManager.valid_to.is_(None)
    release = update(GridManager).where(GridManager.account_id == number, is_current)
    connection.execute(release.values(account_id=None))
    for grid in grids:
        bind = update(GridManager).where(GridManager.grid_code == grid, is_current)
        if connection.execute(bind.values(account_id=number)).rowcount == 0:
            raise InputError("grid_without_manager", grid=grid)


def _validate_rights(
    connection: Connection, name: str, role: str, scope: str, networks: Sequence[str]
) -> None:
    """Refuse an unknown role, and a scope or networks that do not fit the role."""
    roles = [known.value for known in Role if known is not Role.PUBLIC]
    if role not in roles:
        raise InputError("role_unknown", role=role, roles=", ".join(roles))
    if scope and not (scope.isascii() and scope.isdigit() and len(scope) in _SCOPE_DIGITS):
        raise InputError("scope_no_code", scope=scope)
    if scope and not _is_region(connection, scope):
        raise InputError("scope_unknown", scope=scope)
    if role == Role.PLANNER and not scope:
        raise InputError("planner_without_scope", name=name)
    if role == Role.OFFICE and not scope:
        raise InputError("office_without_scope", name=name)
    if role == Role.UTILITY and not networks:
        raise InputError("utility_without_networks", name=name)
    for network in networks:
        if network not in list(Network):
            raise InputError("network_unknown", network=network, networks=", ".join(Network))


def _is_region(connection: Connection, scope: str) -> bool:
    regions = select(Region.code).where(Region.code.startswith(code_prefix(scope)))
    return connection.execute(regions.limit(1)).first() is not None


def _is_name(name: str) -> bool:
    """Return whether a name is legible, and fits in the path of a URL."""
    return 0 < len(name) <= 200 and name.isprintable() and name == name.strip() and "/" not in name


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
) -> Sequence[Row[str, str, str, list[str], list[str], bool, bool, datetime]]:
    """Return all accounts by name: rights, grids, state and time of creation."""
    own = (GridManager.account_id == Account.id, GridManager.valid_to.is_(None))
    codes = select(GridManager.grid_code).where(*own).order_by(GridManager.grid_code)
    grids: ColumnElement[list[str]] = func.array(codes.scalar_subquery()).label("grids")
    statement = select(
        *(Account.name, Account.role, Account.scope, Account.networks, grids, Account.active),
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
        If the role is unknown, or lacks its scope or networks, or there is no such region.
    """
    columns = Account.role, Account.scope, Account.networks
    account = connection.execute(select(*columns).where(Account.name == name)).first()
    if account is None:
        return False
    changed = account._asdict() | values
    if values.keys() - {"active"}:
        _validate_rights(connection, name, changed["role"], changed["scope"], changed["networks"])
    actions = {True: "account_enabled", False: "account_disabled"}
    action = actions[values["active"]] if "active" in values else "account_changed"
    return _update_account(connection, name, action, **({"role": changed["role"]} | values))


def require_other_admin(connection: Connection, name: str) -> None:
    """Lock the administrators' accounts until the transaction ends, and require another active one.

    Without the lock, two administrators who disable each other at the same time would leave none.

    Raises
    ------
    ConflictError
        If there is no active administrator besides the account.
    """
    admins = select(Account.name).where(Account.role == Role.ADMIN, Account.active)
    names = connection.execute(admins.order_by(Account.id).with_for_update()).scalars()
    if not set(names) - {name}:
        raise ConflictError("last_admin", name=name)


def _update_account(connection: Connection, name: str, action: str, **values: object) -> bool:
    changed = update(Account).where(Account.name == name).values(**values)
    number = connection.execute(changed.returning(Account.id)).scalar()
    if number is None:
        return False
    ended = update(Session).where(Session.account_id == number, Session.revoked_at.is_(None))
    connection.execute(ended.values(revoked_at=func.now()))
    _record_change(connection, action, name)
    return True


def _record_change(connection: Connection, action: str, name: str) -> None:
    """Record a change in the name of the API's caller, else of the session's role."""
    caller = func.nullif(func.current_setting("gridatlas.actor", True), "")
    event = {"action": action, "object_type": "account", "object_code": name}
    actor = func.coalesce(caller, func.session_user())
    connection.execute(insert(AuditEvent).inline().values(actor=actor, **event))
