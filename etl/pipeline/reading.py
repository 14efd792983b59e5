"""Reading the layers of a file into staging tables: map, georeference, repair, validate."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from sqlalchemy import Connection, Engine, select

from etl.checks import plausibility
from etl.checks.geometry_repair import Repairs, repair_batch, split_multilines
from etl.checks.register_values import complete_register_batch, register_faults
from etl.checks.values import Fault, KnownValues, check_batch, format_value, reader_faults
from etl.input.datum import has_other_datum, rough_bounds
from etl.input.feature_batch import Batch, read_ahead
from etl.input.formats import TABLE_SUFFIXES, TEXT_TABLE_SUFFIXES
from etl.input.georeference import Georeference, finite_coordinates, guess_reading, resolve_crs
from etl.input.layer_columns import (
    INFERRED_COLUMNS,
    MATCHING_COLUMNS,
    PERSONAL_LAYERS,
    REGISTER,
    RESIDENT,
    deliverable_columns,
    table_of,
)
from etl.input.mapping import Mapping, apply_mapping, unused_columns
from etl.input.reader_findings import TITLE_UNITS
from etl.input.units import find_contradiction, unit_factor
from etl.input.zones import UNIT_M, Reading
from etl.pipeline import staging
from etl.pipeline.deferred_indexes import MIN_ROWS
from etl.pipeline.delivery import Concern, Delivery, Scope
from etl.pipeline.parts import OpenedFile, Part
from etl.pipeline.staging import Rejected, Staged, Writer
from etl.runs.run_records import Run
from geo import clock
from geo.codes import DIGITS, code_prefix, parent_code
from geo.errors import InputError
from geo.model import Region
from geo.model.region import Level
from geo.progress import Progress

_SHORT_DIGITS = (6, 9)
"""Digits of the codes of districts and streets as their own standards write them."""

Bounds = np.ndarray[Any, np.dtype[np.float64]]


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
    city_bounds: Bounds | None
    is_done: bool = False

    @property
    def is_large(self) -> bool:
        """Return whether an index is built faster at once than row by row."""
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
                delivered: dict[str, Bounds] = {}
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


def read_city_bounds(connection: Connection) -> Bounds | None:
    """Return the bounds of the live cities in degrees: float64 array of shape (n, 4), or None."""
    rows = connection.exec_driver_sql(
        "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) FROM ("
        "SELECT ST_Extent(geom) AS e FROM region WHERE geom IS NOT NULL "
        "GROUP BY left(code, 4)) city"
    ).all()
    return np.array([tuple(row) for row in rows], dtype=np.float64) if rows else None


def _extend_cities(cities: dict[str, Bounds], batch: Batch) -> None:
    """Extend the bounds of cities, by the first four digits of their codes, by regions of them."""
    bounds = shapely.bounds(batch.geometry)
    for code, (west, south, east, north) in zip(
        batch.columns["code"].to_pylist(), bounds, strict=True
    ):
        if np.isfinite(west):
            known = cities.get(str(code)[:4], np.array([west, south, east, north]))
            low, high = np.minimum(known[:2], [west, south]), np.maximum(known[2:], [east, north])
            cities[str(code)[:4]] = np.concatenate([low, high])


@dataclass(frozen=True)
class LayerReader:
    """One layer of a file, whose batches are validated one by one."""

    part: Part
    path: Path
    known: KnownValues
    city_bounds: Bounds | None
    repairs: Repairs
    concerns: list[Concern]

    def read_batches(self, writer: Writer) -> Iterator[Batch]:
        """Yield the features that pass; hand the others to the writer.

        Raises
        ------
        InputError
            If the layer has no geometry, or its coordinates can't be placed.
        """
        source, layer = self.part.source, self.part.layer
        georeference = self._georeference() if source.has_place else None
        if not source.has_place and not _may_lack_place(layer):
            self._refuse_without_place()
        count = 0
        for raw in read_ahead(source.batches()):
            mapped = add_derived_columns(apply_mapping(self.part.mapping, raw), layer)
            placed = georeference.to_storage(mapped) if georeference else mapped
            if count == 0:
                self._refuse_implausible(raw, mapped, placed, georeference)
            count += len(raw)
            yield self._validate(raw, placed, georeference, writer)
        if count == 0:
            raise InputError("layer_empty", file=self.path, layer=source.layer)

    def _refuse_without_place(self) -> None:
        """Refuse a layer without geometry, naming the columns and sheets of a table."""
        source = self.part.source
        values = {"file": self.path, "layer": source.layer}
        if source.path.suffix.lower() not in (*TABLE_SUFFIXES, *TEXT_TABLE_SUFFIXES):
            raise InputError("no_geometry", **values)
        sheets = [note["sheets"] for note in source.notes.values() if "sheets" in note]
        raise InputError(
            "no_coordinate_columns",
            **values,
            columns=", ".join(source.fields) or "-",
            others=", ".join(sheets) or "-",
        )

    def _refuse_implausible(
        self, raw: Batch, mapped: Batch, placed: Batch, georeference: Georeference | None
    ) -> None:
        """Refuse a layer whose first batch contradicts its encoding, system or units."""
        layer = self.part.source.layer
        is_inferred = "code" in INFERRED_COLUMNS.get(self.part.layer, ())
        codes = None if is_inferred else mapped.columns.get("code")
        if codes is not None and len(raw) and codes.null_count == len(raw):
            self._refuse_empty_codes()
        if len(raw):
            is_personal = self.part.layer in PERSONAL_LAYERS
            shown = self._without_ignored(raw) if is_personal else raw
            plausibility.refuse_garbled(shown, self.path, layer)
        if georeference is not None:
            georeference.refuse_misplaced(mapped, placed)
            if not georeference.conversion.is_accurate:
                self._doubt_datum(georeference)
        plausibility.refuse_other_unit(mapped, layer, self.path)
        self._refuse_title_unit(mapped)

    def _refuse_title_unit(self, mapped: Batch) -> None:
        """Refuse a table whose title gives another unit than a column without one is read in.

        管径 of 300 under a title 单位：米 is in millimetres all the same.
        """
        mapping, source = self.part.mapping, self.part.source
        units = source.notes.get(TITLE_UNITS, {}).get("units", "").split("、")
        for column, rule in mapping.columns.items():
            unit = find_contradiction(column, units) if rule.source and not rule.unit else None
            factor = unit_factor(column, unit) if unit else None
            values = mapped.columns[column]
            if factor and plausibility.contradicts_unit(column, values, factor):
                continue
            if unit:
                raise InputError(
                    "unit_of_title",
                    file=self.path,
                    layer=source.layer,
                    column=rule.source,
                    unit=unit,
                )

    def _refuse_empty_codes(self) -> None:
        """Refuse a layer whose column of codes is empty: a program wrote it without any."""
        mapping, source = self.part.mapping, self.part.source
        rule = mapping.columns.get("code")
        if rule is not None and rule.source is not None and mapping.table != REGISTER:
            raise InputError(
                "code_column_empty",
                file=self.path,
                layer=source.layer,
                column=rule.source,
                columns=", ".join(source.fields),
            )

    def _doubt_datum(self, georeference: Georeference) -> None:
        crs = georeference.crs
        datum = crs.datum.name if crs.datum is not None else crs.name
        values = {"layer": self.part.layer, "crs": crs.name, "datum": datum}
        self.concerns.append(Concern("datum_unknown", values))

    def _georeference(self) -> Georeference:
        coordinates, source = self.part.mapping.coordinates, self.part.source
        crs = resolve_crs(source.crs, coordinates, self.path, source.layer, self._likely_reading)
        if source.crs is not None and not coordinates.override and crs.name != source.crs.name:
            source.notes["crs_agrees"] = {"crs": crs.name, "declared": source.crs.name}
        expected = None if self.part.layer == "region" else self.city_bounds
        area = self._rough_bounds(crs) if has_other_datum(crs) else None
        return Georeference(self.path, source.layer, crs, coordinates, expected, area)

    def _rough_bounds(self, crs: pyproj.CRS) -> Bounds | None:
        """Return where the layer lies, (1, 4), else the bounds of the live cities, (n, 4)."""
        coordinates, points = self.part.mapping.coordinates, self._first_coordinates()
        points = points[:, ::-1] if coordinates.swap_axes else points
        bounds = rough_bounds(crs, points * UNIT_M.get(coordinates.unit, 1.0))
        return self.city_bounds if bounds is None else bounds

    def _likely_reading(self) -> Reading | None:
        return guess_reading(self._first_coordinates(), self.city_bounds)

    def _first_coordinates(self) -> Bounds:
        """Return the finite corners of the first batch, (n, 2)."""
        first = next(iter(self.part.source.batches()), None)
        return np.empty((0, 2)) if first is None else finite_coordinates(first.geometry)

    def _without_ignored(self, raw: Batch) -> Batch:
        ignored = self._ignored_columns()
        return replace(raw, columns={n: c for n, c in raw.columns.items() if n not in ignored})

    def _ignored_columns(self) -> set[str]:
        return {*unused_columns(self.part.mapping, self.part.source.fields)}

    def _validate(
        self, raw: Batch, placed: Batch, georeference: Georeference | None, writer: Writer
    ) -> Batch:
        """Return the features of a batch that pass its checks, repaired where they have to be."""
        layer = self.part.layer
        repaired, doubtful = repair_batch(placed, layer, self.repairs)
        checked, faults = check_batch(repaired, layer, self.known, doubtful)
        is_personal, ignored = layer in PERSONAL_LAYERS, self._ignored_columns()
        faults = [
            *reader_faults(raw, ignored, hides_values=is_personal),
            *(_unread_faults(raw) if layer != REGISTER else []),
            *self._unit_doubts(raw, placed),
            *faults,
            *register_faults(checked, layer),
        ]
        if georeference is not None:
            faults += _far_faults(placed, layer, georeference)
        for extra in MATCHING_COLUMNS.get(layer, ()):
            if extra in placed.columns:
                checked = checked.with_columns(**{extra: placed.columns[extra].cast(pa.string())})
        bad = np.zeros(len(raw), dtype=bool)
        for fault in faults:
            bad |= fault.rows
        stored = self._without_ignored(raw) if is_personal else raw
        writer.reject(
            [
                build_rejection(stored, placed, layer, faults, row)
                for row in np.flatnonzero(bad).tolist()
            ]
        )
        return split_multilines(checked.take(~bad), layer, self.repairs)

    def _unit_doubts(self, raw: Batch, placed: Batch) -> list[Fault]:
        """Find figures whose unit nothing states, and that fit another than their column's."""
        mapping = self.part.mapping
        title = self.part.source.notes.get(TITLE_UNITS, {}).get("units", "").split("、")
        return [
            fault
            for name, rule in mapping.columns.items()
            if rule.source and not rule.stated_unit(name)
            if not any(unit_factor(name, unit) == 1.0 for unit in title)
            for fault in plausibility.find_unit_doubts(
                name, rule.source, raw.columns[rule.source], placed, self.part.layer
            )
        ]


