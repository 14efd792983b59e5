"""The project of QGIS: whole, and with the symbols of the one style. (QGIS 3.22 opened it.)"""

import pytest
from defusedxml.ElementTree import fromstring

from maps.colours import PALETTE
from maps.qgis import build_project
from maps.style import ROADS


@pytest.fixture(scope="module", params=["zh", "en"])
def root(request):
    made = build_project("https://grid.example/", 16, request.param, (1.0, 2.0, 3.0, 4.0))
    assert made.startswith(b"<!DOCTYPE qgis>")
    return fromstring(made.split(b"\n", 1)[1])


def test_project_uses_the_tiles_of_the_server(root):
    source = root.findtext(".//maplayer/datasource")
    assert "url=https://grid.example/tiles/%7Bz%7D/%7Bx%7D/%7By%7D" in source
    assert "zmax=16" in source
    assert {one.text for one in root.iter("authid")} == {"EPSG:3857"}


def test_every_colour_and_every_road_has_its_symbol(root):
    styles = root.findall(".//renderer/styles/style")
    grids = [one for one in styles if one.get("layer") == "grid" and one.get("geometry") == "2"]
    fills = [one.find(".//prop[@k='color']").get("v") for one in grids]
    assert len(set(fills)) == len(PALETTE)
    roads = {one.get("expression") for one in styles if one.get("layer") == "road"}
    assert roads == {f"\"road_class\" = '{name}'" for name in ROADS}


def test_labels_are_localized(root):
    fields = [one.get("fieldName") for one in root.iter("text-style")]
    assert any("户" in field or "households'" in field for field in fields)
    assert '"name"' in fields
