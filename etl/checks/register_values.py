"""Values of register rows, dwellings and organisations that follow from others, and checks."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.checks.faults import Fault, format_value
from etl.input.feature_batch import Batch
from etl.input.layer_columns import REGISTER
from geo import clock
from geo.addresses import normalise_address, parse_address
from geo.codes import is_credit_code
from geo.model.register import INDUSTRY_SECTIONS

_INDUSTRY = re.compile(r"([A-T])?(\d{2})?\d{0,2}")
_UNIT_WORDS = re.compile(r"^第|(?:单元|门)$")
_FLOOR_WORDS = re.compile(r"^第|(?:层|楼|F)$")
_ROOM_WORDS = re.compile(r"(?:室|号房|房间|房|户|号)$")

Texts = list[str | None]


def complete_register_batch(batch: Batch, layer: str) -> Batch:
    """Return a batch of the register or of a building's parts with the columns that follow.

    Unit, floor and room of a dwelling are written as :mod:`geo.addresses` does, and taken from the
    address where they have no column; an organisation's section and division of industry follow
    from its code of industry, and its code is its credit code where it has no other. The code of an
    item found on site follows from its building, which is linked later.
    """
    if layer == REGISTER:
        return _complete_unit_numbers(batch)
    if "building_code" not in batch.columns:
        batch = batch.with_columns(building_code=pa.nulls(len(batch), pa.string()))
    if layer == "building_fire":
        return batch.with_columns(code=pa.nulls(len(batch), pa.string()))
    return _complete_dwellings(batch) if layer == "dwelling" else _complete_entities(batch)


def _complete_unit_numbers(batch: Batch) -> Batch:
    if "unit" not in batch.columns:
        return batch
    units = [_without(_UNIT_WORDS, value) for value in _texts(batch, "unit")]
    return batch.with_columns(unit=pa.array(units, pa.string()))


def _complete_dwellings(batch: Batch) -> Batch:
    """Return dwellings with unit, floor and room taken from the address where they lack them."""
    units, floors, rooms = (
        [_without(words, value) for value in _texts(batch, column)]
        for column, words in (
            ("unit", _UNIT_WORDS),
            ("floor", _FLOOR_WORDS),
            ("room", _ROOM_WORDS),
        )
    )
    for row, text in enumerate(_texts(batch, "address")):
        if text and not (units[row] and rooms[row]):
            address = parse_address(text)
            units[row] = units[row] or _without(_UNIT_WORDS, address.unit)
            floors[row] = floors[row] or _without(_FLOOR_WORDS, address.floor)
            rooms[row] = rooms[row] or _without(_ROOM_WORDS, address.room)
    columns = {"unit": units, "floor": floors, "room": rooms}
    if "code" not in batch.columns:
        columns["code"] = [None] * len(batch)
    return batch.with_columns(**{name: pa.array(v, pa.string()) for name, v in columns.items()})


def _without(words: re.Pattern[str], value: str | None) -> str | None:
    """Return a number without the words around it: 2 for 2单元, 302 for 302室."""
    if not value:
        return None
    plain = words.sub("", normalise_address(value))
    return re.sub(r"^0+(?=\d)", "", plain) or None


def _complete_entities(batch: Batch) -> Batch:
    codes = [text and text.upper() for text in _texts(batch, "credit_code")]
    columns = {"credit_code": codes}
    own = _texts(batch, "code")
    columns["code"] = [code or credit for code, credit in zip(own, codes, strict=True)]
    addresses = _texts(batch, "address")
    columns["floor"] = [
        _without(_FLOOR_WORDS, floor or (parse_address(text).floor if text else None))
        for floor, text in zip(_texts(batch, "floor"), addresses, strict=True)
    ]
    if "industry" in batch.columns or "industry_section" in batch.columns:
        sections, divisions = _industries(batch)
        columns["industry_section"], columns["industry_division"] = sections, divisions
    return batch.with_columns(**{name: pa.array(v, pa.string()) for name, v in columns.items()})


def _industries(batch: Batch) -> tuple[Texts, Texts]:
    """Return section and division of each row; an unread code of industry stays, to be refused."""
    sections = [text and text.upper() for text in _texts(batch, "industry_section")]
    divisions = _texts(batch, "industry_division")
    for row, text in enumerate(_texts(batch, "industry")):
        if not text:
            continue
        parts = _INDUSTRY.fullmatch(text.upper().replace(" ", ""))
        if parts is None or not any(parts.groups()):
            sections[row] = sections[row] or text
            continue
        sections[row] = sections[row] or parts[1]
        divisions[row] = divisions[row] or parts[2]
    for row, division in enumerate(divisions):
        if division and not sections[row]:
            sections[row] = _section_of(division)
    return sections, divisions


def _section_of(division: str) -> str | None:
    """Return the section of a division of industries, None if there is none."""
    if not division.isdecimal():
        return None
    number = int(division)
    return next((s for s, (low, high) in INDUSTRY_SECTIONS.items() if low <= number <= high), None)


def _texts(batch: Batch, column: str) -> Texts:
    """Return a column as texts, all missing where the batch lacks it."""
    if column not in batch.columns:
        return [None] * len(batch)
    values = batch.columns[column]
    if pa.types.is_floating(values.type):  # spreadsheets deliver 301 as 301.0
        return [None if v is None or v != v else f"{v:.15g}" for v in values.to_pylist()]
    texts: Texts = values.cast(pa.string()).to_pylist()
    return texts


def register_faults(batch: Batch, layer: str) -> list[Fault]:
    """Return the faults of a layer of a building's parts: check digits, industries, dates."""
    faults: list[Fault] = []
    if layer == "entity":
        faults = [_credit_code_fault(batch), _industry_fault(batch)]
    column = {"dwelling": "verified_on", "building_fire": "checked_on"}.get(layer, "")
    if column in batch.columns:
        days = batch.columns[column]
        if pa.types.is_date(days.type):
            today = clock.today()
            later = np.asarray(pc.greater(days, pa.scalar(today, pa.date32())).fill_null(False))
            faults = [_fault("date_in_future", later, column, days.to_pylist())]
    return [fault for fault in faults if fault.rows.any()]


def _credit_code_fault(batch: Batch) -> Fault:
    codes = _texts(batch, "credit_code")
    rows = np.array([bool(code) and not is_credit_code(str(code)) for code in codes], dtype=bool)
    return _fault("credit_code_wrong", rows, "credit_code", codes)


def _industry_fault(batch: Batch) -> Fault:
    sections, divisions = _texts(batch, "industry_section"), _texts(batch, "industry_division")
    shown: Texts = [
        f"{section}{division}" for section, division in zip(sections, divisions, strict=True)
    ]
    rows = np.array(
        [
            bool(section) and bool(division) and section != _section_of(str(division))
            for section, division in zip(sections, divisions, strict=True)
        ],
        dtype=bool,
    )
    return _fault("industry_inconsistent", rows, "industry_division", shown)


def _fault(key: str, rows: np.ndarray, column: str, values: Texts) -> Fault:
    return Fault(key, rows, lambda row: {"column": column, "value": format_value(values[row])})
