"""OpenStreetMap extracts: buildings, roads, waters, railways, facilities and hydrants."""

import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from etl.communities import (
    barriers_from,
    built_up_extent,
    communities_from_places,
    community_of,
    sea_beside,
)
from etl.households import estimated
from etl.publish import Rejected
from etl.readers import existing, layers_in, read_raw, read_vector
from geo import crs as systems
from geo.errors import InputError
from geo.progress import Progress, silent
from geo.settings import Settings

SEA_M = 500.0
"""How far beyond the buildings the sea is kept."""

PLACES = ("quarter", "suburb", "neighbourhood")

USE = {
    "residential": "apartments house detached semidetached_house terrace residential dormitory "
    "bungalow farm houseboat static_caravan villa cabin",
    "commercial": "commercial retail supermarket kiosk hotel shop mall",
    "office": "office",
    "industrial": "industrial manufacture factory works",
    "warehouse": "warehouse storage_tank hangar silo",
    "education": "school kindergarten university college",
    "medical": "hospital clinic",
    "culture": "church chapel cathedral mosque temple synagogue shrine monastery museum castle "
    "stadium religious grandstand sports_hall theatre",
    "public": "public civic government townhall fire_station police courthouse toilets",
    "transport": "train_station transportation railway station parking",
    "utility": "service transformer_tower power substation water_tower",
    "ancillary": "garage garages shed roof carport greenhouse hut construction ruins barn sty "
    "stable tent farm_auxiliary",
}
"""Our use by the values of ``building``; ``yes`` says nothing."""

ROAD_CLASS = {
    "expressway": "motorway motorway_link trunk trunk_link",
    "arterial": "primary primary_link",
    "secondary": "secondary secondary_link",
    "local": "tertiary tertiary_link unclassified residential road busway",
    "alley": "living_street pedestrian",
    "internal": "service track",
    "path": "footway path steps cycleway bridleway corridor",
}

SURFACE = {
    "asphalt": "asphalt paved",
    "concrete": "concrete concrete:plates concrete:lanes",
    "paving": "paving_stones sett cobblestone unhewn_cobblestone",
    "gravel": "gravel fine_gravel compacted pebblestone",
    "earth": "ground dirt earth unpaved grass sand mud",
}

WATER_KIND = {
    "river": "river riverbank",
    "canal": "canal",
    "stream": "stream ditch drain",
    "lake": "lake reservoir lagoon",
    "pond": "pond basin fountain",
}

CATEGORY = {
    "amenity": {
        "school": "school",
        "kindergarten": "kindergarten childcare",
        "university": "university college",
        "hospital": "hospital",
        "clinic": "clinic doctors",
        "elderly_care": "nursing_home social_facility",
        "police": "police",
        "fire_station": "fire_station",
        "market": "marketplace",
        "worship": "place_of_worship",
        "toilet": "toilets",
        "parking": "parking",
        "fuel": "fuel",
        "government": "townhall courthouse",
        "service_station": "community_centre",
        "culture": "theatre library arts_centre cinema",
        "transport": "bus_station ferry_terminal",
    },
    "leisure": {"park": "park garden playground", "sport": "sports_centre stadium pitch"},
    "shop": {"market": "supermarket mall department_store"},
    "emergency": {"shelter": "assembly_point"},
    "tourism": {"culture": "museum gallery"},
    "railway": {"transport": "station halt"},
    "office": {"government": "government"},
}
"""Our category by key and values."""

_YES = {"yes", "true", "1", "viaduct", "building_passage", "culvert", "covered", "movable"}


@dataclass(frozen=True)
class Extract:
    """What an extract gave.

    Attributes
    ----------
    layers
        Layers by table name, in longitude and latitude.
    rejected
        What could not be used, and why.
    figures
        Counts for the report.
    """

    layers: dict[str, gpd.GeoDataFrame]
    rejected: list[Rejected] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)


def source_name(path: Path) -> str:
    """Return the source of a file's features."""
    return f"osm:{path.name}"


