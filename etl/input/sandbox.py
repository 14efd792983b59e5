"""Read every delivered file in a process of its own that has access to nothing else.

A server process without threads has the libraries loaded. For each request it forks a child, which
confines itself to one data set (:mod:`etl.input.confinement`), removes all GDAL drivers but the one
for the suffix, and runs one task of :mod:`etl.input.format_readers`. Results come back as JSON and
Arrow, never pickled, so that a file which takes over the child can't take over the parent.
"""

import atexit
import ctypes
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa

from etl.input.formats import DRIVERS, SEQUENCE_SUFFIXES, dataset_files, is_logged
from geo.errors import GridatlasError, InputError

_VALUE, _TABLE, _ERROR, _END = b"V", b"T", b"E", b"Z"
_MAX_MESSAGE_BYTES = 2**31 - 1
_MISREAD = re.compile(r"[!;?#:*]")
"""Characters for which pyogrio takes a path for a URL or an archive."""


def run_task(path: Path, task: str, **arguments: Any) -> Any:
    """Return the result of a task of :mod:`etl.input.format_readers` on a data set.

    Raises
    ------
    InputError
        If the task refuses the data set or exceeds the limits.
    """
    with _request(path, task, arguments) as messages:
        return next(json.loads(content) for kind, content in messages if kind == _VALUE)


def stream_task(path: Path, task: str, **arguments: Any) -> Iterator[pa.Table]:
    """Yield the tables that a task of :mod:`etl.input.format_readers` reads from a data set.

    Raises
    ------
    InputError
        If the task refuses the data set or exceeds the limits.
    """
    with _request(path, task, arguments) as messages:
        for kind, content in messages:
            if kind == _TABLE:
                with pa.ipc.open_stream(content) as reader:
                    table = reader.read_all()
                table.validate(full=True)
                yield table


@contextmanager
def _request(
    path: Path, task: str, arguments: dict[str, Any]
) -> Iterator[Iterator[tuple[bytes, bytes]]]:
    with (
        tempfile.TemporaryDirectory(prefix="gridatlas-read-") as scratch,
        closing(_connect()) as connection,
    ):
        request = {
            "path": str(path.resolve()),
            "task": task,
            "arguments": arguments,
            "scratch": scratch,
        }
        connection.send_bytes(json.dumps(request).encode())
        yield _messages(connection, path)


