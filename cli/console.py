"""The terminal: its encoding, progress bars, one line for what went wrong."""

import codecs
import io
import locale
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from geo.errors import GridatlasError, InputError, SetupError
from geo.messages import text
from geo.progress import Progress as Report

_WIDTH = None if sys.stdout.isatty() else 120


class _StandardError(io.TextIOBase):
    """Standard error as it is now: a command goes on where nobody can be told how it goes."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return sys.stderr.encoding

    def write(self, content: str) -> int:
        """Write, unless it can't be written."""
        try:
            return sys.stderr.write(content)
        except OSError:
            _discard(sys.stderr)
            return len(content)

    def flush(self) -> None:
        """Write what is held back, unless it can't be written."""
        try:
            sys.stderr.flush()
        except OSError:
            _discard(sys.stderr)

    def isatty(self) -> bool:
        return sys.stderr.isatty()

    def fileno(self) -> int:
        return sys.stderr.fileno()


out = Console(soft_wrap=True, width=_WIDTH)
err = Console(file=cast(IO[str], _StandardError()), soft_wrap=True)


def start_in_utf8() -> None:
    """Read names of files as UTF-8 and write in the terminal's encoding, whatever the locale.

    GDAL, typst and PostgreSQL take names in UTF-8 in every locale, where Python follows the
    locale's: in another than UTF-8 (zh_CN.GBK) the process starts anew in Python's UTF-8 mode.

    Raises
    ------
    InputError
        If a file that is named, or the working directory, has a name that is not UTF-8.
    """
    if sys.getfilesystemencoding() != "utf-8":
        environment = os.environ | {"PYTHONUTF8": "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    terminal = codecs.lookup(locale.getencoding()).name
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                encoding="utf-8" if terminal == "ascii" else terminal, errors="backslashreplace"
            )
    sys.argv = [_decode(word, terminal) for word in sys.argv]
    for folder in (os.getcwd(), os.environ.get("GRIDATLAS_HOME", "")):  # noqa: PTH109
        _check_utf8(folder)


def _decode(word: str, terminal: str) -> str:
    """Return a word of the command line that was typed in the terminal's encoding."""
    if os.path.lexists(word):
        _check_utf8(word)
    try:
        word.encode()
    except UnicodeEncodeError:
        word = os.fsencode(word).decode(terminal, "surrogateescape")
        _check_utf8(word)
    return word


def _check_utf8(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python escapes the bytes that are not UTF-8
        raise InputError("name_not_utf8", name=name) from None


@contextmanager
def progress() -> Iterator[Report]:
    """Show a bar a step while the block runs; yields the function that moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(text(f"progress.{step}"), total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield report


@contextmanager
def best_effort() -> Iterator[None]:
    """Turn what can't be written into a warning: what was published before stays published.

    A command whose work is done ends with the exit code of that work, though the disk of its report
    is full or nobody reads its output.
    """
    try:
        yield
    except InputError as error:
        warn(str(error))
    except OSError as error:
        warn(_said(error))
        _discard(sys.stdout)
    except SystemExit:  # rich's answer to a reader that has left
        pass


def warn(message: str) -> None:
    """Print a warning."""
    err.print(f"[bold yellow]![/] {escape(message)}", highlight=False)


def _discard(stream: TextIO) -> None:
    """Drop what a stream still holds, which would fail again when the process ends."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _said(error: OSError) -> str:
    """Return the line about a file, or a stream, that the system refused."""
    where = text("cli.output") if error.filename is None else os.fspath(error.filename)
    return text("error.file_refused", file=where, said=error.strerror or error)


def run(main: Callable[[], object]) -> None:
    """Call the command line; a person's mistake, or a file that the system refuses,
    becomes one line and its exit code.
    """
    try:
        main()
    except GridatlasError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _discard(sys.stdout)
        _fail(_said(error), SetupError.exit_code)


def _fail(message: str, code: int) -> None:
    err.print(f"[bold red]✗[/] {escape(message)}", highlight=False)
    sys.exit(code)
