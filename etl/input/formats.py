"""Formats of delivered files: suffix, driver, signature, and which files belong together."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from geo.errors import InputError

DRIVERS = {
    ".shp": "ESRI Shapefile",
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".gdb": "OpenFileGDB",
    ".kml": "LIBKML",
    ".dxf": "DXF",
}
"""The one driver of GDAL's that may open a suffix."""

VECTOR_SUFFIXES = tuple(DRIVERS)
TABLE_SUFFIXES = (".csv", ".xlsx", ".parquet")
DATASET_SUFFIXES = (*VECTOR_SUFFIXES, *TABLE_SUFFIXES, ".zip")
POLYGON_SUFFIXES = (".shp", ".gpkg", ".geojson", ".json", ".kml")
"""What is read as polygons of communities or grids."""

GEOMETRY_COLUMN = "gridatlas geometry"
"""Column with the geometry, as well-known binary, of every table that is read and has one."""

_HEAD_BYTES = 4096
_BLANK = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"  # byte order marks, and what UTF-16 puts between letters
_XML_CHUNK_BYTES = 2**20
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")

_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    ".shp": lambda head: head.startswith(b"\x00\x00\x27\x0a"),
    ".gpkg": lambda head: head.startswith(b"SQLite format 3\0"),
    ".geojson": lambda head: head.lstrip(_BLANK).startswith(b"{"),
    ".json": lambda head: head.lstrip(_BLANK).startswith(b"{"),
    ".kml": lambda head: head.lstrip(_BLANK).startswith(b"<"),
    ".dxf": lambda head: re.match(rb"\s*(0|999)\s*\n", head.lstrip(_BLANK)) is not None,
    ".pbf": lambda head: b"OSMHeader" in head[:64],
    ".xlsx": lambda head: head.startswith(b"PK\x03\x04"),
    ".parquet": lambda head: head.startswith(b"PAR1"),
}
"""How a file of a suffix begins; an archive is checked by whoever unpacks it, a CSV has no sign."""


def check_file(path: Path, *suffixes: str) -> Path:
    """Return a file that exists, is not empty, and begins as its suffix says.

    Raises
    ------
    InputError
        If it is missing, a folder, empty, has no suffix that is read here, begins otherwise than
        its suffix says, or a file that belongs to it is a link that leads out of its folder.
        Virtual paths of GDAL's and addresses are no files.
    """
    suffixes = suffixes or POLYGON_SUFFIXES
    try:
        exists = path.exists()
    except OSError:  # a name too long for the system, or one in a closed folder
        exists = False
    if not exists:
        raise InputError("file_missing", file=path)
    if path.is_dir():
        raise InputError("file_is_folder", file=path)
    if path.suffix.lower() not in suffixes:
        raise InputError("file_format", file=path, formats=", ".join(suffixes))
    if path.stat().st_size == 0:
        raise InputError("file_empty", file=path)
    check_content(path)
    return path


def check_content(path: Path) -> None:
    """Refuse a data set that begins otherwise than its suffix says, or leads elsewhere.

    Raises
    ------
    InputError
        If a signature or a link is wrong, or XML declares entities.
    """
    suffix = path.suffix.lower()
    if not path.is_dir() and suffix in _SIGNATURES:
        with path.open("rb") as file:
            if not _SIGNATURES[suffix](file.read(_HEAD_BYTES)):
                raise InputError("file_unreadable", file=path, format=path.suffix)
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    for part in dataset_files(path.resolve()):
        if not part.resolve().is_relative_to(folder):
            raise InputError("file_outside", file=part, folder=folder)
    if suffix == ".kml":
        _refuse_declarations(path)


def dataset_files(path: Path) -> Iterator[Path]:
    """Yield a data set and all that belongs to it: parts of a folder, a shapefile, a GeoPackage."""
    yield path
    if path.is_dir():
        yield from path.rglob("*")
    elif path.suffix.lower() == ".shp":
        yield from (one for one in path.parent.iterdir() if one.stem == path.stem and one != path)
    elif path.suffix.lower() == ".gpkg":
        beside = (path.with_name(f"{path.name}-{end}") for end in ("wal", "shm", "journal"))
        yield from (one for one in beside if one.exists())


def _refuse_declarations(path: Path) -> None:
    """Refuse XML that declares entities, which a reader would expand; no KML needs any."""
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_XML_CHUNK_BYTES):
            seen = (tail + chunk).replace(b"\0", b"")  # UTF-16 too
            if any(word in seen.upper() for word in _DECLARATIONS):
                raise InputError("xml_entities", file=path)
            tail = chunk[-32:]
