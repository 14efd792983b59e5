"""Figures with units: what is read, and what is not because it can be read in two ways."""

import pytest

from etl.input.units import (
    convert_figure,
    find_contradiction,
    read_count,
    read_quantity,
    split_header,
    units_of_title,
)


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


@pytest.mark.parametrize(
    ("column", "text", "figure"),
    [
        ("flow_l_s", "60 m3/h", 60 / 3.6),
        ("flow_l_s", "15L/s", 15),
        ("pressure_mpa", "0.4 MPa", 0.4),
        ("pressure_mpa", "4 bar", 0.4),
        ("pressure_mpa", "0.4mpa", 0.4),
        ("height_m", "800 cm", 8),
        ("height_m", "12m", 12),
        ("height_m", "1.200 m", 1.2),
        ("height_m", "１２米", 12),
        ("diameter_mm", "DN200", 200),
        ("diameter_mm", "20 cm", 200),
        ("slope_percent", "8%", 8),
        ("slope_percent", "80‰", 8),
        ("households", "24户", 24),
        ("storeys_above", "6F", 6),
        ("year_built", "1998年", 1998),
        ("height_m", "1,200 m", None),
        ("height_m", "12 yd", None),
        ("height_m", "4 bar", None),
        ("height_m", "24户", None),
        ("population", "3万人", None),
        ("pressure_mpa", "400 mbar/s", None),
        ("flow_l_s", "500 gpm", None),
    ],
)
def test_figure_of_a_column_is_converted_from_its_own_unit(column, text, figure):
    assert convert_figure(column, text) == (None if figure is None else pytest.approx(figure))


@pytest.mark.parametrize("bars", ["3", "4", "6.5", "7"])
def test_converted_figure_has_no_binary_fraction(bars):
    megapascals = float(f"{float(bars) / 10:.2f}")

    assert convert_figure("pressure_mpa", f"{bars} bar") == megapascals
    assert read_quantity(bars, "MPa", 0, 2.5, default="bar") == megapascals


def test_figure_without_unit_is_in_the_unit_of_its_header():
    assert convert_figure("height_m", "12,5", 0.01) == pytest.approx(0.125)
    assert convert_figure("height_m", "8 m", 0.01) == 8


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("高度（米）", ("高度", "米")),
        ("流量 (L/s)", ("流量", "L/s")),
        ("压力【bar】", ("压力", "bar")),
        ("高度", ("高度", "")),
        ("(m)", ("(m)", "")),
        ("高度_cm", ("高度", "cm")),
        ("流量/L/s", ("流量", "L/s")),
        ("户数/户", ("户数", "户")),
        ("楼高：m", ("楼高", "m")),
        ("宽度（单位：米）", ("宽度", "米")),
        ("pipe_node", ("pipe_node", "")),
        ("高度m", ("高度", "m")),
        ("流量L/s", ("流量", "L/s")),
        ("户数a", ("户数a", "")),
    ],
)
def test_unit_is_split_from_a_header(header, parts):
    assert split_header(header) == parts


@pytest.mark.parametrize(
    ("title", "column", "unit"),
    [
        ("单位：分米、百户", "height_m", "分米"),
        ("单位：分米、百户", "households", "百户"),
        ("（单位：mm）", "burial_depth_m", "mm"),
        ("单位：mm，m", "burial_depth_m", None),
        ("计量单位：米、户", "height_m", None),
        ("单位：万元", "population", None),
        ("填报单位：米厂", "height_m", None),
        ("单位：襄阳市测绘院", "height_m", None),
    ],
)
def test_unit_of_a_title_contradicts_a_column_in_another(title, column, unit):
    assert find_contradiction(column, units_of_title(title)) == unit
