"""Estimate households from footprint and storeys, where there is no register."""

import geopandas as gpd
import numpy as np
import pandas as pd

from geo.settings import Settings

DWELLING_SHARE = {"residential": 1.0, "apartment": 1.0, "dormitory": 1.0, "mixed": 0.8}
"""Residential share of the floor area by use; an unknown use counts as residential."""


def estimate_households(buildings: gpd.GeoDataFrame, settings: Settings) -> gpd.GeoDataFrame:
    """Estimate the households of buildings that have none.

    Parameters
    ----------
    buildings
        Footprints in metres with ``use``, ``storeys_above``, ``height_m``, ``households`` (missing
        where unknown) and ``kind``, the type of building in the source.

    Returns
    -------
    geopandas.GeoDataFrame
        The buildings; ``households_source`` is ``estimated`` or ``survey``.
    """
    is_unknown = buildings["households"].isna()
    share = buildings["use"].map(DWELLING_SHARE).where(buildings["use"].notna(), 1.0).fillna(0.0)
    footprint = buildings.geometry.area
    is_hall = buildings["use"].isna() & (footprint > settings.estimate_max_footprint_m2)
    share = share.mask(is_hall, 0.0)
    floor_m2 = footprint * estimate_storeys(buildings, settings) * share
    estimate = (floor_m2 / settings.estimate_m2_per_household).round()
    estimate = estimate.where(footprint >= settings.estimate_min_footprint_m2, 0.0)
    households = buildings["households"].where(~is_unknown, estimate).astype(np.int64)
    source = pd.Series(np.where(is_unknown, "estimated", "survey"), index=buildings.index)
    return buildings.assign(households=households, households_source=source)


def estimate_storeys(buildings: gpd.GeoDataFrame, settings: Settings) -> pd.Series:
    """Return storeys; unknown ones by height (3 m a storey), type of building or setting."""
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
