"""The map as a project of QGIS (3.16 or newer): the vector tiles with the symbols of the one style.

Roads have their width in metres on the ground, lines and letters theirs in millimetres.
"""

from collections.abc import Iterator
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from geo.messages import Language, text
from maps import style
from maps.colours import PALETTE

LAYER = "gridatlas"
POINT, LINE, AREA = "0", "1", "2"
MERCATOR_SCALE_FACTOR = 1.18
"""Metres of Web Mercator for a metre on the ground at 32 degrees north."""


def build_project(
    site: str, max_zoom: int, lang: Language, extent: tuple[float, ...] | None
) -> bytes:
    """Return a project (``.qgs``) that opens the published map of a server.

    Parameters
    ----------
    site
        Address of the server.
    max_zoom
        The last zoom of its tiles.
    extent
        West, south, east, north in Web Mercator to open on.
    """
    name = text("page.title", lang=lang)
    source = _source(site, max_zoom)
    root = Element("qgis", version="3.16.0", projectname=name)
    SubElement(root, "title").text = name
    _system(SubElement(root, "projectCrs"))
    tree = SubElement(root, "layer-tree-group")
    leaf = {"id": LAYER, "name": name, "providerKey": "vectortile", "checked": "Qt::Checked"}
    SubElement(tree, "layer-tree-layer", leaf | {"source": source, "expanded": "1"})
    if extent:
        _canvas(root, extent)
    _layer(SubElement(root, "projectlayers"), name, source, lang)
    systems = SubElement(SubElement(root, "properties"), "SpatialRefSys")
    SubElement(systems, "ProjectionsEnabled", type="int").text = "1"
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return b"<!DOCTYPE qgis>\n" + written.split(b"\n", 1)[1]


def _source(site: str, max_zoom: int) -> str:
    address = quote(f"{site.rstrip('/')}/tiles/{{z}}/{{x}}/{{y}}", safe=":/")
    return f"type=xyz&url={address}&zmin=0&zmax={max_zoom}"


def _canvas(root: Element, extent: tuple[float, ...]) -> None:
    canvas = SubElement(root, "mapcanvas", name="theMapCanvas")
    SubElement(canvas, "units").text = "meters"
    box = SubElement(canvas, "extent")
    for side, value in zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True):
        SubElement(box, side).text = f"{value:.2f}"
    _system(SubElement(canvas, "destinationsrs"))


def _system(parent: Element) -> None:
    system = SubElement(parent, "spatialrefsys")
    for name, value in (("srsid", "3857"), ("srid", "3857"), ("authid", "EPSG:3857")):
        SubElement(system, name).text = value


def _layer(parent: Element, name: str, source: str, lang: Language) -> None:
    layer = SubElement(parent, "maplayer", type="vector-tile")
    SubElement(layer, "id").text = LAYER
    SubElement(layer, "datasource").text = source
    SubElement(layer, "layername").text = name
    _system(SubElement(layer, "srs"))
    styles = SubElement(SubElement(layer, "renderer", type="basic"), "styles")
    for element in (*_areas(), *_lines(), *_borders()):
        styles.append(element)
    labels = SubElement(SubElement(layer, "labeling", type="basic"), "styles")
    for element in _labels(lang):
        labels.append(element)


def _areas() -> Iterator[Element]:
    for colour, fill in enumerate(PALETTE):
        only = f'"colour" = {colour}'
        yield _style("community", AREA, _fill(fill, style.FILL_OPACITY), only, most=12)
        yield _style("grid", AREA, _fill(fill, style.FILL_OPACITY), only, least=13)
    green = ", ".join(f"'{category}'" for category in style.GREEN_CATEGORIES)
    parks = f'"category" IN ({green})'
    yield _style("facility", AREA, _fill(style.PARK, 0.65), parks, least=13)
    yield _style("facility", AREA, _fill(style.FACILITY_GROUNDS, 0.65), f"NOT {parks}", least=13)
    yield _style("water", AREA, _fill(style.WATER, 1.0), "_geom_type = 'Polygon'")
    yield _style("water", LINE, _line(style.WATER, 0.5), "_geom_type = 'LineString'")
    edge = style.BUILDING_EDGE
    yield _style("building", AREA, _fill(style.BUILDING, 0.75, edge), least=13)


def _lines() -> Iterator[Element]:
    for casing in (True, False):
        for name, symbol in style.ROADS.items():
            width = symbol.width_m * MERCATOR_SCALE_FACTOR * (1.25 if casing else 1.0)
            colour = symbol.casing if casing else symbol.fill
            drawn = _line(colour, width, unit="MapUnit")
            yield _style("road", LINE, drawn, f"\"road_class\" = '{name}'", least=symbol.from_zoom)
    yield _style("railway", LINE, _line(style.RAILWAY, 0.6), least=10)
    yield _style("railway", LINE, _line("#ffffff", 0.35, dashes="2;2"), least=10)
    yield _style("compound", LINE, _line(style.WALL, 0.3, dashes="1.2;0.5"), '"gated"', least=15)


