"""Faults of a pipe network, at which results are not guaranteed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from geo.messages import Language, text
from geo.model.pipe import Network
from geo.types import Ints

if TYPE_CHECKING:
    from geo.network.pipes import PipeGraph

GRAVITY_NETWORKS = (Network.SEWAGE, Network.STORM, Network.COMBINED)
"""Networks that flow by gravity in the direction in which their segments are drawn."""

END_KINDS = (
    *("consumer", "hydrant", "source", "end", "outfall", "regulator", "substation", "cabinet"),
    *("manhole", "pump"),
)
"""Kinds of node at which a network may end."""

FAR_M = 5.0
"""An end may lie so far from the node that it names."""

BESIDE_M = 5.0
"""A valve that ends no pipe belongs to a pipe up to this far away."""

HARMLESS_KINDS = ("duplicate", "parallel", "broken_valve")
"""Kinds of faults that leave the network joined as it is."""

VALVE_KINDS = ("loose_valve", "lone_valve", "broken_valve")
"""Kinds of faults of valves that isolation does not use."""


@dataclass(frozen=True)
class NetworkFault:
    """A fault of a network at a place.

    Attributes
    ----------
    kind
        ``loose_end``, ``far_end`` (from its node), ``missing_node``, ``island``, ``crossing``,
        ``zero_length``, ``duplicate`` (the same line as another), ``parallel`` (between the same
        nodes as another), ``loose_valve`` (beside a pipe that is not split there), ``lone_valve``
        (by no pipe) or ``broken_valve`` (out of service).
    code
        Code of the segment, or of the valve.
    other
        Code of the other segment, where there is one.
    """

    kind: str
    code: str
    geometry: shapely.Geometry
    other: str = ""

    def describe(self, lang: Language) -> str:
        """Return the fault in words."""
        return text(f"fault.{self.kind}", lang=lang, code=self.code, other=self.other)


def find_faults(graph: "PipeGraph") -> list[NetworkFault]:
    """Return the faults of a network."""
    return [
        *_find_zero_lengths(graph),
        *_loose_ends(graph),
        *_far_ends(graph),
        *_find_islands(graph),
        *_find_crossings(graph),
        *_find_repeated_segments(graph),
        *_loose_valves(graph),
        *_broken_valves(graph),
    ]


def _find_zero_lengths(graph: "PipeGraph") -> list[NetworkFault]:
    codes = graph.segments["code"].to_numpy()
    return [
        NetworkFault("zero_length", str(codes[row]), shapely.get_point(graph.lines[row], 0))
        for row in np.flatnonzero(graph.length <= 1e-6)
    ]


def _loose_ends(graph: "PipeGraph") -> list[NetworkFault]:
    """Return ends at which a network may not end, and joints without a node on record."""
    is_created = np.arange(len(graph.xy)) >= len(graph.nodes)
    loose = (graph.degree == 1) & (is_created | ~graph.is_kind(*END_KINDS))
    flat = graph.ends.ravel()
    at = np.flatnonzero(loose[flat])
    faults = _faults_at_nodes(graph, "loose_end", at // 2, flat[at])
    joint = is_created & (graph.degree > 1)
    at = np.flatnonzero(joint[flat])
    of_node = np.zeros(len(graph.xy), dtype=np.int64)
    of_node[flat[at]] = at // 2
    joints = np.flatnonzero(joint)
    return [*faults, *_faults_at_nodes(graph, "missing_node", of_node[joints], joints)]


def _faults_at_nodes(
    graph: "PipeGraph", kind: str, segments: Ints, nodes: Ints
) -> list[NetworkFault]:
    """Return a fault at each of some nodes, with the code of a segment that ends there."""
    codes = graph.segments["code"].to_numpy()[segments].tolist()
    places = graph.xy[nodes]
    return [
        NetworkFault(kind, code, shapely.Point(at)) for code, at in zip(codes, places, strict=True)
    ]


def _find_islands(graph: "PipeGraph") -> list[NetworkFault]:
    """Return the parts of a network that nothing feeds, or of drains, that have no outfall."""
    is_feeding = graph.is_kind("outfall") if graph.network in GRAVITY_NETWORKS else graph.is_source
    if not is_feeding.any():
        return []
    is_fed = np.isin(graph.part, np.unique(graph.part[is_feeding]))
    faults = []
    of_segment = graph.part[graph.ends[:, 0]]
    for part in np.unique(graph.part[~is_fed]):
        rows = np.flatnonzero(of_segment == part)
        if len(rows):
            shape = shapely.multilinestrings(list(graph.lines[rows]))
            faults.append(NetworkFault("island", str(graph.segments["code"].iloc[rows[0]]), shape))
    return faults


def _find_crossings(graph: "PipeGraph") -> list[NetworkFault]:
    """Return places where two segments of a network cross and no node joins them."""
    one, other = graph.tree.query(graph.lines, predicate="intersects")
    keep = one < other
    one, other = one[keep], other[keep]
    shared = (graph.ends[one][:, :, None] == graph.ends[other][:, None, :]).any(axis=(1, 2))
    one, other = one[~shared], other[~shared]
    crossings = shapely.intersection(graph.lines[one], graph.lines[other])
    codes = graph.segments["code"].to_numpy()
    return [
        NetworkFault("crossing", str(codes[row]), shapely.point_on_surface(place))
        for row, place in zip(one, crossings, strict=True)
    ]


def _far_ends(graph: "PipeGraph") -> list[NetworkFault]:
    """Return the segments of which an end lies far from its node, whichever way they are drawn."""
    start, end = (shapely.get_coordinates(shapely.get_point(graph.lines, k)) for k in (0, -1))
    one, other = graph.xy[graph.ends[:, 0]], graph.xy[graph.ends[:, 1]]
    away = [
        np.maximum(np.hypot(*(start - first).T), np.hypot(*(end - second).T))
        for first, second in ((one, other), (other, one))
    ]
    return [
        NetworkFault("far_end", str(graph.segment_codes[row]), graph.lines[row])
        for row in np.flatnonzero(np.minimum(*away) > FAR_M).tolist()
    ]


def _find_repeated_segments(graph: "PipeGraph") -> list[NetworkFault]:
    """Return segments that repeat the line, in either direction, or the nodes of an earlier one."""
    codes, ends = graph.segment_codes, np.sort(graph.ends, axis=1)
    shape = pd.Series(shapely.to_wkb(shapely.normalize(graph.lines)))
    pair = pd.Series(ends[:, 0] * len(graph.xy) + ends[:, 1])
    row = pd.Series(np.arange(len(codes)))
    same_shape, same_ends = (row.groupby(key).transform("first") for key in (shape, pair))
    is_loop = ends[:, 0] == ends[:, 1]
    is_double = (same_shape != row).to_numpy()
    is_parallel = ~is_double & ~is_loop & (same_ends != row).to_numpy()
    return [
        NetworkFault(kind, str(codes[k]), graph.lines[k], str(codes[first[k]]))
        for kind, rows, first in (
            ("duplicate", is_double, same_shape),
            ("parallel", is_parallel, same_ends),
        )
        for k in np.flatnonzero(rows).tolist()
    ]


def _loose_valves(graph: "PipeGraph") -> list[NetworkFault]:
    """Return the valves at which no segment ends, with the nearest segment."""
    valves = np.flatnonzero(graph.is_kind("valve") & (graph.degree == 0))
    points = np.asarray(shapely.points(graph.xy[valves]), dtype=object)
    at, near = graph.tree.query_nearest(points, max_distance=BESIDE_M)
    segment = pd.Series(near).groupby(at).min().to_dict()  # the first of several
    faults = []
    for k in range(len(valves)):
        point = shapely.Point(graph.xy[valves[k]])
        code = str(graph.node_codes[valves[k]])
        if k not in segment:
            faults.append(NetworkFault("lone_valve", code, point))
            continue
        line = graph.lines[int(segment[k])]
        beside = line.interpolate(line.project(point))
        place = point if point.equals(beside) else shapely.LineString([point, beside])
        other = str(graph.segment_codes[int(segment[k])])
        faults.append(NetworkFault("loose_valve", code, place, other))
    return faults


def _broken_valves(graph: "PipeGraph") -> list[NetworkFault]:
    """Return the open valves that are out of service."""
    return [
        NetworkFault("broken_valve", str(graph.node_codes[node]), shapely.Point(graph.xy[node]))
        for node in np.flatnonzero(graph.is_broken_valve).tolist()
    ]
