"""The workload of buildings: what they make to do for the manager of their grid.

It is a weighted sum of counts of the register, with the weights of the settings. Dwellings are
counted by building, which is all that a planner may read; the units of a divided building share its
workload by their households.
"""

import numpy as np
import pandas as pd
from sqlalchemy import ARRAY, Connection, Text, TextClause, bindparam, text

from geo.settings import Settings
from geo.types import Floats, Ints

COUNTS = ("rented", "alone_60_up", "vacant", "small_business", "larger_entity")
"""Counts of the register that add to the workload of households, named as their weights."""

_DWELLING_COUNTS = text(
    "SELECT code, rented, alone_60_up, vacant FROM published.register_by_building "
    "WHERE code = ANY (:codes)"
).bindparams(bindparam("codes", type_=ARRAY(Text)))

_ENTITY_COUNTS = text(
    "SELECT building_code AS code, "
    "count(*) FILTER (WHERE coalesce(staff_count, 0) < :staff) AS small_business, "
    "count(*) FILTER (WHERE staff_count >= :staff) AS larger_entity "
    "FROM entity WHERE building_code = ANY (:codes) GROUP BY building_code"
).bindparams(bindparam("codes", type_=ARRAY(Text)))


def read_workload(connection: Connection, buildings: pd.DataFrame, settings: Settings) -> Ints:
    """Return the workload of buildings in whole units.

    Parameters
    ----------
    buildings
        ``code`` and ``households``, ordered by code.

    Returns
    -------
    workload
        (b,) int64. What rounding leaves of one building is carried to the next, so that sums are
        right.
    """
    codes = buildings["code"].tolist()
    counts = pd.concat(
        [
            _read_counts(connection, _DWELLING_COUNTS, codes),
            _read_counts(connection, _ENTITY_COUNTS, codes, staff=settings.small_business_staff),
        ],
        axis="columns",
    )
    return round_to_units(weigh(buildings["households"].to_numpy(), counts, settings))


def _read_counts(
    connection: Connection, statement: TextClause, codes: list[str], **parameters: int
) -> pd.DataFrame:
    """Return counts of buildings in the order of their codes, 0 where there is no row."""
    result = connection.execute(statement, parameters | {"codes": codes})
    counts = pd.DataFrame(result.all(), columns=list(result.keys())).set_index("code")
    return counts.reindex(codes).fillna(0).astype(np.float64)


def weigh(households: Ints, counts: pd.DataFrame, settings: Settings) -> Floats:
    """Return (b,) float64 workloads, none below 0.

    Parameters
    ----------
    households
        (b,) int64.
    counts
        (b,) float64 columns :data:`COUNTS`.
    """
    workload = households * settings.workload_household
    for name in COUNTS:
        workload = workload + counts[name].to_numpy() * getattr(settings, f"workload_{name}")
    positive: Floats = np.maximum(workload, 0.0)
    return positive


def round_to_units(workload: Floats) -> Ints:
    """Return (b,) int64 numbers whose sums from the first on differ from the exact ones by <= 0.5.

    Parameters
    ----------
    workload
        (b,) float64.

    >>> round_to_units(np.array([1.5, 1.5, 0.0, 1.5])).tolist()
    [2, 1, 0, 1]
    """
    return np.diff(np.round(np.cumsum(workload)), prepend=0.0).astype(np.int64)
