"""One file into one layer, the way of every import.

read -> map -> coordinates -> repair -> check -> stage -> relations -> diff -> guard -> publish ->
consequences -> report
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, Engine, select, text

from etl import join, network, relations, runs, stage, suspicion, topology
from etl.batch import Batch
from etl.check import Fault, Known, checked
from etl.diff import Scope
from etl.guard import Concern, guard_of
from etl.layers import EXTRAS, REGISTER, filled, table_of
from etl.mapping import Mapping, guessed, mapped, refuse_missing
from etl.mapping import checked as checked_mapping
from etl.place import Placing, system_of
from etl.publish import Delivery, Outcome, recorded, settle
from etl.repair import Repairs, in_single_lines, repaired
from etl.runs import Run
from etl.source import Source, layer_names, open_layer, opened
from etl.stage import Rejected, Staged, Writer
from geo.codes import DIGITS, parent, stem
from geo.errors import InputError
from geo.model import LAYERS, ImportRun, Region
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
    delivery, found = _stage(engine, run, request, parts, progress)
    after_reading()
    _tell(run, found)
    delivery.guard = guard_of(settings, request.mapping.guard if request.mapping else None)
    delivery.concerns += found.concerns
    delivery.replayed = replayed
    return settle(engine, run, delivery, progress, dry=request.dry)


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
    from geo.model.run import RunStatus

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


def _stage(
    engine: Engine, run: Run, request: Request, parts: list[Part], progress: Progress
) -> tuple[Delivery, Found]:
    """Read, mend and check every feature, and stage those that pass."""
    found = Found()
    staged: dict[str, Staged] = {}
    with run.connection.begin():
        rejected = stage.create_rejected(run.connection, run.number)
        for part in parts:
            columns = _columns(part)
            made = stage.create(run.connection, run.number, part.layer, columns)
            staged[part.layer] = made
        known = {part.layer: _known(run.connection, part.layer, request.source) for part in parts}
        cities = _cities(run.connection)
    total = sum(part.source.count or 0 for part in parts)
    with run.timed("stage"), stage.writing(engine, rejected) as writer:
        for part in parts:
            reading = Reading(part, request.file, known[part.layer], cities, found)
            for batch in reading.batches(writer):
                writer.copy(staged[part.layer], batch)
                found.rows[part.layer] += len(batch)
                progress("stage", found.rows.total(), max(total, found.rows.total()))
    partial = bool(request.mapping and request.mapping.partial)
    fields_only = REGISTER in staged
    delivery = Delivery(staged, rejected, Scope(request.source, partial, fields_only))
    with run.timed("check"):
        _relate(run, delivery, found)
    return delivery, found


def _columns(part: Part) -> list[str]:
    """Return the columns that a delivery fills."""
    wide = (*filled(part.layer), *EXTRAS.get(part.layer, ()))
    rules = {*part.mapping.columns, *part.mapping.constants}
    probe = mapped(part.mapping, _empty(part.source))
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


def _known(connection: Connection, layer: str, source: str) -> Known:
    own = select(Region.code).where(Region.source == source, Region.level == "city")
    cities = tuple(stem(code) for code in connection.scalars(own)) if layer == "region" else ()
    regions = frozenset(connection.scalars(select(Region.code).where(Region.level == "community")))
    return Known(datetime.now(UTC).year, regions, cities)


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
    known: Known
    cities: np.ndarray[Any, np.dtype[np.float64]] | None
    found: Found

    def batches(self, writer: Writer) -> Iterator[Batch]:
        """Yield the features that pass; hand the others to the writer."""
        source, layer = self.part.source, self.part.layer
        placing = self._placing() if source.has_place else None
        repairs = self.found.repairs.setdefault(layer, Repairs())
        if not source.has_place and not _may_lack_place(layer):
            raise InputError("no_geometry", file=self.file, layer=source.layer)
        seen = 0
        for raw in source.batches():
            if seen == 0 and len(raw):
                suspicion.refuse_garbled(raw, self.file, source.layer)
            ours = derived(mapped(self.part.mapping, raw), layer)
            if placing is not None:
                placed = placing.place(ours)
                if seen == 0:
                    placing.refuse_misplaced(ours, placed)
                ours = placed
            if seen == 0:
                suspicion.refuse_other_unit(ours, source.layer, self.file)
            seen += len(raw)
            yield self._good(raw, ours, repairs, writer)
        if seen == 0:
            raise InputError("layer_empty", file=self.file, layer=source.layer)

    def _placing(self) -> Placing:
        how, source = self.part.mapping.coordinates, self.part.source
        crs = system_of(source.crs, how, self.file, source.layer)
        expected = None if self.part.layer == "region" else self.cities
        return Placing(self.file, source.layer, crs, how, expected)

    def _good(self, raw: Batch, ours: Batch, repairs: Repairs, writer: Writer) -> Batch:
        """Return the features of a batch that pass its checks."""
        layer = self.part.layer
        fixed, doubtful = repaired(ours, layer, repairs)
        whole, faults = checked(fixed, layer, self.known, doubtful)
        for extra in EXTRAS.get(layer, ()):
            if extra in ours.columns:
                whole = whole.having(**{extra: ours.columns[extra].cast(pa.string())})
        bad = np.zeros(len(raw), dtype=bool)
        for fault in faults:
            bad |= fault.rows
        writer.refuse(
            [_rejected(raw, ours, layer, faults, row) for row in np.flatnonzero(bad).tolist()]
        )
        return in_single_lines(whole.take(~bad), layer, repairs)


def _may_lack_place(layer: str) -> bool:
    return layer == "building_unit" or bool(table_of(layer).c.geom.nullable)


def _rejected(raw: Batch, ours: Batch, layer: str, faults: list[Fault], row: int) -> Rejected:
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


def derived(batch: Batch, layer: str) -> Batch:
    """Return a batch with the columns that follow from others.

    A division's level and parent follow from its code, if the file does not say them.
    """
    if layer != "region" or "code" not in batch.columns:
        if layer == "building_unit" and "building_code" not in batch.columns:
            return batch.having(building_code=pa.nulls(len(batch), pa.string()))
        return batch
    codes = batch.columns["code"].to_pylist()
    by_digits = {digits: str(level) for level, digits in DIGITS.items()}
    levels = [by_digits.get(len(stem(code))) if code else None for code in codes]
    parents = [parent(code) if code and len(code) == 12 else None for code in codes]
    for name, values in (("level", levels), ("parent_code", parents)):
        if name not in batch.columns:
            batch = batch.having(**{name: pa.array(values, pa.string())})
    return batch


def _relate(run: Run, delivery: Delivery, found: Found) -> None:
    """Check the staged layers against each other and what is live."""
    connection, staged = run.connection, delivery.staged
    with connection.begin():
        for one in staged.values():
            connection.execute(text(f"ANALYZE {one.table}"))
        if REGISTER in staged:
            made, how = join.register(
                connection, staged.pop(REGISTER), delivery.rejected, run.number
            )
            found.notes["joined"] = how
            staged |= made
        for name in [name for name in LAYERS if name in staged]:
            _relate_layer(connection, delivery, name, found)
        found.concerns += suspicion.shifted(connection, staged)
        if "region" in staged:
            notes, concerns = topology.healed(connection, staged["region"], delivery)
            found.notes["topology"] = notes
            found.concerns += concerns


def _relate_layer(connection: Connection, delivery: Delivery, name: str, found: Found) -> None:
    staged = delivery.staged[name]
    scope = delivery.scope
    if name == "building_unit" and "building_code" in staged.columns:
        found.notes["joined"] = join.find_buildings(connection, staged, "building_code")
        join.place_units(connection, staged)
        relations.move(connection, staged, delivery.rejected, _HOMELESS)
    if name == "pipe_segment":
        nodes = delivery.staged.get("pipe_node")
        found.notes["network"] = network.joined(connection, staged, nodes)
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
