"""Rolling a published run back: restore its features as they were before it.

The codes that a run wrote come from its record, their state before from the history of the layers.
A roll-back is a run like any other: published in one transaction, and can be rolled back itself.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select, text, update

from etl.input.layer_columns import deliverable_columns
from etl.pipeline import diff, staging
from etl.pipeline.cascade import apply_cascade
from etl.pipeline.delivery import Counts, Delivery, Outcome, Scope
from etl.pipeline.diff import delta_name
from etl.pipeline.publish import GENERATIONS, lock_layers, verify_references, write_changes
from etl.pipeline.staging import Staged
from etl.runs import run_records
from etl.runs.failures import run_with_failure_record
from etl.runs.outcomes import audit_on_finish, finish_run
from etl.runs.run_records import OnFinish, Run
from geo.errors import ConflictError, InputError, NotFoundError
from geo.model import LAYERS, ImportRun, RunChange
from geo.model.run import RunStatus
from geo.progress import Progress, silent


def roll_back(
    engine: Engine,
    number: int,
    *,
    with_later: bool = False,
    actor: str = "",
    progress: Progress = silent,
    on_finish: OnFinish | None = None,
) -> Outcome:
    """Roll a run back.

    Parameters
    ----------
    with_later
        Roll back later runs of its source too, which build on it.
    actor
        Who asks for it, for the report and the audit trail.
    on_finish
        Is called in the publishing transaction (:class:`etl.runs.run_records.Run`).

    Raises
    ------
    NotFoundError
        If there is no such run.
    ConflictError
        If it published nothing, or later runs of its source build on it.
    InputError
        If the record of its changes has been deleted.
    """
    with engine.connect() as connection:
        _runs_to_roll_back(connection, number, with_later)  # a mistake by the user leaves no run
        source, layer = connection.execute(
            select(ImportRun.source, ImportRun.layer).where(ImportRun.id == number)
        ).one()
    with run_records.start_run(engine, layer, source, rolls_back=[number], actor=actor) as run:
        run.on_finish = audit_on_finish("roll_back", actor, number, on_finish)
        return run_with_failure_record(
            engine, run, lambda: _undo(run, number, with_later, progress)
        )


def _runs_to_roll_back(connection: Connection, number: int, with_later: bool) -> list[int]:
    """Return the numbers of the runs to roll back, the last published first."""
    row = connection.execute(
        select(
            ImportRun.source,
            ImportRun.status,
            ImportRun.revision,
            ImportRun.report["rolled_back_by"].label("by"),
        ).where(ImportRun.id == number)
    ).first()
    if row is None:
        raise NotFoundError("no_such_run", run=number)
    if row.status == RunStatus.ROLLED_BACK:
        raise ConflictError("run_rolled_back", run=number, by=row.by)
    if row.status != RunStatus.PUBLISHED:
        raise ConflictError("run_not_published", run=number, status=row.status)
    layers = connection.scalars(select(RunChange.layer).where(RunChange.run_id == number)).all()
    if not layers:
        raise InputError("run_too_old", run=number, generations=GENERATIONS)
    # Numbers are given when runs begin, revisions when they publish.
    wrote_same_layer = (
        select(RunChange.run_id)
        .where(RunChange.run_id == ImportRun.id, RunChange.layer.in_(layers))
        .exists()
    )
    later = connection.scalars(
        select(ImportRun.id)
        .where(ImportRun.source == row.source, ImportRun.revision > row.revision)
        .where(ImportRun.status == RunStatus.PUBLISHED, wrote_same_layer)
        .order_by(ImportRun.revision.desc())
    ).all()
    if later and not with_later:
        listed = ", ".join(map(str, reversed(later)))
        raise ConflictError("run_has_later", run=number, runs=listed)
    return [*later, number]


def _undo(run: Run, number: int, with_later: bool, progress: Progress) -> Outcome:
    """Lock the layers, choose the runs again, and roll them back.

    A run published while this waits for the locks may build on the run, or be a roll-back of it.
    """
    connection = run.connection
    with connection.begin():
        layers = _layers(connection, _runs_to_roll_back(connection, number, with_later))
    with lock_layers(run, layers):
        with connection.begin():
            numbers = _runs_to_roll_back(connection, number, with_later)
            is_locked = _layers(connection, numbers) == layers
        if is_locked:
            run.report["rolls_back"] = numbers
            outcome = run.transact(lambda _: _publish_before(run, numbers, layers, progress))
            run.transact(lambda _: run_records.drop_staging_tables(connection, run.number))
            return outcome
    return _undo(run, number, with_later, progress)  # a later run wrote further layers meanwhile


def _layers(connection: Connection, numbers: Sequence[int]) -> list[str]:
    """Return the layers that the runs wrote, parents before children."""
    written = connection.scalars(
        select(RunChange.layer).where(RunChange.run_id.in_(numbers)).distinct()
    ).all()
    return [name for name in LAYERS if name in written]


def _publish_before(
    run: Run, numbers: Sequence[int], layers: Sequence[str], progress: Progress
) -> Outcome:
    """Stage the state before the runs, layer by layer, and publish it."""
    connection = run.connection
    staged = {
        name: staging.create_staging_table(connection, run.number, name, deliverable_columns(name))
        for name in layers
    }
    rejected = staging.create_rejected_table(connection, run.number)
    delivery = Delivery(staged, rejected, Scope(run.source))
    for part in staged.values():
        _stage_before(connection, part, numbers)
        diff.keep_corrections(connection, part)
    counts = {name: _compare_with_live(connection, part, numbers) for name, part in staged.items()}
    run.report |= diff.describe_changes(connection, staged, counts)
    revision = write_changes(run, delivery, counts, progress)
    apply_cascade(run, staged, revision)
    verify_references(run)
    outcome = finish_run(run, delivery, counts, RunStatus.PUBLISHED, revision)
    for name in staged:
        if counts[name].rows_written:
            _restore_sources(connection, name, run.number)
    connection.execute(
        update(ImportRun)
        .where(ImportRun.id.in_(numbers))
        .values(
            status=RunStatus.ROLLED_BACK,
            report=ImportRun.report.concat({"rolled_back_by": run.number}),
        )
    )
    return outcome


_FATES = """
SELECT DISTINCT ON (code) code, fate, revision FROM (
    SELECT unnest(added) AS code, 'added' AS fate, run_id FROM run_change
        WHERE run_id = ANY (:runs) AND layer = :layer
    UNION ALL SELECT unnest(changed), 'changed', run_id FROM run_change
        WHERE run_id = ANY (:runs) AND layer = :layer
    UNION ALL SELECT unnest(removed), 'removed', run_id FROM run_change
        WHERE run_id = ANY (:runs) AND layer = :layer) did
