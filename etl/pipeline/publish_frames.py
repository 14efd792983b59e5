"""Publishing frames whose features must all be right: what the program itself makes."""

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import pyarrow as pa
from sqlalchemy import Engine, text

from etl.checks import integrity
from etl.checks.values import Fault, KnownValues, check_batch
from etl.input.feature_batch import Batch, split_frame
from etl.input.layer_columns import deliverable_columns
from etl.pipeline import staging
from etl.pipeline.delivery import Delivery, Outcome
from etl.pipeline.diff import Counts, Scope
from etl.pipeline.guard import Guard
from etl.pipeline.publish import settle
from etl.pipeline.staging import Rejected, Staged
from etl.runs import run_records
from etl.runs.failures import run_with_failure_record
from etl.runs.run_records import Run
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
    """Make the live features of a source those of a set of frames, which must all be right.

    Parameters
    ----------
    layers
        Frames by table name, columns named as the tables', geometry in longitude and latitude.
        A layer that is left out stays as it is; a column that is left out gets the table's
        default.
    source
        Name of the source, one for every delivery of it.
    rejected
        What the delivery held that can't be published; it is kept in quarantine with the run,
        unless it is there already.

    Returns
    -------
    dict
        Counts by layer. If none of them is touched, no feature was written and the run is kept
        as unchanged.

    Raises
    ------
    InputError
        If a value is outside its domain, a code is there twice, a feature names another that is
        not there, or a code belongs to another source; nothing is changed.
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
    """Publish a set of frames; return how the run ended (see :func:`publish`).

    Parameters
    ----------
    dry
        Say what would happen, and change nothing.
    share_codes
        Sources may hold the same objects by the same codes: what another one has, regions aside,
        stays its, and is refused by feature.
    **report
        What else its report tells.
    """
    chosen = {name: layers[name] for name in LAYERS if name in layers}
    with run_records.start_run(engine, ", ".join(chosen), source, **report) as run:

        def work() -> Outcome:
            with run.timed("stage"):
                delivery = _stage_frames(
                    engine, run, chosen, source, rejected, progress, share_codes=share_codes
                )
                delivery.guard = guard
            return settle(engine, run, delivery, progress, dry=dry)

        return run_with_failure_record(engine, run, work)


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
    """Stage frames, all of whose features must be right."""
    total, done = sum(map(len, layers.values())), 0
    progress("stage", 0, total)
    staged: dict[str, Staged] = {}
    with run.connection.begin():
        refused = staging.create_rejected(run.connection, run.number)
        staging.copy_rejected(run.connection, refused, rejected)
        for name, frame in layers.items():
            columns = [
                c for c in deliverable_columns(name) if c in {"code", "geom"} or c in frame.columns
            ]
            columns += [c for c in deliverable_columns(name) if c not in columns]
            staged[name] = staging.create(run.connection, run.number, name, columns)
    with staging.writing(engine, refused) as writer:
        for name, frame in layers.items():
            for batch in split_frame(_in_degrees(frame)):
                writer.copy(staged[name], _right(batch, name, staged[name].columns))
                done += len(batch)
                progress("stage", done, total)
    with run.connection.begin():
        for one in staged.values():
            run.connection.execute(text(f"ANALYZE {one.table}"))
            if share_codes and one.layer != "region":
                integrity.set_aside_foreign(run.connection, one, refused, source)
            integrity.refuse_strictly(run.connection, one, source)
    return Delivery(staged, refused, Scope(source))


def _in_degrees(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    from geo import crs

    if frame.crs is not None and frame.crs != crs.STORAGE:
        return frame.to_crs(crs.STORAGE)
    return frame


def _right(batch: Batch, layer: str, columns: Sequence[str]) -> Batch:
    """Return a batch with the table's kinds of values, if they all fit.

    Raises
    ------
    InputError
        Naming the first feature and value that does not.
    """
    whole, faults = check_batch(batch, layer, KnownValues(_LATEST_YEAR))
    for fault in faults:
        raise _refusal(whole, layer, fault, batch)
    nothing = pa.nulls(len(whole))
    return whole.with_columns(
        **{name: nothing for name in columns if name != "geom" and name not in whole.columns}
    )


def _refusal(batch: Batch, layer: str, fault: Fault, raw: Batch) -> InputError:
    row = int(fault.rows.argmax())
    code = raw.columns["code"][row].as_py() if "code" in raw.columns else None
    return InputError(
        fault.key,
        layer=layer,
        code=code or "?",
        count=int(fault.rows.sum()),
        **fault.detail(row),
    )
