"""Temporary files on a disk that may be full."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geo.errors import DiskFullError

MIN_FREE_BYTES = 65_536
"""With less free space a file is taken to be truncated: GDAL's drivers do not always report it."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error of the operating system says that a disk or quota is full."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def require_room(folder: Path) -> Iterator[None]:
    """Raise if files that the block writes into a folder may be truncated by a full disk.

    Raises
    ------
    DiskFullError
        If the system reports a full disk, or less than :data:`MIN_FREE_BYTES` is free afterwards.
    """
    try:
        yield
    except Exception as error:
        if is_disk_full(error) or _is_full(folder):
            raise DiskFullError("disk_full", place=folder.parent) from error
        raise
    if _is_full(folder):
        raise DiskFullError("disk_full", place=folder.parent)


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < MIN_FREE_BYTES
