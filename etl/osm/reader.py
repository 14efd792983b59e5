"""Read an extract with osmium: points, lines and areas with the tags that layers use.

osmium assembles areas from closed ways and multipolygon relations. Objects that can't become a line
or an area are rejected with the reason.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import shapely
from osmium.filter import KeyFilter
from osmium.osm import NODE, WAY, Area, Node, Relation, Way, osm_entity_bits

from etl.input.vector import polygonal
from etl.osm.tags import (
    AREA_KEYS,
    COLUMNS,
    LINE_KEYS,
    NOTE_KEYS,
    POINT_KEYS,
    is_area,
    is_line,
    layer_of,
)
from etl.pipeline.staging import Rejected
from geo import crs as systems
from geo.errors import InputError

Coordinates = list[tuple[float, float]]
"""Longitudes and latitudes of successive nodes."""

NEEDS_SORTING = ("out of order", "twice in input")
"""Words in osmium's messages on a file that must be sorted first."""

RENUMBERED_FROM = 2**40
"""Negative ids are moved above this number while a file is read, because osmium keeps no locations
of nodes with negative ids. OpenStreetMap's own ids are below 2**34."""


@dataclass(frozen=True)
class ExtractFeatures:
    """Features of an extract, in longitude and latitude.

    Attributes
    ----------
    points, lines, areas
        Features with ``code`` and a column for each tag of :data:`etl.osm.tags.COLUMNS` (``:``
        becomes ``_``), None where a feature lacks it.
    repaired
        Number of areas that had to be repaired.
    rejected
        Objects that could not become a line or an area.
    unread
        Number of values by tag that are no figure, or can be read in several ways.
    """

    points: gpd.GeoDataFrame
    lines: gpd.GeoDataFrame
    areas: gpd.GeoDataFrame
    repaired: int
    rejected: list[Rejected]
    unread: Counter[str] = field(default_factory=Counter)

    def read_figures(
        self, rows: gpd.GeoDataFrame, key: str, read: Callable[[str], float | None]
    ) -> pd.Series:
        """Return the figures of a tag as floats; add those that were not read to ``unread``."""
        texts = rows[key.replace(":", "_")]
        figures = {text: read(text) for text in texts.dropna().unique()}
        values: pd.Series = texts.map(figures).astype(float)
        has_digit = texts.dropna().astype(str).str.contains(r"\d")
        self.unread[key] += int((has_digit & values[has_digit.index].isna()).sum())
        return values


@dataclass(frozen=True)
class _Feature:
    """An OSM object; ``kind`` is n, w or r, ``wkb`` its geometry in hexadecimal WKB."""

    kind: str
    number: int
    tags: Mapping[str, str]
    wkb: str = ""

    @property
    def code(self) -> str:
        number = self.number
        return f"osm:{self.kind}{number if number < RENUMBERED_FROM else RENUMBERED_FROM - number}"

    def reject(self, reason: str, geometry: shapely.Geometry | None = None) -> Rejected:
        return Rejected(layer_of(self.tags), self.code, reason, dict(self.tags), geometry)


