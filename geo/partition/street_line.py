"""The line along a street that divides a community, from border to border.

Where the street ends inside the community, the line continues to the border along the nearest
barriers (streets, railways, waters, walls).
"""

import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, shortest_path
from scipy.spatial.distance import cdist

from geo.errors import InputError, NotFoundError
from geo.geometry.planar_faces import node_lines
from geo.partition.cells.barriers import ON_BARRIER_M, Barriers, Kind, clip_barriers
from geo.partition.community import Community, build_barriers
from geo.types import Bools, Floats, Ints, Lines, Points

SAME_STREET_M = 200.0
"""Lines with the same name that are farther apart than this are different streets."""

MIN_ALONG_SHARE = 0.5
"""Share of the line that must run on the street itself."""

STREET_FACTOR = 0.1
"""Cost of a metre along the street, where a metre along another barrier costs 1."""

MAIN_PART_SHARE = 0.25
"""Parts of the street shorter than this share of its longest part are ignored."""

MAX_LISTED = 12
"""Most names or codes of streets that an error message lists."""


@dataclass(frozen=True)
class StreetLine:
    """A line along a street: LineString in metres, the street's name, and the metres on it."""

    line: shapely.Geometry
    street: str
    along_m: float


@dataclass(frozen=True)
class _Network:
    """Noded barriers inside a community.

    Attributes
    ----------
    pieces
        (m,) LineStrings that meet only at their ends.
    middles
        (m,) Points in the middle of the pieces.
    ends
        (m, 2) int64 nodes. Each end on the border of the community is a node of its own, so that
        no path runs through the border.
    xy
        (n, 2) float64 of the nodes.
    is_end
        (n,) bool, which nodes lie on the border.
    is_street
        (m,) bool, which pieces lie on the street.
    """

    pieces: Lines
    middles: Points
    ends: Ints
    xy: Floats
    is_end: Bools
    is_street: Bools

    def lengths(self) -> Floats:
        """Return (m,) float64 metres."""
        lengths: Floats = shapely.length(self.pieces)
        return lengths

    def matrix(self, costs: Floats, is_used: Bools) -> csr_array:
        """Return the graph of some pieces, with (m,) float64 costs."""
        order = np.argsort(-costs, kind="stable")  # of parallel pieces the cheapest is last
        order = order[is_used[order]]
        pairs = pd.DataFrame(np.sort(self.ends[order], axis=1)).assign(cost=costs[order])
        pairs = pairs.drop_duplicates([0, 1], keep="last")
        n = len(self.xy)
        return coo_array((pairs["cost"], (pairs[0], pairs[1])), shape=(n, n)).tocsr()


def find_street_line(community: Community, street: str) -> StreetLine:
    """Find the line along a street from border to border of a community.

    Parameters
    ----------
    street
        Name, part of a name, or code of a road, railway or water.

    Raises
    ------
    NotFoundError
        If nothing in or around the community has this name or code.
    InputError
        If several have, or the street does not run through the community.
    """
    name, lines = _find_street(community, street)
    network = _build_network(community.polygon, _add_missing(build_barriers(community), lines))
    return _find_line(community, name, _mark_street(network, lines))


def _find_line(community: Community, name: str, network: _Network) -> StreetLine:
    """Return the line along the street of a network.

    Raises
    ------
    InputError
        If the street does not run through the community.
    """
    path = _find_path(network)
    lengths_m = network.lengths()
    if path is None:
        inside_m = round(float(lengths_m[network.is_street].sum()))
        raise InputError(
            "street_not_crossing", street=name, community=community.title(), inside=inside_m
        )
    total_m, along_m = (
        float(lengths_m[pieces].sum()) for pieces in (path, path[network.is_street[path]])
    )
    if along_m < MIN_ALONG_SHARE * total_m:
        raise InputError(
            "street_too_short",
            street=name,
            community=community.title(),
            along=round(along_m),
            total=round(total_m),
        )
    return StreetLine(shapely.line_merge(shapely.union_all(network.pieces[path])), name, along_m)


