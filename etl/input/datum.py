"""The transformation from the datum of a file to that of the storage system.

EPSG publishes none from Xian 1980 or Beijing 1954 to CGCS2000 (their parameters are kept by
surveying offices); PROJ then takes the degrees as they are, some 100 m off. A mapping can give the
seven parameters, a grid file, or a whole pipeline.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import AreaOfInterest, TransformerGroup

from geo import crs as systems
from geo.errors import InputError
from geo.types import Floats

Shift = Callable[[Floats], Floats]

GRID_SUFFIXES = (".gsb", ".tif", ".tiff", ".gtx")

_WGS84 = "EPSG:4326"
"""Equal to the storage system within decimetres; EPSG has more transformations to it."""

_AXIS_M, _INVERSE_FLATTENING = 6_378_137.0, 298.2572
"""Of WGS 84, GRS 80 and CGCS2000: datums on them agree within a metre or two."""


@dataclass(frozen=True)
class Conversion:
    """How coordinates of a system become degrees of the storage system.

    Attributes
    ----------
    convert
        Returns (n, 2) longitude and latitude of (n, 2) east and north; None if nothing changes.
    is_accurate
        Whether the transformation between the datums is known.
    """

    convert: Shift | None
    is_accurate: bool = True


def find_conversion(
    crs: pyproj.CRS, transformation: str | None = None, area: Floats | None = None
) -> Conversion:
    """Return how coordinates of a system become degrees of the storage system.

    Parameters
    ----------
    crs
        System of the coordinates.
    transformation
        Operation of PROJ or grid file of a mapping, None for a published transformation.
    area
        West, south, east and north in degrees, shape (n, 4), float64, for which published
        transformations are chosen. Without it one of another place may be taken.

    Raises
    ------
    InputError
        If the transformation of the mapping can't be used.
    """
    if transformation:
        return Conversion(_conversion_of_mapping(crs, transformation))
    if crs == pyproj.CRS(systems.STORAGE):
        return Conversion(None)
    if _is_geocentric(crs):
        return Conversion(_shift_by(pyproj.Transformer.from_crs(crs, systems.STORAGE, True)))
    published = _published_transformer(crs, area)
    if published is not None:
        return Conversion(_shift_by(published))
    return Conversion(
        _shift_by(pyproj.Transformer.from_crs(crs, systems.STORAGE, always_xy=True)),
        is_accurate=False,
    )


def has_other_datum(crs: pyproj.CRS) -> bool:
    """Return whether a transformation leads from the datum of a system to the storage system."""
    return not _is_geocentric(crs)


def rough_bounds(crs: pyproj.CRS, points: Floats) -> Floats | None:
    """Return the bounds of points in degrees of their own datum; None if they are off the globe.

    Parameters
    ----------
    points
        (n, 2) coordinates, east and north.

    Returns
    -------
    float64 array of shape (1, 4) or None
        West, south, east, north.
    """
    if crs.geodetic_crs is None or len(points) == 0:
        return None
    to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs.to_2d(), always_xy=True)
    lonlat = np.column_stack(to_degrees.transform(*points.T))
    with np.errstate(invalid="ignore"):
        lonlat = lonlat[(np.abs(lonlat) <= [180.0, 90.0]).all(axis=1)]
    if len(lonlat) == 0:
        return None
    return np.concatenate([lonlat.min(axis=0), lonlat.max(axis=0)])[np.newaxis]


def _shift_by(transformer: pyproj.Transformer) -> Shift:
    def transform(xy: Floats) -> Floats:
        moved = np.column_stack(transformer.transform(*xy.T))
        return np.where(np.isnan(moved), np.inf, moved)  # of NaN no ring can be closed

    return transform


def _is_geocentric(crs: pyproj.CRS) -> bool:
    """Return whether the datum of a system agrees with the storage system within metres."""
    ellipsoid = crs.ellipsoid
    return (
        not crs.is_bound
        and ellipsoid is not None
        and abs(ellipsoid.semi_major_metre - _AXIS_M) < 0.01
        and abs(ellipsoid.inverse_flattening - _INVERSE_FLATTENING) < 0.001
    )


def _published_transformer(crs: pyproj.CRS, area: Floats | None) -> pyproj.Transformer | None:
    """Return a transformation of known accuracy that the system itself or EPSG gives."""
    if crs.is_bound:
        operation = crs.coordinate_operation
        has_values = operation is not None and any(p.value for p in operation.params)
        if has_values or (crs.source_crs is not None and _is_geocentric(crs.source_crs)):
            return pyproj.Transformer.from_crs(crs, _WGS84, always_xy=True)
        return None
    box = None
    if area is not None:
        box = AreaOfInterest(*area[:, :2].min(axis=0), *area[:, 2:].max(axis=0))
    group = TransformerGroup(crs, _WGS84, always_xy=True, area_of_interest=box)
    best = group.transformers[0] if group.transformers else None
    is_known = best is not None and best.accuracy is not None and best.accuracy >= 0
    return best if is_known else None


def _conversion_of_mapping(crs: pyproj.CRS, transformation: str) -> Shift:
    """Return the conversion by the transformation of a mapping.

    A pipeline leads from the coordinates of the file to degrees. A grid or another operation leads
    from the datum of the file to CGCS2000, in degrees or in geocentric coordinates.

    Raises
    ------
    InputError
        If the transformation is unknown, or the system has no datum to transform.
    """
    geodetic = crs.geodetic_crs
    try:
        if "+proj=pipeline" in transformation.replace(" =", "="):
            return _shift_by(pyproj.Transformer.from_pipeline(transformation))
        if geodetic is None or geodetic.ellipsoid is None:
            raise InputError("transformation_without_datum", crs=crs.name)
        to_datum = pyproj.Transformer.from_crs(crs, geodetic.to_2d(), always_xy=True)
        pipeline = _pipeline(transformation, geodetic.ellipsoid)
        between = pyproj.Transformer.from_pipeline(pipeline)
    except (ProjError, CRSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise InputError("transformation_wrong", value=transformation, said=reason) from error
    first, second = _shift_by(to_datum), _shift_by(between)
    return lambda xy: second(first(xy))


def _pipeline(transformation: str, ellipsoid: Any) -> str:
    """Return the pipeline in degrees between a datum and CGCS2000."""
    to_radians = "+step +proj=unitconvert +xy_in=deg +xy_out=rad"
    to_degrees = "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    if transformation.lower().endswith(GRID_SUFFIXES):
        if not Path(transformation).is_file():
            raise InputError("grid_missing", file=transformation)
        steps = f'+step +proj=hgridshift +grids="{Path(transformation).resolve()}"'
    else:
        shape = f"+a={ellipsoid.semi_major_metre} +rf={ellipsoid.inverse_flattening}"
        steps = (
            f"+step +proj=cart {shape} +step {transformation} +step +inv +proj=cart +ellps=GRS80"
        )
    return f"+proj=pipeline {to_radians} {steps} {to_degrees}"
