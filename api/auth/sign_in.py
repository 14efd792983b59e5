"""``/auth``: sign-in, sign-out (OAuth 2.0, RFC 6749 and 7009) and the caller's own account."""

from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import argon2
from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel
from sqlalchemy import Connection, Engine, text
from starlette.responses import Response

from api.auth import identity_provider, tokens
from api.core import problems
from api.core.audit import record
from api.core.caller import (
    SERVICE_CALLER,
    Caller,
    CurrentCaller,
    caller_from_account,
    transaction_as,
)
from geo import locks
from geo.db import accounts
from geo.errors import (
    InputError,
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    TooManyError,
)
from geo.locks import Lock
from geo.settings import settings

router = APIRouter(prefix="/auth", tags=["sign-in"])

MAX_ATTEMPTS_PER_NAME, MAX_ATTEMPTS_PER_ADDRESS = 5, 20
"""Failed attempts a minute in all workers together, after which a name or address must wait."""

REFRESH_GRACE_S = 120
"""Time in which a used refresh token may be sent again, if its successor has not been used."""

HASHER = argon2.PasswordHasher()
_DUMMY_HASH = HASHER.hash("nobody has this password")
"""Verified where there is no such account, so that the response takes as long."""

_ACCOUNT = text(
    "SELECT id, name, password, role, scope, networks FROM account WHERE name = :name AND active"
)
_DELETE_OLD_ATTEMPTS = text("DELETE FROM sign_in_attempt WHERE at < now() - interval '1 minute'")
_COUNT_ATTEMPTS = text(
    "SELECT count(*) FILTER (WHERE name = :name) >= :per_name "
    "OR count(*) FILTER (WHERE address = :address) >= :per_address AS is_over_limit, "
    "ceil(60 - extract(epoch FROM now() - min(at)))::integer AS seconds "
    "FROM sign_in_attempt WHERE name = :name OR address = :address"
)
_ADD_ATTEMPT = text(
    "INSERT INTO sign_in_attempt (name, address) VALUES (:name, :address) RETURNING id"
)
_DELETE_ATTEMPT = text("DELETE FROM sign_in_attempt WHERE id = :id")
_ADD_SESSION = text(
    "INSERT INTO session (id, account_id, token, expires_at) VALUES (:id, :account, :token, :end)"
)
_SESSION_OF_TOKEN = text(
    "SELECT session.id AS session, revoked_at, expires_at < now() AS is_expired, account.id, "
    "name, role, scope, networks, token, token = :token AS is_current, "
    "coalesce(rotated_at > now() - make_interval(secs => :grace), false) AS is_just_rotated "
    "FROM session "
    "JOIN account ON account.id = account_id AND active "
    "WHERE session.id = :session FOR UPDATE OF session"
)
_SET_TOKEN = text("UPDATE session SET token = :token, rotated_at = now() WHERE id = :session")
_REVOKE = text("UPDATE session SET revoked_at = now() WHERE id = :session AND revoked_at IS NULL")


class TokensResponse(BaseModel):
    """An access token, and the refresh token for the next one."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int
    refresh_token: str
    name: str
    role: str
    scope: str


class MeResponse(BaseModel):
    """The caller's account; the public has neither name nor number."""

    name: str
    role: str
    scope: str
    networks: list[str]
    grids: list[str]
    account: int | None


class ProviderResponse(BaseModel):
    """The identity provider to sign in with."""

    issuer: str
    client_id: str


class EntranceResponse(BaseModel):
    """The identity provider's authorization endpoint.

    It takes ``response_type=code``, ``client_id``, ``scope=openid``, ``state``, ``nonce`` and
    ``code_challenge`` (RFC 7636, S256).
    """

    authorization_endpoint: str
    client_id: str


class ProvidersResponse(BaseModel):
    """Ways to sign in."""

    password: bool = True
    oidc: ProviderResponse | None


Word = Annotated[str, Form(max_length=1000)]
Code = Annotated[str, Form(max_length=8000)]


@dataclass(frozen=True)
class Redemption:
    """The arguments of :func:`api.auth.identity_provider.redeem_code`."""

    code: Code = ""
    code_verifier: Word = ""
    redirect_uri: Word = ""
    nonce: Word = ""


