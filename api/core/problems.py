"""Errors as problem documents (RFC 9457), in the caller's language."""

import logging
import tempfile
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api.core.connection_pool import UnreachableError
from geo.disk import is_disk_full
from geo.errors import (
    ConflictError,
    DiskFullError,
    GridatlasError,
    InputError,
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    SetupError,
    StaleError,
    TooLargeError,
    TooManyError,
    UnconditionalError,
)
from geo.messages import LANGUAGES, Language, catalogue, text

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

_STATUS: dict[type[GridatlasError], int] = {
    InputError: 400,
    NotSignedInError: 401,
    NotAllowedError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    StaleError: 412,
    TooLargeError: 413,
    UnconditionalError: 428,
    TooManyError: 429,
    SetupError: 503,
    DiskFullError: 507,
}
_TITLE = {
    400: "bad_request",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "stale",
    413: "too_large",
    422: "invalid_parameters",
    428: "unconditional",
    429: "too_many",
    500: "failed",
    503: "unavailable",
    507: "disk_full",
}

_TOLD = ("revision", "changed_by")
"""What of an error's fields a program needs beside the text."""

_CANCELED, _LOCK_TIMEOUT, _NO_PRIVILEGE = "57014", "55P03", "42501"
_UNTRANSLATABLE, _NO_ROOM = "22P05", "53100"

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """A problem document: what went wrong, for a person and for a program."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems that a resource may answer with, for the description of the API.

    Those that any resource may answer with are added to all (:mod:`api.core.openapi_schema`).
    """
    return {status: describe_problem(HTTPStatus(status)) for status in sorted(statuses)}


def describe_problem(status: HTTPStatus) -> dict[str, Any]:
    """Describe a problem for OpenAPI; :mod:`api.core.openapi_schema` adds its schema."""
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": reference}}}


DOCUMENTED = problem_responses(404)
"""The problems of a resource that anyone may read."""

PROTECTED = problem_responses(403, 404)
"""The problems of a resource that only some may read."""

CHANGING = problem_responses(403, 404, 409, 412, 413, 428)
"""The problems of a resource that is changed."""


def install_handlers(app: FastAPI) -> None:
    """Make an application answer every error with a problem document."""
    app.exception_handler(GridatlasError)(problem_from_error)
    app.exception_handler(RequestValidationError)(_of_parameters)
    app.exception_handler(HTTPException)(_of_http)
    app.exception_handler(OperationalError)(database_problem)
    app.exception_handler(TimeoutError)(database_problem)
    app.exception_handler(UnreachableError)(database_problem)
    app.exception_handler(asyncpg.PostgresError)(_of_refusal_there)
    app.exception_handler(DBAPIError)(_of_refusal)
    app.exception_handler(OSError)(_of_system)
    app.exception_handler(Exception)(_of_bug)


def preferred_language(request: Request) -> Language:
    """Return the language of ours that a caller likes best: Chinese if none is named."""
    liked: dict[Language, float] = {}
    for part in request.headers.get("accept-language", "").split(","):
        name, _, weight = part.strip().lower().partition(";q=")
        for known in LANGUAGES:
            if name.partition("-")[0] == known:
                liked.setdefault(known, _weight(weight))
    wanted = [known for known, weight in liked.items() if weight > 0]
    return max(wanted, key=liked.__getitem__) if wanted else "zh"  # the first of equals


def _weight(given: str) -> float:
    try:
        return float(given) if given else 1.0
    except ValueError:
        return 0.0


def problem(
    request: Request, status: int, detail: str, *, type: str = "about:blank", **more: object
) -> Response:
    """Return a problem document."""
    title = text(f"problem.{_TITLE.get(status, 'bad_request')}", lang=preferred_language(request))
    body = {"type": type, "title": title, "status": status, "detail": detail}
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        jsonable_encoder(body | {"instance": request.url.path} | more),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def message_text(key: str, lang: Language, **values: object) -> str:
    """Return the text of an error for a caller over HTTP, who has no command line."""
    own = f"http.{key}"
    return text(own if own in catalogue(lang) else f"error.{key}", lang=lang, **values)


def problem_from_error(request: Request, error: GridatlasError) -> Response:
    """Answer for a mistake of the caller's."""
    detail = message_text(error.key, preferred_language(request), **error.values)
    status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
    values = {name: value for name, value in error.values.items() if name in _TOLD}
    response = problem(request, status, detail, type=f"urn:gridatlas:problem:{error.key}", **values)
    if status == 429:
        response.headers["Retry-After"] = str(error.values["seconds"])
    return response


