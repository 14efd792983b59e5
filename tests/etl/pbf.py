"""OpenStreetMap files written with osmium, each described by a test in a few lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import osmium
from osmium.osm import mutable

Tags = Mapping[str, str]


@dataclass
class Extract:
    """Nodes, ways and relations in the order in which they are added, numbered from 1.

    ``first`` is another number to begin with, for a file of other objects.
    """

    first: int = 1
    nodes: list[mutable.Node] = field(default_factory=list)
    ways: list[mutable.Way] = field(default_factory=list)
    relations: list[mutable.Relation] = field(default_factory=list)

    def node(self, lon: float, lat: float, **tags: str) -> int:
        number = len(self.nodes) + self.first
        self.nodes.append(mutable.Node(id=number, location=(lon, lat), tags=_named(tags)))
        return number

    def way(self, points: Iterable[tuple[float, float]], **tags: str) -> int:
        """Add a way; it is closed where its last point is its first."""
        seen: dict[tuple[float, float], int] = {}
        refs = [seen.get(point) or self._place(seen, point) for point in points]
        return self.way_of(refs, **tags)

    def way_of(self, refs: Sequence[int], **tags: str) -> int:
        """Add a way of nodes that are there, or are missing from the file."""
        number = len(self.ways) + self.first
        self.ways.append(mutable.Way(id=number, nodes=list(refs), tags=_named(tags)))
        return number

    def rectangle(self, west: float, south: float, east: float, north: float, **tags: str) -> int:
        ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        return self.way(ring, **tags)

    def area(self, members: Sequence[tuple[str, int]], **tags: str) -> int:
        """Add a multipolygon of ways, each ``("outer", way)`` or ``("inner", way)``."""
        number = len(self.relations) + self.first
        ways = [("w", way, role) for role, way in members]
        tags = {"type": "multipolygon", **_named(tags)}
        self.relations.append(mutable.Relation(id=number, members=ways, tags=tags))
        return number

    def write(self, path: Path, compression: str = "zlib") -> Path:
        path.unlink(missing_ok=True)
        file = osmium.io.File(path, f"pbf,pbf_compression={compression}")
        with osmium.SimpleWriter(file) as writer:
            for node in self.nodes:
                writer.add_node(node)
            for way in self.ways:
                writer.add_way(way)
            for relation in self.relations:
                writer.add_relation(relation)
        return path

    def _place(self, seen: dict[tuple[float, float], int], point: tuple[float, float]) -> int:
        seen[point] = self.node(*point)
        return seen[point]


def _named(tags: Tags) -> dict[str, str]:
    """Return tags with ``__`` in their keys as a colon."""
    return {key.replace("__", ":"): value for key, value in tags.items()}
