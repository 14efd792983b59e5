"""Requests made from the description of the API, as every role: none breaks the server."""

from collections import Counter

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from geo.db.access_rules import ROLES
from tests.waiting import TIMEOUT_S

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
ENDLESS = {"/jobs/{number}/events", "/casework/events"}
"""Followed in tests of its own."""


@pytest.fixture(scope="module", params=["/openapi.json", "/ogc/api"])
def described(address, request):
    base = f"{address}{request.param.removesuffix('/openapi.json').removesuffix('/api')}"
    found = schemathesis.openapi.from_url(f"{address}{request.param}", timeout=TIMEOUT_S)
    found.config.update(base_url=base)
    return found


@pytest.fixture(scope="module")
def headers_of(signed_in):
    """Return the headers of each role. All sign in first: the tests use up the sign-ins allowed."""
    named = {role: signed_in(role).headers for role in ROLES if role != "public"}
    return {"public": {}} | {
        role: {"Authorization": headers["Authorization"]} for role, headers in named.items()
    }


def test_nothing_that_the_description_allows_breaks_the_server(described, headers_of):
    faults, statuses = [], {role: Counter() for role in ROLES}
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path not in ENDLESS:
            _try_as_every_role(operation, headers_of, faults, statuses)
    assert not faults, "\n\n".join(faults)
    assert all(answered[200] >= 5 for answered in statuses.values()), statuses


def _try_as_every_role(operation, headers_of, faults, statuses):
    """Send the same requests as each role: to draw them costs more than to answer them."""

    @settings(max_examples=3, database=None, phases=[Phase.generate])
    @given(case=operation.as_strategy())
    def try_case(case):
        for role, headers in headers_of.items():
            try:
                answer = case.call_and_validate(headers=headers, checks=CHECKS, timeout=TIMEOUT_S)
                statuses[role][answer.status_code] += 1
            except FailureGroup as fault:
                faults.append(f"{role}: {operation.label}: {fault}"[:600])

    try_case()
