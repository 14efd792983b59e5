"""The caller of a request, and transactions under the caller's role of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import Connection, Engine, text
from starlette.concurrency import run_in_threadpool

from api.auth import tokens
from geo.codes import code_prefix
from geo.db.security import database_role
from geo.errors import NotAllowedError, NotSignedInError
from geo.model import Role
from geo.settings import settings


@dataclass(frozen=True)
class Caller:
    """An account, or the public.

    Attributes
    ----------
    role
        One of :class:`geo.model.Role`.
    scope
        Prefix of the codes of the regions of a planner or an office.
    networks
        Pipe networks that a utility may read.
    name, account
        Name and number of the account; empty and None for the public.
    grids
        Codes of the grids whose manager has the account.
    """

    role: str = Role.PUBLIC.value
    scope: str = ""
    networks: tuple[str, ...] = ()
    name: str = ""
    account: int | None = None
    grids: tuple[str, ...] = ()

    @property
    def viewer(self) -> tuple[str, ...]:
        """What decides which rows the caller sees: the key of what is cached by viewer."""
        return self.role, self.scope, ",".join(self.networks), ",".join(self.grids)

    def settings(self) -> dict[str, str]:
        """Return the settings of a transaction, in the order of :data:`ACT_AS`."""
        return {
            "role": database_role(self.role),
            "scope": self.scope,
            "networks": ",".join(self.networks),
            "grids": ",".join(self.grids),
            "actor": self.name,
        }


PUBLIC_CALLER = Caller()
SERVICE_CALLER = Caller(role="keeper", name="gridatlas")

ACT_AS = text(
    "SELECT set_config('role', :role, true), set_config('gridatlas.scope', :scope, true), "
    "set_config('gridatlas.networks', :networks, true), "
    "set_config('gridatlas.grids', :grids, true), set_config('gridatlas.actor', :actor, true)"
)

_GRIDS = (
    "ARRAY(SELECT grid_code FROM grid_manager WHERE account_id = account.id "
    "AND valid_to IS NULL ORDER BY grid_code) AS grids"
)
_ACCOUNT_OF_SESSION = (
    f"SELECT account.id, account.name, role, scope, networks, {_GRIDS} FROM session "  # noqa: S608
    "JOIN account ON account.id = account_id AND active "
    "WHERE session.id = $1 AND revoked_at IS NULL AND expires_at > now()"
)
_ACCOUNT_BY_NAME = (
    f"SELECT id, name, role, scope, networks, {_GRIDS} FROM account "  # noqa: S608
    "WHERE name = $1 AND active"
)

_bearer = OAuth2PasswordBearer(tokenUrl="auth/token", auto_error=False)


@contextmanager
def transaction_as(
    engine: Engine, caller: Caller, *, readonly: bool = False
) -> Iterator[Connection]:
    """Open a transaction under a caller's role and scope; it commits unless an error is raised."""
    with engine.connect() as connection:
        connection = connection.execution_options(postgresql_readonly=readonly)
        with connection.begin():
            connection.execute(ACT_AS, caller.settings())
            yield connection


async def identify_caller(
    request: Request, token: Annotated[str | None, Depends(_bearer)]
) -> Caller:
    """Return the caller of a request: the public without a token.

    Raises
    ------
    NotSignedInError
        If the token is forged, expired, revoked or issued for another service.
    """
    if token is None:
        if request.headers.get("authorization"):
            raise NotSignedInError("token_invalid")
        return PUBLIC_CALLER
    return await caller_from_token(request.app.state.pool, token)


async def caller_from_token(pool: Any, token: str) -> Caller:
    """Return the caller that a token identifies.

    Parameters
    ----------
    pool
        An :class:`api.core.connection_pool.AsyncPool`, whose module imports this one.

    Raises
    ------
    NotSignedInError
        If the token is not valid, or its session or account has ended.
    """
    if settings().oidc_issuer:  # verification may fetch the provider's keys
        session, name = await run_in_threadpool(tokens.verify_token, token)
    else:
        session, name = tokens.verify_token(token)
    query = (_ACCOUNT_OF_SESSION, session) if session is not None else (_ACCOUNT_BY_NAME, name)
    async with pool.transaction_as(SERVICE_CALLER) as connection:
        account = await connection.fetchrow(*query)
    if account is None:
        raise NotSignedInError("session_ended" if session else "account_unknown")
    return caller_from_account(account)


def caller_from_account(account: Any) -> Caller:
    """Return the caller of an account's row."""
    return Caller(
        account["role"],
        code_prefix(account["scope"]),
        tuple(account["networks"]),
        account["name"],
        account["id"],
        tuple(account.get("grids", ())),
    )


CurrentCaller = Annotated[Caller, Depends(identify_caller)]


def allow(*roles: str) -> Any:
    """Return the dependency that refuses callers of other roles.

    Raises
    ------
    NotSignedInError
        By the dependency, if the caller is the public.
    NotAllowedError
        By the dependency, if the caller has another role.
    """

    def check(caller: CurrentCaller) -> None:
        if caller.role not in roles:
            if caller.role == Role.PUBLIC:
                raise NotSignedInError("sign_in_first")
            raise NotAllowedError("role_may_not", role=caller.role)

    return Depends(check)


PLANNERS = allow("planner", "admin")
