"""Findings and what data lacks, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

from geo.fire.finding import Finding, Missing
from geo.fire.rules import DEFAULTS
from geo.messages import Language, text

_GROUPS = {
    "separation_": "separation",
    "ladder_": "ladder",
    "lane_turning": "lane_turning",
}
"""Rules whose findings are worded alike."""

_RULES = {rule.id: rule for rule in DEFAULTS}


def finding(row: Mapping[str, Any], lang: Language) -> str:
    """Return what a stored finding says."""
    detail = row["detail"]
    rule = row["rule"]
    group = next((to for start, to in _GROUPS.items() if rule.startswith(start)), rule)
    obstacle = detail.get("obstacle") or {}
    fields = {
        "measured": _number(row["measured"]),
        "required": _number(row["required"]),
        "other": row["other"] or "",
        "name": detail.get("name") or row["feature"],
        "obstacle": obstacle.get("name") or obstacle.get("road", ""),
        "obstacle_measured": _number(obstacle.get("measured")),
        "obstacle_required": _number(obstacle.get("required")),
    }
    return text(f"finding.{group}_{detail['kind']}", lang=lang, **fields)


def _number(value: float | None) -> str:
    """Return a figure with as many digits as it deserves, a question mark where there is none."""
    if value is None:
        return "?"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    shown = f"{value:.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def proof(row: Mapping[str, Any], lang: Language) -> str | None:
    """Return what would settle a finding, None where nothing would."""
    named = row["detail"].get("proof")
    return None if named is None else text(f"proof.{named}", lang=lang)


def properties(row: Mapping[str, Any], lang: Language) -> dict[str, Any]:
    """Return a stored finding as it is shown, without its geometry."""
    rule = _RULES[row["rule"]]
    table = _RULES.get(row["detail"].get("table", ""), rule)
    names = ("overlay", "rule", "severity", "feature", "layer", "other")
    figures = ("measured", "required", "shortfall")
    return {
        **{name: row[name] for name in names},
        "region": row["region_code"],
        **{name: None if row[name] is None else round(row[name], 2) for name in figures},
        "unit": table.unit,
        "standard": rule.standard,
        "clause": rule.clause,
        "title": text(f"overlay.{row['overlay']}", lang=lang),
        "severity_text": text(f"severity.{row['severity']}", lang=lang),
        "text": finding(row, lang),
        "proof": proof(row, lang),
        "computed_at": row["computed_at"],
        "revision": row["revision"],
    }


def fresh(found: Finding, lang: Language) -> dict[str, Any]:
    """Return a finding that was not stored as it is shown, without its geometry."""
    row = vars(found) | {"severity": found.severity.value}
    named = ("rule", "severity", "feature", "layer", "measured", "required", "shortfall")
    return {name: row[name] for name in named} | {
        "stopped_by": found.detail["kind"],
        "obstacle": found.detail.get("obstacle") or None,
        "text": finding(row, lang),
    }


def missing(found: Iterable[Missing], lang: Language) -> list[dict[str, Any]]:
    """Return what the data lacks, in words."""
    return [
        {
            "key": one.key,
            "count": one.count,
            "text": text(f"missing.{one.key}", lang=lang, count=one.count),
        }
        for one in found
    ]


def depths(pipes: list[dict[str, Any]], lang: Language) -> list[dict[str, Any]]:
    """Return how many of some pipes have no depth on record, in words."""
    count = sum(pipe["burial_depth_m"] is None for pipe in pipes)
    return missing([Missing("pipe_no_depth", count)] if count else [], lang)