def find_street_lines(community: Community, codes: Sequence[str]) -> dict[str, StreetLine]:
    """Find the lines along streets from border to border, by the codes of the streets.

    Streets that do not run through the community are left out.
    """
    barriers = build_barriers(community)
    network = _build_network(community.polygon, barriers)  # that of most streets
    street_lines = {}
    for code in codes:
        with suppress(InputError, NotFoundError):
            name, lines = _find_street(community, code)
            completed = _add_missing(barriers, lines)
            if completed is barriers:
                marked = _mark_street(network, lines)
            else:
                marked = _mark_street(_build_network(community.polygon, completed), lines)
            street_lines[code] = _find_line(community, name, marked)
    return street_lines


def _find_street(community: Community, street: str) -> tuple[str, Lines]:
    """Return the name and the lines of a street in or around a community."""
    rows = _read_lines_with_names(community)
    name_key = _normalize(street)
    keys = rows["name"].map(_normalize)
    has_code = (rows["code"] == street.strip()).to_numpy()
    if has_code.any():
        row = int(has_code.argmax())
        if not keys.iloc[row]:
            return street.strip(), rows.geometry.to_numpy()[has_code]
        namesakes = rows[(keys == keys.iloc[row]) & (rows["layer"] == rows["layer"].iloc[row])]
        group = _group_nearby(namesakes)
        position = int(np.flatnonzero(namesakes["code"] == street.strip())[0])
        return rows["name"].iloc[row], namesakes.geometry.to_numpy()[group == group[position]]
    matches = rows[(keys == name_key) & (keys != "")]
    if matches.empty and name_key:
        matches = rows[keys.str.contains(name_key, regex=False)]
    names = sorted(set(matches["name"]))
    if not names:
        known = sorted({name for name in rows["name"] if name})
        more = ["…"] if len(known) > MAX_LISTED else []
        raise NotFoundError(
            "street_unknown",
            street=street,
            community=community.title(),
            known=", ".join([*known[:MAX_LISTED], *more]) or "-",
        )
    group = _group_nearby(matches)
    if len({_normalize(name) for name in names}) > 1:
        raise InputError("street_names", street=street, names=", ".join(names[:MAX_LISTED]))
    if group.max() > 0 or matches["layer"].nunique() > 1:
        first_of_group = matches.assign(group=group).drop_duplicates(["layer", "group"])
        codes = ", ".join(first_of_group["code"][:MAX_LISTED])
        raise InputError(
            "street_ambiguous", street=names[0], count=len(first_of_group), codes=codes
        )
    return names[0], matches.geometry.to_numpy()


def _read_lines_with_names(community: Community) -> gpd.GeoDataFrame:
    """Return ``layer``, ``code`` and ``name`` of roads, railways and waters, as lines."""
    frames = [
        frame.assign(layer=layer)[["layer", "code", "name", "geom"]]
        for layer in ("roads", "railways", "waters")
        for frame in (getattr(community, layer),)
        if len(frame)
    ]
    if not frames:
        return gpd.GeoDataFrame({"layer": [], "code": [], "name": [], "geom": []}, geometry="geom")
    rows = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), geometry="geom")
    shapes = rows.geometry.to_numpy()
    surfaces = shapely.get_dimensions(shapes) == 2
    shapes[surfaces] = shapely.boundary(shapes[surfaces])
    return rows.assign(name=rows["name"].fillna("")).set_geometry(shapes)


