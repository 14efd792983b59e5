"""Validation of responses against the OpenAPI description."""

import re
from typing import Any

import httpx
import jsonschema_rs


def hold_to_description(client: httpx.Client) -> None:
    """Validate every response that a client receives."""
    description = client.get("/openapi.json").json()
    patterns = [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), operations)
        for path, operations in description["paths"].items()
    ]

    def check(answer: httpx.Response) -> None:
        operations = next(
            methods for pattern, methods in patterns if pattern.fullmatch(answer.request.url.path)
        )
        response = operations[answer.request.method.lower()]["responses"][str(answer.status_code)]
        schema: dict[str, Any] = next(iter(response.get("content", {}).values()), {}).get(
            "schema", {}
        )
        if "json" not in answer.headers.get("content-type", "") or not schema:
            return
        answer.read()
        full_schema = schema | {"components": description["components"]}
        faults = [
            f"{'/'.join(map(str, fault.instance_path))}: {fault.message}"
            for fault in jsonschema_rs.Draft202012Validator(full_schema).iter_errors(answer.json())
        ]
        assert faults == [], f"{answer.request.url}: {faults[:5]}"

    client.event_hooks["response"].append(check)
