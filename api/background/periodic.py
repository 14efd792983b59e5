"""Tasks that run at intervals beside the requests, each in a thread of its own."""

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Run a task at intervals, from when it is opened until it is closed.

    Parameters
    ----------
    name
        Name of the thread.
    interval_s
        Seconds between the end of one run and the start of the next.
    run
        The task, given the event that is set when it is to end. What it raises ends that run only,
        since a database may be unreachable for a while; the same error is logged once in a row.
    at_once
        Whether the first run starts when the task is opened.
    """

    def __init__(
        self,
        name: str,
        interval_s: float,
        run: Callable[[threading.Event], object],
        *,
        at_once: bool = False,
    ) -> None:
        self._interval_s, self._run = interval_s, run
        self._first_wait_s = 0.0 if at_once else interval_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the current run."""
        self._closing.set()
        self._thread.join(10)

    def _loop(self) -> None:
        wait_s, last_error = self._first_wait_s, ""
        while not self._closing.wait(wait_s):
            wait_s = self._interval_s
            try:
                self._run(self._closing)
            except Exception as error:
                if str(error) != last_error:
                    _log.warning("%s: %s", self._thread.name, error)
                last_error = str(error)
            else:
                last_error = ""
