"""Reading of the city's fire data into memory, before a dispatcher asks and after data changed.

Without it the first request of a call would wait some seconds for the city to be read. It is read
only while a session of the fire service is open: it takes 200 MB in each worker.
"""

import logging
import threading

from sqlalchemy import Engine, text

from api.core.caller import SERVICE_CALLER, Caller, transaction_as
from geo.fire.cities import list_cities
from geo.fire.context import FireContextCache
from geo.fire.layer_state import read_layer_changes
from geo.model import Role

POLL_INTERVAL_S = 2.0

_CALLER = Caller(role=Role.FIRE.value, name="gridatlas")

_IS_SIGNED_IN = text(
    "SELECT EXISTS (SELECT FROM session JOIN account ON account.id = account_id AND active "
    "WHERE role = :role AND revoked_at IS NULL AND expires_at > now())"
)

_log = logging.getLogger(__name__)


class FireRefresh:
    """Keep the fire contexts of this process equal to the database."""

    def __init__(self, engine: Engine, contexts: FireContextCache) -> None:
        self._engine, self._contexts = engine, contexts
        self._last_changes: dict[str, int] = {}

    def refresh(self, closing: threading.Event) -> None:
        """Read all cities again if their data changed and somebody uses them."""
        if not (self._contexts.are_used() or self._is_anyone_signed_in()):
            return
        with transaction_as(self._engine, _CALLER, readonly=True) as connection:
            state = read_layer_changes(connection)
            if state == self._last_changes:
                return
            for city in list_cities(connection):
                if closing.is_set():
                    return
                self._contexts.prepare(connection, city, state)
                _log.info("fire data of city %s read", city)
        self._last_changes = state

    def _is_anyone_signed_in(self) -> bool:
        """Return whether a session of the fire service is open, on this worker or another."""
        with transaction_as(self._engine, SERVICE_CALLER, readonly=True) as connection:
            return bool(connection.scalar(_IS_SIGNED_IN, {"role": Role.FIRE.value}))
