"""Counts of the register, from the views of ``geo/db/register_views.sql``."""

from sqlalchemy import Connection, text

_OF_REGION = text(
    "SELECT dwellings, residents, entities FROM published.register_by_region WHERE code = :code"
)


def counts_of_region(connection: Connection, code: str) -> dict[str, int]:
    """Return ``dwellings``, ``residents`` and ``entities`` of a region; 0 where nothing is known.

    Parameters
    ----------
    code
        12 digits.
    """
    row = connection.execute(_OF_REGION, {"code": code}).mappings().first()
    return {name: int(count or 0) for name, count in (row or {}).items()}
