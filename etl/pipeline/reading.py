"""Reading the layers of a file into staging tables: map, georeference, repair, validate."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from sqlalchemy import Connection, Engine, select

from etl.checks.faults import KnownValues
from etl.checks.geometry_repair import Repairs
from etl.input.column_values import apply_mapping
from etl.input.feature_batch import Batch
from etl.input.layer_columns import (
    INFERRED_COLUMNS,
    MATCHING_COLUMNS,
    REGISTER,
    RESIDENT,
    deliverable_columns,
)
from etl.input.mapping import Mapping
from etl.pipeline import staging
from etl.pipeline.deferred_indexes import MIN_ROWS
from etl.pipeline.delivery import Concern, Delivery, Scope
from etl.pipeline.layer_reader import LayerReader
from etl.pipeline.parts import OpenedFile, Part
from etl.pipeline.staging import Staged
from etl.runs.run_records import Run
from geo import clock
from geo.codes import code_prefix
from geo.model import Region
from geo.progress import Progress
from geo.types import Floats


@dataclass
class Findings:
    """What reading and cross-checks found, for the report."""

    repairs: dict[str, Repairs] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    notes: dict[str, Any] = field(default_factory=dict)
    concerns: list[Concern] = field(default_factory=list)


@dataclass
class Reader:
    """The opened layers of a file, and the delivery that is read from them.

    Attributes
    ----------
    opened
        The opened file.
    delivery
        Its staging tables, empty until the file is read.
    findings
        What reading found.
    known_values
        Values to validate against, by layer.
    city_bounds
        float64 array of shape (n, 4): west, south, east, north of the live cities in degrees.
    is_done
        Whether the whole file is read.
    """

    opened: OpenedFile
    delivery: Delivery
    findings: Findings
    known_values: dict[str, KnownValues]
    city_bounds: Floats | None
    is_done: bool = False

    @property
    def is_large(self) -> bool:
        """Whether an index is built faster at once than row by row."""
        counts = [part.source.count for part in self.opened.parts]
        return any(count is None or count > MIN_ROWS for count in counts)

    def read(
        self,
        engine: Engine,
        run: Run,
        progress: Progress,
        after_batch: Callable[[Staged, Batch, Future[None]], None] = lambda *_: None,
    ) -> None:
        """Read, repair and validate every feature, and stage those that pass.

        Parameters
        ----------
        after_batch
            Called with each staged batch; its future ends when the batch is committed.

        Raises
        ------
        InputError
            If a layer is empty, or as a whole is not what its mapping says.
        """
        rows, tables = self.findings.rows, self.delivery.staged
        total = sum(part.source.count or 0 for part in self.opened.parts)
        with run.timed("stage"), staging.open_writer(engine, self.delivery.rejected) as writer:
            last_rows: Counter[str] = Counter()
            for part in self.opened.parts:
                staged, earlier = tables[part.layer], last_rows[part.layer]
                delivered: dict[str, Floats] = {}
                for checked in self._create_layer_reader(part).read_batches(writer):
                    batch = _complete_batch(checked, staged, earlier)
                    after_batch(staged, batch, writer.copy(staged, batch))
                    last_rows[part.layer] = int(batch.numbers.max(initial=earlier))
                    rows[part.layer] += len(batch)
                    if part.layer == "region":
                        _extend_cities(delivered, batch)
                    progress("stage", rows.total(), max(total, rows.total()))
                if delivered:
                    live = [] if self.city_bounds is None else [self.city_bounds]
                    self.city_bounds = np.vstack([*live, *delivered.values()])
        run.report["reading"] = {
            part.layer: part.source.notes for part in self.opened.parts if part.source.notes
        }
        self.is_done = True

    def _create_layer_reader(self, part: Part) -> "LayerReader":
        """Return a reader that adds repairs and concerns to the findings of the file."""
        repairs = self.findings.repairs.setdefault(part.layer, Repairs())
        known = self.known_values[part.layer]
        concerns = self.findings.concerns
        return LayerReader(part, self.opened.path, known, self.city_bounds, repairs, concerns)


def _complete_batch(batch: Batch, staged: Staged, earlier: int) -> Batch:
    """Return a batch with every column of its staging table.

    Parameters
    ----------
    earlier
        Number of the last row that another part of the file delivers for the same layer.
    """
    missing = {*staged.columns, *staged.extras} - {*batch.columns, "geom"}
    if missing:
        nulls = pa.nulls(len(batch))
        batch = batch.with_columns(**dict.fromkeys(missing, nulls))
    return replace(batch, numbers=batch.numbers + earlier) if earlier else batch


def prepare_reader(run: Run, opened: OpenedFile, mapping: Mapping | None) -> Reader:
    """Create the staging tables of the layers of a file, and read what to validate against."""
    staged: dict[str, Staged] = {}
    known = {}
    with run.connection.begin():
        rejected = staging.create_rejected_table(run.connection, run.number)
        for layer in dict.fromkeys(part.layer for part in opened.parts):
            columns = _columns([part for part in opened.parts if part.layer == layer])
            staged[layer] = staging.create_staging_table(run.connection, run.number, layer, columns)
            known[layer] = _read_known_values(run.connection, layer, run.source)
            if "region" in staged:  # divisions come first; cross_check looks among them too
                known[layer] = replace(known[layer], regions=frozenset())
            staged[layer].is_aggregate = any(
                part.layer == layer and part.delivered.layer == RESIDENT for part in opened.parts
            )
        city_bounds = read_city_bounds(run.connection)
    if opened.data is not None:  # a replay holds only the columns of some features
        run.report["columns"] = _mapped_columns(opened.parts)
    is_partial = bool(mapping and mapping.partial)
    scope = Scope(run.source, is_partial, fields_only=REGISTER in staged)
    return Reader(opened, Delivery(staged, rejected, scope), Findings(), known, city_bounds)


def _mapped_columns(parts: Sequence[Part]) -> dict[str, list[str]]:
    """Return the columns of ours that a file fills by itself, by layer."""
    columns: dict[str, set[str]] = {}
    for part in parts:
        more = [
            *(["geom"] if part.source.has_place else []),
            *(["code"] if part.mapping.key else []),
        ]
        filled = {*part.mapping.columns, *part.mapping.constants, *more}
        columns[part.layer] = columns.get(part.layer, set()) | filled
    return {layer: sorted(names) for layer, names in columns.items()}


def _columns(parts: Sequence[Part]) -> list[str]:
    """Return the columns that the parts of a layer fill."""
    layer = parts[0].layer
    possible = (*deliverable_columns(layer), *MATCHING_COLUMNS.get(layer, ()))
    filled: set[str] = set()
    for part in parts:
        probe = apply_mapping(part.mapping, part.source.empty_batch())
        filled |= {*part.mapping.columns, *part.mapping.constants, *probe.columns}
    filled |= {*INFERRED_COLUMNS.get(layer, ())}
    if "industry" in filled:
        filled |= {"industry_section", "industry_division"}
    if any(part.source.has_place for part in parts):
        filled.add("geom")
    if layer == "region":
        filled |= {"level", "parent_code"}
    return [name for name in possible if name in filled]


def _read_known_values(connection: Connection, layer: str, source: str) -> KnownValues:
    city_codes = select(Region.code).where(Region.source == source, Region.level == "city")
    cities = (
        tuple(code_prefix(code) for code in connection.scalars(city_codes))
        if layer == "region"
        else ()
    )
    regions = frozenset(connection.scalars(select(Region.code).where(Region.level == "community")))
    return KnownValues(clock.today().year, regions, cities)


def read_city_bounds(connection: Connection) -> Floats | None:
    """Return the bounds of the live cities in degrees: float64 array of shape (n, 4), or None."""
    rows = connection.exec_driver_sql(
        "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) FROM ("
        "SELECT ST_Extent(geom) AS e FROM region WHERE geom IS NOT NULL "
        "GROUP BY left(code, 4)) city"
    ).all()
    return np.array([tuple(row) for row in rows], dtype=np.float64) if rows else None


def _extend_cities(cities: dict[str, Floats], batch: Batch) -> None:
    """Extend the bounds of cities, by the first four digits of their codes, by regions of them."""
    bounds = shapely.bounds(batch.geometry)
    for code, (west, south, east, north) in zip(
        batch.columns["code"].to_pylist(), bounds, strict=True
    ):
        if np.isfinite(west):
            known = cities.get(str(code)[:4], np.array([west, south, east, north]))
            low, high = np.minimum(known[:2], [west, south]), np.maximum(known[2:], [east, north])
            cities[str(code)[:4]] = np.concatenate([low, high])
