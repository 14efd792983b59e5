"""The project of QGIS: whole, and with the symbols of the one style. (QGIS 3.22 opened it.)"""

import re

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


def test_layers_of_the_tree_are_those_with_data(root):
    """Rules of QGIS's reader (QgsMapLayer::readLayerXml, QgsLayerTreeLayer::readXml)."""
    layers = {one.findtext("id"): one for one in root.findall("projectlayers/maplayer")}
    leaves = {one.get("id"): one for one in root.iter("layer-tree-layer")}
    assert set(layers) == set(leaves)
    for identifier, layer in layers.items():
        assert len(identifier) > 17  # QGIS ignores ten characters or less
        assert re.fullmatch(r"[A-Za-z0-9_]+", identifier)
        leaf = leaves[identifier]
        assert (leaf.get("name"), leaf.get("source")) == (
            layer.findtext("layername"),
            layer.findtext("datasource"),
        )
        assert (layer.get("type"), leaf.get("providerKey")) == ("vector-tile", "vectortile")
        assert leaf.get("checked") == "Qt::Checked"
        assert layer.findtext("srs/spatialrefsys/authid") == "EPSG:3857"


def test_styles_and_labels_are_complete(root):
    """Rules of QgsVectorTileBasicRenderer::readXml and QgsVectorTileBasicLabeling::readXml."""
    kinds = {"0": "marker", "1": "line", "2": "fill"}
    for style in root.findall(".//renderer/styles/style"):
        assert style.get("enabled") == "1"
        [symbol] = style.findall("symbols/symbol")
        assert symbol.get("type") == kinds[style.get("geometry")]
        assert symbol.findall("layer")
        assert int(style.get("min-zoom")) <= 16
    for label in root.findall(".//labeling/styles/style"):
        text_style = label.find("settings/text-style")
        assert text_style.get("fieldName")
        assert float(text_style.get("fontSize")) > 0
        assert label.find("settings/placement").get("placement") in {"1", "3"}
    assert root.find(".//renderer").get("type") == "basic"
    assert root.find(".//labeling").get("type") == "basic"
    extent = [float(root.findtext(f"mapcanvas/extent/{side}")) for side in ("xmin", "xmax")]
    assert extent[0] < extent[1]


def test_styles_name_layers_and_attributes_that_the_tiles_have(root):
    from api.core.caller import PUBLIC_CALLER
    from api.tiles.tile_layers import describe_layers

    layers = {one.name: one for one in describe_layers(PUBLIC_CALLER)}
    for style in root.findall(".//style"):
        layer = layers[style.get("layer")]
        label = style.find("settings/text-style")
        expression = style.get("expression") + (label.get("fieldName") if label is not None else "")
        assert set(re.findall(r'"(\w+)"', expression)) <= set(layer.fields)
        assert int(style.get("min-zoom")) == -1 or int(style.get("min-zoom")) >= layer.min_zoom


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
