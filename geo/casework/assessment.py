"""Assessment of grids by month: measuring, closing a month, figures by level.

A closed month keeps its measures and the indicators of its time. Measuring it again from the events
gives the same measures: events are never changed, and entries of the ledgers count only if they
were recorded before the month was closed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from geo import locks
from geo.casework.indicators import Indicator, indicators_in_force, score_of
from geo.clock import city_time_to_utc, today
from geo.codes import DIGITS
from geo.errors import InputError, NotFoundError
from geo.locks import Lock
from geo.messages import text as message
from geo.model import AssessmentMeasure, AssessmentMonth, CaseEvent, Region
from geo.model.casework import CaseLevel
from geo.model.region import Level
from geo.settings import settings

_MEASURES = text(Path(__file__).with_name("measures.sql").read_text(encoding="utf-8"))
VERIFIED_MONTHS = 12
"""A dwelling verified within so many months counts as verified."""

Measures = dict[str, dict[str, int]]
"""Measures by area code and name."""


@dataclass(frozen=True)
class AreaFigures:
    """The figures of a grid or division in a month.

    Attributes
    ----------
    values
        By indicator, in its unit; None where there was nothing to measure.
    score
        From 0 to 100; None where nothing was measured.
    rank
        1 for the best score; equal scores share a rank; None without a score.
    """

    code: str
    name: str
    measures: dict[str, int]
    values: dict[str, float | None]
    score: float | None
    rank: int | None


def first_day(month: str) -> date:
    """Return the first day of a month written ``2026-11``.

    Raises
    ------
    InputError
        If it is no month, or in the future.
    """
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise InputError("assessment_month_unfit", month=month[:20]) from None
    if first > today() or first.year < 2000:
        raise InputError("assessment_month_unfit", month=month)
    return first


def next_month(first: date) -> date:
    """Return the first day of the month after."""
    return (first + timedelta(days=32)).replace(day=1)


def closes_on(first: date) -> date:
    """Return the day on which a month is closed."""
    return next_month(first) + timedelta(days=settings().assessment_days)


def measure_month(connection: Connection, first: date) -> Measures:
    """Measure a month from events and records, whether it is closed or not."""
    following = next_month(first)
    values = {
        "month": first,
        "first": _start_of_day(first),
        "last": _start_of_day(following),
        "counted_until": _start_of_day(closes_on(first)),
        "verified_since": following.replace(year=following.year - VERIFIED_MONTHS // 12),
    }
    measures: Measures = {}
    for row in connection.execute(_MEASURES, values):
        measures.setdefault(row.area_code, {})[row.measure] = int(row.value)
    return measures


def _start_of_day(day: date) -> datetime:
    return city_time_to_utc(datetime(day.year, day.month, day.day))


def close_months(connection: Connection) -> list[date]:
    """Close every month that is over and not closed yet; return them.

    The first is that of the first event.
    """
    locks.acquire(connection, Lock.ASSESSMENT)
    last = connection.execute(select(func.max(AssessmentMonth.month))).scalar()
    if last is None:
        at = connection.execute(select(func.min(CaseEvent.at))).scalar()
        if at is None:
            return []
        month = at.astimezone(settings().time_zone).date().replace(day=1)
    else:
        month = next_month(last)
    closed = []
    while closes_on(month) <= today():
        _close_month(connection, month)
        closed.append(month)
        month = next_month(month)
    return closed


def _close_month(connection: Connection, month: date) -> None:
    """Store the measures of a month with the indicators in force."""
    indicators = [indicator.model_dump(mode="json") for indicator in indicators_in_force()]
    connection.execute(insert(AssessmentMonth), {"month": month, "indicators": indicators})
    rows = [
        {"month": month, "area_code": area, "measure": name, "value": value}
        for area, values in measure_month(connection, month).items()
        for name, value in values.items()
    ]
    if rows:
        connection.execute(insert(AssessmentMeasure), rows)


def read_month(
    connection: Connection, first: date
) -> tuple[tuple[Indicator, ...], Measures, datetime | None]:
    """Return indicators and measures of a month, and when it was closed; None if it was not.

    A month that is still open is measured as of now.
    """
    closed = connection.execute(
        select(AssessmentMonth.indicators, AssessmentMonth.frozen_at).where(
            AssessmentMonth.month == first
        )
    ).first()
    if closed is None:
        return indicators_in_force(), measure_month(connection, first), None
    measure = AssessmentMeasure
    rows = connection.execute(
        select(measure.area_code, measure.measure, measure.value).where(measure.month == first)
    )
    measures: Measures = {}
    for area, name, value in rows:
        measures.setdefault(area, {})[name] = value
    indicators = tuple(Indicator.model_validate(indicator) for indicator in closed.indicators)
    return indicators, measures, closed.frozen_at


def figures_of(
    connection: Connection,
    indicators: tuple[Indicator, ...],
    measures: Measures,
    level: CaseLevel,
) -> list[AreaFigures]:
    """Return the figures of all areas of a level, the best score first.

    Raises
    ------
    NotFoundError
        If there is nothing of that level.
    """
    chosen = sum_by_level(measures, level)
    if not chosen:
        raise NotFoundError("assessment_empty")
    names = _names_of(connection, chosen)
    scores = {code: score_of(indicators, values) for code, values in chosen.items()}
    ordered = sorted(chosen, key=lambda code: (-(scores[code] or -1.0), code))
    known = [score for score in scores.values() if score is not None]
    return [
        AreaFigures(
            code=code,
            name=names[code],
            measures=chosen[code],
            values={indicator.key: indicator.value(chosen[code]) for indicator in indicators},
            score=scores[code],
            rank=_rank(scores[code], known),
        )
        for code in ordered
    ]


def _rank(score: float | None, known: list[float]) -> int | None:
    return None if score is None else 1 + sum(other > score for other in known)


def sum_by_level(measures: Measures, level: CaseLevel) -> Measures:
    """Return measures summed by grid (those of grids only) or by division."""
    summed: Measures = {}
    for area, values in measures.items():
        if level is CaseLevel.GRID:
            if len(area) < 15:
                continue
            code = area
        else:
            code = area[: DIGITS[Level(level.value)]].ljust(12, "0")
        total = summed.setdefault(code, {})
        for name, value in values.items():
            total[name] = total.get(name, 0) + value
    return summed


def _names_of(connection: Connection, codes: Iterable[str]) -> dict[str, str]:
    """Return the names of divisions; of grids, the community's with the number."""
    codes = list(codes)
    divisions = {code[:12] for code in codes}
    rows = connection.execute(
        select(Region.code, Region.name).where(Region.code.in_(divisions))
    ).all()
    names = {row.code: row.name for row in rows}
    return {code: _display_name(code, names) for code in codes}


def _display_name(code: str, names: dict[str, str]) -> str:
    name = names.get(code[:12], code[:12])
    if len(code) == 15:
        return message("case.grid_of", community=name, serial=int(code[12:]))
    return name


def list_months(connection: Connection) -> list[dict[str, Any]]:
    """Return all months with figures, the newest first, and when each was closed."""
    rows = connection.execute(select(AssessmentMonth.month, AssessmentMonth.frozen_at))
    closed = {row.month: row.frozen_at for row in rows}
    newest = today().replace(day=1)
    month = max(closed, default=(newest - timedelta(days=1)).replace(day=1))
    months: dict[date, datetime | None] = {**closed, newest: None}
    while (month := next_month(month)) <= newest:
        months.setdefault(month, None)
    return [
        {"month": f"{month:%Y-%m}", "frozen_at": months[month]}
        for month in sorted(months, reverse=True)
    ]
