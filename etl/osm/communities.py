"""Communities where a file has none: made around place nodes, with borders along streets.

blocks -> nearest place -> smooth -> whole buildings -> enough households
"""

from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from etl.osm.built_up_area import cut
from geo.geometry.shared_borders import find_borders
from geo.partition.cells.barriers import (
    ROAD_KIND,
    Barriers,
    Kind,
    clip_barriers,
    find_barrier_kinds,
)
from geo.types import Floats, Geometries, Ints

LARGE_BLOCK_M2, LONG_BLOCK_M = 60_000.0, 450.0
"""A block larger or longer than this is divided along paths."""

HUGE_BLOCK_M2, ENDLESS_BLOCK_M = 150_000.0, 900.0
"""A block larger or longer than this, paths or not, is divided half-way between places."""

LEAST_HOUSEHOLDS = 300
"""A community with fewer could not fill one grid; it joins a neighbour."""

CROSSING_M = {Kind.ARTERIAL: 300.0, Kind.RAILWAY: 400.0, Kind.RIVER: 400.0, Kind.STREET: 40.0}
"""Metres that crossing a barrier counts for when a block looks for its nearest place."""

SMOOTHING_ROUNDS = 6
UNCUT_ROUNDS = 4


@dataclass(frozen=True)
class MadeCommunities:
    """Communities and how they came about.

    Attributes
    ----------
    communities
        ``name`` and polygons in metres: a coverage of the extent.
    places, blocks
        Numbers of the places that they are made around and of the street blocks that they are
        made of; 0 where they are not made.
    moved_around
        Number of buildings around which a border was moved.
    cut
        Number of buildings that a border still cuts.
    merged
        Names of places that got no community: too few households, or one block with another.
    """

    communities: gpd.GeoDataFrame
    places: int = 0
    blocks: int = 0
    moved_around: int = 0
    cut: int = 0
    merged: list[str] = field(default_factory=list)


def communities_from_places(
    places: gpd.GeoDataFrame,
    barriers: Barriers,
    extent: shapely.Geometry,
    buildings: gpd.GeoDataFrame,
    paths: Geometries,
) -> MadeCommunities:
    """Return communities around places: whole street blocks, each in one piece with its place.

    Each block goes to the place that is nearest over neighbouring blocks, where crossing an
    arterial, a railway or a river counts as a detour. A border runs around a building that stands
    on it.

    Parameters
    ----------
    places
        ``name`` and points in metres; without any, the extent is one community.
    barriers
        Streets, waters and railways in metres.
    extent
        The land to divide, in metres.
    buildings
        Footprints in metres with ``households``.
    paths
        Lines that divide a large block: footpaths, service roads.
    """
    cut_barriers = clip_barriers(barriers, extent)
    whole = cut(shapely.get_parts(extent), cut_barriers.lines)
    if len(places) == 0:
        frame = {"name": [""], "geom": [shapely.union_all(shapely.get_parts(extent))]}
        return MadeCommunities(
            gpd.GeoDataFrame(frame, geometry="geom", crs=places.crs), 0, len(whole)
        )
    blocks = _divide_blocks(whole, places.geometry.to_numpy(), paths)
    home, names, without = _homes(blocks, places)
    label = _smooth(blocks, _nearest_home(blocks, home, cut_barriers), home)
    land, moved, left = uncut(_dissolve_blocks(blocks, label), buildings.geometry.to_numpy())
    frame = gpd.GeoDataFrame({"name": names, "geom": land}, geometry="geom", crs=places.crs)
    frame, merged = _with_enough_households(frame, buildings)
    return MadeCommunities(frame, len(places), len(whole), moved, left, [*without, *merged])


def _homes(blocks: Geometries, places: gpd.GeoDataFrame) -> tuple[Ints, list[str], list[str]]:
    """Return the blocks on which places stand and their names; and who came too late for one."""
    block = pd.Series(shapely.STRtree(blocks).nearest(places.geometry.to_numpy()))
    late = block.duplicated().to_numpy()
    names = places["name"].to_numpy()
    return block[~late].to_numpy(), list(names[~late]), list(names[late])


