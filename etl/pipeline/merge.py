"""Writing what differs into the live tables, inside the publishing transaction."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from etl.pipeline import cascade, staging
from etl.pipeline.delivery import Delivery, Outcome
from etl.pipeline.diff import Counts, delta_name
from etl.pipeline.staging import Staged
from etl.runs.outcomes import finish_run
from etl.runs.run_records import Run
from geo.errors import InputError
from geo.model import ImportRun, LayerRevision, RunChange
from geo.model.run import REVISIONS, RunStatus
from geo.plans import store
from geo.progress import Progress

GENERATIONS = 30
"""Publications of a source that can be rolled back."""


def write_all(
    run: Run,
    delivery: Delivery,
    counts: dict[str, Counts],
    touched: Sequence[str],
    progress: Progress,
) -> Outcome:
    connection, source = run.connection, delivery.scope.source
    revision = delivery.written or _next_revision(connection)
    if "region" in counts and counts["region"].removed:
        store.lock_all(connection)  # whose rows name the regions that are deleted
    with run.timed("publish"):
        before = cascade.before(connection, delivery.staged)
        for done, name in enumerate(touched):
            progress("publish", done, len(touched))
            if delivery.written is None:
                write(connection, delivery.staged[name], counts[name], source, revision)
            _keep_changes(connection, run.number, delivery.staged[name])
            set_layer_revision(connection, name, revision, run.number)
        progress("publish", len(touched), len(touched))
    with run.timed("consequences"):
        run.report |= cascade.after(connection, before, run.number, revision)
        for name in run.report.get("also_changed", {}):
            set_layer_revision(connection, name, revision, run.number)
    with run.timed("publish"):
        _check_references(connection)
        _forget_old(connection, source)
    return finish_run(run, delivery, counts, RunStatus.PUBLISHED, revision)


def _next_revision(connection: Connection) -> int:
    revision: int = connection.execute(select(REVISIONS.next_value())).scalar_one()
    return revision


def write(
    connection: Connection, staged: Staged, counts: Counts, source: str, revision: int
) -> None:
    """Remove, change and add what differs."""
    name, delta = staged.layer, delta_name(staged.layer)
    columns = [f'"{column}"' for column in staged.columns if column != "code"]
    assigned = "".join(f"{column} = staged.{column}, " for column in columns)
    insert_into = insertion(staged)
    # Neighbours in the table are neighbours in its indexes: children come in the file's order.
    statements = [
        f"DELETE FROM {name} live USING {delta} delta "
        "WHERE delta.code = live.code AND fate = 'removed'",
        f"UPDATE {name} live SET {assigned}revision = :revision "
        f"FROM {staged.table} staged JOIN {delta} USING (code) "
        "WHERE staged.code = live.code AND fate = 'changed'",
        f"{insert_into} JOIN {delta} USING (code) WHERE fate = 'added' ORDER BY {staging.ROW}",
    ]
    if counts.is_all_added:
        statements = [insert_into]  # a first delivery lies there in its order already
    for statement in statements:
        connection.execute(text(statement), {"source": source, "revision": revision})


def insertion(staged: Staged) -> str:
    """Return the statement that adds what is staged to its layer, open for a condition."""
    listed = "".join(f', "{column}"' for column in staged.columns if column != "code")
    return (
        f"INSERT INTO {staged.layer} (code{listed}, source, revision) "
        f"SELECT code{listed}, :source, :revision FROM {staged.table}"
    )


def _keep_changes(connection: Connection, run: int, staged: Staged) -> None:
    """Write down what a run does to a layer, for its roll-back."""
    of = "coalesce(array_agg(code) FILTER (WHERE fate = '{}'), '{{}}')"
    fates = ", ".join(of.format(fate) for fate in ("added", "changed", "removed"))
    connection.execute(
        text(
            "INSERT INTO run_change (run_id, layer, columns, added, changed, removed) "
            f"SELECT :run, :layer, :columns, {fates} FROM {delta_name(staged.layer)}"
        ),
        {"run": run, "layer": staged.layer, "columns": staged.columns},
    )


def _forget_old(connection: Connection, source: str) -> None:
    """Forget what runs before the last generations of a source changed."""
    kept = (
        select(ImportRun.revision)
        .where(ImportRun.source == source, ImportRun.status == RunStatus.PUBLISHED)
        .order_by(ImportRun.revision.desc())
        .limit(GENERATIONS)
    )
    oldest = connection.execute(select(func.min(kept.subquery().c.revision))).scalar()
    if oldest is not None:
        of_source = select(ImportRun.id).where(
            ImportRun.source == source, ImportRun.revision < oldest
        )
        connection.execute(delete(RunChange).where(RunChange.run_id.in_(of_source)))


def set_layer_revision(connection: Connection, name: str, revision: int, run: int | None) -> None:
    """Move the layer's revision."""
    marked = connection.execute(
        update(LayerRevision)
        .where(LayerRevision.layer == name)
        .values(revision=revision, run_id=run, published_at=func.now())
    )
    if marked.rowcount == 0:
        connection.execute(insert(LayerRevision).values(layer=name, revision=revision, run_id=run))


def _check_references(connection: Connection) -> None:
    """Have the database check now that every feature named by another is there."""
    try:
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    except IntegrityError as error:
        raise _dangling(error) from error


def _dangling(error: IntegrityError) -> InputError:
    """Return what is said of a feature that names another which is not there."""
    said: Any = getattr(error.orig, "diag", None)
    detail = said.message_detail or ""
    # Key (building_code)=(b1) is not present in table "building".
    # Key (code)=(b1) is still referenced from table "building_unit".
    parts = re.search(r"\((\w+)\)=\((.*)\).*\"(\w+)\"", detail)
    if parts is None:
        return InputError("reference_broken", layer=said.table_name, detail=detail)
    column, code, other = parts.groups()
    if column == "code":
        return InputError("feature_in_use", layer=said.table_name, code=code, other=other)
    return InputError(
        "reference_dangling", layer=said.table_name, column=column, code=code, other=other
    )
