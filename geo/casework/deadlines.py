"""Deadlines in working days of the People's Republic of China.

The State Council announces the holidays of a year, and the weekends worked for them, in November of
the year before. The library ``chinesecalendar`` carries them; for a year that it does not know yet,
Monday to Friday are counted, and the deadline is provisional: it is counted again when an updated
library knows the year.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import chinese_calendar

from geo.settings import settings

SATURDAY = 5


class Deadline(NamedTuple):
    """When a case is due, and whether that was counted without the official calendar."""

    at: datetime
    is_provisional: bool


def deadline_after(start: datetime, days: int) -> Deadline:
    """Return the end of the last of some working days after a day.

    The day of the start does not count (Civil Code, art. 201).

    Parameters
    ----------
    start
        With a time zone; its day is the city's.
    days
        Number of working days, at least 1.
    """
    zone = settings().time_zone
    day = start.astimezone(zone).date()
    is_provisional = False
    while days > 0:
        day += timedelta(days=1)
        is_workday, is_official = _classify_day(day)
        is_provisional |= not is_official
        days -= is_workday
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return Deadline(end.astimezone(UTC), is_provisional)


def _classify_day(day: date) -> tuple[bool, bool]:
    """Return whether a day is worked, and whether the official calendar says so."""
    try:
        return chinese_calendar.is_workday(day), True
    except NotImplementedError:  # the library has no data for the year
        return day.weekday() < SATURDAY, False
