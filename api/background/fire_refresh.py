"""The fire desk kept ready: read once somebody of the fire service is signed in, and again when
its data has changed.

A dispatcher's call then finds the city in memory. A call that comes before it is read waits for
it: no answer is ever made from what is no longer so. A server that no dispatcher asks does not
hold the city: it is 200 MB in each worker.
"""

import logging
import threading

from sqlalchemy import Engine, text

from api.core.caller import KEEPER, Caller, acting
from geo.fire.cities import list_cities
from geo.fire.context import FireContextCache
from geo.fire.layer_state import read_layer_changes
from geo.model import Role

POLL_INTERVAL_S = 2.0
"""How often the watch looks whether anything has changed."""

WATCH = Caller(role=Role.FIRE.value, name="gridatlas")

_SIGNED_IN = text(
    "SELECT EXISTS (SELECT FROM session JOIN account ON account.id = account_id AND active "
    "WHERE role = :role AND revoked_at IS NULL AND expires_at > now())"
)

_log = logging.getLogger(__name__)


class FireRefresh:
    """Keeps the cities of an installation in its desks."""

    def __init__(self, engine: Engine, desks: FireContextCache) -> None:
        self._engine, self._desks = engine, desks
        self._seen: dict[str, int] = {}

    def look(self, closing: threading.Event) -> None:
        """Read the cities that have changed, if the desk is used."""
        if not (self._desks.are_used() or _is_anyone_signed_in(self._engine)):
            return
        with acting(self._engine, WATCH, readonly=True) as connection:
            state = read_layer_changes(connection)
            if state == self._seen:
                return
            for city in list_cities(connection):
                if closing.is_set():
                    return
                self._desks.prepare(connection, city, state)
                _log.info("city %s is ready for the fire desk", city)
        self._seen = state


def _is_anyone_signed_in(engine: Engine) -> bool:
    """Return whether a session of the fire service is open, on this worker or another."""
    with acting(engine, KEEPER, readonly=True) as connection:
        return bool(connection.execute(_SIGNED_IN, {"role": Role.FIRE.value}).scalar())
