"""Layers as files that other programs open."""

import tempfile
from datetime import datetime
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
    """Write a layer in one piece: the file is there whole, or as it was.

    Parameters
    ----------
    frame
        The layer.
    layer
        Its name in the file.
    file
        Ends in ``.gpkg`` or ``.geojson``.
    crs
        System of the coordinates; by default the frame's. GeoJSON without it is WGS 84 in
        longitude and latitude (RFC 7946, section 4), to which CGCS2000 is equal within
        decimetres.

    Raises
    ------
    InputError
        If the ending or the system is unknown, the layer is empty, or the file can't be written.
    """
    if file.suffix.lower() not in DRIVERS:
        raise InputError("export_format", file=file, formats=", ".join(DRIVERS))
    if frame.empty:
        raise InputError("export_empty", layer=layer)
    driver = DRIVERS[file.suffix.lower()]
    placed = _transform(frame, crs)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".gridatlas-") as folder:
            whole = Path(folder) / f"layer{file.suffix.lower()}"
            _cast_columns(placed, layer).to_file(
                whole, layer=layer, driver=driver, engine="pyogrio"
            )
            whole.replace(file)
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
    """Return the frame with the kinds of the layer's columns, whatever they happen to hold.

    A frame knows no kind of a column that is empty, and holds yes and no with gaps as objects,
    which a file would get as text.
    """
    typed = frame.copy()
    for name, kind in _kinds(layer).items():
        if name in typed.columns:
            typed[name] = _column(typed[name], kind)
    return typed


def _kinds(layer: str) -> dict[str, type]:
    """Return what a layer's columns hold; a grid is told with its plan."""
    tables = {"grid": ("grid_plan", "grid")}.get(layer, ("region" if layer in LEVELS else layer,))
    return {
        column.name: column.type.python_type
        for table in tables
        for column in Base.metadata.tables[table].columns
        if not isinstance(column.type, Geometry)
    }


def _column(column: pd.Series, kind: type) -> pd.Series:
    if kind is datetime:
        return pd.to_datetime(column, utc=True)
    return column.astype(_DTYPES[kind]) if kind in _DTYPES else column
