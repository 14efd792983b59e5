"""The report of a run: lines for the terminal, JSON, and an HTML page with a small map."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import shapely
from sqlalchemy import Connection, Engine, Row, select, text

from etl.pipeline.delivery import Outcome
from geo import clock
from geo.errors import InputError, NotFoundError
from geo.messages import Language, catalogue, language
from geo.messages import text as message
from geo.model import ImportRun, Quarantine

MAP_PIXELS = (720, 460)
STEPS = ("open", "stage", "check", "wait", "diff", "publish", "consequences")
FATES = ("added", "changed", "removed")
_MAX_REJECTED = 100
_MARGIN_SHARE = 0.15
_MIN_WIDTH_DEGREES = 0.002
_MAX_BORDERS = 400

_PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("etl"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def terminal_lines(outcome: Outcome) -> Iterator[str]:
    """Yield the lines about a run for the terminal."""
    report = outcome.report
    if report.get("same_as"):
        yield message("import.same_as", run=report["same_as"])
    for concern in report.get("concerns", []):
        yield "! " + concern_text(concern)
    for layer, unused in report.get("unused_columns", {}).items():
        columns = ", ".join(
            message("import.similar_column", name=name, column=similar) if similar else name
            for name, similar in unused.items()
        )
        yield message("import.unused_columns", layer=layer, columns=columns)
    yield from reading_lines(report)
    for layer, repairs in report.get("repairs", {}).items():
        for what, count in repairs.items():
            yield f"  {layer}: {count} × {message(f'repair.{what}')}"
    for reason, count in report.get("rejected", {}).items():
        yield f"  {count} × {reason_text(reason)}"
    yield from _network_lines(report.get("network", {}))
    topology = report.get("topology", {})
    if any(topology.values()):
        healed, left = (len(topology.get(key, [])) for key in ("healed", "breaches"))
        yield message("import.topology", healed=healed, breaches=left)
    if report.get("corrections_kept"):
        yield message("import.corrections_kept", count=len(report["corrections_kept"]))
    for what in ("register_kept", "verified_kept", "register_units_unknown"):
        if report.get(what):
            yield message(f"import.{what}", count=report[what])
    if report.get("moved_count"):
        yield message("import.moved", count=report["moved_count"])
    for what in ("units_removed", "ends_loosened"):
        if report.get(what):
            codes = ", ".join(feature["code"] for feature in report[what][:5])
            yield message(f"import.{what}", count=report[f"{what}_count"], codes=codes)
    if report.get("register_left"):
        codes = ", ".join(entry["building"] for entry in report["register_left"][:5])
        yield message("import.register_left", count=report["register_left_count"], codes=codes)
    if report.get("stale"):
        yield message("import.stale", count=len(report["stale"]))
    for community in report.get("proposals", []):
        yield message("import.proposal", community=community)


def reading_lines(report: dict[str, Any]) -> list[str]:
    """Return what the reader skipped, filled or read in another encoding than declared."""
    layers = ", ".join(report.get("unread_layers", []))
    unread = [message("import.unread_layers", layers=layers)] if layers else []
    return unread + [
        message(f"import.reading_{key}", lang=None, layer=layer, **values)
        for layer, notes in report.get("reading", {}).items()
        for key, values in notes.items()
    ]


PIPE_FINDINGS = (
    *("loose_ends", "near_misses", "reversed", "far_ends"),
    *("doubles", "parallels", "loose_valves"),
)
"""Findings of a pipe network that a report lists, by key of the catalogue."""


def _network_lines(network: dict[str, Any]) -> Iterator[str]:
    if network.get("made"):
        yield message("import.nodes_made", count=network["made"])
    for what in PIPE_FINDINGS:
        if network.get(what):
            codes = ", ".join(str(finding["code"]) for finding in network[what][:5])
            yield message(f"import.{what}", count=len(network[what]), codes=codes)


def concern_text(concern: dict[str, Any], lang: Language | None = None) -> str:
    """Return why a run is held."""
    values = dict(concern["values"])
    if "percent" in values and "count" in values:  # older runs do not record the total
        values.setdefault("total", round(100 * values["count"] / values["percent"]))
        values["features"] = message(f"counted.{values['layer']}", lang=lang)
    return message(f"guard.{concern['key']}", lang=lang, **values)


def reason_text(reason: str, detail: dict[str, Any] | None = None) -> str:
    """Return why a feature was rejected; without its detail, in general terms."""
    key = f"quarantine.{reason}"
    if detail is not None and f"{key}_detail" in catalogue("en"):
        with suppress(KeyError):  # older runs do not record every field
            return message(f"{key}_detail", **detail)
    return message(key)


def run_report(connection: Connection, number: int) -> dict[str, Any]:
    """Return the record of a run as plain values.

    Raises
    ------
    NotFoundError
        If there is no such run.
    """
    row = connection.execute(select(ImportRun.__table__).where(ImportRun.id == number)).first()
    if row is None:
        raise NotFoundError("no_such_run", run=number)
    return _plain(row) | {"refused": _read_rejections(connection, number)}


def _plain(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    for moment in ("started_at", "finished_at"):
        values[moment] = values[moment].isoformat() if values[moment] else None
    return values


def _read_rejections(connection: Connection, number: int) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(
            Quarantine.id, Quarantine.layer, Quarantine.code, Quarantine.reason, Quarantine.detail
        )
        .where(Quarantine.run_id == number)
        .order_by(Quarantine.id)
        .limit(_MAX_REJECTED)
    )
    return [dict(row._mapping) | {"said": reason_text(row.reason, row.detail)} for row in rows]


def write_report(engine: Engine, number: int, folder: Path) -> Path:
    """Write ``run-N.json`` and ``run-N.html`` into a folder, each whole; return the page.

    Raises
    ------
    InputError
        If they can't be written there; the run itself is not affected.
    """
    with engine.connect() as connection:
        run = run_report(connection, number)
        content = html_page(connection, number)
    plain = json.dumps(run, ensure_ascii=False, indent=1, default=str)
    page = folder / f"run-{number}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(page.with_suffix(".json"), plain)
        _write_whole(page, content)
    except OSError as error:
        status, reason = message(f"status.{run['status']}"), error.strerror or error
        raise InputError(
            "report_unwritable", run=number, status=status, folder=folder, said=reason
        ) from error
    return page


def _write_whole(file: Path, content: str) -> None:
    """Write a file whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def html_page(connection: Connection, number: int) -> str:
    """Return the self-contained HTML page of a run.

    Raises
    ------
    NotFoundError
        If there is no such run.
    """
    run = run_report(connection, number)
    return _page(run, changes_map(connection, run["report"]))


