"""Publishing data frames that the program itself produces."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import geopandas as gpd
import numpy as np
import pyarrow as pa
from sqlalchemy import Engine, text

from etl.checks import integrity
from etl.checks.faults import Fault, KnownValues
from etl.checks.values import check_batch
from etl.input.feature_batch import Batch, split_frame
from etl.input.layer_columns import deliverable_columns
from etl.pipeline import staging
from etl.pipeline.delivery import Counts, Delivery, Guard, Outcome, Scope
from etl.pipeline.layer_reader import build_rejection
from etl.pipeline.run import publish_delivery
from etl.pipeline.staging import Rejected, Staged, Writer
from etl.runs import run_records
from etl.runs.failures import run_with_failure_record
from etl.runs.run_records import Run
from geo import crs
from geo.errors import InputError
from geo.model import LAYERS
from geo.progress import Progress, silent

LayerSet = Mapping[str, gpd.GeoDataFrame]

_LATEST_YEAR = 2200


def publish(
    engine: Engine,
    layers: LayerSet,
    source: str,
    *,
    rejected: Sequence[Rejected] = (),
    guard: Guard | None = None,
    progress: Progress = silent,
) -> dict[str, Counts]:
    """Replace the live features of a source by those of data frames, which must all be valid.

    Parameters
    ----------
    layers
        Frames by table name, columns named as the tables', geometry in longitude and latitude.
        A layer that is left out stays as it is; a column that is left out gets the table's
        default.
    source
        Name of the source, one for every delivery of it.
    rejected
        Features of the delivery that can't be published; they are quarantined with the run,
        unless they already are.

    Returns
    -------
    dict
        Counts by layer. If nothing changes, no feature is written and the run ends as unchanged.

    Raises
    ------
    InputError
        If a value is outside its domain, a code is there twice, a feature names one that does
        not exist, or a code belongs to another source; nothing is changed.
    """
    return publish_frames(
        engine, layers, source, rejected=rejected, guard=guard, progress=progress
    ).counts


def publish_frames(
    engine: Engine,
    layers: LayerSet,
    source: str,
    *,
    rejected: Sequence[Rejected] = (),
    guard: Guard | None = None,
    progress: Progress = silent,
    dry: bool = False,
    share_codes: bool = False,
    **report: Any,
) -> Outcome:
    """Publish data frames as :func:`publish` does; return how the run ended.

    Parameters
    ----------
    dry
        Report what would happen, and change nothing.
    share_codes
        Quarantine invalid features and those whose code belongs to another source, regions aside,
        instead of refusing the whole delivery.
    **report
        Further entries of the report.
    """
    ordered = {name: layers[name] for name in LAYERS if name in layers}
    with run_records.start_run(engine, ", ".join(ordered), source, **report) as run:

        def stage_and_publish() -> Outcome:
            with run.timed("stage"):
                delivery = _stage_frames(
                    engine, run, ordered, source, rejected, progress, share_codes=share_codes
                )
                delivery.guard = guard
            return publish_delivery(run, delivery, progress, dry=dry)

        return run_with_failure_record(engine, run, stage_and_publish)


def _stage_frames(
    engine: Engine,
    run: Run,
    layers: LayerSet,
    source: str,
    rejected: Sequence[Rejected],
    progress: Progress,
    *,
    share_codes: bool,
) -> Delivery:
    """Stage frames, all of whose features must be valid."""
    total, done = sum(map(len, layers.values())), 0
    progress("stage", 0, total)
    staged: dict[str, Staged] = {}
    with run.connection.begin():
        refused = staging.create_rejected_table(run.connection, run.number)
        staging.copy_rejected(run.connection, refused, rejected)
        for name, frame in layers.items():
            columns = [
                c for c in deliverable_columns(name) if c in {"code", "geom"} or c in frame.columns
            ]
            columns += [c for c in deliverable_columns(name) if c not in columns]
            staged[name] = staging.create_staging_table(run.connection, run.number, name, columns)
    with staging.open_writer(engine, refused) as writer:
        for name, frame in layers.items():
            for batch in split_frame(_to_storage_crs(frame)):
                sink = writer if share_codes and name != "region" else None
                checked = _validate_batch(batch, name, staged[name].columns, sink)
                writer.copy(staged[name], checked)
                done += len(batch)
                progress("stage", done, total)
    with run.connection.begin():
        for part in staged.values():
            run.connection.execute(text(f"ANALYZE {part.table}"))
            if share_codes and part.layer != "region":
                integrity.reject_foreign_codes(run.connection, part, refused, source)
            integrity.raise_on_invalid_rows(run.connection, part, source)
    return Delivery(staged, refused, Scope(source))


def _to_storage_crs(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    if frame.crs is not None and frame.crs != crs.STORAGE:
        return frame.to_crs(crs.STORAGE)
    return frame


def _validate_batch(
    batch: Batch, layer: str, columns: Sequence[str], quarantine: Writer | None
) -> Batch:
    """Return a batch with the types of the table's columns.

    Parameters
    ----------
    quarantine
        Takes the invalid features, which the batch then lacks.

    Raises
    ------
    InputError
        If a value is invalid without a quarantine; names the first feature and value.
    """
    checked, faults = check_batch(batch, layer, KnownValues(_LATEST_YEAR))
    if faults and quarantine is None:
        _refuse_fault(layer, faults[0], batch)
    if faults and quarantine is not None:
        bad = np.logical_or.reduce([fault.rows for fault in faults])
        rows = np.flatnonzero(bad).tolist()
        quarantine.reject([build_rejection(batch, batch, layer, faults, row) for row in rows])
        checked = checked.take(~bad)
    nulls = pa.nulls(len(checked))
    return checked.with_columns(
        **{name: nulls for name in columns if name != "geom" and name not in checked.columns}
    )


def _refuse_fault(layer: str, fault: Fault, raw: Batch) -> NoReturn:
    row = int(fault.rows.argmax())
    code = raw.columns["code"][row].as_py() if "code" in raw.columns else None
    raise InputError(
        fault.key,
        layer=layer,
        code=code or "?",
        count=int(fault.rows.sum()),
        **fault.detail(row),
    )
