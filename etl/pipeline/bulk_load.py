"""A first delivery, written into the live tables while it is still read.

Of a source that has nothing live yet, every feature will be added. So the server adds them, in the
transaction that will publish them, while later ones are read and checked; nobody sees them before
that transaction ends. Where the checks then find anything that changes the delivery (a feature
refused, a community found for another, something that a person should see), the transaction is
rolled back, and what is staged goes the ordinary way.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from etl.input.feature_batch import Batch
from etl.input.layer_columns import LAYERS_JOINED_LATER
from etl.pipeline import deferred_indexes
from etl.pipeline.merge import insertion
from etl.pipeline.publish import lock_layers
from etl.pipeline.staging import ROW, Staged
from etl.runs.run_records import Run
from geo.db import is_conflict
from geo.model.run import REVISIONS


class BulkLoadAbandonedError(Exception):
    """What was written ahead can't stay; the ordinary way is open."""


@dataclass
class BulkLoad:
    """Features on their way into the live tables, in the transaction that is open."""

    connection: Connection
    source: str
    revision: int
    _thread: ThreadPoolExecutor
    _waiting: list[Future[None]] = field(default_factory=list)
    _rows: dict[str, int] = field(default_factory=dict)

    def follow(self, staged: Staged, batch: Batch, copied: Future[None]) -> None:
        """Write a batch, once it is staged, in a thread of its own."""
        if len(batch):
            first, last = int(batch.numbers[0]), int(batch.numbers[-1])
            self._waiting.append(self._thread.submit(self._write, staged, first, last, copied))

    def finish(self) -> None:
        """Wait until all is written, and put up the indexes.

        Raises
        ------
        LostError
            If the tables refused anything.
        """
        try:
            for done in self._waiting:
                done.result()
            deferred_indexes.put_up(self.connection, [*self._rows])
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise BulkLoadAbandonedError from error

    def confirm(self, staged: Sequence[Staged]) -> None:
        """See that what is staged is what was written.

        Raises
        ------
        LostError
            If this transaction moved or changed any of it.
        """
        for one in staged:
            count, changed = self.connection.execute(
                text(
                    "SELECT count(*), count(*) FILTER (WHERE xmin = pg_current_xact_id()::xid) "
                    f"FROM {one.table}"
                )
            ).one()
            if changed or count != self._rows.get(one.layer, 0):
                raise BulkLoadAbandonedError

    def _write(self, staged: Staged, first: int, last: int, copied: Future[None]) -> None:
        copied.result()
        written = self.connection.execute(
            text(f"{insertion(staged)} WHERE {ROW} BETWEEN :first AND :last"),
            {"source": self.source, "revision": self.revision, "first": first, "last": last},
        )
        self._rows[staged.layer] = self._rows.get(staged.layer, 0) + written.rowcount


@contextmanager
def start_bulk_load(run: Run, staged: Sequence[Staged], *, is_large: bool) -> Iterator[BulkLoad]:
    """Hold the layers' locks and the publishing transaction, which ends well with the block.

    Indexes of layers that are empty are left off where the delivery is large.
    """
    layers = [one.layer for one in staged]
    with run.connection.begin():
        for one in staged:  # by which the rows of a batch are found
            run.connection.execute(text(f"CREATE INDEX ON {one.table} ({ROW})"))
    with ExitStack() as stack:
        stack.enter_context(lock_layers(run, layers))
        for layer in layers if is_large else ():
            deferred_indexes.leave_off(run.connection, layer)
        stack.enter_context(run.connection.begin())
        thread = stack.enter_context(ThreadPoolExecutor(1))
        if not may_be(run.connection, layers, run.source):
            raise BulkLoadAbandonedError
        # Signs of names wait beside their index, and come into it all at once at the end.
        run.connection.execute(text("SET LOCAL gin_pending_list_limit = '1GB'"))
        revision: int = run.connection.execute(select(REVISIONS.next_value())).scalar_one()
        head = BulkLoad(run.connection, run.source, revision, thread)
        try:
            yield head
        except DBAPIError as error:
            if not is_conflict(error):
                raise
            raise BulkLoadAbandonedError from error
        finally:
            thread.shutdown(cancel_futures=True)


def may_be(connection: Connection, layers: Sequence[str], source: str) -> bool:
    """Return whether all that a source delivers of some layers will be added, and changes no more.

    Nothing of it is live or corrected, and there are no plans that its buildings would make stale.
    """
    if LAYERS_JOINED_LATER & set(layers):
        return False
    live = "".join(
        f" OR EXISTS (SELECT FROM {layer} WHERE source = :source)" for layer in sorted(layers)
    )
    found = connection.execute(
        text(
            "SELECT EXISTS (SELECT FROM grid_plan) "
            f"OR EXISTS (SELECT FROM correction WHERE layer = ANY (:layers)){live}"
        ),
        {"source": source, "layers": list(layers)},
    ).scalar_one()
    return not found
