"""The import of one file: every stage, in order.

:func:`run_import` opens the file, skips it if it is unchanged, reads it (map, georeference,
repair, validate) into staging tables and cross-checks these; :func:`publish_delivery` compares
them with the live tables, asks the guard, publishes, cascades and writes the report.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine, RootTransaction
from sqlalchemy.exc import DBAPIError

from etl.input.mapping import Mapping
from etl.pipeline.bulk_load import can_bulk_load, start_bulk_load
from etl.pipeline.cascade import apply_cascade
from etl.pipeline.cross_checks import cross_check
from etl.pipeline.delivery import Concern, Counts, Delivery, Outcome
from etl.pipeline.diff import compare_layers
from etl.pipeline.guard import (
    find_cascade_concerns,
    find_concerns,
    find_missing_columns,
    guard_from_settings,
)
from etl.pipeline.parts import OpenedFile, open_file
from etl.pipeline.publish import (
    clean_up,
    keep_staged,
    lock_layers,
    verify_references,
    write_changes,
)
from etl.pipeline.reading import Reader, prepare_reader
from etl.pipeline.unchanged import forget_outdated_state, skip_if_unchanged
from etl.runs import run_records
from etl.runs.failures import run_with_failure_record
from etl.runs.outcomes import finish_run, lock_replayed_features
from etl.runs.run_records import OnFinish, Run
from geo.db import is_conflict
from geo.model.run import RunStatus
from geo.progress import Progress, silent
from geo.settings import Settings


@dataclass(frozen=True)
class Request:
    """An import that a person or the nightly run asks for.

    Attributes
    ----------
    layer
        A layer, ``community``, ``hydrant``, ``register``, ``pipe`` or ``city``.
    file
        The file to read.
    mapping
        How to read it; guessed from the columns of the file if None.
    dry
        Report what would change, and change nothing.
    again
        Read the file even if it is the one of the last run.
    uploaded_by
        Who uploaded the file on the import page; empty if it lies on the server.
    """

    layer: str
    file: Path
    mapping: Mapping | None = None
    dry: bool = False
    again: bool = False
    uploaded_by: str = ""

    @property
    def source(self) -> str:
        """The source whose features the file holds."""
        named = self.mapping.source if self.mapping else ""
        return named or f"file:{self.layer}"


def import_file(
    engine: Engine,
    request: Request,
    settings: Settings,
    progress: Progress = silent,
    on_finish: OnFinish | None = None,
) -> Outcome:
    """Import a file, and record how the run ended.

    Parameters
    ----------
    on_finish
        Is called in the transaction that ends the run, which a dry run rolls back.

    Returns
    -------
    Outcome
        Published, unchanged or held.

    Raises
    ------
    InputError
        If the file as a whole can't be used; the run is recorded as rejected, nothing is changed.
    SetupError
        If the database or its disk gives way; the run is recorded as failed, nothing is changed.
    """
    about: dict[str, object] = {"file": str(request.file), "dry": request.dry}
    if request.uploaded_by:
        about |= {"file": request.file.name, "uploaded_by": request.uploaded_by}
    with run_records.start_run(engine, request.layer, request.source, **about) as run:
        run.on_finish = on_finish
        source = open_file(run, request.file, request.layer, request.mapping)
        return run_with_failure_record(
            engine, run, lambda: run_import(engine, run, request, source, settings, progress)
        )


def run_import(
    engine: Engine,
    run: Run,
    request: Request,
    source: AbstractContextManager[OpenedFile],
    settings: Settings,
    progress: Progress = silent,
    replayed: Sequence[int] = (),
) -> Outcome:
    """Run every stage of an import.

    Parameters
    ----------
    source
        Opens the file, or the features from the quarantine.
    replayed
        Numbers of the features from the quarantine that the source delivers again.

    Raises
    ------
    InputError
        If the file as a whole can't be used, or changes while it is read.
    ConflictError
        If a replayed feature has left the quarantine since it was read.
    """
    with ExitStack() as stack:
        with run.timed("open"):
            opened = stack.enter_context(source)  # open
        may_skip = not (request.again or request.dry)
        if may_skip and (unchanged := skip_if_unchanged(run)):  # skip if unchanged
            return unchanged
        reader = prepare_reader(run, opened, request.mapping)
        delivery = reader.delivery
        delivery.guard = guard_from_settings(
            settings, request.mapping.guard if request.mapping else None
        )
        delivery.concerns += find_missing_columns(run)
        delivery.replayed = replayed
        if not request.dry and can_bulk_load(run, delivery):  # all stages to the report at once
            published = _bulk_load(engine, run, opened, reader, progress)
            if published is not None:
                return published  # None: rolled back, the stages follow one after the other
        if not reader.is_done:
            reader.read(engine, run, progress)  # read and stage
            opened.verify_unchanged()
    with lock_layers(run, [*delivery.staged]):
        with run.connection.begin():
            cross_check(run, delivery, reader.findings)  # cross-check
        # diff, guard, publish, cascade, report
        return publish_delivery(run, delivery, progress, dry=request.dry)


def publish_delivery(
    run: Run, delivery: Delivery, progress: Progress = silent, *, dry: bool = False
) -> Outcome:
    """Publish staged layers, hold them, or find them unchanged, in a transaction of its own.

    Parameters
    ----------
    dry
        Roll everything back at the end: the outcome says what would have happened.

    Raises
    ------
    InputError
        If a feature names another one that does not exist.
    ConflictError
        If a replayed feature has left the quarantine since it was read.
    """

    def publish(transaction: RootTransaction) -> Outcome:
        outcome = _run_publishing_stages(run, delivery, progress)
        if dry:
            transaction.rollback()
        return outcome

    with lock_layers(run, [*delivery.staged]):
        outcome = run.transact(publish)
        clean_up(run, outcome, dry=dry)
    return outcome


def _run_publishing_stages(run: Run, delivery: Delivery, progress: Progress) -> Outcome:
    """Run the stages from the diff to the report in the open transaction."""
    with run.timed("diff"):
        forget_outdated_state(run)
        lock_replayed_features(run, delivery)
        counts = compare_layers(run, delivery)  # diff
        concerns = find_concerns(run.connection, delivery, counts)  # guard
    if concerns:
        return _hold_run(run, delivery, counts, concerns)
    if not any(count.rows_written for count in counts.values()):
        return finish_run(run, delivery, counts, RunStatus.UNCHANGED)
    report, before = dict(run.report), run.connection.begin_nested()
    revision = write_changes(run, delivery, counts, progress)  # publish
    foreign = apply_cascade(run, delivery.staged, revision)  # cascade
    if concerns := find_cascade_concerns(run.connection, delivery, foreign):
        before.rollback()
        run.report = report
        return _hold_run(run, delivery, counts, concerns)
    before.commit()
    verify_references(run)
    return finish_run(run, delivery, counts, RunStatus.PUBLISHED, revision)  # report


def _hold_run(
    run: Run, delivery: Delivery, counts: dict[str, Counts], concerns: list[Concern]
) -> Outcome:
    """Close a run that a person has to approve, with the reasons."""
    run.report["concerns"] = [asdict(concern) for concern in concerns]
    keep_staged(run, delivery)
    return finish_run(run, delivery, counts, RunStatus.HELD)


def _bulk_load(
    engine: Engine, run: Run, opened: OpenedFile, reader: Reader, progress: Progress
) -> Outcome | None:
    """Write a first delivery into the live tables while it is read, and publish it.

    Returns
    -------
    Outcome or None
        None if the checks changed the delivery, the guard would hold it, the live tables refused
        it, or another run published the source meanwhile: the live tables are rolled back, and
        what was read stays staged.

    Raises
    ------
    DBAPIError
        If the connection is lost.
    """
    try:
        with start_bulk_load(run, reader.delivery, is_large=reader.is_large) as load:
            if load is None:
                return None
            reader.read(engine, run, progress, load.append)  # read and stage
            opened.verify_unchanged()
            with run.timed("publish"):
                is_written = load.finish()
            # The checks change both; the ordinary way starts from what was staged.
            delivery, findings = deepcopy((reader.delivery, reader.findings))
            delivery.written = load.revision
            if is_written:
                cross_check(run, delivery, findings)  # cross-check
            if not is_written or not load.matches(delivery):
                load.roll_back()
                return None
            outcome = _run_publishing_stages(run, delivery, progress)
            if outcome.status is RunStatus.HELD:
                load.roll_back()
                return None
    except DBAPIError as error:
        if reader.is_done and is_conflict(error):
            return None
        raise
    clean_up(run, outcome)
    return outcome


__all__ = ["Outcome", "Request", "import_file", "publish_delivery", "run_import"]
