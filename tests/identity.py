"""An identity provider for tests, which requires PKCE (RFC 7636)."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import flask
import werkzeug.serving


class Identity:
    """The provider's address, and the number of codes that were redeemed."""

    def __init__(self) -> None:
        self.issuer = ""
        self.redeemed = 0
        self._challenges: dict[str, str] = {}

    def remember(self, answer: flask.Response) -> flask.Response:
        """Store the challenge of each code; add the state to a refusal."""
        location = answer.headers.get("Location", "")
        code = parse_qs(urlsplit(location).query).get("code", [""])[0]
        if "error=" in location and "state=" not in location:  # RFC 6749, 4.1.2.1
            answer.headers["Location"] = f"{location}&state={flask.request.args['state']}"
        if code and flask.request.path == "/oauth2/authorize":
            assert flask.request.args["code_challenge_method"] == "S256"
            self._challenges[code] = flask.request.args["code_challenge"]
        return answer

    def check(self) -> flask.Response | None:
        """Refuse a code whose verifier does not match its challenge."""
        if flask.request.path != "/oauth2/token":
            return None
        verifier = flask.request.form.get("code_verifier", "").encode()
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        )
        if self._challenges.pop(flask.request.form.get("code", ""), None) != challenge:
            return flask.make_response({"error": "invalid_grant"}, 400)
        self.redeemed += 1
        return None


@contextmanager
def providing() -> Iterator[Identity]:
    """Run the provider on a free port of the loopback."""
    from oidc_provider_mock import _app as provider

    # A page has no secret; a server may have one.
    provider.AuthorizationCodeGrant.TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_basic"]
    identity, app = Identity(), provider.app()
    app.before_request(identity.check)
    app.after_request(identity.remember)
    server = werkzeug.serving.make_server("localhost", 0, app, threaded=True)
    identity.issuer = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield identity
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
