"""Plans brought as polygons: drawn by hand, edited, or by another program."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

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
        One row a grid, in any system; read are the columns ``code``, ``name`` and ``kind`` where
        they are there. A code that is missing or there twice is replaced by the row's number.

    Notes
    -----
    A grid is dedicated if its kind says so or, where no kind is given, its serial (from 901).
    """
    placed = polygons.to_crs(community.buildings.crs)
    rows = len(placed)
    code = _texts(placed, "code")
    doubtful = (code == "") | code.duplicated(keep=False)
    code = code.where(~doubtful, pd.Series(np.arange(1, rows + 1).astype(str), index=code.index))
    serial = np.array([serial_of(one, community.code) for one in code])
    kind = _texts(placed, "kind").str.lower()
    dedicated = (kind == "dedicated") | ((kind == "") & (serial >= FIRST_DEDICATED))
    grids = gpd.GeoDataFrame(
        {
            "code": code.to_numpy(),
            "name": _texts(placed, "name").to_numpy(),
            "kind": np.where(dedicated, "dedicated", "general"),
            "geom": placed.geometry.to_numpy(),
        },
        geometry="geom",
        crs=placed.crs,
    )
    return PreviousPlan(grids, pd.DataFrame(columns=list(MEMBER_COLUMNS)))


def _texts(frame: gpd.GeoDataFrame, column: str) -> pd.Series:
    """Return a column as texts, empty where there is none."""
    if column not in frame:
        return pd.Series("", index=frame.index, dtype=object)
    texts: pd.Series = frame[column].map(lambda value: "" if pd.isna(value) else str(value).strip())
    return texts


def assign_to_communities(polygons: Polygons, communities: Polygons) -> Ints:
    """Return the community in which most of each polygon lies, -1 for none.

    Parameters
    ----------
    polygons, communities
        In the same system.
    """
    found = np.full(len(polygons), -1, dtype=np.int64)
    one, other = shapely.STRtree(communities).query(polygons, predicate="intersects")
    shared = shapely.area(shapely.intersection(polygons[one], communities[other]))
    order = np.argsort(shared, kind="stable")
    order = order[shared[order] > 0]
    found[one[order]] = other[order]
    return found
