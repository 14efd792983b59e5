"""Missing data: what an answer would need and the database does not hold, counted and in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from geo.messages import Language, text


@dataclass(frozen=True)
class MissingData:
    """A kind of missing value, a key of the catalogue's section ``missing``, and its count."""

    key: str
    count: int


def describe_missing(items: Iterable[MissingData], lang: Language) -> list[dict[str, Any]]:
    """Return missing data with its text."""
    return [
        {
            "key": item.key,
            "count": item.count,
            "text": text(f"missing.{item.key}", lang=lang, count=item.count),
        }
        for item in items
    ]


def list_missing(counts: dict[str, int]) -> list[MissingData]:
    """Return the kinds of missing data whose count is not zero."""
    return [MissingData(key, count) for key, count in counts.items() if count]


def sum_known(values: Iterable[int | None]) -> int | None:
    """Return the sum of the known values; None if there are values of which none is known."""
    values = list(values)
    known = [value for value in values if value is not None]
    return sum(known) if known or not values else None
