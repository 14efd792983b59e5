"""Read one layer of a file in batches: map, georeference, repair and validate its features."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely

from etl.checks import plausibility
from etl.checks.faults import Fault, KnownValues, format_value
from etl.checks.geometry_repair import Repairs, repair_batch, split_multilines
from etl.checks.register_values import register_faults
from etl.checks.values import check_batch, reader_faults
from etl.input.column_values import apply_mapping
from etl.input.datum import has_other_datum, rough_bounds
from etl.input.feature_batch import Batch, read_ahead
from etl.input.formats import TABLE_SUFFIXES, TEXT_TABLE_SUFFIXES
from etl.input.georeference import Georeference, finite_coordinates, guess_reading, resolve_crs
from etl.input.header_matching import unused_columns
from etl.input.layer_columns import (
    INFERRED_COLUMNS,
    MATCHING_COLUMNS,
    PERSONAL_LAYERS,
    REGISTER,
    table_of,
)
from etl.input.reader_findings import TITLE_UNITS
from etl.input.units import find_contradiction, unit_factor
from etl.input.zones import UNIT_M, Reading
from etl.pipeline.delivery import Concern
from etl.pipeline.derived_columns import add_derived_columns
from etl.pipeline.parts import Part
from etl.pipeline.staging import Rejected, Writer
from geo.errors import InputError
from geo.types import Floats


@dataclass(frozen=True)
class LayerReader:
    """One layer of a file, whose batches are validated one by one."""

    part: Part
    path: Path
    known: KnownValues
    city_bounds: Floats | None
    repairs: Repairs
    concerns: list[Concern]
    has_sure_figures: dict[str, bool] = field(default_factory=dict)

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

        Raises
        ------
        InputError
            If the title and the values of a column contradict each other.
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

    def _rough_bounds(self, crs: pyproj.CRS) -> Floats | None:
        """Return where the layer lies, (1, 4), else the bounds of the live cities, (n, 4)."""
        coordinates, points = self.part.mapping.coordinates, self._first_coordinates()
        points = points[:, ::-1] if coordinates.swap_axes else points
        bounds = rough_bounds(crs, points * UNIT_M.get(coordinates.unit, 1.0))
        return self.city_bounds if bounds is None else bounds

    def _likely_reading(self) -> Reading | None:
        return guess_reading(self._first_coordinates(), self.city_bounds)

    def _first_coordinates(self) -> Floats:
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
                name,
                rule.source,
                raw.columns[rule.source],
                placed,
                self.part.layer,
                self.has_sure_figures,
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
