"""``/accounts``: accounts and their passwords; ``/auth/password``: the caller's own password."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.auth import sign_in
from api.core import problems
from api.core.caller import CurrentCaller, allow
from api.core.parameters import Connection, Page, PageParameter, WritableConnection, retry_conflicts
from api.core.responses import Listing, StrictModel, listing
from geo.db import accounts
from geo.errors import ConflictError, NotFoundError
from geo.model import Role

router = APIRouter(tags=["accounts"])

ADMIN = allow("admin")
SIGNED_IN = allow(*(role.value for role in Role if role is not Role.PUBLIC))
Name = Annotated[str, Path(min_length=1, max_length=200)]
Grids = Annotated[list[Annotated[str, Field(pattern="^[0-9]{15}$")]], Field(max_length=50)]
Password = Annotated[SecretStr, Field(max_length=1000)]


class AccountResponse(BaseModel):
    """An account; without a password it signs in with the identity provider only."""

    name: str
    role: Role
    scope: str
    networks: list[str]
    grids: list[str]
    active: bool
    has_password: bool
    created_at: datetime


class AccountRequest(BaseModel):
    """A new account.

    ``scope`` is the code of a planner's or office's region, ``grids`` are the codes of the grids
    whose current manager signs in with it.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Role
    scope: Annotated[str, Field(max_length=12)] = ""
    networks: Annotated[list[str], Field(max_length=20)] = []
    grids: Grids = []
    password: Password | None = None


class AccountChange(StrictModel):
    """What changes of an account; what is left out stays."""

    role: Role | None = None
    scope: Annotated[str | None, Field(max_length=12)] = None
    networks: Annotated[list[str] | None, Field(max_length=20)] = None
    grids: Grids | None = None
    active: bool | None = None


class PasswordRequest(StrictModel):
    """A new password."""

    password: Password


class OwnPasswordRequest(PasswordRequest):
    """The caller's password and the one that takes its place."""

    current: Password


@router.get(
    "/accounts",
    dependencies=[ADMIN],
    responses=problems.protected_response(Listing[AccountResponse]),
)
def list_accounts(request: Request, connection: Connection, page: PageParameter) -> Response:
    """List the accounts by name."""
    rows = accounts.list_accounts(connection)
    shown = rows[page.offset : page.offset + page.limit]
    items = [AccountResponse.model_validate(row._asdict()) for row in shown]
    return listing(request, items, Page(page.limit, page.offset), len(rows))


@router.post(
    "/accounts",
    status_code=201,
    dependencies=[ADMIN],
    responses=problems.problem_responses(403, 409),
)
@retry_conflicts
def add_account(connection: WritableConnection, requested: AccountRequest) -> AccountResponse:
    """Add an account."""
    password = requested.password.get_secret_value() if requested.password else None
    accounts.add_account(
        connection,
        requested.name,
        requested.role,
        password,
        scope=requested.scope,
        networks=requested.networks,
        grids=requested.grids,
    )
    return _read_account(connection, requested.name)


@router.patch(
    "/accounts/{name}", dependencies=[ADMIN], responses=problems.problem_responses(403, 404, 409)
)
@retry_conflicts
def change_account(
    connection: WritableConnection, caller: CurrentCaller, name: Name, requested: AccountChange
) -> AccountResponse:
    """Change role, region, networks or grids of an account, or whether it is active.

    Its sessions end.

    Raises
    ------
    NotFoundError
        If there is no such account.
    ConflictError
        If it is the caller's own, which would cease to be an administrator's.
    """
    values = requested.model_dump(exclude_none=True)
    grids = values.pop("grids", None)
    keeps_admin = values.get("active", True) and values.get("role", Role.ADMIN) == Role.ADMIN
    if name == caller.name and not keeps_admin:
        raise ConflictError("own_account", name=name)
    if not keeps_admin:
        accounts.require_other_admin(connection, name)
    if not accounts.change_account(connection, name, **values):
        raise NotFoundError("no_such_account_here", name=name)
    if grids is not None:
        accounts.bind_grids(connection, name, grids)
    return _read_account(connection, name)


@router.put(
    "/accounts/{name}/password",
    status_code=204,
    dependencies=[ADMIN],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def reset_password(connection: WritableConnection, name: Name, requested: PasswordRequest) -> None:
    """Set the password of an account and end its sessions.

    Raises
    ------
    NotFoundError
        If there is no such account.
    """
    if not accounts.set_password(connection, name, requested.password.get_secret_value()):
        raise NotFoundError("no_such_account_here", name=name)


@router.put(
    "/auth/password", dependencies=[SIGNED_IN], responses=problems.problem_responses(403, 429)
)
def change_own_password(
    request: Request, response: Response, caller: CurrentCaller, requested: OwnPasswordRequest
) -> sign_in.TokensResponse:
    """Change the caller's password; all sessions end, and the answer opens a new one."""
    response.headers["Cache-Control"] = "no-store"
    current, password = (
        secret.get_secret_value() for secret in (requested.current, requested.password)
    )
    return sign_in.change_password(request, caller, current, password)


def _read_account(connection: Any, name: str) -> AccountResponse:
    [row] = [row for row in accounts.list_accounts(connection) if row.name == name]
    return AccountResponse.model_validate(row._asdict())
