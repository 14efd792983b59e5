"""Coordinate systems in which the API reads and writes data, by their names in the standards."""

import re
from functools import cache

import pyproj

from geo.errors import InputError

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"

EPSG_BY_URI: dict[str, int] = {CRS84: 4326} | {
    f"{_EPSG}{code}": code for code in (4490, 4326, 4546, 3857)
}
"""EPSG code by URI (OGC API Features part 2 names systems by URI)."""

STORAGE = f"{_EPSG}4490"

SAME_AS_STORAGE = {4326, 4490}
"""EPSG codes of systems equal to CGCS2000 here: EPSG's transformation between them is null."""


def crs_uri(name: str) -> str:
    """Return the URI of a system: ``EPSG:4546``, ``CRS84``, ``4490`` or the URI itself.

    Raises
    ------
    InputError
        If the system is not offered.
    """
    name = name.strip().strip("[]")
    if name.upper() in {"CRS84", "OGC:CRS84"}:
        return CRS84
    code = re.fullmatch(r"(?:EPSG:)?([0-9]{4,6})", name, re.IGNORECASE)
    uri = f"{_EPSG}{code.group(1)}" if code else name
    if uri not in EPSG_BY_URI:
        offered = ", ".join(["CRS84", *(f"EPSG:{c}" for c in sorted(set(EPSG_BY_URI.values())))])
        raise InputError("crs_not_offered", crs=name[:100], offered=offered)
    return uri


@cache
def is_northing_first(uri: str) -> bool:
    """Return whether the first axis of a system points north by its definition."""
    if uri == CRS84:
        return False
    return bool(pyproj.CRS.from_epsg(EPSG_BY_URI[uri]).axis_info[0].direction == "north")


def is_in_degrees(uri: str) -> bool:
    """Return whether the axes of a system are longitude and latitude."""
    return EPSG_BY_URI[uri] in SAME_AS_STORAGE
