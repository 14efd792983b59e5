"""Reviews of building sheets and inspections of hydrants: who checked, when, and when it is due."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from geo import clock
from geo.codes import code_prefix
from geo.errors import InputError, NotFoundError
from geo.model import Building, BuildingReview, HydrantInspection, PipeNode
from geo.model.fire import ReviewState
from geo.settings import settings

REVIEW_INTERVAL_DAYS = 365
"""After this time a sheet is due for another check."""

DUE = "due"


def read_review(connection: Connection, code: str) -> dict[str, Any]:
    """Return the review of a building; a draft where there is none."""
    statement = (
        select(*BuildingReview.__table__.columns, Building.valid_from)
        .outerjoin(Building, Building.code == BuildingReview.building_code)
        .where(BuildingReview.building_code == code)
    )
    return _describe_review(code, connection.execute(statement).mappings().first())


def _describe_review(building: str, row: Any) -> dict[str, Any]:
    """Return a review; it is due when its date is past or the building has changed since."""
    if row is None:
        return {
            "building": building,
            "state": ReviewState.DRAFT.value,
            "checker": "",
            "checked_on": None,
            "due_on": None,
            "note": "",
        }
    state, valid_from = row["state"], row["valid_from"]
    is_outdated = valid_from is not None and row["updated_at"] < valid_from
    if state == ReviewState.CHECKED and (row["due_on"] < clock.today() or is_outdated):
        state = DUE
    names = ("checker", "checked_on", "due_on", "note")
    return {"building": building, "state": state, **{name: row[name] for name in names}}


def list_reviews(
    connection: Connection, state: str | None, region: str, limit: int, offset: int
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many buildings have a review in a state, and a page of them.

    Buildings without a review are drafts.
    """
    is_due = (BuildingReview.state == ReviewState.CHECKED) & (
        (BuildingReview.due_on < clock.today_in_sql())
        | (BuildingReview.updated_at < Building.valid_from)
    )
    state_or_draft = func.coalesce(BuildingReview.state, ReviewState.DRAFT.value)
    condition = {
        None: BuildingReview.building_code.is_not(None),
        DUE: is_due,
        ReviewState.CHECKED.value: (BuildingReview.state == ReviewState.CHECKED) & ~is_due,
        ReviewState.DRAFT.value: state_or_draft == ReviewState.DRAFT.value,
    }[state]
    statement = (
        select(Building.code, Building.name, Building.valid_from, *BuildingReview.__table__.columns)
        .outerjoin(BuildingReview, BuildingReview.building_code == Building.code)
        .where(condition)
    )
    if region:
        statement = statement.where(
            Building.region_code.startswith(code_prefix(region), autoescape=True)
        )
    page = statement.order_by(BuildingReview.due_on.nulls_last(), Building.code)
    rows = connection.execute(page.limit(limit).offset(offset)).mappings()
    reviews = [
        _describe_review(row["code"], None if row["building_code"] is None else row)
        | {"name": row["name"]}
        for row in rows
    ]
    return _count_rows(connection, statement), reviews


def _count_rows(connection: Connection, statement: Select[*tuple[Any, ...]]) -> int:
    count = select(func.count()).select_from(statement.subquery("counted"))
    return int(connection.execute(count).scalar_one())


def record_review(connection: Connection, code: str, state: str, checker: str, note: str) -> None:
    """Store the review of a building; a checked one is due again after a year.

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
        "due_on": today + timedelta(days=REVIEW_INTERVAL_DAYS) if checked else None,
        "note": note,
        "updated_at": func.clock_timestamp(),
    }
    statement = upsert(BuildingReview).values(building_code=code, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["building_code"], set_=values)
    )


def record_inspection(
    connection: Connection,
    hydrant: str,
    *,
    passed: bool,
    reason: str,
    flow_l_s: float | None,
    inspector: str,
    inspected_on: date,
) -> dict[str, Any]:
    """Store an inspection of a hydrant and return it.

    Raises
    ------
    NotFoundError
        If there is no such hydrant.
    InputError
        If it failed and no reason is given, or its day lies in the future.
    """
    known = select(PipeNode.code).where(PipeNode.code == hydrant, PipeNode.kind == "hydrant")
    if not connection.execute(known).first():
        raise NotFoundError("no_such_hydrant", code=hydrant)
    values = inspection_values(
        hydrant,
        passed=passed,
        reason=reason,
        flow_l_s=flow_l_s,
        inspector=inspector,
        inspected_on=inspected_on,
    )
    statement = insert(HydrantInspection).values(**values).returning(HydrantInspection.id)
    number = connection.execute(statement).scalar_one()
    return _describe_inspection({"id": number} | values)


def inspection_values(
    hydrant: str,
    *,
    passed: bool,
    reason: str,
    flow_l_s: float | None,
    inspector: str,
    inspected_on: date,
) -> dict[str, Any]:
    """Return the row of an inspection; the next one is due after 90 days.

    ``hydrant_inspection_days`` of the settings may say otherwise.

    Raises
    ------
    InputError
        If it failed and no reason is given, or its day lies in the future.
    """
    if not passed and not reason.strip():
        raise InputError("inspection_without_reason", code=hydrant)
    if inspected_on > clock.today():
        raise InputError("inspection_in_future", day=inspected_on.isoformat())
    return {
        "hydrant_code": hydrant,
        "passed": passed,
        "reason": reason.strip(),
        "flow_l_s": flow_l_s,
        "inspector": inspector.strip(),
        "inspected_on": inspected_on,
        "due_on": inspected_on + timedelta(days=settings().hydrant_inspection_days),
    }


def last_inspections() -> Subquery:
    """Return the subquery of each hydrant's last inspection."""
    statement = (
        select(HydrantInspection)
        .ext(distinct_on(HydrantInspection.hydrant_code))
        .order_by(
            HydrantInspection.hydrant_code,
            HydrantInspection.inspected_on.desc(),
            HydrantInspection.id.desc(),
        )
    )
    return statement.subquery("last_inspection")


def list_inspections(
    connection: Connection, hydrant: str | None, *, due: bool, limit: int, offset: int
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many inspections there are, and a page of them, the latest first.

    Parameters
    ----------
    hydrant
        Code of a hydrant; all hydrants by default.
    due
        Whether to list only the last inspection of each hydrant whose next one is overdue.
    """
    if due:
        last = last_inspections().c
        statement = select(*_inspection_columns(last)).where(last.due_on < clock.today_in_sql())
        code: ColumnElement[str] = last.hydrant_code
        order: ColumnElement[date] = last.due_on
    else:
        table = HydrantInspection.__table__.c
        statement = select(*_inspection_columns(table))
        code, order = table.hydrant_code, table.inspected_on.desc()
    if hydrant:
        statement = statement.where(code == hydrant)
    rows = connection.execute(statement.order_by(order).limit(limit).offset(offset)).mappings()
    return _count_rows(connection, statement), [_describe_inspection(dict(row)) for row in rows]


def _inspection_columns(columns: Any) -> list[Any]:
    names = ("id", "hydrant_code", "passed", "reason", "flow_l_s", "inspector")
    return [columns[name] for name in (*names, "inspected_on", "due_on")]


def _describe_inspection(row: dict[str, Any]) -> dict[str, Any]:
    return {"hydrant": row.pop("hydrant_code"), **row}
