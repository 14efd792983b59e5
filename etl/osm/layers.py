"""An extract's features as layers: the tables' columns and values."""

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely

from etl.extent import sea_beside
from etl.osm import tags
from etl.osm.source import Source
from etl.osm.tags import by_value, limited, metres, number, tonnes
from geo import crs as systems

SEA_M = 500.0
"""How far beyond the buildings the sea is kept."""


def buildings(source: Source) -> gpd.GeoDataFrame:
    """Return buildings; ``kind`` is what the source calls them, for the estimate of households."""
    tagged = source.areas["building"]
    rows = source.areas[tagged.notna() & (tagged != "no")].reset_index(drop=True)
    return _frame(
        rows,
        code=rows["code"],
        name=_name(rows),
        address=_address(rows),
        kind=rows["building"],
        use=_use(rows),
        storeys_above=limited(number(rows["building_levels"]).round(), 1, 200),
        storeys_below=limited(number(rows["building_levels_underground"]).round(), 0, 20),
        height_m=limited(metres(rows["height"]), 1, 1000),
        structure=rows["building_material"].map(by_value(tags.STRUCTURE)),
        year_built=limited(number(rows["start_date"].astype("string").str[:4]), 500, 2200),
        households=limited(number(rows["building_flats"]).round(), 0, 20_000),
    )


def _use(rows: gpd.GeoDataFrame) -> pd.Series:
    """Return the use by the kind of building, else by what it is tagged to house."""
    use: pd.Series = rows["building"].map(by_value(tags.USE))
    for key, table in (
        ("amenity", tags.USE_BY_AMENITY),
        ("tourism", tags.USE_BY_TOURISM),
        ("shop", tags.USE_BY_SHOP),
    ):
        use = use.where(use.notna(), rows[key].map(by_value(table)))
    return use


def roads(source: Source) -> gpd.GeoDataFrame:
    """Return roads and paths."""
    road_class = source.lines["highway"].map(by_value(tags.ROAD_CLASS))
    rows = _with_length(source.lines[road_class.notna()])
    alley = (rows["highway"] == "service") & (rows["service"] == "alley")
    return _frame(
        rows,
        code=rows["code"],
        name=_name(rows),
        road_class=rows["highway"].map(by_value(tags.ROAD_CLASS)).mask(alley, "alley"),
        width_m=limited(metres(rows["width"]), 0.3, 200),
        clear_height_m=limited(metres(rows["maxheight"]), 1, 100),
        max_weight_t=limited(tonnes(rows["maxweight"]), 0.5, 1000),
        slope_percent=limited(_percent(rows["incline"]), -100, 100),
        lanes=limited(number(rows["lanes"]).round(), 1, 30),
        oneway=rows["oneway"].map(by_value(tags.ONEWAY)).fillna("no"),
        surface=rows["surface"].map(by_value(tags.SURFACE)),
        bridge=rows["bridge"].isin(tags.YES),
        tunnel=rows["tunnel"].isin(tags.YES),
    )


def _percent(incline: pd.Series) -> pd.Series:
    """Return slopes in percent; one in degrees is left out."""
    return number(incline).mask(incline.astype("string").fillna("").str.contains("°").astype(bool))


def railways(source: Source) -> gpd.GeoDataFrame:
    """Return railways with a track of their own."""
    rows = _with_length(source.lines[source.lines["railway"].isin(tags.RAILWAYS)])
    return _frame(
        rows,
        code=rows["code"],
        name=_name(rows),
        bridge=rows["bridge"].isin(tags.YES),
        tunnel=rows["tunnel"].isin(tags.YES),
    )


