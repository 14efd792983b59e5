"""Layers as files that must be written whole: batch by batch, never a layer in memory."""

import json
import re
import zipfile
from collections.abc import Callable, Generator, Iterator
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
"""Features of a batch."""

GDAL_DRIVERS = {"gpkg": "GPKG", "kml": "KML"}

SHAPEFILE_KINDS = ("Point", "MultiLineString", "MultiPolygon")
"""Of shapefiles, by dimension: one file holds one."""

GEOPARQUET_VERSION = "1.1.0"

FeatureRows = Generator[tuple[list[Any], shapely.Geometry | None], None, None]


def write_layer(
    folder: Path,
    layer: Layer,
    fields: dict[str, Column[Any]],
    rows: Callable[[], FeatureRows],
    format: str,
    system: int,
) -> Path:
    """Write a layer into a folder; return the file.

    Parameters
    ----------
    fields
        Columns by the names that they have in the file.
    rows
        Begins to read the layer: values and geometry of each feature.
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
        shown = _batches(fields, rows())
        how = {"layer": layer.name, "driver": GDAL_DRIVERS[format]}
        _write(file, _schema(fields), shown, _kind(layer), system, **how)
    return file


def _kind(layer: Layer) -> str:
    """Return GDAL's name of the geometries of a layer."""
    column = next(one for one in layer.source.columns if one.name == "geom")
    kind = column.type.geometry_type if isinstance(column.type, Geometry) else "GEOMETRY"
    names = {"POINT": "Point", "LINESTRING": "LineString", "MULTIPOLYGON": "MultiPolygon"}
    return names.get(kind or "", "Unknown")


def _schema(fields: dict[str, Column[Any]], *, text_times: bool = False) -> pa.Schema:
    """Return the fields and the geometry, as well-known binary, in Arrow's types."""
    own = [pa.field(name, _arrow(column, text_times)) for name, column in fields.items()]
    said = {"ARROW:extension:name": "geoarrow.wkb"}
    return pa.schema([*own, pa.field("geometry", pa.binary(), metadata=said)])


def _arrow(column: Column[Any], text_times: bool) -> pa.DataType:
    kinds: tuple[tuple[type, pa.DataType], ...] = (
        (BigInteger, pa.int64()),
        (Integer, pa.int32()),
        (Boolean, pa.bool_()),
        (Float, pa.float64()),
        (DateTime, pa.string() if text_times else pa.timestamp("ms", tz="UTC")),
    )
    return next((found for kind, found in kinds if isinstance(column.type, kind)), pa.string())


def _batches(
    fields: dict[str, Column[Any]], rows: FeatureRows, *, text_times: bool = False
) -> Iterator[pa.RecordBatch]:
    """Yield the rows some at a time."""
    schema = _schema(fields, text_times=text_times)
    while part := list(islice(rows, BATCH_ROWS)):
        shapes = shapely.to_wkb(np.array([shape for _, shape in part], dtype=object))
        columns = list(zip(*(values for values, _ in part), strict=True))
        made = [
            pa.array([_plain(value, field.type) for value in column], field.type)
            for field, column in zip(schema, columns, strict=False)
        ]
        yield pa.record_batch([*made, pa.array(shapes.tolist(), pa.binary())], schema=schema)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """Return a value as its field takes it: lists and times become text where there are no such."""
    if value is None or not pa.types.is_string(kind) or isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _write(
    file: Path,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    kind: str,
    system: int,
    **how: Any,
) -> None:
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    where = {"geometry_name": "geometry", "geometry_type": kind, "crs": f"EPSG:{system}"}
    pyogrio.write_arrow(reader, file, **where, **how)


def _parquet(file: Path, fields: dict[str, Column[Any]], rows: FeatureRows, system: int) -> None:
    """Write GeoParquet: the geometry as well-known binary, its system as PROJJSON."""
    shape = {"encoding": "WKB", "geometry_types": [], "crs": pyproj.CRS(system).to_json_dict()}
    said = {
        "version": GEOPARQUET_VERSION,
        "primary_column": "geometry",
        "columns": {"geometry": shape},
    }
    own = _schema(fields).remove_metadata().with_metadata({"geo": json.dumps(said)})
    plain = pa.schema([field.remove_metadata() for field in own], metadata=own.metadata)
    with parquet.ParquetWriter(file, plain) as writer:
        for batch in _batches(fields, rows):
            writer.write_batch(batch.cast(plain))


def _dxf(file: Path, name: str, rows: FeatureRows, system: int) -> None:
    """Write a drawing, which knows layers and shapes and no attributes.

    Its driver takes all shapes at once: they are held in their shortest form.
    """
    shapes = np.array([shapely.to_wkb(shape) for _, shape in rows], dtype=object)
    layers = np.full(len(shapes), name, dtype=object)
    where = {"geometry_type": "Unknown", "crs": f"EPSG:{system}"}
    pyogrio.raw.write(file, shapes, [layers], ["Layer"], driver="DXF", **where)


def _shapefiles(
    folder: Path,
    layer: Layer,
    fields: dict[str, Column[Any]],
    rows: Callable[[], FeatureRows],
    system: int,
) -> Path:
    """Write shapefiles, one a kind of geometry, with field names as DBF allows, into a zip.

    Where there is nothing, one is empty: of polygons, if the layer may hold several kinds.
    """
    name = layer.name
    legal = dict(zip(dbf_names(list(fields)), fields.values(), strict=True))
    schema = _schema(legal, text_times=True)
    shapes = folder / "shp"
    shapes.mkdir()
    found = {int(shapely.get_dimensions(shape)) for _, shape in rows()} - {-1}
    dimensions = sorted(found) or [{"Point": 0, "LineString": 1}.get(_kind(layer), 2)]
    for dimension in dimensions:
        own = (row for row in rows() if shapely.get_dimensions(row[1]) == dimension)
        end = f"_{('point', 'line', 'polygon')[dimension]}" if len(dimensions) > 1 else ""
        batches = _batches(legal, own, text_times=True)
        how = {"driver": "ESRI Shapefile", "encoding": "UTF-8"}
        _write(
            shapes / f"{name}{end}.shp", schema, batches, SHAPEFILE_KINDS[dimension], system, **how
        )
    file = folder / f"{name}.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(shapes.iterdir()):
            archive.write(one, one.name)
    return file


def dbf_names(names: list[str]) -> list[str]:
    """Return names that a DBF table can have: 10 bytes, each once.

    >>> dbf_names(["households_source", "households"])
    ['households', 'househol_1']
    """
    found: list[str] = []
    for name in names:
        plain = _cut(re.sub(r"[^\w]", "_", name), DBF_NAME_BYTES)
        number = 0
        while plain in found:
            number += 1
            end = f"_{number}"
            plain = _cut(name, DBF_NAME_BYTES - len(end)) + end
        found.append(plain)
    return found


def _cut(name: str, most: int) -> str:
    return name.encode()[:most].decode(errors="ignore")
