"""A pipe network as a graph of segments joined at nodes, and its faults."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sqlalchemy import Connection, func, select

from geo import crs as systems
from geo.db.layer_frames import read_frame, read_table, wkb
from geo.errors import InputError
from geo.model import STORAGE_SRID, PipeNode, PipeSegment
from geo.model.pipe import Network, PipeStatus
from geo.network.pipe_faults import NetworkFault, find_faults
from geo.types import Bools, Floats, Geometries, Ints

SAME_M = 0.1
"""Ends closer than this are joined where a segment names no node."""

SOURCE_KINDS: dict[str, tuple[str, ...]] = {
    Network.WATER: ("source",),
    Network.GAS: ("source",),
    Network.HEAT: ("source",),
    Network.POWER: ("source", "substation"),
    Network.TELECOM: ("source", "cabinet"),
    Network.SEWAGE: (),
    Network.STORM: (),
    Network.COMBINED: (),
}
FALLBACK_SOURCE_KINDS = {Network.GAS: ("regulator",), Network.WATER: ("pump",)}
"""Kinds of node that feed a network without any source on record."""

ONE_WAY_KINDS = ("check_valve", "regulator", "pump")
"""Devices that pass flow only from the segments drawn into them to those drawn out of them."""

UNUSED = (PipeStatus.ABANDONED, PipeStatus.EMPTY)
"""States of pipes that are in the ground but carry nothing: they belong to no network."""

SEGMENT_COLUMNS = (
    *("code", "from_node", "to_node", "diameter_mm", "material", "burial_depth_m"),
    *("depth_from_m", "depth_to_m", "depth_of", "laying", "status", "owner"),
    *("pressure_mpa", "pressure_class", "voltage_kv", "ducts", "year_built"),
)
_NODE = ("code", "kind", "name", "is_open", "in_service", "building_code", "burial_depth_m")


@dataclass(frozen=True)
class PipeGraph:
    """A network of one kind.

    Attributes
    ----------
    nodes
        Table of the nodes on record; the first rows of the graph's nodes.
    segments
        Frame of the segments, metric.
    xy
        (n, 2) nodes on record, then those created where an end names none, metres.
    ends
        (s, 2) nodes of each segment.
    unused
        How many pipes were left out because they are abandoned or empty.
    """

    network: str
    crs: pyproj.CRS
    nodes: pd.DataFrame
    segments: gpd.GeoDataFrame
    xy: Floats
    ends: Ints
    unused: int = 0

    def figures(self, name: str) -> Floats:
        """Return (s,) float64 the figures of a column, NaN where there are none."""
        if name not in self.segments.columns:
            return np.full(len(self.segments), np.nan)
        figures: Floats = self.segments[name].to_numpy(dtype=np.float64, na_value=np.nan)
        return figures

    def words(self, name: str) -> NDArray[np.object_]:
        """Return (s,) the words of a column, empty where there are none."""
        if name not in self.segments.columns:
            return np.full(len(self.segments), "", dtype=object)
        words: NDArray[np.object_] = self.segments[name].fillna("").to_numpy(dtype=object)
        return words

    @cached_property
    def length(self) -> Floats:
        """(s,) float64 lengths of the segments, metres."""
        return np.asarray(shapely.length(self.lines))

    @cached_property
    def lines(self) -> Geometries:
        """(s,) lines of the segments."""
        return np.asarray(self.segments.geometry.to_numpy(), dtype=object)

    @cached_property
    def node_codes(self) -> NDArray[np.object_]:
        """(n,) codes of the nodes on record."""
        return np.array(self.nodes["code"].tolist(), dtype=object)

    @cached_property
    def segment_codes(self) -> NDArray[np.object_]:
        """(s,) codes of the segments."""
        return np.array(self.segments["code"].tolist(), dtype=object)

    @cached_property
    def nodes_of_building(self) -> dict[str, list[int]]:
        """Nodes that supply each building, by its code."""
        nodes: dict[str, list[int]] = {}
        for row, code in enumerate(self.nodes["building_code"]):
            if isinstance(code, str):
                nodes.setdefault(code, []).append(row)
        return nodes

    @cached_property
    def missing_counts(self) -> dict[str, int]:
        """Counts of missing data, by key of the catalogue's section ``missing``."""
        valves = self.nodes[self.nodes["kind"] == "valve"]
        unnamed = self.segments["from_node"].isna() | self.segments["to_node"].isna()
        return {
            "valve_no_state": int(valves["is_open"].isna().sum()),
            "pipe_no_ends": int(unnamed.sum()),
            "pipe_no_depth": int(self._has_no_depth.sum()),
            "pipe_unused": self.unused,
            "no_consumers": int(not self.is_kind("consumer").any()),
            "no_source": int(not self.is_source.any()),
        }

    @property
    def _has_no_depth(self) -> Bools:
        """(s,) whether a segment has neither a depth of its own nor one at an end."""
        names = ("burial_depth_m", "depth_from_m", "depth_to_m")
        depths = np.column_stack([self.figures(name) for name in names])
        return np.asarray(np.isnan(depths).all(axis=1))

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Spatial index of the segments."""
        return shapely.STRtree(self.lines)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each segment by its code."""
        return {code: row for row, code in enumerate(self.segments["code"])}

    @cached_property
    def node_of(self) -> dict[str, int]:
        """Row of each node by its code."""
        return {code: row for row, code in enumerate(self.nodes["code"])}

    def is_kind(self, *kinds: str) -> Bools:
        """Return (n,) whether each node is of one of some kinds."""
        mask = np.zeros(len(self.xy), dtype=bool)
        mask[: len(self.nodes)] = self.nodes["kind"].isin(kinds).to_numpy()
        return mask

    @cached_property
    def is_closed(self) -> Bools:
        """(n,) whether each node is a closed valve."""
        mask = np.zeros(len(self.xy), dtype=bool)
        is_shut = self.nodes["is_open"].eq(False).to_numpy(dtype=bool)
        mask[: len(self.nodes)] = is_shut & (self.nodes["kind"] == "valve").to_numpy()
        return mask

    @cached_property
    def is_broken_valve(self) -> Bools:
        """(n,) whether each node is an open valve that is out of service."""
        mask = self.is_kind("valve") & ~self.is_closed
        if "in_service" not in self.nodes.columns:
            return np.zeros_like(mask)
        mask[len(self.nodes) :] = False
        mask[: len(self.nodes)] &= self.nodes["in_service"].eq(False).to_numpy(dtype=bool)
        return mask

    @cached_property
    def is_source(self) -> Bools:
        """(n,) whether each node feeds the network."""
        first = self.is_kind(*SOURCE_KINDS[self.network])
        if first.any() or self.network not in FALLBACK_SOURCE_KINDS:
            return first
        return self.is_kind(*FALLBACK_SOURCE_KINDS[Network(self.network)])

    @cached_property
    def is_one_way(self) -> Bools:
        """(n,) whether each node is a one-way device."""
        return self.is_kind(*ONE_WAY_KINDS) & ~self.is_source

    @cached_property
    def degree(self) -> Ints:
        """(n,) int64 number of segments that end at each node."""
        return np.bincount(self.ends.ravel(), minlength=len(self.xy))

    @cached_property
    def part(self) -> Ints:
        """(n,) int64 connected part of the network that each node belongs to."""
        shape = (len(self.xy),) * 2
        joined = coo_array((np.ones(len(self.ends)), self.ends.T), shape=shape)
        _, label = connected_components(joined, directed=False)
        return label.astype(np.int64)

    @cached_property
    def faults(self) -> list[NetworkFault]:
        """Faults of the network: loose ends, pieces without length, islands and the like."""
        return find_faults(self)

    @cached_property
    def fault_tree(self) -> shapely.STRtree:
        """Spatial index of the faults."""
        return shapely.STRtree([fault.geometry for fault in self.faults])


