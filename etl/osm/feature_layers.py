"""Convert the features of an extract to layers with the columns and values of our tables."""

from collections.abc import Callable, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl.input.units import read_count, read_quantity
from etl.osm import tags
from etl.osm.built_up_area import build_sea
from etl.osm.reader import ExtractFeatures
from etl.osm.tags import invert_table
from etl.pipeline.staging import Rejected
from geo import crs as systems

MAX_PRESSURE_MPA = 2.5
"""Highest pressure of a city's mains; a larger figure is in another unit."""

SEA_MARGIN_M = 500.0
"""Distance from the buildings within which the sea is stored."""


def buildings(source: ExtractFeatures) -> tuple[gpd.GeoDataFrame, list[Rejected]]:
    """Return the buildings, and the areas tagged as buildings that are rejected.

    ``kind`` is the value of the tag ``building``, for the estimate of households.
    """
    rows, rejected = _footprints(source)
    flats = source.read_figures(rows, "building:flats", _count(0, 20_000))
    is_empty = rows["building"].isin(tags.NOT_LIVED_IN)
    source.unread["building:flats"] += int(flats[is_empty].notna().sum())
    frame = _frame(
        rows,
        code=rows["code"],
        name=_name(rows),
        address=_address(rows),
        kind=rows["building"],
        use=_use(rows),
        storeys_above=source.read_figures(
            rows, "building:levels", lambda text: read_count(text, 1, 200)
        ),
        storeys_below=source.read_figures(
            rows, "building:levels:underground", lambda text: read_count(text, 0, 20)
        ),
        height_m=source.read_figures(rows, "height", _metres(1, 1000)),
        structure=rows["building_material"].map(invert_table(tags.STRUCTURE)),
        year_built=source.read_figures(rows, "start_date", tags.parse_year),
        households=flats.mask(is_empty),
    )
    return frame, rejected


def _footprints(source: ExtractFeatures) -> tuple[gpd.GeoDataFrame, list[Rejected]]:
    """Return the areas that are buildings above ground, each once, and the rejected ones."""
    areas = source.areas
    is_building = areas["building"].notna() & (areas["building"] != "no")
    is_part = ~is_building & areas["building_part"].notna() & (areas["building_part"] != "no")
    buildings = areas[is_building].reset_index(drop=True)
    parts = areas[is_part]
    inside = shapely.STRtree(buildings.geometry.to_numpy()).query(
        parts.representative_point().to_numpy(), predicate="intersects"
    )[0]
    loose = parts.drop(index=parts.index[np.unique(inside)])
    is_below = buildings.apply(tags.is_below_ground, axis=1).astype(bool)
    shape = pd.Series(shapely.to_wkb(shapely.normalize(buildings.geometry.to_numpy())))
    first = buildings["code"].groupby(shape).transform("first")
    is_double = ~is_below & (first != buildings["code"])
    rejected = [
        *_reject(loose, "part_without_building"),
        *_reject(buildings[is_below], "below_ground"),
        *_reject(buildings[is_double], "duplicate_shape", first[is_double]),
    ]
    return buildings[~is_below & ~is_double].reset_index(drop=True), rejected


def _reject(rows: gpd.GeoDataFrame, reason: str, others: pd.Series | None = None) -> list[Rejected]:
    """Return rejected buildings; ``others`` are the codes of the buildings that they repeat."""
    keys = [key for key in rows.columns if key not in ("code", "geom")]
    details = [{}] * len(rows) if others is None else [{"other": code} for code in others]
    return [
        Rejected(
            "building",
            row["code"],
            reason,
            {key: row[key] for key in keys if row[key] is not None},
            row["geom"],
            detail,
        )
        for row, detail in zip(rows.to_dict("records"), details, strict=True)
    ]


def _count(low: int, high: int) -> Callable[[str], float | None]:
    return lambda text: read_count(text, low, high)


def _metres(low: float, high: float) -> Callable[[str], float | None]:
    return lambda text: read_quantity(text, "m", low, high, default="m")


def _use(rows: gpd.GeoDataFrame) -> pd.Series:
    """Return the use by the kind of building, else by its amenity, tourism or shop."""
    use: pd.Series = rows["building"].map(invert_table(tags.USE_BY_BUILDING))
    for key, table in (
        ("amenity", tags.USE_BY_AMENITY),
        ("tourism", tags.USE_BY_TOURISM),
        ("shop", tags.USE_BY_SHOP),
    ):
        use = use.where(use.notna(), rows[key].map(invert_table(table)))
    return use


