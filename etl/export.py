"""Write layers as files for other programs."""

import tempfile
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyproj
from geoalchemy2 import Geometry
from pyproj.exceptions import CRSError

from geo.db.layer_frames import LEVELS
from geo.errors import InputError
from geo.model import Base

_DTYPES: dict[type, pd.api.extensions.ExtensionDtype] = {
    bool: pd.BooleanDtype(),
    int: pd.Int64Dtype(),
    float: pd.Float64Dtype(),
    str: pd.StringDtype(),
}

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON"}


def write_layer(frame: gpd.GeoDataFrame, layer: str, file: Path, crs: str | None = None) -> None:
    """Write a layer to a file, which is replaced only when all is written.

    Parameters
    ----------
    frame
        Features of the layer.
    layer
        Name of the layer in the file.
    file
        Path ending in ``.gpkg``, ``.geojson`` or ``.json``.
    crs
        Coordinate system; by default that of the frame. GeoJSON without one is in longitude and
        latitude of WGS 84 (RFC 7946, section 4), which equals CGCS2000 within decimetres.

    Raises
    ------
    InputError
        If the suffix or the system is unknown, the layer is empty, or the file can't be written.
    """
    check_export_file(file)
    if frame.empty:
        raise InputError("export_empty", layer=layer)
    _write({layer: _transform(frame, crs)}, file)


def write_layers(layers: Mapping[str, gpd.GeoDataFrame], file: Path) -> None:
    """Write layers to a GeoPackage, or the first of them to a GeoJSON file.

    Parameters
    ----------
    layers
        Features by the name of their layer; GeoJSON has one layer a file.

    Raises
    ------
    InputError
        If the suffix is unknown, or the file can't be written.
    """
    check_export_file(file)
    is_single = DRIVERS[file.suffix.lower()] == "GeoJSON"
    _write(dict(islice(layers.items(), 1 if is_single else None)), file)


def check_export_file(file: Path) -> None:
    """Raise an error unless layers can be written to a file of this name.

    Raises
    ------
    InputError
        If the suffix is unknown.
    """
    if file.suffix.lower() not in DRIVERS:
        raise InputError("export_format", file=file, formats=", ".join(DRIVERS))


def _write(layers: Mapping[str, gpd.GeoDataFrame], file: Path) -> None:
    driver = DRIVERS[file.suffix.lower()]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".gridatlas-") as folder:
            part = Path(folder) / f"layer{file.suffix.lower()}"
            for layer, frame in layers.items():
                _cast_columns(frame, layer).to_file(
                    part,
                    layer=layer,
                    driver=driver,
                    engine="pyogrio",
                    mode="a" if part.exists() else "w",
                )
            part.replace(file)
    except OSError as error:
        raise InputError("export_unwritable", file=file, said=error.strerror or error) from error


def _transform(frame: gpd.GeoDataFrame, crs: str | None) -> gpd.GeoDataFrame:
    if crs is None:
        return frame
    try:
        system = pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError("unknown_crs", crs=crs) from error
    return frame.to_crs(system)


def _cast_columns(frame: gpd.GeoDataFrame, layer: str) -> gpd.GeoDataFrame:
    """Return the frame with the column types of the table.

    Otherwise an empty column would have no type, and a boolean one with gaps would become text.
    """
    typed = frame.copy()
    for name, kind in _python_types(layer).items():
        if name in typed.columns:
            typed[name] = _cast_column(typed[name], kind)
    return typed


def _python_types(layer: str) -> dict[str, type]:
    """Return the types of a layer's columns; grids have the columns of their plan too."""
    tables = {"grid": ("grid_plan", "grid")}.get(layer, ("region" if layer in LEVELS else layer,))
    return {
        column.name: column.type.python_type
        for table in tables
        if table in Base.metadata.tables  # results of checks have none
        for column in Base.metadata.tables[table].columns
        if not isinstance(column.type, Geometry)
    }


def _cast_column(column: pd.Series, kind: type) -> pd.Series:
    if kind is datetime:
        return pd.to_datetime(column, utc=True)
    return column.astype(_DTYPES[kind]) if kind in _DTYPES else column
