"""The fire report of a region as a self-contained HTML page."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jinja2 import Environment, PackageLoader, select_autoescape

from geo import clock
from geo.errors import InputError
from geo.fire.overlay_checks import describe_overlay
from geo.fire.rules import Overlay, Severity, rules_in_force
from geo.messages import Language, text
from maps.fire_report.content import FireReport

MAX_FINDINGS = 100
"""Most severe findings of an overlay that the page lists; the workbook has all."""

MAX_BLOCKS = 30
"""Fire blocks that the page lists."""

INKS = {"high": "#b3261e", "medium": "#c46a12", "low": "#7a7d24", "missing": "#5d6972"}
MAP_PX = 720.0

_WORDS = (
    *("kind", "total", "missing", "none", "checked", "buildings", "households", "data", "layer"),
    *("published", "days", "never", "map", "blocks", "blocks_text", "blocks_listed", "block"),
    *("community", "people", "pairs", "adjoining", "class_count", "severity", "feature", "text"),
    *("shortfall", "clause", "rule", "standards"),
)
_templates = Environment(
    loader=PackageLoader("maps"), autoescape=select_autoescape(), trim_blocks=True
)


def render_html(report: FireReport, lang: Language) -> str:
    """Return the report as HTML."""
    return _templates.get_template("fire_report.html").render(
        lang=lang,
        report=report,
        overlays=[_overlay(report, overlay, lang) for overlay in Overlay],
        words={name: text(f"fire_report.{name}", lang=lang) for name in _WORDS},
        listed=text("fire_report.listed", lang=lang, count=MAX_FINDINGS),
        severities={
            str(severity): text(f"severity.{severity}", lang=lang) for severity in Severity
        },
        blocks=report.blocks[:MAX_BLOCKS],
        inks=INKS,
        checked=clock.format_time(report.checked) if report.checked else "—",
        map=_map(report),
    )


def _overlay(report: FireReport, overlay: Overlay, lang: Language) -> dict[str, Any]:
    """Return an overlay's part of the page, without the pairs that belong to fire blocks."""
    rows = [row for row in report.rows if row["overlay"] == overlay]
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        by_rule[row["rule_text"]][row["severity"]] += 1
    listed = [row for row in rows if not _in_block(report, row)]
    inside = len(rows) - len(listed)
    return {
        "id": overlay.value,
        "title": text(f"overlay.{overlay}", lang=lang),
        "said": describe_overlay(overlay, rules_in_force(), lang),
        "counts": report.counts[overlay.value],
        "touched": report.affected.get(overlay.value, (0, 0)),
        "rules": by_rule,
        "rows": listed[:MAX_FINDINGS],
        "listed": len(listed),
        "total": len(rows),
        "in_blocks": inside,
        "in_blocks_text": text("fire_report.in_blocks", lang=lang, count=inside),
    }


def _in_block(report: FireReport, row: dict[str, Any]) -> bool:
    """Return whether a finding is about a pair of buildings of a fire block."""
    close = row["overlay"] == Overlay.SEPARATION and row["severity"] != Severity.MISSING
    return close and row["feature"] in report.block_of


def _map(report: FireReport) -> dict[str, Any]:
    """Return the overview map in pixels: communities, fire blocks, and a dot for each finding."""
    points = shapely.points([(row["lon"], row["lat"]) for row in report.rows])
    lands = [land for _, land in report.parts]
    shapes = [*([] if report.land is None else [report.land]), *lands, *points]
    if not shapes:
        return {"width": 0, "height": 0}
    west, south, east, north = shapely.total_bounds(shapes)
    factor = MAP_PX / max(east - west, 1e-6)
    stretch = 1 / np.cos(np.radians((south + north) / 2))

    def to_pixels(shape: shapely.Geometry) -> Any:
        return shapely.transform(
            shape, lambda xy: (xy - (west, north)) * (factor, -factor * stretch)
        )

    shown = [row for row in reversed(report.rows) if not _in_block(report, row)]
    return {
        "width": MAP_PX,
        "height": round((north - south) * factor * stretch, 1),
        "outline": "" if report.land is None else _path(to_pixels(report.land)),
        "parts": [_part(name, to_pixels(land)) for name, land in report.parts],
        "blocks": [_path(to_pixels(block["land"])) for block in report.blocks],
        "dots": [_dot(row, to_pixels(shapely.Point(row["lon"], row["lat"]))) for row in shown],
    }


def _part(name: str, land: shapely.Geometry) -> dict[str, Any]:
    at = shapely.point_on_surface(land)
    return {"name": name, "path": _path(land), "x": round(at.x, 1), "y": round(at.y, 1)}


def _dot(row: dict[str, Any], at: shapely.Point) -> dict[str, Any]:
    return {"x": round(at.x, 1), "y": round(at.y, 1), "ink": INKS[row["severity"]]}


def _path(shape: shapely.Geometry) -> str:
    rings = shapely.get_rings(shapely.get_parts(shape))
    lines = ("L".join(f"{x:.1f} {y:.1f}" for x, y in shapely.get_coordinates(r)) for r in rings)
    return "".join(f"M{line}Z" for line in lines)


def write_html(report: FireReport, out: Path, lang: Language) -> Path:
    """Write the page to a file; return its path.

    Raises
    ------
    InputError
        If it can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(render_html(report, lang), encoding="utf-8")
    except OSError as error:
        raise InputError("export_unwritable", file=out, said=error.strerror or error) from error
    return out