def roads(source: ExtractFeatures) -> gpd.GeoDataFrame:
    """Return roads and paths."""
    road_class = source.lines["highway"].map(invert_table(tags.ROAD_CLASS))
    rows = _with_length(source.lines[road_class.notna()])
    alley = (rows["highway"] == "service") & (rows["service"] == "alley")
    return _frame(
        rows,
        code=rows["code"],
        name=_name(rows),
        road_class=rows["highway"].map(invert_table(tags.ROAD_CLASS)).mask(alley, "alley"),
        width_m=source.read_figures(rows, "width", _metres(0.3, 200)),
        clear_height_m=source.read_figures(rows, "maxheight", _metres(1, 100)),
        max_weight_t=source.read_figures(
            rows, "maxweight", lambda text: read_quantity(text, "t", 0.5, 1000, default="t")
        ),
        slope_percent=source.read_figures(rows, "incline", tags.parse_percent),
        lanes=source.read_figures(rows, "lanes", _count(1, 30)),
        oneway=rows["oneway"].map(invert_table(tags.ONEWAY)).fillna("no"),
        surface=rows["surface"].map(invert_table(tags.SURFACE)),
        bridge=rows["bridge"].isin(tags.YES_VALUES),
        tunnel=rows["tunnel"].isin(tags.YES_VALUES),
    )


def railways(source: ExtractFeatures) -> gpd.GeoDataFrame:
    """Return the railways with a track of their own."""
    rows = _with_length(source.lines[source.lines["railway"].isin(tags.RAILWAYS)])
    return _frame(
        rows,
        code=rows["code"],
        name=_name(rows),
        bridge=rows["bridge"].isin(tags.YES_VALUES),
        tunnel=rows["tunnel"].isin(tags.YES_VALUES),
    )


def waters(source: ExtractFeatures, buildings: gpd.GeoDataFrame, district: str) -> gpd.GeoDataFrame:
    """Return watercourses, water surfaces, and the sea around the buildings of a district."""
    kinds = invert_table(tags.WATER_KIND)
    streams = _with_length(source.lines[source.lines["waterway"].isin(kinds)])
    areas = source.areas
    is_water = (areas["natural"] == "water") | (areas["waterway"] == "riverbank")
    surfaces = areas[is_water].reset_index(drop=True)
    kind = surfaces["water"].fillna(surfaces["waterway"]).map(kinds).fillna("lake")
    frames = [
        _frame(
            streams,
            code=streams["code"],
            name=_name(streams),
            kind=streams["waterway"].map(kinds),
            width_m=source.read_figures(streams, "width", _metres(0, 10_000)),
            covered=streams["tunnel"].isin(tags.YES_VALUES),
        ),
        _frame(surfaces, code=surfaces["code"], name=_name(surfaces), kind=kind, covered=False),
        _sea(source.lines[source.lines["natural"] == "coastline"], buildings, district),
    ]
    layer = _concatenate(frames)
    return layer.assign(covered=layer["covered"].astype(bool))


def _sea(
    coastline: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, district: str
) -> gpd.GeoDataFrame:
    """Return the sea around the buildings as one feature."""
    metric = systems.metric_crs_of(buildings)
    west, south, east, north = buildings.to_crs(metric).total_bounds
    around = shapely.box(
        west - SEA_MARGIN_M, south - SEA_MARGIN_M, east + SEA_MARGIN_M, north + SEA_MARGIN_M
    )
    sea = build_sea(coastline.to_crs(metric).geometry.to_numpy(), around)
    rows = gpd.GeoDataFrame(geometry=[sea], crs=metric).to_crs(coastline.crs)
    return _frame(rows, code=[f"osm:sea-{district}"], name="", kind="sea", covered=False)


def facilities(source: ExtractFeatures) -> gpd.GeoDataFrame:
    """Return public facilities as points, or areas where they are mapped as such.

    Hydrants without pressure are intakes, because they are not part of the water network.
    """
    intakes = _hydrants(source)
    intakes = intakes[intakes.apply(tags.is_intake, axis=1).astype(bool)]
    frames = []
    for rows in (source.points, source.areas):
        category = _category(rows).where(~rows["code"].isin(intakes["code"]), "intake")
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
    return _concatenate(frames)


def _category(frame: gpd.GeoDataFrame) -> pd.Series:
    """Return the category by the first key that has one."""
    category = pd.Series([None] * len(frame), index=frame.index, dtype=object)
    for key, table in tags.CATEGORY.items():
        category = category.where(category.notna(), frame[key].map(invert_table(table)))
    return category


