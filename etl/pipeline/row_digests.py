"""Rows that passed every check before, just as they came: they need not be looked at again.

A row's mark is a digest of its values and geometry as they came, of the mapping, and of the rules
(the sources of this package, the versions of its libraries). The marks of the rows that passed
untouched are kept with their source, and with the state of the layers that the checks looked at.
At the same state, a row of the same mark is neither mended nor checked nor copied again: what is
live is what it would become. A changed rule, mapping, register or community makes other marks or
another state, and every row is looked at.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray
from pandas.util import hash_array
from sqlalchemy import Connection, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import JSONB

from etl.input.feature_batch import Batch, Flags
from etl.input.layer_columns import LAYERS_JOINED_LATER, REGISTER
from etl.input.mapping import ColumnRule, apply_mapping
from etl.input.mapping import Mapping as Way
from etl.pipeline.delivery import Delivery
from etl.pipeline.diff import Counts, live_count
from etl.pipeline.staging import MARK, ROW, Staged
from etl.runs.run_records import Run, State, layer_versions
from geo import model
from geo.model import Correction, PassedRows

_BETWEEN, _MISSING = "\x1f", "\x1e"
"""What stands between the values of a row, and for none; a row that holds either has no mark."""

_ROWS_A_PART = 100_000


class LayersChangedError(Exception):
    """A layer was published while rows were passed over: they must be looked at after all."""


@dataclass
class KnownRows:
    """What is known of a layer's rows before they are read.

    Attributes
    ----------
    marks
        Sorted.
    corrected
        Codes of features that a person corrected, whose rows are always looked at.
    """

    marks: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    corrected: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    _seen: Flags = field(init=False)

    def __post_init__(self) -> None:
        self._seen = np.zeros(len(self.marks), dtype=bool)

    def of(self, batch: Batch, how: Way) -> tuple[Flags, pa.Array]:
        """Return which rows of a batch passed before, and their codes.

        Of rows that are alike only the first is one: the others must be told as doubles.
        """
        known = self._first(batch)
        if not known.any():
            return known, pa.array([], pa.string())
        codes = apply_mapping(_only_code(how), batch.take(known)).columns["code"].cast(pa.string())
        corrected = np.asarray(pc.is_in(codes, self.corrected))
        known[known] = ~corrected
        return known, codes.filter(pa.array(~corrected))

    def _first(self, batch: Batch) -> Flags:
        known = np.zeros(len(batch), dtype=bool)
        if batch.marks is None or len(self.marks) == 0:
            return known
        at = np.searchsorted(self.marks, batch.marks).clip(max=len(self.marks) - 1)
        rows = np.flatnonzero((self.marks[at] == batch.marks) & ~self._seen[at])
        _, first = np.unique(at[rows], return_index=True)
        known[rows[first]] = True
        self._seen[at[rows[first]]] = True
        return known


def _only_code(how: Way) -> Way:
    columns: dict[str, ColumnRule] = {n: c for n, c in how.columns.items() if n == "code"}
    return how.model_copy(update={"columns": columns, "constants": {}})


def may_pass(layer: str, *, partial: bool) -> bool:
    """Return whether rows of a delivery can be passed over.

    Not where they are joined to others once all is read, and not where what the file lacks stays.
    """
    return not partial and layer != REGISTER and layer not in LAYERS_JOINED_LATER


def read_known_rows(connection: Connection, layer: str, source: str, state: State) -> KnownRows:
    """Return what is known of the rows of a source, if its layers still stand where they did."""
    parts = connection.execute(
        select(PassedRows.marks, PassedRows.state).where(
            PassedRows.source == source, PassedRows.layer == layer
        )
    ).all()
    if not parts or any(part.state != state for part in parts):
        return KnownRows()
    marks = np.concatenate([np.frombuffer(part.marks, ">i8") for part in parts])
    corrected = connection.scalars(select(Correction.code).where(Correction.layer == layer)).all()
    codes = pa.array(sorted(set(corrected)), pa.string())
    return KnownRows(np.sort(marks.astype(np.int64)), codes)


def add_digests(batch: Batch, key: bytes) -> Batch:
    """Return a batch whose rows have their marks, 0 for one that can have none."""
    joined = _join_row_texts(batch)
    if joined is None or len(batch) == 0:
        return batch
    wkb = shapely.to_wkb(batch.geometry) if batch.wkb is None else batch.wkb
    names = "\n".join(f"{name} {values.type}" for name, values in batch.columns.items())
    key = hashlib.blake2b(names.encode(), digest_size=16, key=key).digest()
    shapes = np.array([b"" if one is None else one for one in wkb], dtype=object)
    said = np.array(joined.to_pylist(), dtype=object)
    marks = _digests(said, key[:8]) ^ _digests(shapes, key[8:])
    marks[_ambiguous(batch, joined)] = 0
    return batch.with_marks(marks)


def _digests(values: NDArray[np.object_], key: bytes) -> NDArray[np.int64]:
    """Return 64 bits of SipHash of texts or bytes."""
    digests = hash_array(values, hash_key=key.hex(), categorize=False)
    return np.asarray(digests).astype(np.int64)


def _join_row_texts(batch: Batch) -> pa.Array | None:
    """Return each row's values in one text, None where they are of kinds without texts."""
    try:
        values = [pc.fill_null(one.cast(pa.string()), _MISSING) for one in batch.columns.values()]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if not values:
        return pa.array([""] * len(batch), pa.string())
    return pc.binary_join_element_wise(*values, _BETWEEN)