def _borders() -> Iterator[Element]:
    yield _style("grid", LINE, _line(style.GRID_BORDER, 0.4), least=13)
    dashed = _line(style.COMMUNITY_BORDER, 0.5, dashes="2.4;0.8;0.5;0.8")
    yield _style("community", LINE, dashed, least=9)


def _labels(lang: Language) -> Iterator[Element]:
    before, after = text("page.households_unit", lang=lang, households="\0").split("\0")
    number = f"to_string(\"serial\") || '\n{before}' || to_string(\"households\") || '{after}'"
    yield _label("grid_label", POINT, number, 9, style.INK, least=14)
    yield _label("grid_label", POINT, '"serial"', 9, style.INK, least=13, most=13)
    yield _label("community_label", POINT, '"name"', 9, style.COMMUNITY_BORDER, least=9)
    yield _label("road", LINE, '"name"', 7, "#5c574c", least=14)
    yield _label("water_label", POINT, '"name"', 8, style.WATER_INK, least=11)
    yield _label("facility_label", POINT, '"name"', 6.5, "#4f6b3f", least=16)


def _style(
    layer: str, geometry: str, symbol: Element, only: str = "", *, least: int = -1, most: int = -1
) -> Element:
    """Return how features of a layer of the tiles are drawn, from one zoom to another."""
    zooms = {"min-zoom": str(least), "max-zoom": str(most)}
    named = {"name": layer, "layer": layer, "geometry": geometry, "enabled": "1"}
    made = Element("style", named | {"expression": only} | zooms)
    SubElement(made, "symbols").append(symbol)
    return made


def _fill(colour: str, opacity: float, edge: str = "") -> Element:
    own = {"color": _rgb(colour, opacity), "style": "solid", "outline_style": "no"}
    if edge:
        own |= {"outline_style": "solid", "outline_color": _rgb(edge), "outline_width": "0.12"}
    return _symbol("fill", "SimpleFill", own)


def _line(colour: str, width: float, *, unit: str = "MM", dashes: str = "") -> Element:
    own = {"line_color": _rgb(colour), "line_width": f"{width:.2f}", "line_width_unit": unit}
    dashed = {"use_custom_dash": "1", "customdash": dashes, "customdash_unit": "MM"}
    ends = {"capstyle": "flat" if dashes else "round", "joinstyle": "round"}
    return _symbol("line", "SimpleLine", own | ends | (dashed if dashes else {}))


def _symbol(kind: str, drawer: str, properties: dict[str, str]) -> Element:
    symbol = Element("symbol", type=kind, name="0", alpha="1", clip_to_extent="1")
    layer = SubElement(symbol, "layer", {"class": drawer, "enabled": "1", "pass": "0"})
    options = SubElement(layer, "Option", type="Map")
    for name, value in properties.items():
        SubElement(options, "Option", name=name, value=value, type="QString")
        SubElement(layer, "prop", k=name, v=value)
    return symbol


def _label(
    layer: str,
    geometry: str,
    words: str,
    points: float,
    colour: str,
    *,
    least: int,
    most: int = -1,
) -> Element:
    zooms = {"min-zoom": str(least), "max-zoom": str(most)}
    named = {"name": layer, "layer": layer, "geometry": geometry, "enabled": "1"}
    made = Element("style", named | {"expression": ""} | zooms)
    settings = SubElement(made, "settings", calloutType="simple")
    font = {"fontFamily": style.FONTS[2], "fontSize": f"{points}", "fontSizeUnit": "Point"}
    shown = {"fieldName": words, "isExpression": "1", "textColor": _rgb(colour)}
    letters = SubElement(settings, "text-style", font | shown)
    families = SubElement(letters, "families")
    for family in style.FONTS[:-1]:
        SubElement(families, "family", name=family)
    halo = {"bufferDraw": "1", "bufferSize": "0.6", "bufferSizeUnits": "MM"}
    SubElement(letters, "text-buffer", halo | {"bufferColor": _rgb(style.HALO)})
    # 1: over a point; 3: curved along a line
    before = {"placement": "3", "priority": "2"} if geometry == LINE else {"placement": "1"}
    SubElement(settings, "placement", {"priority": "9"} | before)
    return made


def _rgb(colour: str, opacity: float = 1.0) -> str:
    parts = [str(int(colour[i : i + 2], 16)) for i in (1, 3, 5)]
    return ",".join([*parts, str(round(255 * opacity))])
