"""The texts of shapefiles and GeoJSON files, decoded one by one.

GDAL decodes a whole file in one encoding and can't tell which texts it got wrong. A shapefile is
therefore opened in Latin-1, which keeps every byte, and a GeoJSON file rewritten in UTF-8.
"""

import codecs
import json
import re
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.input.encoding import (
    UTF8,
    decode_text,
    detect_encoding,
    normalize_encoding,
    unicode_encoding,
)
from etl.input.formats import GEOMETRY_COLUMN
from etl.input.reader_findings import Findings

RAW_TEXT_ENCODING = "ISO-8859-1"
"""Encoding in which GDAL keeps each byte of a text."""

_MAX_TEXTS = 100_000
_CHUNK_BYTES = 8 * 2**20
_HEAD_BYTES = 4096
_GARBLED = "\ufffd"

_LANGUAGE_DRIVERS = {
    **dict.fromkeys((0x4D, 0x7A), "GBK"),
    **dict.fromkeys((0x4F, 0x78), "BIG5"),
    **dict.fromkeys((0x03, 0x57, 0x58, 0x59), "WINDOWS-1252"),
    **{0x7B: "CP932", 0x79: "CP949"},
}
"""Encodings by the byte that a dBase file has for them (LDID)."""

_NESTED = r"^(\{ .*\}|\[ .*\])$"
"""Lists and objects as GDAL writes them into a column of texts."""

_QUOTED = re.compile(rb'("[^"]*")')


def shapefile_encoding(path: Path, findings: Findings) -> str:
    """Return the encoding of a shapefile's texts, and note a declaration that contradicts it."""
    table = _sibling(path, ".dbf")
    if table is None:
        return UTF8
    label, driver = _read_label(path), _LANGUAGE_DRIVERS.get(_read_byte(table, 29), "")
    texts = list(islice(_dbf_texts(table), _MAX_TEXTS))
    encoding = detect_encoding(texts, label or driver)
    if not all(text.isascii() for text in texts):
        for key, declared in (("cpg_contradicts", label), ("ldid_contradicts", driver)):
            if declared and normalize_encoding(declared) != normalize_encoding(encoding):
                findings.note(key, declared=declared, encoding=encoding)
    return encoding


def _sibling(path: Path, suffix: str) -> Path | None:
    for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if candidate.exists():
            return candidate
    return None


def _read_label(path: Path) -> str:
    """Return the encoding that the file ``.cpg`` names, an empty text if there is none."""
    file = _sibling(path, ".cpg")
    return file.read_bytes()[:40].decode("ascii", "replace").strip() if file else ""


def _read_byte(file: Path, position: int) -> int:
    with file.open("rb") as content:
        return (content.read(position + 1)[position:] or b"\0")[0]