@router.post("/token", responses=problems.problem_responses(429))
def token(
    request: Request,
    response: Response,
    grant_type: Annotated[Literal["password", "refresh_token", "authorization_code"], Form()],
    redemption: Annotated[Redemption, Depends()],
    username: Word = "",
    password: Word = "",
    refresh_token: Word = "",
) -> TokensResponse:
    """Sign in by password or by a code of the identity provider, or refresh a session.

    Raises
    ------
    NotSignedInError
        If the password is wrong, or the session has ended.
    """
    response.headers["Cache-Control"] = "no-store"
    engine = request.app.state.engine
    if grant_type == "refresh_token":
        # Committed before the error is raised: a session whose old token was reused must end.
        with transaction_as(engine, SERVICE_CALLER) as connection:
            tokens_response = _refresh_tokens(connection, refresh_token)
        if tokens_response is None:
            raise NotSignedInError("session_ended")
        return tokens_response
    address = request.client.host if request.client else ""
    if grant_type == "authorization_code":
        return _sign_in_by_code(engine, address, redemption)
    with transaction_as(engine, SERVICE_CALLER) as connection:
        attempt = _count_attempt(connection, username, address)
        account = connection.execute(_ACCOUNT, {"name": username}).mappings().first()
    if not _is_password_of(account, password):
        with transaction_as(engine, SERVICE_CALLER) as connection:
            record(
                connection, SERVICE_CALLER, "sign_in_failed", "account", username, {"from": address}
            )
        raise NotSignedInError("password_wrong")
    with transaction_as(engine, SERVICE_CALLER) as connection:
        connection.execute(_DELETE_ATTEMPT, {"id": attempt})
        tokens_response = _open_session(connection, caller_from_account(account))
        record(connection, SERVICE_CALLER, "sign_in", "account", username, {"from": address})
    return tokens_response


@router.post("/revoke", status_code=204, responses=problems.problem_responses())
def revoke(request: Request, token: Word) -> None:
    """End the session of a refresh token (RFC 7009); an unknown token is no error."""
    session = token.partition(".")[0]
    with transaction_as(request.app.state.engine, SERVICE_CALLER) as connection:
        row = _find_session(connection, token)
        if row is None or not (row["is_current"] or tokens.is_issued_here(token)):
            return
        if connection.execute(_REVOKE, {"session": session}).rowcount:
            record(connection, SERVICE_CALLER, "sign_out", "account", row["name"])


@router.get("/me", responses=problems.problem_responses())
def me(caller: CurrentCaller) -> MeResponse:
    """Return the caller's account."""
    return MeResponse(
        name=caller.name,
        role=caller.role,
        scope=caller.scope,
        networks=list(caller.networks),
        grids=list(caller.grids),
        account=caller.account,
    )


@router.get("/providers", responses=problems.problem_responses())
def providers() -> ProvidersResponse:
    """Return the ways to sign in."""
    issuer = settings().oidc_issuer
    if not issuer:
        return ProvidersResponse(oidc=None)
    provider = ProviderResponse(issuer=issuer, client_id=settings().oidc_client_id)
    return ProvidersResponse(oidc=provider)


@router.get("/entrance", responses=problems.problem_responses(404))
def entrance() -> EntranceResponse:
    """Return where to sign in with the identity provider.

    Raises
    ------
    NotFoundError
        If no identity provider is set up.
    """
    if not settings().oidc_issuer:
        raise NotFoundError("provider_none")
    return EntranceResponse(
        authorization_endpoint=identity_provider.authorization_endpoint(),
        client_id=settings().oidc_client_id,
    )


def change_password(
    request: Request, caller: Caller, current: str, password: str
) -> TokensResponse:
    """Change the password of the caller's account, end its sessions, and open a new one.

    Raises
    ------
    InputError
        If the new password is too short or too long.
    NotAllowedError
        If the current one is wrong.
    TooManyError
        If there were too many attempts.
    """
    engine = request.app.state.engine
    address = request.client.host if request.client else ""
    with transaction_as(engine, SERVICE_CALLER) as connection:
        attempt = _count_attempt(connection, caller.name, address)
        account = connection.execute(_ACCOUNT, {"name": caller.name}).mappings().first()
    if not _is_password_of(account, current):
        raise NotAllowedError("current_password_wrong")
    with transaction_as(engine, SERVICE_CALLER) as connection:
        accounts.set_password(connection, caller.name, password)
        connection.execute(_DELETE_ATTEMPT, {"id": attempt})
        return _open_session(connection, caller)


