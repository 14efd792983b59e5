"""Division codes: 2 digits province, 2 city, 2 district, 3 street, 3 community (GB/T 10114)."""

from geo.model.region import Level

DIGITS = {Level.CITY: 4, Level.DISTRICT: 6, Level.STREET: 9, Level.COMMUNITY: 12}
"""How many digits of its code a division shares with all its parts."""


def stem(code: str) -> str:
    """Return the digits that a division's parts begin with; digits short of 12 stay.

    >>> stem("420602000000")
    '420602'
    """
    if len(code) == 12:
        for digits in DIGITS.values():
            if not code[digits:].strip("0"):
                return code[:digits]
    return code
