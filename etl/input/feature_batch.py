"""Batches of features: columns as Arrow arrays, geometry as arrays of shapely geometries."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa

from etl.input.reader_findings import RowFaults
from geo.types import Bools, Geometries, Ints

BATCH_ROWS = 20_000
"""Features of a batch: enough for vectorized work, and at most some 100 MB."""

_READ_AHEAD_BATCHES = 2


@dataclass(frozen=True)
class Batch:
    """Successive features of a layer.

    Attributes
    ----------
    columns
        Arrow arrays of length n, by name.
    geometry
        (n,) shapely geometries, None where a feature has none.
    numbers
        (n,) int64, numbers of the features in their file, from 1.
    wkb
        (n,) delivered geometry as well-known binary, None where ``geometry`` differs from it.
    broken
        (n,) bool, features whose geometry could not be built as delivered.
    faults
        (n,) lists of faults that the reader found in the rows of the file, None where there is
        none.
    linearized
        (n,) bool, features with arcs, which became lines.
    unread
        Column and value of coordinates that can't be read, by row; lost by :meth:`take`.
    """

    columns: Mapping[str, pa.Array]
    geometry: Geometries
    numbers: Ints
    wkb: Geometries | None = None
    broken: Bools | None = None
    faults: RowFaults | None = None
    linearized: Bools | None = None
    unread: Mapping[int, tuple[str, str]] | None = None

    def __len__(self) -> int:
        return len(self.geometry)

    def take(self, rows: Bools) -> "Batch":
        """Return the features of the rows that are set in ``rows``, bool of shape (n,)."""
        if rows.all():
            return self
        mask = pa.array(rows)
        return Batch(
            {name: column.filter(mask) for name, column in self.columns.items()},
            self.geometry[rows],
            self.numbers[rows],
            None if self.wkb is None else self.wkb[rows],
            None if self.broken is None else self.broken[rows],
            None if self.faults is None else self.faults[rows],
            None if self.linearized is None else self.linearized[rows],
        )

    def with_columns(self, **columns: pa.Array) -> "Batch":
        """Return the batch with some columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    def with_geometry(self, geometry: Geometries, changed: Bools | None = None) -> "Batch":
        """Return the batch with new geometry, which differs in some rows or in all.

        ``geometry`` is of objects, ``changed`` of bools, both of shape (n,).
        """
        if changed is None or self.wkb is None:
            return replace(self, geometry=geometry, wkb=None)
        if not changed.any():
            return replace(self, geometry=geometry)
        wkb = self.wkb.copy()
        wkb[changed] = None
        return replace(self, geometry=geometry, wkb=wkb)

    def row(self, index: int) -> dict[str, Any]:
        """Return the values of a feature that are not missing."""
        values = {name: column[index].as_py() for name, column in self.columns.items()}
        return {name: value for name, value in values.items() if value is not None}


def read_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches that a thread reads while the caller works on the previous one."""
    with ThreadPoolExecutor(1) as reader:
        futures = deque(reader.submit(next, batches, None) for _ in range(_READ_AHEAD_BATCHES))
        while (batch := futures.popleft().result()) is not None:
            futures.append(reader.submit(next, batches, None))
            yield batch


def split_frame(frame: gpd.GeoDataFrame) -> Iterator[Batch]:
    """Yield a frame in batches, at least one."""
    for start in range(0, max(len(frame), 1), BATCH_ROWS):
        part = frame.iloc[start : start + BATCH_ROWS]
        attributes = pd.DataFrame(part.drop(columns=part.geometry.name))
        columns = {str(name): to_arrow_array(attributes[name]) for name in attributes.columns}
        numbers = np.arange(start + 1, start + len(part) + 1, dtype=np.int64)
        yield Batch(columns, part.geometry.to_numpy(), numbers)


def to_arrow_array(values: Any) -> pa.Array:
    """Return values as an Arrow array, as texts if they are of several types."""
    try:
        return pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return to_text_array(values)


def to_text_array(values: Any) -> pa.Array:
    """Return values as an Arrow array of texts, with null for missing ones."""
    return pa.array([None if pd.isna(value) else str(value) for value in values], pa.string())