def _sign_in_by_code(engine: Engine, address: str, redemption: Redemption) -> TokensResponse:
    """Open a session for the account that the identity provider names.

    Raises
    ------
    InputError
        If there is no provider.
    NotSignedInError
        If the provider refuses the code, or the account does not exist.
    TooManyError
        If there were too many attempts.
    SetupError
        If the provider does not answer.
    """
    if not settings().oidc_issuer:
        raise InputError("provider_none")
    with transaction_as(engine, SERVICE_CALLER) as connection:
        attempt = _count_attempt(connection, f"{address} by code", address)
    name = identity_provider.redeem_code(*astuple(redemption))
    detail = {"from": address, "issuer": settings().oidc_issuer}
    with transaction_as(engine, SERVICE_CALLER) as connection:
        connection.execute(_DELETE_ATTEMPT, {"id": attempt})
        account = connection.execute(_ACCOUNT, {"name": name}).mappings().first()
        if account is not None:
            record(connection, SERVICE_CALLER, "sign_in", "account", name, detail)
            return _open_session(connection, caller_from_account(account))
        record(connection, SERVICE_CALLER, "sign_in_failed", "account", name[:100], detail)
    raise NotSignedInError("account_unknown")


def _count_attempt(connection: Connection, name: str, address: str) -> int:
    """Count an attempt before its password is verified, and return its number."""
    origin = {"name": name, "address": address}
    locks.acquire(connection, Lock.SIGN_IN)  # so that simultaneous attempts are counted
    connection.execute(_DELETE_OLD_ATTEMPTS)
    limits = {"per_name": MAX_ATTEMPTS_PER_NAME, "per_address": MAX_ATTEMPTS_PER_ADDRESS}
    attempts = connection.execute(_COUNT_ATTEMPTS, origin | limits).mappings().one()
    if attempts["is_over_limit"]:
        raise TooManyError("sign_in_too_often", seconds=max(1, attempts["seconds"]))
    return int(connection.execute(_ADD_ATTEMPT, origin).scalar_one())


def _is_password_of(account: Any, password: str) -> bool:
    password_hash = account["password"] if account is not None else None
    try:
        HASHER.verify(password_hash or _DUMMY_HASH, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return password_hash is not None


def _open_session(connection: Connection, signed_in: Caller) -> TokensResponse:
    """Open a session; its refresh token begins with its identifier and a dot."""
    session = tokens.new_session_id()
    refresh = tokens.issue_refresh_token(session)
    end = datetime.now(UTC) + timedelta(hours=settings().session_hours)
    connection.execute(
        _ADD_SESSION,
        {
            "id": session,
            "account": signed_in.account,
            "token": tokens.hash_refresh_token(refresh),
            "end": end,
        },
    )
    return _tokens_response(session, refresh, signed_in)


def _refresh_tokens(connection: Connection, refresh: str) -> TokensResponse | None:
    """Return the next tokens; a refresh token that was used before ends its session.

    A client whose answer was lost repeats the request: within :data:`REFRESH_GRACE_S`, and as long
    as the next token was not used, it gets the same one again. A token that was never issued
    changes nothing: access tokens hold the session's identifier, so knowing it proves no knowledge
    of a refresh token.

    Raises
    ------
    InputError
        If there is no refresh token.
    """
    if not refresh:
        raise InputError("refresh_token_missing")
    row = _find_session(connection, refresh)
    if row is None or row["revoked_at"] is not None or row["is_expired"]:
        return None
    if not row["is_current"] and not tokens.is_issued_here(refresh):
        return None
    session, next_token = row["session"], tokens.next_refresh_token(refresh)
    digest = tokens.hash_refresh_token(next_token)
    if row["is_current"]:
        connection.execute(_SET_TOKEN, {"session": session, "token": digest})
    elif not (row["is_just_rotated"] and row["token"] == digest):
        connection.execute(_REVOKE, {"session": session})
        record(connection, SERVICE_CALLER, "token_reused", "account", row["name"])
        return None
    return _tokens_response(session, next_token, caller_from_account(row))


def _find_session(connection: Connection, refresh: str) -> Any:
    """Return and lock the session that a refresh token names, and whether it is the current one."""
    key = {
        "session": refresh.partition(".")[0],
        "token": tokens.hash_refresh_token(refresh),
        "grace": REFRESH_GRACE_S,
    }
    return connection.execute(_SESSION_OF_TOKEN, key).mappings().first()


def _tokens_response(session: str, refresh: str, signed_in: Caller) -> TokensResponse:
    return TokensResponse(
        access_token=tokens.issue_access_token(session),
        expires_in=settings().token_minutes * 60,
        refresh_token=refresh,
        name=signed_in.name,
        role=signed_in.role,
        scope=signed_in.scope,
    )