def _dbf_texts(table: Path) -> Iterator[bytes]:
    """Yield the column names of a dBase file, and the distinct texts of each of its blocks."""
    with table.open("rb") as file:
        head = file.read(32)
        start, width = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
        fields = file.read(max(start - 32, 0))
        columns, offset = [], 1
        for place in range(0, len(fields) - 31, 32):
            name, kind, size = fields[place : place + 11], fields[place + 11], fields[place + 16]
            if name[0] == 0x0D:
                break
            yield name.split(b"\0", 1)[0]
            if kind == ord("C"):
                size += fields[place + 17] << 8
                columns.append(slice(offset, offset + size))
            offset += size
        file.seek(start)
        block = max(_CHUNK_BYTES // max(width, 1), 1) * max(width, 1)
        while columns and width and len(content := file.read(block)) >= width:
            rows = np.frombuffer(content[: len(content) // width * width], np.uint8)
            yield from _distinct_texts(rows.reshape(-1, width), columns)


def _distinct_texts(rows: np.ndarray, columns: list[slice]) -> Iterator[bytes]:
    """Yield the distinct texts that are not ASCII of records, an (n, width) uint8 array."""
    for column in columns:
        cells = rows[:, column]
        cells = np.ascontiguousarray(cells[(cells >= 0x80).any(axis=1)])
        if cells.size:
            for text in np.unique(cells.view(f"S{cells.shape[1]}")).tolist():
                yield text.strip(b" \0")


def decode_names(names: list[str], encoding: str | None, findings: Findings) -> list[str]:
    """Return the column names of a shapefile that was opened in :data:`RAW_TEXT_ENCODING`.

    Of a name that is cut within a character, the rest of that character is left out.
    """
    decoded: list[str] = []
    for name in names:
        text, problem = decode_text(name.encode("latin-1", "replace"), encoding or UTF8)
        text = text.replace(_GARBLED, "") if problem == "invalid" else text
        if problem in ("cut", "invalid"):
            findings.count("header_cut", text)
        while text in decoded:
            text += "_"
        decoded.append(text)
    return decoded


def decode_table(table: pa.Table, encoding: str | None, start: int, findings: Findings) -> pa.Table:
    """Return a table of GDAL with its texts decoded, and faults of those that can't be used.

    Parameters
    ----------
    encoding
        Encoding of the file, if GDAL opened it in :data:`RAW_TEXT_ENCODING`; None if GDAL decoded
        the texts.
    start
        Number of the first row in the file.
    """
    names = [name for name in table.column_names if name != GEOMETRY_COLUMN]
    if encoding is not None:
        decoded = dict(zip(names, decode_names(names, encoding, Findings()), strict=True))
        table = table.rename_columns([decoded.get(name, name) for name in table.column_names])
        names = list(decoded.values())
    for name in names:
        column = table[name].combine_chunks()
        index = table.column_names.index(name)
        if isinstance(column.type, pa.BaseExtensionType):  # JSON, of objects
            column = _flatten(column.storage, name, start, findings)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            if encoding is None:
                column = _repair_utf8(column)
                _find_nested(column, name, start, findings)
            else:
                column = _decode_column(column, encoding, name, start, findings)
        elif pa.types.is_nested(column.type) and not pa.types.is_dictionary(column.type):
            column = _flatten(column, name, start, findings)
        elif pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            column = pa.array([value and value.hex() for value in column.to_pylist()], pa.string())
        table = table.set_column(index, name, column)
    return findings.attach(table, range(start, start + table.num_rows))


def _decode_column(
    column: pa.Array, encoding: str, name: str, start: int, findings: Findings
) -> pa.Array:
    foreign = pc.invert(pc.string_is_ascii(column)).fill_null(False)
    if not pc.any(foreign).as_py():
        return column
    texts = column.to_pylist()
    for row in np.flatnonzero(np.asarray(foreign)).tolist():
        texts[row], problem = decode_text(texts[row].encode("latin-1", "replace"), encoding)
        if problem == "cut":
            findings.count("values_cut", name)
        elif problem and problem != "invalid":
            findings.add_fault(
                start + row,
                "text_of_other_encoding",
                name,
                line=start + row,
                value=texts[row],
                encoding=problem,
                file=encoding,
            )
    return pa.array(texts, pa.string())


def _repair_utf8(column: pa.Array) -> pa.Array:
    """Return a column with U+FFFD where its bytes are no UTF-8, such as lone surrogates."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.large_binary()).to_pylist()
        return pa.array(
            [v if v is None else v.decode("utf-8", "replace") for v in raw], pa.string()
        )
    return column


def _find_nested(column: pa.Array, name: str, start: int, findings: Findings) -> None:
    """Record the values that are lists or objects, which GDAL gives as texts."""
    likely = pc.match_substring_regex(column, _NESTED).fill_null(False)
    for row in np.flatnonzero(np.asarray(likely)).tolist():
        text = column[row].as_py()
        try:
            is_nested = isinstance(json.loads(text), dict | list)
        except ValueError:
            is_nested = False
        if is_nested:
            findings.add_fault(start + row, "value_nested", name, column=name, value=text)


def _flatten(column: pa.Array, name: str, start: int, findings: Findings) -> pa.Array:
    """Return lists, records or JSON as texts; lists and objects get a fault."""
    texts: list[str | None] = []
    for row, value in enumerate(column.to_pylist()):
        plain = _parse_json(value) if isinstance(value, str) else value
        if isinstance(plain, dict | list):
            text = json.dumps(plain, ensure_ascii=False, default=str)
            findings.add_fault(start + row, "value_nested", name, column=name, value=text)
            texts.append(text)
        else:
            texts.append(None if plain is None else str(plain))
    return pa.array(texts, pa.string())


def _parse_json(text: str) -> Any:
    """Return the list, object or text that a text in JSON is, the text itself otherwise."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list | str) else text


def json_encoding(path: Path) -> str | None:
    """Return the encoding of a GeoJSON file, None for UTF-8 that GDAL reads as it is."""
    with path.open("rb") as file:
        if found := unicode_encoding(file.read(_HEAD_BYTES)):
            return found
    if _is_plain_utf8(path):
        return None
    return detect_encoding(islice(_json_texts(path.read_bytes()), _MAX_TEXTS))


def _is_plain_utf8(path: Path) -> bool:
    """Return whether a file is UTF-8 without a character that GBK could be misread as."""
    decoder = codecs.getincrementaldecoder(UTF8)("strict")
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                if re.search("[\x80-\u07ff]", decoder.decode(chunk)):
                    return False
            decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _json_texts(content: bytes) -> Iterator[bytes]:
    return (text[1:-1] for text in _QUOTED.findall(content) if not text.isascii())


def to_utf8_json(path: Path, encoding: str) -> Path:
    """Write a GeoJSON file in UTF-8 into the scratch folder, and return its path.

    A text in another encoding than the file begins with U+FFFD, for which its feature is set aside.
    """
    content = path.read_bytes()
    if encoding.lower().startswith(("utf-16", "utf-32")):
        text = content.decode(encoding, "replace")
    elif encoding == "utf-8-sig":
        text = _decode_pieces(content.removeprefix(b"\xef\xbb\xbf"), UTF8)
    else:
        text = _decode_pieces(content, encoding)
    target = Path(tempfile.mkdtemp()) / path.name
    target.write_text(text.removeprefix("\ufeff"), encoding="utf-8", errors="replace")
    return target


def _decode_pieces(content: bytes, encoding: str) -> str:
    pieces = []
    for piece in _QUOTED.split(content):
        quote = '"' if piece.startswith(b'"') else ""
        text, problem = decode_text(piece.strip(b'"'), encoding)
        is_wrong = problem and _GARBLED not in text
        pieces.append(f"{quote}{_GARBLED if is_wrong else ''}{text}{quote}")
    return "".join(pieces)
