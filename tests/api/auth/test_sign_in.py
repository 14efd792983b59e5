"""Sign-in, refresh and sign-out; forged tokens; the identity provider."""

import base64
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest
from sqlalchemy import text

from api.auth import identity_provider
from geo.db import accounts
from geo.errors import SetupError
from geo.secrets import secret
from tests.api.conftest import PASSWORD, bearer
from tests.server import serving
from tests.waiting import TIMEOUT_S


def sign_in(client, name, password=PASSWORD):
    form = {"grant_type": "password", "username": name, "password": password}
    return client.post("/auth/token", data=form)


def refresh(client, token):
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return client.post("/auth/token", data=form)


def me(client, token):
    return client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(autouse=True)
def forgiving(town):
    """Wrong passwords of one test don't count in another."""
    with town.begin() as connection:
        connection.execute(text("DELETE FROM sign_in_attempt"))


def test_caller_without_a_token_is_the_public(client):
    assert client.get("/auth/me").json()["role"] == "public"


def test_password_opens_a_session_with_role_and_scope(client):
    said = sign_in(client, "planner").json()
    assert (said["role"], said["scope"]) == ("planner", "420602001")
    assert me(client, said["access_token"]).json()["name"] == "planner"


def test_wrong_password_and_unknown_name_get_the_same_response(client):
    answers = [sign_in(client, name, "wrong wrong wrong") for name in ("planner", "nobody")]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert answers[0].headers["www-authenticate"] == "Bearer"


def test_failed_passwords_are_rate_limited(client):
    for _ in range(5):
        assert sign_in(client, "planner", "wrong wrong wrong").status_code == 401
    refused = sign_in(client, "planner")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert sign_in(client, "fire").status_code == 200, "others are not locked out"


def test_wrong_passwords_count_for_all_workers_and_right_ones_do_not(client, town):
    with serving(town) as other, httpx.Client(base_url=other, timeout=TIMEOUT_S) as elsewhere:
        for worker in (client, elsewhere, client, elsewhere, client):
            assert sign_in(client, "planner").status_code == 200
            assert sign_in(worker, "planner", "wrong wrong wrong").status_code == 401
        assert sign_in(elsewhere, "planner").status_code == 429
        assert sign_in(client, "planner").status_code == 429


def test_simultaneous_attempts_are_counted(client):
    with ThreadPoolExecutor(12) as pool:
        tries = pool.map(lambda n: sign_in(client, "planner", f"guess number {n}"), range(12))
        statuses = sorted(answer.status_code for answer in tries)
    assert statuses == [401] * 5 + [429] * 7


def test_refresh_token_works_once_and_its_reuse_ends_the_session(client):
    first = sign_in(client, "fire").json()
    second = refresh(client, first["refresh_token"]).json()
    third = refresh(client, second["refresh_token"]).json()
    assert me(client, third["access_token"]).status_code == 200
    assert refresh(client, first["refresh_token"]).status_code == 401
    assert me(client, third["access_token"]).status_code == 401
    assert refresh(client, third["refresh_token"]).status_code == 401


def test_refresh_whose_answer_was_lost_is_answered_alike_when_it_is_repeated(client):
    first = sign_in(client, "fire").json()["refresh_token"]
    with ThreadPoolExecutor(4) as pool:  # and tabs that refresh at once
        answers = [answer.json() for answer in pool.map(lambda _: refresh(client, first), range(4))]
    assert len({one["refresh_token"] for one in answers}) == 1
    assert all(me(client, one["access_token"]).status_code == 200 for one in answers)
    later = refresh(client, answers[0]["refresh_token"]).json()
    assert me(client, later["access_token"]).status_code == 200


def test_refresh_that_is_repeated_after_the_grace_period_ends_the_session(client, town):
    first = sign_in(client, "fire").json()["refresh_token"]
    second = refresh(client, first).json()
    with town.begin() as connection:
        connection.execute(
            text("UPDATE session SET rotated_at = rotated_at - interval '3 minutes'")
        )
    assert refresh(client, first).status_code == 401
    assert me(client, second["access_token"]).status_code == 401
    assert refresh(client, second["refresh_token"]).status_code == 401


@pytest.mark.parametrize("made", ["anything", "", "{random}", "{random}.{signature}0", "\ud800"])
def test_token_that_was_never_issued_does_not_end_a_session(client, made):
    opened = sign_in(client, "fire").json()
    session, random, signature = opened["refresh_token"].split(".")
    guess = f"{session}.{made.format(random=random, signature=signature)}"
    guess = guess.encode("utf-8", "surrogatepass")
    assert refresh(client, guess).status_code == 401
    assert client.post("/auth/revoke", data={"token": guess}).status_code == 204
    assert me(client, opened["access_token"]).status_code == 200
    assert refresh(client, opened["refresh_token"]).status_code == 200


