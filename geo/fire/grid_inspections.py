"""Inspections of hydrants by grid managers, in their own grids."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, RowMapping, insert, text

from geo import locks
from geo.casework.actors import Actor
from geo.casework.request_keys import is_recorded, lock_request
from geo.clock import date_in_city, today
from geo.errors import NotFoundError, StaleError
from geo.fire.reviews import inspection_values
from geo.locks import Lock
from geo.model import HydrantInspection

_HYDRANTS = """
SELECT code, name, hydrant_type, grid_code, ST_AsGeoJSON(geom, 7) AS geometry,
    inspection, passed, reason, flow_l_s, inspector, inspected_on, due_on
FROM published.own_hydrant
"""
_LIST = text(f"{_HYDRANTS} ORDER BY due_on NULLS FIRST, code")
_FIND = text(f"{_HYDRANTS} WHERE code = :code")


@dataclass(frozen=True)
class GridInspection:
    """What a grid manager found at a hydrant.

    Attributes
    ----------
    seen
        Number of the last inspection of the hydrant that the manager's phone had; None for none.
    inspected_at, device_at
        Time by the server's clock, and time by the clock of the device.
    flow_l_s
        Litres per second; None if it was not measured.
    """

    hydrant: str
    seen: int | None
    inspected_at: datetime
    passed: bool
    reason: str = ""
    flow_l_s: float | None = None
    device_at: datetime | None = None


def list_own_hydrants(connection: Connection) -> list[RowMapping]:
    """Return the hydrants in the caller's grids with their last inspections, ordered by due date.

    ``geometry`` is GeoJSON as text.
    """
    return list(connection.execute(_LIST).mappings())


def inspect_hydrant(
    connection: Connection, inspection: GridInspection, actor: Actor, key: str
) -> tuple[RowMapping, bool]:
    """Record an inspection of a hydrant.

    With a key that the actor used for the same inspection before, nothing is changed.

    Returns
    -------
    tuple of RowMapping and bool
        The hydrant as it is then, and whether the inspection was recorded now.

    Raises
    ------
    InputError
        If the hydrant failed and no reason is given.
    NotFoundError
        If the hydrant is in none of the actor's grids.
    ConflictError
        If the key was used for another inspection.
    StaleError
        If the hydrant has been inspected since; ``current`` holds it with the new inspection.
    """
    code = inspection.hydrant
    request = lock_request(connection, f"inspection {actor.name}", key, vars(inspection))
    locks.acquire(connection, Lock.CASE_KEY, f"hydrant {code}")
    hydrant = _find_hydrant(connection, code)
    if is_recorded(connection, HydrantInspection, request):
        return hydrant, False
    if hydrant["inspection"] != inspection.seen:
        raise StaleError("hydrant_stale", hydrant=code, current=describe_hydrant(hydrant))
    values = inspection_values(
        code,
        passed=inspection.passed,
        reason=inspection.reason,
        flow_l_s=inspection.flow_l_s,
        inspector=actor.name,
        inspected_on=min(date_in_city(inspection.inspected_at), today()),
    )
    origin = {"grid_code": hydrant["grid_code"], "device_at": inspection.device_at}
    row = values | origin | vars(request)
    connection.execute(insert(HydrantInspection).inline(), row)
    return _find_hydrant(connection, code), True


def describe_hydrant(row: RowMapping) -> dict[str, object]:
    """Return the columns of a hydrant, with its geometry as an object instead of text."""
    return {**row, "geometry": orjson.loads(row["geometry"])}


def _find_hydrant(connection: Connection, code: str) -> RowMapping:
    row = connection.execute(_FIND, {"code": code}).mappings().first()
    if row is None:
        raise NotFoundError("hydrant_not_in_grid", hydrant=code)
    return row
