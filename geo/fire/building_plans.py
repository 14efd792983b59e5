"""Plans of buildings: PDFs and pictures of floors and sites, kept beside the sheet."""

import hashlib
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from geo.errors import InputError, NotFoundError, TooLargeError
from geo.model import Building, BuildingPlan

MAX_PLANS = 40
"""Plans of one building."""

_COLUMNS = (
    *(BuildingPlan.id, BuildingPlan.title, BuildingPlan.media_type, BuildingPlan.pages),
    *(BuildingPlan.added_by, BuildingPlan.added_at),
    func.octet_length(BuildingPlan.content).label("bytes"),
)


def list_plans(connection: Connection, code: str) -> list[dict[str, Any]]:
    """Return the plans of a building without their content, in the order of their titles."""
    statement = select(*_COLUMNS).where(BuildingPlan.building_code == code)
    rows = connection.execute(statement.order_by(BuildingPlan.title, BuildingPlan.id)).mappings()
    return [dict(row) for row in rows]


def read_plan(connection: Connection, code: str, number: int) -> tuple[str, str, bytes]:
    """Return title, media type and content of a plan.

    Raises
    ------
    NotFoundError
        If the building has no such plan.
    """
    columns = BuildingPlan.title, BuildingPlan.media_type, BuildingPlan.content
    is_own = BuildingPlan.building_code == code, BuildingPlan.id == number
    row = connection.execute(select(*columns).where(*is_own)).first()
    if row is None:
        raise NotFoundError("no_such_plan_of_building", code=code, number=number)
    return str(row.title), str(row.media_type), bytes(row.content)


def add_plan(
    connection: Connection,
    code: str,
    title: str,
    media_type: str,
    pages: int,
    content: bytes,
    added_by: str,
) -> int:
    """Attach a plan to a building; return its number. The same content gets the new title.

    Raises
    ------
    NotFoundError
        If there is no such building.
    InputError
        If the title is blank.
    TooLargeError
        If the building has the most plans already.
    """
    is_building = connection.execute(select(Building.code).where(Building.code == code)).first()
    if not is_building:
        raise NotFoundError("no_such_building", code=code)
    if not title.strip():
        raise InputError("plan_untitled", code=code)
    digest = hashlib.sha256(content).hexdigest()
    is_own = BuildingPlan.building_code == code
    connection.execute(delete(BuildingPlan).where(is_own, BuildingPlan.digest == digest))
    count = connection.execute(select(func.count()).where(is_own)).scalar_one()
    if count >= MAX_PLANS:
        raise TooLargeError("too_many_plans", code=code, most=MAX_PLANS)
    values = {
        "building_code": code,
        "title": title.strip(),
        "media_type": media_type,
        "pages": pages,
        "digest": digest,
        "content": content,
        "added_by": added_by,
    }
    statement = insert(BuildingPlan).values(values).returning(BuildingPlan.id)
    return int(connection.execute(statement).scalar_one())


def remove_plan(connection: Connection, code: str, number: int) -> None:
    """Remove a plan of a building.

    Raises
    ------
    NotFoundError
        If the building has no such plan.
    """
    is_own = BuildingPlan.building_code == code, BuildingPlan.id == number
    if not connection.execute(delete(BuildingPlan).where(*is_own)).rowcount:
        raise NotFoundError("no_such_plan_of_building", code=code, number=number)
