"""Self-contained folium maps: scripts, styles and data are inlined, so no network is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

import folium
import numpy as np
import orjson
import shapely
from branca.element import Element, Figure, MacroElement
from folium.template import Template
from folium.utilities import JsCode
from markupsafe import Markup, escape

from maps import build

DECIMALS = 7
"""Decimals of degrees in the pages: about a centimetre."""

Feature = dict[str, Any]
Style = dict[str, Any]

PANES = {"areas": 401, "grounds": 402, "buildings": 403, "lines": 404, "veil": 405, "borders": 406}
"""CSS z-index of each pane, from the bottom up (Leaflet's overlays are at 400)."""


class OfflineMap(folium.Map):
    """A folium map without links to scripts and styles on other hosts."""

    default_js: list[tuple[str, str]] = []  # noqa: RUF012 (folium's own attribute)
    default_css: list[tuple[str, str]] = []  # noqa: RUF012


class RawHtml(Element):
    """An element whose HTML is inserted unchanged; folium's own treats it as a template."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = str(text)

    def render(self, **kwargs: object) -> str:
        """Return the text."""
        return self._text


class InitScript(MacroElement):
    """Script at the end of a page that connects its tables to its map."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "gridatlas.connectTable({{ this._parent.get_name() }});"
        "{% endmacro %}"
    )


def create_map(bounds: tuple[float, float, float, float]) -> OfflineMap:
    """Return an empty map of an area.

    Parameters
    ----------
    bounds
        West, south, east, north in degrees.
    """
    west, south, east, north = bounds
    offline_map = OfflineMap(
        location=[(south + north) / 2, (west + east) / 2],
        tiles=None,
        zoom_start=16,
        max_zoom=21,
        zoom_snap=0.25,
        zoom_delta=0.5,
    )
    for name, level in PANES.items():
        folium.map.CustomPane(name, z_index=level, pointer_events=True).add_to(offline_map)
    offline_map.fit_bounds([[south, west], [north, east]], padding=(12, 12))
    return offline_map


@dataclass(frozen=True)
class PopupCard:
    """Content of a feature's popup: a title, rows of label and value, a link."""

    title: str
    rows: Sequence[tuple[str, str]]
    code: str = ""
    href: str = ""
    link: str = ""

    def properties(self) -> dict[str, Any]:
        """Return the content as properties of a GeoJSON feature."""
        rows = [(_escape_braces(name), _escape_braces(value)) for name, value in self.rows]
        optional = {"code": self.code, "href": self.href, "link": self.link}
        present = {key: value for key, value in optional.items() if value}
        return {"title": _escape_braces(self.title), "rows": rows, **present}


def geojson_feature(
    geometry: shapely.Geometry, look: str = "", card: PopupCard | None = None
) -> Feature:
    """Return a GeoJSON feature with coordinates rounded to :data:`DECIMALS`.

    Parameters
    ----------
    look
        Key of its style among the styles of its layer.
    card
        Content of its popup.
    """
    rounded = shapely.transform(geometry, lambda coordinates: np.round(coordinates, DECIMALS))
    properties = {"look": look} | (card.properties() if card else {})
    shape = orjson.loads(shapely.to_geojson(rounded))
    return {"type": "Feature", "geometry": shape, "properties": properties}


def _escape_braces(content: str) -> str:
    """Replace opening braces, which the page's script restores.

    folium renders generated scripts, including the names in them, as templates again.
    """
    return content.replace("{", "\x01")


def geojson_layer(
    features: list[Feature],
    pane: str,
    style: Style,
    *,
    fills: dict[str, Style] | None = None,
    interactive: bool = False,
) -> folium.GeoJson:
    """Return features as a map layer in a pane.

    Parameters
    ----------
    style
        Leaflet path options of all features.
    fills
        Additional options by the ``look`` of a feature.
    interactive
        Whether a click on a feature opens its popup.
    """
    for number, feature in enumerate(features):
        feature["id"] = str(number)

    def style_of(feature: Feature) -> Style:
        return style | (fills or {}).get(feature["properties"].get("look", ""), {})

    return folium.GeoJson(
        {"type": "FeatureCollection", "features": features},
        style_function=style_of,
        on_each_feature=JsCode("gridatlas.card") if interactive else None,
        control=False,
        smooth_factor=0.5,
        interactive=interactive,
        pane=pane,
    )


def text_label(point: tuple[float, float], html: str, class_name: str) -> folium.Marker:
    """Return a label at a point (longitude, latitude); ``html`` must be escaped."""
    icon = folium.DivIcon(
        html=html.replace("{", "&#123;"),
        icon_size=(120, 40),
        icon_anchor=(60, 20),
        class_name=class_name,
    )
    lon, lat = point
    return folium.Marker(
        (round(lat, DECIMALS), round(lon, DECIMALS)),
        icon=icon,
        interactive=False,
        keyboard=False,
    )


def render_page(offline_map: OfflineMap, title: str, before: Markup, after: Markup) -> str:
    """Return the self-contained page of a map, with HTML before and after it."""
    offline_map.add_child(InitScript())
    figure = cast(Figure, offline_map.get_root())
    figure.title = escape(title)
    figure.header.add_child(RawHtml(_inline_assets()), name="assets")
    figure.html.add_child(RawHtml(before), name="before", index=0)
    figure.html.add_child(RawHtml(after), name="after")
    _assign_sequential_ids(figure)
    page: str = figure.render()
    return page.replace("<html>", '<html lang="zh-CN">', 1)


def label_point(area: shapely.Geometry) -> tuple[float, float]:
    """Return the point (longitude, latitude) in an area with most room for a label.

    This is the centre of the largest inscribed circle, or the centroid, which looks better, if it
    has at least 80 % of that room.
    """
    parts = shapely.get_parts(area)
    largest = parts[shapely.area(parts).argmax()]
    tolerance = max(shapely.length(largest) / 2000, 1e-9)
    radius = shapely.maximum_inscribed_circle(largest, tolerance=tolerance)
    centre = shapely.centroid(largest)
    room = shapely.distance(centre, shapely.boundary(largest))
    has_room = shapely.covers(largest, centre) and room >= 0.8 * shapely.length(radius)
    lon, lat = shapely.get_coordinates(centre if has_room else radius)[0]
    return float(lon), float(lat)


def _inline_assets() -> str:
    folder = build.dist_folder() / "atlas"
    style = (folder / "atlas.css").read_text(encoding="utf-8")
    script = (folder / "atlas.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    return f"<style>{style}</style><script>{script}</script>"


def _assign_sequential_ids(figure: Figure) -> None:
    """Give every element a sequential id, so that the same map gives the same page.

    folium assigns random ids, and sets them in a private attribute only.
    """
    numbers = count()
    queue: list[Element] = [figure, figure.header, figure.html, figure.script]
    while queue:
        element = queue.pop()
        element._id = f"{next(numbers)}"
        queue += element._children.values()
        if icon := getattr(element, "icon", None):
            icon._id = f"{next(numbers)}"
