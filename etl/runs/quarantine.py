"""The quarantine of rejected features: list, export, and replay them after correction."""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyproj
import shapely
from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, select

from etl.checks.faults import format_value
from etl.input.feature_batch import Batch, to_arrow_array
from etl.input.mapping import Mapping, mappable_columns, validate_mapping
from etl.input.source import Source, open_dataset, open_layer
from etl.pipeline.delivery import Outcome
from etl.pipeline.parts import OpenedFile, Part
from etl.pipeline.run import Request, run_import
from etl.runs import run_records
from etl.runs.failures import run_with_failure_record
from etl.runs.outcomes import audit_on_finish
from etl.runs.report import reason_text
from etl.runs.run_records import OnFinish
from geo.crs import STORAGE
from geo.errors import InputError
from geo.model import ImportRun, Quarantine
from geo.progress import Progress, silent
from geo.settings import Settings
from geo.spreadsheet import csv_cell, unescape_cell

ENDINGS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".csv": "CSV"}
IDENTITY, REASON = "quarantine_id", "quarantine_reason"

Corrections = dict[int, tuple[dict[str, Any], Any]]
"""Properties and geometry of corrected features by their number in the quarantine."""


def waiting_features(
    connection: Connection, *, run: int | None = None, layer: str = "", limit: int | None = 100
) -> Sequence[Row[Any]]:
    """Return the features that wait in quarantine, with the source of their run."""
    statement = (
        select(
            Quarantine.id,
            Quarantine.run_id,
            Quarantine.layer,
            Quarantine.code,
            Quarantine.reason,
            Quarantine.detail,
            Quarantine.properties,
            Quarantine.original,
            ImportRun.source,
            ImportRun.report["crs"].label("crs"),
        )
        .join(ImportRun, ImportRun.id == Quarantine.run_id)
        .where(run_or_layer_condition(run, layer))
        .order_by(Quarantine.id)
    )
    return connection.execute(statement.limit(limit)).all()


def count_waiting(connection: Connection, *, run: int | None = None, layer: str = "") -> int:
    """Count the features that wait in quarantine."""
    count = select(func.count()).select_from(Quarantine).where(run_or_layer_condition(run, layer))
    return int(connection.execute(count).scalar_one())


def run_or_layer_condition(run: int | None, layer: str) -> ColumnElement[bool]:
    """Return the condition on waiting features, of a run or a layer."""
    conditions: list[ColumnElement[bool]] = [Quarantine.resolved_at.is_(None)]
    if run is not None:
        conditions.append(Quarantine.run_id == run)
    if layer:
        conditions.append(Quarantine.layer == layer)
    return and_(*conditions)


def export(engine: Engine, file: Path, *, run: int | None = None, layer: str = "") -> int:
    """Write the waiting features to a file to be corrected; return their number.

    Properties and geometry are as delivered, in the coordinates of the file; cells that a
    spreadsheet would take for formulas are marked as texts in CSV.

    Raises
    ------
    InputError
        If nothing waits, or the extension is not a format that can be written.
    """
    driver = ENDINGS.get(file.suffix.lower())
    if driver is None:
        raise InputError("export_format", file=file, formats=", ".join(ENDINGS))
    with engine.connect() as connection:
        rows = waiting_features(connection, run=run, layer=layer, limit=None)
    if not rows:
        raise InputError("quarantine_empty")
    # Objects until the type of each column is known: gaps would turn integers into floats.
    frame = pd.DataFrame([_describe_row(row) for row in rows], dtype=object).convert_dtypes()
    wkb = np.array([row.original for row in rows], dtype=object)
    shapes = shapely.from_wkb(wkb, on_invalid="fix")
    file.parent.mkdir(parents=True, exist_ok=True)
    if driver == "CSV":
        frame["wkt"] = shapely.to_wkt(shapes)
        frame.map(csv_cell).to_csv(file, index=False, encoding="utf-8-sig")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of features without a coordinate system
            data = gpd.GeoDataFrame(frame, geometry=shapes, crs=_common_crs(rows))
            data.to_file(file, driver=driver, engine="pyogrio")
    return len(rows)


def _common_crs(rows: Sequence[Row[Any]]) -> str | None:
    """Return the coordinate system of the features, None if it is not the same for all."""
    systems = {STORAGE if _is_mapped(row) else (row.crs or {}).get(row.layer) for row in rows}
    return systems.pop() if len(systems) == 1 else None


def _describe_row(row: Row[Any]) -> dict[str, Any]:
    reason = reason_text(row.reason, row.detail)
    return {IDENTITY: row.id, REASON: reason, **row.properties}


