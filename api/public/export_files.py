"""Write a layer to a file with GDAL or Arrow, in batches, so that memory use stays bounded."""

import csv
import json
import re
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import shapely
from geoalchemy2 import Geometry
from pyarrow import parquet
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Integer

from api.core.public_layers import Layer

DBF_NAME_BYTES = 10
BATCH_ROWS = 2_000
"""Features in a batch."""

GDAL_DRIVERS = {"gpkg": "GPKG", "kml": "KML"}

SHAPEFILE_TYPES = ("Point", "MultiLineString", "MultiPolygon")
"""Geometry types of shapefiles by dimension: a file holds one type."""

GEOPARQUET_VERSION = "1.1.0"
MULTIPLE: dict[str, Any] = {
    "Point": shapely.MultiPoint,
    "LineString": shapely.MultiLineString,
    "Polygon": shapely.MultiPolygon,
}

FeatureRows = Generator[tuple[list[Any], shapely.Geometry | None], None, None]


def write_layer(
    folder: Path,
    layer: Layer,
    fields: dict[str, Column[Any]],
    rows: Callable[[], FeatureRows],
    format: str,
    system: int,
) -> Path:
    """Write a layer into a folder and return the file.

    Parameters
    ----------
    fields
        Columns by their names in the file.
    rows
        Start reading the layer; yields values and geometry of each feature.
    format
        ``gpkg``, ``kml``, ``shp`` (as a zip), ``dxf`` or ``parquet``.
    system
        EPSG code of the coordinates.
    """
    file = folder / f"{layer.name}.{format}"
    if format == "parquet":
        _parquet(file, fields, rows(), system)
    elif format == "dxf":
        _dxf(file, layer.name, rows(), system)
    elif format == "shp":
        return _shapefiles(folder, layer, fields, rows, system)
    else:
        options = {"layer": layer.name, "driver": GDAL_DRIVERS[format]}
        kind = _geometry_type(layer)
        if kind == "Unknown":
            kind = _common_type(rows())
        features = _promote(rows()) if kind.startswith("Multi") else rows()
        _write(file, _schema(fields), _batches(fields, features), kind, system, **options)
    return file


def _common_type(rows: FeatureRows) -> str:
    """Return GDAL's name for a geometry type that holds all features, Unknown if there is none."""
    types = {_type_name(shape) for _, shape in rows if shape is not None}
    if len(types) == 1:
        return types.pop()
    single = {name.removeprefix("Multi") for name in types}
    is_mixed = len(single) != 1 or single == {"GeometryCollection"}
    return "Unknown" if is_mixed else f"Multi{single.pop()}"


def _type_name(shape: Any) -> str:
    """Return the name of a shape's type: shapely's own annotations lack it."""
    return str(shape.geom_type)


def _promote(rows: FeatureRows) -> FeatureRows:
    """Yield the rows with single shapes as multiple ones of one part."""
    for values, shape in rows:
        if shape is not None and _type_name(shape) in MULTIPLE:
            yield values, MULTIPLE[_type_name(shape)]([shape])
        else:
            yield values, shape


def _geometry_type(layer: Layer) -> str:
    """Return GDAL's name for the geometry type of a layer."""
    column = layer.source.c["geom"]
    geometry_type = column.type.geometry_type if isinstance(column.type, Geometry) else "GEOMETRY"
    names = {"POINT": "Point", "LINESTRING": "LineString", "MULTIPOLYGON": "MultiPolygon"}
    return names.get(geometry_type or "", "Unknown")


def _schema(fields: dict[str, Column[Any]], *, text_times: bool = False) -> pa.Schema:
    """Return the Arrow schema of the fields and the geometry as well-known binary."""
    attributes = [
        pa.field(name, _arrow_type(column, text_times)) for name, column in fields.items()
    ]
    metadata = {"ARROW:extension:name": "geoarrow.wkb"}
    return pa.schema([*attributes, pa.field("geometry", pa.binary(), metadata=metadata)])


def _arrow_type(column: Column[Any], text_times: bool) -> pa.DataType:
    types: tuple[tuple[type, pa.DataType], ...] = (
        (BigInteger, pa.int64()),
        (Integer, pa.int32()),
        (Boolean, pa.bool_()),
        (Float, pa.float64()),
        (DateTime, pa.string() if text_times else pa.timestamp("ms", tz="UTC")),
    )
    matches = (arrow for sql, arrow in types if isinstance(column.type, sql))
    return next(matches, pa.string())


def _batches(
    fields: dict[str, Column[Any]], rows: FeatureRows, *, text_times: bool = False
) -> Iterator[pa.RecordBatch]:
    """Yield the rows in record batches of :data:`BATCH_ROWS`."""
    schema = _schema(fields, text_times=text_times)
    while part := list(islice(rows, BATCH_ROWS)):
        shapes = shapely.to_wkb(np.array([shape for _, shape in part], dtype=object))
        columns = list(zip(*(values for values, _ in part), strict=True))
        arrays = [
            pa.array([_plain(value, field.type) for value in column], field.type)
            for field, column in zip(schema, columns, strict=False)
        ]
        yield pa.record_batch([*arrays, pa.array(shapes.tolist(), pa.binary())], schema=schema)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """Return a value that its field accepts: lists and times become text in text fields."""
    if value is None or not pa.types.is_string(kind) or isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _write(
    file: Path,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    geometry_type: str,
    system: int,
    **options: Any,
) -> None:
    """Write batches of features to a file."""
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    pyogrio.write_arrow(
        reader,
        file,
        geometry_name="geometry",
        geometry_type=geometry_type,
        crs=f"EPSG:{system}",
        **options,
    )


