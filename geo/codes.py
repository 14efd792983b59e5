"""Codes of divisions, grids, organisations and citizens.

Division codes: 2 digits province, 2 city, 2 district, 3 street, 3 community (GB/T 10114).
"""

import re
from datetime import date

from geo.model.region import Level

DIGITS = {Level.CITY: 4, Level.DISTRICT: 6, Level.STREET: 9, Level.COMMUNITY: 12}
"""Number of digits that the code of a division shares with all its parts."""


def code_prefix(code: str) -> str:
    """Return the digits that the codes of a division's parts begin with; a prefix is unchanged.

    >>> code_prefix("420602000000")
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


def grid_serial(code: str) -> str:
    """Return the serial number of a grid without leading zeros: 3, not 003."""
    return str(int(code[-3:]))


_CREDIT_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_RESIDENT_CHECKS = "10X98765432"


def is_credit_code(code: str) -> bool:
    """Return whether a text is a unified social credit code with its check digit (GB 32100-2015).

    >>> is_credit_code("91350100M000100Y43"), is_credit_code("91350100M000100Y44")
    (True, False)
    """
    if len(code) != 18 or not set(code) <= set(_CREDIT_SIGNS):
        return False
    return credit_code_check(code[:17]) == code[17]


def credit_code_check(first: str) -> str:
    """Return the check digit of the first 17 signs of a credit code (GB 32100-2015).

    >>> credit_code_check("91350100M000100Y4")
    '3'
    """
    weighted = sum(_CREDIT_SIGNS.index(sign) * pow(3, i, 31) for i, sign in enumerate(first))
    return _CREDIT_SIGNS[-weighted % 31]


def birth_of_resident_id(number: str) -> date | None:
    """Return the date of birth in a citizen identification number (GB 11643), None if it is none.

    A number of 15 digits has no check digit and the last two digits of a year from 1900.
    """
    if re.fullmatch(r"[1-9]\d{14}", number, re.ASCII):
        digits = f"19{number[6:12]}"
    elif re.fullmatch(r"[1-9]\d{16}[\dX]", number, re.ASCII):
        weighted = sum(int(sign) * pow(2, 17 - i, 11) for i, sign in enumerate(number[:17]))
        if _RESIDENT_CHECKS[weighted % 11] != number[17]:
            return None
        digits = number[6:14]
    else:
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
