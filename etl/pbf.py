"""The areas that a PBF file declares as relations, straight from its bytes.

GDAL passes over a multipolygon whose rings it can't close without a word; to say which were lost
one has to know which there are. The format: https://wiki.openstreetmap.org/wiki/PBF_Format
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_BLOB_RAW, _BLOB_ZLIB = 1, 3
_BLOCK_STRINGS, _BLOCK_GROUP = 1, 2
_GROUP_RELATION = 4
_RELATION_ID, _RELATION_KEYS, _RELATION_VALUES = 1, 2, 3

AREAS = ("multipolygon", "boundary")


def area_relations(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the id and the tags of every relation that stands for an area.

    Raises
    ------
    ValueError
        If the file is cut off.
    """
    for data in _blocks(path):
        strings: list[bytes] = []
        for number, value in _fields(data):
            if number == _BLOCK_STRINGS and isinstance(value, memoryview):
                strings = [bytes(text) for _, text in _fields(value) if not isinstance(text, int)]
            elif number == _BLOCK_GROUP and isinstance(value, memoryview):
                yield from _areas_in(value, strings)


def _areas_in(group: memoryview, strings: list[bytes]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, value in _fields(group):
        if number != _GROUP_RELATION:
            return  # a group holds things of one kind
        if isinstance(value, memoryview):
            relation, tags = _relation(value, strings)
            if tags.get("type") in AREAS:
                yield relation, tags


def _relation(data: memoryview, strings: list[bytes]) -> tuple[int, dict[str, str]]:
    identity, keys, values = 0, list[int](), list[int]()
    for number, value in _fields(data):
        if number == _RELATION_ID and isinstance(value, int):
            identity = value
        elif number == _RELATION_KEYS and isinstance(value, memoryview):
            keys = _numbers(value)
        elif number == _RELATION_VALUES and isinstance(value, memoryview):
            values = _numbers(value)
    words = [[strings[i].decode("utf-8", "replace") for i in part] for part in (keys, values)]
    return identity, dict(zip(*words, strict=False))


def _blocks(path: Path) -> Iterator[memoryview]:
    """Yield the contents of the blobs that hold data."""
    with path.open("rb") as file:
        while size := file.read(4):
            header = dict(_fields(memoryview(file.read(struct.unpack(">I", size)[0]))))
            length = header.get(3, 0)
            body = file.read(length if isinstance(length, int) else 0)
            if len(body) != length:
                raise ValueError(path)
            if bytes(header.get(1, b"")) == b"OSMData":
                yield from _unpacked(memoryview(body))


def _unpacked(blob: memoryview) -> Iterator[memoryview]:
    for number, value in _fields(blob):
        if number == _BLOB_RAW and isinstance(value, memoryview):
            yield value
        elif number == _BLOB_ZLIB and isinstance(value, memoryview):
            yield memoryview(zlib.decompress(value))


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field of a message."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
        elif kind == 2:
            length, at = _varint(data, at)
            yield key >> 3, data[at : at + length]
            at += length
        else:
            at += 8 if kind == 1 else 4


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _numbers(data: memoryview) -> list[int]:
    found, at = list[int](), 0
    while at < len(data):
        number, at = _varint(data, at)
        found.append(number)
    return found
