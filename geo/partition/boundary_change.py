"""Hypothetical changes of communities: merge neighbours, divide one, move a border between two.

Nothing is stored. The results are communities as they would be read from the database if their
borders had been changed there.
"""

from collections.abc import Sequence
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely import coverage_clean  # type: ignore[attr-defined]

from geo import crs
from geo.errors import InputError
from geo.geometry.shared_borders import find_borders, locate_by_overlap
from geo.messages import Language, text
from geo.partition.cells.barriers import Barriers, Kind, build_rooms, clip_barriers
from geo.partition.community import BARRIER_SEARCH_M, Community
from geo.types import Bools, Floats, Ints, Polygons

GAP_M = 1.0
"""Communities up to this far apart are neighbours; the gap between them is closed."""

MIN_COMMON_BORDER_M = 5.0
"""Communities with a shorter common border only meet at a corner and are not neighbours."""

NEAR_LAYERS = ("compounds", "roads", "railways", "waters", "facilities")
"""Layers of features in and around a community."""


def merge_communities(communities: Sequence[Community]) -> Community:
    """Merge neighbouring communities into one with the code of the first.

    Parameters
    ----------
    communities
        Two or more, in any metric systems; the result is in that of the first.

    Raises
    ------
    InputError
        If there are fewer than two, one is named twice, or they are not all neighbours.
    """
    codes = [community.code for community in communities]
    if len(set(codes)) < max(len(codes), 2):
        raise InputError("boundary_needs_two", codes=", ".join(codes))
    system = communities[0].buildings.crs
    transformed = [_transform_community(community, system) for community in communities]
    _check_neighbours(transformed)
    layers = {
        name: _concatenate_frames([getattr(community, name) for community in transformed])
        for name in ("buildings", "units", *NEAR_LAYERS)
    }
    return Community(
        codes[0],
        " + ".join(community.name for community in transformed),
        _unite_land([community.polygon for community in transformed]),
        **layers,
    )


def divide_community(community: Community, line: shapely.Geometry) -> tuple[Community, Community]:
    """Divide a community along a line from border to border.

    Buildings go to the side on which most of them lies, units with their buildings; the other
    layers are those in and around each side.

    Parameters
    ----------
    line
        LineString or MultiLineString in the community's metres.

    Returns
    -------
    tuple of Community
        First the part with more households, which keeps the code; the other has the code with
        ``-2``. Their names say where they lie.

    Raises
    ------
    InputError
        If the line does not divide the buildings into two parts.
    """
    land = _divide_land(community, line)
    parts = _split_layers(community, land)
    parts.sort(key=lambda part: -int(part.buildings["households"].sum()))
    centres = shapely.get_coordinates(shapely.centroid([part.polygon for part in parts]))
    first, second = (
        replace(part, name=_name_part(community.name, centres[number] - centres[1 - number]))
        for number, part in enumerate(parts)
    )
    return first, replace(second, code=f"{community.code}-2")


def move_border(
    first: Community, second: Community, line: shapely.Geometry
) -> tuple[Community, Community]:
    """Move the border between two neighbours to a line from border to border.

    Each community keeps its code and name, and gets the side of the line on which more of its
    households live.

    Parameters
    ----------
    line
        LineString or MultiLineString in the metres of the first.

    Raises
    ------
    InputError
        If the communities are not neighbours, or the line does not divide their buildings into
        two parts.
    """
    merged = merge_communities([first, second])
    parts = _split_layers(merged, _divide_land(merged, line))

    def common_households(part: Community, community: Community) -> int:
        is_common = part.buildings["code"].isin(community.buildings["code"])
        return int(part.buildings.loc[is_common, "households"].sum())

    in_order = common_households(parts[0], first) + common_households(parts[1], second)
    swapped = common_households(parts[1], first) + common_households(parts[0], second)
    first_part, second_part = parts if in_order >= swapped else parts[::-1]
    return (
        replace(first_part, code=first.code, name=first.name),
        replace(second_part, code=second.code, name=second.name),
    )


def _transform_community(community: Community, system: object) -> Community:
    """Return a community in another metric system."""
    source = community.buildings.crs
    if source == system:
        return community
    layers = {
        name: getattr(community, name).to_crs(system)
        for name in ("buildings", "units", *NEAR_LAYERS)
    }
    polygon = crs.transform(community.polygon, source, system)
    return replace(community, polygon=polygon, **layers)


def _check_neighbours(communities: Sequence[Community]) -> None:
    """Raise an error unless the communities form one connected area."""
    reached, remaining = [communities[0]], list(communities[1:])
    while remaining:
        adjacent = [
            community
            for community in remaining
            if any(_are_neighbours(community, neighbour) for neighbour in reached)
        ]
        if not adjacent:
            raise InputError(
                "communities_not_adjacent",
                community=remaining[0].title(),
                others=", ".join(community.title() for community in reached),
            )
        reached += adjacent
        remaining = [community for community in remaining if community not in adjacent]


def _are_neighbours(first: Community, second: Community) -> bool:
    if not shapely.dwithin(first.polygon, second.polygon, GAP_M):
        return False
    common = shapely.intersection(
        shapely.boundary(first.polygon), shapely.buffer(second.polygon, GAP_M)
    )
    return bool(shapely.length(common) >= MIN_COMMON_BORDER_M)


