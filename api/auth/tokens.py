"""Access and refresh tokens signed with the installation's secret; ID tokens of a provider."""

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

import jwt

from api.auth import identity_provider
from geo.errors import NotSignedInError, SetupError
from geo.secrets import secret
from geo.settings import settings

ISSUER = AUDIENCE = "gridatlas"
_ALGORITHM = "HS256"


def issue_access_token(session: str) -> str:
    """Return a short-lived access token of a session."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + timedelta(minutes=settings().token_minutes),
        "sid": session,
    }
    return jwt.encode(claims, _key(), algorithm=_ALGORITHM)


def verify_token(token: str) -> tuple[str | None, str | None]:
    """Return the session of an access token, or the account name in a provider's ID token.

    Raises
    ------
    NotSignedInError
        If the token is not valid.
    SetupError
        If the provider's keys can't be read.
    """
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") == _ALGORITHM:
            claims = jwt.decode(
                token,
                _key(),
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": [*identity_provider.REQUIRED_CLAIMS, "sid"]},
            )
            return str(claims["sid"]), None
        if settings().oidc_issuer:
            return None, identity_provider.verify_id_token(token)
    except jwt.PyJWKClientConnectionError as error:
        issuer = settings().oidc_issuer
        raise SetupError("provider_unreachable", issuer=issuer, said=str(error)) from error
    except (jwt.PyJWTError, UnicodeError, ValueError):
        pass
    raise NotSignedInError("token_invalid")


def _key() -> bytes:
    return hmac.digest(secret(), b"tokens", "sha256")


def new_session_id() -> str:
    """Return a random identifier of a session."""
    return secrets.token_urlsafe(32)


def issue_refresh_token(session: str) -> str:
    """Return a refresh token: session, random part and a signature over both.

    The signature proves that this installation issued the token, also after a newer one replaced
    it: only an issued token may end a session (see :func:`is_issued_here`).
    """
    return _sign_refresh_token(f"{session}.{secrets.token_urlsafe(32)}")


def next_refresh_token(token: str) -> str:
    """Return the successor of a refresh token; it is always the same for the same token.

    So a client that never received an answer gets the same token when it repeats its request.
    """
    session = token.partition(".")[0]
    digest = hmac.digest(_refresh_key(), f"next {token}".encode(), "sha256")
    return _sign_refresh_token(f"{session}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}")


def _sign_refresh_token(unsigned: str) -> str:
    return f"{unsigned}.{_refresh_signature(unsigned)}"


def is_issued_here(token: str) -> bool:
    """Return whether this installation issued a refresh token, however long ago."""
    unsigned, _, signature = token.rpartition(".")
    return hmac.compare_digest(signature.encode(), _refresh_signature(unsigned).encode())


def _refresh_signature(unsigned: str) -> str:
    return hmac.digest(_refresh_key(), unsigned.encode(), "sha256").hex()


def _refresh_key() -> bytes:
    return hmac.digest(secret(), b"refresh tokens", "sha256")


def hash_refresh_token(token: str) -> str:
    """Return the digest by which a refresh token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()