@dataclass
class _Contents:
    """Objects collected in one pass over a file.

    Attributes
    ----------
    points, lines, ways, relations
        Points, lines, areas of closed ways by id, areas of relations by id.
    outlines
        Closed ways by id for which osmium assembled no area.
    declared, outer
        Multipolygon relations by id, and the ids of the ways of their outer rings.
    rejected
        Ways that can't become a line or an area.
    """

    points: list[_Feature] = field(default_factory=list)
    lines: list[_Feature] = field(default_factory=list)
    ways: dict[int, _Feature] = field(default_factory=dict)
    relations: dict[int, _Feature] = field(default_factory=dict)
    outlines: dict[int, _Feature] = field(default_factory=dict)
    declared: dict[int, _Feature] = field(default_factory=dict)
    outer: dict[int, list[int]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    def unbuilt(self) -> Iterator[_Feature]:
        """Yield the relations with the tags of an area for which osmium assembled none."""
        for number, relation in self.declared.items():
            if number not in self.relations and is_area(relation.tags):
                yield relation

    def is_complete(self) -> bool:
        """Return whether every line and every area could be built."""
        return not (self.rejected or self.outlines or any(self.unbuilt()))


def read_features(path: Path) -> ExtractFeatures:
    """Read the points, lines and areas of an extract.

    Parameters
    ----------
    path
        A PBF file. Its blobs are plain or compressed with zlib or lz4; its ids may be negative and
        in any order.

    Raises
    ------
    InputError
        If it is no extract, is cut off, holds earlier versions or deleted objects, or has a
        compression that osmium does not read.
    """
    try:
        if osmium.io.Reader(str(path)).header().has_multiple_object_versions:
            raise InputError("osm_history", file=path)
        return _build_source(_read_contents(path))
    except RuntimeError as error:
        compression, is_unsupported, _ = str(error).partition(" blobs not supported")
        if is_unsupported:
            compression = compression.split()[-1]
            raise InputError("pbf_compression", file=path, compression=compression) from error
        raise InputError("file_unreadable", file=path, format=path.suffix) from error


def _read_contents(path: Path) -> _Contents:
    """Collect the objects of a file, or of a sorted copy if osmium needs one."""
    try:
        contents = _collect(path)
    except RuntimeError as error:
        if not any(words in str(error) for words in NEEDS_SORTING):
            raise
    else:
        if contents.is_complete() or not _has_negative_ids(path):
            return contents
    with tempfile.TemporaryDirectory() as folder:
        return _collect(_sort(path, Path(folder)))


def _has_negative_ids(path: Path) -> bool:
    return any(node.id < 0 for node in osmium.FileProcessor(path, NODE))


def _sort(path: Path, folder: Path) -> Path:
    """Write a sorted copy without negative ids, each object once in its last version."""
    renumbered, ordered = folder / "renumbered.osm.pbf", folder / "ordered.osm.pbf"
    with osmium.SimpleWriter(renumbered) as writer:
        for element in osmium.FileProcessor(path):
            number = _positive(element.id)
            if isinstance(element, Node):
                writer.add_node(element.replace(id=number))
            elif isinstance(element, Way):
                refs = [_positive(node.ref) for node in element.nodes]
                writer.add_way(element.replace(id=number, nodes=refs))
            elif isinstance(element, Relation):
                members = [(m.type, _positive(m.ref), m.role) for m in element.members]
                writer.add_relation(element.replace(id=number, members=members))
    unordered = osmium.MergeInputReader()
    unordered.add_file(str(renumbered))
    with osmium.SimpleWriter(ordered) as writer:
        unordered.apply(writer, simplify=True)
    return ordered


def _positive(number: int) -> int:
    return number if number >= 0 else RENUMBERED_FROM - number


def _collect(path: Path) -> _Contents:
    """Collect the objects that layers use from a sorted file without negative ids."""
    contents = _Contents()
    factory = osmium.geom.WKBFactory()
    processor = (
        osmium.FileProcessor(path)
        .with_areas()
        .with_filter(_key_filter(POINT_KEYS, NODE))
        .with_filter(_key_filter((*LINE_KEYS, *AREA_KEYS), WAY))
    )
    for element in processor:
        if isinstance(element, Area):
            _add_area(contents, element, factory)
        elif isinstance(element, Way):
            _add_way(contents, element, factory)
        elif isinstance(element, Relation):
            _add_relation(contents, element)
        elif isinstance(element, Node):
            wkb = factory.create_point(element)
            contents.points.append(_Feature("n", element.id, dict(element.tags), wkb))
    return contents


def _key_filter(keys: Sequence[str], entities: osm_entity_bits) -> KeyFilter:
    """Return a filter that skips objects of a kind without any of some keys."""
    chosen = KeyFilter(*keys)
    chosen.enable_for(entities)
    return chosen


def _add_area(contents: _Contents, area: Area, factory: Any) -> None:
    """Add an area; one that osmium could not assemble has no ring."""
    tags, number = dict(area.tags), area.orig_id()
    if area.num_rings()[0] == 0:
        return
    if area.from_way() and is_area(tags):
        wkb = factory.create_multipolygon(area)
        contents.outlines.pop(number, None)
        contents.ways[number] = _Feature("w", number, tags, wkb)
    elif not area.from_way() and (is_area(tags) or _is_untagged(tags)):
        wkb = factory.create_multipolygon(area)
        contents.relations[number] = _Feature("r", number, tags, wkb)


def _is_untagged(tags: Mapping[str, str]) -> bool:
    return tags.keys() <= NOTE_KEYS


def _add_way(contents: _Contents, way: Way, factory: Any) -> None:
    feature = _Feature("w", way.id, dict(way.tags))
    is_closed = _is_closed(way)
    if is_line(feature.tags, is_closed=is_closed):
        _add_line(contents, feature, way, factory)
    if not is_area(feature.tags) or feature.tags.get("area") == "no":
        return
    if is_closed:
        _add_outline(contents, feature, way, factory)
    elif layer_of(feature.tags) == "building":
        contents.rejected.append(feature.reject("outline_not_closed", _multiline(_runs(way))))


def _is_closed(way: Way) -> bool:
    """Return whether a way ends where it begins, at the same node or one at the same place."""
    if way.is_closed() or len(way.nodes) < 2:
        return way.is_closed()
    first, last = way.nodes[0].location, way.nodes[-1].location
    return first.valid() and first == last


def _add_outline(contents: _Contents, outline: _Feature, way: Way, factory: Any) -> None:
    """Add a closed way to those that wait for their area, or reject it."""
    wkb = _linestring(way, factory)
    if wkb is not None:
        contents.outlines[way.id] = _Feature("w", way.id, outline.tags, wkb)
        return
    is_cut = any(not node.location.valid() for node in way.nodes)
    reason = "nodes_missing" if is_cut else "no_area_left"
    contents.rejected.append(outline.reject(reason, _multiline(_runs(way))))


def _add_line(contents: _Contents, line: _Feature, way: Way, factory: Any) -> None:
    """Add a line; of one cut by the edge of the extract, the part inside if it is in one piece."""
    wkb = _linestring(way, factory)
    if wkb is None:
        runs = _runs(way)
        if len(runs) > 1:
            contents.rejected.append(line.reject("nodes_missing", _multiline(runs)))
        if len(runs) != 1:
            return
        wkb = shapely.to_wkb(shapely.LineString(runs[0]), hex=True)
    contents.lines.append(_Feature("w", way.id, line.tags, wkb))


def _linestring(way: Way, factory: Any) -> str | None:
    """Return a way in hexadecimal WKB, None if nodes are missing or it has no length."""
    try:
        wkb: str = factory.create_linestring(way)
    except (RuntimeError, osmium.InvalidLocationError):
        return None
    return wkb


def _runs(way: Way) -> list[Coordinates]:
    """Return the parts of a way between missing nodes, of two points or more."""
    runs: list[Coordinates] = [[]]
    for node in way.nodes:
        if not node.location.valid():
            runs.append([])
        elif not runs[-1] or runs[-1][-1] != (node.lon, node.lat):
            runs[-1].append((node.lon, node.lat))
    return [run for run in runs if len(run) > 1]


def _multiline(runs: list[Coordinates]) -> shapely.Geometry | None:
    return shapely.MultiLineString(runs) if runs else None


def _add_relation(contents: _Contents, relation: Relation) -> None:
    tags = dict(relation.tags)
    if tags.get("type") not in ("multipolygon", "boundary"):
        return
    if is_area(tags) or _is_untagged(tags):
        contents.declared[relation.id] = _Feature("r", relation.id, tags)
        contents.outer[relation.id] = [
            member.ref
            for member in relation.members
            if member.type == "w" and member.role != "inner"
        ]


def _build_source(contents: _Contents) -> ExtractFeatures:
    """Return the collected objects as frames, and those that could not be built."""
    areas = _frame(_merge_outer_ways(contents))
    shapes = areas.geometry.to_numpy().copy()
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = polygonal(shapely.make_valid(shapes[invalid]))
    areas = areas.set_geometry(gpd.GeoSeries(shapes, crs=areas.crs))
    rejected = [
        *contents.rejected,
        *(_reject_outline(outline) for outline in contents.outlines.values()),
        *(relation.reject("rings_not_closed") for relation in contents.unbuilt()),
    ]
    points, lines = _frame(contents.points), _frame(contents.lines)
    return ExtractFeatures(points, lines, areas, int(invalid.sum()), rejected)


def _merge_outer_ways(contents: _Contents) -> list[_Feature]:
    """Return the areas, each once: a relation replaces the ways of its outer rings.

    If both are tagged as the same thing, the relation takes missing tags from its only outer way. A
    relation without tags takes those of its outer ways (the way of mapping until 2017).
    """
    ways, merged = dict(contents.ways), list[_Feature]()
    for number, relation in sorted(contents.relations.items()):
        refs = contents.outer.get(number, [])
        outer = [contents.ways[ref] for ref in refs if ref in contents.ways]
        tags = relation.tags
        if is_area(tags):
            outer = [way for way in outer if layer_of(way.tags) == layer_of(tags)]
            tags = {**outer[0].tags, **tags} if outer and len(refs) == 1 else tags
        elif outer and all(way.tags == outer[0].tags for way in outer):
            tags = outer[0].tags
        else:
            continue
        for way in outer:
            ways.pop(way.number, None)
        merged.append(_Feature("r", number, tags, relation.wkb))
    return [*ways.values(), *merged]


def _frame(features: Sequence[_Feature]) -> gpd.GeoDataFrame:
    """Return features as a frame with a column for each tag that a layer uses."""
    columns: dict[str, Any] = {"code": [feature.code for feature in features]}
    for key in COLUMNS:
        columns[key.replace(":", "_")] = [feature.tags.get(key) for feature in features]
    shapes = shapely.from_wkb(np.asarray([feature.wkb for feature in features], dtype=object))
    # OSM's WGS 84 and CGCS2000 agree to centimetres, better than the data.
    frame = pd.DataFrame(columns, dtype=object)
    return gpd.GeoDataFrame(frame, geometry=shapes, crs=systems.STORAGE).rename_geometry("geom")


def _reject_outline(outline: _Feature) -> Rejected:
    """Reject a closed way without area, with the reason."""
    line = shapely.from_wkb(outline.wkb)
    ring = shapely.get_coordinates(line)
    area = shapely.make_valid(shapely.Polygon(ring)).area if len(ring) > 3 else 0.0
    return outline.reject("outline_doubtful" if area > 0 else "no_area_left", line)
