"""Who is responsible for a case at a place: the grid in force and its manager, or an office."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from geo.codes import DIGITS, parent_code
from geo.errors import InputError
from geo.model.casework import CaseLevel
from geo.model.region import Level

_PLACE = text(
    """
    WITH place AS (SELECT ST_SetSRID(ST_MakePoint(:lon, :lat), 4490) AS geom)
    SELECT region.code AS region, grid.code AS grid, grid.plan_id AS plan,
        EXISTS (SELECT FROM grid_manager m WHERE m.grid_code = grid.code AND m.valid_to IS NULL)
            AS has_manager
    FROM place
    JOIN region ON ST_Covers(region.geom, place.geom)
    LEFT JOIN LATERAL (
        SELECT g.code, g.plan_id FROM grid g
        JOIN grid_plan p ON p.id = g.plan_id AND p.status = 'published'
        WHERE ST_Covers(g.geom, place.geom) ORDER BY g.code LIMIT 1) grid ON true
    ORDER BY length(rtrim(region.code, '0')) DESC, region.code LIMIT 1
    """
)
_ORDER = tuple(CaseLevel)


@dataclass(frozen=True)
class Route:
    """Where a case belongs.

    Attributes
    ----------
    region
        Code of the lowest division at the place.
    grid, plan
        The grid in force there and its plan, None without one.
    handler
        Code of the grid or division that is responsible first.
    """

    region: str
    grid: str | None
    plan: int | None
    handler: str


def route_case(connection: Connection, lon: float, lat: float, first_level: CaseLevel) -> Route:
    """Return where a case at a place belongs.

    A grid without a manager leaves the case to its community.

    Parameters
    ----------
    connection
        Under a role that reads regions, grids and managers.
    lon, lat
        Degrees, CGCS2000.

    Raises
    ------
    InputError
        If the place is in no division of the database.
    """
    row = connection.execute(_PLACE, {"lon": lon, "lat": lat}).first()
    if row is None:
        raise InputError("case_place_outside", lon=f"{lon:.5f}", lat=f"{lat:.5f}")
    if first_level is CaseLevel.GRID and row.has_manager:
        return Route(row.region, row.grid, row.plan, row.grid)
    return Route(row.region, row.grid, row.plan, _division_of_level(row.region, first_level))


def _division_of_level(region: str, first_level: CaseLevel) -> str:
    """Return the division at or above a region that is at least of a level."""
    code: str | None = region
    lowest = max(_ORDER.index(first_level), _ORDER.index(CaseLevel.COMMUNITY))
    while code is not None:
        digits = DIGITS[Level(_ORDER[lowest].value)]
        if not code[digits:].strip("0"):
            return code
        region, code = code, parent_code(code)
    return region


def superior_division(handler: str) -> str | None:
    """Return the code of the division above a handler, None above the city."""
    return handler[:12] if len(handler) == 15 else parent_code(handler)
