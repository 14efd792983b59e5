"""The land that communities divide: built up, on this side of the border, without the sea."""

import geopandas as gpd
import numpy as np
import shapely

from geo.types import Geometries

BUILT_UP_M = 30.0
"""Land this near to a building is built-up; gaps up to twice this wide between it are closed."""

STREET_MARGIN_M = 8.0
LEAST_PIECE_M2 = 20_000.0

NODE_M = 0.0001
"""Lines are noded to this grid, so that one that ends on another by calculation does meet it."""


def built_up_extent(
    buildings: gpd.GeoSeries,
    streets: gpd.GeoSeries,
    sea: shapely.Geometry,
    inhabited: Geometries,
) -> shapely.Geometry:
    """Return the land that is built up, in metres, without holes or specks where nobody lives."""
    near = shapely.union_all(shapely.buffer(buildings.to_numpy(), BUILT_UP_M, quad_segs=2))
    shapely.prepare(near)
    lines = streets.to_numpy()
    lines = lines[shapely.intersects(near, lines)]
    lanes = shapely.union_all(shapely.buffer(lines, STREET_MARGIN_M, quad_segs=2))
    joined = shapely.union(near, shapely.intersection(lanes, shapely.buffer(near, BUILT_UP_M)))
    closed = shapely.buffer(shapely.buffer(joined, BUILT_UP_M), -2 * BUILT_UP_M + STREET_MARGIN_M)
    pieces = shapely.get_parts(shapely.difference(closed, sea))
    is_kept = shapely.area(pieces) >= min(LEAST_PIECE_M2, shapely.area(pieces).max())
    is_kept[shapely.STRtree(pieces).query(inhabited, predicate="intersects")[1]] = True
    pieces = pieces[is_kept]
    filled = [shapely.Polygon(piece.exterior) for piece in pieces]
    whole = shapely.difference(shapely.union_all(filled), sea)
    smooth: shapely.Geometry = shapely.simplify(whole, 2.0)
    return smooth


def within_borders(
    extent: shapely.Geometry, borders: Geometries, places: Geometries
) -> shapely.Geometry:
    """Return an extent without the parts that a border divides from all places.

    Parameters
    ----------
    extent
        Built-up land, in metres.
    borders
        Lines of the highest level of administrative borders. An extract often holds them in part
        only; then they cut off what they divide all the same.
    places
        Points of places.

    Returns
    -------
    shapely.Geometry
        The pieces of the extent with a place. Besides, where a border around a place is whole, the
        pieces within; where none is, those that end at no border and have none between them and
        the nearest piece with a place.
    """
    if len(borders) == 0 or len(places) == 0:
        return extent
    # To the last digit: where a border follows a street, the two must stay one line.
    pieces = cut(shapely.get_parts(extent), borders, node_m=0.0)
    has_place = np.zeros(len(pieces), dtype=bool)
    has_place[shapely.STRtree(pieces).query(places, predicate="intersects")[1]] = True
    if not has_place.any():
        return extent
    rings = shapely.get_parts(shapely.polygonize([shapely.union_all(borders)]))
    own_rings = rings[np.unique(shapely.STRtree(rings).query(places, predicate="within")[1])]
    if len(own_rings):
        points = shapely.point_on_surface(pieces)
        is_within = np.zeros(len(pieces), dtype=bool)
        is_within[shapely.STRtree(own_rings).query(points, predicate="within")[0]] = True
        is_own = has_place | is_within
    else:
        with_place, border = shapely.union_all(pieces[has_place]), shapely.union_all(borders)
        across = shapely.shortest_line(shapely.point_on_surface(pieces), with_place)
        is_at_border = shapely.dwithin(pieces, border, 2 * NODE_M)
        is_own = has_place | ~(is_at_border | shapely.intersects(across, border))
    own_land: shapely.Geometry = shapely.coverage_union_all(pieces[is_own])
    return own_land


def around_buildings(extent: shapely.Geometry, buildings: Geometries) -> shapely.Geometry:
    """Return an extent that cuts no building: each is inside where most of it is, else outside."""
    shapely.prepare(extent)
    on_edge = buildings[
        shapely.intersects(extent, buildings) & ~shapely.contains_properly(extent, buildings)
    ]
    share = shapely.area(shapely.intersection(on_edge, extent)) / shapely.area(on_edge)
    inside, outside = on_edge[share >= 0.5], on_edge[share < 0.5]
    trimmed = shapely.difference(extent, shapely.union_all(outside))
    grown = shapely.union_all(np.append(inside, np.asarray(trimmed, dtype=object)))
    pieces = shapely.get_parts(grown)
    flat: shapely.Geometry = shapely.union_all(pieces[shapely.area(pieces) > 1.0])
    return flat


def cut(polygons: Geometries, lines: Geometries, *, node_m: float = NODE_M) -> Geometries:
    """Return the pieces into which lines cut polygons; together they are a coverage."""
    # A line shorter than the grid becomes a point, and GEOS can underflow on the way.
    lines = lines[shapely.length(lines) > node_m]
    edges = shapely.union_all(
        np.concatenate([shapely.boundary(polygons), lines]), grid_size=node_m or None
    )
    pieces = shapely.get_parts(shapely.polygonize([edges]))
    inside = shapely.STRtree(polygons).query(shapely.point_on_surface(pieces), predicate="within")
    found: Geometries = pieces[np.unique(inside[0])]
    return found


def sea_beside(coastline: Geometries, area: shapely.Geometry) -> shapely.Geometry:
    """Return the sea within an area: what lies to the right of the coastline (OSM's rule).

    Where an extract breaks the coastline off, it is taken on straight to the area's edge.
    """
    if len(coastline) == 0:
        return shapely.Polygon()
    faces = _faces_along(coastline, area)
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
    sea: shapely.Geometry = shapely.union_all(faces[shore > 0])
    return sea


def _faces_along(coastline: Geometries, area: shapely.Geometry) -> Geometries:
    """Return the faces into which the coastline, taken on to the edge, cuts an area."""
    rim = shapely.boundary(area)
    merged = shapely.get_parts(shapely.line_merge(shapely.union_all(coastline)))
    ends = np.concatenate([shapely.get_point(merged, 0), shapely.get_point(merged, -1)])
    ends = ends[~np.tile(shapely.is_closed(merged), 2)]
    onward = shapely.shortest_line(ends, rim)
    edge = shapely.union_all(np.concatenate([coastline, onward, [rim]]))
    faces: Geometries = shapely.get_parts(shapely.polygonize([edge]))
    return faces
