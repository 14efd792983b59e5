"""A what-if as plain values: how it is stored with its job, and its summary in words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import orjson

from geo import crs
from geo.messages import text

if TYPE_CHECKING:  # what only shows a result does not load the search
    from geo.plans.change_figures import WhatIf

COLUMNS = ("community", "grids", "households", "per_grid", "range", "within", "walk", "border")

LAYER_COLUMNS = {
    "grid": ("code", "name", "kind", "community_code", "community_name", "households"),
    "community": ("code", "name", "households", "grids"),
    "building": (
        *("code", "unit_code", "name", "households", "community_before", "community_after"),
        *("grid_before", "grid_after", "grid_changed"),
    ),
    "border": ("street",),
}
"""Layers of a stored result and their columns, in the order of an export."""

Figures = Mapping[str, Any]
"""What :meth:`geo.plans.change_figures.WhatIf.as_json` returns."""


def to_record(result: "WhatIf") -> dict[str, Any]:
    """Return a result as plain values: ``figures``, and GeoJSON layers ``before`` and ``after``."""
    return {
        "figures": result.as_json(),
        "before": _as_geojson(result.layers_before()),
        "after": _as_geojson(result.layers()),
    }


def read_layers(collections: Mapping[str, Any]) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers of one state of a stored result, in EPSG:4490."""
    return {
        name: gpd.GeoDataFrame.from_features(
            collections[name], crs=crs.STORAGE, columns=["geometry", *columns]
        ).rename_geometry("geom")
        for name, columns in LAYER_COLUMNS.items()
        if name in collections
    }


def _as_geojson(layers: Mapping[str, gpd.GeoDataFrame]) -> dict[str, Any]:
    return {name: orjson.loads(frame.to_json(drop_id=True)) for name, frame in layers.items()}


def summary_table(figures: Figures) -> list[tuple[str, ...]]:
    """Return the lines of the table, the first of titles; a line of one text is a heading."""
    special = ("per_grid", "walk", "border")
    titles = (text(f"{'what_if' if name in special else 'score'}.{name}") for name in COLUMNS)
    lines: list[tuple[str, ...]] = [tuple(titles)]
    for state in ("before", "after"):
        lines.append((text(f"what_if.{state}"),))
        communities = figures[state]
        lines += [
            (f"{planned['code'][6:]} {planned['name']}", *_table_cells(_community_figures(planned)))
            for planned in communities
        ]
        if len(communities) > 1:
            lines.append((text("what_if.together"), *_table_cells(figures[f"total_{state}"])))
    return lines


def _community_figures(planned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a community under the names of those of several together."""
    grids, score = planned["general_grids"], planned["score"]
    return {**score, "grids": grids, "per_grid": score["households"] / max(grids, 1)}


def _table_cells(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row of the table, after its title."""
    return (
        str(figures["grids"]),
        str(figures["households"]),
        f"{figures['per_grid']:.0f}",
        f"{figures['smallest']}-{figures['largest']}",
        f"{figures['within_limits']:.0%}",
        "-" if figures["walk_ways_m"] is None else f"{figures['walk_ways_m']:.0f}",
        f"{figures['border_cost']:.0f}",
    )


def summarize(figures: Figures, *, from_scratch: bool) -> list[str]:
    """Return what would change, in sentences, and the limits that are not met."""
    before, after = figures["total_before"], figures["total_after"]
    all_households = max(after["households"], 1)
    moved = figures["changed_community_households"]
    sentences = [
        text(
            "what_if.changed_community",
            households=moved,
            buildings=figures["changed_community_buildings"],
            share=moved / all_households,
        ),
        text(
            "what_if.changed_grid",
            households=figures["changed_grid_households"],
            share=figures["changed_grid_households"] / all_households,
        ),
    ]
    compounds = {"before": before["divided_compounds"], "after": after["divided_compounds"]}
    if any(compounds.values()):
        sentences.append(text("what_if.compounds", lang=None, **compounds))
    if any(planned["score"].get("workload") is not None for planned in figures["after"]):
        sentences.insert(0, text("what_if.in_workload"))
    if border := figures["border"]:
        key = "along" if border["street"] else "line"
        fields = {"length": round(border["length_m"]), "along": round(border["along_m"])}
        sentences.insert(0, text(f"what_if.{key}", street=border["street"], **fields))
    if from_scratch:
        sentences.append(text("what_if.from_scratch"))
    else:
        sentences += [
            text("what_if.not_in_force", name=planned["name"])
            for planned in figures["before"]
            if not planned["in_force"]
        ]
    sentences += [
        f"· {text(f'reason.{key}', **fields)}"
        for planned in figures["after"]
        for key, fields in planned["score"]["reasons"]
    ]
    return [*sentences, text("what_if.nothing_stored")]
