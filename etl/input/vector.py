"""Read a whole layer of a vector file as a GeoDataFrame in longitude and latitude.

The features come from :func:`etl.input.source.open_layer`, as in every import.
"""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl.input.datum import find_conversion, rough_bounds
from etl.input.formats import check_file
from etl.input.georeference import finite_coordinates, resolve_crs
from etl.input.mapping import Coordinates
from etl.input.source import Source, open_dataset, open_layer
from geo import crs as systems
from geo.errors import InputError
from geo.types import Geometries


def read_vector(
    path: Path,
    layer: str | None = None,
    *,
    crs: str | None = None,
    transformation: str | None = None,
) -> gpd.GeoDataFrame:
    """Read a layer and transform it to the storage system.

    Parameters
    ----------
    path
        A file with one of :data:`etl.input.formats.POLYGON_SUFFIXES`.
    layer
        Name of the layer; by default the only one of the file.
    crs
        Coordinate system of a file that does not name its own.
    transformation
        Operation of PROJ or grid file from the datum of the file to CGCS2000; by default a
        published one.

    Returns
    -------
    geopandas.GeoDataFrame
        Valid geometries, None where there is none. The column ``repaired`` is true for those that
        had to be repaired.

    Raises
    ------
    InputError
        If the file can't be read to its end, is empty, has no geometry or no coordinate system,
        has coordinates off the globe, or no transformation from its datum is known.
    """
    with open_dataset(check_file(path)) as data:
        source = open_layer(data, layer)
        frame = _concatenate(source)
    if frame.empty:
        raise InputError("layer_empty", file=path, layer=source.layer)
    system = resolve_crs(source.crs, Coordinates(crs=crs), path, source.layer)
    area = rough_bounds(system, finite_coordinates(frame.geometry.to_numpy()))
    conversion = find_conversion(system, transformation, area)
    if not conversion.is_accurate:
        datum = system.datum.name if system.datum is not None else system.name
        values = {"file": path, "layer": source.layer, "crs": system.name, "datum": datum}
        raise InputError("datum_without_transformation", **values)
    if conversion.convert is not None:
        frame = frame.set_geometry(shapely.transform(frame.geometry.to_numpy(), conversion.convert))
    frame = frame.set_crs(systems.STORAGE, allow_override=True)
    refuse_off_globe(frame, path, source.layer)
    return frame


def _concatenate(source: Source) -> gpd.GeoDataFrame:
    """Return the features of all batches, with invalid geometries repaired."""
    if not source.has_place:
        raise InputError("no_geometry", file=source.path, layer=source.layer)
    batches = list(source.batches())
    columns = [
        pd.DataFrame({name: values.to_pandas() for name, values in batch.columns.items()})
        for batch in batches
    ]
    frame = pd.concat(columns, ignore_index=True) if columns else pd.DataFrame()
    geometry = np.concatenate([np.empty(0, object), *(batch.geometry for batch in batches)])
    rebuilt = [np.zeros(len(b), bool) if b.broken is None else b.broken for b in batches]
    repaired = np.concatenate([np.empty(0, bool), *rebuilt])
    invalid = ~shapely.is_valid(geometry) & ~shapely.is_missing(geometry)
    geometry[invalid] = shapely.make_valid(geometry[invalid])
    return gpd.GeoDataFrame(
        frame.assign(repaired=repaired | invalid), geometry=geometry, crs=source.crs
    )


def polygonal(geometry: Geometries) -> Geometries:
    """Return the polygons of geometries, without the lines and points that a repair left.

    Parameters
    ----------
    geometry
        (n,) geometries of any kind.

    Returns
    -------
    ndarray of object
        (n,) polygons and multipolygons, None where a geometry has no polygon.
    """
    flat = geometry.copy()
    mixed = shapely.get_type_id(geometry) == shapely.GeometryType.GEOMETRYCOLLECTION
    flat[mixed] = [
        shapely.union_all([part for part in shapely.get_parts(collection) if part.area > 0])
        for collection in geometry[mixed]
    ]
    flat[shapely.get_dimensions(flat) != 2] = None
    return flat


def refuse_off_globe(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """Refuse a frame whose coordinates are no longitude and latitude.

    Raises
    ------
    InputError
        If a coordinate is not finite or lies off the globe.
    """
    bounds: Any = frame.total_bounds
    if not (np.abs(bounds) <= [180.0, 90.0, 180.0, 90.0]).all():  # not true of NaN either
        shown = ", ".join(f"{value:.0f}" for value in bounds)
        raise InputError("out_of_range", file=path, layer=layer, bounds=shown)
