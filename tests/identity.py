"""A real small identity provider that holds browsers to PKCE (RFC 7636), as the city's would."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import flask
import werkzeug.serving


class Identity:
    """Where it is, and how many codes it has given tokens for."""

    def __init__(self) -> None:
        self.issuer = ""
        self.taken = 0
        self._challenges: dict[str, str] = {}

    def remember(self, answer: flask.Response) -> flask.Response:
        """Keep the challenge of each code that is given; a refusal bears the state too."""
        to = answer.headers.get("Location", "")
        code = parse_qs(urlsplit(to).query).get("code", [""])[0]
        if "error=" in to and "state=" not in to:  # RFC 6749, 4.1.2.1
            answer.headers["Location"] = f"{to}&state={flask.request.args['state']}"
        if code and flask.request.path == "/oauth2/authorize":
            assert flask.request.args["code_challenge_method"] == "S256"
            self._challenges[code] = flask.request.args["code_challenge"]
        return answer

    def check(self) -> flask.Response | None:
        """Refuse a code whose verifier is not the one that was promised."""
        if flask.request.path != "/oauth2/token":
            return None
        verifier = flask.request.form.get("code_verifier", "").encode()
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if self._challenges.pop(flask.request.form.get("code", ""), None) != made:
            return flask.make_response({"error": "invalid_grant"}, 400)
        self.taken += 1
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
