"""Tokens: our own, short and signed with the installation's secret; or an identity provider's."""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

import jwt

from api import provider
from geo.errors import NotSignedInError, SetupError
from geo.secrets import secret
from geo.settings import settings

ISSUER = AUDIENCE = "gridatlas"
_OWN = "HS256"


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
                options=provider.NEEDED | {"require": [*provider.NEEDED["require"], "sid"]},  # type: ignore[arg-type]
            )
            return str(claims["sid"]), None
        if settings().oidc_issuer:
            return None, provider.name_in(token)
    except jwt.PyJWKClientConnectionError as error:
        issuer = settings().oidc_issuer
        raise SetupError("provider_unreachable", issuer=issuer, said=str(error)) from error
    except (jwt.PyJWTError, UnicodeError, ValueError):
        pass
    raise NotSignedInError("token_invalid")


def _key() -> bytes:
    return hmac.digest(secret(), b"tokens", "sha256")


def fresh() -> str:
    """Return a refresh token: random, kept only as its hash."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """Return what is kept of a refresh token."""
    return hashlib.sha256(token.encode()).hexdigest()
