"""Search of names by pinyin: syllables, initials, or both mixed, as an input method reads them."""

import os
import re
from functools import lru_cache

from sqlalchemy import Connection, text

# Readings of phrases would take 45 MB in each worker. A search accepts every reading of a
# character, so it needs none of them.
os.environ["PYPINYIN_NO_PHRASES"] = "1"

from pypinyin import Style, pinyin

MIN_LETTERS = 2
MAX_NAMES = 5
"""Names that a query in pinyin may stand for."""

_NAMES = text("""
SELECT DISTINCT name FROM (
    SELECT name FROM road UNION ALL SELECT name FROM compound UNION ALL SELECT name FROM facility
    UNION ALL SELECT name FROM region WHERE geom IS NOT NULL
) named WHERE name <> ''
""")

_NOT_HAN = re.compile("[^\u4e00-\u9fff]")

_QUERY = re.compile(r"(?P<letters>[a-z][a-z' ]*)(?P<numbers>\d.*)?")


def split_pinyin(query: str) -> tuple[str, str] | None:
    """Return the letters of a query in pinyin and the numbers behind them; None for others.

    >>> split_pinyin("zhongyuan lu 81号")
    ('zhongyuanlu', '81号')
    """
    found = _QUERY.fullmatch(query.strip().lower())
    if found is None:
        return None
    letters = re.sub(r"[' ]", "", found["letters"])
    return (letters, found["numbers"] or "") if len(letters) >= MIN_LETTERS else None


def find_names(connection: Connection, letters: str) -> list[str]:
    """Return the names that letters stand for, complete ones first, then the shortest."""
    matches = []
    for name in connection.scalars(_NAMES):
        matched = count_matched_syllables(letters, name)
        if matched:
            matches.append((matched < len(name), len(name), name))
    return [name for _, _, name in sorted(matches)[:MAX_NAMES]]


def count_matched_syllables(letters: str, name: str) -> int:
    """Return how many characters of a name letters stand for, from its first one on; 0 for none.

    >>> count_matched_syllables("zyl", "中原路"), count_matched_syllables("zhongy", "中原路")
    (3, 2)
    """
    positions = {0}
    for count, syllables in enumerate(_syllables(name), start=1):
        rest = {letters[position:] for position in positions}
        if any(syllable.startswith(part) for syllable in syllables for part in rest):
            return count  # the last syllable may be begun only
        positions = {
            position + length
            for position in positions
            for syllable in syllables
            for length in {1, len(syllable)}
            if letters.startswith(syllable[:length], position)
        }
        if not positions:
            return 0
    return 0


@lru_cache(maxsize=65_536)
def _syllables(name: str) -> tuple[frozenset[str], ...]:
    """Return the readings of each Chinese character of a name; ü is written v."""
    readings = pinyin(_NOT_HAN.sub("", name), style=Style.NORMAL, heteronym=True)
    return tuple(frozenset(reading.lower() for reading in of_sign) for of_sign in readings)