JOIN import_run ON import_run.id = run_id
ORDER BY code, revision
"""


def _stage_before(connection: Connection, staged: Staged, numbers: Sequence[int]) -> None:
    """Stage the features of a layer as they were before some runs.

    A column that none of the runs wrote stays as it is live: another source, or a person, may
    have changed it since.
    """
    layer = staged.layer
    written = connection.scalars(
        text(
            "SELECT DISTINCT unnest(columns) FROM run_change "
            "WHERE run_id = ANY (:runs) AND layer = :layer"
        ),
        {"runs": list(numbers), "layer": layer},
    ).all()
    values = ", ".join(
        f'was."{column}"'
        if column in written
        else f'CASE WHEN live.code IS NULL THEN was."{column}" ELSE live."{column}" END'
        for column in staged.columns
    )
    listed = ", ".join(f'"{column}"' for column in staged.columns)
    connection.execute(
        text(f"CREATE TEMPORARY TABLE did_{layer} ON COMMIT DROP AS {_FATES}"),
        {"runs": list(numbers), "layer": layer},
    )
    staged.rows = connection.exec_driver_sql(
        f"INSERT INTO {staged.table} ({listed}) SELECT {values} FROM ("
        f"SELECT DISTINCT ON (h.code) h.* FROM {layer}_history h JOIN did_{layer} did "
        "ON did.code = h.code WHERE did.fate <> 'added' AND h.revision < did.revision "
        "ORDER BY h.code, h.revision DESC, h.valid_to DESC) was "
        f"LEFT JOIN {layer} live ON live.code = was.code"
    ).rowcount


def _restore_sources(connection: Connection, layer: str, run: int) -> None:
    """Give restored features their former source: a run removes the units of other sources too."""
    connection.execute(
        text(
            f"UPDATE {layer} live SET source = was.source FROM ("
            f"SELECT DISTINCT ON (h.code) h.code, h.source FROM {layer}_history h "
            f"JOIN {delta_name(layer)} d ON d.code = h.code AND d.fate = 'added' "
            "ORDER BY h.code, h.revision DESC, h.valid_to DESC) was, run_change did "
            "WHERE did.run_id = :run AND did.layer = :layer AND live.code = ANY (did.added) "
            "AND was.code = live.code AND live.source <> was.source"
        ),
        {"run": run, "layer": layer},
    )


def _compare_with_live(connection: Connection, staged: Staged, numbers: Sequence[int]) -> Counts:
    """Write the changes of a roll-back into the table of differences of the layer."""
    layer = staged.layer
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {delta_name(layer)} AS "
        "SELECT staged.code, "
        "CASE WHEN live.code IS NULL THEN 'added' ELSE 'changed' END AS fate "
        f"FROM {staged.table} staged LEFT JOIN {layer} live USING (code) "
        f"WHERE live.code IS NULL OR {diff.differs_sql(staged)} "
        f"UNION ALL SELECT code, 'removed' FROM did_{layer} JOIN {layer} USING (code) "
        "WHERE fate = 'added'"
    )
    return diff.count_changes(connection, staged)
