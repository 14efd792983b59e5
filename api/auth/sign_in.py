"""``/auth``: signing in and out (OAuth 2.0 password and refresh grants, RFC 6749), who I am."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import argon2
from fastapi import APIRouter, Form, Request
from pydantic import BaseModel
from sqlalchemy import Connection, Engine, text
from starlette.responses import Response

from api.auth import identity_provider, tokens
from api.core import problems
from api.core.audit import record
from api.core.caller import KEEPER, Asker, Caller, caller_from_account, transaction_as
from geo import locks
from geo.errors import InputError, NotFoundError, NotSignedInError, TooManyError
from geo.locks import Lock
from geo.settings import settings

router = APIRouter(prefix="/auth", tags=["sign-in"])

MAX_ATTEMPTS_PER_NAME, MAX_ATTEMPTS_PER_ADDRESS = 5, 20
"""Wrong passwords a minute, of all workers together, until a name or an address has to wait."""

HASHER = argon2.PasswordHasher()
_NOBODY = HASHER.hash("nobody has this password")
"""Compared with where there is no such account, so that the answer takes as long."""

_ACCOUNT = text(
    "SELECT id, name, password, role, scope, networks FROM account WHERE name = :name AND active"
)
_FORGET = text("DELETE FROM sign_in_attempt WHERE at < now() - interval '1 minute'")
_TRIED = text(
    "SELECT count(*) FILTER (WHERE name = :name) >= :per_name "
    "OR count(*) FILTER (WHERE address = :address) >= :per_address AS hasty, "
    "ceil(60 - extract(epoch FROM now() - min(at)))::integer AS seconds "
    "FROM sign_in_attempt WHERE name = :name OR address = :address"
)
_TRY = text("INSERT INTO sign_in_attempt (name, address) VALUES (:name, :address) RETURNING id")
_FORGIVE = text("DELETE FROM sign_in_attempt WHERE id = :id")
_OPEN = text(
    "INSERT INTO session (id, account_id, token, expires_at) VALUES (:id, :account, :token, :end)"
)
_OF_TOKEN = text(
    "SELECT session.id AS session, revoked_at, expires_at < now() AS over, account.id, name, role, "
    "scope, networks, token = :token AS newest FROM session "
    "JOIN account ON account.id = account_id AND active "
    "WHERE session.id = :session FOR UPDATE OF session"
)
_TURN = text("UPDATE session SET token = :token WHERE id = :session")
_END = text("UPDATE session SET revoked_at = now() WHERE id = :session AND revoked_at IS NULL")


class TokensResponse(BaseModel):
    """A short token for requests, and the one that the next is asked for with."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int
    refresh_token: str
    name: str
    role: str
    scope: str


class MeResponse(BaseModel):
    """Who the caller is."""

    name: str
    role: str
    scope: str
    networks: list[str]
    account: int | None


class ProviderResponse(BaseModel):
    """The identity provider to sign in with."""

    issuer: str
    client_id: str


class EntranceResponse(BaseModel):
    """Where to sign in with the identity provider, to be given ``response_type=code``, the client,
    ``scope=openid``, a ``state``, a ``nonce`` and a ``code_challenge`` (RFC 7636, S256)."""

    authorization_endpoint: str
    client_id: str


class ProvidersResponse(BaseModel):
    """The ways to sign in."""

    password: bool = True
    oidc: ProviderResponse | None


Word = Annotated[str, Form(max_length=1000)]
Code = Annotated[str, Form(max_length=8000)]


@router.post("/token", responses=problems.problem_responses(429))
def token(
    request: Request,
    response: Response,
    grant_type: Annotated[Literal["password", "refresh_token", "authorization_code"], Form()],
    username: Word = "",
    password: Word = "",
    refresh_token: Word = "",
    code: Code = "",
    code_verifier: Word = "",
    redirect_uri: Word = "",
    nonce: Word = "",
) -> TokensResponse:
    """Sign in by name and password or by a code of the identity provider's, or take the next token
    of a session."""
    response.headers["Cache-Control"] = "no-store"
    engine = request.app.state.engine
    if grant_type == "refresh_token":
        # What a stolen token did must last: its session ends though the answer is an error.
        with transaction_as(engine, KEEPER) as connection:
            found = _refresh_tokens(connection, refresh_token)
        if found is None:
            raise NotSignedInError("session_ended")
        return found
    address = request.client.host if request.client else ""
    if grant_type == "authorization_code":
        return _open_vouched_session(engine, address, (code, code_verifier, redirect_uri, nonce))
    with transaction_as(engine, KEEPER) as connection:
        attempt = _count_attempt(connection, username, address)
        account = connection.execute(_ACCOUNT, {"name": username}).mappings().first()
    if not _is_password(account, password):
        with transaction_as(engine, KEEPER) as connection:
            record(connection, KEEPER, "sign_in_failed", "account", username, {"from": address})
        raise NotSignedInError("password_wrong")
    with transaction_as(engine, KEEPER) as connection:
        connection.execute(_FORGIVE, {"id": attempt})
        opened = _open_session(connection, caller_from_account(account))
        record(connection, KEEPER, "sign_in", "account", username, {"from": address})
    return opened


