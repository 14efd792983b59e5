"""Coordinates as texts of tables."""

import numpy as np
import pyarrow as pa
import pytest

from etl.input.coordinate_texts import has_pairs, parse_coordinates, split_pairs


def parse(*texts, halves="EW"):
    return parse_coordinates(pa.array(texts), halves).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "112.1416667",
        "１１２．１４１６６６７",
        "112,1416667",
        "112.1416667°",
        "112°08′30″",
        "112°8'30\"",
        "112°08′30.00″E",
        "E112°08′30″",
        "东经112度8分30秒",
        "112-08-30",
        "112 8 30",
        "112:08:30",
        "112°08.5′",
        "112°08′30,0″",
        "１１２°０８′３０″",
        "112º08’30”",
        "112°08''30''".replace("''30", "'30"),
    ],
)
def test_a_longitude_is_read(text):
    assert parse(text) == pytest.approx([112.1416667], abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "112°08′",
        "112°75′10″",
        "112°08′75″",
        "112.1l",
        "N112°08′30″",
        "112,143",
        "约112度",
        "-",
        "a",
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_no_number(text):
    assert np.isnan(parse(text)).all()


def test_south_and_west_are_negative():
    assert parse("32°30′00″S", "-32-30-00", halves="NS") == [-32.5, -32.5]
    assert parse("112°30′00″W") == [-112.5]


def test_the_column_tells_what_a_comma_divides():
    assert parse("112,143", "112,1428") == [112.143, 112.1428]
    assert parse("607,930", "3,548,400") == [607930, 3548400]
    assert parse("607,930.5", "607,930") == [607930.5, 607930]
    assert parse("607.930,5") == [607930.5]


@pytest.mark.parametrize(
    "pair",
    [
        "112.1428,32.0538",
        "112.1428，32.0538",
        "112.1428 32.0538",
        "(112.1428, 32.0538)",
        "112,1428;32,0538",
        "[112.1428,32.0538]",
    ],
)
def test_a_column_with_both_coordinates_is_split(pair):
    first, second = split_pairs(pa.array([pair, None]))
    assert parse_coordinates(first, "EW")[0] == 112.1428
    assert parse_coordinates(second, "NS")[0] == 32.0538
    assert first[1].as_py() is None


def test_addresses_are_no_pairs():
    assert not has_pairs(["人民路1号", "人民路2号,3号"])
    assert has_pairs(["112.1,32.0", "112.2,32.1", "无"])
