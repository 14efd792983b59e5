"""The OpenAPI description: FastAPI's, with the problems that every route may answer with."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from api.core import problems

COMMON_PROBLEMS = (400, 401, 403, 422, 503)
"""Problems of every route: malformed header, invalid token, missing rights, invalid parameter,
unreachable database."""

NOT_MODIFIED = {"description": "The caller has it already"}


def extend_openapi(app: FastAPI, *statuses: int) -> None:
    """Complete an application's description; ``statuses`` are further problems of every route."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(original(), (*COMMON_PROBLEMS, *statuses))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any], statuses: tuple[int, ...]) -> None:
    """Add the schema of problems, and the common responses to each operation."""
    schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = (
        problems.Problem.model_json_schema()
    )
    for path in schema["paths"].values():
        for method, operation in path.items():
            responses = operation["responses"]
            if any(_remove_html(parameter) for parameter in operation.get("parameters", ())):
                for response in responses.values():
                    response.get("content", {}).pop("text/html", None)
            for status in statuses:
                responses[str(status)] = problems.describe_problem(HTTPStatus(status))
            if method == "get":
                responses.setdefault("304", NOT_MODIFIED)
            operation["responses"] = dict(sorted(responses.items()))


def _remove_html(parameter: dict[str, Any]) -> bool:
    """Remove HTML from the formats of the parameter ``f``; return whether it is that parameter.

    tipg offers HTML, and :mod:`api.middleware.caller_role` refuses it.
    """
    if parameter["name"] != "f":
        return False
    for choice in parameter["schema"].get("anyOf", ()):
        if "html" in choice.get("enum", ()):
            choice["enum"].remove("html")
    return True
