"""Reads of protected layers, counted for the audit trail: a map's thousand tiles are few entries.

The first read of a layer in a minute is recorded within seconds, those that follow in the same
minute as one entry with their count: at most two entries for a caller, a layer and a minute, of
each worker. When the server stops, it writes what was counted.
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

from api.core.caller import Caller, CurrentCaller, transaction_as
from geo.model import AuditEvent

POLL_INTERVAL_S = 2.0
"""How long a first read waits before it is recorded."""

Degrees = tuple[float, float, float, float]

_log = logging.getLogger(__name__)


@dataclass
class Tally:
    """Reads of a layer by a caller in a minute that are not recorded yet.

    Attributes
    ----------
    minute
        Start of the minute, in UTC.
    count
        Number of reads.
    box
        West, south, east, north of what was read in degrees, None if that is unknown.
    has_entry
        Whether an entry of this minute is recorded.
    """

    minute: datetime
    count: int = 0
    box: Degrees | None = None
    has_entry: bool = False

    def add(self, count: int, box: Degrees | None) -> None:
        """Count reads, and extend the box by theirs."""
        self.count += count
        if box is not None:
            self.box = box if self.box is None else _union(self.box, box)

    def event(self, caller: Caller, layer: str) -> dict[str, Any]:
        """Return the audit event of these reads."""
        detail: dict[str, Any] = {"reads": self.count, "minute": self.minute.isoformat()}
        if self.box is not None:
            detail["box"] = [round(side, 5) for side in self.box]
        return {"actor": caller.name, "action": "read", "object_type": layer, "detail": detail}


def _union(a: Degrees, b: Degrees) -> Degrees:
    west, south, east, north = zip(a, b, strict=True)
    return min(west), min(south), max(east), max(north)


class ReadAudit:
    """Counts of the reads that this process has answered; safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._tallies: dict[tuple[Caller, str, datetime], Tally] = {}

    def note(self, caller: Caller, layers: Iterable[str], box: Degrees | None = None) -> None:
        """Count a read of protected layers."""
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        with self._lock:
            for layer in layers:
                self._tally(caller, layer, minute).add(1, box)

    def _tally(self, caller: Caller, layer: str, minute: datetime) -> Tally:
        return self._tallies.setdefault((caller, layer, minute), Tally(minute))

    def write(self, *, everything: bool = True) -> None:
        """Record what is due, by default everything; what can't be recorded stays counted.

        Raises
        ------
        SQLAlchemyError
            If some of it can't be recorded; the reads of other callers are.
        """
        with self._write_lock:
            due = sorted(self._take_due(everything=everything), key=lambda entry: entry[0].name)
            failure: Exception | None = None
            for caller, entries in groupby(due, key=lambda entry: entry[0]):
                try:
                    self._record(caller, [(layer, tally) for _, layer, tally in entries])
                except Exception as error:  # those of other callers may succeed
                    failure = error
            if failure is not None:
                raise failure

    def _take_due(self, *, everything: bool) -> Iterator[tuple[Caller, str, Tally]]:
        """Yield and reset tallies that are over or have no entry; drop those recorded whole."""
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        with self._lock:
            for (caller, layer, minute), tally in list(self._tallies.items()):
                if tally.count and (everything or minute < now or not tally.has_entry):
                    yield caller, layer, Tally(minute, tally.count, tally.box)
                    tally.count, tally.box, tally.has_entry = 0, None, True
                elif minute < now and not tally.count:
                    del self._tallies[caller, layer, minute]

    def _record(self, caller: Caller, tallies: list[tuple[str, Tally]]) -> None:
        try:
            with transaction_as(self._engine, caller) as connection:
                events = [tally.event(caller, layer) for layer, tally in tallies]
                connection.execute(insert(AuditEvent).inline(), events)
        except Exception:
            with self._lock:
                for layer, tally in tallies:
                    counted = self._tally(caller, layer, tally.minute)
                    counted.add(tally.count, tally.box)
                    counted.has_entry = False
            raise

    def close(self) -> None:
        """Record everything, or log it if the database can't be reached."""
        try:
            self.write()
        except Exception:
            for (caller, layer, _), tally in self._tallies.items():
                if tally.count:
                    _log.exception("not in the audit trail: %s", tally.event(caller, layer))


def audit_reads(*layers: str) -> Any:
    """Return the dependency that counts a successful answer as a read of protected layers."""

    def count(request: Request, caller: CurrentCaller) -> Iterator[None]:
        yield  # an error is raised here: nothing was read
        request.app.state.read_audit.note(caller, layers)

    return Depends(count, scope="function")