def build_pipe_graph(
    network: str, crs: pyproj.CRS, nodes: pd.DataFrame, xy: Floats, segments: gpd.GeoDataFrame
) -> PipeGraph:
    """Return the graph of (n,) nodes and (s,) metric segments; ``xy`` are (n, 2) float64 metres.

    Pipes that carry nothing are left out, and nodes at which no other pipe ends.
    """
    is_unused = _is_unused(segments)
    if is_unused.any():
        nodes, xy, segments = _leave_out(nodes, xy, segments, is_unused)
    codes = pd.Index(nodes["code"])
    lines = segments.geometry.to_numpy()
    flat = np.concatenate([codes.get_indexer(segments[end]) for end in ("from_node", "to_node")])
    places = shapely.get_coordinates(
        np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    )
    xy, flat = _join_ends_to_nodes(xy, flat.astype(np.int64), places)
    ends = flat.reshape(2, -1).T.copy()
    return PipeGraph(network, crs, nodes, segments, xy, ends, int(is_unused.sum()))


def _is_unused(segments: gpd.GeoDataFrame) -> Bools:
    if "status" not in segments.columns:
        return np.zeros(len(segments), dtype=bool)
    unused: Bools = segments["status"].isin([state.value for state in UNUSED]).to_numpy(dtype=bool)
    return unused