def district_code(path: Path) -> str:
    """Return six digits for a place that has no Chinese code: 99 and a checksum of its name."""
    return f"99{zlib.crc32(path.name.split('.')[0].encode()) % 10000:04d}"


def read_osm(
    path: Path,
    settings: Settings,
    *,
    communities: Path | None = None,
    code: str | None = None,
    progress: Progress = silent,
) -> Extract:
    """Return the layers of an OpenStreetMap extract.

    Parameters
    ----------
    path
        A PBF file.
    communities
        Polygons of communities; by default they are made from the file's place nodes.
    code
        First six digits of the division codes to give.

    Raises
    ------
    InputError
        If the file is no extract, holds no building, or the polygons don't fit.
    """
    steps = 5
    progress("osm", 0, steps)
    points, lines, areas = _read(existing(path, ".pbf"))
    progress("osm", 1, steps)
    buildings = _buildings(areas)
    if buildings.empty:
        raise InputError("no_buildings", file=path)
    layers = {
        "road": _roads(lines),
        "railway": _railways(lines),
        "water": _waters(lines, areas, buildings),
        "facility": _facilities(points, areas),
        "pipe_node": _hydrants(points),
    }
    progress("osm", 2, steps)
    metric = systems.metric_crs_of(buildings)
    buildings = estimated(buildings.to_crs(metric), settings)
    progress("osm", 3, steps)
    in_metres = {name: frame.to_crs(metric) for name, frame in layers.items()}
    given = _given(communities, metric) if communities else None
    made, blocks = _communities(points.to_crs(metric), buildings, in_metres, given)
    regions, local = _regions(made, code or district_code(path), path)
    progress("osm", 4, steps)
    buildings["region_code"] = community_of(buildings.geometry, local)
    facility = in_metres["facility"]
    layers["facility"]["region_code"] = community_of(facility.geometry.centroid, local).to_numpy()
    layers |= {"region": regions.to_crs(systems.STORAGE)}
    layers |= {"building": buildings.drop(columns="kind").to_crs(systems.STORAGE)}
    progress("osm", 5, steps)
    outside = int(buildings["region_code"].isna().sum())
    if communities and outside == len(buildings):
        raise InputError("communities_elsewhere", file=communities, osm=path)
    figures = {
        "repaired": int(sum(frame["repaired"].sum() for frame in (points, lines, areas))),
        "communities": len(local),
        "blocks": blocks,
        "outside": outside,
        "households": int(buildings["households"].sum()),
    }
    return Extract(layers, _rejected(lines, areas), figures)


def _read(path: Path) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Return points, lines and areas with the tags that are used."""
    pyogrio.set_gdal_config_options(
        {"OSM_CONFIG_FILE": str(Path(__file__).with_name("osmconf.ini"))}
    )
    if not {"points", "lines", "multipolygons"} <= set(layers_in(path)):
        raise InputError("file_unreadable", file=path, format=path.suffix)
    frames = [
        read_raw(path, layer, where=where)[0].rename_geometry("geom")
        for layer, where in (
            (
                "points",
                _any(
                    "place",
                    "amenity",
                    "shop",
                    "leisure",
                    "emergency",
                    "railway",
                    "tourism",
                    "office",
                ),
            ),
            ("lines", _any("highway", "waterway", "railway", "building", "natural")),
            (
                "multipolygons",
                _any(
                    "building",
                    "amenity",
                    "shop",
                    "leisure",
                    "emergency",
                    "natural",
                    "waterway",
                    "tourism",
                    "office",
                ),
            ),
        )
    ]
    points, lines, areas = (frame.set_crs("EPSG:4326").to_crs(systems.STORAGE) for frame in frames)
    return points, lines, areas


def _any(*keys: str) -> str:
    return " OR ".join(f"{key} IS NOT NULL" for key in keys)


def _by_value(table: dict[str, str]) -> dict[str, str]:
    """Return our value by each of theirs."""
    return {theirs: ours for ours, values in table.items() for theirs in values.split()}


def _number(series: pd.Series) -> pd.Series:
    """Return the first number in texts such as ``12 m`` or ``3,5``, else missing."""
    text = series.astype("string").str.replace(",", ".", regex=False)
    found = text.str.extract(r"^\s*(-?\d+(?:\.\d+)?)", expand=False)
    return pd.to_numeric(found, errors="coerce").astype(float)


def _limited(series: pd.Series, low: float, high: float) -> pd.Series:
    """Return numbers with those that can't be true made missing."""
    return series.where(series.between(low, high))


