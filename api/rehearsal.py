"""An edit made when a worker starts, and taken back, so that the first planner does not wait.

The first edit in a process takes twice what those after it do: queries are put into SQL, the
database's session reads in functions and triggers. So one is made of a copy of the smallest plan,
in a transaction that is rolled back.
"""

import logging

from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from api.access import Caller, acting
from api.edits import Assign, edit
from geo import edits
from geo.model import Grid, GridMember, GridPlan, Role

REHEARSER = Caller(role=Role.ADMIN.value, name="gridatlas")

_NO_WAITING = text("SET LOCAL lock_timeout = '200ms'")

_log = logging.getLogger(__name__)


def rehearse(engine: Engine) -> bool:
    """Make an edit and take it back; return whether there was a plan to make it of.

    A database that is away, or in which another works on the same tables, is left alone.
    """
    try:
        return _rehearsed(engine)
    except SQLAlchemyError as error:
        _log.info("no edit was rehearsed: %s", error)
        return False


def _rehearsed(engine: Engine) -> bool:
    with acting(engine, REHEARSER) as connection:
        connection.execute(_NO_WAITING)
        smallest = (
            select(GridPlan.id)
            .join(GridMember, GridMember.plan_id == GridPlan.id)
            .group_by(GridPlan.id)
            .having(func.count(GridMember.grid_id.distinct()) > 1)
            .order_by(func.count(), GridPlan.id)
        )
        plan = connection.execute(smallest.limit(1)).scalar()
        if plan is None:
            return False
        made = edits.copied(connection, plan, REHEARSER.name)
        atom, own = connection.execute(
            select(GridMember.id, Grid.code)
            .join(Grid, Grid.id == GridMember.grid_id)
            .where(GridMember.plan_id == made)
            .limit(1)
        ).one()
        other = select(Grid.code).where(Grid.plan_id == made, Grid.code != own).limit(1)
        to = connection.execute(other).scalar_one()
        edit(connection, REHEARSER, "zh", made, 0, Assign(kind="assign", atoms=[atom], grid=to))
        connection.rollback()
    return True
