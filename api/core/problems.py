"""Errors as problem documents (RFC 9457), in the caller's language."""

import logging
import re
import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

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
from geo.staff import PHONE

Found = TypeVar("Found")

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

_MEMBERS = ("revision", "changed_by", "current", "job")
"""Fields of an error that become members of the problem document, for programs."""

_CANCELED, _LOCK_TIMEOUT, _NO_PRIVILEGE = "57014", "55P03", "42501"
_UNTRANSLATABLE, _NO_ROOM = "22P05", "53100"

_RANGE_RULE = re.compile(r"(\w+) BETWEEN (-?[\d.]+) AND (-?[\d.]+)")
_LIST_RULE = re.compile(r"(\w+) IN \((.+)\)")

_DIGITS = re.compile(r"\[0-9\]\{(\d+)(?:,(\d+))?\}")
_MONTHS = ("^[0-9]{4}-", "^(20[0-9]{2}-")

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for the problems of a route.

    :mod:`api.core.openapi_schema` adds those that every route may answer with.
    """
    return {status: describe_problem(HTTPStatus(status)) for status in sorted(statuses)}


def describe_problem(status: HTTPStatus) -> dict[str, Any]:
    """Return the OpenAPI response for a problem; :mod:`api.core.openapi_schema` adds its schema."""
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": reference}}}


DOCUMENTED = problem_responses(404)
"""Problems of a public resource."""

PROTECTED = problem_responses(403, 404)
"""Problems of a protected resource."""

CHANGING = problem_responses(403, 404, 409, 412, 413, 428)
"""Problems of a change of a resource."""


def ok_response(model: Any) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a public resource: its model, and the problems."""
    return {200: {"model": model}, **DOCUMENTED}


