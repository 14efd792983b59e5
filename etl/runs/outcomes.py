"""The end of a run: its record, the quarantine of what it rejected, its audit entry."""

from dataclasses import asdict

from sqlalchemy import Connection, func, insert, select, text, update

from etl.pipeline.delivery import Counts, Delivery, Outcome
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
    revision: int | None = None,
) -> Outcome:
    """Close a run in the open transaction, with its report and its rejected features."""
    _record_state(run, delivery, status)
    run.report["rejected"] = _quarantine_rejected(run.connection, run.number, delivery)
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
    """Lock the replayed features in the quarantine, in which they must still wait.

    Raises
    ------
    ConflictError
        If another run or person has resolved any of them since they were read.
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
    """Return the function that writes an action on a run to the audit trail as the run ends.

    Parameters
    ----------
    action
        A verb: ``approve``, ``dismiss``, ``roll_back``, ``replay``.
    number
        The run that the action is on; if another run carries it out, that one is in the detail.
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


def _record_state(run: Run, delivery: Delivery, status: RunStatus) -> None:
    """Record at which state of the layers the same file needs not be read again."""
    began: State | None = run.report.get("state")
    if began is None or status is RunStatus.HELD:
        return
    ended = run_records.layer_versions(run.connection, began)
    written = {*delivery.staged, *run.report.get("also_changed", {})}
    # The run has not seen what others published into other layers while it read.
    run.report["state_after"] = {
        name: (ended if name in written else began)[name] for name in began
    }


def _quarantine_rejected(connection: Connection, run: int, delivery: Delivery) -> dict[str, int]:
    """Move the rejected features to the quarantine; return how many by reason.

    A feature that waits there already is not added again; one that is accepted now, or replayed,
    is resolved.
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
    if not delivery.is_quarantined:
        _add_to_quarantine(connection, run, delivery)
    reasons = connection.exec_driver_sql(
        f"SELECT reason, count(*) AS size FROM {delivery.rejected} GROUP BY 1 ORDER BY 1"
    )
    return {row.reason: row.size for row in reasons}


def _add_to_quarantine(connection: Connection, run: int, delivery: Delivery) -> None:
    """Add the rejected features that do not wait in quarantine already."""
    connection.execute(
        text(
            "INSERT INTO quarantine (run_id, layer, code, reason, detail, properties, original, "
            "geom) SELECT :run, layer, code, reason, detail, properties, original, geom "
            f"FROM {delivery.rejected} new WHERE NOT EXISTS (SELECT FROM quarantine q "
            "JOIN import_run r ON r.id = q.run_id WHERE r.source = :source AND q.layer = new.layer "
            "AND q.reason = new.reason AND q.resolved_at IS NULL "
            "AND q.code IS NOT DISTINCT FROM new.code "
            "AND q.original IS NOT DISTINCT FROM new.original)"
        ),
        {"run": run, "source": delivery.scope.source},
    )
