"""``gridatlas`` in a process of its own, forked from one in which the libraries are loaded.

To start Python and to load them costs more than most commands do. Tests of the start itself, of
locales and of broken output start ``python -m cli.main``.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path
from typing import Any

from cli.main import main
from etl.input.source import layer_names

ROOT = Path(__file__).parents[1]
LIBRARIES = (
    *("etl.export", "etl.osm.reader", "etl.pipeline.run", "etl.runs.nightly", "etl.runs.report"),
    *("geo.db.backup", "geo.plans.batch", "geo.partition.draw", "maps.atlas.atlas"),
)
_MAX_REQUEST_BYTES = 2**17


def gridatlas(
    *words: str | Path, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command, in English unless the variables of its environment say otherwise."""
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": "en"} | variables
    arguments = list(map(os.fspath, words))
    request = {"arguments": arguments, "cwd": os.fspath(cwd or Path.cwd()), "env": environment}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        control = _server()
        files = [out.fileno(), err.fileno()]
        socket.send_fds(control, [json.dumps(request).encode()], files)
        status = int(control.recv(100))
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(
            arguments, status, out.read().decode(), err.read().decode()
        )


@cache
def _server() -> socket.socket:
    """Start the process that forks commands; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.command", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # A process with threads is not to fork.
            env=os.environ | {"PYTHONPATH": os.fspath(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            cwd=ROOT,
        )

    def close() -> None:
        ours.close()
        process.wait()

    atexit.register(close)
    return ours


def _serve(control: socket.socket) -> None:
    """Fork a child for each command and send its exit status, until the tests end."""
    for name in LIBRARIES:
        importlib.import_module(name)
    layer_names(ROOT / "data/samples/sample_s.gpkg")  # starts the process that reads for all
    gc.freeze()  # so that children copy less
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(control, _MAX_REQUEST_BYTES, 2)
        if not message:
            return
        child = os.fork()
        if child == 0:
            control.close()
            _become(json.loads(message), files)
            os._exit(_exit_status())  # without the second in which Python would free everything
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        control.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Make this process that of a command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for file, standard in zip(files, (1, 2), strict=True):
        os.dup2(file, standard)
        os.close(file)
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w", errors="backslashreplace")  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.argv = ["gridatlas", *request["arguments"]]


def _exit_status() -> int:
    """Run the command; return its exit status."""
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