def _ambiguous(batch: Batch, joined: pa.Array) -> Flags:
    """Return the rows with a value that holds the signs between values, or that stand for none."""
    between = max(len(batch.columns) - 1, 0)
    missing = np.zeros(len(batch), dtype=np.int64)
    for values in batch.columns.values():
        missing += np.asarray(pc.is_null(values))
    rows = np.asarray(pc.count_substring(joined, _BETWEEN)) != between
    rows |= np.asarray(pc.count_substring(joined, _MISSING)) != missing
    return np.asarray(rows)


def key_of(how: Way, crs: pyproj.CRS | None) -> bytes:
    """Return what marks depend on besides the row: its mapping, its system, and the rules."""
    said = how.model_dump_json(by_alias=True) + (crs.to_wkt() if crs else "")
    return hashlib.blake2b(said.encode(), key=_rules()).digest()


@cache
def _rules() -> bytes:
    """Return a digest of the rules: sources of the checks and versions of what they stand on."""
    digest = hashlib.blake2b(digest_size=64)
    folders = (
        Path(__file__).parents[1],
        Path(str(model.__file__)).parent,
        Path(model.__file__).parents[1],
    )
    for folder in folders:
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.read_bytes())
    versions = shapely.geos_version, pyogrio.__gdal_version__, pyproj.proj_version_str
    digest.update(repr(versions).encode())
    return digest.digest()


def rejoin(run: Run, delivery: Delivery) -> None:
    """Bring the rows that were passed over together with the others.

    Where there are no others, and nothing is gone, the delivery is what is live, and told so in
    ``delivery.same``; else each gets a copy of what is live of it.

    Raises
    ------
    MovedError
        If what was passed over is not live.
    """
    passed = {name: one for name, one in delivery.staged.items() if one.kept}
    if not passed:
        return
    delivery.passed_over = {name: one.kept for name, one in passed.items()}
    run.report["passed_over"] = delivery.passed_over
    for one in passed.values():
        run.connection.execute(text(f"ANALYZE {one.kept_table}"))
    run.report["register_kept"] = sum(_of_register(run.connection, s) for s in passed.values())
    if _is_all(run.connection, delivery):
        delivery.same = {n: Counts(0, 0, 0, one.kept) for n, one in delivery.staged.items()}
        return
    for one in passed.values():
        _copy_live(run.connection, one)


def _is_all(connection: Connection, delivery: Delivery) -> bool:
    """Return whether every row was passed over, and every live feature of the source is one."""
    if any(one.rows for one in delivery.staged.values()):
        return False
    if connection.execute(text(f"SELECT EXISTS (SELECT FROM {delivery.rejected})")).scalar():
        return False
    source = delivery.scope.source
    return all(
        one.kept == _live_of(connection, one, source) == live_count(connection, name, source)
        for name, one in delivery.staged.items()
    )


def _live_of(connection: Connection, staged: Staged, source: str) -> int:
    """Count the live features that were passed over."""
    if not staged.kept:
        return 0
    found: int = connection.execute(
        text(
            f"SELECT count(*) FROM {staged.layer} live WHERE source = :source "
            f"AND EXISTS (SELECT FROM {staged.kept_table} kept WHERE kept.code = live.code)"
        ),
        {"source": source},
    ).scalar_one()
    return found


def _copy_live(connection: Connection, staged: Staged) -> None:
    listed = ", ".join(f'"{column}"' for column in staged.columns)
    live = ", ".join(f'live."{column}"' for column in staged.columns)
    copied = connection.execute(
        text(
            f"INSERT INTO {staged.table} ({listed}, {ROW}, {MARK}) SELECT {live}, {ROW}, {MARK} "
            f"FROM {staged.kept_table} kept JOIN {staged.layer} live ON live.code = kept.code"
        )
    ).rowcount
    if copied != staged.kept:
        raise LayersChangedError
    staged.rows += copied


def _of_register(connection: Connection, staged: Staged) -> int:
    """Count the buildings among them of which the household register says more."""
    if staged.layer != "building" or "households" not in staged.columns:
        return 0
    found: int = connection.execute(
        text(
            f"SELECT count(*) FROM building JOIN {staged.kept_table} USING (code) "
            "WHERE households_source = 'register'"
        )
    ).scalar_one()
    return found


def confirm(run: Run, delivery: Delivery) -> None:
    """See that the layers stand where they stood when the run began, now that they are locked.

    Raises
    ------
    MovedError
        If not, and rows were passed over.
    """
    began: State | None = run.report.get("state")
    if began is None or layer_versions(run.connection, began) == began:
        return
    if delivery.passed_over:
        raise LayersChangedError
    del run.report["state"]  # what it finds says nothing of the state that it ends with


def record(connection: Connection, delivery: Delivery, state: State) -> None:
    """Keep the marks of what passed untouched, in place of those of the source's last file."""
    if delivery.same is not None:
        return
    source = delivery.scope.source
    for name, one in delivery.staged.items():
        connection.execute(
            delete(PassedRows).where(PassedRows.source == source, PassedRows.layer == name)
        )
        if may_pass(name, partial=delivery.scope.partial):
            connection.execute(
                text(
                    "INSERT INTO passed_rows (source, layer, part, state, marks) "
                    f"SELECT :source, :layer, {ROW} / {_ROWS_A_PART}, :state, "
                    f"string_agg(int8send({MARK}), '') FROM {one.table} "
                    f"WHERE {MARK} IS NOT NULL GROUP BY {ROW} / {_ROWS_A_PART}"
                ).bindparams(bindparam("state", type_=JSONB)),
                {"source": source, "layer": name, "state": state},
            )
