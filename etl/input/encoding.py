"""In what encoding texts are, when their file does not say or says it wrongly."""

from pathlib import Path

from charset_normalizer import from_bytes

UTF8, GB18030, BIG5 = "UTF-8", "GB18030", "BIG5"
_SAMPLE = 2**20
_CUT_OFF = 0.1
_FOREIGN = 0.5
_COMMON = {GB18030: (0xB0, 0xD7), BIG5: (0xA4, 0xC6)}


def dbf_encoding(path: Path) -> str | None:
    """Return the encoding of a shapefile's texts, None for another format.

    What ``.cpg`` says is believed if the texts can be in it; Chinese shapefiles are in GBK more
    often than not, and whoever copies three of the four files loses the ``.cpg``.
    """
    table = _beside(path, ".dbf")
    if path.suffix.lower() != ".shp" or table is None:
        return None
    texts = _records(table)
    said = _read_declaration(path)
    if said and _is_in(texts, said):
        return said
    return detect_encoding(texts)


def _beside(path: Path, ending: str) -> Path | None:
    for candidate in (path.with_suffix(ending), path.with_suffix(ending.upper())):
        if candidate.exists():
            return candidate
    return None


def _read_declaration(path: Path) -> str:
    file = _beside(path, ".cpg")
    if file is None:
        return ""
    name = file.read_bytes()[:40].decode("ascii", "replace").strip().upper()
    known = {"936": GB18030, "GBK": GB18030, "GB2312": GB18030, "950": BIG5, "65001": UTF8}
    return known.get(name.removeprefix("ANSI ").removeprefix("CP"), name)


def _is_in(texts: bytes, encoding: str) -> bool:
    """Return whether texts can be in an encoding; Latin ones fit everything and prove nothing."""
    if encoding.startswith(("ISO-8859", "LATIN", "WINDOWS-125", "125")) and not texts.isascii():
        return detect_encoding(texts) not in (UTF8, GB18030, BIG5)
    try:
        texts.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _records(table: Path) -> bytes:
    """Return the first records of a dBase file: what follows its header."""
    with table.open("rb") as file:
        head = file.read(32)
        start, width = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
        file.seek(start)
        whole = max(_SAMPLE // max(width, 1), 1) * max(width, 1)
        return file.read(whole).rstrip(b"\x1a")


def detect_encoding(texts: bytes) -> str:
    """Return UTF-8, GB18030 or Big5, whichever texts are in.

    What is UTF-8 but for characters cut off at a column's width is that and nothing else. Most
    strings of Big5 are valid GBK too, with characters that nobody writes: the encoding is the one
    whose reading holds the commoner ones.
    """
    if _share_undecodable(texts, "utf-8") < _CUT_OFF:
        return UTF8
    rarity = {name: _rarity(texts, name) for name in (GB18030, BIG5)}
    best = min(rarity, key=lambda name: rarity[name])
    if rarity[best] < _FOREIGN:
        return best
    guess = from_bytes(texts[:100_000]).best()
    return guess.encoding.upper() if guess else GB18030


def _share_undecodable(texts: bytes, encoding: str) -> float:
    """Return the share of the characters beyond ASCII that are none in an encoding."""
    read = texts.decode(encoding, "replace")
    beyond = sum(sign > "\x7f" for sign in read)
    return read.count("\ufffd") / max(beyond, 1)


def _rarity(texts: bytes, encoding: str) -> float:
    """Return the share of the characters beyond ASCII that are none or uncommon in an encoding.

    GB 2312's first plane (3,755 characters, lead bytes B0 to D7) and Big5's frequent ones (5,401,
    lead bytes A4 to C6) hold all but a per mille of what is written.
    """
    first, last = _COMMON[encoding]
    beyond = [sign for sign in texts.decode(encoding, "replace") if sign > "\x7f"]
    common = sum(first <= sign.encode(encoding, "replace")[0] <= last for sign in beyond)
    return 1 - common / max(len(beyond), 1)
