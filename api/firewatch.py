"""The fire desk kept ready: read once somebody of the fire service is signed in, and again when
its data has changed.

A dispatcher's call then finds the city in memory. A call that comes before it is read waits for
it: no answer is ever made from what is no longer so. A server that no dispatcher asks does not
hold the city: it is 200 MB in each worker.
"""

import logging
import threading
from contextlib import suppress

from sqlalchemy import Engine, text

from api.access import KEEPER, Caller, acting
from geo.fire.desk import Desks
from geo.fire.ground import changes, cities
from geo.model import Role

GLANCE_S = 2.0
"""How often the watch looks whether anything has changed."""

WATCH = Caller(role=Role.FIRE.value, name="gridatlas")

_SIGNED_IN = text(
    "SELECT EXISTS (SELECT FROM session JOIN account ON account.id = account_id AND active "
    "WHERE role = :role AND revoked_at IS NULL AND expires_at > now())"
)

_log = logging.getLogger(__name__)


class FireWatch:
    """Reads the cities of an installation into its desks, in a thread of its own."""

    def __init__(self, engine: Engine, desks: Desks) -> None:
        self._engine, self._desks = engine, desks
        self._seen: dict[str, int] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="firewatch", daemon=True)

    def open(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closing.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._closing.wait(GLANCE_S):
            with suppress(Exception):  # no city yet, or a database that is away for a while
                if self._desks.are_used() or _is_anyone_signed_in(self._engine):
                    self._look()

    def _look(self) -> None:
        with acting(self._engine, WATCH, readonly=True) as connection:
            state = changes(connection)
            if state == self._seen:
                return
            for city in cities(connection):
                if self._closing.is_set():
                    return
                self._desks.prepare(connection, city, state)
                _log.info("city %s is ready for the fire desk", city)
        self._seen = state


def _is_anyone_signed_in(engine: Engine) -> bool:
    """Return whether a session of the fire service is open, on this worker or another."""
    with acting(engine, KEEPER, readonly=True) as connection:
        return bool(connection.execute(_SIGNED_IN, {"role": Role.FIRE.value}).scalar())
