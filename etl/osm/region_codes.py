"""Division codes for the communities of an extract, and the levels above them."""

import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, func, select

from etl.input.vector import polygonal, read_vector
from etl.osm.built_up_area import build_extent, clip_to_borders, fit_to_buildings
from etl.osm.communities import CommunitySet, build_communities, community_barriers, dividing_paths
from geo.codes import parent_code
from geo.errors import InputError
from geo.model import Region

MIN_BUILDING_SHARE = 0.95
"""Share of the buildings that the polygons of a file must hold to be its communities."""

COMMUNITIES_PER_STREET = 999
CITY_DIGITS = 4
NAME_COLUMN = re.compile(r"name|名称|社区|社区名称|社区名|mc|sqmc|xqmc|zjmc", re.IGNORECASE)
CODE_COLUMN = re.compile(r"code|编码|代码|区划代码|社区代码|dm|sqdm|xzqdm|zddm", re.IGNORECASE)


def district_code(path: Path) -> str:
    """Return six digits for a place without a Chinese code: 99 and a checksum of its name."""
    return next(_district_codes(path))


def free_district_code(connection: Connection, path: Path, source: str) -> str:
    """Return six digits for a place without a Chinese code that no other source uses.

    A source keeps its code. No Chinese division code begins with 9, which leaves a thousand cities.

    Raises
    ------
    InputError
        If all codes are taken.
    """
    current = select(func.min(Region.code)).where(
        Region.source == source, Region.level == "district"
    )
    if (code := connection.scalar(current)) is not None:
        return str(code[:6])
    city = func.left(Region.code, CITY_DIGITS)
    taken = set(connection.scalars(select(city).where(Region.source != source).distinct()))
    for code in _district_codes(path):
        if code[:CITY_DIGITS] not in taken:
            return code
    raise InputError("codes_exhausted", file=path)


def leave_divisions_of_others(
    connection: Connection, divisions: gpd.GeoDataFrame, source: str
) -> gpd.GeoDataFrame:
    """Return divisions without the cities and districts that another source delivers.

    An extract of one district may so come beside the others of its city. Streets and communities
    stay: where another source has their codes, they may be other places.
    """
    owned = set(
        connection.scalars(
            select(Region.code).where(
                Region.code.in_(divisions["code"].tolist()),
                Region.level.in_(("city", "district")),
                Region.source != source,
            )
        )
    )
    return divisions[~divisions["code"].isin(owned)].reset_index(drop=True)


def _district_codes(path: Path) -> Iterator[str]:
    """Yield possible codes for a place: one by its name, then one for each city code with 9."""
    name = path.name.split(".")[0].encode()
    yield f"99{zlib.crc32(name) % 10_000:04d}"
    start = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest())
    for step in range(1000):
        yield f"9{(start + step) % 1000:03d}{start // 1000 % 99 + 1:02d}"


def read_communities(
    path: Path, crs: str | None, transformation: str | None = None
) -> gpd.GeoDataFrame:
    """Read communities from a file: ``name``, ``code`` and polygons.

    Codes are empty unless all have 12 digits and are unique.

    Raises
    ------
    InputError
        If the file can't be read or placed, or has no polygon.
    """
    frame = read_vector(path, crs=crs, transformation=transformation)
    land = polygonal(frame.geometry.to_numpy())
    has_area = ~shapely.is_missing(land) & (shapely.area(land) > 0)
    if not has_area.any():
        raise InputError("no_polygons", file=path)
    columns = {"name": _text_column(frame, NAME_COLUMN), "code": _text_column(frame, CODE_COLUMN)}
    codes = columns["code"].str.replace(r"\.0$", "", regex=True)
    are_valid = codes.str.fullmatch(r"\d{12}").all() and codes.is_unique
    columns["code"] = codes if are_valid else codes.map(lambda _: "")
    communities = gpd.GeoDataFrame(pd.DataFrame(columns), geometry=land, crs=frame.crs)
    valid: gpd.GeoDataFrame = communities[has_area].reset_index(drop=True)
    return valid.rename_geometry("geom")


