"""Writes OpenStreetMap PBF files, so that a test says in a few lines what its extract holds."""

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Tags = Mapping[str, str]


@dataclass
class Extract:
    """Nodes, ways and relations in the order in which they are added."""

    nodes: list[tuple[int, float, float, Tags]] = field(default_factory=list)
    ways: list[tuple[int, Sequence[int], Tags]] = field(default_factory=list)
    relations: list[tuple[int, Sequence[tuple[str, int]], Tags]] = field(default_factory=list)

    def node(self, lon: float, lat: float, **tags: str) -> int:
        number = len(self.nodes) + 1
        self.nodes.append((number, lon, lat, _named(tags)))
        return number

    def way(self, points: Iterable[tuple[float, float]], **tags: str) -> int:
        """Add a way; it is closed where its last point is its first."""
        seen: dict[tuple[float, float], int] = {}
        refs = [seen.setdefault(point, 0) or self._place(seen, point) for point in points]
        self.ways.append((len(self.ways) + 1, refs, _named(tags)))
        return len(self.ways)

    def rectangle(self, west: float, south: float, east: float, north: float, **tags: str) -> int:
        ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        return self.way(ring, **tags)

    def area(self, members: Sequence[tuple[str, int]], **tags: str) -> int:
        """Add a multipolygon of ways, each ``("outer", way)`` or ``("inner", way)``."""
        number = len(self.relations) + 1
        self.relations.append((number, members, {"type": "multipolygon", **_named(tags)}))
        return number

    def write(self, path: Path) -> Path:
        header = _bytes(4, b"OsmSchema-V0.6")
        blocks = [_blob(b"OSMHeader", header)]
        blocks += [_block(1, [_node(*one) for one in part]) for part in _parts(self.nodes)]
        blocks += [_block(3, [_way(*one) for one in part]) for part in _parts(self.ways)]
        blocks += [_block(4, [_relation(*one) for one in part]) for part in _parts(self.relations)]
        path.write_bytes(b"".join(blocks))
        return path

    def _place(self, seen: dict[tuple[float, float], int], point: tuple[float, float]) -> int:
        seen[point] = self.node(*point)
        return seen[point]


def _named(tags: Tags) -> Tags:
    """Return tags with ``__`` in their keys as a colon."""
    return {key.replace("__", ":"): value for key, value in tags.items()}


def _parts(items: list) -> list[list]:
    return [items[start : start + 8000] for start in range(0, len(items), 8000)]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _packed(field: int, values: Iterable[int]) -> bytes:
    return _bytes(field, b"".join(map(_varint, values)))


def _deltas(values: Sequence[int]) -> list[int]:
    return [_zigzag(b - a) for a, b in zip([0, *values], values, strict=False)]


class _Strings(dict[str, int]):
    def __missing__(self, key: str) -> int:
        self[key] = len(self) + 1
        return self[key]


def _tags(tags: Tags, strings: _Strings) -> bytes:
    if not tags:
        return b""
    keys = _packed(2, [strings[key] for key in tags])
    return keys + _packed(3, [strings[value] for value in tags.values()])


def _node(number: int, lon: float, lat: float, tags: Tags):
    where = _number(8, _zigzag(round(lat * 1e7))) + _number(9, _zigzag(round(lon * 1e7)))
    return lambda strings: _number(1, _zigzag(number)) + _tags(tags, strings) + where


def _way(number: int, refs: Sequence[int], tags: Tags):
    return lambda strings: _number(1, number) + _tags(tags, strings) + _packed(8, _deltas(refs))


def _relation(number: int, members: Sequence[tuple[str, int]], tags: Tags):
    def written(strings: _Strings) -> bytes:
        roles = _packed(8, [strings[role] for role, _ in members])
        refs = _packed(9, _deltas([way for _, way in members])) + _packed(10, [1] * len(members))
        return _number(1, number) + _tags(tags, strings) + roles + refs

    return written


def _block(field: int, items: list) -> bytes:
    strings = _Strings()
    group = b"".join(_bytes(field, item(strings)) for item in items)
    table = _bytes(1, b"") + b"".join(_bytes(1, text.encode()) for text in strings)
    return _blob(b"OSMData", _bytes(1, table) + _bytes(2, group))


def _blob(kind: bytes, data: bytes) -> bytes:
    blob = _number(2, len(data)) + _bytes(3, zlib.compress(data))
    header = _bytes(1, kind) + _number(3, len(blob))
    return struct.pack(">I", len(header)) + header + blob
