"""Chinese addresses: a table of their shapes, and which building each of them names."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.address_index import AddressIndex
from geo.addresses import Address, normalise_address, parse_address

PARTS = ("road", "number", "place", "building", "unit", "floor", "room", "rest")

with Path(__file__).with_name("addresses.csv").open(encoding="utf-8") as file:
    TABLE = list(csv.DictReader(file))

BUILDINGS = [
    ("a4", "中原路81号4号楼", ""),
    ("a5", "中原路81号5号楼", ""),
    ("b142", "中原路181号142号楼", ""),
    ("c", "中原路83号", ""),
    ("d14", "建昌路51号汉江公馆14栋", "汉江公馆14栋"),
    ("e", "中原路8-1号", ""),
    ("f3", "", "锦绣小区3栋"),
    ("f4", "", "锦绣小区4栋"),
]


def test_table_has_two_hundred_shapes():
    assert len({row["address"] for row in TABLE}) >= 200


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["address"])
def test_parts_of_an_address(row):
    address = parse_address(row["address"])
    right = {part: row[part] for part in PARTS}
    assert {part: getattr(address, part) for part in PARTS} == right
    assert " ".join(address.regions) == row["regions"]


@given(
    st.text(max_size=40)
    | st.text("中原路襄阳市区街道村一二十百0123456789号楼栋单元室-#附甲A", max_size=30)
)
def test_no_text_breaks_the_parser_and_no_number_is_lost(text):
    address = parse_address(text)
    assert isinstance(address, Address)
    given_digits = sum(sign in "123456789" for sign in normalise_address(text))
    parts = "".join([*address.regions, *(getattr(address, part) for part in PARTS)])
    assert sum(sign in "123456789" for sign in parts) == given_digits


@pytest.mark.parametrize(
    ("address", "codes"),
    [
        ("中原路81号4号楼2单元", ("a4",)),
        ("湖北省襄阳市樊城区米公街道中原路８１号四号楼2单元302室", ("a4",)),
        ("中原路81号4-2-302", ("a4",)),
        ("中原路83号302室", ("c",)),
        ("中原路8-1号", ("e",)),
        ("汉江公馆14栋", ("d14",)),
        ("建昌路51号14#楼", ("d14",)),
        ("建昌路汉江公馆14幢", ("d14",)),
        ("襄阳市锦绣小区4号楼1单元", ("f4",)),
        ("中原路81号", ()),
        ("中原路81号6号楼", ()),
        ("中原路81号142号楼", ()),
        ("中原路18号142号楼", ()),
        ("中原路81号4-302", ()),
        ("建昌路52号汉江公馆14栋", ()),
        ("锦绣小区14栋", ()),
        ("中原路83号对面", ()),
        ("锦绣小区", ()),
        ("", ()),
    ],
)
def test_address_names_exactly_one_building_or_none(address, codes):
    assert AddressIndex(BUILDINGS).find(address).exact == codes


@pytest.mark.parametrize(
    ("address", "first"),
    [
        ("中原路81号6号楼", ("a5", "a4")),
        ("中原路82号", ("c", "a4", "a5")),
        ("锦绣小区5栋", ("f4", "f3")),
        ("建昌路52号汉江公馆14栋", ("d14",)),
        ("长虹路1号", ()),
    ],
)
def test_nearest_numbers_are_given_where_no_building_fits(address, first):
    match = AddressIndex(BUILDINGS).find(address)
    assert match.exact == ()
    assert match.nearest[: len(first)] == first


def test_records_that_contradict_each_other_are_all_given():
    twice = [*BUILDINGS, ("a4-again", "中原路81号4栋", "")]
    assert set(AddressIndex(twice).find("中原路81号4号楼").exact) == {"a4", "a4-again"}


def test_numbers_of_a_street_are_in_order():
    numbers = AddressIndex(BUILDINGS).numbers_on("中原路")
    assert [number for number, _ in numbers] == ["8-1", "81", "83", "181"]
