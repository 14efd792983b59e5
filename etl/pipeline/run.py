"""One file into one layer, the way of every import.

read -> map -> coordinates -> repair -> check -> stage -> relations -> diff -> guard -> publish ->
consequences -> report
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from etl.input.layer_columns import REGISTER
from etl.input.mapping import (
    LAYER_SETS,
    Mapping,
    guess_mapping,
    refuse_missing_columns,
    unused_columns,
)
from etl.input.mapping import validate_mapping as checked_mapping
from etl.input.source import layer_names, open_dataset, open_layer
from etl.linking import join
from etl.pipeline import bulk_load, row_digests
from etl.pipeline.cross_checks import LOCATED, relate, tell
from etl.pipeline.delivery import Delivery, Outcome
from etl.pipeline.guard import guard_of
from etl.pipeline.publish import clean_up, compare_and_publish, lock_layers, settle
from etl.pipeline.reading import Part, Reader, prepare_reader
from etl.pipeline.row_digests import LayersChangedError
from etl.pipeline.unchanged import fingerprint, skip_if_unchanged
from etl.runs import run_records
from etl.runs.failures import run_with_failure_record
from etl.runs.run_records import Run
from geo.errors import InputError
from geo.model import LAYERS
from geo.model.run import RunStatus
from geo.progress import Progress, silent
from geo.settings import Settings


@dataclass(frozen=True)
class Request:
    """What a person or a night asks for.

    Attributes
    ----------
    layer
        A layer, ``community``, ``hydrant``, ``register``, ``pipe`` or ``city``.
    file
        What to read.
    mapping
        How; guessed from the file's columns without one.
    dry
        Report what would change, and change nothing.
    again
        Read the file even if it is the one of the last run.
    """

    layer: str
    file: Path
    mapping: Mapping | None = None
    dry: bool = False
    again: bool = False

    @property
    def source(self) -> str:
        """Return the source whose features the file holds."""
        named = self.mapping.source if self.mapping else ""
        return named or f"file:{self.layer}"


def import_file(
    engine: Engine, request: Request, settings: Settings, progress: Progress = silent
) -> Outcome:
    """Bring a file into its layer.

    Returns
    -------
    Outcome
        Published, unchanged or held.

    Raises
    ------
    InputError
        If the file as a whole can't be used; the run is kept as rejected, nothing is changed.
    SetupError
        If the database or its disk gives way; the run is kept as failed, nothing is changed.
    """
    said = {"file": str(request.file), "dry": request.dry}
    with run_records.start_run(engine, request.layer, request.source, **said) as run:
        return run_with_failure_record(
            engine, run, lambda: _import_file(engine, run, request, settings, progress)
        )


def _import_file(
    engine: Engine, run: Run, request: Request, settings: Settings, progress: Progress
) -> Outcome:
    with ExitStack() as stack:
        with run.timed("open"):
            data = stack.enter_context(open_dataset(request.file))
            mark = fingerprint(data)
            parts = _parts(data, request)
            run.report |= _about(data, mark, parts)
            with run.connection.begin():
                run.report["state"] = run_records.layer_versions(
                    run.connection, [p.layer for p in parts]
                )
        same = None if request.again or request.dry else skip_if_unchanged(run)
        if same is not None:
            return same

        def unchanged() -> None:
            if fingerprint(data) != mark:
                raise InputError("file_changed", file=request.file)

        return run_import(engine, run, request, parts, settings, progress, after_reading=unchanged)


def run_import(
    engine: Engine,
    run: Run,
    request: Request,
    parts: list[Part],
    settings: Settings,
    progress: Progress = silent,
    replayed: Sequence[int] = (),
    after_reading: Callable[[], None] = lambda: None,
) -> Outcome:
    """Bring opened layers all the way.

    Parameters
    ----------
    replayed
        Numbers of refused features that they bring again.
    after_reading
        Called when all is read, before anything is compared.
    """
    for trusting in (True, False):
        reader = _reader(run, request, parts, settings, replayed, trusting=trusting)
        with suppress(LayersChangedError):
            return _import_opened_file(engine, run, request, reader, progress, after_reading)
        with run.connection.begin():  # somebody published the layer meanwhile: all is read again
            run_records.drop_staged(run.connection, run.number)
        run.report.pop("passed_over", None)
    raise AssertionError  # a reader that trusts nothing is never moved


def _reader(
    run: Run,
    request: Request,
    parts: list[Part],
    settings: Settings,
    replayed: Sequence[int],
    *,
    trusting: bool,
) -> Reader:
    partial = bool(request.mapping and request.mapping.partial)
    reader = prepare_reader(run, parts, request.file, partial=partial, trusting=trusting)
    delivery = reader.delivery
    delivery.guard = guard_of(settings, request.mapping.guard if request.mapping else None)
    delivery.replayed = replayed
    return reader


def _import_opened_file(
    engine: Engine,
    run: Run,
    request: Request,
    reader: Reader,
    progress: Progress,
    after_reading: Callable[[], None],
) -> Outcome:
    """Read a delivery, and bring it all the way.

    Raises
    ------
    MovedError
        If a layer moved under rows that were passed over.
    """
    delivery = reader.delivery
    if not request.dry and _can_bulk_load(run, delivery):
        with suppress(bulk_load.BulkLoadAbandonedError):
            return _bulk_load(engine, run, reader, progress, after_reading)
    if not reader.is_done:
        reader.read(engine, run, progress)
        after_reading()
    with lock_layers(
        run, [*delivery.staged]
    ):  # features are related to what they will be live with
        with run.connection.begin():
            with run.timed("check"):
                row_digests.rejoin(run, delivery)
            if delivery.same is None:
                relate(run, delivery, reader.found)
            else:
                tell(run, reader.found)
        return settle(engine, run, delivery, progress, dry=request.dry)


def _can_bulk_load(run: Run, delivery: Delivery) -> bool:
    """Return whether a delivery is a source's first, and no community need be found for any."""
    with run.connection.begin():
        homeless = any(
            join.without_communities(run.connection, one)
            for name, one in delivery.staged.items()
            if name in LOCATED
        )
        return not homeless and bulk_load.may_be(run.connection, [*delivery.staged], run.source)


