"""The record of a run that was settled, and what it refused, kept in quarantine."""

from dataclasses import asdict

from sqlalchemy import Connection, func, insert, select, text, update

from etl.pipeline import row_digests
from etl.pipeline.delivery import Delivery, Outcome
from etl.pipeline.diff import Counts
from etl.runs import run_records
from etl.runs.run_records import OnFinish, Run, State
from geo.errors import ConflictError
from geo.model import AuditEvent, Quarantine
from geo.model.run import RunStatus


def finish_run(
    run: Run,
    delivery: Delivery,
    counts: dict[str, Counts],
    status: RunStatus,
    revision: int | None,
) -> Outcome:
    """Write the record of a run, and what it refused."""
    _remember(run, delivery, status)
    run.report["rejected"] = _quarantine(run.connection, run.number, delivery)
    run_records.close_run(
        run.connection,
        run.number,
        status,
        run.report,
        counts={name: asdict(count) for name, count in counts.items()},
        timings=run.timings,
        revision=revision,
    )
    if run.on_finish is not None:
        run.on_finish(run.connection, run.number)
    return Outcome(run.number, status, counts, run.report)


def lock_replayed_features(run: Run, delivery: Delivery) -> None:
    """Refuse to bring features again that no longer wait in quarantine, now that it is locked.

    Raises
    ------
    ConflictError
        If another run or person has dealt with any of them since they were read.
    """
    if not delivery.replayed:
        return
    waiting = select(Quarantine.id).where(
        Quarantine.id.in_(delivery.replayed), Quarantine.resolved_at.is_(None)
    )
    numbers = run.connection.scalars(waiting.order_by(Quarantine.id).with_for_update()).all()
    resolved = len(set(delivery.replayed)) - len(numbers)
    if resolved:
        raise ConflictError("quarantine_resolved", run=run.number, count=resolved)


def audit_on_finish(
    action: str, actor: str, number: int, on_finish: OnFinish | None = None
) -> OnFinish:
    """Return what puts an action on a run into the audit trail as the run ends.

    Parameters
    ----------
    action
        A verb: ``approve``, ``dismiss``, ``roll_back``, ``replay``.
    number
        The run that it is done to; the run that does it stands in the detail, if it is another.
    on_finish
        Is called after it, in the same transaction.
    """

    def record(connection: Connection, run: int) -> None:
        detail = {} if run == number else {"by": run}
        event = insert(AuditEvent).values(
            actor=actor,
            action=action,
            object_type="import_run",
            object_code=str(number),
            detail=detail,
        )
        connection.execute(event)
        if on_finish is not None:
            on_finish(connection, run)

    return record


def _remember(run: Run, delivery: Delivery, status: RunStatus) -> None:
    """Write down at which state the file was found right, and which of its rows were."""
    began: State | None = run.report.get("state")
    if began is None or status is RunStatus.HELD:
        return
    ended = run_records.layer_versions(run.connection, began)
    own = {*delivery.staged, *run.report.get("also_changed", {})}
    # What others published while it was read, it has not looked at.
    state = {name: (ended if name in own else began)[name] for name in began}
    run.report["state_after"] = state
    row_digests.record(run.connection, delivery, state)


def _quarantine(connection: Connection, run: int, delivery: Delivery) -> dict[str, int]:
    """Keep what was refused, once for as long as nobody has dealt with it; count the reasons.

    What was refused before and is right now, or replayed, is dealt with.
    """
    for name, staged in delivery.staged.items():
        connection.execute(
            text(
                "UPDATE quarantine q SET resolved_at = now() FROM import_run r, "
                f"{staged.table} staged WHERE r.id = q.run_id AND r.source = :source "
                "AND q.layer = :layer AND q.resolved_at IS NULL AND q.code = staged.code"
            ),
            {"source": delivery.scope.source, "layer": name},
        )
    if delivery.replayed:
        connection.execute(
            update(Quarantine)
            .where(Quarantine.id.in_(delivery.replayed), Quarantine.resolved_at.is_(None))
            .values(resolved_at=func.now())
        )
    connection.execute(
        text(
            "INSERT INTO quarantine (run_id, layer, code, reason, detail, properties, original, "
            "geom) SELECT :run, layer, code, reason, detail, properties, original, geom "
            f"FROM {delivery.rejected} new WHERE NOT EXISTS (SELECT FROM quarantine q "
            "JOIN import_run r ON r.id = q.run_id WHERE r.source = :source AND q.layer = new.layer "
            "AND q.reason = new.reason AND q.resolved_at IS NULL AND q.run_id <> :run "
            "AND q.code IS NOT DISTINCT FROM new.code "
            "AND q.original IS NOT DISTINCT FROM new.original)"
        ),
        {"run": run, "source": delivery.scope.source},
    )
    reasons = connection.execute(
        text(f"SELECT reason, count(*) AS size FROM {delivery.rejected} GROUP BY 1 ORDER BY 1")
    )
    return {row.reason: row.size for row in reasons}