def test_signing_out_is_in_the_audit_trail_with_the_end_of_the_session(client, town):
    opened = sign_in(client, "utility").json()
    for _ in range(2):  # the second changes nothing
        client.post("/auth/revoke", data={"token": opened["refresh_token"]}).raise_for_status()
    with town.connect() as connection:
        ended = "SELECT count(*) FROM audit_event WHERE action = 'sign_out' AND object_code = :name"
        assert connection.execute(text(ended), {"name": "utility"}).scalar() == 1


def test_sign_out_revokes_the_access_token_at_once(client):
    opened = sign_in(client, "fire").json()
    assert client.post("/auth/revoke", data={"token": opened["refresh_token"]}).status_code == 204
    assert me(client, opened["access_token"]).status_code == 401
    assert client.post("/auth/revoke", data={"token": "no such"}).status_code == 204


def test_disabled_account_is_refused_at_once(client, town, address):
    with town.begin() as connection:
        accounts.add_account(connection, "leaver", "fire", PASSWORD)
    headers = bearer(address, "leaver")
    with town.begin() as connection:
        assert accounts.disable_account(connection, "leaver")
    assert client.get("/auth/me", headers=headers).status_code == 401
    assert sign_in(client, "leaver").status_code == 401


def forged(token, **header):
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(head + "=="))
    fresh = base64.urlsafe_b64encode(json.dumps(claims | header).encode()).decode().rstrip("=")
    return f"{fresh}.{body}.{signature}"


def claims(**other):
    now = int(time.time())
    usual = {"iss": "gridatlas", "aud": "gridatlas", "iat": now, "exp": now + 60, "sid": "x"}
    return usual | other


def test_forged_tokens_are_refused(client, town):
    good = sign_in(client, "admin").json()["access_token"]
    sid = jwt.decode(good, options={"verify_signature": False})["sid"]
    key = hmac.digest(secret(), b"tokens", "sha256")
    bad = {
        "no algorithm": jwt.encode(claims(sid=sid), None, algorithm="none"),
        "renamed algorithm": forged(good, alg="none"),
        "other key": jwt.encode(claims(sid=sid), b"k" * 32, algorithm="HS256"),
        "expired": jwt.encode(claims(sid=sid, exp=int(time.time()) - 1), key, algorithm="HS256"),
        "other audience": jwt.encode(claims(sid=sid, aud="bank"), key, algorithm="HS256"),
        "other issuer": jwt.encode(claims(sid=sid, iss="bank"), key, algorithm="HS256"),
        "other session": jwt.encode(claims(sid="guess"), key, algorithm="HS256"),
        "without end": jwt.encode({"iss": "gridatlas", "sid": sid}, key, algorithm="HS256"),
        "cut": good[:-2],
        "nonsense": "a.b.c",
    }
    for kind, token in bad.items():
        answer = client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, kind
    assert client.get("/auth/me", headers={"Authorization": "Basic eDp5"}).status_code == 401


def test_sign_ins_are_in_the_audit_trail(client, town):
    sign_in(client, "planner", "wrong wrong wrong")
    with town.connect() as connection:
        found = connection.execute(
            text("SELECT action FROM audit_event WHERE object_code = 'planner' ORDER BY id DESC")
        )
        assert found.scalars().first() == "sign_in_failed"


def test_response_with_a_token_is_not_cached(client):
    assert sign_in(client, "admin").headers["cache-control"] == "no-store"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within the provider
def test_id_token_signs_in_existing_accounts_only(client, town, monkeypatch):
    from oidc_provider_mock import run_server_in_thread

    from geo.settings import settings

    with run_server_in_thread() as server:
        issuer = f"http://localhost:{server.server_port}"
        monkeypatch.setattr(settings(), "oidc_issuer", issuer)
        monkeypatch.setattr(settings(), "oidc_client_id", "gridatlas")
        with town.begin() as connection:
            accounts.add_account(connection, "chen", "fire", None)
        assert client.get("/auth/providers").json()["oidc"]["issuer"] == issuer
        assert me(client, of_provider(issuer, "chen")).json()["role"] == "fire"
        assert me(client, of_provider(issuer, "stranger")).status_code == 401
        assert me(client, of_provider(issuer, "chen", client="other")).status_code == 401
    assert sign_in(client, "chen", "").status_code == 401


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_unreachable_provider_is_503_not_401(client, monkeypatch):
    from oidc_provider_mock import run_server_in_thread

    from geo.settings import settings

    with run_server_in_thread() as server:
        issuer = f"http://localhost:{server.server_port}"
        monkeypatch.setattr(settings(), "oidc_issuer", issuer)
        monkeypatch.setattr(settings(), "oidc_client_id", "gridatlas")
        token = of_provider(issuer, "li")
        assert client.get("/auth/providers").json()["oidc"]["client_id"] == "gridatlas"
        identity_provider.signing_keys(
            issuer
        )  # where they are is known, they themselves are not yet
    answer = me(client, token)
    assert answer.status_code == 503
    assert issuer in answer.json()["detail"]


VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")


def by_code(client, subject, **given):
    """Sign in as the page does when it comes back from the provider."""
    entrance = client.get("/auth/entrance").raise_for_status().json()
    back = "http://localhost/signed-in"
    query = {
        "client_id": entrance["client_id"],
        "redirect_uri": back,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "nonce": f"n-{subject}-{sorted(given)}",
        "code_challenge": CHALLENGE.decode(),
        "code_challenge_method": "S256",
    }
    address = entrance["authorization_endpoint"]
    asked = httpx.post(address, params=query, data={"sub": subject}, timeout=TIMEOUT_S)
    form = {
        "grant_type": "authorization_code",
        "code": httpx.URL(asked.headers["location"]).params["code"],
        "code_verifier": VERIFIER,
        "redirect_uri": back,
        "nonce": query["nonce"],
    }
    return client.post("/auth/token", data=form | given)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kept", ["", "a secret"])
def test_code_of_the_provider_opens_a_session(client, town, identity, kept, monkeypatch):
    from geo.settings import settings

    monkeypatch.setattr(settings(), "oidc_client_secret", kept)
    with town.begin() as connection:
        connection.execute(text("DELETE FROM account WHERE name = 'qian'"))
        connection.execute(text("DELETE FROM audit_event WHERE object_code = 'qian'"))
        accounts.add_account(connection, "qian", "fire", None)
    opened = by_code(client, "qian")
    assert opened.status_code == 200
    assert opened.headers["cache-control"] == "no-store"
    assert me(client, opened.json()["access_token"]).json()["role"] == "fire"
    following = refresh(client, opened.json()["refresh_token"])
    assert me(client, following.json()["access_token"]).json()["name"] == "qian"
    with town.connect() as connection:
        found = text(
            "SELECT detail ->> 'issuer' FROM audit_event "
            "WHERE object_code = 'qian' AND action = 'sign_in'"
        )
        assert connection.execute(found).scalars().all() == [identity.issuer]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "given",
    [
        {"code": "stolen"},
        {"code": ""},
        {"code_verifier": "w" * 43},
        {"redirect_uri": "http://elsewhere/"},
        {"nonce": "other"},
        {"nonce": ""},
    ],
)
def test_code_of_another_sign_in_is_refused(client, town, identity, given):
    answer = by_code(client, "admin", **given)
    assert answer.status_code == 401
    assert "access_token" not in answer.text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_code_of_missing_or_disabled_account_is_refused(client, town, identity):
    with town.begin() as connection:
        accounts.add_account(connection, "sun", "fire", None)
        connection.execute(text("UPDATE account SET active = false WHERE name = 'sun'"))
    for name in ("nobody", "sun"):
        assert by_code(client, name).status_code == 401


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wrong_codes_are_counted_like_wrong_passwords(client, identity):
    statuses = [by_code(client, "admin", code="guess").status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_unreachable_provider_is_named_in_the_problem(client, identity, monkeypatch):
    from geo.settings import settings

    gone = "http://localhost:9"
    monkeypatch.setattr(settings(), "oidc_issuer", gone)
    form = {"grant_type": "authorization_code", "code": "c", "nonce": "n"}
    for answer in (client.get("/auth/entrance"), client.post("/auth/token", data=form)):
        assert answer.status_code == 503
        assert gone in answer.json()["detail"]


def test_without_a_provider_its_sign_in_is_refused(client):
    assert client.get("/auth/entrance").status_code == 404
    form = {"grant_type": "authorization_code", "code": "c"}
    assert client.post("/auth/token", data=form).status_code == 400


def test_provider_without_client_is_refused_at_the_start(monkeypatch):
    from geo.settings import settings

    monkeypatch.setattr(settings(), "oidc_issuer", "https://id.example")
    with pytest.raises(SetupError, match="GRIDATLAS_OIDC_CLIENT_ID"):
        identity_provider.check_settings()


def of_provider(issuer, subject, client="gridatlas"):
    """Return an ID token, got as a browser gets it (authorization code flow)."""
    back = "http://localhost/back"
    query = {
        "client_id": client,
        "redirect_uri": back,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
    }
    asked = httpx.post(
        f"{issuer}/oauth2/authorize", params=query, data={"sub": subject}, timeout=TIMEOUT_S
    )
    code = httpx.URL(asked.headers["location"]).params["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    answer = httpx.post(
        f"{issuer}/oauth2/token", data=form, auth=(client, "secret"), timeout=TIMEOUT_S
    )
    return answer.raise_for_status().json()["id_token"]
