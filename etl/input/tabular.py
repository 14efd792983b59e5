"""Tables with coordinates in columns: which columns they are, and the geometry that they give."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely

from etl.input.coordinate_texts import has_pairs, parse_coordinates, split_pairs
from etl.input.feature_batch import Batch
from geo.types import Geometries

LONGITUDE_NAMES = (
    *("lon", "lng", "long", "longitude", "x", "经度", "东坐标", "横坐标", "x坐标"),
    *("east", "easting"),
)
LATITUDE_NAMES = (
    *("lat", "latitude", "y", "纬度", "北坐标", "纵坐标", "y坐标", "north", "northing"),
)
BOTH_NAMES = (
    *("location", "lnglat", "lonlat", "coordinate", "coordinates", "gps"),
    *("经纬度", "坐标", "经纬度坐标", "地理坐标", "gps坐标"),
)
"""Names of columns that hold longitude and latitude, as Amap writes ``location``."""
WKT_NAMES = ("wkt", "geometry", "geom", "shape", "the_geom", "几何", "坐标串", "空间坐标")

_PROBED_ROWS = 100


@dataclass(frozen=True)
class CoordinateColumns:
    """Names of a table's columns that hold the coordinates: two numbers, both in one, or WKT."""

    lon: str | None = None
    lat: str | None = None
    wkt: str | None = None
    both: str | None = None

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name in (self.lon, self.lat, self.wkt, self.both) if name]


def find_coordinate_columns(table: pa.Table) -> CoordinateColumns | None:
    """Return the columns that hold coordinates by their names, None if there are none.

    A column such as ``location`` may hold addresses; its values in the first rows decide.
    """
    columns = {name.strip().lower(): name for name in table.column_names}
    wkt, lon, lat, both = (
        next((columns[name] for name in names if name in columns), None)
        for names in (WKT_NAMES, LONGITUDE_NAMES, LATITUDE_NAMES, BOTH_NAMES)
    )
    if wkt:
        return CoordinateColumns(wkt=wkt)
    if lon and lat:
        return CoordinateColumns(lon, lat)
    if both and has_pairs(table[both].slice(0, _PROBED_ROWS).to_pylist()):
        return CoordinateColumns(both=both)
    return None


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
    geometry, unread = _build_geometry(columns, coordinates)
    others = {name: column for name, column in columns.items() if name not in coordinates.names}
    return Batch(others, geometry, numbers, unread=unread)


def to_single_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _build_geometry(
    columns: dict[str, pa.Array], coordinates: CoordinateColumns
) -> tuple[Geometries, dict[int, tuple[str, str]]]:
    """Return the geometry of rows, and the column and value of each that can't be read."""
    if coordinates.wkt:
        column = columns[coordinates.wkt]
        geometry: Geometries = shapely.from_wkt(
            column.to_numpy(zero_copy_only=False), on_invalid="ignore"
        )
        wrong = np.flatnonzero(shapely.is_missing(geometry) & np.asarray(column.is_valid()))
        return geometry, {row: _value(columns, coordinates.wkt, row) for row in wrong.tolist()}
    if coordinates.both:
        names = (coordinates.both, coordinates.both)
        texts = split_pairs(columns[coordinates.both])
    else:
        names = (str(coordinates.lon), str(coordinates.lat))
        texts = (columns[names[0]], columns[names[1]])
    x, y = parse_coordinates(texts[0], "EW"), parse_coordinates(texts[1], "NS")
    is_complete = ~(np.isnan(x) | np.isnan(y))
    geometry = np.full(len(x), None, dtype=object)
    geometry[is_complete] = shapely.points(x[is_complete], y[is_complete])
    has_any = np.asarray(columns[names[0]].is_valid()) | np.asarray(columns[names[1]].is_valid())
    unread = {
        row: _value(columns, names[0] if np.isnan(x[row]) else names[1], row)
        for row in np.flatnonzero(~is_complete & has_any).tolist()
    }
    return geometry, unread


def _value(columns: dict[str, pa.Array], name: str, row: int) -> tuple[str, str]:
    value = columns[name][row].as_py()
    return name, "" if value is None else str(value)
