"""Drawings against a forecast: planned buildings, and growth of the buildings that there are.

The grids are drawn for the households of the forecast, then today's households are counted in
them: a plan that lasts, stored with the buildings of today.
"""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo.errors import InputError
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.plan_from_polygons import plan_from_polygons
from geo.partition.previous_plan import PreviousPlan
from geo.partition.scoring.explanations import Reasons
from geo.partition.scoring.score_card import ScoreCard
from geo.types import Floats, Ints

PLANNED_CODE = "planned-{number}"
"""Code of a planned building in reasons."""

OUTSIDE_TODAY = (
    *("outside_limits", "island", "only_way"),
    *("total_does_not_divide", "community_below_limit"),
)
"""Reasons why a grid is outside the limits that a drawing for a forecast does not share."""


@dataclass(frozen=True)
class Forecast:
    """Households expected in a community.

    Attributes
    ----------
    planned
        Footprints of planned buildings with ``households`` and ``name``, in any coordinate system.
        None for no such buildings.
    growth
        Share by which the households of today's buildings grow; negative where they decline.
    """

    planned: gpd.GeoDataFrame | None = None
    growth: float = 0.0


@dataclass(frozen=True)
class ForecastDrawing:
    """A drawing against a forecast: with the households of today, and its card under the forecast.

    Attributes
    ----------
    drawing
        To be stored.
    card
        The score card with the households of the forecast.
    planned
        Number of planned buildings in the community.
    """

    drawing: Drawing
    card: ScoreCard
    planned: int


def draw_for_forecast(
    community: Community,
    forecast: Forecast,
    constraints: Constraints,
    previous: PreviousPlan | None = None,
) -> ForecastDrawing:
    """Draw the grids of a community for the households of a forecast.

    Parameters
    ----------
    previous
        The plan to start from.

    Raises
    ------
    InputError
        If there is nothing to draw, a constraint is not valid, or planned buildings are given and
        none lies in the community.
    """
    expected, planned = expect(community, forecast)
    if forecast.planned is not None and planned == 0:
        raise InputError("planned_elsewhere", community=community.name or community.code)
    drawn = draw(expected, constraints, previous)
    plan = plan_from_polygons(drawn.grids, community)
    as_drawn = replace(
        Constraints(limits=constraints.limits, weights=constraints.weights),
        locked=tuple(plan.grids["code"]),
    )
    today = draw(community, as_drawn, plan)
    moved = None if previous is None else drawn.score.moved
    today = replace(
        today,
        constraints=constraints,
        parent=drawn.parent,
        score=replace(today.score, moved=moved, reasons=_explain_today(today.score.reasons)),
    )
    return ForecastDrawing(today, drawn.score, planned)


def _explain_today(reasons: Reasons) -> Reasons:
    """Return reasons in which grids outside the limits today are said to be for the forecast."""
    return tuple(
        ("outside_today", fields) if key in OUTSIDE_TODAY else (key, fields)
        for key, fields in reasons
    )


def expect(community: Community, forecast: Forecast) -> tuple[Community, int]:
    """Return a community with the households of a forecast, and how many buildings were added."""
    buildings = community.buildings.copy()
    grown = buildings["households"].to_numpy() * (1.0 + forecast.growth)
    buildings["households"] = round_to_total(grown)
    units = community.units.copy()
    units["households"] = round_to_total(units["households"].to_numpy() * (1.0 + forecast.growth))
    if forecast.planned is None:
        return replace(community, buildings=buildings, units=units), 0
    planned = forecast.planned.to_crs(buildings.crs)
    inside = shapely.intersects(community.polygon, planned.geometry.to_numpy())
    inside &= shapely.contains(
        community.polygon, shapely.point_on_surface(planned.geometry.to_numpy())
    )
    planned = planned[inside]
    rows = gpd.GeoDataFrame(
        {
            "code": [PLANNED_CODE.format(number=number + 1) for number in range(len(planned))],
            "name": planned["name"].to_numpy(dtype=object),
            "households": planned["households"].to_numpy(dtype=np.int64),
            "compound_code": np.full(len(planned), None, dtype=object),
            "geom": planned.geometry.to_numpy(),
        },
        geometry="geom",
        crs=buildings.crs,
    )
    if "households_unknown" in buildings:
        rows["households_unknown"] = False
    joined = gpd.GeoDataFrame(
        pd.concat([buildings, rows], ignore_index=True), geometry="geom", crs=buildings.crs
    )
    return replace(community, buildings=joined, units=units), len(planned)


def round_to_total(households: Floats) -> Ints:
    """Return (b,) int64 of (b,) float64 households, with the rounded total: rests carry over."""
    totals = np.round(np.cumsum(households))
    whole: Ints = np.diff(totals, prepend=0.0).astype(np.int64)
    return np.maximum(whole, 0)
