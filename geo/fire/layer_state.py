"""The state of the layers in the database: how often each was changed, and how old its data is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, literal, select

from geo.model import LayerChange, LayerRevision
from geo.model.fire import HydrantInspection

INSPECTION = "inspection"
"""Key of the last hydrant inspection among the change counts of the layers."""


def read_layer_changes(connection: Connection) -> dict[str, int]:
    """Return how often each layer was changed, and the number of the last hydrant inspection.

    Triggers in the database count: imports, corrections and edits in plain SQL are all noticed.
    """
    last = func.coalesce(func.max(HydrantInspection.id), 0)
    statement = select(LayerChange.layer, LayerChange.changes).union_all(
        select(literal(INSPECTION), last)
    )
    return {row.layer: row.changes for row in connection.execute(statement)}


def read_data_age(connection: Connection, layers: Sequence[str]) -> dict[str, Any]:
    """Return when the data of some layers was published, and the age in seconds of the oldest.

    The age is in whole minutes, so that the entity tag of an answer stays the same for a minute.
    """
    columns = LayerRevision.layer, LayerRevision.revision, LayerRevision.published_at
    rows = connection.execute(select(*columns).where(LayerRevision.layer.in_(layers))).all()
    times = {row.layer: row.published_at.astimezone(UTC) for row in rows}
    oldest = min(times.values(), default=None)
    age = None if oldest is None else (datetime.now(UTC) - oldest) // timedelta(minutes=1) * 60
    return {
        "revision": max((row.revision for row in rows), default=0),
        "published_at": oldest,
        "age_s": age,
        "layers": {layer: times.get(layer) for layer in layers},
    }
