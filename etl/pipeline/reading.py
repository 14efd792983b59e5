"""Reading a file's layers into staging: mapped, placed, mended, checked a batch at a time."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, Engine, select, text

from etl.checks import plausibility
from etl.checks.geometry_repair import Repairs, in_single_lines, repair_batch
from etl.checks.values import Fault, KnownValues, check_batch
from etl.input.feature_batch import Batch, read_ahead
from etl.input.georeference import Georeference, finite_coordinates, guess_crs, resolve_crs
from etl.input.layer_columns import MATCHING_COLUMNS, REGISTER, deliverable_columns, table_of
from etl.input.mapping import Mapping, apply_mapping
from etl.input.source import Source
from etl.pipeline import row_digests, staging
from etl.pipeline.deferred_indexes import FEWEST_ROWS
from etl.pipeline.delivery import Delivery
from etl.pipeline.diff import Scope
from etl.pipeline.guard import Concern
from etl.pipeline.row_digests import KnownRows, add_digests, key_of, may_pass
from etl.pipeline.staging import Rejected, Staged, Writer
from etl.runs.run_records import Run, State
from geo import clock
from geo.codes import DIGITS, parent, stem
from geo.errors import InputError
from geo.model import Region
from geo.progress import Progress


@dataclass
class Found:
    """What was met on the way, for the report."""

    repairs: dict[str, Repairs] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    notes: dict[str, Any] = field(default_factory=dict)
    concerns: list[Concern] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """A layer of a file, opened, with its mapping."""

    mapping: Mapping
    source: Source

    @property
    def layer(self) -> str:
        """Return the table that the features go to."""
        return self.mapping.table


@dataclass
class Reader:
    """The layers of a file, and the delivery that is made of them.

    Attributes
    ----------
    delivery
        Its staging tables, empty until all is read.
    found
        What was met on the way.
    is_done
        Whether all is read.
    """

    parts: list[Part]
    file: Path
    delivery: Delivery
    found: Found
    known: dict[str, KnownValues]
    passed: dict[str, KnownRows]
    cities: np.ndarray[Any, np.dtype[np.float64]] | None
    is_done: bool = False

    @property
    def is_large(self) -> bool:
        """Return whether an index is sooner built at once than row by row."""
        counts = [part.source.count for part in self.parts]
        return any(count is None or count > FEWEST_ROWS for count in counts)

    def read(
        self,
        engine: Engine,
        run: Run,
        progress: Progress,
        after_batch: Callable[[Staged, Batch, Future[None]], None] = lambda *_: None,
    ) -> None:
        """Read, mend and check every feature, and stage those that pass."""
        found, staged = self.found, self.delivery.staged
        total = sum(part.source.count or 0 for part in self.parts)
        with run.timed("stage"), staging.writing(engine, self.delivery.rejected) as writer:
            for part in self.parts:
                layer = part.layer
                reading = Reading(
                    part,
                    self.file,
                    self.known[layer],
                    self.passed[layer],
                    staged[layer],
                    self.cities,
                    found,
                )
                for batch in reading.batches(writer):
                    copied = writer.copy(staged[layer], batch)
                    after_batch(staged[layer], batch, copied)
                    found.rows[layer] += len(batch)
                    progress("stage", found.rows.total(), max(total, found.rows.total()))
        self.is_done = True


def prepare_reader(
    run: Run, parts: list[Part], file: Path, *, partial: bool, trusting: bool = True
) -> Reader:
    """Make the staging tables of a file's layers.

    Parameters
    ----------
    trusting
        Rows that passed before are passed over.
    """
    staged: dict[str, Staged] = {}
    with run.connection.begin():
        rejected = staging.create_rejected(run.connection, run.number)
        for part in parts:
            columns = _columns(part)
            staged[part.layer] = staging.create(run.connection, run.number, part.layer, columns)
        known = {
            part.layer: _read_known_values(run.connection, part.layer, run.source) for part in parts
        }
        cities = _cities(run.connection)
        trusted = {
            part.layer: _read_row_digests(run, part, trusting and not partial) for part in parts
        }
    scope = Scope(run.source, partial, fields_only=REGISTER in staged)
    return Reader(parts, file, Delivery(staged, rejected, scope), Found(), known, trusted, cities)


def _read_row_digests(run: Run, part: Part, trusting: bool) -> KnownRows:
    state: State | None = run.report.get("state")
    if state is None or not (trusting and may_pass(part.layer, partial=False)):
        return KnownRows()
    return row_digests.read_known_rows(run.connection, part.layer, run.source, state)


def _columns(part: Part) -> list[str]:
    """Return the columns that a delivery fills."""
    wide = (*deliverable_columns(part.layer), *MATCHING_COLUMNS.get(part.layer, ()))
    rules = {*part.mapping.columns, *part.mapping.constants}
    probe = apply_mapping(part.mapping, _empty(part.source))
    given = {*rules, *probe.columns}
    if part.source.has_place or part.layer == "building_unit":
        given.add("geom")
    if part.layer == "region":
        given |= {"level", "parent_code"}
    if part.layer == "building_unit":
        given.add("building_code")
    return [name for name in wide if name in given]


def _empty(source: Source) -> Batch:
    nothing = pa.array([], pa.string())
    geometry = np.empty(0, dtype=object)
    return Batch(dict.fromkeys(source.fields, nothing), geometry, np.empty(0, dtype=np.int64))


def _read_known_values(connection: Connection, layer: str, source: str) -> KnownValues:
    own = select(Region.code).where(Region.source == source, Region.level == "city")
    cities = tuple(stem(code) for code in connection.scalars(own)) if layer == "region" else ()
    regions = frozenset(connection.scalars(select(Region.code).where(Region.level == "community")))
    return KnownValues(clock.today().year, regions, cities)


def _cities(connection: Connection) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return the bounds of the cities that are live, one a row."""
    rows = connection.execute(
        text(
            "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) FROM ("
            "SELECT ST_Extent(geom) AS e FROM region WHERE geom IS NOT NULL "
            "GROUP BY left(code, 4)) city"
        )
    ).all()
    return np.array([tuple(row) for row in rows], dtype=np.float64) if rows else None