def protected_response(model: Any) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a protected resource: its model, and the problems."""
    return {200: {"model": model}, **PROTECTED}


def require_found(key: str, value: Found | None, **fields: object) -> Found:
    """Return what a request asks for.

    Parameters
    ----------
    key, fields
        Key of the message, and its fields, for a request that asks for nothing that is there.

    Raises
    ------
    NotFoundError
        If the value is None or false.
    """
    if value is None or value is False:
        raise NotFoundError(key, **fields)
    return value


def install_handlers(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""
    app.exception_handler(GridatlasError)(problem_from_error)
    app.exception_handler(RequestValidationError)(validation_problem)
    app.exception_handler(HTTPException)(http_problem)
    app.exception_handler(OperationalError)(database_problem)
    app.exception_handler(TimeoutError)(database_problem)
    app.exception_handler(UnreachableError)(database_problem)
    app.exception_handler(asyncpg.PostgresError)(_asyncpg_problem)
    app.exception_handler(DBAPIError)(_sqlalchemy_problem)
    app.exception_handler(OSError)(_system_problem)
    app.exception_handler(Exception)(_server_problem)


def preferred_language(request: Request) -> Language:
    """Return the supported language that ``Accept-Language`` prefers, by default Chinese."""
    weights: dict[Language, float] = {}
    for part in request.headers.get("accept-language", "").split(","):
        name, _, weight = part.strip().lower().partition(";q=")
        for known in LANGUAGES:
            if name.partition("-")[0] == known:
                weights.setdefault(known, _quality(weight))
    accepted = [lang for lang, weight in weights.items() if weight > 0]
    return max(accepted, key=weights.__getitem__) if accepted else "zh"  # the first of equals


def _quality(value: str) -> float:
    try:
        return float(value) if value else 1.0
    except ValueError:
        return 0.0


def problem(
    request: Request, status: int, detail: str, *, type: str = "about:blank", **members: object
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
        jsonable_encoder(body | {"instance": request.url.path} | members),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def message_text(key: str, lang: Language, **values: object) -> str:
    """Return the text of an error for a caller over HTTP, who has no command line."""
    http_key = f"http.{key}"
    if http_key not in catalogue(lang):
        return text(f"error.{key}", lang=lang, **values)
    return text(http_key, lang=lang, **name_columns(values, lang))


def name_columns(values: Mapping[str, Any], lang: Language) -> dict[str, Any]:
    """Return the fields of a message with the columns of our layers named as people call them."""

    def replace(pattern: str, words: object) -> str:
        return re.sub(pattern, lambda word: _column_name(word[0], lang), str(words))

    named = {key: replace(r"\w+", values[key]) for key in ("column", "missing") if key in values}
    if "rule" in values:
        named["rule"] = rule_text(str(values["rule"]), lang)
        if "value" in values:
            named["value"] = replace(r"\w+(?= = )", values["value"])
    return {**values, **named}


def rule_text(rule: str, lang: Language) -> str:
    """Return a rule of the database in words."""
    if parts := _RANGE_RULE.fullmatch(rule):
        column = _column_name(parts[1], lang)
        return text("clerk.range", lang=lang, column=column, low=parts[2], high=parts[3])
    if parts := _LIST_RULE.fullmatch(rule):
        words = (word.strip(" '") for word in parts[2].split(","))
        allowed = ", ".join(catalogue(lang).get(f"{parts[1]}.{word}", word) for word in words)
        return text("clerk.choice", lang=lang, column=_column_name(parts[1], lang), allowed=allowed)
    return text("clerk.consistent", lang=lang)


def _column_name(column: str, lang: Language) -> str:
    return catalogue(lang).get(f"field.{column}", column)


def problem_from_error(request: Request, error: GridatlasError) -> Response:
    """Return the problem document of an error."""
    detail = message_text(error.key, preferred_language(request), **error.values)
    status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
    values = {name: value for name, value in error.values.items() if name in _MEMBERS}
    response = problem(request, status, detail, type=f"urn:gridatlas:problem:{error.key}", **values)
    if status == 429:
        response.headers["Retry-After"] = str(error.values["seconds"])
    return response


def validation_problem(request: Request, error: RequestValidationError) -> Response:
    """Return the problem document of invalid parameters."""
    lang = preferred_language(request)
    errors = [
        {"loc": fault["loc"], "msg": _parameter_message(fault, lang)} for fault in error.errors()
    ]
    colon = text("problem.colon", lang=lang)
    detail = "; ".join(f"{fault['loc'][-1]}{colon}{fault['msg']}" for fault in errors)
    return problem(request, 422, detail, errors=jsonable_encoder(errors))


def _parameter_message(fault: dict[str, Any], lang: Language) -> str:
    """Return what is wrong with a parameter, by our own text if the catalogue has one."""
    key = f"invalid.{fault['type']}"
    if key not in catalogue(lang):
        return text("invalid.other", lang=lang, said=fault["msg"])
    if fault["type"] == "string_pattern_mismatch":
        return _format_message(str(fault["ctx"]["pattern"]), lang)
    limits = {
        name: str(value).replace(" or ", ", ") for name, value in fault.get("ctx", {}).items()
    }
    return text(key, lang=lang, **limits)


def _format_message(pattern: str, lang: Language) -> str:
    """Return in words what a regular expression requires."""
    if not re.sub(r"[\^$()?|]", "", _DIGITS.sub("", pattern)):
        lengths = ["–".join(filter(None, length)) for length in _DIGITS.findall(pattern)]
        return text("invalid.digits", lang=lang, lengths=" / ".join(lengths))
    if pattern.startswith(_MONTHS):
        return text("invalid.month", lang=lang)
    if pattern == PHONE:
        return text("invalid.phone", lang=lang)
    key = "control_characters" if r"\x00" in pattern else "string_pattern_mismatch"
    return text(f"invalid.{key}", lang=lang)


def http_problem(request: Request, error: HTTPException) -> Response:
    """Return the problem document of an error of the framework."""
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
            return _system_problem(request, error.__cause__)  # type: ignore[arg-type]
        case 400:
            detail = text("problem.body_unreadable", lang=lang, said=error.detail)
        case _:
            detail = error.detail
    response = problem(request, error.status_code, detail)
    response.headers.update(error.headers or {})
    return response


def _allowed_methods(path: str, error: HTTPException) -> str:
    """Return the methods of a resource, with HEAD where it is supported."""
    methods = set((error.headers or {}).get("Allow", "GET").split(", "))
    if "GET" in methods and has_head(path):
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def has_head(path: str) -> bool:
    """Return whether HEAD is supported: not where it would cost as much as the whole answer."""
    return not (path.startswith("/exports/") or path.endswith("/events"))


def _system_problem(request: Request, error: Exception) -> Response:
    """Return the problem of an error of the operating system."""
    if is_disk_full(error):
        _log.error("disk full: %s", error)
        return problem_from_error(request, DiskFullError("disk_full", place=tempfile.gettempdir()))
    return _server_problem(request, error)


def _sqlalchemy_problem(request: Request, error: DBAPIError) -> Response:
    """Return the problem of a statement that the database refused."""
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
    return _server_problem(request, error)


def _asyncpg_problem(request: Request, error: asyncpg.PostgresError) -> Response:
    """Return the problem of a statement that the database refused on an asynchronous connection."""
    if error.sqlstate in {_CANCELED, _NO_ROOM}:
        return database_problem(request, error)
    return _server_problem(request, error)


def database_problem(request: Request, error: Exception) -> Response:
    """Return the problem of a database that does not answer, or not in time."""
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


def _server_problem(request: Request, error: Exception) -> Response:
    _log.exception("request failed", exc_info=error)
    return problem(request, 500, text("problem.failed_detail", lang=preferred_language(request)))
