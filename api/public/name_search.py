"""Search of names, addresses and codes, from exact matches to partial ones.

An inverted index of the characters in names and addresses (``signs_of`` in the database) finds
buildings, facilities, roads and compounds, so that one Chinese character is found as fast as a
whole address, in any order. Everything searched is public; the query still runs under the
caller's role.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping, text

MAX_WORDS = 5
"""Words of a query that are searched; all must match."""

MAX_RUNS, MAX_CHARACTERS = 12, 24
MIN_SHARE = 0.7
"""Share of the query's characters that a partial match must contain."""

MAX_COMBINATIONS = 40
"""Combinations of characters to leave out that are looked up in the index, one by one."""

MAX_RANKED = 1_000
"""Matches of a kind that are ranked: a query with more is too vague for a useful order."""

CODE = re.compile(r"[0-9a-z_-]{3,}")
CODE_PART = re.compile(r"[0-9a-z]{5,}")
"""Text that may stand inside a code; house numbers are shorter."""

SEARCH_HITS = Path(__file__).with_name("search_hits.sql").read_text(encoding="utf-8")
"""Query of what is shown of the features of a common table expression ``best``."""

_SEARCH = text(Path(__file__).with_name("name_search.sql").read_text("utf-8") + SEARCH_HITS)

_SEPARATOR = "\x1f"
"""Between the characters of a combination; not part of any name."""


@dataclass(frozen=True)
class Interpretation:
    """A way to interpret a query.

    Attributes
    ----------
    words
        Texts that must all occur unchanged.
    characters
        Characters that must occur in any order, except ``omitted`` of them.
    omitted
        Number of characters that may be absent.
    scan
        Whether to scan every row, codes included, instead of using the index.
    """

    words: tuple[str, ...]
    characters: tuple[str, ...] = ()
    omitted: int = 0
    scan: bool = False

    def parameters(self, kind: str, limit: int) -> dict[str, Any]:
        """Return the parameters of ``name_search.sql``; an empty kind means all kinds."""
        query = " ".join(self.words)
        lower = query.lower()
        prefixes: dict[str, Any] = dict.fromkeys(
            ("begins", "code_begins", "code_ends", "code_holds")
        )
        if not self.characters:
            prefixes["begins"] = f"{_escape_like(query)}%"
        if not self.characters and CODE.fullmatch(lower):
            prefixes["code_begins"] = f"{_escape_like(lower)}%"
            prefixes["code_ends"] = f"{_escape_like(lower[::-1])}%"
            prefixes["code_holds"] = f"%{_escape_like(lower)}%"
        return prefixes | {
            "kind": kind,
            "limit": limit,
            "max_ranked": MAX_RANKED,
            "query": query,
            "holds": f"%{_escape_like(query)}%",
            "patterns": [f"%{_escape_like(word)}%" for word in self.words],
            "combinations": [] if self.scan else list(self._combinations()),
            "scan": self.scan,
            "characters": list(self.characters),
            "min_characters": len(self.characters) - self.omitted,
        }

    def _combinations(self) -> Iterator[str]:
        """Yield the sets of characters of which the index must contain one."""
        keys = [key for word in self.words for key in index_keys(word)]
        for characters in combinations(self.characters, len(self.characters) - self.omitted):
            yield _SEPARATOR.join(dict.fromkeys([*keys, *characters]))


def _escape_like(literal: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", literal)


def index_keys(word: str) -> list[str]:
    """Return the characters of a word as the index holds them.

    >>> index_keys("长虹路")
    ['长', '虹', '路']
    """
    return list(word.lower())


def split_runs(query: str) -> list[str]:
    """Return the runs of digits, of Latin letters and of other characters, in half width.

    >>> split_runs("胜利街１２号 3单元")
    ['胜利街', '12', '号', '3', '单元']
    """
    plain = unicodedata.normalize("NFKC", query).lower()
    return re.findall(r"[0-9]+|[a-z]+|[^\W0-9a-z_]+", plain)


def search_names(connection: Connection, query: str, kind: str, limit: int) -> Sequence[RowMapping]:
    """Return the matches of the strictest interpretation that has any, the best first."""
    for interpretation in interpretations(query):
        parameters = interpretation.parameters(kind, limit)
        rows = connection.execute(_SEARCH, parameters).mappings().all()
        if rows:
            return rows
    return []


def search_exact_name(connection: Connection, name: str, kind: str, limit: int) -> list[RowMapping]:
    """Return the places of exactly this name: one query, where a text may take several."""
    parameters = Interpretation(tuple(name.split()[:MAX_WORDS])).parameters(kind, limit)
    rows = connection.execute(_SEARCH, parameters).mappings().all()
    return [row for row in rows if row["name"] == name]


def interpretations(query: str) -> Iterator[Interpretation]:
    """Yield ways to interpret a query, the strictest first."""
    words = tuple(query.split()[:MAX_WORDS])
    yield Interpretation(words)
    if set(query) & set("_%\\"):  # characters that nobody types by mistake
        return
    runs = split_runs(query)[:MAX_RUNS]
    if runs and tuple(runs) != words:
        yield Interpretation(tuple(runs))
    yield from _unordered_interpretations(runs)
    if any(CODE_PART.search(word.lower()) for word in words):
        yield Interpretation(words, scan=True)
        yield Interpretation(tuple(runs), scan=True)


def _unordered_interpretations(runs: list[str]) -> Iterator[Interpretation]:
    """Yield interpretations with every number, and all or most characters in any order."""
    numbers = tuple(run for run in runs if run.isdigit())
    distinct = dict.fromkeys(char for run in runs if not run.isdigit() for char in run)
    characters = tuple(distinct)[:MAX_CHARACTERS]
    count = len(characters)
    if count < 2:
        return
    yield Interpretation(numbers, characters)
    most = count - math.ceil(MIN_SHARE * count)
    indexed = (n for n in range(most, 0, -1) if math.comb(count, n) <= MAX_COMBINATIONS)
    omitted = next(indexed, 0)
    if omitted:
        yield Interpretation(numbers, characters, omitted)
    if omitted < most:
        yield Interpretation(numbers, characters, most, scan=True)