def waters(source: Source, buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return streams, the surfaces of waters, and the sea around the buildings."""
    kinds = by_value(tags.WATER_KIND)
    streams = _with_length(source.lines[source.lines["waterway"].isin(kinds)])
    areas = source.areas
    wet = (areas["natural"] == "water") | (areas["waterway"] == "riverbank")
    surfaces = areas[wet].reset_index(drop=True)
    kind = surfaces["water"].fillna(surfaces["waterway"]).map(kinds).fillna("lake")
    frames = [
        _frame(
            streams,
            code=streams["code"],
            name=_name(streams),
            kind=streams["waterway"].map(kinds),
            width_m=limited(metres(streams["width"]), 0, 10_000),
            covered=streams["tunnel"].isin(tags.YES),
        ),
        _frame(surfaces, code=surfaces["code"], name=_name(surfaces), kind=kind, covered=False),
        _sea(source.lines[source.lines["natural"] == "coastline"], buildings),
    ]
    together = _together(frames)
    return together.assign(covered=together["covered"].astype(bool))


def _sea(coastline: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the sea around the buildings as one water."""
    metric = systems.metric_crs_of(buildings)
    west, south, east, north = buildings.to_crs(metric).total_bounds
    around = shapely.box(west - SEA_M, south - SEA_M, east + SEA_M, north + SEA_M)
    sea = sea_beside(coastline.to_crs(metric).geometry.to_numpy(), around)
    rows = gpd.GeoDataFrame(geometry=[sea], crs=metric).to_crs(coastline.crs)
    return _frame(rows, code=["osm:sea"], name="", kind="sea", covered=False)


def facilities(source: Source) -> gpd.GeoDataFrame:
    """Return public facilities: points, and grounds where they are mapped as areas."""
    frames = []
    for rows in (source.points, source.areas):
        category = _category(rows)
        has_category = category.notna()
        chosen = rows[has_category].reset_index(drop=True)
        frames.append(
            _frame(
                chosen,
                code=chosen["code"],
                category=category[has_category].to_numpy(),
                name=_name(chosen),
                phone=chosen["phone"].fillna(chosen["contact_phone"]).fillna(""),
                address=_address(chosen),
            )
        )
    return _together(frames)


def _category(frame: gpd.GeoDataFrame) -> pd.Series:
    """Return the category by the first key that has one."""
    category = pd.Series([None] * len(frame), index=frame.index, dtype=object)
    for key, table in tags.CATEGORY.items():
        category = category.where(category.notna(), frame[key].map(by_value(table)))
    return category


def hydrants(source: Source) -> gpd.GeoDataFrame:
    """Return hydrants as nodes of the water network: litres a second, MPa."""
    points = source.points
    rows = points[points["emergency"] == "fire_hydrant"].reset_index(drop=True)
    return _frame(
        rows,
        code=rows["code"],
        network="water",
        kind="hydrant",
        name=_name(rows),
        # The tags are in litres a minute and in bar.
        flow_l_s=limited(number(rows["fire_hydrant_flow_rate"]) / 60.0, 0, 10_000),
        pressure_mpa=limited(number(rows["fire_hydrant_pressure"]) / 10.0, 0, 20),
    )


def places(source: Source) -> gpd.GeoDataFrame:
    """Return the places around which communities are made: ``name`` and points."""
    rows = source.points[source.points["place"].isin(tags.PLACES)]
    rows = rows.assign(name=_name(rows))
    named: gpd.GeoDataFrame = rows[rows["name"] != ""][["name", "geom"]]
    return named.reset_index(drop=True)


def community_polygons(source: Source) -> gpd.GeoDataFrame:
    """Return the administrative areas that stand for communities: ``name`` and polygons."""
    areas = source.areas
    chosen = areas["admin_level"].isin(tags.COMMUNITY_LEVELS)
    rows = areas[chosen & (areas["boundary"] == "administrative")]
    found: gpd.GeoDataFrame = rows.assign(name=_name(rows))[["name", "admin_level", "geom"]]
    return found.reset_index(drop=True)


def border_lines(source: Source) -> gpd.GeoSeries:
    """Return the borders that no community crosses, as far as the extract holds them."""
    lines = source.lines
    chosen = lines["admin_level"].isin(tags.BORDER_LEVELS)
    found: gpd.GeoSeries = lines[chosen & (lines["boundary"] == "administrative")].geometry
    return found


def _name(frame: gpd.GeoDataFrame) -> pd.Series:
    """Return the Chinese name where there is one, else the local one."""
    name: pd.Series = frame["name_zh"].fillna(frame["name"]).fillna("").astype(str)
    return name


def _address(frame: gpd.GeoDataFrame) -> pd.Series:
    street, door = frame["addr_street"].fillna(""), frame["addr_housenumber"].fillna("")
    address: pd.Series = (street + " " + door).str.strip()
    return address


def _with_length(lines: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the lines that go somewhere."""
    kept: gpd.GeoDataFrame = lines[shapely.length(lines.geometry.to_numpy()) > 0].reset_index(
        drop=True
    )
    return kept


def _frame(rows: gpd.GeoDataFrame, **columns: Any) -> gpd.GeoDataFrame:
    """Return a layer of some rows, each code once, without what has no geometry."""
    shapes = rows.geometry.to_numpy()
    frame = gpd.GeoDataFrame(pd.DataFrame(columns), geometry=shapes, crs=rows.crs)
    frame = frame.rename_geometry("geom")
    kept = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    return frame[kept].drop_duplicates("code").reset_index(drop=True)


def _together(frames: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Return several parts of a layer as one."""
    filled = [frame for frame in frames if len(frame)] or list(frames[:1])
    together = pd.concat(filled, ignore_index=True)
    return gpd.GeoDataFrame(together, geometry="geom", crs=frames[0].crs)
