"""Finding the building that an address names, exactly, or else the nearest candidates."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from geo.addresses import Address, normalise_address, parse_address
from geo.codes import code_prefix

MAX_CANDIDATES = 3
"""Nearest candidates given for an address that names no building."""


@dataclass(frozen=True)
class AddressMatch:
    """The buildings that an address names.

    Attributes
    ----------
    exact
        Codes of the buildings of exactly this address; several where the records contradict.
    nearest
        Codes of buildings on the same road or in the same place with the nearest numbers.
    """

    exact: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()


class AddressIndex:
    """Buildings by their addresses.

    Parameters
    ----------
    buildings
        Code, address and name of each; a name such as 锦绣小区4栋 is an address, too.
    """

    def __init__(self, buildings: Iterable[tuple[str, str, str]]) -> None:
        self._by_text: dict[str, list[str]] = defaultdict(list)
        self._by_base: dict[str, list[tuple[str, Address]]] = defaultdict(list)
        self._by_number: dict[tuple[str, ...], list[tuple[str, Address]]] = defaultdict(list)
        for code, address, name in buildings:
            self._add(code, address)
            if name and name not in address:
                self._add(code, name)

    def _add(self, code: str, text: str) -> None:
        address = parse_address(text)
        self._by_text[_below_regions(text, address)].append(code)
        for base in _road_and_place(address):
            self._by_base[base].append((code, address))
        for key in _index_numbers(address):
            self._by_number[key].append((code, address))

    def find(self, text: str) -> AddressMatch:
        """Return the buildings that an address names exactly, else those nearest to it."""
        address = parse_address(text)
        exact = {
            code: None
            for key in _index_numbers(address)
            for code, other in self._by_number.get(key, ())
            if is_same_building(address, other)
        }
        if not exact and _has_number(address):
            exact = dict.fromkeys(self._by_text.get(_below_regions(text, address), ()))
        if exact:
            return AddressMatch(tuple(exact))
        same_base = {
            (code, other): None
            for base in _road_and_place(address)
            for code, other in self._by_base.get(base, ())
        }
        ordered = sorted(
            same_base, key=lambda entry: (_number_difference(address, entry[1]), entry[0])
        )
        codes = dict.fromkeys(code for code, _ in ordered)
        return AddressMatch(nearest=tuple(codes)[:MAX_CANDIDATES])

    def numbers_on(self, road: str) -> list[tuple[str, str]]:
        """Return the numbers of a road in order, each with the code of a building there."""
        numbers: dict[str, str] = {}
        for code, address in self._by_base.get(road, ()):
            if address.road == road and address.number:
                numbers.setdefault(address.number, code)
        return sorted(numbers.items(), key=lambda item: (leading_number(item[0]), item[0]))


class Divisions:
    """The divisions of a city by name.

    Parameters
    ----------
    divisions
        Code and name of each.
    """

    def __init__(self, divisions: Iterable[tuple[str, str]]) -> None:
        self._codes: dict[str, list[str]] = defaultdict(list)
        for code, name in divisions:
            self._codes[normalise_address(name)].append(code_prefix(code))

    def agree(self, address: Address, region_code: str | None) -> bool:
        """Return whether no division that an address names contradicts a building's community.

        Names that are not on record say nothing.
        """
        return all(
            region_code is None or region_code.startswith(tuple(codes))
            for name in address.regions
            if (codes := self._codes.get(_OFFICE.sub("", name)))
        )


_OFFICE = re.compile("(?<=街道)办(?:事处)?$|(?<=社区)(?:居委会|居民委员会)$")


def _road_and_place(address: Address) -> Sequence[str]:
    """Return the road and the place of an address."""
    return [base for base in (address.road, address.place) if base]


def _index_numbers(address: Address) -> Iterator[tuple[str, ...]]:
    """Yield the number on the road, and that in the place, of which two addresses share one."""
    if address.road and address.number:
        yield "road", address.road, address.number, address.building
    if address.place and address.building:
        yield "place", address.place, address.building


def _has_number(address: Address) -> bool:
    return bool(address.number or address.building or re.search(r"\d", address.rest))


def _below_regions(text: str, address: Address) -> str:
    return normalise_address(text).removeprefix("".join(address.regions))


def is_same_building(asked: Address, recorded: Address) -> bool:
    """Return whether an address names the building of a recorded address.

    They share the road with its number, or the place with its building; what both give is equal.
    What only the record gives is allowed for the name of the place, for the road with its number
    beside a place, and for nothing else.

    >>> asked = parse_address("建昌路51号14栋2单元")
    >>> is_same_building(asked, parse_address("建昌路51号汉江公馆14栋"))
    True
    >>> is_same_building(asked, parse_address("建昌路151号14栋"))
    False
    """
    if not (asked.is_specific and recorded.is_specific):
        return False
    if asked.building != recorded.building:
        return False
    for part in ("road", "number", "place"):
        one, other = getattr(asked, part), getattr(recorded, part)
        if one and other and one != other:
            return False
    for part in ("unit", "floor", "room"):
        value = getattr(recorded, part)
        if value and value != getattr(asked, part):
            return False
    shares_gate = bool(asked.number) and (asked.road, asked.number) == (
        recorded.road,
        recorded.number,
    )
    shares_place = bool(asked.place and asked.building) and asked.place == recorded.place
    return shares_gate or shares_place


def _number_difference(asked: Address, other: Address) -> tuple[int, int, int]:
    """Return how far the numbers of two addresses are apart: that of the gate, of the building."""
    return (
        abs(leading_number(asked.number) - leading_number(other.number)) if asked.number else 0,
        int(bool(asked.place) and asked.place != other.place),
        abs(leading_number(asked.building) - leading_number(other.building)),
    )


@lru_cache(maxsize=4_096)
def leading_number(number: str) -> int:
    """Return the first digits of a number such as 8-2 or A3; 0 if it has none."""
    digits = re.search(r"\d+", number)
    return int(digits.group()) if digits else 0