def _name(frame: gpd.GeoDataFrame) -> pd.Series:
    """Return the Chinese name where there is one, else the local one."""
    name: pd.Series = frame["name_zh"].fillna(frame["name"]).fillna("").astype(str)
    return name


def _area_code(frame: gpd.GeoDataFrame) -> pd.Series:
    way = frame["osm_way_id"].notna()
    code: pd.Series = (
        "osm:" + np.where(way, "w", "r") + frame["osm_way_id"].fillna(frame["osm_id"])
    ).astype(str)
    return code


def _address(frame: gpd.GeoDataFrame) -> pd.Series:
    street, number = frame["addr_street"].fillna(""), frame["addr_housenumber"].fillna("")
    address: pd.Series = (street + " " + number).str.strip()
    return address


def _polygonal(geometry: Any) -> Any:
    """Return the polygons of geometries that repair made collections of."""
    kinds = shapely.get_type_id(geometry)
    mixed = kinds == shapely.GeometryType.GEOMETRYCOLLECTION
    geometry = geometry.copy()
    geometry[mixed] = [
        shapely.union_all([part for part in shapely.get_parts(one) if part.area > 0])
        for one in geometry[mixed]
    ]
    return geometry


def _frame(rows: gpd.GeoDataFrame, geometry: Any = None, **columns: Any) -> gpd.GeoDataFrame:
    """Return a layer of some rows, without features that have no geometry left."""
    place = rows.geometry.to_numpy() if geometry is None else geometry
    frame = gpd.GeoDataFrame(pd.DataFrame(columns), geometry=place, crs=rows.crs)
    frame = frame.rename_geometry("geom")
    kept = ~(shapely.is_missing(place) | shapely.is_empty(place))
    return frame[kept].drop_duplicates("code").reset_index(drop=True)


