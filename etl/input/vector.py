"""Vector files in, with one clear word for what is wrong with them."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyproj
import shapely

from etl.input import sandbox
from etl.input.feature_batch import SIZE
from etl.input.formats import GEOMETRY, check_file
from geo import crs as systems
from geo.errors import InputError


def layers_in(path: Path) -> list[str]:
    """Return the names of the layers of a file.

    Raises
    ------
    InputError
        If it is not what its name says.
    """
    names: list[str] = sandbox.ask(path, "layer_names")
    return names


def read_vector(
    path: Path, layer: str | None = None, *, crs: str | None = None, encoding: str | None = None
) -> gpd.GeoDataFrame:
    """Return a layer in longitude and latitude of the storage system.

    Parameters
    ----------
    path
        A file in one of :data:`etl.input.formats.PLANS`.
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
    layer = layer or only_layer(check_file(path))
    frame = read_raw(path, layer, encoding=encoding or sandbox.ask(path, "text_encoding"))
    if frame.empty:
        raise InputError("layer_empty", file=path, layer=layer)
    if frame.crs is None:
        if crs is None:
            raise InputError("no_crs", file=path, layer=layer)
        frame = frame.set_crs(crs_named(crs))
    return plausible(frame.to_crs(systems.STORAGE), path, layer)


def only_layer(path: Path) -> str:
    """Return the name of the only layer of a file.

    Raises
    ------
    InputError
        If there is none, or several.
    """
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
    tables = sandbox.stream(path, "read_features", layer=layer, size=SIZE, encoding=encoding)
    table = pa.concat_tables(tables)
    if GEOMETRY not in table.column_names:
        raise InputError("no_geometry", file=path, layer=layer)
    wkb = table[GEOMETRY].to_numpy()
    plain = table.drop_columns(GEOMETRY).to_pandas()
    crs = (table.schema.metadata or {}).get(b"crs", b"").decode()
    geometry, repaired = _build_geometries(wkb)
    frame = gpd.GeoDataFrame(plain, geometry=geometry, crs=crs or None)
    return frame.assign(repaired=repaired)


def _build_geometries(wkb: Any) -> tuple[Any, Any]:
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
        raise InputError(
            "out_of_range", file=path, layer=layer, bounds=_format_bounds(frame.total_bounds)
        )
    return frame


def _format_bounds(bounds: Any) -> str:
    return ", ".join(f"{value:.0f}" for value in bounds)


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
