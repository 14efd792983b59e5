"""Zip archives from strangers: looked through before a byte is unpacked, and bounded while."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from geo.errors import InputError

MAX_UNPACKED_BYTES = 8 * 2**30
MAX_FILES = 2_000
MAX_COMPRESSION_RATIO = 200
"""Deflate makes texts and coordinates 3 to 30 times smaller; a bomb some 1,000 times."""
_RATIO_COUNTS_FROM = 10 * 2**20  # a small file of one repeated byte harms nobody
_CHUNK = 2**20
_UTF8_NAMES = 0x800  # flag of a zip entry whose name is in UTF-8


@contextmanager
def unpack(path: Path) -> Iterator[Path]:
    """Unpack an archive into a folder of its own, which is gone after the block.

    Raises
    ------
    InputError
        If it is no zip archive or cut off, too large, too dense, of too many files, encrypted, or
        names a path outside the folder or a link.
    """
    with tempfile.TemporaryDirectory(prefix="gridatlas-zip-") as folder:
        place = Path(folder)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(path, archive, place)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise InputError("zip_unreadable", file=path) from error
        yield place


def _unpack(path: Path, archive: zipfile.ZipFile, place: Path) -> None:
    entries = check_entries(path, archive)
    budget = MAX_UNPACKED_BYTES
    for entry in entries:
        target = place / entry_name(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("wb") as copy:
            # A header can lie about the size: what comes out is counted too.
            while chunk := source.read(_CHUNK):
                budget -= len(chunk)
                if budget < 0:
                    raise InputError("zip_too_large", file=path, limit=MAX_UNPACKED_BYTES // 2**30)
                copy.write(chunk)


def check_entries(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive, if all of it is harmless."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_FILES:
        raise InputError("zip_too_many", file=path, count=len(entries), limit=MAX_FILES)
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise InputError("zip_too_large", file=path, limit=MAX_UNPACKED_BYTES // 2**30)
    for entry in entries:
        _refuse_harmful(path, entry)
    return entries


def _refuse_harmful(path: Path, entry: zipfile.ZipInfo) -> None:
    name = entry_name(entry)
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or ":" in name.split("/")[0] or "\0" in name:
        raise InputError("zip_path", file=path, name=name)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise InputError("zip_link", file=path, name=name)
    if entry.flag_bits & 1:
        raise InputError("zip_encrypted", file=path)
    dense = entry.file_size > MAX_COMPRESSION_RATIO * max(entry.compress_size, 1)
    if dense and entry.file_size > _RATIO_COUNTS_FROM:
        raise InputError("zip_bomb", file=path, name=name, ratio=MAX_COMPRESSION_RATIO)


def entry_name(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry; Chinese Windows writes it in GBK without saying so."""
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAMES:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("gb18030")
    return name.replace("\\", "/")


def find_datasets(place: Path, endings: tuple[str, ...]) -> list[Path]:
    """Return the data sets in an unpacked archive: files with some endings, and FileGDB folders."""
    found = []
    for file in sorted(place.rglob("*")):
        inside_gdb = any(parent.suffix.lower() == ".gdb" for parent in file.parents)
        if file.suffix.lower() in endings and not inside_gdb and not _is_shadow(file, place):
            found.append(file)
    return found


def _is_shadow(file: Path, place: Path) -> bool:
    """Return whether a file is what macOS puts beside the real ones."""
    relative = file.relative_to(place)
    return "__MACOSX" in relative.parts or file.name.startswith("._")


def copy_of(path: Path, folder: Path) -> Path:
    """Return a private copy of a file."""
    return Path(shutil.copy2(path, folder))
