"""The OpenAPI description: FastAPI's, with the problems that every route may answer with."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from api.core import problems

COMMON_PROBLEMS = (400, 401, 403, 422, 503)
"""Problems of every route: malformed header, invalid token, missing rights, invalid parameter,
unreachable database."""

_PROBLEM = problems.describe_problem(HTTPStatus.BAD_REQUEST)
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
    """Add the schema of problems, and the common responses to each operation.

    A route of a foreign standard documents the content of its own errors for status 400.
    """
    schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = (
        problems.Problem.model_json_schema()
    )
    for path in schema["paths"].values():
        for method, operation in path.items():
            if "description" in operation:  # the sections of a docstring are for programmers
                operation["description"] = operation["description"].partition("\n\nRaises\n")[0]
            responses = operation["responses"]
            has_own_errors = problems.MEDIA_TYPE not in responses.get("400", _PROBLEM)["content"]
            for status in statuses:
                described = problems.describe_problem(HTTPStatus(status))
                if has_own_errors:
                    described["content"] = responses["400"]["content"]
                responses[str(status)] = described
            if method == "get":
                responses.setdefault("304", NOT_MODIFIED)
            operation["responses"] = dict(sorted(responses.items()))
