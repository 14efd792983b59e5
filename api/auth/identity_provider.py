"""The identity provider of an installation (OpenID Connect Core 1.0): its tokens, and signing in
there in a browser: authorization code with PKCE (RFC 7636).

The server takes the code to the provider itself. So the pages talk to nobody else, the provider
need not answer other origins' scripts, and no token of its ever lies in a browser.
"""

import base64
import json
import urllib.error
import urllib.request
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jwt

from geo.errors import NotSignedInError, SetupError
from geo.settings import settings

TIMEOUT_S = 5.0

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""What it may sign with: never a shared secret, never nothing."""

REQUIRED_CLAIMS = {"require": ["exp", "iat", "iss", "aud"]}
"""What a token has to say of itself, whoever made it."""


def check_settings() -> None:
    """Tell of a provider that is named by half.

    Raises
    ------
    SetupError
        If it is not said for whom its tokens are to be: every one of them would be refused.
    """
    if settings().oidc_issuer and not settings().oidc_client_id:
        raise SetupError("provider_without_client", issuer=settings().oidc_issuer)


def authorization_endpoint() -> str:
    """Return the address at which people sign in.

    Raises
    ------
    SetupError
        If the provider does not tell.
    """
    return _discovered_address("authorization_endpoint")


def verify_id_token(token: str) -> str:
    """Return the name of the account that an ID token vouches for.

    Raises
    ------
    NotSignedInError, SetupError, jwt.PyJWTError
        If it names none, the provider's keys can't be read, or the token is not good.
    """
    return _name_claim(_claims(token))


def redeem_code(code: str, verifier: str, back: str, nonce: str) -> str:
    """Return the name of the account for which a browser came back with a code.

    Parameters
    ----------
    code, back
        What the provider gave, and the address to which it sent the browser.
    verifier, nonce
        What the page made up before: of the one the provider was shown the hash, the other stands
        in the ID token.

    Raises
    ------
    NotSignedInError, SetupError
        If the provider does not take the code, or does not answer.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "code_verifier": verifier,
        "client_id": settings().oidc_client_id,
    }
    try:
        claims = _claims(_exchange_code(form))
    except jwt.PyJWKClientConnectionError as error:
        raise _unreachable(error) from error
    except (jwt.PyJWTError, UnicodeError, ValueError) as error:
        raise NotSignedInError("provider_refused", said=str(error)) from error
    if claims.get("nonce") != nonce:
        raise NotSignedInError("provider_refused", said="nonce")
    return _name_claim(claims)


def _exchange_code(form: dict[str, str]) -> str:
    """Return the ID token that the provider gives for a code."""
    asked = urllib.request.Request(  # noqa: S310 (the provider is named in the settings)
        _discovered_address("token_endpoint"),
        urlencode(form).encode(),
        {"Accept": "application/json"},
    )
    if settings().oidc_client_secret:
        pair = f"{form['client_id']}:{settings().oidc_client_secret}".encode()
        asked.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return str(json.load(answer)["id_token"])
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise NotSignedInError("provider_refused", said=_reason(error)) from error
        raise _unreachable(error) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _unreachable(error) from error


def _reason(error: urllib.error.HTTPError) -> str:
    """Return the word with which the provider refuses (RFC 6749, 5.2)."""
    try:
        return str(json.load(error)["error"])[:80]
    except (OSError, KeyError, TypeError, ValueError):
        return str(error.code)


def _claims(token: str) -> dict[str, Any]:
    """Return what an ID token says, if it is the provider's and meant for us."""
    provider = signing_keys(settings().oidc_issuer)
    number = jwt.get_unverified_header(token).get("kid")
    known = provider.get_signing_keys()
    # A provider with one key need not number it (OpenID Connect Core 1.0, 10.1).
    alone = number is None and len(known) == 1
    key = known[0] if alone else provider.get_signing_key(str(number))
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=ALGORITHMS,
        audience=settings().oidc_client_id,
        issuer=settings().oidc_issuer,
        options=REQUIRED_CLAIMS,  # type: ignore[arg-type]
        leeway=30,
    )
    return claims


def _name_claim(claims: dict[str, Any]) -> str:
    name = claims.get(settings().oidc_name_claim)
    if not isinstance(name, str) or not name:
        raise NotSignedInError("token_invalid")
    return name


@cache
def signing_keys(issuer: str) -> jwt.PyJWKClient:
    """Return the keys of the provider that the installation names; a caller can name no other."""
    return jwt.PyJWKClient(
        _discovered_address("jwks_uri"), cache_keys=True, lifespan=600, timeout=5
    )


def _discovered_address(name: str) -> str:
    """Return an address that the provider tells of itself."""
    issuer = settings().oidc_issuer
    try:
        return str(_description(issuer)[name])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _unreachable(error) from error


@cache
def _description(issuer: str) -> dict[str, Any]:
    """Return what a provider tells of itself (OpenID Connect Discovery 1.0)."""
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    with urllib.request.urlopen(address, timeout=TIMEOUT_S) as said:  # noqa: S310
        found: dict[str, Any] = json.load(said)
    return found


def _unreachable(error: Exception) -> SetupError:
    return SetupError("provider_unreachable", issuer=settings().oidc_issuer, said=str(error))