@router.post("/revoke", status_code=204, responses=problems.problem_responses())
def revoke(request: Request, token: Word) -> None:
    """End the session of a refresh token (RFC 7009); an unknown one is no error."""
    session = token.partition(".")[0]
    with transaction_as(request.app.state.engine, KEEPER) as connection:
        asked = {"session": session, "token": tokens.hash_refresh_token(token)}
        found = connection.execute(_OF_TOKEN, asked).mappings().first()
        if found is None or not (found["newest"] or tokens.is_issued_here(token)):
            return
        if connection.execute(_END, {"session": session}).rowcount:
            record(connection, KEEPER, "sign_out", "account", found["name"])


@router.get("/me", responses=problems.problem_responses())
def me(asker: Asker) -> MeResponse:
    """Tell who the caller is."""
    return MeResponse(
        name=asker.name,
        role=asker.role,
        scope=asker.scope,
        networks=list(asker.networks),
        account=asker.account,
    )


@router.get("/providers", responses=problems.problem_responses())
def providers() -> ProvidersResponse:
    """Tell how to sign in."""
    issuer = settings().oidc_issuer
    known = ProviderResponse(issuer=issuer, client_id=settings().oidc_client_id) if issuer else None
    return ProvidersResponse(oidc=known)


@router.get("/entrance", responses=problems.problem_responses(404))
def entrance() -> EntranceResponse:
    """Tell where to sign in with the identity provider."""
    if not settings().oidc_issuer:
        raise NotFoundError("provider_none")
    return EntranceResponse(
        authorization_endpoint=identity_provider.authorization_endpoint(),
        client_id=settings().oidc_client_id,
    )


def _open_vouched_session(
    engine: Engine, address: str, given: tuple[str, str, str, str]
) -> TokensResponse:
    """Open a session for whom the identity provider vouches, if there is an account of that name.

    Raises
    ------
    InputError, NotSignedInError, TooManyError, SetupError
        If there is no provider, it does not take the code, too many were wrong, or it is away.
    """
    if not settings().oidc_issuer:
        raise InputError("provider_none")
    with transaction_as(engine, KEEPER) as connection:
        attempt = _count_attempt(connection, f"{address} by code", address)
    name = identity_provider.redeem_code(*given)
    told = {"from": address, "issuer": settings().oidc_issuer}
    with transaction_as(engine, KEEPER) as connection:
        connection.execute(_FORGIVE, {"id": attempt})
        account = connection.execute(_ACCOUNT, {"name": name}).mappings().first()
        if account is not None:
            record(connection, KEEPER, "sign_in", "account", name, told)
            return _open_session(connection, caller_from_account(account))
        record(connection, KEEPER, "sign_in_failed", "account", name[:100], told)
    raise NotSignedInError("account_unknown")


def _count_attempt(connection: Connection, name: str, address: str) -> int:
    """Count an attempt before its password is looked at; return its number.

    Raises
    ------
    TooManyError
        If there were too many in the last minute.
    """
    who = {"name": name, "address": address}
    locks.acquire(connection, Lock.SIGN_IN)  # attempts made at once are counted as well
    connection.execute(_FORGET)
    limits = {"per_name": MAX_ATTEMPTS_PER_NAME, "per_address": MAX_ATTEMPTS_PER_ADDRESS}
    tried = connection.execute(_TRIED, who | limits).mappings().one()
    if tried["hasty"]:
        raise TooManyError("sign_in_too_often", seconds=max(1, tried["seconds"]))
    return int(connection.execute(_TRY, who).scalar_one())


def _is_password(account: Any, password: str) -> bool:
    known = account["password"] if account is not None else None
    try:
        HASHER.verify(known or _NOBODY, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return known is not None


def _open_session(connection: Connection, signed_in: Caller) -> TokensResponse:
    """Open a session: the part of its refresh token before the first dot is its identifier."""
    session = tokens.new_session_id()
    refresh = tokens.issue_refresh_token(session)
    end = datetime.now(UTC) + timedelta(hours=settings().session_hours)
    connection.execute(
        _OPEN,
        {
            "id": session,
            "account": signed_in.account,
            "token": tokens.hash_refresh_token(refresh),
            "end": end,
        },
    )
    return _answer(session, refresh, signed_in)


def _refresh_tokens(connection: Connection, refresh: str) -> TokensResponse | None:
    """Return the next tokens; a refresh token that was used before ends its session.

    A token that was never issued is refused and changes nothing: the identifier of a session
    stands in its access tokens and proves no knowledge of a refresh token.
    """
    if not refresh:
        raise InputError("refresh_token_missing")
    session = refresh.partition(".")[0]
    asked = {"session": session, "token": tokens.hash_refresh_token(refresh)}
    found = connection.execute(_OF_TOKEN, asked).mappings().first()
    if found is None or found["revoked_at"] is not None or found["over"]:
        return None
    if not found["newest"]:
        if not tokens.is_issued_here(refresh):
            return None
        connection.execute(_END, {"session": session})
        record(connection, KEEPER, "token_reused", "account", found["name"])
        return None
    following = tokens.issue_refresh_token(session)
    connection.execute(_TURN, {"session": session, "token": tokens.hash_refresh_token(following)})
    return _answer(session, following, caller_from_account(found))


def _answer(session: str, refresh: str, signed_in: Caller) -> TokensResponse:
    return TokensResponse(
        access_token=tokens.issue_access_token(session),
        expires_in=settings().token_minutes * 60,
        refresh_token=refresh,
        name=signed_in.name,
        role=signed_in.role,
        scope=signed_in.scope,
    )