def _buildings(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    rows = areas[areas["building"].notna() & (areas["building"] != "no")].reset_index(drop=True)
    levels = _limited(_number(rows["building_levels"]).round(), 1, 200)
    frame = _frame(
        rows,
        _polygonal(rows.geometry.to_numpy()),
        code=_area_code(rows),
        name=_name(rows),
        address=_address(rows),
        kind=rows["building"],
        use=rows["building"].map(_by_value(USE)),
        storeys_above=levels,
        storeys_below=_limited(_number(rows["building_levels_underground"]).round(), 0, 20),
        height_m=_limited(_number(rows["height"]), 1, 1000),
        year_built=_limited(_number(rows["start_date"].astype("string").str[:4]), 500, 2200),
        households=_limited(_number(rows["building_flats"]).round(), 0, 20_000),
    )
    by_tag = _use_by_amenity(rows)
    frame["use"] = frame["use"].fillna(frame["code"].map(by_tag))
    polygon = shapely.get_dimensions(frame.geometry) == 2
    return frame[polygon].reset_index(drop=True)


def _use_by_amenity(rows: gpd.GeoDataFrame) -> dict[str, str]:
    """Return the use of buildings that say ``yes`` but are tagged as something public."""
    uses = {"school": "education", "kindergarten": "education", "university": "education"}
    uses |= {"hospital": "medical", "clinic": "medical", "place_of_worship": "culture"}
    uses |= {"townhall": "public", "police": "public", "fire_station": "public"}
    uses |= {"parking": "transport", "courthouse": "public", "theatre": "culture"}
    use = rows["amenity"].map(uses)
    use = use.where(use.notna(), rows["tourism"].map({"hotel": "commercial", "museum": "culture"}))
    known = use.notna()
    return dict(zip(_area_code(rows)[known], use[known], strict=True))


def _roads(lines: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    rows = lines[lines["highway"].isin(_by_value(ROAD_CLASS))].reset_index(drop=True)
    oneway = rows["oneway"].map(
        {"yes": "forward", "true": "forward", "1": "forward", "-1": "backward"}
    )
    road_class = rows["highway"].map(_by_value(ROAD_CLASS))
    alley = (rows["highway"] == "service") & (rows["service"] == "alley")
    return _frame(
        rows,
        code="osm:w" + rows["osm_id"],
        name=_name(rows),
        road_class=road_class.mask(alley, "alley"),
        width_m=_limited(_number(rows["width"]), 0.3, 200),
        clear_height_m=_limited(_number(rows["maxheight"]), 1, 100),
        max_weight_t=_limited(_number(rows["maxweight"]), 0.5, 1000),
        slope_percent=_limited(_number(rows["incline"]), -100, 100),
        lanes=_limited(_number(rows["lanes"]).round(), 1, 30),
        oneway=oneway.fillna("no"),
        surface=rows["surface"].map(_by_value(SURFACE)),
        bridge=rows["bridge"].isin(_YES),
        tunnel=rows["tunnel"].isin(_YES),
    )


def _railways(lines: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    rows = lines[lines["railway"].isin({"rail", "light_rail", "narrow_gauge"})].reset_index(
        drop=True
    )
    return _frame(
        rows,
        code="osm:w" + rows["osm_id"],
        name=_name(rows),
        bridge=rows["bridge"].isin(_YES),
        tunnel=rows["tunnel"].isin(_YES),
    )


def _waters(
    lines: gpd.GeoDataFrame, areas: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    kinds = _by_value(WATER_KIND)
    streams = lines[lines["waterway"].isin(kinds)].reset_index(drop=True)
    surfaces = areas[(areas["natural"] == "water") | (areas["waterway"] == "riverbank")]
    surfaces = surfaces.reset_index(drop=True)
    kind = surfaces["water"].fillna(surfaces["waterway"]).map(kinds).fillna("lake")
    frames = [
        _frame(
            streams,
            code="osm:w" + streams["osm_id"],
            name=_name(streams),
            kind=streams["waterway"].map(kinds),
            width_m=_limited(_number(streams["width"]), 0, 10_000),
            covered=streams["tunnel"].isin(_YES),
        ),
        _frame(
            surfaces,
            _polygonal(surfaces.geometry.to_numpy()),
            code=_area_code(surfaces),
            name=_name(surfaces),
            kind=kind,
            width_m=np.full(len(surfaces), np.nan),
            covered=False,
        ),
        _sea(lines[lines["natural"] == "coastline"], buildings),
    ]
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), geometry="geom", crs=lines.crs)


def _sea(coastline: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the sea around the buildings as one water."""
    metric = systems.metric_crs_of(buildings)
    west, south, east, north = buildings.to_crs(metric).total_bounds
    around = shapely.box(west - SEA_M, south - SEA_M, east + SEA_M, north + SEA_M)
    sea = sea_beside(coastline.to_crs(metric).geometry.to_numpy(), around)
    rows = gpd.GeoDataFrame(geometry=[sea], crs=metric).to_crs(coastline.crs)
    return _frame(rows, code=["osm:sea"], name="", kind="sea", width_m=np.nan, covered=False)


def _category(frame: gpd.GeoDataFrame) -> pd.Series:
    """Return the category by the first key that has one."""
    category = pd.Series([None] * len(frame), index=frame.index, dtype=object)
    for key, table in CATEGORY.items():
        if key in frame.columns:
            category = category.fillna(frame[key].map(_by_value(table)))
    return category


def _facilities(points: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    frames = []
    for rows, code in ((points, "osm:n" + points["osm_id"]), (areas, _area_code(areas))):
        category = _category(rows)
        kept = category.notna()
        chosen = rows[kept].reset_index(drop=True)
        frames.append(
            _frame(
                chosen,
                _polygonal(chosen.geometry.to_numpy()),
                code=code[kept].to_numpy(),
                category=category[kept].to_numpy(),
                name=_name(chosen),
                phone=chosen["phone"].fillna(chosen["contact_phone"]).fillna(""),
                address=_address(chosen),
            )
        )
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), geometry="geom", crs=points.crs)


def _hydrants(points: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    rows = points[points["emergency"] == "fire_hydrant"].reset_index(drop=True)
    return _frame(
        rows,
        code="osm:n" + rows["osm_id"],
        network="water",
        kind="hydrant",
        name=_name(rows),
        flow_l_s=_limited(_number(rows["fire_hydrant_flow_rate"]) / 60.0, 0, 10_000),
    )


def _given(path: Path, metric: Any) -> gpd.GeoDataFrame:
    """Return communities from a file, their name guessed."""
    frame = read_vector(path).to_crs(metric)
    column = next(
        (c for c in frame.columns if re.fullmatch(r"name|名称|社区名称|NAME|MC|xqmc", str(c))), None
    )
    names = frame[column].fillna("").astype(str) if column else pd.Series([""] * len(frame))
    land = _polygonal(frame.geometry.to_numpy())
    flat = shapely.get_dimensions(land) == 2
    if not flat.any():
        raise InputError("no_polygons", file=path)
    return gpd.GeoDataFrame(
        {"name": names[flat].to_numpy()}, geometry=land[flat], crs=metric
    ).rename_geometry("geom")


def _communities(
    points: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    layers: dict[str, gpd.GeoDataFrame],
    given: gpd.GeoDataFrame | None,
) -> tuple[gpd.GeoDataFrame, int]:
    """Return the communities in metres and the number of blocks that they are made of."""
    if given is not None:
        return given, 0
    places = points[points["place"].isin(PLACES)]
    places = places.assign(name=_name(places)).sort_values("osm_id")[["name", "geom"]]
    barriers = barriers_from(layers)
    streets = layers["road"][layers["road"]["road_class"] != "path"]
    sea = layers["water"][layers["water"]["kind"] == "sea"]
    extent = built_up_extent(buildings.geometry, streets.geometry, sea.geometry.union_all())
    made = communities_from_places(places, barriers, extent)
    return made.communities, made.blocks


def _regions(
    communities: gpd.GeoDataFrame, code: str, path: Path
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Return all four levels, and the communities alone, with codes."""
    name = path.name.split(".")[0].replace("-latest", "").title()
    street = f"{code}001000"
    numbers = [f"{code}001{number:03d}" for number in range(1, len(communities) + 1)]
    names = communities["name"].where(communities["name"] != "", name)
    local = communities.assign(code=numbers, name=names, level="community", parent_code=street)
    whole = shapely.union_all(local.geometry.to_numpy())
    above = gpd.GeoDataFrame(
        {
            "code": [f"{code[:4]}00000000", f"{code}000000", street],
            "name": name,
            "level": ["city", "district", "street"],
            "parent_code": [None, f"{code[:4]}00000000", f"{code}000000"],
            "geom": [whole] * 3,
        },
        geometry="geom",
        crs=communities.crs,
    )
    return gpd.GeoDataFrame(pd.concat([above, local], ignore_index=True), geometry="geom"), local


def _rejected(lines: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> list[Rejected]:
    """Return buildings whose outline is not closed, and areas of which nothing could be built."""
    open_ways = lines[lines["building"].notna()]
    lost = areas[shapely.is_missing(areas.geometry) | shapely.is_empty(areas.geometry)]
    found = [
        Rejected(
            "building",
            f"osm:w{row.osm_id}",
            "outline_not_closed",
            {"building": row.building},
            row.geom,
        )
        for row in open_ways.itertuples()
    ]
    found += [
        Rejected("building", code, "no_area_left", {"building": building}, None)
        for code, building in zip(_area_code(lost), lost["building"], strict=True)
    ]
    return found
