"""Unpack untrusted zip archives: entries are checked first, and the unpacked size is limited."""

import glob
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
"""Deflate makes texts and coordinates 3 to 30 times smaller, a zip bomb some 1,000 times."""
_MIN_BOMB_BYTES = 10 * 2**20  # a small file of one repeated byte does no harm
_CHUNK_BYTES = 2**20
_UTF8_NAMES = 0x800  # flag of a zip entry whose name is in UTF-8


@contextmanager
def unpack(path: Path) -> Iterator[Path]:
    """Unpack an archive into a temporary folder, which is removed after the block.

    Raises
    ------
    InputError
        If it is damaged or no zip archive, has too many or too large files, is compressed too
        much or encrypted, or has a link or a path out of the folder.
    """
    with tempfile.TemporaryDirectory(prefix="gridatlas-zip-") as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack_into(folder, path, archive)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise InputError("zip_unreadable", file=path) from error
        yield folder


def _unpack_into(folder: Path, path: Path, archive: zipfile.ZipFile) -> None:
    budget = MAX_UNPACKED_BYTES
    for entry in check_entries(path, archive):
        target = folder / entry_name(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("wb") as copy:
            # The size in the header can be wrong, so the unpacked bytes are counted too.
            while chunk := source.read(_CHUNK_BYTES):
                budget -= len(chunk)
                if budget < 0:
                    raise InputError("zip_too_large", file=path, limit=MAX_UNPACKED_BYTES // 2**30)
                copy.write(chunk)


def check_entries(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive.

    Raises
    ------
    InputError
        If there are too many, they are too large, or one of them is harmful.
    """
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
    is_dense = entry.file_size > MAX_COMPRESSION_RATIO * max(entry.compress_size, 1)
    if is_dense and entry.file_size > _MIN_BOMB_BYTES:
        raise InputError("zip_bomb", file=path, name=name, ratio=MAX_COMPRESSION_RATIO)


def entry_name(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry; Chinese Windows writes it in GBK without declaring it."""
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAMES:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("gb18030")
    return name.replace("\\", "/")


LEGEND_ENDING = "_fields.csv"


def find_datasets(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of some suffixes and the FileGDB folders in an unpacked archive."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in suffixes
        and not any(parent.suffix.lower() == ".gdb" for parent in file.parents)
        and not _is_macos_metadata(file.relative_to(folder))
        and not _is_legend(file)
    ]


def _is_legend(file: Path) -> bool:
    """Return whether a table explains the short column names of an exported shapefile."""
    layer = file.name.removesuffix(LEGEND_ENDING)
    return layer != file.name and any(file.parent.glob(f"{glob.escape(layer)}*.shp"))


def _is_macos_metadata(file: Path) -> bool:
    """Return whether macOS added a file to the archive for itself."""
    return "__MACOSX" in file.parts or file.name.startswith("._")
