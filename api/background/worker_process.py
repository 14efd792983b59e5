"""The job process that draws and scores plans (:mod:`api.background.job_process`)."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, partial
from typing import Any

import shapely
from sqlalchemy import Connection, Engine, create_engine, func, select, update

from api.background import job_process
from api.core.audit import record
from api.core.caller import Caller, transaction_as
from api.core.problems import require_found
from geo import db
from geo.errors import ConflictError
from geo.model import Grid, GridPlan, Job
from geo.model.job import JobKind
from geo.partition.constraints import Area, Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.options import DrawOptions
from geo.partition.previous_plan import PreviousPlan
from geo.partition.scoring.objective import Weights
from geo.partition.scoring.review import review_plan
from geo.partition.search.alternatives import find_alternatives
from geo.plans import community_layers, micro_division, store
from geo.plans.change_figures import BoundaryChangeKind
from geo.plans.change_summary import to_record
from geo.plans.data_state import DataState, mark_if_data_changed, read_data_state
from geo.plans.validation import limits_from_parameters
from geo.plans.what_if import BoundaryChange, compare_change, read_communities
from geo.progress import Progress

STEPS = ("read", "draw", "keep")
NICENESS = 5


def main() -> None:
    """Run jobs until the input ends."""
    job_process.serve(_run_job, niceness=NICENESS)


_engine = cache(partial(create_engine, pool_pre_ping=True))


def _run_job(url: str, job: dict[str, Any], report: Progress) -> None:
    def begin(step: str) -> None:
        report(step, STEPS.index(step), len(STEPS))

    if job["kind"] == JobKind.WHAT_IF:
        _compare_change(_engine(url), job, report)
    else:
        run_plan_job(_engine(url), job, begin)


def run_plan_job(engine: Engine, job: dict[str, Any], begin: Callable[[str], None]) -> list[int]:
    """Run a job under the rights of its caller; return the numbers of the plans it stored.

    Parameters
    ----------
    begin
        Called with the name of each step of :data:`STEPS`.
    """
    caller = _caller_of(job)
    parameters = job["parameters"]
    if job["kind"] == "score":
        return [_score_plan(engine, caller, job, begin)]
    if job["kind"] == "micro":
        return [_divide_plan(engine, caller, job, begin)]
    begin("read")
    # One snapshot, so that an import meanwhile does not mix two states of the city.
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with transaction_as(snapshot, caller) as connection:
        state = read_data_state(connection, job["community_code"])
        constraints = constraints_from_request(parameters, job["kind"])
        community = community_layers.read_community(
            connection, job["community_code"], constraints.limits.balance
        )
        previous = None
        if not constraints.fresh:
            previous = store.read_previous_plan(connection, community, parameters.get("before"))
        constraints = _add_locked_grids(connection, constraints, previous)
    begin("draw")
    if job["kind"] == "alternatives":
        drawings = find_alternatives(community, constraints, parameters["alternatives"], previous)
    else:
        drawings = [draw(community, constraints, previous)]
    begin("keep")

    def store_drawings() -> list[int]:
        with transaction_as(engine, caller) as connection:
            return _store_drawings(connection, caller, job["id"], drawings, state)

    return db.retry_conflicts(store_drawings)


def _caller_of(job: dict[str, Any]) -> Caller:
    """Return the caller under whose rights a job runs."""
    return Caller(**job["caller"] | {"networks": tuple(job["caller"]["networks"])})


def _compare_change(engine: Engine, job: dict[str, Any], report: Progress) -> None:
    """Compare the grids before and after a change of communities, and store the result."""
    caller, parameters = _caller_of(job), job["parameters"]
    constraints = constraints_from_request(parameters, job["kind"])
    line = parameters.get("line")
    change = BoundaryChange(
        BoundaryChangeKind(parameters["kind"]),
        parameters.get("street", ""),
        None if line is None else shapely.from_wkt(line),
    )
    report("draw", 0, 0)
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with transaction_as(snapshot, caller) as connection:
        before = read_communities(connection, parameters["communities"], constraints)
    result = to_record(compare_change(before, change, constraints, report))

    def store_result() -> None:
        with transaction_as(engine, caller) as connection:
            steps = len(result["figures"]["before"]) + len(result["figures"]["after"])
            _finish_job(connection, job["id"], [], steps, result)

    db.retry_conflicts(store_result)


def _divide_plan(
    engine: Engine, caller: Caller, job: dict[str, Any], begin: Callable[[str], None]
) -> int:
    """Divide the grids of a plan into micro-grids; return its number."""
    number = int(job["parameters"]["plan"])
    begin("draw")

    def divide() -> int:
        with transaction_as(engine, caller) as connection:
            summary = micro_division.divide_plan(connection, number)
            _finish_job(connection, job["id"], [number])
            detail = {"job": job["id"], "parts": summary.parts}
            record(connection, caller, "divide", "grid_plan", str(number), detail)
        return number

    return db.retry_conflicts(divide)


def _score_plan(
    engine: Engine, caller: Caller, job: dict[str, Any], begin: Callable[[str], None]
) -> int:
    """Score a plan, and store the score card unless the plan was edited meanwhile."""
    number = job["parameters"]["plan"]
    columns = select(GridPlan.revision, GridPlan.parameters, GridPlan.parent_id, GridPlan.score)
    begin("read")
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with transaction_as(snapshot, caller) as connection:
        row = connection.execute(columns.where(GridPlan.id == number)).one_or_none()
        row = require_found("no_plan_here", row, plan=number)
        limits = limits_from_parameters(row.parameters)
        community = community_layers.read_community(
            connection, job["community_code"], limits.balance
        )
        plan = store.read_previous_plan(connection, community, number)
        parent = row.parent_id
        previous = (
            None if parent is None else store.read_previous_plan(connection, community, parent)
        )
    begin("draw")
    assert plan is not None  # noqa: S101 (its row was there in the same snapshot)
    weights = Weights(**(asdict(Weights()) | (row.parameters.get("weights") or {})))
    card = review_plan(community, plan, limits, weights, previous)
    bound = row.score.get("bound")
    if bound is not None:  # the lower bound of a drawing holds after edits too
        card = replace(card, bound=bound, gap=1.0 - bound / max(card.objective, bound, 1e-9))
    begin("keep")

    def store_score() -> int:
        with transaction_as(engine, caller) as connection:
            store.lock_community(connection, job["community_code"])
            is_unedited = (GridPlan.id == number, GridPlan.revision == row.revision)
            score = card.as_json() | {"revision": row.revision}
            connection.execute(update(GridPlan).where(*is_unedited).values(score=score))
            _finish_job(connection, job["id"], [number])
        return int(number)

    return db.retry_conflicts(store_score)


def _store_drawings(
    connection: Connection,
    caller: Caller,
    job: int,
    drawings: list[Drawing],
    drawn_from: DataState,
) -> list[int]:
    """Store the drawings and finish the job in one transaction, unless it was cancelled."""
    plans = [store.store_drawing(connection, drawing, caller.name) for drawing in drawings]
    for plan, drawing in zip(plans, drawings, strict=True):
        mark_if_data_changed(connection, plan, drawing.community, drawn_from)
        micro_division.continue_micro_grids(connection, plan)
    _finish_job(connection, job, plans)
    for plan in plans:
        record(connection, caller, "draw", "grid_plan", str(plan), {"job": job})
    return plans


def _finish_job(
    connection: Connection,
    job: int,
    plans: list[int],
    steps: int = len(STEPS),
    result: dict[str, Any] | None = None,
) -> None:
    values = {"status": "done", "plans": plans, "finished_at": func.now(), "done": steps}
    values |= {"result": result}
    finish = update(Job).where(Job.id == job, Job.status == "running").values(values)
    if connection.execute(finish).rowcount == 0:
        raise ConflictError("job_cancelled", job=job)


def constraints_from_request(parameters: dict[str, Any], kind: str) -> Constraints:
    """Return the constraints of a job of :mod:`api.plans.drawing`."""
    options = {name: parameters[name] for name in DrawOptions.model_fields if name in parameters}
    areas = tuple(Area(**area) for area in options.pop("areas", ()))
    options["lock"] = parameters.get("locked", ())
    if kind == "complete":
        options["complete"] = True
    return DrawOptions.model_validate(options).to_constraints(areas)


def _add_locked_grids(
    connection: Connection, constraints: Constraints, previous: PreviousPlan | None
) -> Constraints:
    """Return the constraints with the grids that are locked in the previous plan."""
    if previous is None or previous.number is None:
        return constraints
    locked = select(Grid.code).where(Grid.plan_id == previous.number, Grid.locked)
    codes = connection.scalars(locked.order_by(Grid.code))
    return replace(constraints, locked=tuple(dict.fromkeys((*constraints.locked, *codes))))


if __name__ == "__main__":
    main()
