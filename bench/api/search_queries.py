"""Questions as people type them, made from the city's own names, addresses and codes."""

import random
import re
from urllib.parse import quote

from sqlalchemy import text

from geo import db

_ROWS = text(
    "SELECT code, name, address FROM building WHERE address <> '' ORDER BY md5(code) LIMIT 100"
)


def search_paths() -> dict[str, list[str]]:
    """Return addresses of ``/search`` by what is asked for."""
    chance = random.Random(1)
    with db.get_engine().connect() as connection:
        rows = connection.execute(_ROWS).all()
    addresses = [row.address for row in rows]
    asked = {
        "addresses": addresses,
        "parts of addresses": [address[: max(4, len(address) // 2)] for address in addresses],
        "misordered addresses": [_misordered(address, chance) for address in addresses],
        "names": [row.name for row in rows if row.name],
        "codes": [row.code for row in rows] + [row.code[-8:] for row in rows],
    }
    return {kind: [f"/search?q={quote(q)}" for q in found] for kind, found in asked.items()}


def _misordered(address: str, chance: random.Random) -> str:
    """Return an address with its parts in another order; numbers keep what they count."""
    parts = re.findall(r"\d+\D|[^\d]{2,}?(?=\d|$)|\D", address)
    chance.shuffle(parts)
    return "".join(parts)
