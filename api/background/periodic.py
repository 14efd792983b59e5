"""What is done again and again beside the requests, each in a thread of its own."""

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Does something every so many seconds, from when it is opened until it is closed.

    Parameters
    ----------
    name
        Of the thread.
    every_s
        Seconds between the end of one round and the next.
    go
        Goes one round. It is given the event that says that no more is wanted; what it raises
        ends the round, not the rounds: a database may be away for a while. It is logged, once
        while every round raises the same.
    at_once
        Whether the first round begins when it is opened.
    """

    def __init__(
        self,
        name: str,
        every_s: float,
        go: Callable[[threading.Event], object],
        *,
        at_once: bool = False,
    ) -> None:
        self._every_s, self._go, self._first_s = every_s, go, 0.0 if at_once else every_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._walk, name=name, daemon=True)

    def open(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop, once the round that is being gone has ended."""
        self._closing.set()
        self._thread.join(10)

    def _walk(self) -> None:
        wait_s, last_error = self._first_s, ""
        while not self._closing.wait(wait_s):
            wait_s = self._every_s
            try:
                self._go(self._closing)
            except Exception as error:
                if str(error) != last_error:
                    _log.warning("%s: %s", self._thread.name, error)
                last_error = str(error)
            else:
                last_error = ""
