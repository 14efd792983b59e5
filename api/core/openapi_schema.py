"""The description of the API (OpenAPI): what the routes say, and what any of them may answer."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from api.core import problems

ANY = (400, 401, 403, 422, 503)
"""Problems that any resource may answer with: a malformed header, a bad token, rows that are not
the caller's, a database away."""

KNOWN = {"description": "The caller has it already"}


def extend_openapi(app: FastAPI, *more: int) -> None:
    """Have an application describe itself whole; ``more`` are problems that any answer may be."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain(), (*ANY, *more))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any], problematic: tuple[int, ...]) -> None:
    """Add the schema of problems, and to each operation what it may answer like any other."""
    schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = (
        problems.Problem.model_json_schema()
    )
    for path in schema["paths"].values():
        for method, operation in path.items():
            answers = operation["responses"]
            if any(_without_pages(one) for one in operation.get("parameters", ())):
                for answer in answers.values():
                    answer.get("content", {}).pop("text/html", None)
            for status in problematic:
                answers[str(status)] = problems.describe_problem(HTTPStatus(status))
            if method == "get":
                answers.setdefault("304", KNOWN)
            operation["responses"] = dict(sorted(answers.items()))


def _without_pages(parameter: dict[str, Any]) -> bool:
    """Take pages out of the formats that may be asked for; return whether it is that parameter.

    tipg names them, and :mod:`api.ogc.ogc` refuses them.
    """
    if parameter["name"] != "f":
        return False
    for choice in parameter["schema"].get("anyOf", ()):
        if "html" in choice.get("enum", ()):
            choice["enum"].remove("html")
    return True
