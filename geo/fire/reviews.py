"""Reviews of building sheets and inspections of hydrants: who checked, when, and when again."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from geo import clock
from geo.codes import code_prefix
from geo.errors import InputError, NotFoundError
from geo.model import Building, BuildingReview, HydrantInspection, PipeNode
from geo.model.fire import ReviewState

AGAIN_DAYS = 365
"""After this a sheet, and a hydrant, is to be checked again."""

DUE = "due"


def of(connection: Connection, code: str, today: date | None = None) -> dict[str, Any]:
    """Return the review of a building: a draft where there is none."""
    statement = (
        select(*BuildingReview.__table__.columns, Building.valid_from)
        .outerjoin(Building, Building.code == BuildingReview.building_code)
        .where(BuildingReview.building_code == code)
    )
    row = connection.execute(statement).mappings().first()
    return _describe_review(code, row, None if row is None else row["valid_from"], today)


def _describe_review(building: str, row: Any, changed: Any, today: date | None) -> dict[str, Any]:
    """Return a review as of a day: due when its date is past, or the building changed since."""
    today = today or clock.today()
    if row is None:
        return {
            "building": building,
            "state": ReviewState.DRAFT.value,
            "checker": "",
            "checked_on": None,
            "due_on": None,
            "note": "",
        }
    state = row["state"]
    outdated = changed is not None and row["updated_at"] < changed
    if state == ReviewState.CHECKED and (row["due_on"] < today or outdated):
        state = DUE
    return {
        "building": building,
        "state": state,
        "checker": row["checker"],
        "checked_on": row["checked_on"],
        "due_on": row["due_on"],
        "note": row["note"],
    }


def list_reviews(
    connection: Connection, state: str | None, region: str, limit: int, offset: int
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many buildings have a review in a state, and a page of them.

    Buildings without a review are drafts.
    """
    due = (BuildingReview.state == ReviewState.CHECKED) & (
        (BuildingReview.due_on < clock.today_in_sql())
        | (BuildingReview.updated_at < Building.valid_from)
    )
    drafts = func.coalesce(BuildingReview.state, ReviewState.DRAFT.value)
    wanted = {
        None: BuildingReview.building_code.is_not(None),
        DUE: due,
        ReviewState.CHECKED.value: (BuildingReview.state == ReviewState.CHECKED) & ~due,
        ReviewState.DRAFT.value: drafts == ReviewState.DRAFT.value,
    }[state]
    joined = (
        select(Building.code, Building.name, Building.valid_from, *BuildingReview.__table__.columns)
        .outerjoin(BuildingReview, BuildingReview.building_code == Building.code)
        .where(wanted)
    )
    if region:
        joined = joined.where(Building.region_code.startswith(code_prefix(region), autoescape=True))
    total = _count(connection, joined)
    page = joined.order_by(BuildingReview.due_on.nulls_last(), Building.code)
    rows = connection.execute(page.limit(limit).offset(offset)).mappings()
    found = []
    for row in rows:
        own = None if row["building_code"] is None else row
        found.append(
            _describe_review(row["code"], own, row["valid_from"], None) | {"name": row["name"]}
        )
    return total, found


def _count(connection: Connection, statement: Select[*tuple[Any, ...]]) -> int:
    counted = select(func.count()).select_from(statement.subquery("counted"))
    return int(connection.execute(counted).scalar_one())


def record(connection: Connection, code: str, state: str, checker: str, note: str) -> None:
    """Keep the review of a building; a checked one is due again after a year.

    Raises
    ------
    NotFoundError
        If there is no such building.
    InputError
        If a checked sheet names nobody who checked it.
    """
    if not connection.execute(select(Building.code).where(Building.code == code)).first():
        raise NotFoundError("no_such_building", code=code)
    checked = state == ReviewState.CHECKED
    if checked and not checker.strip():
        raise InputError("review_unsigned", code=code)
    today = clock.today()
    values = {
        "state": state,
        "checker": checker.strip(),
        "checked_on": today if checked else None,
        "due_on": today + timedelta(days=AGAIN_DAYS) if checked else None,
        "note": note,
        "updated_at": func.clock_timestamp(),
    }
    statement = upsert(BuildingReview).values(building_code=code, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["building_code"], set_=values)
    )


def inspect(
    connection: Connection,
    hydrant: str,
    *,
    passed: bool,
    reason: str,
    flow_l_s: float | None,
    inspector: str,
    inspected_on: date,
) -> dict[str, Any]:
    """Keep an inspection of a hydrant and return it; the next one is due after a year.

    Raises
    ------
    NotFoundError
        If there is no such hydrant.
    InputError
        If it failed for no reason, or lies in the future.
    """
    known = select(PipeNode.code).where(PipeNode.code == hydrant, PipeNode.kind == "hydrant")
    if not connection.execute(known).first():
        raise NotFoundError("no_such_hydrant", code=hydrant)
    if not passed and not reason.strip():
        raise InputError("inspection_without_reason", code=hydrant)
    if inspected_on > clock.today():
        raise InputError("inspection_in_future", day=inspected_on.isoformat())
    values = {
        "hydrant_code": hydrant,
        "passed": passed,
        "reason": reason.strip(),
        "flow_l_s": flow_l_s,
        "inspector": inspector.strip(),
        "inspected_on": inspected_on,
        "due_on": inspected_on + timedelta(days=AGAIN_DAYS),
    }
    made = insert(HydrantInspection).values(**values).returning(HydrantInspection.id)
    return _inspection({"id": connection.execute(made).scalar_one()} | values)


def inspections(
    connection: Connection, hydrant: str | None, *, due: bool, limit: int, offset: int
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many inspections there are, and a page of them, the latest first.

    Parameters
    ----------
    due
        Only the last inspection of each hydrant whose next one is overdue.
    """
    statement = select(HydrantInspection)
    if due:
        last = (
            select(HydrantInspection)
            .ext(distinct_on(HydrantInspection.hydrant_code))
            .order_by(
                HydrantInspection.hydrant_code,
                HydrantInspection.inspected_on.desc(),
                HydrantInspection.id.desc(),
            )
            .subquery("last")
        )
        statement = select(last).where(last.c.due_on < clock.today_in_sql())
    if hydrant:
        column = last.c.hydrant_code if due else HydrantInspection.hydrant_code
        statement = statement.where(column == hydrant)
    total = _count(connection, statement)
    order = last.c.due_on if due else HydrantInspection.inspected_on.desc()
    rows = connection.execute(statement.order_by(order).limit(limit).offset(offset)).mappings()
    return total, [_inspection(dict(row)) for row in rows]


def _inspection(row: dict[str, Any]) -> dict[str, Any]:
    return {"hydrant": row["hydrant_code"]} | {k: v for k, v in row.items() if k != "hydrant_code"}
