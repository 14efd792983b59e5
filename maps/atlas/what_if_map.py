"""The page of a change of communities: the grids before and after on one map, and the figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import folium
import geopandas as gpd
import numpy as np
from markupsafe import escape

from geo.codes import grid_serial
from geo.errors import InputError
from geo.messages import language, text
from maps import style
from maps.atlas.atlas import render_template
from maps.atlas.offline_map import (
    PopupCard,
    create_map,
    geojson_feature,
    geojson_layer,
    label_point,
    text_label,
)
from maps.colours import PALETTE, TOUCHING_DEGREES, colour_areas, touching_pairs

Layers = Mapping[str, gpd.GeoDataFrame]

MOVED = "#b3261e"
"""Buildings that change community, and the new border."""

STAYED = "#8c9196"


def write_page(
    before: Layers,
    after: Layers,
    table: Sequence[Sequence[str]],
    sentences: Sequence[str],
    file: Path,
) -> None:
    """Write a page that needs no network: map, table and sentences, in the current language.

    Parameters
    ----------
    before, after
        Grids and communities before and after the change, with the buildings and the border after
        it, in degrees.
    table
        Lines of the table, the first of titles; a line of one text is a heading.
    sentences
        What would change.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    page_map = create_map(tuple(after["community"].total_bounds.tolist()))
    for state, layers, shown in (("before", before, False), ("after", after, True)):
        group = folium.FeatureGroup(name=text(f"what_if.{state}"), overlay=False, show=shown)
        _add_areas(group, layers)
        group.add_to(page_map)
    _buildings(after["building"]).add_to(page_map)
    if "border" in after:
        line = {"color": MOVED, "weight": 4, "fill": False}
        geojson_layer([geojson_feature(after["border"].geometry.iloc[0])], "borders", line).add_to(
            page_map
        )
    folium.LayerControl(position="topright", collapsed=False).add_to(page_map)
    title = text("what_if.title")
    html = render_template(
        "what_if.html",
        page_map,
        title,
        heading=title,
        table=table,
        sentences=[text("what_if.legend"), *sentences],
    )
    if language() == "en":
        html = html.replace('<html lang="zh-CN">', '<html lang="en">', 1)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(html, encoding="utf-8")
    except OSError as error:
        raise InputError("export_unwritable", file=file, said=error.strerror or error) from error


def _add_areas(group: folium.FeatureGroup, layers: Layers) -> None:
    """Add grids with their households, and communities with their names, to a group."""
    grids, communities = layers["grid"], layers["community"]
    areas = grids.geometry.to_numpy()
    colours = colour_areas(len(areas), touching_pairs(areas, TOUCHING_DEGREES))
    features = [
        geojson_feature(row.geom, str(index), PopupCard(row.name or row.code, _grid_rows(row)))
        for row, index in zip(grids.itertuples(index=False), colours, strict=True)
    ]
    border = {"color": style.GRID_BORDER, "weight": 1.4, "fillOpacity": style.FILL_OPACITY}
    looks = {str(index): {"fillColor": fill} for index, fill in enumerate(PALETTE)}
    geojson_layer(features, "areas", border, fills=looks, interactive=True).add_to(group)
    outer = {"color": style.COMMUNITY_BORDER, "weight": 3, "fill": False, "dashArray": "9 3 2 3"}
    outlines = [geojson_feature(land) for land in communities.geometry.boundary]
    geojson_layer(outlines, "borders", outer).add_to(group)
    for row in grids.itertuples(index=False):
        count = text("atlas.households_unit", households=row.households)
        html = f"<b>{grid_serial(row.code)}</b><span>{escape(count)}</span>"
        text_label(label_point(row.geom), html, "grid-label").add_to(group)


def _grid_rows(row: Any) -> list[tuple[str, str]]:
    return [
        (text("atlas.code"), row.code),
        (text("atlas.households"), str(row.households)),
        (text("score.community"), row.community_name),
    ]


def _buildings(buildings: gpd.GeoDataFrame) -> folium.GeoJson:
    """Return the buildings; those that change community stand out."""
    moves = buildings["community_before"] != buildings["community_after"]
    features = [
        geojson_feature(shape, look)
        for shape, look in zip(buildings.geometry, np.where(moves, "moved", "stayed"), strict=True)
    ]
    looks = {"moved": {"fillColor": MOVED}, "stayed": {"fillColor": STAYED}}
    return geojson_layer(features, "buildings", {"stroke": False, "fillOpacity": 0.75}, fills=looks)
