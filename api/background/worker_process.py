"""The process that draws and scores plans (:mod:`api.background.job_process`)."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, func, select, update

from api.background import job_process
from api.core.audit import record
from api.core.caller import Caller, acting
from geo import db
from geo.errors import ConflictError, NotFoundError
from geo.model import Grid, GridPlan, Job
from geo.partition.constraints import Area, Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.options import DrawOptions
from geo.partition.previous_plan import PreviousPlan
from geo.partition.scoring.objective import Weights
from geo.partition.scoring.review import review_plan
from geo.partition.search.alternatives import find_alternatives
from geo.plans import store
from geo.plans.validation import limits_of
from geo.progress import Progress

STEPS = ("read", "draw", "keep")
POLITENESS = 5
"""How much the requests come first on a busy machine (nice)."""


def main() -> None:
    """Draw until the input ends."""
    job_process.serve(_run_job, niceness=POLITENESS)


_engine = cache(partial(create_engine, pool_pre_ping=True))


def _run_job(url: str, job: dict[str, Any], report: Progress) -> None:
    def begin(step: str) -> None:
        report(step, STEPS.index(step), len(STEPS))

    do(_engine(url), job, begin)


def do(engine: Engine, job: dict[str, Any], begin: Callable[[str], None]) -> list[int]:
    """Do a job under the rights of its caller; return the plans it made.

    Parameters
    ----------
    begin
        Is told the name of each step.
    """
    given = job["caller"] | {"networks": tuple(job["caller"]["networks"])}
    caller = Caller(**given)
    asked = job["parameters"]
    if job["kind"] == "score":
        return [_score_plan(engine, caller, job, begin)]
    begin("read")
    # One state of the city, however an import changes it meanwhile.
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with acting(snapshot, caller) as connection:
        community = store.read_community(connection, job["community_code"])
        wishes = wishes_of(asked, job["kind"])
        before = None if wishes.fresh else store.before(connection, community, asked.get("before"))
        wishes = _with_locks(connection, wishes, before)
    begin("draw")
    if job["kind"] == "alternatives":
        drawings = find_alternatives(community, wishes, asked["alternatives"], before)
    else:
        drawings = [draw(community, wishes, before)]
    begin("keep")

    def keep() -> list[int]:
        with acting(engine, caller) as connection:
            return _keep(connection, caller, job["id"], drawings)

    return db.retry_conflicts(keep)


def _score_plan(
    engine: Engine, caller: Caller, job: dict[str, Any], begin: Callable[[str], None]
) -> int:
    """Score a plan as it is now, and keep the card unless it was edited meanwhile."""
    number = job["parameters"]["plan"]
    wanted = select(GridPlan.revision, GridPlan.parameters, GridPlan.parent_id, GridPlan.score)
    begin("read")
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with acting(snapshot, caller) as connection:
        row = connection.execute(wanted.where(GridPlan.id == number)).one_or_none()
        if row is None:
            raise NotFoundError("no_plan_here", plan=number)
        community = store.read_community(connection, job["community_code"])
        plan = store.before(connection, community, number)
        parent = row.parent_id
        before = None if parent is None else store.before(connection, community, parent)
    begin("draw")
    assert plan is not None  # noqa: S101 (its row was there in the same snapshot)
    weights = Weights(**(asdict(Weights()) | (row.parameters.get("weights") or {})))
    card = review_plan(community, plan, limits_of(row.parameters), weights, before)
    bound = row.score.get("bound")
    if bound is not None:  # what no drawing can be cheaper than holds for an edited one too
        card = replace(card, bound=bound, gap=1.0 - bound / max(card.objective, bound, 1e-9))
    begin("keep")

    def keep() -> int:
        with acting(engine, caller) as connection:
            store.lock_community(connection, job["community_code"])
            as_it_was = (GridPlan.id == number, GridPlan.revision == row.revision)
            connection.execute(update(GridPlan).where(*as_it_was).values(score=card.as_json()))
            _close(connection, job["id"], [number])
        return int(number)

    return db.retry_conflicts(keep)


def _keep(connection: Connection, caller: Caller, job: int, drawings: list[Drawing]) -> list[int]:
    """Keep the drawings and close the job in one transaction, unless it was cancelled."""
    made = [store.store(connection, drawing, caller.name) for drawing in drawings]
    _close(connection, job, made)
    for plan in made:
        record(connection, caller, "draw", "grid_plan", str(plan), {"job": job})
    return made


def _close(connection: Connection, job: int, made: list[int]) -> None:
    done = {"status": "done", "plans": made, "finished_at": func.now(), "done": len(STEPS)}
    closed = update(Job).where(Job.id == job, Job.status == "running").values(done)
    if connection.execute(closed).rowcount == 0:
        raise ConflictError("job_cancelled", job=job)


def wishes_of(asked: dict[str, Any], kind: str) -> Constraints:
    """Return the wishes that a request names (:class:`api.plans.drawing.Ask`)."""
    said = {name: value for name, value in asked.items() if name in DrawOptions.model_fields}
    areas = tuple(Area(**area) for area in said.pop("areas", ()))
    said["lock"] = asked.get("locked", ())
    completes = {"complete": True} if kind == "complete" else {}
    return DrawOptions.model_validate(said | completes).to_constraints(areas)


def _with_locks(
    connection: Connection, wishes: Constraints, before: PreviousPlan | None
) -> Constraints:
    """Return the wishes with the grids that are locked in the plan before."""
    if before is None or before.number is None:
        return wishes
    locked = select(Grid.code).where(Grid.plan_id == before.number, Grid.locked)
    codes = connection.execute(locked.order_by(Grid.code)).scalars()
    return replace(wishes, locked=tuple(dict.fromkeys((*wishes.locked, *codes))))


if __name__ == "__main__":
    main()
