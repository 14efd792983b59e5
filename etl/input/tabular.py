"""Tables whose places are columns: CSV and XLSX with coordinates or WKT."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from etl.input.feature_batch import Batch
from geo.types import Geometries

LONGITUDE = (
    "lon",
    "lng",
    "long",
    "longitude",
    "x",
    "经度",
    "东坐标",
    "横坐标",
    "x坐标",
    "east",
    "easting",
)
LATITUDE = ("lat", "latitude", "y", "纬度", "北坐标", "纵坐标", "y坐标", "north", "northing")
SHAPE = ("wkt", "geometry", "geom", "shape", "the_geom", "几何", "坐标串", "空间坐标")


@dataclass(frozen=True)
class Place:
    """Columns of a table that say where a feature is: two coordinates, or WKT."""

    lon: str | None = None
    lat: str | None = None
    wkt: str | None = None

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return [name for name in (self.lon, self.lat, self.wkt) if name]


def place_in(header: Iterable[str]) -> Place | None:
    """Return which columns say where, by their names, None if none does."""
    names = {name.strip().lower(): name for name in header}
    found = [next((names[n] for n in known if n in names), None) for known in (LONGITUDE, LATITUDE)]
    wkt = next((names[n] for n in SHAPE if n in names), None)
    if wkt:
        return Place(wkt=wkt)
    return Place(*found) if all(found) else None


def place_rows(table: pa.Table, place: Place | None, start: int) -> Batch:
    """Return a block of a table as a batch; what says no place gets no geometry."""
    columns = {name: whole(table[name]) for name in table.column_names}
    numbers = np.arange(start, start + table.num_rows, dtype=np.int64)
    geometry = np.full(table.num_rows, None, dtype=object)
    if place is not None:
        geometry = _geometry(columns, place)
    left = {name: c for name, c in columns.items() if place is None or name not in place.columns}
    return Batch(left, geometry, numbers)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _geometry(columns: dict[str, pa.Array], place: Place) -> Geometries:
    if place.wkt:
        texts = columns[place.wkt].to_numpy(zero_copy_only=False)
        geometry: Geometries = shapely.from_wkt(texts, on_invalid="ignore")
        return geometry
    x, y = (_numbers(columns[str(name)]) for name in (place.lon, place.lat))
    there = ~(np.isnan(x) | np.isnan(y))
    geometry = np.full(len(x), None, dtype=object)
    geometry[there] = shapely.points(x[there], y[there])
    return geometry


def _numbers(column: pa.Array) -> Any:
    import pandas as pd

    values = column.to_pandas()
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
