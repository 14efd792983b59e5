"""Formats of delivered files: suffix, GDAL driver, signature, and the files of a data set."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from geo.errors import InputError

DRIVERS = {
    ".shp": "ESRI Shapefile",
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".geojsonl": "GeoJSON",
    ".geojsons": "GeoJSON",
    ".ndjson": "GeoJSON",
    ".gdb": "OpenFileGDB",
    ".kml": "LIBKML",
    ".dxf": "DXF",
}
"""The only GDAL driver that may open a suffix."""

VECTOR_SUFFIXES = tuple(DRIVERS)
SEQUENCE_SUFFIXES = (".geojsonl", ".geojsons", ".ndjson")
"""GeoJSON with one feature a line or record, of which one collection is made for GDAL."""

ARCHIVE_SUFFIXES = (".zip", ".kmz")
TEXT_TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
"""Tables as text; spreadsheets save "Unicode text" as ``.txt``."""

TABLE_SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet")
"""Tables that are also read from an archive, in which a ``.txt`` is mostly a note."""

DATASET_SUFFIXES = (
    *(*VECTOR_SUFFIXES, *ARCHIVE_SUFFIXES),
    *(".csv", ".tsv", ".txt", ".xlsx", ".parquet"),
)
POLYGON_SUFFIXES = (
    *(".shp", ".gpkg", ".geojson", ".json", *SEQUENCE_SUFFIXES),
    *(".kml", ".kmz"),
)
"""Formats for polygons of communities, grids or plans."""

GEOMETRY_COLUMN = "gridatlas geometry"
"""Name of the column with the geometry, as well-known binary, in tables of the readers."""

KML_OWN_FIELDS = ("id", "Name", "description")
"""Fields that GDAL's LIBKML driver makes of every placemark."""

KML_STYLE_FIELDS = (
    *("timestamp", "begin", "end", "altitudeMode", "tessellate", "extrude", "visibility"),
    *("drawOrder", "icon"),
)
"""Fields that GDAL makes of every placemark; they describe how it is drawn."""

_HEAD_BYTES = 4096
_SQLITE_HEADER_BYTES = 100
_BLANKS = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"  # byte order marks, and the zero bytes of UTF-16
_XML_CHUNK_BYTES = 2**20
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")

_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    ".shp": lambda head: head.startswith(b"\x00\x00\x27\x0a"),
    ".gpkg": lambda head: head.startswith(b"SQLite format 3\0"),
    ".geojson": lambda head: head.lstrip(_BLANKS).startswith(b"{"),
    ".json": lambda head: head.lstrip(_BLANKS).startswith(b"{"),
    **dict.fromkeys(SEQUENCE_SUFFIXES, lambda head: head.lstrip(_BLANKS)[:1] in (b"{", b"\x1e")),
    ".kml": lambda head: head.lstrip(_BLANKS).startswith(b"<"),
    ".dxf": lambda head: re.match(rb"\s*(0|999)\s*\n", head.lstrip(_BLANKS)) is not None,
    ".pbf": lambda head: b"OSMHeader" in head[:64],
    ".xlsx": lambda head: head.startswith(b"PK\x03\x04"),
    ".parquet": lambda head: head.startswith(b"PAR1"),
}
"""Test of the first bytes by suffix; archives are checked on unpacking, CSV has no signature."""


def check_file(path: Path, *suffixes: str) -> Path:
    """Return the path of a file, if it exists and has the content that its suffix promises.

    Parameters
    ----------
    suffixes
        Accepted suffixes, by default :data:`POLYGON_SUFFIXES`.

    Raises
    ------
    InputError
        If it is missing, a folder, empty, of another suffix or signature, or if a file of the data
        set is a link out of its folder. GDAL's virtual paths and URLs count as missing.
    """
    suffixes = suffixes or POLYGON_SUFFIXES
    try:
        exists = path.exists()
    except OSError:  # the name is too long, or the folder is not accessible
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
    """Refuse a data set with the wrong signature, links out of its folder, or XML entities.

    Raises
    ------
    InputError
        With the reason.
    """
    suffix = path.suffix.lower()
    if not path.is_dir() and suffix in _SIGNATURES:
        with path.open("rb") as file:
            if not _SIGNATURES[suffix](file.read(_HEAD_BYTES)):
                raise InputError("file_unreadable", file=path, format=path.suffix)
    if suffix == ".shp":
        refuse_missing_part(path, ".shx")
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    for part in dataset_files(path.resolve()):
        if not part.resolve().is_relative_to(folder):
            raise InputError("file_outside", file=part, folder=folder)
    if suffix == ".kml":
        _refuse_declarations(path)


def refuse_missing_part(path: Path, suffix: str) -> None:
    """Refuse a shapefile without one of the files that belong to it.

    Raises
    ------
    InputError
        With the missing file.
    """
    if suffix not in {part.suffix.lower() for part in dataset_files(path)}:
        raise InputError("shapefile_part_missing", file=path, part=path.stem + suffix)


def dataset_files(path: Path) -> Iterator[Path]:
    """Yield the path of a data set and of all files that belong to it."""
    yield path
    if path.is_dir():
        yield from path.rglob("*")
    elif path.suffix.lower() == ".shp":
        yield from (
            file for file in path.parent.iterdir() if file.stem == path.stem and file != path
        )
    elif path.suffix.lower() == ".gpkg":
        logs = (path.with_name(f"{path.name}-{end}") for end in ("wal", "shm", "journal"))
        yield from (log for log in logs if log.exists())


def is_logged(path: Path) -> bool:
    """Return whether an SQLite file is in write-ahead mode (https://sqlite.org/fileformat.html)."""
    with path.open("rb") as file:
        return 2 in file.read(_SQLITE_HEADER_BYTES)[18:20]


def _refuse_declarations(path: Path) -> None:
    """Refuse XML that declares entities, which a parser would expand; KML needs none."""
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_XML_CHUNK_BYTES):
            text = (tail + chunk).replace(b"\0", b"").upper()  # of UTF-16 too
            if any(word in text for word in _DECLARATIONS):
                raise InputError("xml_entities", file=path)
            tail = chunk[-32:]
