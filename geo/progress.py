"""Progress reports of long operations."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Receives a step (key of the catalogues' section ``progress``), steps done, and their total."""


def silent(step: str, done: int, total: int) -> None:
    """Discard a report."""
