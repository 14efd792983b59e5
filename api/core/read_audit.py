"""Reads of protected layers, counted for the audit trail: a map's thousand tiles are few entries.

The first read of a layer in a minute is in the trail within a glance, those that follow in the same
minute as one entry with their count: two entries at most for a caller, a layer and a minute, of
each worker. What was not written when the server stops is written then.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from fastapi import Depends, Request
from sqlalchemy import Engine, insert

from api.core.caller import Asker, Caller, transaction_as
from geo.model import AuditEvent

POLL_INTERVAL_S = 2.0
"""How long a first read waits before it is in the trail."""

Degrees = tuple[float, float, float, float]

_log = logging.getLogger(__name__)


@dataclass
class Tally:
    """Reads of a layer by a caller in a minute that are not in the trail yet.

    Attributes
    ----------
    minute
        When they began, in UTC.
    count
        How many.
    box
        West, south, east, north of the ground that was looked at, where that is known.
    begun
        Whether an entry of this minute is in the trail.
    """

    minute: datetime
    count: int = 0
    box: Degrees | None = None
    begun: bool = False

    def add(self, count: int, box: Degrees | None) -> None:
        """Count reads, and the ground they looked at."""
        self.count += count
        if box is not None:
            self.box = box if self.box is None else _around(self.box, box)

    def entry(self, caller: Caller, layer: str) -> dict[str, Any]:
        """Return what the trail is told."""
        said: dict[str, Any] = {"reads": self.count, "minute": self.minute.isoformat()}
        if self.box is not None:
            said["box"] = [round(side, 5) for side in self.box]
        return {"actor": caller.name, "action": "read", "object_type": layer, "detail": said}


def _around(one: Degrees, other: Degrees) -> Degrees:
    west, south, east, north = zip(one, other, strict=True)
    return min(west), min(south), max(east), max(north)


class ReadAudit:
    """The reads that this process has answered; safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._tallies: dict[tuple[Caller, str, datetime], Tally] = {}

    def note(self, caller: Caller, layers: Iterable[str], box: Degrees | None = None) -> None:
        """Count a read of layers that not everyone may see."""
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        with self._lock:
            for layer in layers:
                self._tally(caller, layer, minute).add(1, box)

    def _tally(self, caller: Caller, layer: str, minute: datetime) -> Tally:
        return self._tallies.setdefault((caller, layer, minute), Tally(minute))

    def write(self, *, everything: bool = True) -> None:
        """Put into the trail what is due, by default everything; what can't be stays counted."""
        with self._writing:
            due = sorted(self._due(everything=everything), key=lambda one: one[0].name)
            failed: Exception | None = None
            for caller, own in groupby(due, key=lambda one: one[0]):
                try:
                    self._put(caller, [(layer, tally) for _, layer, tally in own])
                except Exception as error:  # the others' may go in
                    failed = error
            if failed is not None:
                raise failed

    def _due(self, *, everything: bool) -> Iterator[tuple[Caller, str, Tally]]:
        """Take out minutes that are over or have just begun, and forget those written whole."""
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        with self._lock:
            for (caller, layer, minute), tally in list(self._tallies.items()):
                if tally.count and (everything or minute < now or not tally.begun):
                    yield caller, layer, Tally(minute, tally.count, tally.box)
                    tally.count, tally.box, tally.begun = 0, None, True
                elif minute < now and not tally.count:
                    del self._tallies[caller, layer, minute]

    def _put(self, caller: Caller, own: list[tuple[str, Tally]]) -> None:
        try:
            with transaction_as(self._engine, caller) as connection:
                entries = [tally.entry(caller, layer) for layer, tally in own]
                connection.execute(insert(AuditEvent).inline(), entries)
        except Exception:
            with self._lock:
                for layer, tally in own:
                    kept = self._tally(caller, layer, tally.minute)
                    kept.add(tally.count, tally.box)
                    kept.begun = False
            raise

    def close(self) -> None:
        """Put everything into the trail, or, if the database is away, into the log."""
        try:
            self.write()
        except Exception:
            for (caller, layer, _), tally in self._tallies.items():
                if tally.count:
                    _log.exception("not in the audit trail: %s", tally.entry(caller, layer))


def audit_reads(*layers: str) -> Any:
    """Return the dependency that counts an answer as a read of layers that not everyone may see."""

    def count(request: Request, asker: Asker) -> Iterator[None]:
        yield  # an error shows nothing, and ends this here
        reads: ReadAudit = request.app.state.read_audit
        reads.note(asker, layers)

    return Depends(count, scope="function")
