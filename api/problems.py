"""Errors as problem documents (RFC 9457), in the caller's language."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from geo.errors import GridatlasError, InputError, NotFoundError, SetupError
from geo.messages import LANGUAGES, Language, text

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

_STATUS: dict[type[GridatlasError], int] = {InputError: 400, NotFoundError: 404, SetupError: 503}
_TITLE = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    422: "invalid_parameters",
    500: "failed",
    503: "database_unavailable",
}

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """A problem document: what went wrong, for a person and for a program."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {MEDIA_TYPE: {}}} for status in (400, 404, 422, 503)
}
"""The problems that a resource may answer with, for the description of the API."""


def install(app: FastAPI) -> None:
    """Make an application answer every error with a problem document."""
    app.exception_handler(GridatlasError)(_of_gridatlas)
    app.exception_handler(RequestValidationError)(_of_parameters)
    app.exception_handler(HTTPException)(_of_http)
    app.exception_handler(OperationalError)(_of_database)
    app.exception_handler(TimeoutError)(_of_database)
    app.exception_handler(Exception)(_of_bug)


def language(request: Request) -> Language:
    """Return the first language of ours that a caller accepts: Chinese if none is named.

    Browsers list languages by preference, so the order says as much as the weights.
    """
    for part in request.headers.get("accept-language", "").split(","):
        for known in LANGUAGES:
            if part.strip().lower().startswith(known):
                return known
    return "zh"


def problem(
    request: Request, status: int, detail: str, *, type: str = "about:blank", **more: object
) -> Response:
    """Return a problem document."""
    title = text(f"problem.{_TITLE.get(status, 'bad_request')}", lang=language(request))
    body = {"type": type, "title": title, "status": status, "detail": detail}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse(
        body | {"instance": request.url.path} | more,
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def _of_gridatlas(request: Request, error: GridatlasError) -> Response:
    detail = error.message(language(request))
    status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
    return problem(request, status, detail, type=f"urn:gridatlas:problem:{error.key}")


def _of_parameters(request: Request, error: RequestValidationError) -> Response:
    found = [{"loc": fault["loc"], "msg": fault["msg"]} for fault in error.errors()]
    detail = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in found)
    return problem(request, 422, detail, errors=jsonable_encoder(found))


def _of_http(request: Request, error: HTTPException) -> Response:
    response = problem(request, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


def _of_database(request: Request, error: Exception) -> Response:
    _log.error("database unavailable: %s", error)
    lang = language(request)
    return problem(request, 503, text("problem.database_unavailable_detail", lang=lang))


def _of_bug(request: Request, error: Exception) -> Response:
    _log.exception("request failed", exc_info=error)
    return problem(request, 500, text("problem.failed_detail", lang=language(request)))
