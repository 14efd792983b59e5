"""Dates and times: UTC in the database and interfaces, the city's time zone for people."""

from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, Date, cast, func

from geo.settings import settings


def today() -> date:
    """Return the date in the city."""
    return datetime.now(settings().time_zone).date()


def today_in_sql() -> ColumnElement[date]:
    """Return the date in the city as an SQL expression."""
    return cast(func.timezone(settings().time_zone.key, func.now()), Date)


def city_time_to_utc(moment: datetime) -> datetime:
    """Return a time in UTC; without a zone it is in the city's."""
    return moment.replace(tzinfo=moment.tzinfo or settings().time_zone).astimezone(UTC)


def date_in_city(moment: datetime) -> date:
    """Return the date of a moment in the city."""
    return moment.astimezone(settings().time_zone).date()


def format_day(moment: datetime) -> str:
    """Return the date of a moment in the city, for people: ``2026-03-01``."""
    return date_in_city(moment).isoformat()


def format_time(moment: datetime, timespec: str = "minutes") -> str:
    """Return date and time of a moment in the city, for people: ``2026-03-01 08:30``.

    Parameters
    ----------
    moment
        With a time zone.
    timespec
        As in :meth:`datetime.datetime.isoformat`.
    """
    return moment.astimezone(settings().time_zone).replace(tzinfo=None).isoformat(" ", timespec)
