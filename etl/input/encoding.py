"""Detect the encoding of a file from all of its texts, and decode each text by itself.

A text is judged by validity first: hardly any GBK text is valid UTF-8 with characters of three
bytes, and the reverse gives rare characters. Short texts are valid in both (住宅 in GBK is two
Hebrew letters in UTF-8): there the reading with common Chinese characters is taken.
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

from geo.errors import InputError

UTF8, GB18030, BIG5 = "UTF-8", "GB18030", "BIG5"
_CHINESE = (GB18030, BIG5)
_MIN_COMMON = 0.5
_JUDGED_BYTES = 1_000_000
_UTF16_SAMPLE_BYTES = 4096
_SHOWN_BYTES = 20
_MIN_ZERO_SHARE = 0.05

_COMMON_LEAD_BYTES = {"gb2312": (0xA1, 0xA3, 0xB0, 0xD7), "big5": (0xA1, 0xA3, 0xA4, 0xC6)}
"""Signs, and the characters that make up 99.9 % of written Chinese: the first plane of GB 2312
(3,755 characters) and the frequent ones of Big5 (5,401)."""

_ALIASES = {
    **dict.fromkeys(("936", "GBK", "GB2312", "GB18030", "EUC-CN", "HZ-GB-2312"), GB18030),
    **dict.fromkeys(("950", "BIG5", "BIG-5", "BIG5-HKSCS"), BIG5),
    **dict.fromkeys(("65001", "UTF8", "UTF-8", "UTF-8-SIG"), UTF8),
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_LONG_CHARACTER = re.compile("[^\x00-\u07ff]")
_ACCENTED_WORD = re.compile(r"[a-z][^\x00-\x7f]|[^\x00-\x7f][a-z]")
"""What an accented letter of a Latin encoding becomes when it is read as GB18030."""

_SINGLE_SIGNS = frozenset("°²³×±µμΦφΩΔαβ§ØøÅå")
"""Signs of two bytes in UTF-8 that stand alone between digits and ASCII letters."""

_NEWER_CHARACTERS = str.maketrans(
    "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
    "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
)
"""Private-use code points of GB 18030-2000, by those of the edition of 2005."""


def normalize_encoding(name: str) -> str:
    """Return the name of an encoding as this module writes it."""
    plain = name.strip().upper().removeprefix("ANSI ").removeprefix("CP").removeprefix("MS")
    return _ALIASES.get(plain, name.strip().upper())


def unicode_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark or the zero bytes of UTF-16 show.

    Parameters
    ----------
    head
        The first bytes of a file.

    Returns
    -------
    str or None
        Name of a Python codec; None if neither is there.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    sample = head[: _UTF16_SAMPLE_BYTES & ~1]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) < max(_MIN_ZERO_SHARE * len(sample), 1) or min(even, odd) * 10 > max(
        even, odd
    ):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def detect_encoding(texts: Iterable[bytes], declared: str = "") -> str:
    """Return the encoding of the texts of a file.

    Parameters
    ----------
    texts
        The texts, each from its first to its last character; those in ASCII decide nothing.
    declared
        Encoding that the file declares, which decides where the texts fit several.

    Returns
    -------
    str
        UTF-8, GB18030, Big5 or the declared encoding. Where texts are in several encodings, that
        of the majority.

    Raises
    ------
    InputError
        If the texts are in none of these.
    """
    votes: Counter[str] = Counter()
    others: list[bytes] = []
    for text in texts:
        if text.isascii():
            continue
        kind = _classify(text)
        votes[kind] += 1
        if kind != UTF8:
            others.append(text)
    if not votes:
        return UTF8
    declared = normalize_encoding(declared) if declared else ""
    if votes[UTF8] and votes[UTF8] >= votes[GB18030] + votes["unknown"]:
        return UTF8
    if votes[GB18030] or votes["unknown"]:
        return _detect_multibyte(others, declared)
    if votes["chinese"]:
        return GB18030
    return declared if declared and _is_decodable(others, declared) else UTF8


def _classify(text: bytes) -> str:
    """Return the encoding that a text must be in, or how it can be read in several."""
    utf8 = _decode_complete(text, UTF8)
    if utf8 is not None:
        if _has_long_characters(utf8):
            is_cut = len(utf8.encode()) < len(text)
            return GB18030 if is_cut and _share_common(text, GB18030) > _MIN_COMMON else UTF8
        if len(utf8.encode()) == len(text):
            return "chinese" if _is_chinese_in_disguise(text, utf8) else "latin"
    gb18030 = _decode_complete(text, GB18030)
    return "unknown" if gb18030 is None else GB18030


def _detect_multibyte(texts: list[bytes], declared: str) -> str:
    """Return the encoding of texts that are no UTF-8.

    Raises
    ------
    InputError
        If they are no Chinese, and no encoding is declared that they can be in.
    """
    joined = b"\n".join(texts)[:_JUDGED_BYTES]
    common = {name: _share_common(joined, name) for name in _CHINESE}
    best = max(_CHINESE, key=lambda name: (_is_decodable(texts, name), common[name]))
    is_declared = declared not in ("", UTF8) and _is_decodable(texts, declared)
    is_likely = not _has_one_byte(declared) or common[best] == 0
    if is_declared and declared not in _CHINESE and is_likely:
        return declared
    if common[best] >= _MIN_COMMON:
        return best
    if is_declared:
        return declared
    if common[GB18030] > 0 or all(_is_rare_chinese(text) for text in texts):
        return GB18030
    raise InputError("encoding_unclear", value=ascii(texts[0][:_SHOWN_BYTES])[2:-1])


def _has_one_byte(encoding: str) -> bool:
    """Return whether an encoding has one byte a character, so that every text can be in it."""
    try:
        return len(bytes(range(128, 256)).decode(encoding, "replace")) == 128
    except (LookupError, UnicodeError):
        return False


def _is_rare_chinese(text: bytes) -> bool:
    """Return whether a text without common characters is one of rare ones in GB18030."""
    plain = _decode_whole(text, GB18030)
    if plain is None or _ACCENTED_WORD.search(plain):
        return False
    return all(char.isascii() or unicodedata.name(char, "").startswith("CJK") for char in plain)


def _is_decodable(texts: list[bytes], encoding: str) -> bool:
    try:
        return all(_decode_complete(text, encoding) is not None for text in texts)
    except (LookupError, UnicodeError):
        return False


def _decode_complete(text: bytes, encoding: str) -> str | None:
    """Return a text without a cut last character, None if it is not in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        return decoder.decode(text)
    except UnicodeDecodeError:
        return None