def replay(
    engine: Engine,
    settings: Settings,
    *,
    run: int | None = None,
    file: Path | None = None,
    actor: str = "",
    progress: Progress = silent,
    on_finish: OnFinish | None = None,
) -> list[Outcome]:
    """Import rejected features again, as delivered or corrected in a file.

    Each combination of run and layer is a run of its own. Features that pass are published and
    leave the quarantine; the others stay.

    Parameters
    ----------
    actor
        Who asks for it, for the audit trail.
    on_finish
        Called in the transaction that ends each run (:class:`etl.runs.run_records.Run`).

    Raises
    ------
    InputError
        If nothing waits, or the file was not written by :func:`export`.
    """
    with engine.connect() as connection:
        rows = waiting_features(connection, run=run, limit=None)
    corrections = None if file is None else _read_corrections(file)
    if corrections is not None:
        rows = [row for row in rows if row.id in corrections]
    if not rows:
        if file is not None:
            raise InputError("quarantine_not_waiting", file=file)
        raise InputError("quarantine_empty")
    groups: dict[tuple[Any, ...], list[Row[Any]]] = {}
    for row in rows:
        groups.setdefault((row.source, row.run_id, row.layer, _is_mapped(row)), []).append(row)
    return [
        _replay_group(engine, settings, group, corrections, progress, actor, on_finish)
        for group in groups.values()
    ]


def _is_mapped(row: Row[Any]) -> bool:
    """Return whether a feature was rejected after its columns had been mapped."""
    return bool(row.detail.get("mapped"))


def _read_corrections(file: Path) -> Corrections:
    """Read the corrected features from a file that :func:`export` wrote."""
    with open_dataset(file) as data:
        source = open_layer(data)
        if IDENTITY not in source.fields:
            raise InputError("quarantine_no_id", file=file)
        corrections: Corrections = {}
        for batch in source.batches():
            for row in range(len(batch)):
                values = batch.row(row)
                if not values:
                    continue  # an empty line of a spreadsheet
                number = _identity(values.pop(IDENTITY, None), int(batch.numbers[row]), file)
                values.pop(REASON, None)
                plain = {name: unescape_cell(value) for name, value in values.items()}
                corrections[number] = plain, batch.geometry[row]
        return corrections


def _identity(value: Any, row: int, file: Path) -> int:
    """Return the number of a feature in an exported file; a spreadsheet may write 12.0."""
    with suppress(TypeError, ValueError):
        number = float(value)
        if number.is_integer():
            return int(number)
    raise InputError("quarantine_id_wrong", file=file, row=row, value=format_value(value))


def _replay_group(
    engine: Engine,
    settings: Settings,
    rows: Sequence[Row[Any]],
    corrections: Corrections | None,
    progress: Progress,
    actor: str,
    on_finish: OnFinish | None,
) -> Outcome:
    """Import the rejected features of one layer of one run again."""
    first = rows[0]
    with engine.connect() as connection:
        report = connection.execute(
            select(ImportRun.report).where(ImportRun.id == first.run_id)
        ).scalar_one()
    mapping, crs = _original_mapping(report, first)
    source = _quarantine_source(rows, corrections, mapping, crs)
    file = Path(report.get("file", "quarantine"))
    request = Request(first.layer, file, mapping, again=True)
    opened = OpenedFile(file, [Part(mapping, source)])
    numbers = [row.id for row in rows]
    with run_records.start_run(engine, first.layer, first.source, replays=numbers) as run:
        run.on_finish = audit_on_finish("replay", actor, run.number, on_finish)

        run.report |= {key: report[key] for key in ("mapping", "crs") if key in report}
        return run_with_failure_record(
            engine,
            run,
            lambda: run_import(
                engine, run, request, nullcontext(opened), settings, progress, numbers
            ),
        )


def _original_mapping(report: dict[str, Any], row: Row[Any]) -> tuple[Mapping, pyproj.CRS | None]:
    """Return the mapping that a layer was imported with, and the system of its file."""
    mappings = [validate_mapping(mapping, "run") for mapping in report.get("mapping", [])]
    original = next((mapping for mapping in mappings if mapping.table == row.layer), None)
    if _is_mapped(row) or original is None:
        names = mappable_columns(row.layer)
        columns = {name: name for name in row.properties if name in names}
        plain = validate_mapping({"layer": row.layer, "columns": columns, "partial": True}, "run")
        return plain.model_copy(update={"source": row.source}), pyproj.CRS(STORAGE)
    crs = report.get("crs", {}).get(row.layer)
    update = {"partial": True, "source": row.source, "also": []}
    return original.model_copy(update=update), pyproj.CRS(crs) if crs else None


def _quarantine_source(
    rows: Sequence[Row[Any]],
    corrections: Corrections | None,
    mapping: Mapping,
    crs: pyproj.CRS | None,
) -> Source:
    """Return rejected features as a layer that can be read."""
    properties = [row.properties if corrections is None else corrections[row.id][0] for row in rows]
    wkb = np.array([row.original for row in rows], dtype=object)
    if corrections is None:
        shapes = shapely.from_wkb(wkb, on_invalid="fix")
    else:
        shapes = np.array([corrections[row.id][1] for row in rows], dtype=object)
    needed = [rule.source for rule in mapping.columns.values() if rule.source] + mapping.key
    names = list(dict.fromkeys([*(name for values in properties for name in values), *needed]))
    columns: dict[str, pa.Array] = {
        name: to_arrow_array(pd.Series([values.get(name) for values in properties]))
        for name in names
    }
    numbers = np.arange(1, len(rows) + 1, dtype=np.int64)
    batch = Batch(columns, shapes, numbers)
    has_place = not bool(shapely.is_missing(shapes).all())
    return Source(
        Path("quarantine"), mapping.table, names, crs, has_place, lambda: iter([batch]), len(rows)
    )
