"""Search queries as users type them, generated from the city's names, addresses and codes."""

import random
import re
from urllib.parse import quote

from sqlalchemy import text

from geo import db

_ROWS = text(
    "SELECT code, name, address FROM building WHERE address <> '' ORDER BY md5(code) LIMIT 100"
)


def search_paths() -> dict[str, list[str]]:
    """Return paths of ``/search`` by kind of query."""
    rng = random.Random(1)
    with db.get_engine().connect() as connection:
        rows = connection.execute(_ROWS).all()
    addresses = [row.address for row in rows]
    queries = {
        "addresses": addresses,
        "parts of addresses": [address[: max(4, len(address) // 2)] for address in addresses],
        "misordered addresses": [_shuffle_parts(address, rng) for address in addresses],
        "names": [row.name for row in rows if row.name],
        "codes": [row.code for row in rows] + [row.code[-8:] for row in rows],
    }
    return {kind: [f"/search?q={quote(q)}" for q in texts] for kind, texts in queries.items()}


def _shuffle_parts(address: str, rng: random.Random) -> str:
    """Return an address with its parts in random order; numbers keep their unit."""
    parts = re.findall(r"\d+\D|[^\d]{2,}?(?=\d|$)|\D", address)
    rng.shuffle(parts)
    return "".join(parts)