def decode_text(text: bytes, encoding: str) -> tuple[str, str]:
    """Decode a text of a file, and say whether it is in the encoding of the file.

    Returns
    -------
    tuple of str
        The text, and an empty string; or ``cut`` if its last character was cut off and is left
        out; the name of the other encoding that it is in; or ``invalid`` if it is in none and has
        U+FFFD where it can't be decoded.
    """
    if encoding == UTF8 and (plain := _decode_whole(text, UTF8)) and _has_long_characters(plain):
        return plain, ""
    complete = _decode_complete(text, encoding)
    other = _other_encoding(text, encoding, complete)
    if other:
        return _modernize(text.decode(other)), other
    if complete is None:
        return text.decode(encoding, "replace"), "invalid"
    is_cut = _decode_whole(text, encoding) is None
    return _modernize(complete), "cut" if is_cut else ""


def _decode_whole(text: bytes, encoding: str) -> str | None:
    """Return a text, None if it is not in an encoding or its last character is cut off."""
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        return None


def _has_long_characters(text: str) -> bool:
    """Return whether a text has characters of three or more bytes in UTF-8, as Chinese has."""
    return _LONG_CHARACTER.search(text) is not None


def _other_encoding(text: bytes, encoding: str, decoded: str | None) -> str:
    """Return the encoding that a text is in instead of that of its file, or an empty string."""
    if encoding in _CHINESE:
        utf8 = _decode_whole(text, UTF8)
        return UTF8 if utf8 is not None and _has_long_characters(utf8) else ""
    if encoding != UTF8 or _decode_whole(text, GB18030) is None:
        return ""
    if decoded is None or _decode_whole(text, UTF8) is None:
        return GB18030 if _share_common(text, GB18030) > _MIN_COMMON else ""
    return GB18030 if _is_chinese_in_disguise(text, decoded) else ""


def _is_chinese_in_disguise(text: bytes, utf8: str) -> bool:
    """Return whether a text that is valid UTF-8 is rather a Chinese one in GBK."""
    if _has_long_characters(utf8) or _share_common(text, GB18030) < 1:
        return False
    return any(
        len(run[0]) > 1 or not _is_single_sign(utf8, run.start())
        for run in re.finditer(r"[^\x00-\x7f]+", utf8)
    )


def _is_single_sign(text: str, index: int) -> bool:
    """Return whether a character is a usual sign, or a letter within a word of ASCII letters."""
    if text[index] in _SINGLE_SIGNS:
        return True
    neighbours = text[max(index - 1, 0) : index] + text[index + 1 : index + 2]
    if text[index] == "·":
        return len(neighbours) == 2 and neighbours.isalnum()
    is_in_word = any(char.isascii() and char.isalpha() and char.islower() for char in neighbours)
    return "À" <= text[index] <= "ÿ" and is_in_word


def _share_common(text: bytes, encoding: str) -> float:
    """Return the share of common characters among those of a text that are not ASCII."""
    table = "big5" if encoding == BIG5 else "gb2312"
    characters = [char for char in text.decode(encoding, "replace") if char > "\x7f"]
    return sum(_is_common(char, table) for char in characters) / max(len(characters), 1)


@cache
def _is_common(character: str, table: str) -> bool:
    try:
        lead = character.encode(table)[0]
    except UnicodeEncodeError:
        return False
    ranges = _COMMON_LEAD_BYTES[table]
    return ranges[0] <= lead <= ranges[1] or ranges[2] <= lead <= ranges[3]


def _modernize(text: str) -> str:
    return text if text.isascii() else text.translate(_NEWER_CHARACTERS)


def decode_document(content: bytes) -> str:
    """Return the text of a small file, with a byte order mark or without, in any encoding known.

    Raises
    ------
    UnicodeDecodeError
        If its texts are in several encodings or in none.
    """
    encoding = unicode_encoding(content[:_UTF16_SAMPLE_BYTES])
    if encoding is None:
        detected = detect_encoding(split_texts(content))
        encoding = detected if detected in (UTF8, GB18030) else UTF8
    return content.decode(encoding).lstrip("\ufeff")


def split_texts(content: bytes) -> list[bytes]:
    """Return the texts with characters beyond ASCII between line breaks and delimiters."""
    return re.findall(rb'[^\r\n\t,;:"]*[\x80-\xff][^\r\n\t,;:"]*', content)
