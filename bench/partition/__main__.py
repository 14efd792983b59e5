"""``./gridatlas bench partition``: our drawings against other tools, and their figures.

Writes ``partition.json``, ``partition.md`` and the pictures to ``out/bench`` (or ``--out``).
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.partition import excess, places, proofs, quality, speed, tessellation
from bench.partition.peers import TOOLS
from bench.partition.places import MONACO, Place
from geo.partition.community import Community

CELLS = 456
"""Buildings of the piece of Monaco's centre whose cells are timed."""

ATOMS = 500
"""Buildings of the community whose drawing is timed."""

EXACT_NODES = 24
"""Nodes of the pieces of communities that CP-SAT is tried on."""

GROWTHS = {
    "3 % in a compound": (0.03, False),
    "1 % scattered": (0.01, True),
    "3 % scattered": (0.03, True),
}
"""Growth of the households before a redraw, and whether it is scattered over the community."""

SECTIONS = ("quality", "exact", "optima", "excess", "cells", "proof", "speed", "redraw", "scale")


def main() -> None:
    """Run the sections asked for."""
    options = _options()
    found: dict[str, Any] = {}
    known = _places(options.osm)
    for section in options.only:
        print(f"» {section}", file=sys.stderr)
        found[section] = RUNS[section](known, options)
        _write(found, options.out)
    print((options.out / "partition.md").read_text(encoding="utf-8"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./gridatlas bench partition", description=__doc__)
    parser.add_argument("--osm", type=Path, help="another OpenStreetMap extract instead")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS[:-1]))
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--proof-seconds", type=float, default=60.0)
    parser.add_argument("--best-seconds", type=float, default=0.0, help="600: our ten-minute run")
    parser.add_argument("--sizes", nargs="+", default=["M"], help="of the made city: S, M, L")
    parser.add_argument("--seeds", type=int, default=16, help="of each drawing in optima, excess")
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    parser.add_argument("--whole-only", action="store_true", help="places as one community only")
    return parser.parse_args()


def _places(extract: Path | None) -> list[Place]:
    if extract is not None:
        return [places.extract(extract)]
    return [places.extract(MONACO), places.sample(), places.bubenec()]