def _page(run: dict[str, Any], picture: "Picture | None") -> str:
    report = run["report"]
    return _PAGES.get_template("report.html").render(
        run=run,
        report=report,
        map=picture,
        say=message,
        lang=language(),
        concerns=[concern_text(concern) for concern in report.get("concerns", [])],
        reading=reading_lines(report),
        reasons={key: reason_text(key) for key in report.get("rejected", {})},
        pixels=MAP_PIXELS,
        steps=STEPS,
        shown=_map_shares(run),
        started=clock.format_time(datetime.fromisoformat(run["started_at"]), "seconds"),
        failure=report.get("failure_zh" if language() == "zh" else "failure"),
    )


@dataclass(frozen=True)
class Picture:
    """A map as SVG paths: borders, density and outlines of the changes by fate, and points."""

    backdrop: list[str]
    cells: list[dict[str, Any]]
    shapes: list[dict[str, str]]
    points: list[dict[str, Any]]


def changes_map(connection: Connection, report: dict[str, Any]) -> Picture | None:
    """Return the map of what a run changed; None if nothing has a place."""
    drawn_changes = [
        (layer, change["fate"], change["code"], shapely.from_geojson(json.dumps(change["shape"])))
        for layer, changes in report.get("differences", {}).items()
        for change in changes
        if change.get("shape")
    ]
    drawn_changes = [change for change in drawn_changes if not change[3].is_empty]
    points = _points(report)
    cells = [*_cells(report)]
    places = [shape for *_, shape in drawn_changes] + [
        shapely.Point(p["lon"], p["lat"]) for p in points
    ]
    places += [cell["box"] for cell in cells]
    if not places:
        return None
    view = _View.around(np.array(places, dtype=object))
    return Picture(
        [view.path(shape) for shape in _communities(connection, view)],
        [cell | {"path": view.path(cell["box"])} for cell in cells],
        [
            {"layer": layer, "fate": fate, "code": code, "path": view.path(shape)}
            for layer, fate, code, shape in drawn_changes
        ],
        [view.add_pixels(point) for point in points],
    )


