"""The city's names, and the ways in which a question for one can be read.

Buildings, facilities, roads and compounds are found by an index of the signs in their names and
addresses (``signs_of`` in the database). So one sign of Chinese finds as quickly as a whole
address, and signs in any order as quickly as in the right one.
All of it is what anyone may see; the rows are read under the caller's role all the same.
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
"""Words of a question that are looked for; all must be there."""

MOST_PIECES, MOST_SIGNS = 12, 24
MIN_SHARE = 0.7
"""Of the question's signs that a name or address must hold to fit in part."""

MAX_COMBINATIONS = 40
"""Ways to leave signs out that are looked up in the index, each by itself."""

MAX_RANKED = 1_000
"""Things of a kind that are ranked: a question that fits more says too little to rank them all."""

CODE = re.compile(r"[0-9a-z_-]{3,}")
CODE_PART = re.compile(r"[0-9a-z]{5,}")
"""What may stand in the middle of a code; a house has a shorter number."""

_FOUND = text(Path(__file__).with_name("name_search.sql").read_text(encoding="utf-8"))
"""What a reading of a question finds, with its place and the grid in force there."""

_APART = "\x1f"
"""Between the signs of a way: nobody types it."""


@dataclass(frozen=True)
class Interpretation:
    """A way to read a question.

    Attributes
    ----------
    words
        All must be there as they are.
    signs
        Must be there in any order, save ``spared`` of them.
    through
        Whether every row is looked at, its code too, instead of the index.
    """

    words: tuple[str, ...]
    signs: tuple[str, ...] = ()
    spared: int = 0
    through: bool = False

    def parameters(self, kind: str, limit: int) -> dict[str, Any]:
        """Return the parameters of the query; of all kinds where none is given."""
        whole = " ".join(self.words)
        lower = whole.lower()
        given: dict[str, Any] = dict.fromkeys(("begins", "code_begins", "code_ends", "code_holds"))
        if not self.signs:
            given["begins"] = f"{_plain(whole)}%"
        if not self.signs and CODE.fullmatch(lower):
            given["code_begins"] = f"{_plain(lower)}%"
            given["code_ends"] = f"{_plain(lower[::-1])}%"
            given["code_holds"] = f"%{_plain(lower)}%"
        return given | {
            "kind": kind,
            "limit": limit,
            "seen": MAX_RANKED,
            "whole": whole,
            "holds": f"%{_plain(whole)}%",
            "patterns": [f"%{_plain(word)}%" for word in self.words],
            "ways": [] if self.through else list(self._ways()),
            "through": self.through,
            "signs": list(self.signs),
            "least": len(self.signs) - self.spared,
        }

    def _ways(self) -> Iterator[str]:
        """Yield what the index must hold of a name, in one way or another."""
        keys = [key for word in self.words for key in index_keys(word)]
        for signs in combinations(self.signs, len(self.signs) - self.spared):
            yield _APART.join(dict.fromkeys([*keys, *signs]))


def _plain(said: str) -> str:
    """Return what stands for itself in a pattern."""
    return re.sub(r"([%_\\])", r"\\\1", said)


def index_keys(word: str) -> list[str]:
    """Return the signs of a word, as the index holds them.

    >>> signs_of("长虹路")
    ['长', '虹', '路']
    """
    return list(word.lower())


def split_runs(question: str) -> list[str]:
    """Return the runs of digits, of Latin letters and of other signs, half-width.

    >>> pieces("胜利街１２号 3单元")
    ['胜利街', '12', '号', '3', '单元']
    """
    plain = unicodedata.normalize("NFKC", question).lower()
    return re.findall(r"[0-9]+|[a-z]+|[^\W0-9a-z_]+", plain)


def search_names(
    connection: Connection, question: str, kind: str, limit: int
) -> Sequence[RowMapping]:
    """Return what the strictest reading of a question that finds anything finds, the best first."""
    for reading in interpretations(question):
        rows = connection.execute(_FOUND, reading.parameters(kind, limit)).mappings().all()
        if rows:
            return rows
    return []


def interpretations(question: str) -> Iterator[Interpretation]:
    """Yield ways to read a question, the strictest first."""
    words = tuple(question.split()[:MAX_WORDS])
    yield Interpretation(words)
    if set(question) & set("_%\\"):  # signs that nobody types by mistake
        return
    runs = split_runs(question)[:MOST_PIECES]
    if runs and tuple(runs) != words:
        yield Interpretation(tuple(runs))
    yield from _unordered_readings(runs)
    if any(CODE_PART.search(word.lower()) for word in words):
        yield Interpretation(words, through=True)
        yield Interpretation(tuple(runs), through=True)


def _unordered_readings(runs: list[str]) -> Iterator[Interpretation]:
    """Yield readings in which every number is there, and the signs in any order: all, or most."""
    numbers = tuple(run for run in runs if run.isdigit())
    signs = dict.fromkeys(sign for run in runs if not run.isdigit() for sign in run)
    known = tuple(signs)[:MOST_SIGNS]
    if len(known) < 2:
        return
    yield Interpretation(numbers, known)
    most = len(known) - math.ceil(MIN_SHARE * len(known))
    ways = (
        spared for spared in range(most, 0, -1) if math.comb(len(known), spared) <= MAX_COMBINATIONS
    )
    spared = next(ways, 0)
    if spared:
        yield Interpretation(numbers, known, spared)
    if spared < most:
        yield Interpretation(numbers, known, most, through=True)
