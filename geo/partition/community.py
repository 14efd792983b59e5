"""A community as its layers give it, in metres."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geo.errors import InputError
from geo.partition.barriers import ROAD_KIND, Barriers, Kind
from geo.partition.coverage import Polygons


@dataclass(frozen=True)
class Community:
    """A community and what lies in and around it, in metres.

    Attributes
    ----------
    code, name
        12 digits, and what people call it.
    polygon
        Its land.
    buildings, units, compounds, roads, railways, waters, facilities
        Layers with the columns of their tables; buildings are the community's own, the others
        may reach beyond it.
    """

    code: str
    name: str
    polygon: shapely.Geometry
    buildings: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    compounds: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    railways: gpd.GeoDataFrame
    waters: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame


def check(community: Community) -> None:
    """Refuse a community that there is nothing to draw in.

    Raises
    ------
    InputError
        If it has no land or no building.
    """
    if community.polygon is None or shapely.is_empty(community.polygon):
        raise InputError("community_without_border", code=community.code, name=community.name)
    if len(community.buildings) == 0:
        raise InputError("community_without_buildings", code=community.code, name=community.name)


def barriers_of(community: Community, walls: Polygons | None = None) -> Barriers:
    """Return what cuts a community: its roads, railways, waters and compound walls.

    Tunnels cut nothing, and a bridge nothing but the water that it crosses.

    Parameters
    ----------
    walls
        Further polygons whose outline cuts like a wall: areas to be drawn as grids.
    """
    waters, kind = community.waters.geometry.to_numpy(), community.waters["kind"]
    dimension = shapely.get_dimensions(waters)
    surfaces = waters[kind.isin(["river", "canal", "lake", "sea"]) & (dimension == 2)]
    open_stream = kind.isin(["river", "canal"]) & ~community.waters["covered"].astype(bool)
    streams = waters[open_stream & (dimension == 1)]
    cuts = ~community.roads["tunnel"].astype(bool) & community.roads["road_class"].isin(ROAD_KIND)
    roads = community.roads.geometry.to_numpy()[cuts]
    road_kinds = community.roads["road_class"][cuts].map(ROAD_KIND).to_numpy()
    above = ~community.railways["tunnel"].astype(bool)
    rails = community.railways.geometry.to_numpy()[above]
    gated = community.compounds["gated"].fillna(True).astype(bool)
    compounds = community.compounds.geometry.to_numpy()[gated]
    walled = compounds if walls is None else np.append(compounds, walls)
    wet = shapely.union_all(surfaces)
    shapely.prepare(wet)
    groups = [
        (_outside(roads, wet), road_kinds),
        _of_kind(_outside(rails, wet), Kind.RAILWAY),
        _of_kind(_outside(streams, wet), Kind.RIVER),
        _of_kind(shapely.boundary(surfaces), Kind.RIVER),
        _of_kind(shapely.boundary(walled), Kind.WALL),
    ]
    lines = np.concatenate([lines for lines, _ in groups])
    kinds = np.concatenate([np.asarray(kinds, dtype=np.int8) for _, kinds in groups])
    return Barriers(lines, kinds, surfaces)


def _outside(lines: Polygons, area: shapely.Geometry) -> Polygons:
    outside = lines.copy()
    wet = shapely.intersects(area, lines)
    outside[wet] = shapely.difference(lines[wet], area)
    return outside


def _of_kind(lines: Polygons, kind: Kind) -> tuple[Polygons, NDArray[np.int8]]:
    return lines, np.full(len(lines), kind, dtype=np.int8)
