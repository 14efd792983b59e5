"""GeoJSON with one feature a line or record (RFC 8142), as a file with one collection.

GDAL's driver for such files leaves out a line that it can't read without a word.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from etl.input.encoding import unicode_encoding
from geo.errors import InputError

_RECORD_SEPARATOR = b"\x1e"
_HEAD_BYTES = 4096
_MAX_LINE_BYTES = 16 * 2**20


def is_sequence(path: Path) -> bool:
    """Return whether a GeoJSON file holds one feature a line, whatever its name ends in."""
    with path.open("rb") as file:
        first = file.readline(_MAX_LINE_BYTES).removeprefix(b"\xef\xbb\xbf").strip()
        if b"FeatureCollection" in first[:_HEAD_BYTES] or not _is_feature(first):
            return False
        return any(line.strip() for line in file)


def collect_features(path: Path, folder: Path) -> Path:
    """Write the features of a file into one collection, and return its path.

    The bytes of the features stay as they are, so that their encoding is found as in any GeoJSON.

    Raises
    ------
    InputError
        If a record is no feature, as the last one of a file that was cut off.
    """
    target = folder / f"{path.stem}.geojson"
    with target.open("wb") as collection:
        separator = b'{"type": "FeatureCollection", "features": [\n'
        for number, record in _records(path):
            if not _is_feature(record):
                raise InputError("json_record_wrong", file=path, record=number)
            collection.write(separator + record)
            separator = b",\n"
        if separator == b",\n":
            collection.write(b"\n]}")
        else:
            collection.write(separator + b"]}")
    return target


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the records of a file that are not blank, with their numbers from 1 on."""
    content = path.read_bytes()
    if encoding := unicode_encoding(content[:_HEAD_BYTES]):
        content = content.decode(encoding, "replace").removeprefix("\ufeff").encode()
    is_sequence = content.lstrip().startswith(_RECORD_SEPARATOR)
    records = content.split(_RECORD_SEPARATOR)[1:] if is_sequence else content.splitlines()
    for number, record in enumerate(records, 1):
        if record := record.strip():
            yield number, record


def _is_feature(record: bytes) -> bool:
    try:
        text = record.decode("utf-8")
    except UnicodeDecodeError:
        text = record.decode("gb18030", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") == "Feature"