def _unread_faults(raw: Batch) -> list[Fault]:
    """Return the faults of the rows of a table whose coordinates can't be read, one a kind."""
    unread = raw.unread or {}

    def describe_row(row: int) -> dict[str, Any]:
        fault = unread[row]
        shown = {name: format_value(value) for name, value in fault.detail.items()}
        return {"column": fault.column, **shown}

    keys = {fault.key for fault in unread.values()}
    return [
        Fault(
            key,
            np.array([row in unread and unread[row].key == key for row in range(len(raw))]),
            describe_row,
        )
        for key in sorted(keys)
    ]


def _far_faults(placed: Batch, layer: str, georeference: Georeference) -> list[Fault]:
    """Find features far outside every live city."""
    far = georeference.find_far(placed.geometry, layer)
    if not far.any():
        return []

    def describe_row(row: int) -> dict[str, Any]:
        corners = shapely.get_coordinates(placed.geometry[row])
        outside = corners[georeference.is_outside(corners)]
        lon, lat = outside[0] if len(outside) else corners[0]
        return {"place": f"{lon:.6g} {lat:.6g}"}

    return [Fault("far_from_city", far, describe_row)]


def _may_lack_place(layer: str) -> bool:
    return "geom" in INFERRED_COLUMNS.get(layer, ()) or bool(table_of(layer).c.geom.nullable)


