"""The rows of a CSV file in any encoding, with any delimiter and any line ends."""

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from etl.input.encoding import UTF8, decode_text, detect_encoding, split_texts, unicode_encoding
from etl.input.reader_findings import Findings
from etl.input.synonyms import normalize_name
from etl.input.table_layout import PREVIEW_ROWS, Row
from geo.errors import InputError

_CHUNK_BYTES = 2**20
_MAX_TEXTS = 100_000
_MAX_FIELD_CHARACTERS = 2**24
_DELIMITERS = (",", "\t", ";", "|", "，")
_SHORT_CHARACTER = re.compile("[\x80-\u07ff]")
"""Characters of two bytes in UTF-8, as which GBK texts can be misread."""

_LONG_SEQUENCE = re.compile(rb"[\xe0-\xef][\x80-\xbf]{2}")
"""Characters of three bytes in UTF-8, which other encodings have only by chance."""

_SHAPE = re.compile(r"(?i)\s*((multi)?(point|linestring|polygon)|geometrycollection|\{)")
_LONE_RETURN = re.compile(rb"(?<=\r)(?!\n)")


def csv_encoding(path: Path) -> str:
    """Return the encoding of a CSV file, from all of its texts.

    A byte order mark of UTF-8 decides where the texts can be in UTF-8.
    """
    with path.open("rb") as file:
        found = unicode_encoding(file.read(_CHUNK_BYTES))
    if found not in (None, "utf-8-sig"):
        return found
    return detect_encoding(islice(_file_texts(path), _MAX_TEXTS), found or "")


def _file_texts(path: Path) -> Iterator[bytes]:
    """Yield the texts of a file with characters beyond ASCII, each once in a chunk."""
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            lines, _, rest = (rest + chunk).rpartition(b"\n")
            yield from {text.removeprefix(codecs.BOM_UTF8) for text in split_texts(lines)}
    yield from (text.removeprefix(codecs.BOM_UTF8) for text in split_texts(rest))


def read_csv_rows(
    path: Path, encoding: str, known: frozenset[str], findings: Findings
) -> Iterator[Row]:
    """Yield the rows of a CSV file.

    Raises
    ------
    InputError
        If a quotation mark is never closed, or a cell is longer than any text or shape.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    delimiter = _find_delimiter(
        list(islice(_lines(path, encoding, Findings()), PREVIEW_ROWS)), known
    )
    reader = csv.reader(_lines(path, encoding, findings), delimiter=delimiter)
    first = widest = 1
    try:
        for cells in reader:
            if reader.line_num > first:
                _refuse_open_quote(path, cells, delimiter, max(widest, len(cells)), first)
                for line in range(first + 1, reader.line_num + 1):
                    findings.faults.setdefault(first, []).extend(findings.faults.pop(line, []))
                if not findings.faults.get(first, True):
                    del findings.faults[first]
            if first > 1 or not _is_separator_line(cells):
                yield first, cells
            first, widest = reader.line_num + 1, max(widest, len(cells))
    except csv.Error as error:
        raise InputError("csv_quote", file=path, line=first) from error


def _refuse_open_quote(path: Path, cells: list[str], delimiter: str, width: int, line: int) -> None:
    """Refuse a row that a quotation mark joins to rows of the full width after it."""
    for cell in cells:
        inner = [] if _SHAPE.match(cell) else re.split(r"\r\n?|\n", cell)[1:]
        if any(text.count(delimiter) == max(width - 1, 1) for text in inner):
            raise InputError("csv_quote", file=path, line=line)


def _is_separator_line(cells: list[str]) -> bool:
    """Return whether a row is the line ``sep=;`` that spreadsheets write first."""
    return len(cells) <= 2 and bool(cells) and re.match(r"(?i)\s*sep=", cells[0]) is not None


def _find_delimiter(lines: list[str], known: frozenset[str]) -> str:
    """Return the delimiter that gives the most known names in one row, then the most cells."""
    if lines and (named := re.fullmatch(r"(?i)\ufeff?\s*sep=(.)\s*", lines[0])):
        return named[1]

    def score(delimiter: str) -> tuple[int, int]:
        rows = list(csv.reader(lines, delimiter=delimiter))
        hits = (sum(normalize_name(cell) in known for cell in row) for row in rows)
        widths = sorted(len(row) for row in rows)
        return max(hits, default=0), widths[len(widths) // 2] if widths else 0

    try:
        return max(_DELIMITERS, key=score)
    except csv.Error:
        return max(_DELIMITERS, key=lambda delimiter: lines[0].count(delimiter))


def _lines(path: Path, encoding: str, findings: Findings) -> Iterator[str]:
    """Yield the lines of a file with their ends; record those that are in another encoding."""
    if encoding.lower().startswith(("utf-16", "utf-32")):
        yield from _decoded_lines(path, encoding)
        return
    for line, raw in enumerate(_raw_lines(path), 1):
        raw = raw.removeprefix(codecs.BOM_UTF8) if line == 1 else raw
        yield raw.decode("ascii") if raw.isascii() else _decode_line(raw, encoding, line, findings)


def _decode_line(raw: bytes, encoding: str, line: int, findings: Findings) -> str:
    name = UTF8 if encoding == "utf-8-sig" else encoding
    if name == UTF8:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            pass
        else:
            if not _SHORT_CHARACTER.search(text):
                return text
    elif not _LONG_SEQUENCE.search(raw):
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            pass
    return _decode_cells(raw, name, line, findings)


def _decode_cells(raw: bytes, encoding: str, line: int, findings: Findings) -> str:
    """Return a line whose texts are decoded one by one."""
    pieces = []
    for piece in re.split(rb'([\r\n\t,;"]+)', raw):
        if piece.isascii():
            pieces.append(piece.decode("ascii"))
            continue
        text, problem = decode_text(piece, encoding)
        pieces.append(text)
        if problem == "cut":
            findings.count("texts_cut", line)
        elif problem and problem != "invalid":
            findings.add_fault(
                line,
                "text_of_other_encoding",
                line=line,
                value=text,
                encoding=problem,
                file=encoding,
            )
    return "".join(pieces)


def _raw_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for raw in file:
            if b"\r" in raw[:-1]:
                yield from filter(None, _LONE_RETURN.split(raw))
            else:
                yield raw


def _decoded_lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file in UTF-16 or UTF-32."""
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        for line in file:
            yield line.removeprefix("\ufeff")
