"""Replacement of characters that no installed font can draw by their Unicode numbers."""

import unicodedata
import warnings
from contextlib import suppress
from functools import cache, lru_cache

from PIL import ImageFont
from typst import Fonts

from geo.errors import GridatlasWarning
from geo.messages import text

_SIZES_PX = (16, 109)
"""Sizes to draw a font in: coloured emoji are pictures of the second size alone."""

_NONCHARACTER = "\U0010fffe"
"""A code point that no font has: fonts draw the box for missing characters instead."""

_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}
"""Unicode categories of control characters, joiners and spaces, which need no glyph."""


@cache
def system_fonts() -> Fonts:
    """Return the fonts that are installed in the system, without those of typst."""
    return Fonts(include_system_fonts=True, include_embedded_fonts=False)


def replace_undrawable(content: str) -> str:
    """Return a text with ``[U+2A70E]`` for each character that no installed font has.

    Otherwise a font draws a box, from which nobody sees which character is missing. A warning lists
    the replaced characters.
    """
    missing = sorted(character for character in set(content) if not is_drawable(character))
    if not missing:
        return content
    numbers = {ord(character): f"[U+{ord(character):04X}]" for character in missing}
    listed = ", ".join(f"{chr(code)} {number}" for code, number in numbers.items())
    warnings.warn(text("paper.glyphs_missing", characters=listed), GridatlasWarning, 2)
    return content.translate(numbers)


@lru_cache(maxsize=65_536)
def is_drawable(character: str) -> bool:
    """Return whether an installed font has a character, or the character is invisible."""
    is_selector = character in "\ufe0e\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    if is_selector or unicodedata.category(character) in _INVISIBLE:
        return True
    return any(
        _rasterize(font, character) != _rasterize(font, _NONCHARACTER) for font in _load_fonts()
    )


def _rasterize(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@cache
def _load_fonts() -> list[ImageFont.FreeTypeFont]:
    """Return the installed fonts; CJK fonts first, since they have most of the characters."""
    fonts = system_fonts().fonts()
    files = dict.fromkeys((font.path, font.index) for font in fonts if font.path is not None)
    order = sorted(files, key=lambda file: "CJK" not in str(file[0]))
    faces = (_open_face(path, index) for path, index in order)
    return [face for face in faces if face is not None]


def _open_face(path: str, index: int) -> ImageFont.FreeTypeFont | None:
    """Return a font, None if it can't be drawn: others are installed beside it."""
    for size in _SIZES_PX:
        with suppress(OSError):
            return ImageFont.truetype(path, size, index, layout_engine=ImageFont.Layout.BASIC)
    return None
