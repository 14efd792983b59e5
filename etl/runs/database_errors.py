"""The errors of the database as errors that a person understands, by their SQLSTATE.

Only a lost connection is called one: a constraint that a row of a layer breaks is named with its
meaning, the row and the value, and any other refused statement is a fault of the program.
"""

import re
from typing import Any

import psycopg
from sqlalchemy import CheckConstraint
from sqlalchemy.exc import DBAPIError

from geo.errors import GridatlasError, InputError, SetupError
from geo.model import LAYERS, Base

_FULL_STATES = frozenset({"53100", "58030"})
_LOST_CLASSES = ("08", "53", "57", "58")
"""Classes of SQLSTATE: connection, resources, intervention by an operator, system."""

_BUSY_CLASSES = ("40", "55")
"""Classes of SQLSTATE: transactions rolled back for others, objects that others use."""

_NOT_NULL, _FOREIGN_KEY, _UNIQUE, _CHECK = "23502", "23503", "23505", "23514"
_MAX_ROW = 200  # characters of a row in a message
_MAX_REASON = 300


def database_error(error: DBAPIError | psycopg.Error) -> GridatlasError:
    """Return the error for a failed statement, with what to do about it."""
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    reason = " ".join(str(cause).split())[:_MAX_REASON]
    state = getattr(cause, "sqlstate", None) or ""
    if state in _FULL_STATES or "No space left" in reason or "File too large" in reason:
        return SetupError("database_full", said=reason)
    if not state or state.startswith(_LOST_CLASSES):
        return SetupError("database_lost", said=reason)
    if state.startswith(_BUSY_CLASSES):
        return SetupError("database_busy", said=reason)
    if state.startswith("23") and (layer := _constrained_layer(cause.diag, state)) is not None:
        return _constraint_error(layer, cause.diag, state)
    if state.startswith("22"):
        return InputError("database_refused_value", said=reason)
    return SetupError("database_refused", said=reason)


def _constrained_layer(diagnostics: Any, state: str) -> str | None:
    """Return the layer whose row breaks a constraint, None if it is of no layer.

    Where another table still refers to a removed row, the server gives that table; its message, in
    any language, quotes the table of the row first.
    """
    quoted = re.search(r'"(\w+)"', diagnostics.message_primary or "")
    table = quoted[1] if quoted and state == _FOREIGN_KEY else diagnostics.table_name
    return table if table in LAYERS else None


def _constraint_error(layer: str, diagnostics: Any, state: str) -> InputError:
    """Return the error for a constraint that a row breaks."""
    detail = diagnostics.message_detail or ""
    if state == _NOT_NULL:
        return InputError(
            "column_empty", layer=layer, column=diagnostics.column_name, row=_row(detail)
        )
    if state == _CHECK:
        rule = _rule(layer, diagnostics.constraint_name)
        return InputError("rule_broken", layer=layer, rule=rule, row=_row(detail))
    # Key (building_code)=(b1) is not present in table "building".
    # Key (code)=(b1) is still referenced from table "building_unit".
    # Key (code)=(b1) already exists.
    key = re.search(r"\((.+?)\)=\((.*)\)(?:.*\"(\w+)\")?", detail)
    if key is None:
        return InputError("rule_broken", layer=layer, rule=diagnostics.constraint_name, row=detail)
    column, value, other = key.groups()
    if state == _UNIQUE:
        return InputError("value_taken", layer=layer, column=column, value=value)
    if state == _FOREIGN_KEY and column == "code":
        return InputError("feature_in_use", layer=layer, code=value, other=other)
    return InputError("reference_dangling", layer=layer, column=column, code=value, other=other)


def _row(detail: str) -> str:
    """Return a row as the server shows it in ``Failing row contains (b1, null, ...)``."""
    values = re.search(r"\((.*)\)", detail)
    row = values[1] if values else detail
    return row if len(row) <= _MAX_ROW else row[:_MAX_ROW] + "…"


def _rule(layer: str, name: str) -> str:
    """Return a check constraint as SQL; its name if the model does not have it."""
    constraints = Base.metadata.tables[layer].constraints
    checks = [c for c in constraints if isinstance(c, CheckConstraint)]
    return next((str(c.sqltext) for c in checks if c.name == name), name)