def _dissolve_blocks(blocks: Geometries, label: Ints) -> Geometries:
    """Return the blocks of each label as one."""
    frame = gpd.GeoSeries(blocks).groupby(label)
    merged: Geometries = np.asarray(
        [shapely.coverage_union_all(part.to_numpy()) for _, part in frame], dtype=object
    )
    return merged


def _divide_blocks(blocks: Geometries, places: Geometries, paths: Geometries) -> Geometries:
    """Return blocks with the large ones divided, first along paths; still a coverage."""
    blocks = _with_large_cut(blocks, paths, LARGE_BLOCK_M2, LONG_BLOCK_M)
    if len(places) < 2:
        return blocks
    around = shapely.box(*shapely.total_bounds(blocks))
    halfway = shapely.voronoi_polygons(
        shapely.multipoints(places), extend_to=around, only_edges=True
    )
    lines = shapely.get_parts(np.asarray(halfway, dtype=object))
    return _with_large_cut(blocks, lines, HUGE_BLOCK_M2, ENDLESS_BLOCK_M)


def _with_large_cut(
    blocks: Geometries, lines: Geometries, most_m2: float, most_m: float
) -> Geometries:
    """Return blocks with those larger or longer than a limit cut by lines."""
    west, south, east, north = shapely.bounds(blocks).T
    long = np.hypot(east - west, north - south) > most_m
    large = long | (shapely.area(blocks) > most_m2)
    if not large.any() or len(lines) == 0:
        return blocks
    at, line = shapely.STRtree(lines).query(blocks[large], predicate="intersects")
    pieces = shapely.intersection(lines[line], blocks[large][at])
    return cut(blocks, pieces[shapely.get_dimensions(pieces) == 1])


@dataclass(frozen=True)
class _Neighbours:
    """Pairs of neighbouring blocks with the length of their border, and all its segments."""

    pairs: Ints
    length: NDArray[np.float64]
    one: Ints
    other: Ints
    middles: Floats


def _neighbours(blocks: Geometries) -> _Neighbours:
    shared = find_borders(blocks)
    inner = shared.left >= 0
    one, other = shared.left[inner], shared.right[inner]
    pairs, pair = np.unique(np.stack([one, other], axis=1), axis=0, return_inverse=True)
    length = np.zeros(len(pairs))
    np.add.at(length, pair.ravel(), shared.length[inner])
    return _Neighbours(pairs, length, one, other, shared.midpoints()[inner])


def _nearest_home(blocks: Geometries, home: Ints, barriers: Barriers) -> Ints:
    """Return for each block the number of its nearest home block, by a walk over blocks."""
    beside = _neighbours(blocks)
    kind = find_barrier_kinds(beside.middles, barriers)
    detour = np.array([CROSSING_M.get(k, 0.0) for k in Kind])[kind]
    centre = shapely.get_coordinates(shapely.centroid(blocks))
    step = np.hypot(*(centre[beside.one] - centre[beside.other]).T) + detour + 1.0
    segments = np.stack([beside.one, beside.other], axis=1)
    pairs, pair = np.unique(segments, axis=0, return_inverse=True)
    least = np.full(len(pairs), np.inf)
    np.minimum.at(least, pair.ravel(), step)
    matrix = coo_array((least, pairs.T), shape=(len(blocks), len(blocks))).tocsr()
    distance, _, source = dijkstra(
        matrix, directed=False, indices=home, min_only=True, return_predecessors=True
    )
    number = np.full(len(blocks) + 1, -1, dtype=np.int64)
    number[home] = np.arange(len(home))
    nearest = number[np.where(np.isfinite(distance), source, -1)]
    # Blocks on a piece of land without a place: to the nearest place as the crow flies.
    lost = np.flatnonzero(nearest < 0)
    if len(lost):
        tree = shapely.STRtree(np.asarray(shapely.points(centre[home]), dtype=object))
        nearest[lost] = tree.nearest(np.asarray(shapely.points(centre[lost]), dtype=object))
    return nearest


