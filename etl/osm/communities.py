"""Communities for a file without any: built around place nodes, with borders along streets.

Street blocks are assigned to the nearest place, the borders are smoothed and moved around
buildings, and communities with too few households are merged (:func:`build_communities`).
"""

from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl.osm.block_labels import (
    border_by_label,
    find_neighbours,
    nearest_home,
    reattach_pieces,
    smooth_labels,
)
from etl.osm.built_up_area import cut_polygons
from geo.partition.cells.barriers import (
    ROAD_KIND,
    Barriers,
    Kind,
    clip_barriers,
)
from geo.types import Geometries, Ints

LARGE_BLOCK_M2, LONG_BLOCK_M = 60_000.0, 450.0
"""Limits above which a block is divided along paths."""

HUGE_BLOCK_M2, ENDLESS_BLOCK_M = 150_000.0, 900.0
"""Limits above which a block, even without paths, is divided half-way between places."""

MIN_HOUSEHOLDS = 300
"""A community with fewer could not fill one grid and is merged into a neighbour."""

MAX_JOIN_M = 500.0
"""A community that adjoins none is merged into one as near as this; farther away it stays."""

BORDER_ROUNDS = 4


@dataclass(frozen=True)
class CommunitySet:
    """Communities and figures on how they were built.

    Attributes
    ----------
    communities
        ``name`` and polygons in metres, a coverage of the extent.
    places, blocks
        Numbers of places and street blocks that they were built from; 0 for given communities.
    moved_around
        Number of buildings around which a border was moved.
    cut
        Number of buildings that a border still cuts.
    merged
        Names of places without a community of their own: too few households, or in the same block
        as another place.
    """

    communities: gpd.GeoDataFrame
    places: int = 0
    blocks: int = 0
    moved_around: int = 0
    cut: int = 0
    merged: list[str] = field(default_factory=list)


def build_communities(
    places: gpd.GeoDataFrame,
    barriers: Barriers,
    extent: shapely.Geometry,
    buildings: gpd.GeoDataFrame,
    paths: Geometries,
) -> CommunitySet:
    """Build communities around places, each of whole street blocks and in one piece.

    Each block is assigned to the place that is nearest over neighbouring blocks, where crossing an
    arterial, a railway or a river adds to the distance. Borders are moved around buildings.

    Parameters
    ----------
    places
        ``name`` and points in metres; without any, the extent becomes one community.
    barriers
        Streets, waters and railways in metres.
    extent
        The land to divide, in metres.
    buildings
        Footprints in metres with ``households``.
    paths
        (n,) lines that divide large blocks, such as footpaths and service roads, in metres.
    """
    inner_barriers = clip_barriers(barriers, extent)
    street_blocks = cut_polygons(shapely.get_parts(extent), inner_barriers.lines)
    if len(places) == 0:
        frame = {"name": [""], "geom": [shapely.union_all(shapely.get_parts(extent))]}
        return CommunitySet(
            gpd.GeoDataFrame(frame, geometry="geom", crs=places.crs), 0, len(street_blocks)
        )
    blocks = _divide_blocks(street_blocks, places.geometry.to_numpy(), paths)
    home, names, without = _homes(blocks, places)
    label = smooth_labels(blocks, nearest_home(blocks, home, inner_barriers), home)
    land, moved, left = move_borders_around_buildings(
        _dissolve_blocks(blocks, label), buildings.geometry.to_numpy()
    )
    frame = gpd.GeoDataFrame({"name": names, "geom": land}, geometry="geom", crs=places.crs)
    frame, merged = _with_enough_households(frame, buildings)
    return CommunitySet(frame, len(places), len(street_blocks), moved, left, [*without, *merged])


def _homes(blocks: Geometries, places: gpd.GeoDataFrame) -> tuple[Ints, list[str], list[str]]:
    """Return the blocks with a place, the places' names, and the names of places without a block.

    Of several places in one block the first gets it.
    """
    block = pd.Series(shapely.STRtree(blocks).nearest(places.geometry.to_numpy()))
    is_late = block.duplicated().to_numpy()
    names = places["name"].to_numpy()
    return block[~is_late].to_numpy(), list(names[~is_late]), list(names[is_late])


