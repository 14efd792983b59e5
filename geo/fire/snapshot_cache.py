"""Cache of the snapshots of cities in memory."""

import threading
from collections.abc import Mapping

from sqlalchemy import Connection

from geo.fire.layer_state import INSPECTION, read_layer_changes
from geo.fire.snapshot import LAYER_COLUMNS, CitySnapshot, load_snapshot


class SnapshotCache:
    """The last snapshot of each city; it is replaced when one of its layers has changed."""

    def __init__(self) -> None:
        self._snapshots: dict[str, CitySnapshot] = {}
        self._lock = threading.Lock()

    def get_snapshot(
        self, connection: Connection, city: str, layer_changes: Mapping[str, int] | None = None
    ) -> CitySnapshot:
        """Return the current snapshot of a city.

        Parameters
        ----------
        layer_changes
            Change counts of the layers; read from the database by default.

        Raises
        ------
        NotFoundError
            If there are no regions, buildings or roads.
        """
        counts = read_layer_changes(connection) if layer_changes is None else layer_changes
        snapshot = self._snapshots.get(city)
        if snapshot is not None and _is_current(snapshot, counts):
            return snapshot
        with self._lock:
            snapshot = self._snapshots.get(city)
            if snapshot is None or not _is_current(snapshot, counts):
                snapshot = self._snapshots[city] = load_snapshot(connection, city, snapshot)
            return snapshot


def _is_current(snapshot: CitySnapshot, layer_changes: Mapping[str, int]) -> bool:
    """Return whether none of the layers has changed since a snapshot was loaded."""
    # A snapshot has no pipe segments, but overlays compare the state of that layer with it.
    names = (*LAYER_COLUMNS, INSPECTION, "pipe_segment")
    return all(layer_changes.get(name) == snapshot.layer_changes.get(name) for name in names)