def _border_by_label(beside: _Neighbours, label: Ints, count: int) -> coo_array:
    """Return the length of border that each block has with the blocks of each label."""
    one, other = beside.pairs.T
    rows = np.concatenate([one, other])
    columns = np.concatenate([label[other], label[one]])
    known = columns >= 0
    values = np.concatenate([beside.length, beside.length])
    shape = (len(label), count)
    return coo_array((values[known], (rows[known], columns[known])), shape=shape)


def _smooth(blocks: Geometries, label: Ints, home: Ints) -> Ints:
    """Return labels without spikes: a block goes where it has twice as much border."""
    beside = _neighbours(blocks)
    for _ in range(SMOOTHING_ROUNDS):
        table = _border_by_label(beside, label, len(home)).tocsr()
        best = np.asarray(table.argmax(axis=1)).ravel()
        rows = np.arange(len(label))
        most = np.asarray(table[rows, best]).ravel()
        own = np.asarray(table[rows, label]).ravel()
        moving = most > 2.0 * own
        moving[home] = False
        if not moving.any():
            break
        label = reattach_pieces(beside.pairs, beside.length, np.where(moving, best, label), home)
    return label


def reattach_pieces(pairs: Ints, length: NDArray[np.float64], label: Ints, home: Ints) -> Ints:
    """Return labels in which each is in one piece with its home.

    Parameters
    ----------
    pairs, length
        (e, 2) neighbouring pieces and the length of their border.
    label
        (n,) label of each piece.
    home
        (k,) piece at the heart of each label.
    """
    beside = _Neighbours(pairs, length, np.empty(0, int), np.empty(0, int), np.empty(0, object))
    same = label[pairs[:, 0]] == label[pairs[:, 1]]
    graph = coo_array((np.ones(same.sum()), pairs[same].T), shape=(len(label), len(label)))
    part = connected_components(graph, directed=False)[1]
    now = np.where(part == part[home[label]], label, -1)
    while (now < 0).any():
        table = _border_by_label(beside, now, len(home)).tocsr()
        best = np.asarray(table.argmax(axis=1)).ravel()
        reached = (now < 0) & (np.asarray(table[np.arange(len(now)), best]).ravel() > 0)
        if not reached.any():
            break
        now = np.where(reached, best, now)
    # An island stays with whom it was.
    return np.where(now < 0, label, now)


def uncut(land: Geometries, buildings: Geometries) -> tuple[Geometries, int, int]:
    """Return polygons of a coverage with borders moved around the buildings that they cut.

    Returns
    -------
    The polygons, the number of buildings around which a border moved, and of those still cut.
    """
    moved: set[int] = set()
    for _ in range(UNCUT_ROUNDS):
        crossing = _cut_buildings(land, buildings)
        if len(crossing) == 0 or set(crossing.tolist()) <= moved:
            break
        moved |= set(crossing.tolist())
        land = _route_around_buildings(land, buildings[crossing])
    return land, len(moved), len(_cut_buildings(land, buildings))


def _cut_buildings(land: Geometries, buildings: Geometries) -> Ints:
    """Return the numbers of buildings of which two polygons hold a part worth the name."""
    foot, place = shapely.STRtree(land).query(buildings, predicate="intersects")
    hits = np.bincount(foot, minlength=len(buildings))
    several = hits[foot] > 1
    foot, place = foot[several], place[several]
    held = shapely.area(shapely.intersection(buildings[foot], land[place])) > 0.01
    return np.flatnonzero(np.bincount(foot[held], minlength=len(buildings)) > 1)


def _route_around_buildings(land: Geometries, crossing: Geometries) -> Geometries:
    """Return the coverage with each crossing building whole in the polygon that has most of it."""
    outlines = [
        shapely.Polygon(part.exterior) for part in shapely.get_parts(shapely.union_all(crossing))
    ]
    blobs: Geometries = np.asarray(outlines, dtype=object)
    faces = cut(land, shapely.boundary(blobs))
    point = shapely.point_on_surface(faces)
    owner = np.full(len(faces), -1, dtype=np.int64)
    face, place = shapely.STRtree(land).query(point, predicate="within")
    owner[face] = place
    in_blob, blob = shapely.STRtree(blobs).query(point, predicate="within")
    owner[in_blob] = _holder(blobs, land)[blob]
    beside = _neighbours(faces)
    size = pd.Series(shapely.area(faces)).groupby(owner).idxmax()
    if len(size) < len(land):
        return land
    label = reattach_pieces(beside.pairs, beside.length, owner, size.to_numpy())
    return _dissolve_blocks(faces, label)


