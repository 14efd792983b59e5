"""Tokens: our own, short and signed with the installation's secret; an identity provider's."""

import hashlib
import hmac
import json
import secrets
import urllib.request
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt

from geo.errors import NotSignedInError, SetupError
from geo.secrets import secret
from geo.settings import settings

ISSUER = AUDIENCE = "gridatlas"
_OWN = "HS256"
_PROVIDERS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""What an identity provider may sign with: never a shared secret, never nothing."""

_NEEDED = {"require": ["exp", "iat", "iss", "aud"]}


def issue(session: str) -> str:
    """Return a short token of a session."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + timedelta(minutes=settings().token_minutes),
        "sid": session,
    }
    return jwt.encode(claims, _key(), algorithm=_OWN)


def vouched(token: str) -> tuple[str | None, str | None]:
    """Return the session of our own token, or the name that a provider's vouches for.

    Raises
    ------
    NotSignedInError, SetupError
        If the token is not good, or the provider's keys can't be read.
    """
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") == _OWN:
            claims = jwt.decode(
                token,
                _key(),
                algorithms=[_OWN],
                audience=AUDIENCE,
                issuer=ISSUER,
                options=_NEEDED | {"require": [*_NEEDED["require"], "sid"]},  # type: ignore[arg-type]
            )
            return str(claims["sid"]), None
        if settings().oidc_issuer:
            return None, _named(_of_provider(token))
    except jwt.PyJWKClientConnectionError as error:
        issuer = settings().oidc_issuer
        raise SetupError("provider_unreachable", issuer=issuer, said=str(error)) from error
    except (jwt.PyJWTError, UnicodeError, ValueError):
        pass
    raise NotSignedInError("token_invalid")


def check_provider() -> None:
    """Tell of an identity provider that is named by half.

    Raises
    ------
    SetupError
        If it is not said for whom its tokens are to be: every one of them would be refused.
    """
    if settings().oidc_issuer and not settings().oidc_client_id:
        raise SetupError("provider_without_client", issuer=settings().oidc_issuer)


def _key() -> bytes:
    return hmac.digest(secret(), b"tokens", "sha256")


def _of_provider(token: str) -> dict[str, Any]:
    provider = _provider_keys(settings().oidc_issuer)
    number = jwt.get_unverified_header(token).get("kid")
    keys = provider.get_signing_keys()
    # A provider with one key need not number it (OpenID Connect Core 1.0, 10.1).
    alone = number is None and len(keys) == 1
    key = keys[0] if alone else provider.get_signing_key(str(number))
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=_PROVIDERS,
        audience=settings().oidc_client_id,
        issuer=settings().oidc_issuer,
        options=_NEEDED,  # type: ignore[arg-type]
        leeway=30,
    )
    return claims


def _named(claims: dict[str, Any]) -> str:
    name = claims.get(settings().oidc_name_claim)
    if not isinstance(name, str) or not name:
        raise NotSignedInError("token_invalid")
    return name


@cache
def _provider_keys(issuer: str) -> jwt.PyJWKClient:
    """Return the keys of the provider that the installation names; a caller can name no other."""
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        with urllib.request.urlopen(address, timeout=5) as said:  # noqa: S310 (from the settings)
            keys = json.load(said)["jwks_uri"]
    except (OSError, KeyError, ValueError) as error:
        raise SetupError("provider_unreachable", issuer=issuer, said=str(error)) from error
    return jwt.PyJWKClient(keys, cache_keys=True, lifespan=600, timeout=5)


def fresh() -> str:
    """Return a refresh token: random, kept only as its hash."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """Return what is kept of a refresh token."""
    return hashlib.sha256(token.encode()).hexdigest()