@dataclass
class Reading:
    """One layer of a file on its way through the checks of a batch by itself."""

    part: Part
    file: Path
    known: KnownValues
    passed: KnownRows
    staged: Staged
    cities: np.ndarray[Any, np.dtype[np.float64]] | None
    found: Found

    def batches(self, writer: Writer) -> Iterator[Batch]:
        """Yield the features that pass; hand the others to the writer."""
        source, layer = self.part.source, self.part.layer
        placing = self._placing() if source.has_place else None
        repairs = self.found.repairs.setdefault(layer, Repairs())
        if not source.has_place and not _may_lack_place(layer):
            raise InputError("no_geometry", file=self.file, layer=source.layer)
        key = key_of(self.part.mapping, source.crs)
        seen = 0
        for read in read_ahead(source.batches()):
            if seen == 0:
                self._doubt(read, placing)
            seen += len(read)
            raw = self._new(add_digests(read, key), writer)
            ours = self._ours(raw)
            yield self._good(raw, placing.to_storage(ours) if placing else ours, repairs, writer)
        if seen == 0:
            raise InputError("layer_empty", file=self.file, layer=source.layer)

    def _ours(self, raw: Batch) -> Batch:
        return add_derived_columns(apply_mapping(self.part.mapping, raw), self.part.layer)

    def _doubt(self, raw: Batch, placing: Georeference | None) -> None:
        """Refuse a layer whose first batch shows that it is not what it says."""
        layer = self.part.source.layer
        if len(raw):
            plausibility.refuse_garbled(raw, self.file, layer)
        ours = self._ours(raw)
        if placing is not None:
            placing.refuse_misplaced(ours, placing.to_storage(ours))
        plausibility.refuse_other_unit(ours, layer, self.file)

    def _new(self, raw: Batch, writer: Writer) -> Batch:
        """Return the rows that did not pass before; note the others."""
        known, codes = self.passed.of(raw, self.part.mapping)
        if raw.marks is None or not known.any():
            return raw
        writer.keep(self.staged, codes, raw.numbers[known], raw.marks[known])
        self.found.rows[self.part.layer] += len(codes)
        return raw.take(~known)

    def _placing(self) -> Georeference:
        how, source = self.part.mapping.coordinates, self.part.source
        crs = resolve_crs(source.crs, how, self.file, source.layer, self._likely_system)
        expected = None if self.part.layer == "region" else self.cities
        return Georeference(self.file, source.layer, crs, how, expected)

    def _likely_system(self) -> str | None:
        first = next(iter(self.part.source.batches()), None)
        return None if first is None else guess_crs(finite_coordinates(first.geometry), self.cities)

    def _good(self, raw: Batch, ours: Batch, repairs: Repairs, writer: Writer) -> Batch:
        """Return the features of a batch that pass its checks."""
        layer = self.part.layer
        fixed, doubtful = repair_batch(ours, layer, repairs)
        whole, faults = check_batch(fixed, layer, self.known, doubtful)
        for extra in MATCHING_COLUMNS.get(layer, ()):
            if extra in ours.columns:
                whole = whole.with_columns(**{extra: ours.columns[extra].cast(pa.string())})
        bad = np.zeros(len(raw), dtype=bool)
        for fault in faults:
            bad |= fault.rows
        writer.refuse(
            [_reject(raw, ours, layer, faults, row) for row in np.flatnonzero(bad).tolist()]
        )
        return in_single_lines(whole.take(~bad), layer, repairs)


def _may_lack_place(layer: str) -> bool:
    return layer == "building_unit" or bool(table_of(layer).c.geom.nullable)


def _reject(raw: Batch, ours: Batch, layer: str, faults: list[Fault], row: int) -> Rejected:
    """Return a feature that failed, as it came, with the first reason."""
    fault = next(fault for fault in faults if fault.rows[row])
    code = ours.columns["code"][row].as_py() if "code" in ours.columns else None
    original = raw.geometry[row] if raw.wkb is None else raw.wkb[row]
    detail = {"row": int(raw.numbers[row]), **fault.detail(row)}
    return Rejected(
        layer,
        None if code is None else str(code),
        fault.key,
        raw.row(int(row)),
        original,
        detail,
        ours.geometry[row],
    )


def add_derived_columns(batch: Batch, layer: str) -> Batch:
    """Return a batch with the columns that follow from others.

    A division's level and parent follow from its code, if the file does not say them.
    """
    if layer != "region" or "code" not in batch.columns:
        if layer == "building_unit" and "building_code" not in batch.columns:
            return batch.with_columns(building_code=pa.nulls(len(batch), pa.string()))
        return batch
    codes = batch.columns["code"].to_pylist()
    by_digits = {digits: str(level) for level, digits in DIGITS.items()}
    levels = [by_digits.get(len(stem(code))) if code else None for code in codes]
    parents = [parent(code) if code and len(code) == 12 else None for code in codes]
    for name, values in (("level", levels), ("parent_code", parents)):
        if name not in batch.columns:
            batch = batch.with_columns(**{name: pa.array(values, pa.string())})
    return batch
