"""Findings in words: their texts and properties as people and programs read them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from geo.fire.finding import Finding
from geo.fire.hydrants import ROUTE_LIMIT_M
from geo.fire.rules import DEFAULT_RULES, Rules, rules_in_force
from geo.messages import Language, text
from geo.settings import settings

_TEXT_GROUPS = {
    "separation_": "separation",
    "ladder_": "ladder",
}
"""Beginnings of rule ids whose findings share their texts."""

_RULES = {rule.id: rule for rule in DEFAULT_RULES}


def describe_finding(row: Mapping[str, Any], lang: Language) -> str:
    """Return the text of a finding given as a row of the table, or as the fields of a Finding."""
    detail = row["detail"]
    rule = row["rule"]
    groups = (group for start, group in _TEXT_GROUPS.items() if rule.startswith(start))
    obstacle = detail.get("obstacle") or {}
    fields = {
        "measured": _format_figure(row["measured"]),
        "required": _format_figure(row["required"]),
        "other": row["other"] or "",
        "name": detail.get("name") or row["feature"],
        "obstacle": obstacle.get("name") or obstacle.get("road", ""),
        "obstacle_measured": _format_figure(obstacle.get("measured")),
        "obstacle_required": _format_figure(obstacle.get("required")),
        "limit": f"{ROUTE_LIMIT_M:g}",
    }
    return text(f"finding.{next(groups, rule)}_{detail['kind']}", lang=lang, **fields)


def describe_proof(proof: str | None, rules: Rules, lang: Language) -> str | None:
    """Return what would allow a pair of buildings that stands too close, None where nothing."""
    return None if proof is None else text(f"proof.{proof}", lang=lang, **_proof_figures(rules))


def _proof_figures(rules: Rules) -> dict[str, float]:
    return {
        "openings": rules.figure("separation_openings_share"),
        "group": rules.figure("separation_group"),
        "area": rules.figure("separation_group_area"),
        "protected": rules.figure("separation_protected"),
        "protected_high": rules.figure("separation_protected_high"),
    }


@cache
def _rules_of_figures(overrides: str) -> Rules:
    return rules_in_force()


def _format_figure(value: float | None) -> str:
    """Return a figure with two significant decimals at most, a question mark for None."""
    if value is None:
        return "?"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    formatted = f"{value:.{digits}f}"
    return formatted.rstrip("0").rstrip(".") if "." in formatted else formatted


def finding_properties(row: Mapping[str, Any], lang: Language) -> dict[str, Any]:
    """Return the properties of a stored finding, without its geometry."""
    rule = _RULES[row["rule"]]
    table_rule = _RULES.get(row["detail"].get("table", ""), rule)
    proof = row["detail"].get("proof")
    rules = _rules_of_figures(tuple(settings().fire_figures.items()))
    names = ("overlay", "rule", "severity", "feature", "layer", "other")
    figures = ("measured", "required", "shortfall")
    return {
        **{name: row[name] for name in names},
        "region": row["region_code"],
        "address": row.get("address"),
        **{name: None if row[name] is None else round(row[name], 2) for name in figures},
        "unit": table_rule.unit,
        "standard": rule.standard,
        "clause": rule.clause,
        "title": text(f"overlay.{row['overlay']}", lang=lang),
        "severity_text": text(f"severity.{row['severity']}", lang=lang),
        "text": describe_finding(row, lang),
        "proof": describe_proof(proof, rules, lang),
        "computed_at": row["computed_at"],
        "revision": row["revision"],
    }


def unstored_finding_properties(finding: Finding, lang: Language) -> dict[str, Any]:
    """Return the properties of a finding that is not stored, without its geometry."""
    row = vars(finding) | {"severity": finding.severity.value, "shortfall": finding.shortfall}
    names = ("rule", "severity", "feature", "layer", "measured", "required", "shortfall")
    return {name: row[name] for name in names} | {
        "stopped_by": finding.detail["kind"],
        "obstacle": finding.detail.get("obstacle") or None,
        "text": describe_finding(row, lang),
    }
