"""Counts and outcomes of import runs on the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from cli import console
from geo.messages import text

if TYPE_CHECKING:
    from etl.pipeline.delivery import Outcome

EXIT_HELD = 3
"""Exit code of a command whose run waits for approval."""


def show_outcome(outcome: "Outcome", *, is_dry_run: bool = False) -> None:
    """Print what a run changed and found, and whether it is held, or a dry run would be."""
    from etl.runs.report import terminal_lines

    with console.best_effort():
        show_counts(outcome.counts)
        for line in terminal_lines(outcome):
            console.out.print(line)
        if outcome.status == "held":
            key = "import.would_be_held" if is_dry_run else "import.held"
            console.print_text(key, run=outcome.run)


def show_counts(counts: Mapping[str, object]) -> None:
    """Print how many features were added, changed and removed, one line per layer."""
    table = Table()
    for column in ("layer", "added", "changed", "removed", "unchanged"):
        table.add_column(text(f"import.{column}"), justify="left" if column == "layer" else "right")
    for layer, count in counts.items():
        figures = (getattr(count, name) for name in ("added", "changed", "removed", "unchanged"))
        table.add_row(layer, *map(str, figures))
    console.out.print(table)
