"""One file into one layer, the way of every import.

read -> map -> coordinates -> repair -> check -> stage -> relations -> diff -> guard -> publish ->
consequences -> report
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select, text

from etl import ahead, join, network, nodes, relations, runs, suspicion, topology
from etl.delivery import Delivery, Outcome
from etl.failures import recorded
from etl.guard import guard_of
from etl.layers import REGISTER
from etl.mapping import Mapping, guessed, refuse_missing
from etl.mapping import checked as checked_mapping
from etl.reading import Found, Part, Reader, prepared
from etl.repair import Repairs
from etl.runs import Run
from etl.settle import cleared, decided, settle
from etl.source import layer_names, open_layer, opened
from geo.errors import InputError
from geo.model import LAYERS, ImportRun
from geo.model.run import RunStatus
from geo.progress import Progress, silent
from geo.settings import Settings

NETWORK = "pipe"
"""Nodes and segments of one file, in one run."""

CITY = "city"
"""Every layer of one file that is called like one of ours."""

_SETS = {NETWORK: ("pipe_node", "pipe_segment"), CITY: tuple(LAYERS)}
_LOCATED = ("building", "compound", "facility")
"""Layers whose features belong to a community."""

_HASHED = 2**20


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
    with runs.opened(engine, request.layer, request.source, **said) as run:
        return recorded(engine, run, lambda: _carried(engine, run, request, settings, progress))


def _carried(
    engine: Engine, run: Run, request: Request, settings: Settings, progress: Progress
) -> Outcome:
    with ExitStack() as stack:
        with run.timed("open"):
            data = stack.enter_context(opened(request.file))
            mark = fingerprint(data)
            parts = _parts(data, request)
            run.report |= _about(data, mark, parts)
        same = None if request.again or request.dry else _same_as_before(run, request)
        if same is not None:
            return same

        def unchanged() -> None:
            if fingerprint(data) != mark:
                raise InputError("file_changed", file=request.file)

        return carry(engine, run, request, parts, settings, progress, after_reading=unchanged)


def carry(
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
    partial = bool(request.mapping and request.mapping.partial)
    reader = prepared(run, parts, request.file, partial=partial)
    delivery = reader.delivery
    delivery.guard = guard_of(settings, request.mapping.guard if request.mapping else None)
    delivery.replayed = replayed
    if not request.dry and _may_go_ahead(run, delivery):
        with suppress(ahead.LostError):
            return _ahead(engine, run, reader, progress, after_reading)
    if not reader.is_done:
        reader.read(engine, run, progress)
        after_reading()
    with run.connection.begin():
        _relate(run, delivery, reader.found)
    return settle(engine, run, delivery, progress, dry=request.dry)


def _may_go_ahead(run: Run, delivery: Delivery) -> bool:
    """Return whether a delivery is a source's first, and no community need be found for any."""
    with run.connection.begin():
        homeless = any(
            join.without_communities(run.connection, one)
            for name, one in delivery.staged.items()
            if name in _LOCATED
        )
        return not homeless and ahead.may_be(run.connection, [*delivery.staged], run.source)


