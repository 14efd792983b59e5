"""Count the rows of a file of persons by dwelling while it is read.

Names, numbers and telephone numbers end here: what this module yields holds counts alone, and its
errors quote no cell. Nothing downstream (staging, quarantine, report, log) sees a person
(``docs/decisions/no-named-residents.md``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.input import synonyms
from etl.input.cell_texts import parse_dates
from etl.input.column_values import apply_mapping
from etl.input.feature_batch import BATCH_ROWS, Batch
from etl.input.header_matching import unused_columns
from etl.input.mapping import Mapping
from etl.input.place_texts import WITHHELD, withhold_rest, withhold_words
from etl.input.reader_findings import Notes, RowFault, faults_of_columns
from etl.input.source import Source
from geo import clock
from geo.addresses import parse_address
from geo.codes import birth_of_resident_id
from geo.errors import InputError
from geo.model.register import AGE_BANDS
from geo.types import Bools, Floats

PLACES = ("code", "building_code", "unit_code", "unit", "floor", "room", "address")
"""Columns that say in which dwelling a person lives."""

COUNTS = ("residents", "registered", "floating", *AGE_BANDS, "need_help")
"""Counts of persons that are added up."""

FIELDS = (*PLACES, "occupancy", *COUNTS, "alone_60_up", "verified_on")
"""Columns of the counted dwellings."""

_ROOM_PARTS = ("unit", "floor", "room")
_IDENTIFIERS = ("name", "id_number", "phone")
_LINKS = {"code", "building_code", "unit_code", "address"}
_PERSONAL_HEADER = re.compile(
    r"姓名|名字|户主|联系人|电话|手机|身份证|证件|公民身份|监护人|配偶|idcard|idnumber|phone|mobile"
)
_PERSONAL_TEXT = re.compile(r"(?<!\d)(?:1[3-9]\d{9}|[1-9]\d{16}[\dXx]|[1-9]\d{14})(?!\d)")
"""A mobile number, or a citizen identification number of 18 or 15 digits."""

_MIN_NAME_LENGTH = 2
_MAX_AGE = 130


def refuse_persons(path: Path, fields: list[str]) -> None:
    """Refuse a file of dwellings or organisations with a column of identification numbers.

    Raises
    ------
    InputError
        That names the import of residents.
    """
    known = set(synonyms.COLUMNS["resident"]["id_number"].split())
    if any(synonyms.normalize_name(name) in known for name in fields):
        raise InputError("file_of_persons", file=path)


def refuse_unknown_header(mapping: Mapping, path: Path) -> None:
    """Refuse a file of persons of which no column says the dwelling; quote none of its cells.

    Raises
    ------
    InputError
        If the header is not recognised.
    """
    if not _LINKS & {*mapping.columns, *mapping.constants} or mapping.key:
        raise InputError("resident_header", file=path)


def count_source(persons: Source, mapping: Mapping) -> Source:
    """Return the layer of dwellings with the counts of the persons of a file.

    Parameters
    ----------
    persons
        The file with one row a person.
    mapping
        Mapping of its columns.

    Raises
    ------
    InputError
        While it is read: if the rows can't be counted, or the file can't be read.
    """
    notes: Notes = {}

    def read_batches() -> Iterator[Batch]:
        counter = Counter(mapping, unused_columns(mapping, persons.fields))
        try:
            for batch in persons.batches():
                counter.add(batch)
            yield from counter.batches()
        except InputError:
            raise
        except Exception:  # its text may quote a cell
            raise InputError("residents_unreadable", file=persons.path) from None
        notes.update(counter.notes)

    layer = persons.layer if persons.layer == persons.path.stem else ""
    return Source(persons.path, layer, [*FIELDS], None, False, read_batches, None, notes)


@dataclass
class Counter:
    """Counts of persons by dwelling, from the batches added so far.

    Attributes
    ----------
    mapping
        Mapping of the columns of the persons.
    ignored
        Columns of the file that are not mapped.
    notes
        What the report says: rows, and how many of them could not be counted as they stand.
    """

    mapping: Mapping
    ignored: dict[str, Any]
    notes: Notes = field(default_factory=dict)
    _sums: list[pd.DataFrame] = field(default_factory=list)
    _unreadable: list[int] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _figures: dict[str, int] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Count the persons of a batch."""
        plain = replace(batch, columns={name: _as_texts(c) for name, c in batch.columns.items()})
        mapped = apply_mapping(self.mapping, plain)
        columns = {name: _list(values) for name, values in mapped.columns.items()}
        places = self._places(columns, plain)
        unreadable = self._find_unreadable_rows(batch) | ~_has_place(places)
        unreadable |= _has_withheld_words(places)
        self._unreadable += batch.numbers[unreadable].tolist()
        is_counted = ~unreadable & ~self._find_repeated(columns, places)
        frame = self._figures_of(columns, len(batch))
        for name in PLACES:
            frame[name] = places[name]
        frame["key"] = [_dwelling_key(row) for row in zip(*places.values(), strict=True)]
        frame["number"] = batch.numbers
        self._count("counted", len(batch))
        self._sums.append(_add_up(frame[is_counted]))
        if len(self._sums) > 20:
            self._sums = [_add_up(pd.concat(self._sums))]

    def batches(self) -> Iterator[Batch]:
        """Yield the dwellings, and one row without any value for each person that has none."""
        self.notes |= {f"residents_{key}": {"count": n} for key, n in self._figures.items()}
        counted = _add_up(pd.concat(self._sums)) if self._sums else pd.DataFrame()
        if len(counted):
            counted["alone_60_up"] = _alone(counted)
        counted = counted.sort_values("number") if len(counted) else counted
        for start in range(0, len(counted), BATCH_ROWS):
            yield _batch_of(counted.iloc[start : start + BATCH_ROWS])
        if self._unreadable:
            yield _build_unreadable_batch(self._unreadable)

    def _count(self, key: str, number: int) -> None:
        if number:
            self._figures[key] = self._figures.get(key, 0) + number

    def _find_unreadable_rows(self, batch: Batch) -> Bools:
        """Return the rows of which the reader says that they are not what they seem."""
        if batch.faults is None:
            return np.zeros(len(batch), dtype=bool)
        ignored = {*self.ignored}
        return np.array([bool(faults_of_columns(faults, ignored)) for faults in batch.faults])

    def _places(self, columns: dict[str, list[Any]], raw: Batch) -> dict[str, list[str | None]]:
        """Return the columns of the place, without any text that identifies a person."""
        size = len(raw)
        secrets = [columns[name] for name in _IDENTIFIERS if name in columns]
        secrets += [
            _list(raw.columns[name])
            for name in self.ignored
            if _PERSONAL_HEADER.search(synonyms.normalize_name(name))
        ]
        rows = list(zip(*secrets, strict=True)) if secrets else [()] * size
        return {
            name: [
                _without(name, value, secret)
                for value, secret in zip(columns.get(name, [None] * size), rows, strict=True)
            ]
            for name in PLACES
        }

    def _find_repeated(self, columns: dict[str, list[Any]], places: dict[str, Any]) -> Bools:
        """Return the rows of persons who were counted in the same dwelling before."""
        numbers = columns.get("id_number")
        repeated = np.zeros(len(places["code"]), dtype=bool)
        if numbers is None:
            return repeated
        for row, key in enumerate(zip(*places.values(), strict=True)):
            if numbers[row] is None:
                continue
            mark = hash((numbers[row].upper(), _dwelling_key(key)))
            repeated[row] = mark in self._seen
            self._seen.add(mark)
        self._count("repeated", int(repeated.sum()))
        return repeated

    def _figures_of(self, columns: dict[str, list[Any]], size: int) -> pd.DataFrame:
        """Return what each row counts, NaN where it is unknown."""
        residence = columns.get("residence", [None] * size)
        known = ("registered", "floating", "away")
        unread = np.array([v is not None and v not in known for v in residence], dtype=bool)
        away = np.array([v == "away" for v in residence], dtype=bool)
        self._count("unclear", int(unread.sum()))
        frame = pd.DataFrame({"residents": np.where(unread, np.nan, (~away).astype(float))})
        for kind in ("registered", "floating"):
            counts = np.array([float(v == kind) for v in residence])
            unknown = unread | np.array([v is None for v in residence], dtype=bool)
            frame[kind] = np.where(unknown, np.nan, counts)
        ages = self._ages(columns, size)
        for band, (low, high) in AGE_BANDS.items():
            inside = ((ages >= low) & (ages <= high)).astype(float)
            frame[band] = np.where(away, 0.0, np.where(np.isnan(ages) | unread, np.nan, inside))
        frame["need_help"] = self._needs_help(columns, size, away)
        frame["occupancy"] = self._occupancy(columns, size)
        days, _ = parse_dates(pa.array(columns.get("verified_on", [None] * size), pa.string()))
        frame["verified_on"] = days.to_pandas()
        return frame

    def _ages(self, columns: dict[str, list[Any]], size: int) -> Floats:
        """Return ages in years, NaN where unknown or where two columns disagree about the birth."""
        nothing: list[Any] = [None] * size
        births, _ = parse_dates(pa.array(columns.get("birth_date", nothing), pa.string()))
        today = clock.today()
        ages = np.full(size, np.nan)
        given = columns.get("age", nothing)
        for row, (birth, number) in enumerate(
            zip(births.to_pylist(), columns.get("id_number", nothing), strict=True)
        ):
            by_number = birth_of_resident_id(number.upper()) if number else None
            if birth and by_number and birth != by_number:
                self._count("births_disagree", 1)
                continue
            born = by_number or birth
            age = _age(born, today) if born else _whole(given[row])
            if age is not None and 0 <= age <= _MAX_AGE:
                ages[row] = age
        self._count("age_unknown", int(np.isnan(ages).sum()))
        return ages

    def _needs_help(self, columns: dict[str, list[Any]], size: int, away: Bools) -> Floats:
        """Return 1 for persons who need help, 0 for others; a cell left empty is nobody marked."""
        if "needs_help" not in columns:
            return np.full(size, np.nan)
        values = {"true": 1.0, "false": 0.0, None: 0.0}
        marks = np.array([values.get(value, np.nan) for value in columns["needs_help"]])
        self._count("unclear", int(np.isnan(marks).sum()))
        return np.where(away, 0.0, marks)

    def _occupancy(self, columns: dict[str, list[Any]], size: int) -> list[str | None]:
        """Return how dwellings are used; a vacant one has no resident who could say so."""
        known = {"owner": "owner", "rented": "rented", "business": "business"}
        return [known.get(value) for value in columns.get("occupancy", [None] * size)]


