"""The extent that communities divide: built-up land within the borders, without the sea."""

import geopandas as gpd
import numpy as np
import shapely

from geo.types import Geometries

BUILT_UP_M = 30.0
"""Land within this distance of a building is built-up; gaps up to twice as wide are closed."""

STREET_MARGIN_M = 8.0
MIN_PIECE_M2 = 20_000.0

NODE_M = 0.0001
"""Grid on which lines are noded, so that a line meets another on which its end was computed."""


def build_extent(
    buildings: gpd.GeoSeries,
    streets: gpd.GeoSeries,
    sea: shapely.Geometry,
    inhabited: Geometries,
) -> shapely.Geometry:
    """Return the built-up land, without holes, and without small pieces where nobody lives.

    Parameters
    ----------
    buildings, streets
        Footprints and lines in metres.
    sea
        Sea in metres, which is cut off.
    inhabited
        (n,) footprints of buildings with households, in metres.
    """
    near_land = shapely.union_all(shapely.buffer(buildings.to_numpy(), BUILT_UP_M, quad_segs=2))
    shapely.prepare(near_land)
    lines = streets.to_numpy()
    lines = lines[shapely.intersects(near_land, lines)]
    lanes = shapely.union_all(shapely.buffer(lines, STREET_MARGIN_M, quad_segs=2))
    street_land = shapely.intersection(lanes, shapely.buffer(near_land, BUILT_UP_M))
    land = shapely.union(near_land, street_land)
    closed = shapely.buffer(shapely.buffer(land, BUILT_UP_M), -2 * BUILT_UP_M + STREET_MARGIN_M)
    pieces = shapely.get_parts(shapely.difference(closed, sea))
    is_kept = shapely.area(pieces) >= min(MIN_PIECE_M2, shapely.area(pieces).max())
    is_kept[shapely.STRtree(pieces).query(inhabited, predicate="intersects")[1]] = True
    pieces = pieces[is_kept]
    filled = [shapely.Polygon(piece.exterior) for piece in pieces]
    whole = shapely.difference(shapely.union_all(filled), sea)
    smooth: shapely.Geometry = shapely.simplify(whole, 2.0)
    return smooth


def clip_to_borders(
    extent: shapely.Geometry, borders: Geometries, places: Geometries
) -> shapely.Geometry:
    """Return an extent without the parts that a border separates from all places.

    Parameters
    ----------
    extent
        Built-up land, in metres.
    borders
        (n,) lines of the highest level of administrative borders, in metres. An extract often
        holds only a part of them, which cuts the extent nevertheless.
    places
        (m,) points of places, in metres.

    Returns
    -------
    shapely.Geometry
        The pieces of the extent with a place. If a border closes around a place, also the pieces
        within it; if none does, also the pieces that touch no border and have none between them
        and the nearest piece with a place.
    """
    if len(borders) == 0 or len(places) == 0:
        return extent
    # Without noding to a grid: where a border follows a street, both must stay the same line.
    pieces = cut_polygons(shapely.get_parts(extent), borders, node_m=0.0)
    has_place = np.zeros(len(pieces), dtype=bool)
    has_place[shapely.STRtree(pieces).query(places, predicate="intersects")[1]] = True
    if not has_place.any():
        return extent
    rings = shapely.get_parts(shapely.polygonize([shapely.union_all(borders)]))
    place_rings = rings[np.unique(shapely.STRtree(rings).query(places, predicate="within")[1])]
    if len(place_rings):
        points = shapely.point_on_surface(pieces)
        is_within = np.zeros(len(pieces), dtype=bool)
        is_within[shapely.STRtree(place_rings).query(points, predicate="within")[0]] = True
        is_inside = has_place | is_within
    else:
        with_place, border = shapely.union_all(pieces[has_place]), shapely.union_all(borders)
        across = shapely.shortest_line(shapely.point_on_surface(pieces), with_place)
        is_at_border = shapely.dwithin(pieces, border, 2 * NODE_M)
        is_inside = has_place | ~(is_at_border | shapely.intersects(across, border))
    inside_land: shapely.Geometry = shapely.coverage_union_all(pieces[is_inside])
    return inside_land


def fit_to_buildings(extent: shapely.Geometry, buildings: Geometries) -> shapely.Geometry:
    """Return an extent that cuts no building; each is inside if most of it is.

    Parameters
    ----------
    extent
        Built-up land, in metres.
    buildings
        (n,) footprints, in metres.
    """
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


def cut_polygons(polygons: Geometries, lines: Geometries, *, node_m: float = NODE_M) -> Geometries:
    """Return the pieces into which lines cut polygons, a valid coverage.

    Parameters
    ----------
    polygons, lines
        (n,) polygons and (m,) lines, in metres.
    node_m
        Grid on which lines are noded; 0 for none.
    """
    # A line shorter than the grid would become a point, on which GEOS can underflow.
    lines = lines[shapely.length(lines) > node_m]
    edges = shapely.union_all(
        np.concatenate([shapely.boundary(polygons), lines]), grid_size=node_m or None
    )
    pieces = shapely.get_parts(shapely.polygonize([edges]))
    inside = shapely.STRtree(polygons).query(shapely.point_on_surface(pieces), predicate="within")
    inner_pieces: Geometries = pieces[np.unique(inside[0])]
    return inner_pieces


def build_sea(coastline: Geometries, area: shapely.Geometry) -> shapely.Geometry:
    """Return the sea within an area, which lies to the right of the coastline (OSM's rule).

    A coastline that ends within the area is continued straight to its edge.

    Parameters
    ----------
    coastline
        (n,) lines in metres.
    area
        Polygon in metres.
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
    # A face that lies to the right of more shore than to the left of it is sea.
    sea: shapely.Geometry = shapely.union_all(faces[shore > 0])
    return sea


def _faces_along(coastline: Geometries, area: shapely.Geometry) -> Geometries:
    """Return the faces into which the coastline, continued to the edge, cuts an area."""
    rim = shapely.boundary(area)
    merged = shapely.get_parts(shapely.line_merge(shapely.union_all(coastline)))
    ends = np.concatenate([shapely.get_point(merged, 0), shapely.get_point(merged, -1)])
    ends = ends[~np.tile(shapely.is_closed(merged), 2)]
    onward = shapely.shortest_line(ends, rim)
    edge = shapely.union_all(np.concatenate([coastline, onward, [rim]]))
    faces: Geometries = shapely.get_parts(shapely.polygonize([edge]))
    return faces