def _text_column(frame: gpd.GeoDataFrame, pattern: re.Pattern[str]) -> pd.Series:
    """Return the first column whose name matches, as texts; empty texts without one."""
    name = next((c for c in frame.columns if pattern.fullmatch(str(c))), None)
    if name is None:
        return pd.Series([""] * len(frame), index=frame.index, dtype=object)
    words = frame[name].map(lambda value: "" if pd.isna(value) else str(value).strip())
    texts: pd.Series = words.astype(object)
    return texts


def find_communities(
    layers: dict[str, gpd.GeoDataFrame],
    places: gpd.GeoDataFrame,
    polygons: gpd.GeoDataFrame,
    borders: gpd.GeoSeries,
) -> CommunitySet:
    """Return the communities of an extract: its own polygons, or built around its places.

    Parameters
    ----------
    layers
        ``building``, ``road``, ``railway`` and ``water`` in metres.
    places, polygons, borders
        Place nodes, administrative areas and borders of higher levels, in metres.
    """
    buildings = layers["building"]
    mapped = _complete_level(polygons, buildings)
    if mapped is not None:
        return CommunitySet(mapped.assign(code=""))
    streets = layers["road"][layers["road"]["road_class"] != "path"]
    sea = layers["water"][layers["water"]["kind"] == "sea"].geometry.union_all()
    inhabited = buildings.geometry[buildings["households"] > 0].to_numpy()
    extent = build_extent(buildings.geometry, streets.geometry, sea, inhabited)
    extent = clip_to_borders(extent, borders.to_numpy(), places.geometry.to_numpy())
    extent = fit_to_buildings(extent, buildings.geometry.to_numpy())
    inside = places[shapely.dwithin(extent, places.geometry.to_numpy(), 500.0)]
    paths = dividing_paths(layers["road"])
    built = build_communities(inside, community_barriers(layers), extent, buildings, paths)
    return replace(built, communities=built.communities.assign(code=""))


def _complete_level(
    polygons: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> gpd.GeoDataFrame | None:
    """Return the polygons of the first level that holds nearly all buildings, None without one."""
    middle = buildings.geometry.representative_point().to_numpy()
    for _, level in polygons.groupby("admin_level"):
        land = level.geometry.to_numpy()
        held = np.unique(shapely.STRtree(land).query(middle, predicate="within")[0])
        if len(held) >= MIN_BUILDING_SHARE * len(buildings):
            return level[["name", "geom"]].reset_index(drop=True)
    return None


def build_regions(local: gpd.GeoDataFrame, code: str, path: Path) -> gpd.GeoDataFrame:
    """Return divisions of all four levels with codes, communities last.

    Parameters
    ----------
    local
        Communities with ``name`` and ``code``; codes are all empty or all of 12 digits.
    code
        First six digits of the codes for communities without one.
    """
    name = path.name.split(".")[0].replace("-latest", "").title()
    numbered = local["code"].where(local["code"] != "", _numbers(len(local), code))
    names = local["name"].where(local["name"] != "", name)
    parents = numbered.map(parent_code)
    bottom = local.assign(code=numbered, name=names, level="community", parent_code=parents)
    upper = []
    below = bottom
    for level in ("street", "district", "city"):
        below = _level_above(below, level, name)
        upper.append(below)
    frames = [*reversed(upper), bottom]
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), geometry="geom", crs=local.crs)


def _numbers(count: int, code: str) -> list[str]:
    """Return codes of communities, 999 for each street."""
    return [
        f"{code}{1 + i // COMMUNITIES_PER_STREET:03d}{1 + i % COMMUNITIES_PER_STREET:03d}"
        for i in range(count)
    ]


def _level_above(below: gpd.GeoDataFrame, level: str, name: str) -> gpd.GeoDataFrame:
    """Return the divisions of the next higher level, each the union of its parts."""
    parts = below.groupby("parent_code")["geom"]
    rows = [(code, shapely.union_all(land.to_numpy())) for code, land in parts]
    codes = pd.Series([code for code, _ in rows], dtype=object)
    frame = {
        "code": codes,
        "name": name,
        "level": level,
        "parent_code": codes.map(parent_code) if level != "city" else None,
        "geom": [land for _, land in rows],
    }
    return gpd.GeoDataFrame(pd.DataFrame(frame), geometry="geom", crs=below.crs)
