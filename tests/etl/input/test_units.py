"""Figures as people write them: what is read, and what is left alone because it says two things."""

import pytest

from etl.input.units import read_count, read_quantity


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("12", 12),
        ("12 m", 12),
        ("12,5m", 12.5),
        ("１２．５ m", 12.5),
        ("1200 cm", 12),
        ("12 米", 12),
        ("40'", 12.192),
        ("40'6\"", 12.3444),
        ("40′ 6″", 12.3444),
        ("40 ft 6 in", 12.3444),
        ("40 ft", 12.192),
        ("12.345", 12.345),
    ],
)
def test_lengths_are_read_in_metres(text, metres):
    assert read_quantity(text, "m", 1, 1000, default="m") == pytest.approx(metres)


@pytest.mark.parametrize(
    "text",
    ["", "tall", "12 yards", "12-15", "12;15", "~12", "12 m high", "0.3", "1001", "12 kg'", "-12"],
)
def test_lengths_that_are_none_or_several_are_not_read(text):
    assert read_quantity(text, "m", 1, 1000, default="m") is None


@pytest.mark.parametrize(
    ("text", "litres"),
    [
        ("900", 15),
        ("900 l/min", 15),
        ("15 l/s", 15),
        ("15L/s", 15),
        ("60 m3/h", 16.667),
        ("60 m³/h", 16.667),
        ("1.000 l/min", None),
        ("500 gpm", None),
        ("good", None),
    ],
)
def test_flow_is_read_in_litres_a_second(text, litres):
    found = read_quantity(text, "l/s", 0, 10_000, default="l/min")
    assert found == (None if litres is None else pytest.approx(litres, abs=0.001))


@pytest.mark.parametrize(
    ("text", "megapascals"),
    [
        ("4", 0.4),
        ("4 bar", 0.4),
        ("0.4 MPa", 0.4),
        ("400 kPa", 0.4),
        ("58 psi", 0.4),
        ("400 mpa", None),
        ("suction", None),
        ("400", None),
    ],
)
def test_pressure_is_read_in_megapascals(text, megapascals):
    found = read_quantity(text, "MPa", 0, 2.5, default="bar")
    assert found == (None if megapascals is None else pytest.approx(megapascals, abs=0.001))


def test_figure_without_unit_is_not_read_where_no_unit_is_usual():
    assert read_quantity("60", "l/s", 0, 10_000) is None


@pytest.mark.parametrize(("text", "thousands"), [("1.200", 1.2), ("1,200", 1.2)])
def test_sign_before_three_digits_means_what_can_be_true(text, thousands):
    assert read_quantity(text, "m", 0, 100, default="m") == thousands
    assert read_quantity(text, "m", 100, 2000, default="m") == 1200
    assert read_quantity(text, "m", 0, 2000, default="m") is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("6", 6),
        ("６", 6),
        ("6层", 6),
        ("6 levels", 6),
        ("1.5", 2),
        ("3;4", None),
        ("5-6", None),
        ("-1", None),
        ("about six", None),
        ("0", None),
    ],
)
def test_counts(text, count):
    assert read_count(text, 1, 200) == count
