"""Draw the sheet of a community, and the overview of an atlas, as interactive maps."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import folium
import geopandas as gpd
import numpy as np
import shapely
from markupsafe import escape

from geo.codes import grid_serial
from geo.messages import LANGUAGES, text
from maps import style
from maps.atlas.offline_map import (
    OfflineMap,
    PopupCard,
    create_map,
    geojson_feature,
    geojson_layer,
    label_point,
    text_label,
)
from maps.atlas.sheet import AtlasEntry, Sheet
from maps.colours import (
    PALETTE,
    TOUCHING_DEGREES,
    UNINHABITED_FILL,
    colour_areas,
    darken,
    touching_pairs,
)

SCORE_FORMATS: dict[str, str] = {
    "grids": "{:d}",
    "households": "{:,d}",
    "within_limits": "{:.0%}",
    "smallest": "{:d}",
    "largest": "{:d}",
    "mean_deviation": "{:.0f}",
    "contiguous": "",
    "gap_m2": "{:.2f}",
    "overlap_m2": "{:.2f}",
    "border_on_barrier": "{:.0%}",
    "compounds_split": "{:d}",
    "compounds_split_all": "{:d}",
    "arterial_inside_m": "{:.0f}",
    "railway_inside_m": "{:.0f}",
    "water_inside_m": "{:.0f}",
    "beside_street_m": "{:.0f}",
    "spikes": "{:d}",
    "narrow_m2": "{:.0f}",
    "barriers_inside_m": "{:.0f}",
    "straddled_m": "{:.0f}",
    "polsby_popper": "{:.2f}",
    "walk_m": "{:.0f}",
    "walk_ways_m": "{:.0f}",
    "walk_far": "{:.0%}",
}
"""Figures of the score card that a page shows, with their formats."""

ROAD_PIXELS = {
    "path": 1.0,
    "internal": 1.6,
    "alley": 1.8,
    "local": 3.0,
    "secondary": 4.5,
    "arterial": 6.5,
    "expressway": 7.5,
}
"""Width of each class of road on a screen, from narrow to wide."""

NO_STROKE: dict[str, Any] = {"stroke": False, "fillOpacity": 1.0}


@dataclass(frozen=True)
class SheetMap:
    """A map and the template variables of its page."""

    map: OfflineMap
    texts: dict[str, Any]


def draw_sheet_map(sheet: Sheet) -> SheetMap:
    """Draw the sheet of a community as an interactive map."""
    entry = sheet.entry
    colours = _colours(sheet.grids.geometry.to_numpy())
    fills = dict(zip(sheet.grids["code"], (PALETTE[index] for index in colours), strict=True))
    sheet_map = create_map(tuple(shapely.bounds(entry.land).tolist()))
    for layer in (_grids(sheet, fills), _grounds(sheet)):
        layer.add_to(sheet_map)
    _layer_group("buildings", [_buildings(sheet, fills)]).add_to(sheet_map)
    _layer_group("roads", [*_waters(sheet), *_roads(sheet), *_rails(sheet), _walls(sheet)]).add_to(
        sheet_map
    )
    for layer in _borders(sheet):
        layer.add_to(sheet_map)
    _layer_group("labels", _labels(sheet)).add_to(sheet_map)
    folium.LayerControl(position="topright", collapsed=True).add_to(sheet_map)
    return SheetMap(sheet_map, _texts(sheet, fills))


def draw_overview_map(entries: Sequence[AtlasEntry]) -> OfflineMap:
    """Draw the communities of an atlas, each with a link to its page."""
    lands = np.array([entry.land for entry in entries], dtype=object)
    overview = create_map(tuple(shapely.total_bounds(lands).tolist()))
    looks = {str(index): {"fillColor": fill} for index, fill in enumerate(PALETTE)}
    features = [
        geojson_feature(entry.land, str(index), _entry_card(entry))
        for entry, index in zip(entries, _colours(lands), strict=True)
    ]
    border = {"color": style.COMMUNITY_BORDER, "weight": 1.4, "fillOpacity": style.FILL_OPACITY}
    geojson_layer(features, "areas", border, fills=looks, interactive=True).add_to(overview)
    for entry in entries:
        name = f"<b>{escape(entry.name)}</b>"
        text_label(label_point(entry.land), name, "place-label").add_to(overview)
    return overview


def _layer_group(name: str, layers: Iterable[Any]) -> folium.FeatureGroup:
    group = folium.FeatureGroup(name=_both(f"atlas.layer_{name}"))
    for layer in layers:
        layer.add_to(group)
    return group


def _grounds(sheet: Sheet) -> folium.GeoJson:
    green = {"fillColor": style.PARK, "stroke": False, "fillOpacity": 0.6}
    return geojson_layer([geojson_feature(park) for park in sheet.parks.geometry], "grounds", green)


def _grids(sheet: Sheet, fills: dict[str, str]) -> folium.GeoJson:
    rows = sheet.grids.itertuples()
    features = [
        geojson_feature(row.geom, row.code, PopupCard(_title(row), _grid_rows(row), row.code))
        for row in rows
    ]
    border = {"color": style.GRID_BORDER, "weight": 1.4, "fillOpacity": style.FILL_OPACITY}
    looks = {code: {"fillColor": fill} for code, fill in fills.items()}
    return geojson_layer(features, "areas", border, fills=looks, interactive=True)


def _buildings(sheet: Sheet, fills: dict[str, str]) -> folium.GeoJson:
    looks = {code: {"fillColor": darken(fill)} for code, fill in fills.items()}
    features = [
        geojson_feature(
            row.geom,
            row.grids[0] if row.grids and row.households else "",
            PopupCard(_building_title(row), _building_rows(row)),
        )
        for row in sheet.buildings.itertuples()
    ]
    plain = {
        "color": style.BUILDING_EDGE,
        "weight": 0.6,
        "fillColor": UNINHABITED_FILL,
        "fillOpacity": 0.95,
    }
    return geojson_layer(features, "buildings", plain, fills=looks, interactive=True)


def _waters(sheet: Sheet) -> Iterator[folium.GeoJson]:
    areas = shapely.get_dimensions(sheet.waters.geometry.to_numpy()) == 2
    surface = {"fillColor": style.WATER, **NO_STROKE}
    yield geojson_layer(
        [geojson_feature(water) for water in sheet.waters.geometry[areas]], "lines", surface
    )
    line = {"color": style.WATER, "weight": 4, "fill": False}
    yield geojson_layer(
        [geojson_feature(water) for water in sheet.waters.geometry[~areas]], "lines", line
    )


def _roads(sheet: Sheet) -> Iterator[folium.GeoJson]:
    """Yield the roads: all casings below all fills, so that casings do not cut junctions."""
    features = [
        geojson_feature(road.geom, road.road_class)
        for name in ROAD_PIXELS
        for road in sheet.roads[sheet.roads["road_class"] == name].itertuples()
    ]
    common = {"fill": False, "lineCap": "round", "lineJoin": "round"}
    for casing in (True, False):
        looks = {
            name: {
                "color": symbol.casing if casing else symbol.fill,
                "weight": ROAD_PIXELS[name] + (1.6 if casing else 0),
            }
            for name, symbol in style.ROADS.items()
        }
        yield geojson_layer([dict(feature) for feature in features], "lines", common, fills=looks)


def _rails(sheet: Sheet) -> Iterator[folium.GeoJson]:
    lines = [geojson_feature(rail) for rail in sheet.railways.geometry]
    yield geojson_layer(lines, "lines", {"color": style.RAILWAY, "weight": 3, "fill": False})
    ties = {"color": "#ffffff", "weight": 1.6, "fill": False, "dashArray": "7 7"}
    yield geojson_layer([dict(line) for line in lines], "lines", ties)


def _walls(sheet: Sheet) -> folium.GeoJson:
    look = {"color": style.WALL, "weight": 1.3, "fill": False, "dashArray": "5 2"}
    return geojson_layer(
        [geojson_feature(wall) for wall in _outlines(sheet.walls, sheet)], "lines", look
    )


def _borders(sheet: Sheet) -> Iterator[folium.GeoJson]:
    """Yield a translucent cover of the surroundings, and the borders above it."""
    land = sheet.entry.land
    around = shapely.box(*shapely.bounds(shapely.buffer(land, 0.05)))
    cover = {"fillColor": style.BACKGROUND, "stroke": False, "fillOpacity": 0.62}
    yield geojson_layer([geojson_feature(shapely.difference(around, land))], "veil", cover)
    others = {"color": style.COMMUNITY_BORDER, "weight": 1, "opacity": 0.5, "fill": False}
    yield geojson_layer(
        [geojson_feature(other) for other in _outlines(sheet.neighbours, sheet)], "borders", others
    )
    inner = {"color": style.GRID_BORDER, "weight": 1.4, "fill": False}
    yield geojson_layer(
        [geojson_feature(grid) for grid in sheet.grids.geometry.boundary], "borders", inner
    )
    outer = {"color": style.COMMUNITY_BORDER, "weight": 2.2, "fill": False, "dashArray": "9 3 2 3"}
    yield geojson_layer([geojson_feature(shapely.boundary(land))], "borders", outer)


def _outlines(areas: gpd.GeoDataFrame, sheet: Sheet) -> Any:
    """Return the outlines of areas clipped to the sheet."""
    lines = shapely.clip_by_rect(areas.geometry.boundary.to_numpy(), *sheet.bounds)
    return lines[~shapely.is_empty(lines)]


def _labels(sheet: Sheet) -> Iterator[folium.Marker]:
    for grid in sheet.grids.itertuples():
        households = text("atlas.households_unit", lang="zh", households=grid.households)
        html = f"<b>{grid_serial(grid.code)}</b><span>{escape(households)}</span>"
        yield text_label(label_point(grid.geom), html, "grid-label")
    outside = sheet.neighbours.geometry.clip_by_rect(*sheet.bounds).difference(sheet.entry.land)
    for name, land in zip(sheet.neighbours["name"], outside, strict=True):
        if not land.is_empty and shapely.get_dimensions(land) == 2:
            yield text_label(label_point(land), str(escape(name)), "place-label")


def _texts(sheet: Sheet, fills: dict[str, str]) -> dict[str, Any]:
    entry = sheet.entry
    key = "version" if entry.status == "published" else "version_draft"
    return {
        "edition": text(f"atlas.{key}", lang="zh", version=entry.version),
        "grids": [_grid_line(row, fills[row.code], entry) for row in sheet.grids.itertuples()],
        "scores": list(_scores(entry.score)),
        "reasons": [_reason(key, fields) for key, fields in entry.score.get("reasons", ())],
        "signs": list(_legend(sheet)),
    }


def _grid_line(row: Any, fill: str, entry: AtlasEntry) -> dict[str, Any]:
    outside = row.kind == "general" and not entry.lower <= row.households <= entry.upper
    figures = {"households": row.households, "buildings": row.buildings, "outside": outside}
    return {"code": row.code, "title": grid_serial(row.code), "fill": fill} | figures


def _scores(score: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, template in SCORE_FORMATS.items():
        value = score.get(key)
        if isinstance(value, bool):
            yield key, _both("atlas.yes" if value else "atlas.no")
        elif value is not None:
            yield key, template.format(value)


def _reason(key: str, fields: dict[str, Any]) -> dict[str, str]:
    return {lang: text(f"reason.{key}", lang=lang, **fields) for lang in LANGUAGES}


def _legend(sheet: Sheet) -> Iterator[dict[str, str]]:
    """Yield the legend entries of what is on the sheet."""
    first = PALETTE[0]
    yield _legend_entry(
        "grid", f"background: {first}; border-color: {style.GRID_BORDER}", area=True
    )
    shade = f"background: {darken(first)}; border-color: {style.BUILDING_EDGE}"
    yield _legend_entry("building", shade, area=True)
    if not sheet.buildings["households"].all():
        plain = f"background: {UNINHABITED_FILL}; border-color: {style.BUILDING_EDGE}"
        yield _legend_entry("no_households", plain, area=True)
    yield _legend_entry("grid_border", f"border-color: {style.GRID_BORDER}")
    yield _legend_entry(
        "community_border", f"border: 0 dashed {style.COMMUNITY_BORDER}; border-top-width: 2px"
    )
    present = set(sheet.roads["road_class"])
    for name, symbol in reversed(style.ROADS.items()):
        if name in present:
            css = f"height: {ROAD_PIXELS[name]:.0f}px; background: {symbol.fill}"
            yield _legend_entry(
                name, f"{css}; border: 0 solid {symbol.casing}; border-width: 1px 0"
            )
    if len(sheet.railways):
        yield _legend_entry("railway", f"border: 0 dashed {style.RAILWAY}; border-top-width: 3px")
    if len(sheet.waters):
        yield _legend_entry(
            "water", f"background: {style.WATER}; border-color: {style.WATER}", area=True
        )
    if len(sheet.parks):
        yield _legend_entry(
            "park", f"background: {style.PARK}; border-color: {style.PARK}", area=True
        )
    if len(sheet.walls):
        yield _legend_entry("wall", f"border: 0 dashed {style.WALL}; border-top-width: 1.5px")


def _legend_entry(key: str, css: str, *, area: bool = False) -> dict[str, str]:
    return {"key": key, "css": css, "kind": "area" if area else "line"}


def _colours(areas: Any) -> list[int]:
    colours: list[int] = colour_areas(len(areas), touching_pairs(areas, TOUCHING_DEGREES)).tolist()
    return colours


def _both(key: str, **fields: object) -> str:
    """Return a text in Chinese and English; once if they are the same."""
    chinese, english = (text(key, lang=lang, **fields) for lang in ("zh", "en"))
    return chinese if chinese == english else f"{chinese} {english}"


def _title(row: Any) -> str:
    return row.name or _both("atlas.grid_name", serial=grid_serial(row.code))


def _grid_rows(row: Any) -> list[tuple[str, str]]:
    return [
        (_both("atlas.code"), row.code),
        (_both("atlas.households"), str(row.households)),
        (_both("atlas.buildings"), str(row.buildings)),
        (_both("atlas.kind"), _both(f"atlas.kind_{row.kind}")),
    ]


def _building_title(row: Any) -> str:
    return row.name or row.address or _both("atlas.building_name", code=row.code)


def _entry_card(entry: AtlasEntry) -> PopupCard:
    rows = [
        (_both("atlas.grids"), str(entry.grids)),
        (_both("atlas.households"), f"{entry.households:,}"),
    ]
    page = f"{entry.code}.html"
    return PopupCard(entry.name, rows, entry.code, page, _both("atlas.open"))


def _building_rows(row: Any) -> list[tuple[str, str]]:
    households = str(row.households)
    if row.estimated:
        households += f" ({_both('atlas.estimated')})"
    grids = ", ".join(grid_serial(code) for code in row.grids or ())
    fields = [
        ("atlas.of_grid", grids),
        ("atlas.households", households),
        ("atlas.address", row.address if row.name else ""),
        ("atlas.use", _value("use", row.use)),
        ("atlas.structure", _value("structure", row.structure)),
        ("atlas.storeys", _number(row.storeys_above)),
    ]
    return [(_both(key), value) for key, value in fields if value]


def _value(domain: str, value: str | None) -> str:
    return _both(f"{domain}.{value}") if value else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