def _dissolve_blocks(blocks: Geometries, label: Ints) -> Geometries:
    """Return the union of the blocks of each label."""
    frame = gpd.GeoSeries(blocks).groupby(label)
    merged: Geometries = np.asarray(
        [shapely.coverage_union_all(part.to_numpy()) for _, part in frame], dtype=object
    )
    return merged


def _divide_blocks(blocks: Geometries, places: Geometries, paths: Geometries) -> Geometries:
    """Divide large blocks, first along paths, then half-way between places; return the coverage."""
    blocks = _cut_large_blocks(blocks, paths, LARGE_BLOCK_M2, LONG_BLOCK_M)
    if len(places) < 2:
        return blocks
    around = shapely.box(*shapely.total_bounds(blocks))
    halfway = shapely.voronoi_polygons(
        shapely.multipoints(places), extend_to=around, only_edges=True
    )
    lines = shapely.get_parts(np.asarray(halfway, dtype=object))
    return _cut_large_blocks(blocks, lines, HUGE_BLOCK_M2, ENDLESS_BLOCK_M)


def _cut_large_blocks(
    blocks: Geometries, lines: Geometries, max_m2: float, max_m: float
) -> Geometries:
    """Cut the blocks that exceed a limit by lines; return all blocks."""
    west, south, east, north = shapely.bounds(blocks).T
    long = np.hypot(east - west, north - south) > max_m
    large = long | (shapely.area(blocks) > max_m2)
    if not large.any() or len(lines) == 0:
        return blocks
    at, line = shapely.STRtree(lines).query(blocks[large], predicate="intersects")
    pieces = shapely.intersection(lines[line], blocks[large][at])
    return cut_polygons(blocks, pieces[shapely.get_dimensions(pieces) == 1])


def move_borders_around_buildings(
    land: Geometries, buildings: Geometries
) -> tuple[Geometries, int, int]:
    """Move the borders of a coverage around the buildings that they cut.

    Parameters
    ----------
    land, buildings
        (n,) polygons of the coverage and (m,) footprints, in metres.

    Returns
    -------
    tuple
        (n,) polygons, the number of buildings around which a border was moved, and the number of
        those still cut.
    """
    moved: set[int] = set()
    for _ in range(BORDER_ROUNDS):
        crossing = _cut_buildings(land, buildings)
        if len(crossing) == 0 or set(crossing.tolist()) <= moved:
            break
        moved |= set(crossing.tolist())
        land = _route_around_buildings(land, buildings[crossing])
    return land, len(moved), len(_cut_buildings(land, buildings))


def _cut_buildings(land: Geometries, buildings: Geometries) -> Ints:
    """Return the indices of buildings of which two polygons hold more than 0.01 m2."""
    foot, place = shapely.STRtree(land).query(buildings, predicate="intersects")
    hits = np.bincount(foot, minlength=len(buildings))
    several = hits[foot] > 1
    foot, place = foot[several], place[several]
    held = shapely.area(shapely.intersection(buildings[foot], land[place])) > 0.01
    return np.flatnonzero(np.bincount(foot[held], minlength=len(buildings)) > 1)


def _route_around_buildings(land: Geometries, crossing: Geometries) -> Geometries:
    """Return the coverage with each cut building whole in the polygon that has most of it."""
    outlines = [
        shapely.Polygon(part.exterior) for part in shapely.get_parts(shapely.union_all(crossing))
    ]
    blobs: Geometries = np.asarray(outlines, dtype=object)
    faces = cut_polygons(land, shapely.boundary(blobs))
    point = shapely.point_on_surface(faces)
    owner = np.full(len(faces), -1, dtype=np.int64)
    face, place = shapely.STRtree(land).query(point, predicate="within")
    owner[face] = place
    in_blob, blob = shapely.STRtree(blobs).query(point, predicate="within")
    owner[in_blob] = _holder(blobs, land)[blob]
    neighbours = find_neighbours(faces)
    size = pd.Series(shapely.area(faces)).groupby(owner).idxmax()
    if len(size) < len(land):
        return land
    label = reattach_pieces(neighbours.pairs, neighbours.length, owner, size.to_numpy())
    return _dissolve_blocks(faces, label)


