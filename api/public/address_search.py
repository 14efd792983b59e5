"""Search of buildings by address: exactly the named one, never one with a similar number."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from api.public.name_search import SEARCH_HITS, index_keys
from geo.address_index import AddressIndex, Divisions
from geo.addresses import Address, parse_address

MAX_CANDIDATES = 5_000
"""Buildings on one road or in one place whose addresses are compared."""

EXACT, NEAR = 0, 3
"""Ranks of hits."""

_CANDIDATES = text("""
SELECT code, address, name FROM published.building
WHERE signs_of(name || ' ' || address) @> CAST(:signs AS text[])
    AND name || ' ' || address ILIKE ALL (CAST(:patterns AS text[])) LIMIT :limit
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
        match = _index_of(connection, address, []).find(query)
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
    for base in filter(None, (address.road, address.place)):
        name = max(re.split(r"[\dA-Z·]+", base), key=len)  # numbers may be spelt otherwise
        signs = index_keys("".join([name, *numbers]))
        patterns = [f"%{part}%" for part in (name, *numbers)]
        rows = connection.execute(
            _CANDIDATES, {"signs": signs, "patterns": patterns, "limit": MAX_CANDIDATES}
        )
        buildings |= {row.code: (row.code, row.address, row.name) for row in rows}
    return AddressIndex(buildings.values())


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
