"""A piece of a layer on its way in: columns as Arrow arrays, geometry as shapely's."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from geo.types import Geometries

SIZE = 20_000
"""Features in a batch: enough for vectorised work, and some 100 MB at most."""

_AHEAD = 2

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Features of a layer, one after the other.

    Attributes
    ----------
    columns
        Arrow arrays of one length by name.
    geometry
        Shapely geometries, None where a feature has none.
    numbers
        Of the features in their file, from 1.
    wkb
        Geometry as it came, None where ``geometry`` has been changed since.
    broken
        Features whose geometry could not be built as it came.
    marks
        Digests of the rows as they came, 0 for one that has been changed since (see
        :mod:`etl.pipeline.row_digests`).
    """

    columns: Mapping[str, pa.Array]
    geometry: Geometries
    numbers: NDArray[np.int64]
    wkb: Geometries | None = None
    broken: Flags | None = None
    marks: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.geometry)

    def take(self, rows: Flags) -> "Batch":
        """Return the features of some rows."""
        if rows.all():
            return self
        mask = pa.array(rows)
        return Batch(
            {name: column.filter(mask) for name, column in self.columns.items()},
            self.geometry[rows],
            self.numbers[rows],
            None if self.wkb is None else self.wkb[rows],
            None if self.broken is None else self.broken[rows],
            None if self.marks is None else self.marks[rows],
        )

    def having(self, **columns: pa.Array) -> "Batch":
        """Return the batch with some columns set."""
        return replace(self, columns={**self.columns, **columns})

    def at(self, geometry: Geometries, changed: Flags | None = None) -> "Batch":
        """Return the batch with other geometry, in some rows or in all."""
        if changed is None or self.wkb is None:
            return replace(self, geometry=geometry, wkb=None)
        if not changed.any():
            return replace(self, geometry=geometry)
        wkb = self.wkb.copy()
        wkb[changed] = None
        return replace(self, geometry=geometry, wkb=wkb)

    def with_marks(self, marks: NDArray[np.int64] | None) -> "Batch":
        """Return the batch with the marks of its rows."""
        return replace(self, marks=marks)

    def unmarked(self, rows: Flags) -> "Batch":
        """Return the batch without the marks of rows that were changed."""
        if self.marks is None or not rows.any():
            return self
        return replace(self, marks=np.where(rows, 0, self.marks))

    def row(self, index: int) -> dict[str, Any]:
        """Return the values of one feature, without those that are missing."""
        values = {name: column[index].as_py() for name, column in self.columns.items()}
        return {name: value for name, value in values.items() if value is not None}


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches which a thread of its own reads while the one before is worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting = deque(reader.submit(next, batches, None) for _ in range(_AHEAD))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(reader.submit(next, batches, None))
            yield batch


def batches_of(frame: gpd.GeoDataFrame, size: int = SIZE) -> Iterator[Batch]:
    """Yield the batches of a frame, at least one."""
    for start in range(0, max(len(frame), 1), size):
        part = frame.iloc[start : start + size]
        plain = pd.DataFrame(part.drop(columns=part.geometry.name))
        columns = {str(name): array_of(plain[name]) for name in plain.columns}
        numbers = np.arange(start + 1, start + len(part) + 1, dtype=np.int64)
        yield Batch(columns, part.geometry.to_numpy(), numbers)


def array_of(values: Any) -> pa.Array:
    """Return values of one kind as an Arrow array, of several kinds as their texts."""
    try:
        return pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return texts(values)


def texts(values: Any) -> pa.Array:
    """Return values as texts, missing ones as null."""
    return pa.array([None if pd.isna(value) else str(value) for value in values], pa.string())
