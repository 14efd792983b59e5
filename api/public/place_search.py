"""Search of places: by address exactly, else by name or code, else by pinyin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from api.public import address_search, name_search, pinyin_search
from geo.addresses import Address, parse_address


@dataclass(frozen=True)
class PlaceHits:
    """The hits of a query.

    Attributes
    ----------
    rows
        Hits, the best first; ``exact`` tells whether the query names that place and no other.
    address
        The address that was searched for, with unit, floor and room; None for names and codes.
    asks_number
        Whether the query is a street alone: the hits behind it list its numbers.
    """

    rows: Sequence[Mapping[str, Any]]
    address: Address | None = None
    asks_number: bool = False


def search_places(connection: Connection, query: str, kind: str, limit: int) -> PlaceHits:
    """Return the places that a query names.

    Parameters
    ----------
    kind
        Kind of the places; empty for all.
    """
    can_be_building = kind in ("", "building")
    if can_be_building and (hits := address_search.search_address(connection, query, limit)):
        return PlaceHits(hits.rows, hits.address)
    if can_be_building and parse_address(query).is_street:
        street = _search_street(connection, query, kind, limit)
        if street.asks_number:
            return street
    rows = name_search.search_names(connection, query, kind, limit)
    if rows:
        return PlaceHits([row | {"exact": _is_named(row, query)} for row in map(dict, rows)])
    return _search_pinyin(connection, query, kind, limit)


def _is_named(row: Mapping[str, Any], query: str) -> bool:
    names = (row["name"], row["code"], row["address"])
    return query.strip().casefold() in (str(name).casefold() for name in names)


def _search_street(connection: Connection, query: str, kind: str, limit: int) -> PlaceHits:
    """Return what has the name of a street, and the numbers on it."""
    road = parse_address(query).road
    named = name_search.search_exact_name(connection, road, kind, limit)
    rows = [dict(row) | {"exact": False} for row in named]
    numbers = address_search.list_street_numbers(connection, road, limit - len(rows))
    return PlaceHits([*rows, *numbers.rows], asks_number=bool(numbers.rows))


def _search_pinyin(connection: Connection, query: str, kind: str, limit: int) -> PlaceHits:
    """Return the places whose names a query in pinyin stands for; none of them is exact."""
    spelt = pinyin_search.split_pinyin(query)
    if spelt is None:
        return PlaceHits(())
    letters, numbers = spelt
    names = pinyin_search.find_names(connection, letters)
    if numbers:
        found = [address_search.search_address(connection, n + numbers, limit) for n in names]
        rows = [dict(row) for hits in found if hits for row in hits.rows]
    elif len(names) == 1 and parse_address(names[0]).is_street:
        return _search_street(connection, names[0], kind, limit)
    else:
        rows = [
            dict(row)
            for name in names
            for row in name_search.search_exact_name(connection, name, kind, limit)
        ]
    return PlaceHits([row | {"exact": False} for row in rows[:limit]])