def _leave_out(
    nodes: pd.DataFrame, xy: Floats, segments: gpd.GeoDataFrame, is_unused: Bools
) -> tuple[pd.DataFrame, Floats, gpd.GeoDataFrame]:
    """Return nodes, their places and segments without the unused pipes and what only they join."""

    def name_ends(rows: Bools) -> set[str]:
        return {code for end in ("from_node", "to_node") for code in segments[end][rows].dropna()}

    retired = name_ends(is_unused) - name_ends(~is_unused)
    is_kept = ~nodes["code"].isin(retired).to_numpy(dtype=bool)
    kept_nodes = nodes[is_kept].reset_index(drop=True)
    return kept_nodes, xy[is_kept], segments[~is_unused].reset_index(drop=True)


def _join_ends_to_nodes(xy: Floats, flat: Ints, places: Floats) -> tuple[Floats, Ints]:
    """Return nodes and ends, with ends that name no node joined to the node at their place."""
    unnamed = np.flatnonzero(flat < 0)
    if not len(unnamed):
        return xy, flat
    if len(xy):
        apart, near = cKDTree(xy).query(places[unnamed])
        close = apart <= SAME_M
        flat[unnamed[close]] = np.asarray(near)[close]
        unnamed = unnamed[~close]
    if not len(unnamed):
        return xy, flat
    pairs = cKDTree(places[unnamed]).query_pairs(SAME_M, output_type="ndarray")
    shape = (len(unnamed),) * 2
    same = connected_components(coo_array((np.ones(len(pairs)), pairs.T), shape=shape), False)[1]
    _, first, number = np.unique(same, return_index=True, return_inverse=True)
    flat[unnamed] = len(xy) + number
    return np.concatenate([xy, places[unnamed][first]]), flat


def read_pipe_graph(
    connection: Connection, network: str, box: tuple[float, float, float, float]
) -> PipeGraph:
    """Return the graph of a network within a box of degrees.

    Raises
    ------
    InputError
        If it has no segments in use there.
    """
    area = func.ST_MakeEnvelope(*box, STORAGE_SRID)
    segments = read_frame(
        connection, _query_layer(PipeSegment, SEGMENT_COLUMNS, network, area, wkb(PipeSegment.geom))
    )
    if segments.empty:
        raise InputError("no_pipes", network=network)
    nodes = read_table(connection, _query_layer(PipeNode, _NODE, network, area, *_PLACE))
    crs = systems.metric_crs((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    lon, lat = (nodes.pop(axis.name).to_numpy(dtype=float) for axis in _PLACE)
    metres = pyproj.Transformer.from_crs(systems.STORAGE, crs, always_xy=True).transform(lon, lat)
    shapes = systems.transform(segments.geometry.to_numpy(), systems.STORAGE, crs)
    segments = segments.set_geometry(gpd.GeoSeries(shapes, index=segments.index, crs=crs))
    graph = build_pipe_graph(network, crs, nodes, np.column_stack(metres), segments)
    if graph.segments.empty:
        raise InputError("no_pipes", network=network)
    return graph


_PLACE = func.ST_X(PipeNode.geom).label("x"), func.ST_Y(PipeNode.geom).label("y")


def _query_layer(table: Any, names: tuple[str, ...], network: str, area: Any, *more: Any) -> Any:
    columns = [getattr(table, name) for name in names]
    within = table.geom.op("&&")(area)
    query = select(*columns, *more).where(table.network == network, within)
    return query.order_by(table.code)