def _of_parameters(request: Request, error: RequestValidationError) -> Response:
    lang = preferred_language(request)
    found = [
        {"loc": fault["loc"], "msg": _parameter_message(fault, lang)} for fault in error.errors()
    ]
    colon = text("problem.colon", lang=lang)
    detail = "; ".join(f"{fault['loc'][-1]}{colon}{fault['msg']}" for fault in found)
    return problem(request, 422, detail, errors=jsonable_encoder(found))


def _parameter_message(fault: dict[str, Any], lang: Language) -> str:
    """Return what is wrong with a parameter, in words of ours where there are any."""
    key = f"invalid.{fault['type']}"
    if key not in catalogue(lang):
        return text("invalid.other", lang=lang, said=fault["msg"])
    about = {name: str(value).replace(" or ", ", ") for name, value in fault.get("ctx", {}).items()}
    return text(key, lang=lang, **about)


def _of_http(request: Request, error: HTTPException) -> Response:
    lang = preferred_language(request)
    match error.status_code:
        case 404:
            detail = text("problem.no_such_path", lang=lang, path=request.url.path)
        case 405:
            allowed = _allowed_methods(request.url.path, error)
            error = HTTPException(405, headers={"Allow": allowed})
            method = request.method
            detail = text("problem.method_detail", lang=lang, method=method, allowed=allowed)
        case 400 if is_disk_full(error.__cause__):  # of a file that is uploaded
            return _of_system(request, error.__cause__)  # type: ignore[arg-type]
        case 400:
            detail = text("problem.body_unreadable", lang=lang, said=error.detail)
        case _:
            detail = error.detail
    response = problem(request, error.status_code, detail)
    response.headers.update(error.headers or {})
    return response


def _allowed_methods(path: str, error: HTTPException) -> str:
    """Return the methods of a resource, HEAD among them where the application answers it."""
    methods = set((error.headers or {}).get("Allow", "GET").split(", "))
    if "GET" in methods and has_head(path):
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def has_head(path: str) -> bool:
    """Return whether HEAD is answered: what takes long to say is not said to nobody."""
    return not (path.startswith("/exports/") or path.endswith("/events"))


def _of_system(request: Request, error: Exception) -> Response:
    """Answer for what the operating system refused."""
    if is_disk_full(error):
        _log.error("disk full: %s", error)
        return problem_from_error(request, DiskFullError("disk_full", place=tempfile.gettempdir()))
    return _of_bug(request, error)


def _of_refusal(request: Request, error: DBAPIError) -> Response:
    """Answer for what the database refused."""
    state = getattr(error.orig, "sqlstate", None)
    if state == _NO_PRIVILEGE:
        signed_in = bool(request.headers.get("authorization"))
        refusal = (
            NotAllowedError("rows_not_yours") if signed_in else NotSignedInError("sign_in_first")
        )
        return problem_from_error(request, refusal)
    if state == _UNTRANSLATABLE or (isinstance(error, DataError) and "NUL" in str(error.orig)):
        return problem_from_error(request, InputError("text_with_nul"))
    if error.connection_invalidated or isinstance(error, OperationalError):
        return database_problem(request, error)
    return _of_bug(request, error)


def _of_refusal_there(request: Request, error: asyncpg.PostgresError) -> Response:
    """Answer for what the database refused on a pooled connection."""
    if error.sqlstate in {_CANCELED, _NO_ROOM}:
        return database_problem(request, error)
    return _of_bug(request, error)


def database_problem(request: Request, error: Exception) -> Response:
    """Answer for a database that does not answer, or not in time."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if state == _CANCELED:
        return problem(
            request, 503, text("problem.took_too_long", lang=preferred_language(request))
        )
    if state == _NO_ROOM:
        _log.error("database has no room: %s", error)
        return problem(
            request, 507, text("problem.database_full", lang=preferred_language(request))
        )
    if state == _LOCK_TIMEOUT:
        return problem(
            request, 503, text("problem.being_changed", lang=preferred_language(request))
        )
    _log.error("database unavailable: %s", error)
    lang = preferred_language(request)
    return problem(request, 503, text("problem.database_unavailable_detail", lang=lang))


def _of_bug(request: Request, error: Exception) -> Response:
    _log.exception("request failed", exc_info=error)
    return problem(request, 500, text("problem.failed_detail", lang=preferred_language(request)))
