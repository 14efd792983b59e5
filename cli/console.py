"""The terminal: progress bars, one line for what went wrong."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from geo.errors import GridatlasError
from geo.messages import text
from geo.progress import Progress as Report

_WIDTH = None if sys.stdout.isatty() else 120

out = Console(soft_wrap=True, width=_WIDTH)
err = Console(stderr=True, soft_wrap=True)


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


def run(main: Callable[[], object]) -> None:
    """Call the command line; a person's mistake becomes one line and its exit code."""
    try:
        main()
    except GridatlasError as error:
        err.print(f"[bold red]✗[/] {error}", highlight=False)
        sys.exit(error.exit_code)
