"""Tables with coordinates in columns: which columns they are, and the geometry that they give.

Shapes are read as WKT and WKB in hexadecimal digits, both with or without the SRID that PostGIS
adds, and as GeoJSON.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import shapely

from etl.input import curves
from etl.input.coordinate_texts import has_pairs, parse_coordinates, split_pairs
from etl.input.feature_batch import Batch
from etl.input.reader_findings import RowFault
from etl.input.units import split_header
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
WKT_NAMES = (
    *("wkt", "ewkt", "wkb", "ewkb", "geometry", "geom", "shape", "the_geom", "geojson"),
    *("geom_wkt", "geometry_wkt", "wkt_geom", "geom_wkb", "wkb_geometry", "geom_geojson"),
    *("几何", "坐标串", "空间坐标"),
)

_COORDINATE_UNITS = ("", "m", "米", "deg", "度")
_PROBED_ROWS = 100
_EWKT = re.compile(r"\s*SRID\s*=\s*(\d+)\s*;(.*)", re.IGNORECASE | re.DOTALL)
_HEX = re.compile(r"\s*(?:\\x|0x)?((?:0[01])(?:[0-9A-Fa-f]{2}){4,})\s*")


@dataclass(frozen=True)
class CoordinateColumns:
    """Names of a table's columns that hold the coordinates: two numbers, both in one, or WKT."""

    lon: str | None = None
    lat: str | None = None
    wkt: str | None = None
    both: str | None = None
    srid: int = 0
    """Identifier of the system that the shapes state, 0 if they state none."""

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name in (self.lon, self.lat, self.wkt, self.both) if name]


def find_coordinate_columns(table: pa.Table) -> CoordinateColumns | None:
    """Return the columns that hold coordinates by their names, None if there are none.

    A column such as ``location`` may hold addresses; its values in the first rows decide.
    """
    headers = [(name, *split_header(name)) for name in table.column_names]
    columns = {
        stem.strip().lower(): name
        for name, stem, unit in headers
        if unit.lower() in _COORDINATE_UNITS
    }
    columns |= {name.strip().lower(): name for name in table.column_names}
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


def with_stated_system(columns: CoordinateColumns, table: pa.Table) -> CoordinateColumns:
    """Return columns with the SRID that the first shape of a table states."""
    if columns.wkt is None:
        return columns
    shapes = _parse_shapes(to_single_array(table[columns.wkt].slice(0, _PROBED_ROWS)))
    stated = shapely.get_srid(shapes[~shapely.is_missing(shapes)])
    return replace(columns, srid=int(stated[0]) if len(stated) else 0)


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
) -> tuple[Geometries, dict[int, RowFault]]:
    """Return the geometry of rows, and the fault of each that can't be read."""
    if coordinates.wkt:
        return _build_shapes(columns[coordinates.wkt], coordinates.wkt, coordinates.srid)
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
        row: _fault_of_value("coordinate_unread", columns[name], name, row)
        for row in np.flatnonzero(~is_complete & has_any).tolist()
        for name in [names[0] if np.isnan(x[row]) else names[1]]
    }
    return geometry, unread


def _fault_of_value(key: str, column: pa.Array, name: str, row: int) -> RowFault:
    value = column[row].as_py()
    return RowFault(key, name, {"value": "" if value is None else str(value)})


def _build_shapes(column: pa.Array, name: str, srid: int) -> tuple[Geometries, dict[int, RowFault]]:
    """Return the shapes of a column, and the fault of each row that can't be placed.

    Parameters
    ----------
    srid
        System of the file; a shape that states another has no place.
    """
    shapes = _parse_shapes(column)
    is_missing = shapely.is_missing(shapes)
    unread = {
        row: _fault_of_value("shape_unread", column, name, row)
        for row in np.flatnonzero(is_missing & np.asarray(column.is_valid())).tolist()
    }
    is_other = ~is_missing & (shapely.get_srid(shapes) != srid)
    for row in np.flatnonzero(is_other).tolist():
        stated = {"srid": int(shapely.get_srid(shapes[row])), "first": srid}
        unread[row] = RowFault("shape_of_other_system", name, stated)
    shapes[is_other] = None
    return shapes, unread


def _parse_shapes(column: pa.Array) -> Geometries:
    """Return the shapes of a column of texts, (n,), with the SRID that they state."""
    texts = column.cast(pa.string()).to_numpy(zero_copy_only=False)
    with np.errstate(all="ignore"):  # of digits that are WKB
        shapes: Geometries = shapely.from_wkt(texts, on_invalid="ignore")
    unread = np.flatnonzero(shapely.is_missing(shapes) & np.asarray(column.is_valid()))
    for row in unread.tolist():
        shapes[row] = _parse_shape(texts[row])
    return shapes


def _parse_shape(text: str) -> shapely.Geometry | None:
    if with_srid := _EWKT.fullmatch(text):
        shape = shapely.from_wkt(with_srid[2], on_invalid="ignore")
        return None if shape is None else shapely.set_srid(shape, int(with_srid[1]))
    if digits := _HEX.fullmatch(text):
        binary = bytes.fromhex(digits[1])
        try:
            return shapely.from_wkb(binary, on_invalid="ignore")
        except NotImplementedError:  # arcs
            return curves.linearize(binary)
    return shapely.from_geojson(text, on_invalid="ignore") if "{" in text else None
