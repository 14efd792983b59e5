"""Characters that no installed font can draw, which PDF files show by their number."""

import unicodedata
import warnings
from functools import cache, lru_cache

from PIL import ImageFont
from typst import Fonts

from geo.errors import GridatlasWarning
from geo.messages import text

_SIZE_PX = 16
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
    numbers = {character: f"[U+{ord(character):04X}]" for character in missing}
    listed = ", ".join(f"{character} {number}" for character, number in numbers.items())
    warnings.warn(text("paper.glyphs_missing", characters=listed), GridatlasWarning, 2)
    return content.translate(str.maketrans(numbers))


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
    files = dict.fromkeys((font.path, font.index) for font in system_fonts().fonts())
    order = sorted(files, key=lambda file: "CJK" not in str(file[0]))
    return [
        ImageFont.truetype(path, _SIZE_PX, index=index, layout_engine=ImageFont.Layout.BASIC)
        for path, index in order
    ]
