"""Tables with coordinates in columns: which columns they are, and the geometry that they give."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from etl.input.feature_batch import Batch
from geo.types import Geometries

LONGITUDE_NAMES = (
    *("lon", "lng", "long", "longitude", "x", "经度", "东坐标", "横坐标", "x坐标"),
    *("east", "easting"),
)
LATITUDE_NAMES = (
    *("lat", "latitude", "y", "纬度", "北坐标", "纵坐标", "y坐标", "north", "northing"),
)
WKT_NAMES = ("wkt", "geometry", "geom", "shape", "the_geom", "几何", "坐标串", "空间坐标")


@dataclass(frozen=True)
class CoordinateColumns:
    """Names of a table's columns that hold the coordinates: two numbers, or WKT."""

    lon: str | None = None
    lat: str | None = None
    wkt: str | None = None

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return [name for name in (self.lon, self.lat, self.wkt) if name]


def find_coordinate_columns(header: Iterable[str]) -> CoordinateColumns | None:
    """Return the columns that hold coordinates by their names, None if there are none."""
    columns = {name.strip().lower(): name for name in header}
    wkt, lon, lat = (
        next((columns[name] for name in names if name in columns), None)
        for names in (WKT_NAMES, LONGITUDE_NAMES, LATITUDE_NAMES)
    )
    if wkt:
        return CoordinateColumns(wkt=wkt)
    return CoordinateColumns(lon, lat) if lon and lat else None


def build_batch(table: pa.Table, coordinates: CoordinateColumns | None, start: int) -> Batch:
    """Return a table as a batch; a row without coordinates gets no geometry.

    Parameters
    ----------
    start
        Number of the first row in the file.
    """
    columns = {name: to_single_array(table[name]) for name in table.column_names}
    numbers = np.arange(start, start + table.num_rows, dtype=np.int64)
    if coordinates is None:
        return Batch(columns, np.full(table.num_rows, None, dtype=object), numbers)
    geometry = _build_geometry(columns, coordinates)
    others = {name: column for name, column in columns.items() if name not in coordinates.names}
    return Batch(others, geometry, numbers)


def to_single_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _build_geometry(columns: dict[str, pa.Array], coordinates: CoordinateColumns) -> Geometries:
    if coordinates.wkt:
        texts = columns[coordinates.wkt].to_numpy(zero_copy_only=False)
        geometry: Geometries = shapely.from_wkt(texts, on_invalid="ignore")
        return geometry
    x, y = (_parse_numbers(columns[str(name)]) for name in (coordinates.lon, coordinates.lat))
    is_complete = ~(np.isnan(x) | np.isnan(y))
    geometry = np.full(len(x), None, dtype=object)
    geometry[is_complete] = shapely.points(x[is_complete], y[is_complete])
    return geometry


def _parse_numbers(column: pa.Array) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN for what is none."""
    numbers = pd.to_numeric(column.to_pandas(), errors="coerce")
    return np.asarray(numbers.to_numpy(dtype=np.float64))
