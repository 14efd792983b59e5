"""Faults of features, and what features are validated against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geo.types import Bools

GARBLED = "�"
"""The sign for bytes that are no text in an encoding."""

_MAX_SHOWN = 80  # characters of a value in a message

Detail = Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Fault:
    """A fault of some features of a batch: a key of the catalogue, and its fields by row."""

    key: str
    rows: Bools
    detail: Detail


@dataclass(frozen=True)
class KnownValues:
    """The values of the database and the clock that features are validated against."""

    year: int
    regions: frozenset[str] = frozenset()
    cities: tuple[str, ...] = ()


def format_value(value: object) -> str:
    """Return a value as messages show it: on one line, shortened."""
    plain = "".join(sign if sign.isprintable() else GARBLED for sign in str(value))
    return plain if len(plain) <= _MAX_SHOWN else plain[:_MAX_SHOWN] + "…"