def _ahead(
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
    with ahead.taken(run, [*reader.delivery.staged.values()]) as head:
        reader.read(engine, run, progress, head.follow)
        after_reading()
        delivery, found = deepcopy((reader.delivery, reader.found))
        with run.timed("publish"):
            head.finish()
        _relate(run, delivery, found)
        head.confirm([*delivery.staged.values()])
        delivery.written = head.revision
        outcome = decided(run, delivery, progress)
        if outcome.status is RunStatus.HELD:
            raise ahead.LostError
    cleared(run, outcome)
    return outcome


def _parts(data: Path, request: Request) -> list[Part]:
    """Return the layers of a file that are asked for, parents before children."""
    if request.mapping is not None:
        parts = [_part(data, one, one.file_layer) for one in _mappings(request.mapping)]
    elif request.layer in _SETS:
        parts = _named_parts(data, request.layer)
    else:
        parts = [_part(data, request.layer, _layer_in(data, request.layer))]
    order = [*LAYERS, REGISTER]
    return sorted(parts, key=lambda part: order.index(part.layer))


def _mappings(mapping: Mapping) -> list[Mapping]:
    return [mapping, *mapping.also]


def _named_parts(data: Path, layers: str) -> list[Part]:
    names = layer_names(data)
    wanted = [name for name in _SETS[layers] if name in names]
    if not wanted:
        raise InputError(
            "no_layer_of_ours", file=data, layers=", ".join(names), ours=", ".join(_SETS[layers])
        )
    return [_part(data, name, name) for name in wanted]


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
        return Part(guessed(mapping.layer, source.fields, mapping.source), source)
    source = open_layer(data, layer, encoding=how.encoding, place=how.coordinates.place())
    if not how.columns:
        proposal = guessed(how.layer, source.fields, how.source)
        how = how.model_copy(update={"columns": proposal.columns})
    refuse_missing(how, source.fields, data, source.layer)
    return Part(how, source)


def fingerprint(data: Path) -> str:
    """Return a digest of a data set: of every file of a folder or of a shapefile."""
    files = sorted(data.rglob("*")) if data.is_dir() else sorted(data.parent.glob(f"{data.stem}.*"))
    if not data.is_dir() and data.suffix.lower() != ".shp":
        files = [data]
    digest = hashlib.sha256()
    for file in files:
        if not file.is_file():
            continue
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while chunk := content.read(_HASHED):
                digest.update(chunk)
    return digest.hexdigest()


def _about(data: Path, mark: str, parts: list[Part]) -> dict[str, Any]:
    return {
        "data": data.name,
        "digest": mark,
        "crs": {part.layer: part.source.crs.to_string() for part in parts if part.source.crs},
        "mapping": [
            part.mapping.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for part in parts
        ],
    }


def _same_as_before(run: Run, request: Request) -> Outcome | None:
    """Return the outcome of a file that was read before, if nothing changed since.

    The same bytes and mapping, and no layer was published since: then reading it again would find
    what the last run found.
    """
    with run.connection.begin():
        now = runs.state_of(run.connection)
        last = run.connection.execute(
            select(ImportRun)
            .with_only_columns(ImportRun.id, ImportRun.status, ImportRun.report, ImportRun.counts)
            .where(ImportRun.source == request.source, ImportRun.id != run.number)
            .order_by(ImportRun.id.desc())
            .limit(1)
        ).first()
    run.report["state"] = now
    if last is None or last.status not in ("published", "unchanged"):
        return None
    keys = ("digest", "mapping")
    alike = all(last.report.get(key) == run.report[key] for key in keys)
    if not alike or last.report.get("state_after") != now or last.report.get("rejected"):
        return None
    return _unchanged(run, last.id, last.counts, now)


def _unchanged(run: Run, before: int, counts: dict[str, Any], state: str) -> Outcome:
    from etl.diff import Counts

    figures = {
        name: Counts(0, 0, 0, c["added"] + c["changed"] + c["unchanged"])
        for name, c in counts.items()
    }
    run.report |= {"same_as": before, "state_after": state, "rejected": {}}
    with run.connection.begin():
        runs.close(
            run.connection,
            run.number,
            RunStatus.UNCHANGED,
            run.report,
            counts={name: vars(count) for name, count in figures.items()},
            timings=run.timings,
        )
    return Outcome(run.number, RunStatus.UNCHANGED, figures, run.report)


def _relate(run: Run, delivery: Delivery, found: Found) -> None:
    """Check the staged layers against each other and what is live."""
    connection, staged = run.connection, delivery.staged
    with run.timed("check"):
        for one in staged.values():
            connection.execute(text(f"ANALYZE {one.table}"))
        if REGISTER in staged:
            rows = staged.pop(REGISTER)
            made, how = join.register(connection, rows, delivery.rejected, run.number)
            found.notes["joined"] = how
            staged |= made
        if "pipe_segment" in staged and "pipe_node" not in staged:
            _make_nodes(run, delivery, found)
        staged = delivery.staged
        for name in [name for name in LAYERS if name in staged]:
            _relate_layer(connection, delivery, name, found)
        found.concerns += suspicion.shifted(connection, staged)
        if "region" in staged:
            notes, concerns = topology.healed(connection, staged["region"], delivery)
            found.notes["topology"] = notes
            found.concerns += concerns
    delivery.concerns += found.concerns
    _tell(run, found)


def _make_nodes(run: Run, delivery: Delivery, found: Found) -> None:
    """Give pipes that are delivered without nodes their nodes, which are published with them."""
    segments = delivery.staged["pipe_segment"]
    made, notes = nodes.made(run.connection, segments, run.source, run.number)
    if made is not None:
        found.notes["network"] = notes
        delivery.staged = {"pipe_node": made, **delivery.staged}


def _relate_layer(connection: Connection, delivery: Delivery, name: str, found: Found) -> None:
    staged = delivery.staged[name]
    scope = delivery.scope
    if name == "building_unit" and "building_code" in staged.columns:
        found.notes["joined"] = join.find_buildings(connection, staged, "building_code")
        join.place_units(connection, staged)
        relations.move(connection, staged, delivery.rejected, _HOMELESS)
    if name == "pipe_segment":
        known = delivery.staged.get("pipe_node")
        found.notes.setdefault("network", {}).update(network.joined(connection, staged, known))
    if not scope.fields_only:
        counts = relations.refuse(
            connection, staged, delivery.rejected, scope.source, delivery.staged
        )
        if counts.get("duplicate"):
            found.repairs.setdefault(name, Repairs()).counts["duplicate"] += counts["duplicate"]
        if name in relations.SHAPED_ONCE and "geom" in staged.columns:
            relations.refuse_same_shapes(connection, staged, delivery.rejected)
        if name in _LOCATED and join.without_communities(connection, staged):
            join.find_communities(connection, staged)


_HOMELESS = relations.Rule(
    "building_not_found",
    "building_code IS NULL OR geom IS NULL",
    "'value', coalesce(code, '?')",
    {},
)


def _tell(run: Run, found: Found) -> None:
    run.report |= {
        "rows": dict(found.rows),
        "repairs": {name: dict(one.counts) for name, one in found.repairs.items()},
        **found.notes,
    }


__all__ = ["Outcome", "Request", "fingerprint", "import_file"]
