"""Write a QGIS project (3.16 or newer) that shows the vector tiles with the symbols of the style.

Widths of roads are in metres on the ground; other lines and text sizes are in millimetres.
"""

from collections.abc import Iterator
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from geo.messages import Language, text
from maps import style
from maps.colours import PALETTE

LAYER = "gridatlas_2f6c0e0a_5b1d_4c4e_9a53_7d1be0c8f4a6"
"""Identifier of the layer as QGIS makes them: its reader ignores those of ten characters or less,
and then the layer in the tree is another than the one with the data."""

POINT, LINE, AREA = "0", "1", "2"
MERCATOR_SCALE_FACTOR = 1.18
"""Web Mercator metres per metre on the ground at 32 degrees north."""


def build_project(
    site: str, max_zoom: int, lang: Language, extent: tuple[float, ...] | None
) -> bytes:
    """Return a project (``.qgs``) that opens the published map of a server.

    Parameters
    ----------
    site
        Base URL of the server.
    max_zoom
        Highest zoom of its tiles.
    extent
        Initial extent: west, south, east, north in Web Mercator.
    """
    name = text("page.title", lang=lang)
    source = _source(site, max_zoom)
    root = Element("qgis", version="3.16.0", projectname=name)
    SubElement(root, "title").text = name
    _add_system(SubElement(root, "projectCrs"))
    tree = SubElement(root, "layer-tree-group")
    leaf = {"id": LAYER, "name": name, "providerKey": "vectortile", "checked": "Qt::Checked"}
    SubElement(tree, "layer-tree-layer", leaf | {"source": source, "expanded": "1"})
    if extent:
        _add_canvas(root, extent)
    _add_layer(SubElement(root, "projectlayers"), name, source, lang)
    systems = SubElement(SubElement(root, "properties"), "SpatialRefSys")
    SubElement(systems, "ProjectionsEnabled", type="int").text = "1"
    xml: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return b"<!DOCTYPE qgis>\n" + xml.split(b"\n", 1)[1]


def _source(site: str, max_zoom: int) -> str:
    url = quote(f"{site.rstrip('/')}/tiles/{{z}}/{{x}}/{{y}}", safe=":/")
    return f"type=xyz&url={url}&zmin=0&zmax={max_zoom}"


def _add_canvas(root: Element, extent: tuple[float, ...]) -> None:
    canvas = SubElement(root, "mapcanvas", name="theMapCanvas")
    SubElement(canvas, "units").text = "meters"
    box = SubElement(canvas, "extent")
    for side, value in zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True):
        SubElement(box, side).text = f"{value:.2f}"
    _add_system(SubElement(canvas, "destinationsrs"))


def _add_system(parent: Element) -> None:
    system = SubElement(parent, "spatialrefsys")
    for name, value in (("srsid", "3857"), ("srid", "3857"), ("authid", "EPSG:3857")):
        SubElement(system, name).text = value


def _add_layer(parent: Element, name: str, source: str, lang: Language) -> None:
    layer = SubElement(parent, "maplayer", type="vector-tile")
    SubElement(layer, "id").text = LAYER
    SubElement(layer, "datasource").text = source
    SubElement(layer, "layername").text = name
    _add_system(SubElement(layer, "srs"))
    styles = SubElement(SubElement(layer, "renderer", type="basic"), "styles")
    for element in (*_areas(), *_lines(), *_borders()):
        styles.append(element)
    labels = SubElement(SubElement(layer, "labeling", type="basic"), "styles")
    for element in _labels(lang):
        labels.append(element)


def _areas() -> Iterator[Element]:
    for colour, fill in enumerate(PALETTE):
        condition = f'"colour" = {colour}'
        yield _style("community", AREA, _fill(fill, style.FILL_OPACITY), condition, max_zoom=12)
        yield _style("grid", AREA, _fill(fill, style.FILL_OPACITY), condition, min_zoom=13)
    green = ", ".join(f"'{category}'" for category in style.GREEN_CATEGORIES)
    parks = f'"category" IN ({green})'
    yield _style("facility", AREA, _fill(style.PARK, 0.65), parks, min_zoom=13)
    yield _style("facility", AREA, _fill(style.FACILITY_GROUNDS, 0.65), f"NOT {parks}", min_zoom=13)
    yield _style("water", AREA, _fill(style.WATER, 1.0), "_geom_type = 'Polygon'")
    yield _style("water", LINE, _line(style.WATER, 0.5), "_geom_type = 'LineString'")
    edge = style.BUILDING_EDGE
    yield _style("building", AREA, _fill(style.BUILDING, 0.75, edge), min_zoom=13)


