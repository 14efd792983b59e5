"""Map style shared by the web map, the atlas, QGIS and paper: colours, widths, fonts.

:func:`maplibre_style` writes it as a MapLibre style; ``maps.atlas.sheet_map`` uses it for Leaflet,
``maps.paper.svg_map`` for SVG and ``maps.qgis`` for QGIS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from geo.messages import Language, text
from maps.colours import PALETTE

INK = "#26323d"
BACKGROUND = "#f5f4ef"
WATER = "#bfd7e6"
WATER_INK = "#3f6f92"
PARK = "#cfe3c4"
FACILITY_GROUNDS = "#ece5d8"
BUILDING = "#ffffff"
BUILDING_EDGE = "#7d858c"
RAILWAY = "#6b7280"
WALL = "#8a6d4f"
GRID_BORDER = "#44525f"
COMMUNITY_BORDER = "#8c2f39"
SELECTED = "#c8102e"
HALO = "#ffffff"

FILL_OPACITY = 0.74

FONTS = ("PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", "sans-serif")
"""Font families in order of preference; the first four have Chinese and Latin characters."""


@dataclass(frozen=True)
class RoadSymbol:
    """Symbol of a class of road: width in metres on the ground, colours, lowest zoom.

    The width is that of one carriageway, since dual carriageways are two lines.
    """

    width_m: float
    fill: str
    casing: str
    from_zoom: int


ROADS: dict[str, RoadSymbol] = {
    "path": RoadSymbol(1.8, "#ffffff", "#d8d4ca", 15),
    "internal": RoadSymbol(3.5, "#ffffff", "#d8d4ca", 14),
    "alley": RoadSymbol(3.5, "#ffffff", "#d2cdc1", 14),
    "local": RoadSymbol(6, "#ffffff", "#c6c0b2", 13),
    "secondary": RoadSymbol(9, "#ffffff", "#bdb6a5", 11),
    "arterial": RoadSymbol(13, "#fdf0c8", "#c9ae6a", 9),
    "expressway": RoadSymbol(18, "#fbdc9a", "#c4974a", 8),
}
"""Road symbols by class, in drawing order."""

GREEN_CATEGORIES = ("park", "sport")
"""Categories of facility with green grounds."""

LINE_WATER_WIDTHS_M = {"river": 20.0, "canal": 8.0, "stream": 3.0}
"""Default width in metres of waters that are mapped as centrelines only."""

Style = dict[str, Any]
Layer = dict[str, Any]


def maplibre_style(
    tiles: str,
    max_zoom: int,
    lang: Language,
    attribution: Sequence[str] = (),
    *,
    tianditu_key: str = "",
) -> Style:
    """Return the MapLibre style of the city map.

    It has neither glyphs nor sprites: without ``glyphs`` MapLibre uses local fonts, so that the map
    needs no glyph server.

    Parameters
    ----------
    tiles
        URL of the vector tiles with ``{z}``, ``{x}``, ``{y}``.
    max_zoom
        Highest zoom with tiles; beyond it they are magnified.
    lang
        Language of label texts; names are not translated.
    attribution
        Attribution of the data sources.
    tianditu_key
        Key of the national map service; adds its base map, hidden by default.
    """
    credit = " · ".join(str(escape(name)) for name in attribution)
    city = {"type": "vector", "tiles": [tiles], "minzoom": 0, "maxzoom": max_zoom}
    base = _tianditu(tianditu_key, lang) if tianditu_key else {}
    return {
        "version": 8,
        "name": text("page.title", lang=lang),
        "sources": {"city": city | ({"attribution": credit} if credit else {})} | base,
        "layers": [
            {"id": "ground", "type": "background", "paint": {"background-color": BACKGROUND}},
            *map(_raster_layer, base),
            *_areas(),
            *_lines(),
            *_borders(),
            *_labels(lang),
        ],
    }


def _tianditu(key: str, lang: Language) -> dict[str, Style]:
    """Return the sources of Tianditu: the base map, and its labels in the language.

    They are in Web Mercator on CGCS2000; OGC WMTS (lbs.tianditu.gov.cn/server/MapService.html).
    """
    names = "cva" if lang == "zh" else "eva"
    return {f"tianditu-{layer}": _raster(layer, key) for layer in ("vec", names)}


def _raster(layer: str, key: str) -> Style:
    query = (
        f"SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER={layer}&STYLE=default"
        f"&TILEMATRIXSET=w&FORMAT=tiles&TILEMATRIX={{z}}&TILEROW={{y}}&TILECOL={{x}}&tk={key}"
    )
    tiles = [f"https://t{host}.tianditu.gov.cn/{layer}_w/wmts?{query}" for host in range(8)]
    return {
        "type": "raster",
        "tiles": tiles,
        "tileSize": 256,
        "minzoom": 1,
        "maxzoom": 18,
        "attribution": "天地图 © 国家基础地理信息中心",
    }


def _raster_layer(source: str) -> Layer:
    return {"id": source, "type": "raster", "source": source, "layout": {"visibility": "none"}}


def _areas() -> list[Layer]:
    return [
        _fill("community", _by_colour(), fade_out=(12.5, 13.0), id="community-fill"),
        _fill("grid", _by_colour(), fade_in=(12.5, 13.0), id="grid-fill"),
        _fill(
            "facility",
            ["match", ["get", "category"], list(GREEN_CATEGORIES), PARK, FACILITY_GROUNDS],
            opacity=_by_zoom({13: 0.3, 16: 0.65}),
            id="grounds",
            minzoom=13,
        ),
        _fill("water", WATER, opacity=1, id="water"),
        _line("water", WATER, _metres(["coalesce", ["get", "width_m"], 4.0]), id="water-line")
        | {"filter": ["==", ["geometry-type"], "LineString"]},
        _fill(
            "building", BUILDING, opacity=_by_zoom({13: 0.35, 16: 0.72}), id="building", minzoom=13
        )
        | {"filter": ["!=", ["get", "use"], "ancillary"]},
        _line("building", BUILDING_EDGE, 0.6, id="building-edge", minzoom=14),
    ]


def _lines() -> list[Layer]:
    casings = [_road(name, symbol, casing=True) for name, symbol in ROADS.items()]
    fills = [_road(name, symbol, casing=False) for name, symbol in ROADS.items()]
    rail = _line("railway", RAILWAY, 2.4, id="railway", minzoom=10)
    ties = _line("railway", "#ffffff", 1.2, id="railway-ties", minzoom=10)
    ties["paint"]["line-dasharray"] = [5, 5]
    wall = _line("compound", WALL, 1.1, id="wall", minzoom=15)
    wall["filter"] = ["==", ["get", "gated"], True]
    wall["paint"]["line-dasharray"] = [4, 1.5]
    return [*casings, *fills, rail, ties, wall]


def _borders() -> list[Layer]:
    grid = _line("grid", GRID_BORDER, _by_zoom({12: 0.5, 15: 1.0, 18: 1.8}), id="grid-border")
    halo = _line("community", HALO, _by_zoom({10: 2.0, 16: 4.0}), id="community-halo")
    halo["paint"]["line-opacity"] = 0.6
    border = _line(
        "community", COMMUNITY_BORDER, _by_zoom({9: 0.6, 13: 1.1, 16: 1.8}), id="community-border"
    )
    border["paint"]["line-dasharray"] = [5, 1.6, 1, 1.6]
    selected = _line("grid", SELECTED, _by_zoom({12: 2.0, 16: 3.5}), id="grid-selected")
    selected["filter"] = ["==", ["get", "code"], ""]
    return [grid | {"minzoom": 12}, halo, border, selected]


def _labels(lang: Language) -> list[Layer]:
    return [
        _road_names(),
        *_water_names(),
        _facility_names(),
        _community_names_behind_grids(),
        _community_names(lang),
        _grid_numbers(lang),
    ]


def _fill(
    source: str,
    colour: object,
    *,
    id: str,
    opacity: object = FILL_OPACITY,
    fade_in: tuple[float, float] | None = None,
    fade_out: tuple[float, float] | None = None,
    minzoom: float = 0,
) -> Layer:
    """Return a fill layer that fades in between two zooms or fades out between two zooms."""
    paint: dict[str, object] = {"fill-color": colour, "fill-opacity": opacity}
    layer: Layer = {"id": id, "type": "fill", "source": "city", "source-layer": source}
    if fade_in:
        paint["fill-opacity"] = _by_zoom({fade_in[0]: 0, fade_in[1]: FILL_OPACITY})
        minzoom = fade_in[0]
    if fade_out:
        paint["fill-opacity"] = _by_zoom({fade_out[0]: FILL_OPACITY, fade_out[1]: 0})
        layer["maxzoom"] = fade_out[1]
    layer["filter"] = ["==", ["geometry-type"], "Polygon"]
    return layer | {"minzoom": minzoom, "paint": paint}


def _line(source: str, colour: str, width: object, *, id: str, minzoom: float = 0) -> Layer:
    return {
        "id": id,
        "type": "line",
        "source": "city",
        "source-layer": source,
        "minzoom": minzoom,
        "layout": {"line-join": "round", "line-cap": "butt"},
        "paint": {"line-color": colour, "line-width": width},
    }


def _road(name: str, symbol: RoadSymbol, *, casing: bool) -> Layer:
    extra = 1.4 if casing else 0.0
    width = _metres(symbol.width_m, min_pixels=0.5 if casing else 0.4, extra=extra)
    colour = symbol.casing if casing else symbol.fill
    kind = "casing" if casing else "fill"
    layer = _line("road", colour, width, id=f"road-{name}-{kind}", minzoom=symbol.from_zoom)
    layer["filter"] = ["==", ["get", "road_class"], name]
    layer["layout"]["line-cap"] = "round"
    return layer


def _symbol(source: str, *, id: str, minzoom: float, layout: Layer, ink: str) -> Layer:
    common = {"text-font": list(_fonts_of_weight("Medium")), "text-padding": 3}
    return {
        "id": id,
        "type": "symbol",
        "source": "city",
        "source-layer": source,
        "minzoom": minzoom,
        "layout": common | layout,
        "paint": {"text-color": ink, "text-halo-color": HALO, "text-halo-width": 1.4},
    }


def _grid_numbers(lang: Language) -> Layer:
    households = [
        "concat",
        "\n",
        *_text_parts("page.households_unit", lang, households=["get", "households"]),
    ]
    bold = {"text-font": ["literal", list(_fonts_of_weight("Bold"))]}
    number = [["to-string", ["get", "serial"]], bold]
    both = [*number, households, {"font-scale": 0.72}]
    label = ["step", ["zoom"], ["format", *number], 14.5, ["format", *both]]
    size = _by_zoom({13: 11, 15: 15, 18: 22})
    layout = {"text-field": label, "text-size": size, "text-line-height": 1.15}
    return _symbol("grid_label", id="grid-label", minzoom=13, layout=layout, ink=INK)


def _community_names(lang: Language) -> Layer:
    grids = ["concat", "\n", *_text_parts("page.grids_unit", lang, grids=["get", "grids"])]
    label = [
        "format",
        ["get", "name"],
        {"text-font": ["literal", list(_fonts_of_weight("Bold"))]},
        ["case", ["has", "grids"], grids, ""],
        {"font-scale": 0.78},
    ]
    layout = {"text-field": label, "text-size": _by_zoom({10: 10, 13: 14}), "text-max-width": 8}
    layer = _symbol("community_label", id="community-label", minzoom=9, layout=layout, ink=INK)
    return layer | {"maxzoom": 13}


def _community_names_behind_grids() -> Layer:
    """Return plain community names for zooms at which grid numbers are more prominent."""
    layout = {"text-field": ["get", "name"], "text-size": 13, "text-letter-spacing": 0.15}
    return _symbol(
        "community_label", id="community-name", minzoom=13, layout=layout, ink=COMMUNITY_BORDER
    )


def _road_names() -> Layer:
    layout = {
        "symbol-placement": "line",
        "text-field": ["get", "name"],
        "text-size": _by_zoom({13: 10, 18: 14}),
        "text-letter-spacing": 0.1,
        "symbol-spacing": 320,
    }
    return _symbol("road", id="road-name", minzoom=14, layout=layout, ink="#5c574c")


def _water_names() -> list[Layer]:
    look = {"text-field": ["get", "name"], "text-size": 13, "text-letter-spacing": 0.25}
    along = look | {"symbol-placement": "line", "symbol-spacing": 500}
    line = _symbol("water", id="water-line-name", minzoom=12, layout=along, ink=WATER_INK)
    line["filter"] = ["==", ["geometry-type"], "LineString"]
    area = _symbol("water_label", id="water-name", minzoom=11, layout=look, ink=WATER_INK)
    return [line, area]


def _facility_names() -> Layer:
    layout = {"text-field": ["get", "name"], "text-size": 11, "text-max-width": 7}
    return _symbol("facility_label", id="facility-name", minzoom=16, layout=layout, ink="#4f6b3f")


def _text_parts(key: str, lang: Language, **expressions: object) -> list[object]:
    """Return a text of the catalogue in parts, with an expression in place of its field."""
    (name, expression), *_ = expressions.items()
    before, after = text(key, lang=lang, **{name: "\0"}).split("\0")
    return [before, ["to-string", expression], after]


def _fonts_of_weight(weight: str) -> tuple[str, ...]:
    """Return the fonts with a weight, which MapLibre reads from the name of the first family."""
    return (f"{FONTS[0]} {weight}", *FONTS)


def _by_colour() -> list[object]:
    """Return the expression for the fill of an area by its palette index."""
    cases = [part for index, fill in enumerate(PALETTE) for part in (index, fill)]
    return ["match", ["get", "colour"], *cases, BACKGROUND]


def _by_zoom(stops: dict[float, float]) -> list[object]:
    return ["interpolate", ["linear"], ["zoom"], *(part for stop in stops.items() for part in stop)]


def _metres(width: object, *, min_pixels: float = 0.8, extra: float = 0.0) -> list[object]:
    """Return the expression for a line width in metres on the ground.

    At zoom 16 a pixel is about a metre at 32 degrees north: with MapLibre's tiles of 512 pixels it
    is 78271.5 m x cos(32 degrees) / 2^16 = 1.01 m.
    """
    stops: list[object] = []
    for zoom in (8, 12, 16, 20):
        scaled = ["*", width, 2.0 ** (zoom - 16)]
        stops += [zoom, ["+", ["max", scaled, min_pixels], extra]]
    return ["interpolate", ["exponential", 2], ["zoom"], *stops]
