"""Layers as files that other programs open."""

import tempfile
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyproj
from pyproj.exceptions import CRSError

from geo.errors import InputError

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
    placed = _placed(frame, crs)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".gridatlas-") as folder:
            whole = Path(folder) / f"layer{file.suffix.lower()}"
            _plain(placed).to_file(whole, layer=layer, driver=driver, engine="pyogrio")
            whole.replace(file)
    except OSError as error:
        raise InputError("export_unwritable", file=file, said=error.strerror or error) from error


def _placed(frame: gpd.GeoDataFrame, crs: str | None) -> gpd.GeoDataFrame:
    if crs is None:
        return frame
    try:
        system = pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError("unknown_crs", crs=crs) from error
    return frame.to_crs(system)


def _plain(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the frame without what files of this kind can't hold: columns with nothing in them."""
    empty = [name for name in frame.columns if name != "geom" and frame[name].isna().all()]
    plain = frame.drop(columns=empty)
    for name in plain.columns.drop("geom"):
        if isinstance(plain[name].dtype, pd.DatetimeTZDtype):
            plain[name] = plain[name].dt.tz_convert("UTC")
    return plain
