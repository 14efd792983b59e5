"""A community: its layers in metres, and the barriers among them."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geo.errors import InputError
from geo.partition.cells.barriers import ROAD_KIND, Barriers, Kind
from geo.types import Bools, Polygons

SURFACE_KINDS = ["river", "canal", "lake", "sea"]
STREAM_KINDS = ["river", "canal"]
"""Kinds of water that are barriers: as surfaces, and as lines."""

BARRIER_SEARCH_M = 50.0
"""Barriers up to this distance beyond the border count: borders often run along a street."""


@dataclass(frozen=True)
class Community:
    """A community with the layers in and around it, in metres.

    Attributes
    ----------
    code, name
        12 digits, and its name.
    polygon
        Its land.
    buildings
        Its buildings: ``code``, ``name``, ``households``, ``compound_code``; all columns of the
        layers are named as in their tables. ``households_unknown``, if it is there, tells a number
        that nobody delivered from a 0; ``workload`` is needed to balance it.
    units
        The units of its buildings: ``code``, ``building_code``, ``households``.
    compounds, roads, railways, waters, facilities
        In and around it: ``code``, and ``gated``; ``road_class`` and ``tunnel``; ``tunnel``;
        ``kind`` and ``covered``; ``category`` and ``name``. Grids are named after compounds and
        roads if these have a ``name``; borders can be moved to roads, railways and waters by it.
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

    def title(self) -> str:
        """Return name and code, for messages in any language."""
        return f"{self.name} {self.code}".strip()


def validate_community(community: Community) -> None:
    """Raise an error if there is nothing to draw in a community.

    Raises
    ------
    InputError
        If it has no polygon or no building.
    """
    if community.polygon is None or shapely.is_empty(community.polygon):
        raise InputError("community_without_border", code=community.code, name=community.name)
    if len(community.buildings) == 0:
        raise InputError("community_without_buildings", code=community.code, name=community.name)


def build_barriers(community: Community, walls: Polygons | None = None) -> Barriers:
    """Return the barriers of a community: its roads, railways, waters and compound walls.

    Tunnels are no barriers, nor are bridges where they cross a water.

    Parameters
    ----------
    walls
        (w,) further polygons whose outline is a barrier like a wall: areas that become grids.
    """
    surfaces, streams = _open_waters(community.waters)
    wet = shapely.union_all(surfaces)
    roads, road_kinds = _barrier_roads(community.roads)
    rails = community.railways.geometry.to_numpy()[_above_ground(community.railways)]
    walled = _compounds_with_walls(community.compounds)
    walled = walled if walls is None else np.append(walled, walls)
    groups = [
        (_parts_outside(roads, wet), road_kinds),
        _pair_with_kind(_parts_outside(rails, wet), Kind.RAILWAY),
        _pair_with_kind(_parts_outside(streams, wet), Kind.RIVER),
        _pair_with_kind(shapely.boundary(surfaces), Kind.RIVER),
        _pair_with_kind(shapely.boundary(walled), Kind.WALL),
    ]
    lines = np.concatenate([lines for lines, _ in groups])
    kinds = np.concatenate([kinds for _, kinds in groups])
    return Barriers(lines, kinds, surfaces)


def _open_waters(waters: gpd.GeoDataFrame) -> tuple[Polygons, Polygons]:
    """Return the polygons of waters, and the lines of streams that are not covered."""
    kind, shape = waters["kind"].to_numpy(), waters.geometry.to_numpy()
    dimensions = shapely.get_dimensions(shape)
    is_open = ~waters["covered"].to_numpy(dtype=bool)
    return (
        shape[np.isin(kind, SURFACE_KINDS) & (dimensions == 2)],
        shape[np.isin(kind, STREAM_KINDS) & (dimensions == 1) & is_open],
    )


def _barrier_roads(roads: gpd.GeoDataFrame) -> tuple[Polygons, NDArray[np.int8]]:
    """Return the roads that are barriers, and their kinds."""
    road_class = roads["road_class"].to_numpy()
    cuts = np.isin(road_class, list(ROAD_KIND)) & _above_ground(roads)
    kinds = np.array([ROAD_KIND[name] for name in road_class[cuts]], dtype=np.int8)
    return roads.geometry.to_numpy()[cuts], kinds


def _above_ground(ways: gpd.GeoDataFrame) -> Bools:
    above: Bools = ~ways["tunnel"].to_numpy(dtype=bool)
    return above


def _compounds_with_walls(compounds: gpd.GeoDataFrame) -> Polygons:
    """Return the compounds with a wall: all except those known to have none."""
    gated = compounds["gated"].fillna(True).to_numpy(dtype=bool)
    walled: Polygons = compounds.geometry.to_numpy()[gated]
    return walled


def _parts_outside(lines: Polygons, area: shapely.Geometry) -> Polygons:
    """Return the parts of lines outside an area; most of the lines do not touch it."""
    shapely.prepare(area)
    outside, wet = lines.copy(), shapely.intersects(area, lines)
    outside[wet] = shapely.difference(lines[wet], area)
    return outside


def _pair_with_kind(lines: Polygons, kind: Kind) -> tuple[Polygons, NDArray[np.int8]]:
    return lines, np.full(len(lines), kind, dtype=np.int8)