def build_rejection(
    raw: Batch, placed: Batch, layer: str, faults: list[Fault], row: int
) -> Rejected:
    """Return the rejection of a feature, as it was delivered, with its first fault."""
    fault = next(fault for fault in faults if fault.rows[row])
    code = placed.columns["code"][row].as_py() if "code" in placed.columns else None
    original = raw.geometry[row] if raw.wkb is None else raw.wkb[row]
    detail = {"row": int(raw.numbers[row]), **fault.detail(row)}
    return Rejected(
        layer,
        None if code is None else str(code),
        fault.key,
        raw.row(int(row)),
        original,
        detail,
        placed.geometry[row],
    )


def add_derived_columns(batch: Batch, layer: str) -> Batch:
    """Return a batch with the columns that follow from others.

    A division's level and parent follow from its code, if the file does not say them.
    """
    if layer == "building_unit" and "building_code" not in batch.columns:
        return batch.with_columns(building_code=pa.nulls(len(batch), pa.string()))
    if layer in (REGISTER, "dwelling", "entity", "building_fire"):
        return complete_register_batch(batch, layer)
    if layer != "region" or "code" not in batch.columns:
        return batch
    codes, levels = batch.columns["code"].to_pylist(), [None] * len(batch)
    if "level" in batch.columns:
        levels = batch.columns["level"].to_pylist()
    codes = [complete_division_code(*pair) for pair in zip(codes, levels, strict=True)]
    columns = {"code": codes}
    if "level" not in batch.columns:
        columns["level"] = [division_level(code) if code else None for code in codes]
    if "parent_code" in batch.columns:
        parents = batch.columns["parent_code"].cast(pa.string()).to_pylist()
        columns["parent_code"] = [complete_division_code(code, None) for code in parents]
    else:
        columns["parent_code"] = [
            parent_code(code) if code and len(code) == 12 else None for code in codes
        ]
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return batch.with_columns(**texts)


def complete_division_code(code: str | None, level: str | None) -> str | None:
    """Return a code of 6 or 9 digits with all 12, if its level is known to be that of its digits.

    Parameters
    ----------
    level
        Level of the division; None if only its code says it.
    """
    if code is None or len(code) not in _SHORT_DIGITS or not (code.isascii() and code.isdecimal()):
        return code
    full = code.ljust(DIGITS[Level.COMMUNITY], "0")
    return full if level in (None, division_level(full)) else code


def division_level(code: str) -> str | None:
    """Return the level of a division by its code, None if it is not one of a division."""
    levels = {digits: str(level) for level, digits in DIGITS.items()}
    return levels.get(len(code_prefix(code)))