def _bulk_load(
    engine: Engine,
    run: Run,
    reader: Reader,
    progress: Progress,
    after_reading: Callable[[], None],
) -> Outcome:
    """Bring a first delivery all the way while it is read.

    Raises
    ------
    LostError
        If the checks changed it; it is staged as if this had not been tried.
    """
    staged = [*reader.delivery.staged.values()]
    with bulk_load.start_bulk_load(run, staged, is_large=reader.is_large) as head:
        reader.read(engine, run, progress, head.follow)
        after_reading()
        delivery, found = deepcopy((reader.delivery, reader.found))
        with run.timed("publish"):
            head.finish()
        delivery.written = head.revision
        relate(run, delivery, found)
        head.confirm([*delivery.staged.values()])
        outcome = compare_and_publish(run, delivery, progress)
        if outcome.status is RunStatus.HELD:
            raise bulk_load.BulkLoadAbandonedError
    clean_up(run, outcome)
    return outcome


def _parts(data: Path, request: Request) -> list[Part]:
    """Return the layers of a file that are asked for, parents before children."""
    if request.layer in LAYER_SETS:
        parts = _parts_by_layer_name(data, request)
    elif request.mapping is not None:
        parts = [_part(data, one, one.file_layer) for one in _mappings(request.mapping)]
    else:
        parts = [_part(data, request.layer, _layer_in(data, request.layer))]
    order = [*LAYERS, REGISTER]
    return sorted(parts, key=lambda part: order.index(part.layer))


def _mappings(mapping: Mapping) -> list[Mapping]:
    return [mapping, *mapping.also]


def _parts_by_layer_name(data: Path, request: Request) -> list[Part]:
    """Return the layers of a file that are called like ours, each as its columns' names say."""
    names, ours = layer_names(data), LAYER_SETS[request.layer]
    wanted = [name for name in ours if name in names]
    if not wanted:
        raise InputError(
            "no_layer_of_ours", file=data, layers=", ".join(names), ours=", ".join(ours)
        )
    told = request.mapping or checked_mapping({"layer": request.layer}, str(data))
    return [_part(data, told.model_copy(update={"layer": name}), name) for name in wanted]


def _layer_in(data: Path, layer: str) -> str | None:
    """Return the layer of a file to read: the one called like ours, if there are several."""
    if data.suffix.lower() in (".csv", ".parquet", ".xlsx"):
        return None
    names = layer_names(data)
    return layer if layer in names else None


def _part(data: Path, how: Mapping | str, layer: str | None) -> Part:
    if isinstance(how, str):
        source = open_layer(data, layer)
        mapping = checked_mapping({"layer": how}, str(data))
        return Part(guess_mapping(mapping.layer, source.fields, mapping.source), source)
    source = open_layer(data, layer, encoding=how.encoding, coordinates=how.coordinates.columns())
    if not how.columns:
        proposal = guess_mapping(how.layer, source.fields, how.source)
        how = how.model_copy(update={"columns": proposal.columns})
    refuse_missing_columns(how, source.fields, data, source.layer)
    return Part(how, source)


def _about(data: Path, mark: str, parts: list[Part]) -> dict[str, Any]:
    return {
        "data": data.name,
        "digest": mark,
        "crs": {part.layer: part.source.crs.to_string() for part in parts if part.source.crs},
        "unused_columns": {
            part.layer: unused
            for part in parts
            if (unused := unused_columns(part.mapping, part.source.fields))
        },
        "mapping": [
            part.mapping.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for part in parts
        ],
    }


__all__ = ["Outcome", "Request", "fingerprint", "import_file"]
