"""Plans from polygons: drawn by hand, edited, or made by another program."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo.geometry.shared_borders import locate_by_overlap
from geo.partition.community import Community
from geo.partition.previous_plan import PreviousPlan
from geo.partition.scoring.numbering import FIRST_DEDICATED, serial_of
from geo.types import Ints, Polygons

MEMBER_COLUMNS = ("grid", "building_code", "unit_code", "households")


def plan_from_polygons(polygons: gpd.GeoDataFrame, community: Community) -> PreviousPlan:
    """Return polygons as a plan of a community.

    Parameters
    ----------
    polygons
        One row per grid, in any coordinate system; the columns ``code``, ``name`` and ``kind``
        are read where they exist. A missing or duplicate code is replaced by the row's number.

    Notes
    -----
    A grid is dedicated if its kind says so or, where no kind is given, its serial (from 901).
    """
    placed = polygons.to_crs(community.buildings.crs)
    rows = len(placed)
    code = _string_column(placed, "code")
    unusable = (code == "") | code.duplicated(keep=False)
    code = code.where(~unusable, pd.Series(np.arange(1, rows + 1).astype(str), index=code.index))
    serial = np.array([serial_of(grid_code, community.code) for grid_code in code])
    kind = _string_column(placed, "kind").str.lower()
    dedicated = (kind == "dedicated") | ((kind == "") & (serial >= FIRST_DEDICATED))
    grids = gpd.GeoDataFrame(
        {
            "code": code.to_numpy(),
            "name": _string_column(placed, "name").to_numpy(),
            "kind": np.where(dedicated, "dedicated", "general"),
            "geom": placed.geometry.to_numpy(),
        },
        geometry="geom",
        crs=placed.crs,
    )
    return PreviousPlan(grids, pd.DataFrame(columns=list(MEMBER_COLUMNS)))


def _string_column(frame: gpd.GeoDataFrame, column: str) -> pd.Series:
    """Return a column as strings, empty where a value or the column is missing."""
    if column not in frame:
        return pd.Series("", index=frame.index, dtype=object)
    texts: pd.Series = frame[column].map(lambda value: "" if pd.isna(value) else str(value).strip())
    return texts


def assign_to_communities(polygons: Polygons, communities: Polygons) -> Ints:
    """Return (n,) int64 the community in which most of each polygon lies, -1 for none.

    Parameters
    ----------
    polygons, communities
        (n,) and (k,) polygons in the same coordinate system.
    """
    community = locate_by_overlap(polygons, communities)
    shared = shapely.intersection(polygons, np.append(communities, [shapely.Polygon()])[community])
    return np.where(shapely.area(shared) > 0, community, -1)
