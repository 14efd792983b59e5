"""Bulk load: write the first delivery of a source into the live tables while it is still read.

A source that has nothing live yet only adds features. So the server adds them in the transaction
that will publish them, while later ones are read and checked; nobody sees them before it commits.
If the checks then change the delivery (a feature is rejected, a community assigned, the guard would
hold it), the transaction is rolled back, and the staged rows are published the ordinary way.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, RootTransaction, text
from sqlalchemy.exc import DBAPIError

from etl.input.feature_batch import Batch
from etl.input.layer_columns import LAYERS_JOINED_LATER
from etl.linking import join
from etl.pipeline import deferred_indexes
from etl.pipeline.cross_checks import LOCATED
from etl.pipeline.delivery import Delivery
from etl.pipeline.publish import insert_sql, lock_layers, next_revision
from etl.pipeline.staging import ROW, Staged
from etl.runs.run_records import Run


@dataclass
class BulkLoad:
    """The features written into the live tables in the open transaction."""

    connection: Connection
    source: str
    revision: int
    transaction: RootTransaction
    _thread: ThreadPoolExecutor
    _pending: list[Future[None]] = field(default_factory=list)
    _row_counts: dict[str, int] = field(default_factory=dict)

    def append(self, staged: Staged, batch: Batch, copied: Future[None]) -> None:
        """Write a batch in the background, as soon as it is copied into its staging table."""
        if len(batch):
            first, last = int(batch.numbers[0]), int(batch.numbers[-1])
            self._pending.append(self._thread.submit(self._write, staged, first, last, copied))

    def finish(self) -> bool:
        """Wait until all is written and restore the indexes; return whether the tables took it.

        Raises
        ------
        DBAPIError
            If the connection is lost.
        """
        try:
            for written in self._pending:
                written.result()
            deferred_indexes.restore_indexes(self.connection, [*self._row_counts])
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return False
        return True

    def matches(self, delivery: Delivery) -> bool:
        """Return whether the staged rows are still the written ones.

        They are not if this transaction has removed or changed any.
        """
        for staged in delivery.staged.values():
            count, changed = self.connection.exec_driver_sql(
                "SELECT count(*), count(*) FILTER (WHERE xmin = pg_current_xact_id()::xid) "
                f"FROM {staged.table}"
            ).one()
            if changed or count != self._row_counts.get(staged.layer, 0):
                return False
        return True

    def roll_back(self) -> None:
        """Remove the written features; the staged rows stay."""
        self.transaction.rollback()

    def _write(self, staged: Staged, first: int, last: int, copied: Future[None]) -> None:
        copied.result()
        written = self.connection.execute(
            text(f"{insert_sql(staged)} WHERE {ROW} BETWEEN :first AND :last"),
            {"source": self.source, "revision": self.revision, "first": first, "last": last},
        )
        count = self._row_counts.get(staged.layer, 0)
        self._row_counts[staged.layer] = count + written.rowcount


@contextmanager
def start_bulk_load(run: Run, delivery: Delivery, *, is_large: bool) -> Iterator[BulkLoad | None]:
    """Lock the layers and open the publishing transaction; the block commits it at its end.

    Yields None if another run has published features of the source before the layers were locked.

    Parameters
    ----------
    is_large
        Drop the indexes of empty layers until all is written.
    """
    connection, layers = run.connection, [*delivery.staged]
    with connection.begin():
        for staged in delivery.staged.values():  # by which the rows of a batch are found
            connection.execute(text(f"CREATE INDEX ON {staged.table} ({ROW})"))
    with ExitStack() as stack:
        stack.enter_context(lock_layers(run, layers))
        for layer in layers if is_large else ():
            deferred_indexes.drop_indexes(connection, layer)
        transaction = stack.enter_context(connection.begin())
        if not _adds_only(connection, layers, run.source):
            yield None
            return
        thread = stack.enter_context(ThreadPoolExecutor(1))
        # Name index entries wait in the pending list, and are merged all at once at the end.
        connection.execute(text("SET LOCAL gin_pending_list_limit = '1GB'"))
        try:
            yield BulkLoad(connection, run.source, next_revision(connection), transaction, thread)
        finally:
            thread.shutdown(cancel_futures=True)


def can_bulk_load(run: Run, delivery: Delivery) -> bool:
    """Return whether a delivery can be written into the live tables while it is read.

    It can if all of it will be added, nothing else changes, and no community has to be assigned.
    """
    with run.connection.begin():
        return _adds_only(run.connection, [*delivery.staged], run.source) and not any(
            join.has_missing_communities(run.connection, staged, delivery.staged.get("region"))
            for name, staged in delivery.staged.items()
            if name in LOCATED
        )


def _adds_only(connection: Connection, layers: Sequence[str], source: str) -> bool:
    """Return whether all that a source delivers of some layers is added, and changes nothing else.

    Nothing of it is live or corrected, and there are no plans that its buildings would make stale.
    """
    if LAYERS_JOINED_LATER & set(layers):
        return False
    live = "".join(
        f" OR EXISTS (SELECT FROM {layer} WHERE source = :source)" for layer in sorted(layers)
    )
    return not connection.execute(
        text(
            "SELECT EXISTS (SELECT FROM grid_plan) "
            f"OR EXISTS (SELECT FROM correction WHERE layer = ANY (:layers)){live}"
        ),
        {"source": source, "layers": list(layers)},
    ).scalar_one()
