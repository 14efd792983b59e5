"""Characters that no installed font can draw, which PDF files show by their number."""

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
"""No font has it: it is drawn as the box that stands for missing characters."""

_NEVER_DRAWN = {"Cc", "Cf", "Zs", "Zl", "Zp"}
"""Unicode categories of controls, joiners and blanks."""


@cache
def system_fonts() -> Fonts:
    """Return the fonts of the system."""
    return Fonts(include_system_fonts=True, include_embedded_fonts=False)


def replace_undrawable(content: str) -> str:
    """Return a text with ``[U+2A70E]`` for each character that no installed font has.

    A font would draw a box for each, from which nobody sees what is missing. A warning lists them.
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
    """Return whether an installed font has a character, or nothing is drawn for it."""
    is_selector = character in "\ufe0e\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    if is_selector or unicodedata.category(character) in _NEVER_DRAWN:
        return True
    return any(_draw(font, character) != _draw(font, _NONCHARACTER) for font in _faces())


def _draw(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@cache
def _faces() -> list[ImageFont.FreeTypeFont]:
    """Return the installed fonts; those of most characters first."""
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