def _holder(footprints: Geometries, land: Geometries) -> Ints:
    """Return the index of the polygon that holds most of each footprint, -1 for none."""
    foot, place = shapely.STRtree(land).query(footprints, predicate="intersects")
    area = shapely.area(shapely.intersection(footprints[foot], land[place]))
    order = np.lexsort((place, area, foot))
    holder = np.full(len(footprints), -1, dtype=np.int64)
    holder[foot[order]] = place[order]
    return holder


def _with_enough_households(
    communities: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Merge communities with too few households into a neighbour; return the merged names too.

    One that adjoins none goes to the nearest within MAX_JOIN_M.
    """
    land, names = communities.geometry.to_numpy().copy(), communities["name"].tolist()
    holder = _holder(buildings.geometry.to_numpy(), land)
    held = holder >= 0
    count = np.bincount(holder[held], buildings["households"].to_numpy()[held], minlength=len(land))
    neighbours = find_neighbours(land)
    root, merged = np.arange(len(land)), list[str]()
    for small in np.argsort(count, kind="stable"):
        if count[small] >= MIN_HOUSEHOLDS:
            continue
        table = border_by_label(neighbours, root, len(land)).tocsr()
        shared = table[np.flatnonzero(root == small)].sum(axis=0)
        shared = np.asarray(shared).ravel()
        shared[small] = 0.0
        into = int(shared.argmax())
        if shared[into] == 0:
            into = _nearest_community(land, root, small)
        if into < 0:
            continue
        count[into] += count[small]
        root[root == small] = into
        merged.append(names[small])
    remaining = np.unique(root)
    frame = {"name": [names[i] for i in remaining], "geom": _dissolve_blocks(land, root)}
    return gpd.GeoDataFrame(frame, geometry="geom", crs=communities.crs), merged


def _nearest_community(land: Geometries, root: Ints, small: int) -> int:
    """Return the community nearest to one that adjoins none, -1 if none is within MAX_JOIN_M."""
    others = np.flatnonzero(root != small)
    away = shapely.distance(shapely.union_all(land[root == small]), land[others])
    if away.min(initial=np.inf) > MAX_JOIN_M:
        return -1
    return int(root[others[away.argmin()]])


def community_barriers(layers: dict[str, gpd.GeoDataFrame]) -> Barriers:
    """Return the streets, railways and waters that borders follow, of layers in metres."""
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


def dividing_paths(roads: gpd.GeoDataFrame) -> Geometries:
    """Return the roads that are no barriers, shape (n,); they divide blocks that are too large."""
    minor = ~roads["road_class"].isin(ROAD_KIND) & ~roads["tunnel"].astype(bool)
    lines: Geometries = roads.geometry[minor].to_numpy()
    return lines


def assign_communities(footprints: gpd.GeoSeries, communities: gpd.GeoDataFrame) -> pd.Series:
    """Return the code of the community that holds most of each footprint or point.

    None where less than half of it lies in any community.
    """
    shapes, land = footprints.to_numpy(), communities.geometry.to_numpy()
    holder = _holder(shapes, land)
    foot, place = shapely.STRtree(land).query(shapes, predicate="intersects")
    area = shapely.area(shapely.intersection(shapes[foot], land[place]))
    inside = np.bincount(foot, area, minlength=len(shapes))
    holder[inside < 0.5 * shapely.area(shapes)] = -1
    codes = np.append(communities["code"].to_numpy(dtype=object), np.array([None], dtype=object))
    return pd.Series(codes[holder], index=footprints.index, dtype=object)
