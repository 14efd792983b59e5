"""Texts for people, in Chinese and English, from the catalogues in ``geo/locale``.

A key is ``section.name``; a text may hold ``{fields}`` as in :meth:`str.format`, and
``{count:grid|grids}``, which is the first word where ``count`` is 1 and the second elsewhere.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_PLURAL = re.compile(r"\{(\w+):([^{}|]+)\|([^{}|]+)\}")

_LANGUAGE: ContextVar[Language | None] = ContextVar("language", default=None)


@cache
def catalogue(lang: Language) -> dict[str, str]:
    """Return every text of a language by its key, from ``geo/locale/<lang>/*.toml``."""
    texts: dict[str, str] = {}
    for source in sorted(files("geo").joinpath("locale", lang).iterdir(), key=lambda f: f.name):
        for section, entries in tomllib.loads(source.read_text(encoding="utf-8")).items():
            texts |= {f"{section}.{name}": value for name, value in entries.items()}
    return texts


@contextmanager
def use_language(lang: Language) -> Iterator[None]:
    """Use a language in the block, for example the caller's."""
    before = _LANGUAGE.set(lang)
    try:
        yield
    finally:
        _LANGUAGE.reset(before)


def language() -> Language:
    """Return the current language.

    That of :func:`use_language`, else ``GRIDATLAS_LANG``, else the locale's, else English.
    """
    if lang := _LANGUAGE.get():
        return lang
    for variable in ("GRIDATLAS_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def text(key: str, /, *, lang: Language | None = None, **values: object) -> str:
    """Return the text of a key with its fields filled in.

    Raises
    ------
    KeyError
        If the key is in no catalogue.
    """
    template = catalogue(lang or language())[key]
    return _PLURAL.sub(lambda m: m[2] if str(values[m[1]]) == "1" else m[3], template).format(
        **values
    )
