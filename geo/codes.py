"""Division codes: 2 digits province, 2 city, 2 district, 3 street, 3 community (GB/T 10114)."""

from geo.model.region import Level

DIGITS = {Level.CITY: 4, Level.DISTRICT: 6, Level.STREET: 9, Level.COMMUNITY: 12}
"""Number of digits that the code of a division shares with all its parts."""


def code_prefix(code: str) -> str:
    """Return the digits that the codes of a division's parts begin with; a prefix is unchanged.

    >>> stem("420602000000")
    '420602'
    """
    if len(code) == 12:
        for digits in DIGITS.values():
            if not code[digits:].strip("0"):
                return code[:digits]
    return code


def parent_code(code: str) -> str | None:
    """Return the code of the division above, None for a city."""
    digits = len(code_prefix(code))
    above = [shorter for shorter in DIGITS.values() if shorter < digits]
    return code[: above[-1]].ljust(12, "0") if above else None
