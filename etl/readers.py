"""Vector files in, with one clear word for what is wrong with them."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError

from etl.encoding import dbf_encoding
from geo import crs as systems
from geo.errors import InputError

UNREADABLE = (DataSourceError, DataLayerError, FeatureError, GeometryError, UnicodeDecodeError)

DRIVERS = {
    ".shp": "ESRI Shapefile",
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".kml": "KML",
}
"""Formats that are read, by ending. What else GDAL could open is left out in :mod:`etl`."""


def existing(path: Path, *endings: str) -> Path:
    """Return a file that is there, holds something, and is called what is read.

    Raises
    ------
    InputError
        If it is missing, a folder, empty, or its ending is none that is read. Names of GDAL's
        virtual files and addresses are no files.
    """
    try:
        there = path.exists()
    except OSError:  # a name too long for the system, or one in a closed folder
        there = False
    if not there:
        raise InputError("file_missing", file=path)
    if path.is_dir():
        raise InputError("file_is_folder", file=path)
    if path.suffix.lower() not in (endings or DRIVERS):
        raise InputError("file_format", file=path, formats=", ".join(endings or DRIVERS))
    if path.stat().st_size == 0:
        raise InputError("file_empty", file=path)
    return path


def layers_in(path: Path) -> list[str]:
    """Return the names of the layers of a file.

    Raises
    ------
    InputError
        If it is not what its name says.
    """
    with quiet():
        try:
            return [str(name) for name, _ in pyogrio.list_layers(path.resolve())]
        except UNREADABLE as error:
            raise InputError("file_unreadable", file=path, format=path.suffix) from error


def read_vector(
    path: Path, layer: str | None = None, *, crs: str | None = None, encoding: str | None = None
) -> gpd.GeoDataFrame:
    """Return a layer in longitude and latitude of the storage system.

    Parameters
    ----------
    path
        A file in one of :data:`DRIVERS`.
    layer
        Its layer, the only one by default.
    crs
        System of a file that does not say its own.
    encoding
        Of texts that are not in what the file says.

    Raises
    ------
    InputError
        If the file is not what it says, is empty, has no system, or lies nowhere plausible.
    """
    layer = layer or _only_layer(existing(path))
    frame = read_raw(path, layer, encoding=encoding or dbf_encoding(path))
    if frame.empty:
        raise InputError("layer_empty", file=path, layer=layer)
    if frame.crs is None:
        if crs is None:
            raise InputError("no_crs", file=path, layer=layer)
        frame = frame.set_crs(crs_named(crs))
    return plausible(frame.to_crs(systems.STORAGE), path, layer)


def _only_layer(path: Path) -> str:
    names = layers_in(path)
    if not names:
        raise InputError("file_without_layer", file=path)
    if len(names) > 1:
        raise InputError("several_layers", file=path, layers=", ".join(names))
    return names[0]


def read_raw(path: Path, layer: str, *, encoding: str | None = None) -> gpd.GeoDataFrame:
    """Return a layer as the file has it, in the file's own system.

    A geometry that can't be built or is invalid is repaired where its parts allow it (column
    ``repaired``), else None.

    Raises
    ------
    InputError
        If the file or the layer can't be read to its end.
    """
    with quiet():
        try:
            meta, _, wkb, values = pyogrio.raw.read(path.resolve(), layer=layer, encoding=encoding)
        except UNREADABLE as error:
            raise InputError("file_unreadable", file=path, format=path.suffix) from error
    if wkb is None:
        raise InputError("no_geometry", file=path, layer=layer)
    plain = dict(zip(meta["fields"], values, strict=True))
    geometry, repaired = _built(np.asarray(wkb, dtype=object))
    frame = gpd.GeoDataFrame(pd.DataFrame(plain), geometry=geometry, crs=meta["crs"] or None)
    return frame.assign(repaired=repaired)


def _built(wkb: Any) -> tuple[Any, Any]:
    """Return geometries from WKB, valid ones, and which had to be repaired."""
    geometry = shapely.from_wkb(wkb, on_invalid="ignore")
    present = np.array([item is not None for item in wkb], dtype=bool)
    broken = present & shapely.is_missing(geometry)
    geometry[broken] = shapely.from_wkb(wkb[broken], on_invalid="fix")
    invalid = ~shapely.is_valid(geometry) & ~shapely.is_missing(geometry)
    geometry[invalid] = shapely.make_valid(geometry[invalid])
    return geometry, broken | invalid


def polygonal(geometry: Any) -> Any:
    """Return the polygons of geometries that repair made collections of, None for none."""
    flat = geometry.copy()
    mixed = shapely.get_type_id(geometry) == shapely.GeometryType.GEOMETRYCOLLECTION
    flat[mixed] = [
        shapely.union_all([part for part in shapely.get_parts(one) if part.area > 0])
        for one in geometry[mixed]
    ]
    flat[shapely.get_dimensions(flat) != 2] = None
    return flat


def plausible(frame: gpd.GeoDataFrame, path: Path, layer: str) -> gpd.GeoDataFrame:
    """Return a frame in longitude and latitude, if that is what it can be.

    Raises
    ------
    InputError
        If coordinates are not finite or lie off the globe.
    """
    west, south, east, north = frame.total_bounds
    inside = np.isfinite(frame.total_bounds).all() and west >= -180 and east <= 180
    if not (inside and south >= -90 and north <= 90):
        raise InputError("out_of_range", file=path, layer=layer, bounds=_spoken(frame.total_bounds))
    return frame


def _spoken(bounds: Any) -> str:
    return ", ".join(f"{value:.0f}" for value in bounds)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep GDAL from printing while the block runs: what it means for the reader is counted."""
    logger = logging.getLogger("pyogrio")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        logger.setLevel(level)


def crs_named(name: str) -> pyproj.CRS:
    """Return the system of a name such as ``EPSG:4490``.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return pyproj.CRS.from_user_input(name)
    except pyproj.exceptions.CRSError as error:
        raise InputError("unknown_crs", crs=name) from error