def _quality(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    report: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for place in known:
        whole = quality.compare_tools(place.whole(), place.name, options.tools)
        quality.picture([whole], options.out / f"{place.name}.png")
        each = []
        if not options.whole_only and len(place.communities) > 1:
            each = [
                quality.compare_tools(one, f"{place.name}: {one.name}", options.tools)
                for one in place.communities
            ]
            quality.picture(each, options.out / f"{place.name}_communities.png")
        report[place.name] = {
            "whole": quality.as_rows([whole]),
            "communities": quality.as_rows(each),
            "card": whole.drawing.score.as_json(),
        }
        rows += quality.as_rows([whole, *each])
        if options.best_seconds:
            best = quality.best_of(whole.problem, options.best_seconds)
            ours = whole.objective("gridatlas") or 0.0
            report[place.name]["best"] = {"objective": best, "ratio": ours / best}
    return {"summary": quality.summarize(rows), "load": os.getloadavg(), "places": report}


def _exact(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    pieces = [
        piece for place in known for piece in proofs.pieces_of(place.communities, EXACT_NODES)
    ]
    rows = [quality.compare_with_optimum(name, graph) for name, graph in pieces]
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    return {
        "median_ratio": statistics.median(ratios) if ratios else None,
        "largest_ratio": max(ratios, default=None),
        "rows": rows,
    }


def _optima(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    rows = excess.compare_with_optima(known, options.seeds)
    missed = [row for row in rows if row.missed]
    return {
        "instances": len(rows),
        "proven": sum(row.proven for row in rows),
        "drawings": len(rows) * options.seeds,
        "missed": sum(row.missed for row in missed),
        "rows": [asdict(row) for row in missed],
    }


def _excess(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    started = time.process_time()
    rows = excess.measure_excess(known, options.seeds)
    return {
        "graphs": len(rows),
        "seeds": options.seeds,
        "mean_percent": statistics.mean(row.mean_percent for row in rows),
        "worst_percent": max(row.worst_percent for row in rows),
        "processor_seconds": time.process_time() - started,
        "rows": [asdict(row) for row in rows],
    }


def _cells(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    part = places.about(known[0], CELLS)
    timed = tessellation.compare_tessellations(part)
    return {**asdict(timed), "times_faster": timed.times_faster}


def _proof(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    report = {}
    for atoms in (40, 60):
        found = [
            one
            for place in known
            for one in proofs.proven(place.communities, atoms, options.proof_seconds)
        ]
        report[str(atoms)] = {
            "pieces": len(found),
            "median_gap": statistics.median(one.gap for one in found),
            "worst_gap": max(one.gap for one in found),
            "optimal": sum(one.gap <= 1e-5 for one in found),
            "median_seconds": statistics.median(one.seconds for one in found),
            "rows": [asdict(one) for one in found],
        }
    return report


def _speed(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    part = places.about(known[0], ATOMS)
    return {"buildings": len(part.buildings), **asdict(speed.one_community(part))}


def _redraw(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    communities = [one for place in known for one in place.communities]
    return {name: _redrawn(communities, *growth) for name, growth in GROWTHS.items()}


def _redrawn(communities: list[Community], growth: float, scattered: bool) -> dict[str, Any]:
    found = {
        one.name: speed.redraw_after_growth(one, growth, scattered=scattered) for one in communities
    }
    rows = {name: asdict(one) for name, one in found.items() if one is not None}
    moved = [row["share"] for row in rows.values()]
    return {"communities": rows, "worst": max(moved), "mean": statistics.mean(moved)}


def _scale(known: list[Place], options: argparse.Namespace) -> dict[str, Any]:
    report = {}
    for size in options.sizes:
        first, city = speed.whole_city(size)
        report[size] = {"first_drawing_s": first.seconds, **asdict(city)}
    return report


RUNS: dict[str, Callable[[list[Place], argparse.Namespace], dict[str, Any]]] = {
    "quality": _quality,
    "exact": _exact,
    "optima": _optima,
    "excess": _excess,
    "cells": _cells,
    "proof": _proof,
    "speed": _speed,
    "redraw": _redraw,
    "scale": _scale,
}


def _write(found: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, ensure_ascii=False, indent=1, default=float)
    (out / "partition.json").write_text(text + "\n", encoding="utf-8")
    lines = ["# bench/partition", ""]
    for section, figures in found.items():
        lines += [f"## {section}", ""]
        lines += _quality_lines(figures) if section == "quality" else _plain_lines(figures)
    (out / "partition.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plain_lines(figures: dict[str, Any], before: str = "") -> list[str]:
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += _plain_lines(value, f"{before}{name} · ")
        elif isinstance(value, list):
            lines += _table(value)
        else:
            lines.append(f"- {before}{name}: {_shown(value)}")
    return [*lines, ""]


def _quality_lines(report: dict[str, Any]) -> list[str]:
    lines = ["### Our objective as a share of theirs", "", *_table(report["summary"])]
    lines += [f"Load of the machine at the end: {report['load'][0]:.1f}", ""]
    for place, figures in report["places"].items():
        lines += [f"### {place} as one community", "", *_table(_against(figures["whole"]))]
        card = figures["card"]
        lines += [f"- ours: gap {card['gap_m2']:.6f} m², overlap {card['overlap_m2']:.6f} m²"]
        lines += [f"- not met: {key} {fields}" for key, fields in card["reasons"]]
        if "best" in figures:
            lines.append(f"- against our own best of a long run: {figures['best']['ratio']:.4f}")
        if figures["communities"]:
            lines += ["", f"### {place}, community by community", ""]
            lines += _table(_against(figures["communities"]))
        lines.append("")
    return lines


def _against(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with our objective and border cost as shares of the others'."""
    ours = {row["community"]: row for row in rows if row["tool"] == "gridatlas"}
    found = []
    for row in rows:
        own = ours[row["community"]]
        ratios = {
            "ours_objective": own["objective"] / row["objective"] if row["objective"] else None,
            "ours_border": own["border_cost"] / row["border_cost"] if row["border_cost"] else None,
        }
        found.append({**row, **ratios})
    return found


def _table(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    body = ["| " + " | ".join(_shown(row[name]) for name in names) + " |" for row in rows]
    return ["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *body, ""]


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    main()