def _cells(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cells of the densities, with their share of the densest cell."""
    for layer, density in report.get("density", {}).items():
        side, largest_count = density["cell"], max(cell["count"] for cell in density["cells"])
        for cell in density["cells"]:
            west, south = cell["lon"], cell["lat"]
            yield {
                "layer": layer,
                "fate": cell["fate"],
                "count": cell["count"],
                "share": round(0.1 + 0.5 * (cell["count"] / largest_count) ** 0.5, 2),
                "box": shapely.box(west, south, west + side, south + side),
            }


def _map_shares(run: dict[str, Any]) -> list[str]:
    """Return, for each layer, how many of its differences the map shows one by one."""
    counts, listed = run["counts"], run["report"].get("differences", {})
    return [
        message(
            "report.shown_of",
            layer=message(f"layer.{layer}"),
            shown=f"{len(features):,}",
            count=f"{sum(counts[layer][fate] for fate in FATES):,}",
        )
        for layer, features in listed.items()
        if layer in counts
    ]


def _points(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the places of breaches, loose ends and far ends."""
    network, topology = report.get("network", {}), report.get("topology", {})
    return [
        {"kind": kind, "lon": place["lon"], "lat": place["lat"]}
        for kind, places in (
            ("breach", topology.get("breaches", [])),
            ("loose", network.get("loose_ends", [])),
            ("loose", network.get("far_ends", [])),
        )
        for place in places
    ]


@dataclass(frozen=True)
class _View:
    """The extent of a map: west and north in degrees, and degrees a pixel in both directions."""

    west: float
    north: float
    per_x: float
    per_y: float

    @classmethod
    def around(cls, shapes: Any) -> "_View":
        west, south, east, north = shapely.total_bounds(shapes)
        squeeze = np.cos(np.radians((south + north) / 2))
        width = max((east - west) * squeeze, (north - south) * MAP_PIXELS[0] / MAP_PIXELS[1])
        width = max(width, _MIN_WIDTH_DEGREES) * (1 + 2 * _MARGIN_SHARE)
        scale = width / MAP_PIXELS[0]
        centre = (west + east) / 2, (south + north) / 2
        left = centre[0] - width / squeeze / 2
        return cls(left, centre[1] + scale * MAP_PIXELS[1] / 2, scale / squeeze, scale)

    def pixel(self, lon: float, lat: float) -> tuple[float, float]:
        x, y = (lon - self.west) / self.per_x, (self.north - lat) / self.per_y
        return round(float(x), 1), round(float(y), 1)

    def add_pixels(self, point: dict[str, Any]) -> dict[str, Any]:
        """Return a point with its position in pixels added."""
        x, y = self.pixel(point["lon"], point["lat"])
        return point | {"x": x, "y": y}

    def path(self, shape: Any) -> str:
        """Return a geometry as the data of an SVG path; a point is a small diamond."""
        if shape.geom_type == "Point":
            x, y = self.pixel(shape.x, shape.y)
            return f"M{x - 3} {y}L{x} {y - 3}L{x + 3} {y}L{x} {y + 3}Z"
        return "".join(self._line(part) for part in _lines_and_rings(shape))

    def _line(self, line: Any) -> str:
        corners = [self.pixel(x, y) for x, y in shapely.get_coordinates(line)]
        return "M" + "L".join(f"{x} {y}" for x, y in corners)


def _lines_and_rings(shape: shapely.Geometry) -> list[Any]:
    """Return the lines of a geometry; of a polygon its rings."""
    if shapely.get_dimensions(shape) == 2:
        polygons = shapely.get_parts(shape)
        return [ring for polygon in polygons for ring in (polygon.exterior, *polygon.interiors)]
    return list(shapely.get_parts(shape))


def _communities(connection: Connection, view: _View) -> list[shapely.Geometry]:
    """Return the borders of the communities in view."""
    rows = connection.scalars(
        text(
            "SELECT ST_AsBinary(ST_Simplify(geom, 0.00005, true)) FROM region "
            "WHERE level = 'community' AND geom && ST_MakeEnvelope(:w, :s, :e, :n, 4490) "
            f"LIMIT {_MAX_BORDERS}"
        ),
        {
            "w": view.west,
            "n": view.north,
            "e": view.west + view.per_x * MAP_PIXELS[0],
            "s": view.north - view.per_y * MAP_PIXELS[1],
        },
    ).all()
    return [shape for shape in shapely.from_wkb(rows) if not shape.is_empty]
