"""Answers held against the description of the API, as a generated client reads it."""

import re
from typing import Any

import httpx
import jsonschema_rs


def hold_to_description(client: httpx.Client) -> None:
    """Have every answer of a client checked against what the description says of it."""
    described = client.get("/openapi.json").json()
    patterns = [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), operations)
        for path, operations in described["paths"].items()
    ]

    def check(answer: httpx.Response) -> None:
        operations = next(
            found for pattern, found in patterns if pattern.fullmatch(answer.request.url.path)
        )
        said = operations[answer.request.method.lower()]["responses"][str(answer.status_code)]
        schema: dict[str, Any] = next(iter(said.get("content", {}).values()), {}).get("schema", {})
        if "json" not in answer.headers.get("content-type", "") or not schema:
            return
        answer.read()
        whole = schema | {"components": described["components"]}
        faults = [
            f"{'/'.join(map(str, fault.instance_path))}: {fault.message}"
            for fault in jsonschema_rs.Draft202012Validator(whole).iter_errors(answer.json())
        ]
        assert faults == [], f"{answer.request.url}: {faults[:5]}"

    client.event_hooks["response"].append(check)
