"""How long work tells how far it is, without knowing who listens."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a step (a key of the catalogue's ``progress`` section), steps done, steps in all."""


def silent(step: str, done: int, total: int) -> None:
    """Listen to nothing."""
