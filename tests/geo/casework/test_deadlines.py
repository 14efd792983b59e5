"""Deadlines count the working days of the official calendar."""

from datetime import UTC, datetime

import pytest

from geo.casework.deadlines import deadline_after


def at(text):
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-03-02T09:00", 1, "2026-03-04T00:00"),
        ("2026-03-02T23:59", 1, "2026-03-04T00:00"),
        ("2026-03-06T09:00", 1, "2026-03-10T00:00"),  # Friday: Monday is the next working day
        # Spring Festival 2026: off from 15 to 23 February, worked on Saturdays 14 and 28.
        ("2026-02-12T09:00", 2, "2026-02-15T00:00"),
        ("2026-02-12T09:00", 3, "2026-02-25T00:00"),
        ("2026-02-26T09:00", 2, "2026-03-01T00:00"),
        # National Day 2025: off from 1 to 8 October, worked on Sunday 28 September.
        ("2025-09-26T09:00", 1, "2025-09-29T00:00"),
        ("2025-09-30T09:00", 1, "2025-10-10T00:00"),
    ],
)
def test_deadline_is_the_end_of_the_last_working_day(start, days, end):
    deadline = deadline_after(at(start), days)
    assert deadline.at == at(end)
    assert deadline.at.tzinfo is UTC
    assert not deadline.is_provisional


def test_year_without_official_calendar_counts_weekdays_and_says_so():
    deadline = deadline_after(at("2099-06-05T09:00"), 3)  # Friday
    assert deadline.at == at("2099-06-11T00:00")
    assert deadline.is_provisional


def test_deadline_that_reaches_into_such_a_year_is_provisional():
    assert deadline_after(datetime(2003, 12, 31, 4, tzinfo=UTC), 1).is_provisional is False
    assert deadline_after(at("2003-12-30T09:00"), 1).is_provisional is True