def _normalize(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _group_nearby(rows: gpd.GeoDataFrame) -> Ints:
    """Return (r,) int64 the group of each line; lines near to each other are in one group."""
    shapes = rows.geometry.to_numpy()
    left, right = shapely.STRtree(shapes).query(shapes, "dwithin", distance=SAME_STREET_M)
    matrix = coo_array((np.ones(len(left)), (left, right)), shape=(len(rows), len(rows)))
    return np.asarray(connected_components(matrix, directed=False)[1], dtype=np.int64)


def _add_missing(barriers: Barriers, street: Lines) -> Barriers:
    """Return barriers with the parts of a street that are none: bridges, tunnels, footways.

    Lines that are there already are not added again: two equal lines hide each other's dangling
    ends.
    """
    whole = shapely.union_all(street)
    shapely.prepare(whole)
    near = barriers.lines[shapely.intersects(whole, barriers.lines)]
    missing = shapely.difference(whole, shapely.union_all(near))
    if shapely.length(missing) <= ON_BARRIER_M:
        return barriers
    lines = np.append(barriers.lines, shapely.get_parts(missing))
    kinds = np.full(len(lines), Kind.OPEN, dtype=np.int8)
    return Barriers(lines, kinds, barriers.water)


def _build_network(land: shapely.Geometry, barriers: Barriers) -> _Network:
    """Return the barriers inside a polygon, noded with its border; no piece is marked as street."""
    clipped = clip_barriers(barriers, land)
    border = np.asarray(shapely.boundary(land), dtype=object)
    noded = node_lines(np.append(clipped.lines, border))
    coords = shapely.linestrings(
        noded.coords, indices=np.repeat(np.arange(len(noded.first) - 1), np.diff(noded.first))
    )
    pieces = np.asarray(coords, dtype=object).reshape(-1)
    middles: Points = np.asarray(shapely.points(noded.midpoints()), dtype=object)
    shapely.prepare([land, border.item()])
    inside = shapely.contains(land, middles)
    inside &= ~shapely.dwithin(border, middles, ON_BARRIER_M / 2)
    pieces, ends, middles = pieces[inside], noded.ends[inside], middles[inside]
    tips = np.array([shapely.get_point(pieces, 0), shapely.get_point(pieces, -1)], dtype=object).T
    at_border = np.asarray(shapely.dwithin(border, tips, ON_BARRIER_M / 2), dtype=bool)
    inner = int(ends.max(initial=-1)) + 1
    ends[at_border] = inner + np.arange(int(at_border.sum()))
    xy = np.zeros((inner + int(at_border.sum()), 2))
    xy[ends.ravel()] = shapely.get_coordinates(tips.ravel())
    is_street = np.zeros(len(pieces), dtype=bool)
    return _Network(pieces, middles, ends, xy, np.arange(len(xy)) >= inner, is_street)


def _mark_street(network: _Network, street: Lines) -> _Network:
    """Return a network with the pieces on a street marked."""
    whole = shapely.union_all(street)
    shapely.prepare(whole)
    return replace(network, is_street=shapely.dwithin(whole, network.middles, ON_BARRIER_M))


def _find_path(network: _Network) -> Ints | None:
    """Return the pieces of the line from border to border, None if there is none."""
    if not network.is_street.any():
        return None
    costs = np.where(network.is_street, STREET_FACTOR, 1.0) * network.lengths()
    nodes = _find_main_path(network, costs)
    if len(nodes) < 2:
        return None
    for _ in range(2):  # at either end
        nodes = _extend_to_border(network, nodes)[::-1]
    if not network.is_end[nodes[[0, -1]]].all() or len(np.unique(nodes)) < len(nodes):
        return None
    return _pieces_between(network, nodes, costs)


def _find_main_path(network: _Network, costs: Floats) -> Ints:
    """Return (k,) int64 nodes of the path between the two outermost ends of the street.

    Of all pairs of ends, it joins the two for which their distance less the cost of the path is
    largest: so it follows one of two carriageways or banks, and does not return on the other.
    Empty if no two ends are connected.
    """
    tips = _street_tips(network)
    matrix = network.matrix(costs, np.ones(len(costs), dtype=bool))
    cost, predecessors = shortest_path(
        matrix, directed=False, indices=tips, return_predecessors=True
    )
    gain = cdist(network.xy[tips], network.xy[tips]) - cost[:, tips]
    np.fill_diagonal(gain, -np.inf)
    first, last = np.unravel_index(gain.argmax(), gain.shape)
    if not np.isfinite(gain[first, last]):
        return np.empty(0, dtype=np.int64)
    return _trace_path(predecessors[first], int(tips[last]))


def _street_tips(network: _Network) -> Ints:
    """Return the nodes at which the street ends; all of its nodes if it is a ring.

    Parts of the street that are short compared with its longest part are ignored.
    """
    ends, lengths = network.ends[network.is_street], network.lengths()[network.is_street]
    n = len(network.xy)
    matrix = coo_array((lengths, ends.T), shape=(n, n))
    part = connected_components(matrix, directed=False)[1][ends[:, 0]]
    total = np.bincount(part, lengths)
    nodes, degree = np.unique(
        ends[total[part] >= MAIN_PART_SHARE * total.max()], return_counts=True
    )
    tips: Ints = nodes[degree == 1]
    return tips if len(tips) > 1 else nodes


def _trace_path(predecessors: NDArray[np.int32], node: int) -> Ints:
    """Return the nodes of a path from its start to a node, by (n,) int32 predecessors."""
    nodes = [node]
    while predecessors[nodes[-1]] >= 0:
        nodes.append(int(predecessors[nodes[-1]]))
    return np.array(nodes[::-1], dtype=np.int64)


def _extend_to_border(network: _Network, nodes: Ints) -> Ints:
    """Return a path extended along barriers, so that its last node is on the border if possible.

    The extension may branch off before the end of the path: the last part of a street may be a dead
    end. The part of the path that is dropped then counts as a cost.

    Parameters
    ----------
    nodes
        (k,) int64 nodes of the path.
    """
    if network.is_end[nodes[-1]]:
        return nodes
    lengths = network.lengths()
    position = np.full(len(network.xy), -1, dtype=np.int64)
    position[nodes] = np.arange(len(nodes))
    on_path = position[network.ends]
    matrix = network.matrix(lengths, np.ones(len(lengths), dtype=bool))
    steps = [matrix[a, b] + matrix[b, a] for a, b in pairwise(nodes)]
    dropped = np.append(np.cumsum(steps[::-1])[::-1], 0.0) + 1e-6
    exits = np.flatnonzero(dropped <= dropped[0] / 2)  # in the second half of the path
    is_free = (on_path < 0).any(axis=1) | (np.abs(np.diff(on_path, axis=1))[:, 0] > 1)
    is_free &= ~((on_path >= 0) & (on_path < exits[0])).any(axis=1)
    source, n = len(network.xy), len(network.xy) + 1
    graph = network.matrix(lengths, is_free).tocoo()
    rows = np.append(graph.coords[0], np.full(len(exits), source)).astype(np.int64)
    columns = np.append(graph.coords[1], nodes[exits]).astype(np.int64)
    with_source = coo_array((np.append(graph.data, dropped[exits]), (rows, columns)), shape=(n, n))
    cost, predecessors = shortest_path(
        with_source.tocsr(), directed=False, indices=source, return_predecessors=True
    )
    border = np.flatnonzero(network.is_end)
    nearest = border[cost[border].argmin()] if len(border) else -1
    if nearest < 0 or not np.isfinite(cost[nearest]):
        return nodes
    tail = _trace_path(predecessors, int(nearest))[1:]
    joins = position[tail]
    last_join = int(np.flatnonzero(joins >= 0)[-1])
    return np.append(nodes[: joins[last_join] + 1], tail[last_join + 1 :])


def _pieces_between(network: _Network, nodes: Ints, costs: Floats) -> Ints:
    """Return (k - 1,) int64 the cheapest piece between consecutive nodes of a path."""
    number = {}
    for piece in np.argsort(-costs, kind="stable"):
        number[frozenset(network.ends[piece].tolist())] = int(piece)
    pairs = pairwise(nodes.tolist())
    return np.array([number[frozenset(pair)] for pair in pairs], dtype=np.int64)