def hydrants(source: ExtractFeatures) -> gpd.GeoDataFrame:
    """Return hydrants under pressure as nodes of the water network, in l/s and MPa."""
    rows = _hydrants(source)
    rows = rows[~rows.apply(tags.is_intake, axis=1).astype(bool)].reset_index(drop=True)
    # By OSM's convention, flow rates without a unit are in l/min and pressures in bar. There is
    # none for flow_capacity.
    rate = source.read_figures(rows, "fire_hydrant:flow_rate", _litres_a_second("l/min"))
    capacity = source.read_figures(rows, "fire_hydrant:flow_capacity", _litres_a_second(None))
    is_broken = rows.apply(tags.is_out_of_service, axis=1).astype(bool)
    return _frame(
        rows,
        code=rows["code"],
        network="water",
        kind="hydrant",
        name=_name(rows),
        in_service=[False if broken else None for broken in is_broken],
        hydrant_type=rows["fire_hydrant_type"].map(tags.HYDRANT_TYPE),
        flow_l_s=rate.fillna(capacity),
        pressure_mpa=source.read_figures(
            rows,
            "fire_hydrant:pressure",
            lambda text: read_quantity(text, "MPa", 0, MAX_PRESSURE_MPA, default="bar"),
        ),
    )


def _hydrants(source: ExtractFeatures) -> gpd.GeoDataFrame:
    """Return hydrants of all kinds as points, inside those that are mapped as areas."""
    frames = [
        frame[frame["emergency"].map(tags.is_hydrant).astype(bool)]
        for frame in (source.points, source.areas)
    ]
    rows = _concatenate(frames)
    points = shapely.point_on_surface(rows.geometry.to_numpy())
    return rows.set_geometry(gpd.GeoSeries(points, index=rows.index, crs=rows.crs))


def _litres_a_second(default: str | None) -> Callable[[str], float | None]:
    return lambda text: read_quantity(text, "l/s", 0, 10_000, default=default)


def places(source: ExtractFeatures) -> gpd.GeoDataFrame:
    """Return the places around which communities are built: ``name`` and points."""
    rows = source.points[source.points["place"].isin(tags.PLACES)]
    rows = rows.assign(name=_name(rows))
    named: gpd.GeoDataFrame = rows[rows["name"] != ""][["name", "geom"]]
    return named.reset_index(drop=True)


def community_polygons(source: ExtractFeatures) -> gpd.GeoDataFrame:
    """Return the administrative areas at the level of communities: ``name`` and polygons."""
    areas = source.areas
    chosen = areas["admin_level"].isin(tags.COMMUNITY_LEVELS)
    rows = areas[chosen & (areas["boundary"] == "administrative")]
    named: gpd.GeoDataFrame = rows.assign(name=_name(rows))[["name", "admin_level", "geom"]]
    return named.reset_index(drop=True)


def border_lines(source: ExtractFeatures) -> gpd.GeoSeries:
    """Return the borders of the highest level in the extract, as far as it contains them."""
    lines = source.lines[source.lines["boundary"] == "administrative"]
    lines = lines[lines["admin_level"].isin(tags.BORDER_LEVELS)]
    borders: gpd.GeoSeries = lines[lines["admin_level"] == lines["admin_level"].min()].geometry
    return borders


def _name(frame: gpd.GeoDataFrame) -> pd.Series:
    """Return the Chinese name if there is one, else the local name, on one line."""
    name = frame["name_zh"].fillna(frame["name"]).fillna("").astype(str)
    one_line: pd.Series = name.map(lambda text: " ".join(text.split()))
    return one_line


def _address(frame: gpd.GeoDataFrame) -> pd.Series:
    street, door = frame["addr_street"].fillna(""), frame["addr_housenumber"].fillna("")
    address: pd.Series = (street + " " + door).str.strip()
    return address


def _with_length(lines: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the lines that have a length."""
    has_length = shapely.length(lines.geometry.to_numpy()) > 0
    rows: gpd.GeoDataFrame = lines[has_length].reset_index(drop=True)
    return rows


def _frame(rows: gpd.GeoDataFrame, **columns: Any) -> gpd.GeoDataFrame:
    """Return a layer of some rows, each code once, without rows that lack geometry."""
    shapes = rows.geometry.to_numpy()
    frame = gpd.GeoDataFrame(pd.DataFrame(columns), geometry=shapes, crs=rows.crs)
    frame = frame.rename_geometry("geom")
    has_shape = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    return frame[has_shape].drop_duplicates("code").reset_index(drop=True)


def _concatenate(frames: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Return several parts of a layer as one."""
    filled = [frame for frame in frames if len(frame)] or list(frames[:1])
    rows = pd.concat(filled, ignore_index=True)
    return gpd.GeoDataFrame(rows, geometry="geom", crs=frames[0].crs)