def _holder(footprints: Geometries, land: Geometries) -> Ints:
    """Return the number of the polygon that holds most of each footprint, -1 outside all."""
    foot, place = shapely.STRtree(land).query(footprints, predicate="intersects")
    area = shapely.area(shapely.intersection(footprints[foot], land[place]))
    order = np.lexsort((place, area, foot))
    holder = np.full(len(footprints), -1, dtype=np.int64)
    holder[foot[order]] = place[order]
    return holder


def _with_enough_households(
    communities: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return communities with those that have too few households joined to a neighbour."""
    land, names = communities.geometry.to_numpy().copy(), communities["name"].tolist()
    holder = _holder(buildings.geometry.to_numpy(), land)
    held = holder >= 0
    count = np.bincount(holder[held], buildings["households"].to_numpy()[held], minlength=len(land))
    beside = _neighbours(land)
    root, merged = np.arange(len(land)), list[str]()
    for small in np.argsort(count, kind="stable"):
        if count[small] >= LEAST_HOUSEHOLDS:
            continue
        table = _border_by_label(beside, root, len(land)).tocsr()
        shared = table[np.flatnonzero(root == small)].sum(axis=0)
        shared = np.asarray(shared).ravel()
        shared[small] = 0.0
        if shared.max(initial=0.0) == 0:
            continue
        into = int(shared.argmax())
        count[into] += count[small]
        root[root == small] = into
        merged.append(names[small])
    kept = np.unique(root)
    frame = {"name": [names[i] for i in kept], "geom": _dissolve_blocks(land, root)}
    return gpd.GeoDataFrame(frame, geometry="geom", crs=communities.crs), merged


def barriers_from(layers: dict[str, gpd.GeoDataFrame]) -> Barriers:
    """Return what borders of communities follow, of layers in metres: streets, rails, waters."""
    roads = layers["road"]
    roads = roads[roads["road_class"].isin(ROAD_KIND) & ~roads["tunnel"].astype(bool)]
    rails = layers["railway"]
    rails = rails[~rails["tunnel"].astype(bool)]
    waters = layers["water"]
    streams = waters[
        waters["kind"].isin(["river", "canal"])
        & (shapely.get_dimensions(waters.geometry.to_numpy()) == 1)
    ]
    lines = [frame.geometry.to_numpy() for frame in (roads, rails, streams)]
    kinds = [
        roads["road_class"].map(ROAD_KIND).to_numpy(dtype=np.int8),
        np.full(len(rails), Kind.RAILWAY, dtype=np.int8),
        np.full(len(streams), Kind.RIVER, dtype=np.int8),
    ]
    return Barriers(np.concatenate(lines), np.concatenate(kinds), np.empty(0, dtype=object))


def paths_from(roads: gpd.GeoDataFrame) -> Geometries:
    """Return the roads that are no barriers: they divide a block where it is too large."""
    minor = ~roads["road_class"].isin(ROAD_KIND) & ~roads["tunnel"].astype(bool)
    lines: Geometries = roads.geometry[minor].to_numpy()
    return lines


def community_of(footprints: gpd.GeoSeries, communities: gpd.GeoDataFrame) -> pd.Series:
    """Return the code of the community that holds most of each footprint or point.

    None for what lies outside all, at least for the greater part.
    """
    shapes, land = footprints.to_numpy(), communities.geometry.to_numpy()
    holder = _holder(shapes, land)
    foot, place = shapely.STRtree(land).query(shapes, predicate="intersects")
    area = shapely.area(shapely.intersection(shapes[foot], land[place]))
    inside = np.bincount(foot, area, minlength=len(shapes))
    holder[inside < 0.5 * shapely.area(shapes)] = -1
    codes = np.append(communities["code"].to_numpy(dtype=object), np.array([None], dtype=object))
    return pd.Series(codes[holder], index=footprints.index, dtype=object)
