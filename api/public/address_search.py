"""Search of buildings by address: exactly the named one, never one with a similar number."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text

from api.public.name_search import SEARCH_HITS, index_keys
from geo.address_index import AddressIndex, Divisions, leading_number
from geo.addresses import Address, parse_address

MAX_CANDIDATES = 5_000
"""Buildings on one road or in one place whose addresses are compared."""

MAX_NEAR = 200
"""Of those whose numbers stand in digits, the nearest ones, whose addresses are compared."""

MIN_NAME = 2
"""Characters of the name of a road or a place."""

EXACT, NEAR = 0, 3
"""Ranks of hits."""

_CANDIDATES = text("""
SELECT code, address, name FROM published.building
WHERE signs_of(name || ' ' || address) @> CAST(:signs AS text[])
    AND name || ' ' || address ILIKE ALL (CAST(:patterns AS text[])) LIMIT :limit
""")

# Parsing an address takes longer than reading it: records with other numbers are left out, save
# those that spell their number in another way. ``first`` and ``second`` are the numbers behind
# the name.
_NEAR_CANDIDATES = text("""
WITH candidate AS (
    SELECT code, address, name,
        CAST(numbers[1] AS bigint) AS first, coalesce(CAST(numbers[2] AS bigint), 0) AS second
    FROM published.building
    LEFT JOIN LATERAL regexp_match(name || ' ' || address, :after_name) AS numbers ON true
    WHERE signs_of(name || ' ' || address) @> CAST(:signs AS text[])
        AND name || ' ' || address ILIKE ALL (CAST(:patterns AS text[])) LIMIT :limit
)
(SELECT code, address, name FROM candidate WHERE first IS NULL)
UNION ALL
(SELECT code, address, name FROM candidate WHERE first IS NOT NULL
ORDER BY coalesce(abs(first - CAST(:first AS bigint)), 0), abs(second - :second), code
LIMIT :max_near)
""")

_COMMUNITIES = text("""
SELECT b.code, r.code AS region FROM published.building b JOIN region r
    ON r.level = 'community' AND ST_Intersects(r.geom, ST_PointOnSurface(b.geom))
WHERE b.code = ANY (:codes)
""")

_BUILDINGS = """
WITH best AS (
    SELECT 'building' AS kind, code, name, address, 0 AS rank FROM published.building
    WHERE code = ANY (:codes)
)
"""
_HITS = text(_BUILDINGS + SEARCH_HITS)


@dataclass(frozen=True)
class AddressHits:
    """The buildings that an address names, or those nearest to it.

    Attributes
    ----------
    rows
        Hits of ``search_hits.sql`` with ``exact``, and with ``number`` where numbers are listed.
    address
        The parts of the address.
    """

    rows: Sequence[Mapping[str, Any]]
    address: Address


def search_address(connection: Connection, query: str, limit: int) -> AddressHits | None:
    """Return the buildings of an address; None where the query is no address on record.

    Where no building has exactly the address, those with the nearest numbers are returned.
    """
    address = parse_address(query)
    if not _has_base_and_number(address):
        return None
    numbers = [number for number in (address.number, address.building) if number.isdigit()]
    match = _index_of(connection, address, numbers).find(query)
    if not match.exact:  # records that spell the numbers otherwise, and the neighbours
        match = _near_index(connection, address).find(query)
    exact = _in_named_divisions(connection, address, match.exact)
    codes = exact or match.exact or match.nearest
    if not codes:
        return None
    rows = _read_hits(connection, codes[:limit])
    rank = EXACT if exact else NEAR
    return AddressHits([row | {"exact": bool(exact), "rank": rank} for row in rows], address)


def list_street_numbers(connection: Connection, road: str, limit: int) -> AddressHits:
    """Return one building for each number of a road, in the order of the numbers."""
    address = Address(road=road)
    numbers = _index_of(connection, address, []).numbers_on(road)[:limit]
    rows = _read_hits(connection, [code for _, code in numbers])
    number_of = {code: number for number, code in numbers}
    listed = [
        row | {"exact": False, "rank": NEAR, "number": number_of[row["code"]]} for row in rows
    ]
    return AddressHits(listed, address)


def _has_base_and_number(address: Address) -> bool:
    numbers = address.number + address.building + address.rest
    return bool(address.road or address.place) and bool(re.search(r"[\dA-Z]", numbers))


def _index_of(connection: Connection, address: Address, numbers: Sequence[str]) -> AddressIndex:
    """Return the buildings on the road or in the place of an address, by their addresses."""
    buildings: dict[str, tuple[str, str, str]] = {}
    for base in (address.road, address.place):
        if name := _name_of(base):
            buildings |= _read_candidates(connection, _CANDIDATES, [name, *numbers], {})
    return AddressIndex(buildings.values())


def _near_index(connection: Connection, address: Address) -> AddressIndex:
    """Return the buildings with the nearest numbers on the road or in the place of an address."""
    buildings: dict[str, tuple[str, str, str]] = {}
    bases = (
        (address.road, address.number, address.building),
        (address.place, address.building, ""),
    )
    for base, first, second in bases:
        if name := _name_of(base):
            near = {
                "after_name": rf"{re.escape(name)}(\d{{1,9}})(?:\D+(\d{{1,9}}))?",
                "first": leading_number(first) if first else None,
                "second": leading_number(second),
                "max_near": MAX_NEAR,
            }
            buildings |= _read_candidates(connection, _NEAR_CANDIDATES, [name], near)
    return AddressIndex(buildings.values())


def _name_of(base: str) -> str:
    """Return the name in a road or a place, without numbers, which may be spelt otherwise."""
    name = max(re.split(r"[\dA-Z·]+", base), key=len)
    return name if len(name) >= MIN_NAME else ""


def _read_candidates(
    connection: Connection, query: TextClause, parts: list[str], more: Mapping[str, Any]
) -> dict[str, tuple[str, str, str]]:
    """Return code, address and name of the buildings that contain all parts, by code."""
    signs, patterns = index_keys("".join(parts)), [f"%{part}%" for part in parts]
    parameters = {"signs": signs, "patterns": patterns, "limit": MAX_CANDIDATES, **more}
    rows = connection.execute(query, parameters)
    return {row.code: (row.code, row.address, row.name) for row in rows}


def _in_named_divisions(
    connection: Connection, address: Address, codes: Sequence[str]
) -> Sequence[str]:
    """Return the buildings that no named division contradicts."""
    if not (address.regions and codes):
        return codes
    rows = connection.execute(_COMMUNITIES, {"codes": list(codes)})
    communities = {row.code: row.region for row in rows}
    named = connection.execute(text("SELECT code, name FROM region"))
    divisions = Divisions((row.code, row.name) for row in named)
    return [code for code in codes if divisions.agree(address, communities.get(code))]


def _read_hits(connection: Connection, codes: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is shown of buildings, in the order of their codes."""
    rows = connection.execute(_HITS, {"codes": list(codes)}).mappings()
    by_code = {row["code"]: dict(row) for row in rows}
    return [by_code[code] for code in codes if code in by_code]