def _messages(connection: Connection, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield the messages of a child until its end message."""
    try:
        while (kind := connection.recv_bytes(1)) != _END:
            content = connection.recv_bytes(_MAX_MESSAGE_BYTES)
            if kind == _ERROR:
                key, values = json.loads(content)
                raise InputError(key, **(values | {"file": path}))
            yield kind, content
    except (EOFError, OSError) as error:
        raise InputError("file_beyond_limits", file=path) from error


class _Server:
    """The process that forks readers as long as this process runs."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._control, theirs = socket.socketpair()
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "etl.input.sandbox", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": paths},
            )
        atexit.register(self.close)

    def connect(self) -> Connection:
        """Return our end of a pipe to a new child."""
        ours, theirs = Pipe()
        with theirs:
            try:
                socket.send_fds(self._control, [b"c"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        """Close the connection; wait for the server if this process started it."""
        self._control.close()
        if self.owner == os.getpid():
            self._process.wait()


_server: _Server | None = None
_start_lock = threading.Lock()


def _connect() -> Connection:
    """Return a pipe to a new child; start the server if it does not run."""
    global _server
    with _start_lock:
        if _server is not None:
            with suppress(OSError):
                return _server.connect()
            _server.close()
            atexit.unregister(_server.close)
        _server = _Server()
        return _server.connect()


def _serve(control: socket.socket) -> None:
    """Fork a child for each pipe that is received, until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children leave no zombies
    while True:
        message, files, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            with suppress(BrokenPipeError), Connection(files[0]) as connection:
                _answer(connection)
            os._exit(0)
        os.close(files[0])


def _answer(connection: Connection) -> None:
    """Run one task, confined to its data set, and send the result."""
    from etl.input import format_readers

    request = json.loads(connection.recv_bytes())
    path, scratch = Path(request["path"]), Path(request["scratch"])
    try:
        task = format_readers.TASKS[request["task"]]
        result = task(_confine_to(path, scratch), **request["arguments"])
        if isinstance(result, Iterator):
            for table in result:
                _send(connection, _TABLE, _serialize(table))
        else:
            _send(connection, _VALUE, json.dumps(result).encode())
        connection.send_bytes(_END)
    except GridatlasError as error:
        values = {name: str(value) for name, value in error.values.items()}
        _send(connection, _ERROR, json.dumps([error.key, values]).encode())
    except MemoryError:
        _send(connection, _ERROR, json.dumps(["file_beyond_limits", {}]).encode())
    except BrokenPipeError:
        raise
    except Exception:  # for a file made to do harm, libraries raise anything
        refusal = ["file_unreadable", {"format": path.suffix}]
        _send(connection, _ERROR, json.dumps(refusal).encode())


def _confine_to(path: Path, scratch: Path) -> Path:
    """Confine this process to a data set; return the path that opens it."""
    from etl.input.confinement import confine
    from etl.input.json_sequence import collect_features, is_sequence
    from etl.input.kml import normalize_kml

    parts = [part for part in dataset_files(path) if part.is_file()]
    link = _copy_if_logged(path, parts, scratch) or _link_if_misread(path, parts, scratch)
    for variable in ("TMPDIR", "SQLITE_TMPDIR", "CPL_TMPDIR"):
        os.environ[variable] = str(scratch)
    tempfile.tempdir = str(scratch)
    _deregister_drivers_except(DRIVERS.get(path.suffix.lower()))
    size = sum(part.stat().st_size for part in parts)
    _discard_output()
    confine(size, [path] if path.is_dir() else parts, [scratch])
    suffix = path.suffix.lower()
    is_json = DRIVERS.get(suffix) == "GeoJSON"
    if suffix in SEQUENCE_SUFFIXES or (is_json and is_sequence(link)):
        return collect_features(link, scratch)
    return normalize_kml(link, scratch) if suffix == ".kml" else link


def _discard_output() -> None:
    """Discard what libraries print, because a file could choose the words."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream_number in (1, 2):
        os.dup2(nowhere, stream_number)
    os.close(nowhere)


def _copy_if_logged(path: Path, parts: list[Path], scratch: Path) -> Path | None:
    """Return a copy of a GeoPackage with a write-ahead log, None for any other file.

    SQLite reads such a log only in a folder where it can write, and merges it into the file.
    """
    if path.suffix.lower() != ".gpkg" or not is_logged(path):
        return None
    copy = scratch / "copy.gpkg"
    for part in parts:
        if not part.name.endswith("-shm"):
            shutil.copyfile(part, scratch / part.name.replace(path.name, copy.name, 1))
    return copy


def _link_if_misread(path: Path, parts: list[Path], scratch: Path) -> Path:
    """Return the path, or a link to it if pyogrio would take its name for a URL or an archive."""
    if not _MISREAD.search(str(path)):
        return path
    for part in {path, *(part for part in parts if part.parent == path.parent)}:
        (scratch / _MISREAD.sub("_", part.name)).symlink_to(part)
    return scratch / _MISREAD.sub("_", path.name)


def _deregister_drivers_except(driver: str | None) -> None:
    """Deregister all GDAL drivers but one, because pyogrio can't choose a driver on reading."""
    import pyogrio

    gdal = ctypes.CDLL(pyogrio._ogr.__file__)
    gdal.GDALGetDriverByName.restype = ctypes.c_void_p
    gdal.GDALDeregisterDriver.argtypes = [ctypes.c_void_p]
    for name in pyogrio.list_drivers():
        if name != driver:
            gdal.GDALDeregisterDriver(gdal.GDALGetDriverByName(name.encode()))


def _serialize(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _send(connection: Connection, kind: bytes, content: Any) -> None:
    connection.send_bytes(kind)
    connection.send_bytes(content)


def main() -> None:
    """Serve the process on the socket whose number is the argument."""
    # loaded once, before the first fork
    from etl.input import confinement, format_readers, json_sequence, kml  # noqa: F401

    logging.getLogger("pyogrio").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with socket.socket(fileno=int(sys.argv[1])) as control:
        _serve(control)


if __name__ == "__main__":
    main()