def _lines() -> Iterator[Element]:
    for casing in (True, False):
        for name, symbol in style.ROADS.items():
            width = symbol.width_m * MERCATOR_SCALE_FACTOR * (1.25 if casing else 1.0)
            colour = symbol.casing if casing else symbol.fill
            symbol_element = _line(colour, width, unit="MapUnit")
            yield _style(
                "road",
                LINE,
                symbol_element,
                f"\"road_class\" = '{name}'",
                min_zoom=symbol.from_zoom,
            )
    yield _style("railway", LINE, _line(style.RAILWAY, 0.6), min_zoom=10)
    yield _style("railway", LINE, _line("#ffffff", 0.35, dashes="2;2"), min_zoom=10)
    yield _style("compound", LINE, _line(style.WALL, 0.3, dashes="1.2;0.5"), '"gated"', min_zoom=15)


def _borders() -> Iterator[Element]:
    yield _style("grid", LINE, _line(style.GRID_BORDER, 0.4), min_zoom=13)
    dashed = _line(style.COMMUNITY_BORDER, 0.5, dashes="2.4;0.8;0.5;0.8")
    yield _style("community", LINE, dashed, min_zoom=9)


def _labels(lang: Language) -> Iterator[Element]:
    before, after = text("page.households_unit", lang=lang, households="\0").split("\0")
    label = f"to_string(\"serial\") || '\n{before}' || to_string(\"households\") || '{after}'"
    yield _label("grid_label", POINT, label, 9, style.INK, min_zoom=14)
    yield _label("grid_label", POINT, '"serial"', 9, style.INK, min_zoom=13, max_zoom=13)
    yield _label("community_label", POINT, '"name"', 9, style.COMMUNITY_BORDER, min_zoom=9)
    yield _label("road", LINE, '"name"', 7, "#5c574c", min_zoom=14)
    yield _label("water_label", POINT, '"name"', 8, style.WATER_INK, min_zoom=11)
    yield _label("facility_label", POINT, '"name"', 6.5, "#4f6b3f", min_zoom=16)


def _style(
    layer: str,
    geometry: str,
    symbol: Element,
    condition: str = "",
    *,
    min_zoom: int = -1,
    max_zoom: int = -1,
) -> Element:
    """Return the style of features of a tile layer between two zooms; -1 means no limit."""
    zooms = {"min-zoom": str(min_zoom), "max-zoom": str(max_zoom)}
    attributes = {"name": layer, "layer": layer, "geometry": geometry, "enabled": "1"}
    element = Element("style", attributes | {"expression": condition} | zooms)
    SubElement(element, "symbols").append(symbol)
    return element


def _fill(colour: str, opacity: float, edge: str = "") -> Element:
    properties = {"color": _rgb(colour, opacity), "style": "solid", "outline_style": "no"}
    if edge:
        properties |= {
            "outline_style": "solid",
            "outline_color": _rgb(edge),
            "outline_width": "0.12",
        }
    return _symbol("fill", "SimpleFill", properties)


def _line(colour: str, width: float, *, unit: str = "MM", dashes: str = "") -> Element:
    properties = {"line_color": _rgb(colour), "line_width": f"{width:.2f}", "line_width_unit": unit}
    dash_properties = {"use_custom_dash": "1", "customdash": dashes, "customdash_unit": "MM"}
    ends = {"capstyle": "flat" if dashes else "round", "joinstyle": "round"}
    return _symbol("line", "SimpleLine", properties | ends | (dash_properties if dashes else {}))


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
    expression: str,
    points: float,
    colour: str,
    *,
    min_zoom: int,
    max_zoom: int = -1,
) -> Element:
    zooms = {"min-zoom": str(min_zoom), "max-zoom": str(max_zoom)}
    attributes = {"name": layer, "layer": layer, "geometry": geometry, "enabled": "1"}
    element = Element("style", attributes | {"expression": ""} | zooms)
    settings = SubElement(element, "settings", calloutType="simple")
    font = {"fontFamily": style.FONTS[2], "fontSize": f"{points}", "fontSizeUnit": "Point"}
    content = {"fieldName": expression, "isExpression": "1", "textColor": _rgb(colour)}
    letters = SubElement(settings, "text-style", font | content)
    families = SubElement(letters, "families")
    for family in style.FONTS[:-1]:
        SubElement(families, "family", name=family)
    halo = {"bufferDraw": "1", "bufferSize": "0.6", "bufferSizeUnits": "MM"}
    SubElement(letters, "text-buffer", halo | {"bufferColor": _rgb(style.HALO)})
    # 1: over a point; 3: curved along a line
    placement = {"placement": "3", "priority": "2"} if geometry == LINE else {"placement": "1"}
    SubElement(settings, "placement", {"priority": "9"} | placement)
    return element


def _rgb(colour: str, opacity: float = 1.0) -> str:
    parts = [str(int(colour[i : i + 2], 16)) for i in (1, 3, 5)]
    return ",".join([*parts, str(round(255 * opacity))])