def _as_texts(values: pa.Array) -> pa.Array:
    """Return a column as texts, numbers without a decimal point of their own."""
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        texts = [None if v is None or v != v else f"{v:.15g}" for v in values.to_pylist()]
        return pa.array(texts, pa.string())
    return values.cast(pa.string())


def _list(values: pa.Array) -> list[Any]:
    texts: list[Any] = values.cast(pa.string()).to_pylist()
    return texts


def _has_place(places: dict[str, list[str | None]]) -> Bools:
    columns = [places[name] for name in _LINKS]
    return np.array([any(row) for row in zip(*columns, strict=True)], dtype=bool)


def _has_withheld_words(places: dict[str, list[str | None]]) -> Bools:
    """Return the rows whose unit, floor or room holds words that are no part of an address."""
    columns = [places[name] for name in _ROOM_PARTS]
    return np.array([any(v and WITHHELD in v for v in row) for row in zip(*columns, strict=True)])


def _without(column: str, value: str | None, secrets: tuple[Any, ...]) -> str | None:
    """Return a text of the place without names and numbers of persons."""
    if value is None:
        return None
    for secret in secrets:
        if secret and len(secret) >= _MIN_NAME_LENGTH:
            value = value.replace(secret, "")
    value = _PERSONAL_TEXT.sub("", value).strip(" ,，()（）")
    if column in _ROOM_PARTS:
        value = withhold_words(value)
    if column == "address":
        value = withhold_rest(value)
    return value or None


