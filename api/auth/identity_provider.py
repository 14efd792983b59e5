"""Sign-in with an OpenID Connect provider: authorization code with PKCE (RFC 7636), ID tokens.

The server redeems the code itself, so that pages connect to no other server, the provider needs no
CORS, and none of its tokens reaches a browser. Why PyJWT and not Authlib:
``docs/decisions/openid-connect-by-pyjwt.md``.
"""

import base64
import json
import urllib.error
import urllib.request
from functools import cache
from typing import Any, NoReturn
from urllib.parse import urlencode

import jwt

from geo.errors import NotSignedInError, SetupError
from geo.settings import settings

TIMEOUT_S = 5.0
KEYS_LIFETIME_S = 600.0
CLOCK_TOLERANCE_S = 30.0

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Accepted signatures: neither those with a shared secret nor ``none``."""

REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud"]
"""Claims that every token must have, whoever issued it."""

_MALFORMED = (OSError, KeyError, TypeError, ValueError)
"""Errors of a response that does not arrive or lacks what is read from it."""


def check_settings() -> None:
    """Refuse settings that name a provider without a client: its tokens would all be refused.

    Raises
    ------
    SetupError
        If the client identifier is empty.
    """
    if settings().oidc_issuer and not settings().oidc_client_id:
        raise SetupError("provider_without_client", issuer=settings().oidc_issuer)


def authorization_endpoint() -> str:
    """Return the address at which people sign in.

    Raises
    ------
    SetupError
        If the provider can't be reached.
    """
    return _endpoint("authorization_endpoint")


def verify_id_token(token: str) -> str:
    """Return the account name in an ID token.

    Raises
    ------
    NotSignedInError
        If it names none.
    SetupError
        If the provider can't be reached.
    jwt.PyJWTError
        If the token is not valid.
    """
    return _account_name(_verified_claims(token))


def redeem_code(code: str, verifier: str, redirect_uri: str, nonce: str) -> str:
    """Return the account name for a code that the provider gave to a browser.

    Parameters
    ----------
    code, redirect_uri
        The code, and the address to which the provider sent the browser with it.
    verifier, nonce
        Made by the page before: the provider knows the hash of the verifier, and the ID token
        must hold the nonce.

    Raises
    ------
    NotSignedInError
        If the provider refuses the code.
    SetupError
        If the provider can't be reached.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "client_id": settings().oidc_client_id,
    }
    try:
        claims = _verified_claims(_request_id_token(form))
    except jwt.PyJWKClientConnectionError as error:
        _raise_unreachable(error)
    except (jwt.PyJWTError, UnicodeError, ValueError) as error:
        raise NotSignedInError("provider_refused", said=str(error)) from error
    if claims.get("nonce") != nonce:
        raise NotSignedInError("provider_refused", said="nonce")
    return _account_name(claims)


def _request_id_token(form: dict[str, str]) -> str:
    request = urllib.request.Request(  # noqa: S310 (the settings name the provider)
        _endpoint("token_endpoint"), urlencode(form).encode(), {"Accept": "application/json"}
    )
    if settings().oidc_client_secret:
        credentials = f"{form['client_id']}:{settings().oidc_client_secret}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            return str(json.load(response)["id_token"])
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise NotSignedInError("provider_refused", said=_error_code(error)) from error
        _raise_unreachable(error)
    except _MALFORMED as error:
        _raise_unreachable(error)


def _error_code(error: urllib.error.HTTPError) -> str:
    """Return the error code of a token response (RFC 6749, 5.2), else the HTTP status."""
    try:
        return str(json.load(error)["error"])[:80]
    except _MALFORMED:
        return str(error.code)


def _verified_claims(token: str) -> dict[str, Any]:
    """Return the claims of an ID token that the provider issued for this installation."""
    client = signing_keys(settings().oidc_issuer)
    key_id = jwt.get_unverified_header(token).get("kid")
    keys = client.get_signing_keys()
    # A provider with one key need not name it (OpenID Connect Core 1.0, 10.1).
    is_only_key = key_id is None and len(keys) == 1
    claims: dict[str, Any] = jwt.decode(
        token,
        keys[0] if is_only_key else client.get_signing_key(str(key_id)),
        algorithms=ALGORITHMS,
        audience=settings().oidc_client_id,
        issuer=settings().oidc_issuer,
        options={"require": REQUIRED_CLAIMS},
        leeway=CLOCK_TOLERANCE_S,
    )
    return claims


def _account_name(claims: dict[str, Any]) -> str:
    name = claims.get(settings().oidc_name_claim)
    if not isinstance(name, str) or not name:
        raise NotSignedInError("token_invalid")
    return name


@cache
def signing_keys(issuer: str) -> jwt.PyJWKClient:
    """Return the client for the keys of the provider in the settings; a token can't name another.

    Raises
    ------
    SetupError
        If the provider can't be reached.
    """
    return jwt.PyJWKClient(
        _endpoint("jwks_uri"), cache_keys=True, lifespan=KEYS_LIFETIME_S, timeout=TIMEOUT_S
    )


def _endpoint(name: str) -> str:
    """Return an address from the provider's metadata."""
    try:
        return str(_metadata(settings().oidc_issuer)[name])
    except _MALFORMED as error:
        _raise_unreachable(error)


@cache
def _metadata(issuer: str) -> dict[str, Any]:
    """Return the metadata of a provider (OpenID Connect Discovery 1.0)."""
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    with urllib.request.urlopen(address, timeout=TIMEOUT_S) as response:  # noqa: S310
        metadata: dict[str, Any] = json.load(response)
    return metadata


def _raise_unreachable(error: Exception) -> NoReturn:
    issuer = settings().oidc_issuer
    raise SetupError("provider_unreachable", issuer=issuer, said=str(error)) from error