def _parquet(file: Path, fields: dict[str, Column[Any]], rows: FeatureRows, system: int) -> None:
    """Write GeoParquet: geometry as well-known binary, coordinate system as PROJJSON.

    Geometry types and box are known when all features are written; Parquet has its metadata at the
    end of the file.
    """
    types: set[str] = set()
    bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def note_shapes() -> FeatureRows:
        for values, shape in rows:
            if shape is not None and not shapely.is_empty(shape):
                types.add(_type_name(shape))
                bounds[:2] = np.minimum(bounds[:2], shapely.bounds(shape)[:2])
                bounds[2:] = np.maximum(bounds[2:], shapely.bounds(shape)[2:])
            yield values, shape

    schema = pa.schema([field.remove_metadata() for field in _schema(fields)])
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(fields, note_shapes()):
            writer.write_batch(batch.cast(schema))
        geometry: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": sorted(types),
            "crs": pyproj.CRS(system).to_json_dict(),
        }
        if types:
            geometry["bbox"] = bounds.tolist()
        metadata = {
            "version": GEOPARQUET_VERSION,
            "primary_column": "geometry",
            "columns": {"geometry": geometry},
        }
        writer.add_key_value_metadata({"geo": json.dumps(metadata)})


def _dxf(file: Path, name: str, rows: FeatureRows, system: int) -> None:
    """Write a DXF drawing, which has layers and shapes but no attributes.

    A feature without geometry is left out, since nothing of it could be drawn. The driver writes
    all shapes at once, so they are kept in memory as well-known binary.
    """
    drawn = [shapely.to_wkb(shape) for _, shape in rows if shape is not None]
    shapes = np.array(drawn, dtype=object)
    layers = np.full(len(shapes), name, dtype=object)
    pyogrio.raw.write(
        file,
        shapes,
        [layers],
        ["Layer"],
        driver="DXF",
        geometry_type="Unknown",
        crs=f"EPSG:{system}",
    )


def _shapefiles(
    folder: Path,
    layer: Layer,
    fields: dict[str, Column[Any]],
    rows: Callable[[], FeatureRows],
    system: int,
) -> Path:
    """Write a zip with one shapefile for each geometry dimension, and a legend of the fields.

    DBF has room for ten bytes of a field's name, so the names are short ASCII ones; the legend, a
    CSV file, gives the full ones. An empty layer gives one empty shapefile, of polygons if the
    layer may hold several types.
    """
    names = [str(column.name) for column in fields.values()]
    dbf_fields = dict(zip(dbf_names(names), fields.values(), strict=True))
    schema = _schema(dbf_fields, text_times=True)
    shapes = folder / "shp"
    shapes.mkdir()
    present = {int(shapely.get_dimensions(shape)) for _, shape in rows()} - {-1}
    dimensions = sorted(present) or [{"Point": 0, "LineString": 1}.get(_geometry_type(layer), 2)]
    for dimension in dimensions:
        matching = (row for row in rows() if shapely.get_dimensions(row[1]) == dimension)
        suffix = f"_{('point', 'line', 'polygon')[dimension]}" if len(dimensions) > 1 else ""
        batches = _batches(dbf_fields, matching, text_times=True)
        options = {"driver": "ESRI Shapefile", "encoding": "UTF-8"}
        shapefile = shapes / f"{layer.name}{suffix}.shp"
        _write(shapefile, schema, batches, SHAPEFILE_TYPES[dimension], system, **options)
    legend = zip(dbf_fields, names, fields, strict=True)
    _write_legend(shapes / f"{layer.name}_fields.csv", legend)
    file = folder / f"{layer.name}.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(shapes.iterdir()):
            archive.write(part, part.name)
    return file


def _write_legend(file: Path, fields: Iterable[tuple[str, str, str]]) -> None:
    """Write the names of the fields: in the DBF file, in the API, and in full.

    It starts with a byte order mark, by which spreadsheet programs recognise UTF-8.
    """
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("field", "name", "title"))
        writer.writerows(fields)


def dbf_names(names: list[str]) -> list[str]:
    """Return unique ASCII field names of at most 10 bytes, as DBF requires.

    The longest words lose their ends first, so that each word of a name is still known.

    >>> dbf_names(["households_source", "households"])
    ['house_sour', 'households']
    """
    unique: list[str] = []
    for name in names:
        short = _shorten(re.sub(r"[^A-Za-z0-9_]", "", name) or "field", DBF_NAME_BYTES)
        number = 0
        candidate = short
        while candidate.lower() in {other.lower() for other in unique}:
            number += 1
            suffix = f"_{number}"
            candidate = _shorten(short, DBF_NAME_BYTES - len(suffix)) + suffix
        unique.append(candidate)
    return unique


def _shorten(name: str, length: int) -> str:
    """Return a name in at most a number of characters."""
    words = name.split("_")
    while len("_".join(words)) > length and max(map(len, words)) > 1:
        longest = max(range(len(words)), key=lambda at: len(words[at]))
        words[longest] = words[longest][:-1]
    return "_".join(words)[:length]