def _dwelling_key(row: tuple[str | None, ...]) -> str:
    """Return a text that is the same for all persons of a dwelling.

    Addresses are compared by their parts, so that one dwelling written in two ways is one.
    """
    code, *place, text = row
    if code:
        return f"code {code}"
    if not text:
        return repr(place)
    address = parse_address(text)
    parts = address if address.is_specific else text
    return repr((place, parts))


def _add_up(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of the persons of each dwelling; an unknown count makes the sum unknown."""
    if frame.empty:
        return frame
    groups = frame.groupby("key", sort=False)
    sums = (
        groups[[*COUNTS]]
        .sum(min_count=0)
        .where(groups[[*COUNTS]].count().eq(groups.size(), axis=0))
    )
    first = groups[[*PLACES]].first().where(lambda column: column.notna(), None)
    # A dwelling of which two persons say different uses has none that is known.
    uses = groups["occupancy"].agg(lambda values: _common_value(values.dropna().unique()))
    rest = pd.DataFrame(
        {
            "occupancy": uses.astype(object).where(uses.notna(), None),
            "verified_on": groups["verified_on"].min(),
            "number": groups["number"].min(),
        }
    )
    return pd.concat([sums, first, rest], axis=1).reset_index()


def _common_value(values: Any) -> Any:
    """Return the only one of some distinct values; ``?`` for several, None for none."""
    return values[0] if len(values) == 1 else "?" if len(values) > 1 else None


def _alone(counted: pd.DataFrame) -> pd.Series:
    """Return 1 for a dwelling whose one resident is 60 or older, else 0; NaN where unknown."""
    old: pd.Series = counted["age_60_79"] + counted["age_80_up"]
    return old.where(
        counted["residents"] == 1, counted["residents"].where(lambda counts: counts != counts, 0)
    )


def _age(birth: date, today: date) -> int:
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def _whole(value: Any) -> int | None:
    text = str(value or "").removesuffix("岁").strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def _batch_of(counted: pd.DataFrame) -> Batch:
    """Return counted dwellings as a batch."""
    columns: dict[str, pa.Array] = {}
    for name in FIELDS:
        if name in (*COUNTS, "alone_60_up"):
            figures = counted[name].to_numpy(dtype=np.float64)
            missing = np.isnan(figures)
            whole = np.where(missing, 0, figures).astype(np.int64)
            columns[name] = pa.array(whole, mask=missing)
        elif name == "verified_on":
            columns[name] = pa.array(counted[name].tolist(), pa.date32(), from_pandas=True)
        else:
            texts = [None if v is None or v != v or v == "?" else v for v in counted[name]]
            columns[name] = pa.array(texts, pa.string())
    nothing = np.full(len(counted), None, dtype=object)
    return Batch(columns, nothing, counted["number"].to_numpy(dtype=np.int64))


def _build_unreadable_batch(numbers: list[int]) -> Batch:
    """Return rows that belong to no dwelling, or are not whole, for the quarantine."""
    size = len(numbers)
    faults = np.full(size, None, dtype=object)
    for row in range(size):
        faults[row] = [RowFault("resident_row_spoiled")]
    nothing = np.full(size, None, dtype=object)
    columns = {name: pa.nulls(size, pa.string()) for name in FIELDS}
    return Batch(columns, nothing, np.array(numbers, dtype=np.int64), faults=faults)
