"""Folium pages that carry everything inside: no address is ever asked."""

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
"""Of a degree: about a centimetre."""

Feature = dict[str, Any]
Style = dict[str, Any]

PANES = {"areas": 401, "grounds": 402, "buildings": 403, "lines": 404, "veil": 405, "borders": 406}
"""Panes of a page from the bottom up, by their CSS z-index (Leaflet's overlays lie at 400)."""


class OfflineMap(folium.Map):
    """A folium map without folium's scripts from elsewhere."""

    default_js: list[tuple[str, str]] = []  # noqa: RUF012 (folium's own attribute)
    default_css: list[tuple[str, str]] = []  # noqa: RUF012


class RawHtml(Element):
    """A text that goes into a page as it is: folium's own takes every text for a template."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = str(text)

    def render(self, **kwargs: object) -> str:
        """Return the text."""
        return self._text


class InitScript(MacroElement):
    """The call that ties the tables of a page to its map, made when the map is whole."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "gridatlas.connectTable({{ this._parent.get_name() }});"
        "{% endmacro %}"
    )


def create_map(bounds: tuple[float, float, float, float]) -> OfflineMap:
    """Return an empty map that shows a box of west, south, east, north."""
    west, south, east, north = bounds
    drawn = OfflineMap(
        location=[(south + north) / 2, (west + east) / 2],
        tiles=None,
        zoom_start=16,
        max_zoom=21,
        zoom_snap=0.25,
        zoom_delta=0.5,
    )
    for name, level in PANES.items():
        folium.map.CustomPane(name, z_index=level, pointer_events=True).add_to(drawn)
    drawn.fit_bounds([[south, west], [north, east]], padding=(12, 12))
    return drawn


@dataclass(frozen=True)
class PopupCard:
    """What the popup of a feature says: a title, rows of label and value, a link."""

    title: str
    rows: Sequence[tuple[str, str]]
    code: str = ""
    href: str = ""
    link: str = ""

    def properties(self) -> dict[str, Any]:
        """Return the card as properties of a feature."""
        rows = [(_escape_braces(name), _escape_braces(value)) for name, value in self.rows]
        given = {"code": self.code, "href": self.href, "link": self.link}
        filled = {key: value for key, value in given.items() if value}
        return {"title": _escape_braces(self.title), "rows": rows, **filled}


def geojson_feature(
    geometry: shapely.Geometry, look: str = "", card: PopupCard | None = None
) -> Feature:
    """Return a GeoJSON feature with coordinates to the centimetre.

    Parameters
    ----------
    look
        Which of a layer's styles it has.
    card
        What its popup says.
    """
    rounded = shapely.transform(geometry, lambda places: np.round(places, DECIMALS))
    properties = {"look": look} | (card.properties() if card else {})
    shape = orjson.loads(shapely.to_geojson(rounded))
    return {"type": "Feature", "geometry": shape, "properties": properties}


def _escape_braces(name: str) -> str:
    """Return a text without braces; the page puts them back.

    folium takes the scripts that it has written, names in them and all, for templates once more.
    """
    return name.replace("{", "\x01")


def geojson_layer(
    features: list[Feature],
    pane: str,
    style: Style,
    *,
    fills: dict[str, Style] | None = None,
    interactive: bool = False,
) -> folium.GeoJson:
    """Return features as a layer in a pane.

    Parameters
    ----------
    style
        Leaflet path options of all of them.
    fills
        Further options by a feature's look.
    interactive
        Whether a click on one opens its popup.
    """
    for number, one in enumerate(features):
        one["id"] = str(number)

    def styled(one: Feature) -> Style:
        return style | (fills or {}).get(one["properties"].get("look", ""), {})

    return folium.GeoJson(
        {"type": "FeatureCollection", "features": features},
        style_function=styled,
        on_each_feature=JsCode("gridatlas.card") if interactive else None,
        control=False,
        smooth_factor=0.5,
        interactive=interactive,
        pane=pane,
    )


def text_label(place: tuple[float, float], html: str, name: str) -> folium.Marker:
    """Return a text at a place (longitude, latitude); ``html`` must be safe."""
    icon = folium.DivIcon(
        html=html.replace("{", "&#123;"), icon_size=(120, 40), icon_anchor=(60, 20), class_name=name
    )
    lon, lat = place
    return folium.Marker(
        (round(lat, DECIMALS), round(lon, DECIMALS)),
        icon=icon,
        interactive=False,
        keyboard=False,
    )


def render_page(drawn: OfflineMap, title: str, before: Markup, after: Markup) -> str:
    """Return the page of a map: head and tables around it, and everything it needs inside."""
    drawn.add_child(InitScript())
    figure = cast(Figure, drawn.get_root())
    figure.title = escape(title)
    figure.header.add_child(RawHtml(_inline_assets()), name="assets")
    figure.html.add_child(RawHtml(before), name="before", index=0)
    figure.html.add_child(RawHtml(after), name="after")
    _number(figure)
    page: str = figure.render()
    return page.replace("<html>", '<html lang="zh-CN">', 1)


def label_point(area: shapely.Geometry) -> tuple[float, float]:
    """Return where a label has most room in an area: the middle of the largest circle in it.

    The centroid serves, and looks better, where it has nearly as much room.
    """
    parts = shapely.get_parts(area)
    largest = parts[shapely.area(parts).argmax()]
    tolerance = max(shapely.length(largest) / 2000, 1e-9)
    radius = shapely.maximum_inscribed_circle(largest, tolerance=tolerance)
    centre = shapely.centroid(largest)
    room = shapely.distance(centre, shapely.boundary(largest))
    roomy = shapely.covers(largest, centre) and room >= 0.8 * shapely.length(radius)
    lon, lat = shapely.get_coordinates(centre if roomy else radius)[0]
    return float(lon), float(lat)


def _inline_assets() -> str:
    folder = build.dist_folder() / "atlas"
    style = (folder / "atlas.css").read_text(encoding="utf-8")
    script = (folder / "atlas.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    return f"<style>{style}</style><script>{script}</script>"


def _number(figure: Figure) -> None:
    """Name every element by a running number, so that the same map is the same text.

    folium names them at random. The attribute is not public; there is no other way.
    """
    running = count()
    waiting: list[Element] = [figure, figure.header, figure.html, figure.script]
    while waiting:
        element = waiting.pop()
        element._id = f"{next(running)}"
        waiting += element._children.values()
        if icon := getattr(element, "icon", None):
            icon._id = f"{next(running)}"
