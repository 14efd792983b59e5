"""The households that communities will have next year, against their grids in force.

The method is a linear trend (least squares) through yearly totals: the households on record at the
end of each past year, and those of today. It is as good as the record: buildings that were imported
late look like growth. Where fewer than two years are on record nothing is forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, text

from geo.clock import city_time_to_utc, today
from geo.codes import code_prefix
from geo.partition.scoring.objective import Balance, Limits
from geo.plans.validation import limits_from_parameters

MIN_YEARS = 2
"""Yearly totals below which no trend is stated."""

MAX_YEARS = 10
"""Past years that are looked at."""

_TOTALS = text(Path(__file__).with_name("outlook_totals.sql").read_text(encoding="utf-8"))
_COMMUNITIES = text(Path(__file__).with_name("outlook_communities.sql").read_text(encoding="utf-8"))


class Fit(StrEnum):
    """How the grids of a community fit its households."""

    TOO_MANY = "too_many"
    TOO_FEW = "too_few"
    FITS = "fits"
    NO_PLAN = "no_plan"
    BY_WORKLOAD = "by_workload"
    NO_TREND = "no_trend"


@dataclass(frozen=True)
class Outlook:
    """A community, its grids in force and its households.

    Attributes
    ----------
    grids
        General grids in force; None without a plan. Dedicated grids and their households count
        neither here nor in ``households``.
    households, next_year
        Today, and at the end of next year by the trend; None where no trend is stated.
    years
        Yearly totals on record, the one of today included.
    fewest_grids, most_grids
        Numbers of grids that keep all within the limits next year, None without trend or plan.
    fit, fit_next_year
        Whether there are too many or too few households for the grids.
    residents, verified_share
        From the register; None if unknown.
    """

    code: str
    name: str
    grids: int | None
    households: int
    next_year: int | None
    years: int
    fewest_grids: int | None
    most_grids: int | None
    fit: Fit
    fit_next_year: Fit
    residents: int | None
    verified_share: float | None


def read_outlook(connection: Connection, region: str, scope: str = "") -> list[Outlook]:
    """Return the outlook of the communities of a region, in the order of their codes.

    Parameters
    ----------
    region
        Code or its first digits; empty for all.
    scope
        First digits of the codes that the caller answers for.
    """
    day = today()
    values = {"region": code_prefix(region), "scope": scope}
    totals = _read_totals(connection, day, values)
    return [
        _outlook_of(row, totals.get(row.code, []), day)
        for row in connection.execute(_COMMUNITIES, values)
    ]


def forecast(totals: Sequence[tuple[float, int]], when: float) -> int | None:
    """Return the households at a time by the linear trend of totals; None for too few.

    Parameters
    ----------
    totals
        Time in years and households.

    Examples
    --------
    >>> forecast([(2024.0, 1000), (2025.0, 1100)], 2027.0)
    1300
    >>> forecast([(2025.0, 1100)], 2027.0) is None
    True
    """
    if len(totals) < MIN_YEARS:
        return None
    times, households = np.array(totals, dtype=float).T
    slope, level = np.polyfit(times - times[-1], households, 1)
    return max(0, round(float(level + slope * (when - times[-1]))))


def _read_totals(
    connection: Connection, day: date, values: dict[str, str]
) -> dict[str, list[tuple[float, int]]]:
    """Return time and households of each community at the ends of past years, and today."""
    years = range(day.year - MAX_YEARS + 1, day.year + 1)
    ends = [city_time_to_utc(datetime(year, 1, 1)) for year in years]
    rows = connection.execute(_TOTALS, values | {"moments": ends})
    totals: dict[str, list[tuple[float, int]]] = {}
    for row in rows:
        time = _in_years(day) if row.moment is None else float(years[ends.index(row.moment)])
        totals.setdefault(row.region_code, []).append((time, int(row.households)))
    return {code: sorted(points) for code, points in totals.items()}


def _in_years(day: date) -> float:
    start, end = date(day.year, 1, 1), date(day.year + 1, 1, 1)
    return day.year + (day - start).days / (end - start).days


def _outlook_of(row: Row[Any], totals: list[tuple[float, int]], day: date) -> Outlook:
    limits = limits_from_parameters(row.parameters or {})
    trend = forecast(totals, day.year + 2.0)
    now = (totals[-1][1] if totals else 0) - row.dedicated
    next_year = None if trend is None else max(0, trend - row.dedicated)
    fewest = most = None
    if row.grids is not None and limits.balance is Balance.HOUSEHOLDS and next_year is not None:
        fewest = max(1, ceil(next_year / limits.upper))
        most = max(fewest, floor(next_year / limits.lower))
    return Outlook(
        code=row.code,
        name=row.name,
        grids=row.grids,
        households=now,
        next_year=next_year,
        years=len(totals),
        fewest_grids=fewest,
        most_grids=most,
        fit=_fit_of(now, row.grids, limits),
        fit_next_year=_fit_of(next_year, row.grids, limits),
        residents=row.residents,
        verified_share=None if row.verified_share is None else float(row.verified_share),
    )


def _fit_of(households: int | None, grids: int | None, limits: Limits) -> Fit:
    if grids is None:
        return Fit.NO_PLAN
    if limits.balance is not Balance.HOUSEHOLDS:
        return Fit.BY_WORKLOAD
    if households is None:
        return Fit.NO_TREND
    if households > grids * limits.upper:
        return Fit.TOO_MANY
    return Fit.TOO_FEW if households < grids * limits.lower else Fit.FITS
