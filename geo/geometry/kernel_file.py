"""The stored machine code of the kernels: ``python -m geo.geometry.kernel_file`` builds it.

There is a file for all drawings and one for proofs. A file belongs to one state of the sources, one
version of Python and of the compiler, and one kind of processor: its name and its first line say
which, its second line is the digest of the rest. A file that does not match is not used. Without a
usable file one process compiles, in processes of their own, and the others wait for it.
"""

import fcntl
import hashlib
import os
import pickle
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

from geo.messages import text

Group = Literal["draw", "proof"]
"""The kernels of all drawings, and those of proofs."""

_GEO = Path(__file__).parents[1]
_FOLDERS = (_GEO / "geometry", _GEO / "partition")
_IMPORT = re.compile(rb"^(?:from|import) (geo[\w.]*)", re.MULTILINE)
_COMPILER = ("numba", "llvmlite", "numpy")
_BUILDER = "geo.partition.kernel_build"
_IS_BUILDER = "GRIDATLAS_BUILDS_KERNELS"


def load_or_build(group: Group) -> dict[str, bytes]:
    """Return the machine code of kernels by name and signature, building it if need be.

    Where it can neither be found nor stored, or can't be built, the result is empty: each process
    then compiles what it calls.
    """
    if _IS_BUILDER in os.environ:
        return {}
    files = places(group)
    for file in files:
        if (code := read(file)) is not None:
            return code
    for file in files:
        if _can_write(file.parent):
            _build_kernels(group, file)
            return read(file) or {}
    _print_notice("kernels.not_stored")
    return {}


def read(file: Path) -> dict[str, bytes] | None:
    """Return the machine code in a file; None if it is missing, damaged or of other sources."""
    try:
        belongs, digest, code = file.read_bytes().split(b"\n", 2)
    except (OSError, ValueError):
        return None
    if belongs != _identity().encode() or digest != _digest(code).encode():
        return None
    # As trusted as the sources: who may write to the one folder may write to the other.
    stored: dict[str, bytes] = pickle.loads(code)  # noqa: S301
    return stored


def write(file: Path, kernels: dict[str, bytes]) -> None:
    """Write machine code to a file as a whole, and remove files that it replaces."""
    code = pickle.dumps(kernels)
    head = f"{_identity()}\n{_digest(code)}\n".encode()
    with tempfile.TemporaryDirectory(prefix=".kernels-", dir=file.parent) as folder:
        new = Path(folder) / file.name
        new.write_bytes(head + code)
        new.replace(file)
    for other in file.parent.glob(f"{file.stem.rpartition('-')[0]}-*{file.suffix}"):
        if other != file:
            other.unlink(missing_ok=True)


def places(group: Group) -> list[Path]:
    """Return the places of a file: beside the sources or, if these are read-only, in the home."""
    from geo.settings import settings

    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(chosen)] if chosen else []
    name = f"{group}-{_platform()}-{_digest(_identity().encode())[:12]}.kernels"
    folders += [_GEO / "compiled", settings().home.absolute() / "cache"]
    return [folder / name for folder in folders]


def _platform() -> str:
    """Return the version of Python and the architecture: cpython-311-x86_64-linux-gnu."""
    return str(sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag)


@cache
def _identity() -> str:
    """Return what a file must have been built from, as one line."""
    numba_settings = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if name.startswith("NUMBA_") and name != "NUMBA_CACHE_DIR"
    )
    compiler = [f"{name} {version(name)}" for name in _COMPILER]
    return ", ".join([f"sources {_source_digest()}", _platform(), *compiler, *numba_settings])


def _source_digest() -> str:
    """Return a digest of the modules with compiled functions and of all that these import."""
    files = [file for folder in _FOLDERS for file in folder.rglob("*.py")]
    queue = [file for file in files if b"\n@kernel(" in file.read_bytes()]
    sources = {_BUILDER: _GEO.parent.joinpath(*_BUILDER.split(".")).with_suffix(".py").read_bytes()}
    while queue:
        file = queue.pop()
        name = file.relative_to(_GEO).as_posix()
        if name in sources:
            continue
        sources[name] = file.read_bytes()
        for module in _IMPORT.findall(sources[name]):
            stem = _GEO.parent.joinpath(*module.decode().split("."))
            queue += filter(Path.is_file, (stem.with_suffix(".py"), stem / "__init__.py"))
    return _digest(repr(sorted(sources.items())).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _build_kernels(group: Group, file: Path) -> None:
    """Compile the kernels in a process of their own, unless another process has just done so."""
    with _lock(file.with_name(f"{group}.lock")) as lock:
        if read(file) is not None:
            return
        _print_notice(f"kernels.compiling_{group}")
        environment = os.environ | {_IS_BUILDER: "1"}
        search_path = [os.fspath(_GEO.parent), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, search_path))
        command = [sys.executable, "-m", _BUILDER, group, os.fspath(file)]
        done = subprocess.run(
            command, env=environment, stderr=subprocess.PIPE, check=False, pass_fds=[lock]
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["-"]
            _print_notice("kernels.failed", reason=lines[-1])


@contextmanager
def _lock(file: Path) -> Iterator[int]:
    """Hold a file lock, which ends with this process and the one that compiles."""
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _print_notice(key: str, reason: str = "") -> None:
    """Write a line for the person who waits."""
    with suppress(OSError, UnicodeError):
        print(text(key, reason=reason), file=sys.stderr or None, flush=True)


if __name__ == "__main__":
    with ThreadPoolExecutor() as threads:
        list(threads.map(load_or_build, get_args(Group)))
