"""Tables of fire items with one row per building and one column per item.

Fire crews deliver such tables as well as lists with one row per item. While a table is read,
each of its rows becomes one row per item.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from etl.input import synonyms
from etl.input.cell_texts import clean_texts, clear_empty_signs
from etl.input.feature_batch import Batch
from etl.input.source import Source
from geo.types import Bools

LAYER = "building_fire"
ITEM, VALUE, PLACE = "item", "value", "place"
"""Columns of the resulting rows, with the names of the layer's columns."""

_PLACE_ENDING = re.compile("(位置|部位|所在位置|设置位置|place|location)$")
_VALUE_ENDING = re.compile("(数量|情况|说明|个数|及数量|count|value)$")
_NOT_COLLECTED = "未采集"
_SEPARATOR = "；"


@dataclass
class ItemColumns:
    """The columns of a file that describe an item: its values and its places."""

    values: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


def unpivot_items(source: Source) -> Source:
    """Return a layer with one row for each item in a row of the given layer.

    A layer is returned unchanged if no column has the name of an item, or if it already has a
    column of item names. A cell that is empty or says "not collected" is no item.
    """
    items = find_item_columns(source.fields)
    if not items:
        return source
    item_columns = {name for item in items.values() for name in (*item.values, *item.places)}
    others = [name for name in source.fields if name not in item_columns | {ITEM, VALUE, PLACE}]

    def read_batches() -> Iterator[Batch]:
        for batch in source.batches():
            yield from (_rows_of_item(batch, item, items, others) for item in items)

    fields = [*others, ITEM, VALUE, PLACE]
    return replace(source, fields=fields, batches=read_batches, count=None)


def find_item_columns(fields: Sequence[str]) -> dict[str, ItemColumns]:
    """Return the columns of each item; nothing if the file has a column of item names."""
    names = {field: synonyms.normalize_name(field) for field in fields}
    list_columns = {ITEM, *synonyms.COLUMNS[LAYER][ITEM].split()}
    items: dict[str, ItemColumns] = {}
    if list_columns & {*names.values()}:
        return items
    for name, plain in names.items():
        if item := _find_item(plain) or _find_item(_VALUE_ENDING.sub("", plain)):
            items.setdefault(item, ItemColumns()).values.append(name)
        elif item := _find_item(_PLACE_ENDING.sub("", plain)):
            items.setdefault(item, ItemColumns()).places.append(name)
    return items if any(columns.values for columns in items.values()) else {}


def _find_item(header: str) -> str | None:
    """Return the item that a normalized column name stands for, None if it is no item."""
    known = synonyms.value_translations(ITEM, LAYER)
    return {synonyms.normalize_name(word): item for word, item in known.items()}.get(header)


def _rows_of_item(
    batch: Batch, item: str, items: dict[str, ItemColumns], others: Sequence[str]
) -> Batch:
    """Return the rows of a batch that hold an item."""
    values = _join_texts(batch, items[item].values)
    places = _join_texts(batch, items[item].places)
    texts = {VALUE: pa.array(values, pa.string()), PLACE: pa.array(places, pa.string())}
    columns = {name: batch.columns[name] for name in others}
    columns |= {ITEM: pa.array([item] * len(batch), pa.string()), **texts}
    rows: Bools = np.array([bool(v or p) for v, p in zip(values, places, strict=True)], dtype=bool)
    used = {*others, *items[item].values, *items[item].places}
    return replace(batch, columns=columns, faults=_select_faults(batch, used)).take(rows)


def _join_texts(batch: Batch, names: Sequence[str]) -> list[str | None]:
    """Return the texts of some columns, side by side where several are filled."""
    cells = [_texts(batch.columns[name]) for name in names]
    rows = ([text for text in row if text] for row in zip(*cells, strict=True))
    return [_SEPARATOR.join(row) or None for row in rows] if cells else [None] * len(batch)


def _texts(values: pa.Array) -> list[str | None]:
    """Return values as trimmed texts, None for empty and "not collected"."""
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):  # spreadsheets deliver 2 as 2.0
        plain = [None if v is None or v != v else f"{v:.15g}" for v in values.to_pylist()]
        values = pa.array(plain, pa.string())
    cleaned = clear_empty_signs(clean_texts(values.cast(pa.string())), more=_NOT_COLLECTED)
    texts: list[str | None] = cleaned.to_pylist()
    return texts


def _select_faults(batch: Batch, used: set[str]) -> np.ndarray | None:
    """Return the faults of each row in the used columns."""
    if batch.faults is None:
        return None
    faults = np.empty(len(batch), dtype=object)
    for row, row_faults in enumerate(batch.faults):
        faults[row] = [f for f in row_faults or () if f.column is None or f.column in used] or None
    return faults
