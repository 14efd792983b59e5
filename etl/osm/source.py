"""Reading an extract: its points, lines and areas with the tags that are used, and what is broken.

Every pass names the tags that it wants, so that GDAL hands over a tenth of a city's extract and
nothing of a country's that no layer needs.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl import sandbox
from etl.readers import layers_in, polygonal, read_raw
from etl.stage import Rejected
from geo import crs as systems
from geo.errors import InputError

KEYS = (
    "amenity",
    "social_facility",
    "shop",
    "leisure",
    "emergency",
    "railway",
    "tourism",
    "office",
)
"""Keys of facilities, as points and as areas."""

POINTS = ("place", *KEYS)
LINES = ("highway", "waterway", "railway", "building")
AREAS = ("building", *KEYS)


@dataclass(frozen=True)
class Source:
    """What an extract holds, in longitude and latitude.

    Attributes
    ----------
    points, lines, areas
        Features with their tags as columns; areas are polygons, repaired where that was needed.
    repaired
        Number of geometries that had to be repaired.
    rejected
        What could not be built.
    """

    points: gpd.GeoDataFrame
    lines: gpd.GeoDataFrame
    areas: gpd.GeoDataFrame
    repaired: int
    rejected: list[Rejected]


def read_source(path: Path) -> Source:
    """Return what an extract holds.

    Raises
    ------
    InputError
        If it is no extract, or is cut off.
    """
    if not {"points", "lines", "multipolygons"} <= set(layers_in(path)):
        raise InputError("file_unreadable", file=path, format=path.suffix)
    points = _layer(path, "points", POINTS)
    lines = _layer(path, "lines", LINES, natural="coastline", boundary="administrative")
    areas = _layer(
        path,
        "multipolygons",
        AREAS,
        natural="water",
        waterway="riverbank",
        boundary="administrative",
    )
    flat = polygonal(areas.geometry.to_numpy())
    lost = shapely.is_missing(flat) | (shapely.area(flat) == 0)
    rejected = _open_outlines(lines) + _without_area(areas[lost]) + _lost(path, areas)
    repaired = int(areas["repaired"].to_numpy()[~lost].sum())
    return Source(points, lines, areas.set_geometry(flat)[~lost], repaired, rejected)


def _layer(path: Path, layer: str, keys: tuple[str, ...], **tags: str) -> gpd.GeoDataFrame:
    """Return the features of a layer that have one of some keys, or one of some tags."""
    conditions = [f"{key} IS NOT NULL" for key in keys]
    conditions += [f"{key} = '{value}'" for key, value in tags.items()]
    where = " OR ".join(conditions)
    config = str(Path(__file__).with_name("osmconf.ini"))
    frame = read_raw(path, layer, where=where, CONFIG_FILE=config)
    # OSM's WGS 84 and CGCS2000 agree to centimetres, less than either is surveyed to.
    return frame.rename_geometry("geom").set_crs(systems.STORAGE, allow_override=True)


def area_code(areas: gpd.GeoDataFrame) -> pd.Series:
    """Return the code of each area: ``osm:w`` and its way, or ``osm:r`` and its relation."""
    way = areas["osm_way_id"].notna()
    letter = pd.Series(np.where(way, "osm:w", "osm:r"), index=areas.index)
    code: pd.Series = letter + areas["osm_way_id"].fillna(areas["osm_id"]).astype(str)
    return code


def _open_outlines(lines: gpd.GeoDataFrame) -> list[Rejected]:
    """Return the ways that say to be a building and are not closed."""
    ways = lines[lines["building"].notna()]
    return [
        Rejected("building", f"osm:w{way}", "outline_not_closed", {"building": building}, line)
        for way, building, line in zip(
            ways["osm_id"], ways["building"], ways.geometry.to_numpy(), strict=True
        )
    ]


def _without_area(areas: gpd.GeoDataFrame) -> list[Rejected]:
    """Return areas of which repair left no polygon."""
    return [
        Rejected(_layer_of(row), code, "no_area_left", row, shape)
        for code, row, shape in zip(
            area_code(areas), _tags(areas), areas.geometry.to_numpy(), strict=True
        )
    ]


def _tags(frame: gpd.GeoDataFrame) -> list[dict[str, str]]:
    columns = [c for c in frame.columns if c not in ("geom", "repaired", "osm_id", "osm_way_id")]
    rows = frame[columns].to_dict("records")
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def _lost(path: Path, areas: gpd.GeoDataFrame) -> list[Rejected]:
    """Return the relations that GDAL could not make an area of."""
    declared = sandbox.ask(path, "declared_areas")
    built = set(areas["osm_id"].dropna())
    return [
        Rejected(_layer_of(tags), f"osm:r{relation}", "rings_not_closed", tags, None)
        for relation, tags in declared
        if str(relation) not in built and _is_wanted(tags)
    ]


def _is_wanted(tags: dict[str, str]) -> bool:
    """Return whether an area with these tags would be read."""
    named = any(key in tags for key in AREAS)
    return named or tags.get("natural") == "water" or tags.get("boundary") == "administrative"


def _layer_of(tags: dict[str, str]) -> str:
    if "building" in tags:
        return "building"
    if tags.get("boundary") == "administrative":
        return "region"
    if tags.get("natural") == "water" or tags.get("waterway"):
        return "water"
    return "facility"
