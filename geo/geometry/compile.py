"""Options of functions compiled by Numba, and the cache of their machine code."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numba

from geo.settings import settings as configuration


def _set_cache(*folders: Path) -> bool:
    """Let Numba reuse machine code of the same sources only; return whether it can be stored.

    Numba checks the file of a function, not the files of the functions that it calls: after a
    change in one file, machine code of two versions would run together. So the name of the cache
    folder contains a digest of all sources with compiled functions. The folder lies beside the
    sources, or in the installation's home where they are read-only (a package of the system);
    where neither can be written to, each process compiles by itself.
    """
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    sources = [file.read_bytes() for file in files]
    digest = hashlib.sha256(b"".join(source for source in sources if b"njit" in source))
    settings: Any = numba.config
    name = f"compiled-{digest.hexdigest()[:12]}"
    chosen = [Path(settings.CACHE_DIR)] if settings.CACHE_DIR else []
    for parent in (*chosen, folders[0] / "__pycache__", configuration().home.absolute() / "cache"):
        if _can_write(parent / name):
            settings.CACHE_DIR = os.fspath(parent / name)
            return True
    return False


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


_GEO = Path(__file__).parents[1]
_HAS_CACHE = _set_cache(_GEO / "partition", _GEO / "geometry")

COMPILED: dict[str, Any] = {"cache": _HAS_CACHE, "nogil": True, "error_model": "numpy"}
"""Options of functions that allocate arrays; ``nogil`` lets other threads run meanwhile."""

INLINED: dict[str, Any] = {**COMPILED, "_nrt": False, "forceinline": True}
"""Options of functions that allocate nothing: without reference counts on every array that is
passed on, a move takes a sixth of the time (0.28 against 1.7 microseconds)."""
