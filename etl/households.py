"""Households where no register exists, estimated from footprint and storeys."""

import geopandas as gpd
import numpy as np
import pandas as pd

from geo.settings import Settings

DWELLING_SHARE = {"residential": 1.0, "mixed": 0.8}
"""Share of the floor that is dwelt in, by use; an unknown use counts as residential."""


def estimate_households(buildings: gpd.GeoDataFrame, settings: Settings) -> gpd.GeoDataFrame:
    """Return buildings with households where they had none.

    Parameters
    ----------
    buildings
        Footprints in metres with ``use``, ``storeys_above``, ``households`` (missing where
        unknown) and ``kind``, the building's type as the source calls it.

    Returns
    -------
    The buildings; ``households_source`` says which figures are estimated.
    """
    unknown = buildings["households"].isna()
    share = buildings["use"].map(DWELLING_SHARE).where(buildings["use"].notna(), 1.0).fillna(0.0)
    footprint = buildings.geometry.area
    hall = buildings["use"].isna() & (footprint > settings.estimate_max_footprint_m2)
    share = share.mask(hall, 0.0)
    floor = footprint * estimate_storeys(buildings, settings) * share
    figure = (floor / settings.estimate_m2_per_household).round()
    figure = figure.where(footprint >= settings.estimate_min_footprint_m2, 0.0)
    households = buildings["households"].where(~unknown, figure).astype(np.int64)
    source = pd.Series(np.where(unknown, "estimated", "survey"), index=buildings.index)
    return buildings.assign(households=households, households_source=source)


def estimate_storeys(buildings: gpd.GeoDataFrame, settings: Settings) -> pd.Series:
    """Return storeys, where unknown by height (3 m a storey) or by the type of building."""
    by_type = buildings["kind"].map(
        {
            "apartments": settings.estimate_storeys_apartments,
            "house": settings.estimate_storeys_house,
            "detached": settings.estimate_storeys_house,
            "terrace": settings.estimate_storeys_house,
            "semidetached_house": settings.estimate_storeys_house,
        }
    )
    by_height = (buildings["height_m"] / 3.0).round().clip(lower=1)
    known: pd.Series = buildings["storeys_above"].astype(float)
    filled: pd.Series = known.fillna(by_height).fillna(by_type).fillna(settings.estimate_storeys)
    return filled
