"""The terminal: encoding, progress bars, warnings and error lines."""

import codecs
import io
import locale
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from geo.errors import GridatlasError, GridatlasWarning, InputError, SetupError
from geo.messages import Language, text
from geo.progress import Progress as Report

_WIDTH = None if sys.stdout.isatty() else 120


class _StandardError(io.TextIOBase):
    """The current standard error; a command goes on if writing to it fails."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return sys.stderr.encoding

    def write(self, content: str) -> int:
        """Write the content; ignore an error."""
        try:
            return sys.stderr.write(content)
        except OSError:
            _discard(sys.stderr)
            return len(content)

    def flush(self) -> None:
        """Write the buffered content; ignore an error."""
        try:
            sys.stderr.flush()
        except OSError:
            _discard(sys.stderr)

    def isatty(self) -> bool:
        return sys.stderr.isatty()

    def fileno(self) -> int:
        return sys.stderr.fileno()


out = Console(soft_wrap=True, width=_WIDTH, markup=False, highlight=False)
err = Console(file=cast(IO[str], _StandardError()), soft_wrap=True, markup=False, highlight=False)
"""Markup is off: names of files and features may have square brackets."""


def print_text(key: str, /, *, lang: Language | None = None, **values: object) -> None:
    """Print a text of the catalogues."""
    out.print(text(key, lang=lang, **values))


def start_in_utf8() -> None:
    """Use UTF-8 for file names and the terminal's encoding for output, in every locale.

    GDAL, typst and PostgreSQL expect file names in UTF-8, but Python uses the encoding of the
    locale. In a locale that is not UTF-8 (zh_CN.GBK) the process restarts in Python's UTF-8 mode.

    Raises
    ------
    InputError
        If the name of a file on the command line, or of the working directory, is not UTF-8.
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
    sys.argv = [_decode(argument, terminal) for argument in sys.argv]
    for folder in (os.getcwd(), os.environ.get("GRIDATLAS_HOME", "")):  # noqa: PTH109
        _check_utf8(folder)


def _decode(argument: str, terminal: str) -> str:
    """Decode a command-line argument that was typed in the terminal's encoding."""
    if os.path.lexists(argument):
        _check_utf8(argument)
    try:
        argument.encode()
    except UnicodeEncodeError:
        argument = os.fsencode(argument).decode(terminal, "surrogateescape")
        _check_utf8(argument)
    return argument


def _check_utf8(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python escapes the bytes that are not UTF-8
        raise InputError("name_not_utf8", name=name) from None


@contextmanager
def progress() -> Iterator[Report]:
    """Show a progress bar per step while the block runs; yield the function that updates it."""
    columns = (
        TextColumn("{task.description}", markup=False),
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
    """Turn errors on writing into warnings.

    A command that has published its data must end with the exit code of that work, even if the
    disk is full or the output pipe is closed.
    """
    try:
        yield
    except InputError as error:
        warn(str(error))
    except OSError as error:
        warn(_describe(error))
        _discard(sys.stdout)
    except SystemExit:  # raised by rich on a closed pipe
        pass


def warn(message: str) -> None:
    """Print a warning."""
    err.print(Text.assemble(("!", "bold yellow"), " ", message))


def _discard(stream: TextIO) -> None:
    """Drop the buffer of a stream: writing it would fail again when the process ends."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _describe(error: OSError) -> str:
    """Return the message for a file or stream that can't be read or written."""
    where = text("cli.output") if error.filename is None else os.fspath(error.filename)
    return text("error.file_refused", file=where, said=error.strerror or error)


def run(main: Callable[[], object]) -> None:
    """Call the command line; print expected errors in one line and exit with their code."""
    warnings.showwarning = _show_warning
    try:
        main()
    except GridatlasError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _discard(sys.stdout)
        _fail(_describe(error), SetupError.exit_code)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning: those for users like other messages, those of Python with their place."""
    if issubclass(category, GridatlasWarning):
        warn(str(message))
    else:
        err.print(warnings.formatwarning(message, category, filename, lineno, line), end="")


def _fail(message: str, code: int) -> None:
    err.print(Text.assemble(("✗", "bold red"), " ", message))
    sys.exit(code)
