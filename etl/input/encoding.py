"""Detect the encoding of texts whose file declares none, or a wrong one."""

from pathlib import Path

from charset_normalizer import from_bytes

UTF8, GB18030, BIG5 = "UTF-8", "GB18030", "BIG5"
_SAMPLE_BYTES = 2**20
_MAX_UNDECODABLE = 0.1
_MAX_UNCOMMON = 0.5
_COMMON_LEAD_BYTES = {GB18030: (0xB0, 0xD7), BIG5: (0xA4, 0xC6)}


def dbf_encoding(path: Path) -> str | None:
    """Return the encoding of a shapefile's texts, None for another format.

    The declaration in ``.cpg`` counts if the texts can be decoded with it. It is often missing,
    because it is a file of its own, and most Chinese shapefiles are in GBK.
    """
    table = _sibling(path, ".dbf")
    if path.suffix.lower() != ".shp" or table is None:
        return None
    texts = _read_records(table)
    declared = _read_declaration(path)
    if declared and _is_decodable(texts, declared):
        return declared
    return detect_encoding(texts)


def _sibling(path: Path, suffix: str) -> Path | None:
    for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if candidate.exists():
            return candidate
    return None


def _read_declaration(path: Path) -> str:
    file = _sibling(path, ".cpg")
    if file is None:
        return ""
    name = file.read_bytes()[:40].decode("ascii", "replace").strip().upper()
    aliases = {"936": GB18030, "GBK": GB18030, "GB2312": GB18030, "950": BIG5, "65001": UTF8}
    return aliases.get(name.removeprefix("ANSI ").removeprefix("CP"), name)


def _is_decodable(texts: bytes, encoding: str) -> bool:
    """Return whether texts can be in an encoding; Latin encodings, which decode any bytes, only if
    no Chinese one fits."""
    if encoding.startswith(("ISO-8859", "LATIN", "WINDOWS-125", "125")) and not texts.isascii():
        return detect_encoding(texts) not in (UTF8, GB18030, BIG5)
    try:
        texts.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _read_records(table: Path) -> bytes:
    """Return the first records of a dBase file."""
    with table.open("rb") as file:
        head = file.read(32)
        start, width = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
        file.seek(start)
        whole = max(_SAMPLE_BYTES // max(width, 1), 1) * max(width, 1)
        return file.read(whole).rstrip(b"\x1a")


def detect_encoding(texts: bytes) -> str:
    """Return the most likely encoding of texts: UTF-8, GB18030, Big5, or a guess.

    Texts are UTF-8 if nearly all of them can be decoded so; some characters may be cut off at the
    width of a column. Most texts in Big5 are valid GBK too, but give characters that are rarely
    used: the encoding that gives the more common characters is chosen.
    """
    if _share_undecodable(texts, "utf-8") < _MAX_UNDECODABLE:
        return UTF8
    uncommon = {name: _share_uncommon(texts, name) for name in (GB18030, BIG5)}
    best = min(uncommon, key=lambda name: uncommon[name])
    if uncommon[best] < _MAX_UNCOMMON:
        return best
    guess = from_bytes(texts[:100_000]).best()
    return guess.encoding.upper() if guess else GB18030


def _share_undecodable(texts: bytes, encoding: str) -> float:
    """Return the share of the non-ASCII characters that an encoding can't decode."""
    decoded = texts.decode(encoding, "replace")
    non_ascii = sum(character > "\x7f" for character in decoded)
    return decoded.count("\ufffd") / max(non_ascii, 1)


def _share_uncommon(texts: bytes, encoding: str) -> float:
    """Return the share of the non-ASCII characters that are undecodable or uncommon.

    The first plane of GB 2312 (3,755 characters, lead bytes B0 to D7) and the frequent characters
    of Big5 (5,401, lead bytes A4 to C6) make up 99.9 % of written Chinese.
    """
    first, last = _COMMON_LEAD_BYTES[encoding]
    non_ascii = [char for char in texts.decode(encoding, "replace") if char > "\x7f"]
    common = sum(first <= char.encode(encoding, "replace")[0] <= last for char in non_ascii)
    return 1 - common / max(len(non_ascii), 1)
