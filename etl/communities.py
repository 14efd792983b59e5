"""Communities where a file has none: made around place nodes, with borders along streets."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from geo.partition.barriers import ROAD_KIND, Barriers, Kind, kinds_of, rooms, within
from geo.partition.coverage import borders

BUILT_UP_M = 30.0
"""Land this near to a building is built-up; gaps up to twice this wide between it are closed."""

STREET_MARGIN_M = 8.0
LEAST_PIECE_M2 = 20_000.0
LARGE_BLOCK_M2, LONG_BLOCK_M = 60_000.0, 450.0
"""A block larger or longer than this may be divided between places, half-way."""

CROSSING_M = {Kind.ARTERIAL: 300.0, Kind.RAILWAY: 400.0, Kind.RIVER: 400.0, Kind.STREET: 40.0}
"""Metres that crossing a barrier counts for when a block looks for its nearest place."""


@dataclass(frozen=True)
class Made:
    """Communities and how they came about.

    Attributes
    ----------
    communities
        ``name`` and polygons in metres: a coverage of the extent.
    blocks
        Number of street blocks they are made of.
    """

    communities: gpd.GeoDataFrame
    blocks: int


def built_up_extent(
    buildings: gpd.GeoSeries, streets: gpd.GeoSeries, sea: shapely.Geometry
) -> shapely.Geometry:
    """Return the land that is built up, in metres, without holes or specks."""
    near = shapely.union_all(shapely.buffer(buildings.to_numpy(), BUILT_UP_M, quad_segs=2))
    lanes = shapely.union_all(shapely.buffer(streets.to_numpy(), STREET_MARGIN_M, quad_segs=2))
    joined = shapely.union(near, shapely.intersection(lanes, shapely.buffer(near, BUILT_UP_M)))
    closed = shapely.buffer(shapely.buffer(joined, BUILT_UP_M), -2 * BUILT_UP_M + STREET_MARGIN_M)
    pieces = shapely.get_parts(shapely.difference(closed, sea))
    pieces = pieces[shapely.area(pieces) >= min(LEAST_PIECE_M2, shapely.area(pieces).max())]
    filled = [shapely.Polygon(piece.exterior) for piece in pieces]
    whole = shapely.difference(shapely.union_all(filled), sea)
    smooth: shapely.Geometry = shapely.simplify(whole, 2.0)
    return smooth


def sea_beside(coastline: NDArray[np.object_], area: shapely.Geometry) -> shapely.Geometry:
    """Return the sea within an area: what lies to the right of the coastline (OSM's rule).

    Where an extract breaks the coastline off, it is taken on straight to the area's edge.
    """
    rim = shapely.boundary(area)
    merged = shapely.get_parts(shapely.line_merge(shapely.union_all(coastline)))
    ends = np.concatenate([shapely.get_point(merged, 0), shapely.get_point(merged, -1)])
    ends = ends[~np.tile(shapely.is_closed(merged), 2)]
    onward = shapely.shortest_line(ends, rim)
    edge = shapely.union_all(np.concatenate([coastline, onward, [rim]]))
    faces = shapely.get_parts(shapely.polygonize([edge]))
    if len(coastline) == 0:
        return shapely.Polygon()
    coords, line = shapely.get_coordinates(coastline, return_index=True)
    along = np.diff(coords, axis=0)[line[1:] == line[:-1]]
    middle = ((coords[1:] + coords[:-1]) / 2)[line[1:] == line[:-1]]
    length = np.hypot(*along.T)
    right = np.column_stack([along[:, 1], -along[:, 0]]) / np.maximum(length, 1e-9)[:, None]
    shore = np.zeros(len(faces))
    for side in (0.5, -0.5):
        probes = np.asarray(shapely.points(middle + right * side), dtype=object)
        probe, face = shapely.STRtree(faces).query(probes, predicate="within")
        np.add.at(shore, face, length[probe] * side)
    # A face with more shore to the right of it than to the left is sea.
    wet = shore > 0
    return shapely.union_all(faces[wet])


def communities_from_places(
    places: gpd.GeoDataFrame, barriers: Barriers, extent: shapely.Geometry
) -> Made:
    """Return communities around places: whole street blocks, each in one piece with its place.

    Each block goes to the place that is nearest over neighbouring blocks, where crossing an
    arterial, a railway or a river counts as a detour.

    Parameters
    ----------
    places
        ``name`` and points in metres; without any, the extent is one community.
    barriers
        Streets, waters and railways in metres.
    extent
        The land to divide, in metres.
    """
    cut = within(barriers, extent)
    blocks = _divided(rooms(extent, cut), places.geometry.to_numpy())
    if len(places) == 0:
        frame = {"name": [""], "geom": [shapely.union_all(shapely.get_parts(extent))]}
        return Made(gpd.GeoDataFrame(frame, geometry="geom", crs=places.crs), len(blocks))
    home = shapely.STRtree(blocks).nearest(places.geometry.to_numpy())
    first = pd.Series(home).drop_duplicates()
    home, names = first.to_numpy(), places["name"].to_numpy()[first.index]
    nearest = _nearest_home(blocks, home, cut)
    land = [shapely.coverage_union_all(blocks[nearest == i]) for i in range(len(home))]
    frame = gpd.GeoDataFrame({"name": names, "geom": land}, geometry="geom", crs=places.crs)
    return Made(frame, len(blocks))


def _divided(blocks: NDArray[np.object_], places: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return blocks with the large ones divided half-way between places, still a coverage."""
    west, south, east, north = shapely.bounds(blocks).T
    long = np.hypot(east - west, north - south) > LONG_BLOCK_M
    large = long | (shapely.area(blocks) > LARGE_BLOCK_M2)
    if len(places) < 2 or not large.any():
        return blocks
    extent = shapely.box(*shapely.total_bounds(blocks))
    lines = shapely.voronoi_polygons(shapely.multipoints(places), extend_to=extent, only_edges=True)
    cuts = shapely.intersection(lines, shapely.union_all(blocks[large]))
    edges = shapely.union_all(np.append(shapely.boundary(blocks), np.asarray(cuts, dtype=object)))
    pieces = shapely.get_parts(shapely.polygonize([edges]))
    inside = shapely.STRtree(blocks).query(shapely.point_on_surface(pieces), predicate="within")[0]
    divided: NDArray[np.object_] = pieces[np.unique(inside)]
    return divided


def _nearest_home(
    blocks: NDArray[np.object_], home: NDArray[np.int64], cut: Barriers
) -> NDArray[np.int64]:
    """Return for each block the number of its nearest home block, by a walk over blocks."""
    shared = borders(blocks)
    inner = shared.left >= 0
    kind = kinds_of(shared.midpoints()[inner], cut)
    detour = np.array([CROSSING_M.get(k, 0.0) for k in Kind])[kind]
    centre = shapely.get_coordinates(shapely.centroid(blocks))
    one, other = shared.left[inner], shared.right[inner]
    step = np.hypot(*(centre[one] - centre[other]).T) + detour + 1.0
    pairs, pair = np.unique(np.stack([one, other], axis=1), axis=0, return_inverse=True)
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


def barriers_from(layers: dict[str, gpd.GeoDataFrame]) -> Barriers:
    """Return what borders of communities follow, of layers in metres: streets, rails, waters."""
    roads = layers["road"]
    roads = roads[roads["road_class"].isin(ROAD_KIND) & ~roads["tunnel"].astype(bool)]
    rails = layers["railway"]
    rails = rails[~rails["tunnel"].astype(bool)]
    waters = layers["water"]
    streams = waters[
        waters["kind"].isin(["river", "canal"]) & (shapely.get_dimensions(waters.geometry) == 1)
    ]
    lines = [frame.geometry.to_numpy() for frame in (roads, rails, streams)]
    kinds = [
        roads["road_class"].map(ROAD_KIND).to_numpy(dtype=np.int8),
        np.full(len(rails), Kind.RAILWAY, dtype=np.int8),
        np.full(len(streams), Kind.RIVER, dtype=np.int8),
    ]
    return Barriers(np.concatenate(lines), np.concatenate(kinds), np.empty(0, dtype=object))


def community_of(buildings: gpd.GeoSeries, communities: gpd.GeoDataFrame) -> pd.Series:
    """Return the code of the community that holds most of each footprint, None outside all."""
    land = communities.geometry.to_numpy()
    feet = buildings.to_numpy()
    foot, place = shapely.STRtree(land).query(feet, predicate="intersects")
    area = shapely.area(shapely.intersection(feet[foot], land[place]))
    best = pd.DataFrame({"foot": foot, "place": place, "area": area})
    best = best.sort_values(["foot", "area", "place"]).drop_duplicates("foot", keep="last")
    code = pd.Series([None] * len(feet), index=buildings.index, dtype=object)
    code.iloc[best["foot"].to_numpy()] = communities["code"].to_numpy()[best["place"]]
    return code