def _unite_land(polygons: list[shapely.Geometry]) -> shapely.Geometry:
    """Return the union of polygons, with narrow gaps between them closed."""
    pieces = shapely.get_num_geometries(np.array(polygons, dtype=object)) - 1
    clean = coverage_clean(np.array(polygons, dtype=object), gap_width=GAP_M)
    united = shapely.union_all(clean)
    if shapely.get_num_geometries(united) <= 1 + int(pieces.sum()):
        return united
    # coverage_clean leaves gaps that are open at their ends: fill what is near to two polygons.
    near = shapely.buffer(clean, GAP_M / 2 + 1e-3, join_style="mitre")
    gaps = [shapely.intersection(a, b) for number, a in enumerate(near) for b in near[number + 1 :]]
    return shapely.union_all([united, *gaps])


def _concatenate_frames(frames: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Return the rows of all frames, without repeated codes."""
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    rows = pd.concat(filled, ignore_index=True)
    return gpd.GeoDataFrame(
        rows.drop_duplicates("code", ignore_index=True), geometry="geom", crs=frames[0].crs
    )


def _divide_land(community: Community, line: shapely.Geometry) -> Polygons:
    """Return (2,) the polygons on both sides of a line.

    A piece of land without buildings goes to the side with which it shares most border.

    Raises
    ------
    InputError
        If the line leaves one side only, or makes more than two parts.
    """
    lines = shapely.get_parts(shapely.line_merge(line))
    barriers = Barriers(lines, np.full(len(lines), Kind.OPEN, dtype=np.int8), lines[:0])
    faces = build_rooms(community.polygon, clip_barriers(barriers, community.polygon))
    building = _locate_buildings(community.buildings, faces)
    side = _join_faces(faces, np.bincount(building, minlength=len(faces)) > 0)
    if side.max() == 0:
        raise InputError("line_leaves_one_side", community=community.title())
    if side.max() > 1:
        raise InputError("line_makes_parts", community=community.title(), parts=int(side.max()) + 1)
    return np.array([shapely.coverage_union_all(faces[side == n]) for n in (0, 1)], dtype=object)


def _join_faces(faces: Polygons, is_built: Bools) -> Ints:
    """Return (f,) int64 the part that each face belongs to, numbered from 0 without gaps.

    Each face with buildings is a part of its own. A face without buildings joins the neighbour with
    which it shares most border. An island joins the nearest face, even if it has buildings, since
    no line cuts it off.

    Parameters
    ----------
    faces
        (f,) polygons that meet in identical segments.
    is_built
        (f,) bool, whether buildings stand on a face.
    """
    shared = find_borders(faces)
    inner = shared.left >= 0
    common: Floats = np.zeros((len(faces), len(faces)))
    np.add.at(common, (shared.left[inner], shared.right[inner]), shared.length[inner])
    common += common.T
    is_island = common.sum(axis=1) == 0
    target = np.arange(len(faces))
    is_joined = (~is_built | is_island) & (len(faces) > 1)
    for face in np.flatnonzero(is_joined):
        kept_faces = np.flatnonzero(~is_joined)
        if len(kept_faces) == 0:
            return np.zeros(len(faces), dtype=np.int64)
        neighbours = kept_faces[common[face, kept_faces] > 0]
        target[face] = (
            neighbours[common[face, neighbours].argmax()]
            if len(neighbours)
            else kept_faces[shapely.distance(faces[face], faces[kept_faces]).argmin()]
        )
    return np.asarray(np.unique(target, return_inverse=True)[1], dtype=np.int64)


def _locate_buildings(buildings: gpd.GeoDataFrame, polygons: Polygons) -> Ints:
    """Return (b,) int64 the polygon in which most of each building lies, else the nearest one."""
    shapes = buildings.geometry.to_numpy()
    location = locate_by_overlap(shapes, polygons)
    outside = np.flatnonzero(location < 0)
    if len(outside):
        location[outside] = shapely.STRtree(polygons).nearest(shapes[outside])
    return location


def _split_layers(community: Community, land: Polygons) -> list[Community]:
    """Return one community for each polygon, with the buildings on it and the layers around it."""
    side = _locate_buildings(community.buildings, land)
    side_of_building = dict(zip(community.buildings["code"], side, strict=True))
    side_of_unit = community.units["building_code"].map(side_of_building)
    parts = []
    for number, polygon in enumerate(land):
        around = shapely.buffer(polygon, BARRIER_SEARCH_M, quad_segs=16)
        shapely.prepare(around)
        layers = {
            name: frame[shapely.intersects(around, frame.geometry.to_numpy())]
            for name in NEAR_LAYERS
            for frame in (getattr(community, name),)
        }
        layers["buildings"] = community.buildings[side == number]
        layers["units"] = community.units[(side_of_unit == number).to_numpy(dtype=bool)]
        layers = {name: frame.reset_index(drop=True) for name, frame in layers.items()}
        parts.append(replace(community, polygon=polygon, **layers))
    return parts


def _name_part(name: str, offset: Floats) -> str:
    """Return the name of a part of a community by the side on which it lies: ``NAME east``.

    Parameters
    ----------
    offset
        (2,) float64 metres from the centre of the other part to the centre of this one.
    """
    lang: Language = "zh" if any("\u4e00" <= character <= "\u9fff" for character in name) else "en"
    east, north = offset
    horizontal = "east" if east > 0 else "west"
    vertical = "north" if north > 0 else "south"
    place = horizontal if abs(east) > abs(north) else vertical
    return text("boundary.part", lang=lang, name=name, place=text(f"grid_name.{place}", lang=lang))
