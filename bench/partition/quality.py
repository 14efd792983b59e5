"""Drawings compared with those of other tools: the same cells, objective and limits."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import shapely
from matplotlib.collections import PatchCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from bench.partition import peers
from bench.partition.peers import LIMITS, WEIGHTS
from geo.partition import draw
from geo.partition.cells.graph import Graph
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing
from geo.partition.problem import Problem, build_problem
from geo.partition.scoring.objective import cost
from geo.partition.search.strategy import Effort, search_parts
from geo.types import Ints, Polygons

MIN_SECONDS = 0.2
"""Peers have at least this time: ours on a small graph is hardly more than their start."""

EQUAL_RATIO = 1e-6
"""Objectives that differ by less are equal."""

MIN_EXACT_S = 3.0
"""The integer program has at least this time."""


@dataclass(frozen=True)
class Row:
    """One tool's drawing of one community.

    ``times`` is its processor time as a multiple of ours, ``seconds`` that of each of two cores.
    """

    community: str
    tool: str
    times: float
    grids: int
    within_limits: float
    contiguous: bool
    objective: float
    border_cost: float
    seconds: float
    error: str = ""


@dataclass
class Comparison:
    """All tools on one community."""

    problem: Problem
    drawing: Drawing
    labels: dict[str, Ints] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def objective(self, tool: str) -> float | None:
        """Return a tool's best objective, None if it has no drawing."""
        return min(
            (row.objective for row in self.rows if row.tool == tool and not row.error), default=None
        )


def compare_tools(community: Community, name: str, tools: Sequence[str]) -> Comparison:
    """Draw a community with every tool."""
    problem = build_problem(community, Constraints(), None)
    graph, room = problem.graph, problem.cells.room[problem.cell_of_node]
    started = time.process_time()
    ours = draw.search_labels(problem)
    seconds = (time.process_time() - started) / peers.CORES
    drawing = draw.build_drawing(problem, ours, time.monotonic())
    result = Comparison(problem, drawing)
    _add(result, name, "gridatlas", 1.0, ours, "", seconds)
    for tool in tools:
        each_s = max(seconds, MIN_SECONDS)
        attempt = peers.attempt(tool, graph, room, each_s)
        for times, label in zip(peers.MARKS, attempt.labels, strict=True):
            _add(result, name, tool, times, label, attempt.error, each_s * times)
    return result


def _add(
    result: Comparison,
    name: str,
    tool: str,
    times: float,
    label: Ints | None,
    error: str,
    seconds: float,
) -> None:
    graph = result.problem.graph
    if label is None:
        reason = error or f"no drawing in {seconds:.1f} s"
        result.rows.append(Row(name, tool, times, 0, 0, False, 0, 0, seconds, reason))
        return
    households = np.bincount(label, graph.households)
    inside = (households >= LIMITS.lower) & (households <= LIMITS.upper)
    pieces = [graph.subgraph(np.flatnonzero(label == g)).components()[0] for g in np.unique(label)]
    figures = cost(graph, label, LIMITS, WEIGHTS)
    result.labels[tool] = label
    result.rows.append(
        Row(
            name,
            tool,
            times,
            len(pieces),
            float(inside.mean()),
            max(pieces) == 1,
            figures.total,
            figures.border / WEIGHTS.border,
            seconds,
        )
    )


def compare_with_optimum(name: str, graph: Graph) -> dict[str, Any]:
    """Return our objective on a small graph and that which CP-SAT reaches in MARKS."""
    started = time.process_time()
    ours = search_parts(graph)
    seconds = (time.process_time() - started) / peers.CORES
    no_rooms = np.zeros(len(graph), dtype=np.int64)
    theirs = peers.attempt("cp-sat", graph, no_rooms, max(seconds, MIN_EXACT_S))
    own, label = cost(graph, ours, LIMITS, WEIGHTS).total, theirs.labels[-1]
    reached = None if label is None else cost(graph, label, LIMITS, WEIGHTS).total
    return {
        "community": name,
        "nodes": len(graph),
        "ours": own,
        "our seconds": seconds,
        "cp-sat": reached,
        "ratio": None if reached is None else own / reached,
        "error": theirs.error,
    }


def summarize(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return our objective as a share of each tool's: median, least and largest ratio.

    Parameters
    ----------
    rows
        Of :func:`as_rows`. The last lines are for the best of all tools on each graph. Graphs on
        which every tool draws one grid at the same cost are left out.
    """
    ours = {row["community"]: row["objective"] for row in rows if row["tool"] == "gridatlas"}
    theirs = [row for row in rows if row["tool"] != "gridatlas" and row["objective"]]
    summary = []
    for times in peers.MARKS:
        best: dict[str, float] = {}
        for row in theirs:
            if row["times"] <= times:
                place = row["community"]
                best[place] = min(best.get(place, np.inf), row["objective"])
        for tool in [*dict.fromkeys(row["tool"] for row in theirs), "best of all"]:
            costs = {
                row["community"]: row["objective"]
                for row in theirs
                if row["tool"] == tool and row["times"] == times
            }
            ratios = {
                place: ours[place] / value
                for place, value in (best if tool == "best of all" else costs).items()
            }
            if ratios:
                summary.append(_ratio_row(tool, times, ratios, len(ours)))
    return summary


def _ratio_row(tool: str, times: float, ratios: dict[str, float], graphs: int) -> dict[str, Any]:
    values = list(ratios.values())
    return {
        "tool": tool,
        "times our time": times,
        "graphs drawn": f"{len(values)} of {graphs}",
        "median ratio": statistics.median(values),
        "least": min(values),
        "largest": max(values),
        "largest on": max(ratios, key=lambda place: ratios[place]),
        "ours worse on": sum(value > 1 + EQUAL_RATIO for value in values),
    }


def best_of(problem: Problem, seconds: float) -> float:
    """Return the best objective that the search finds in a given time."""
    graph, seed, best = problem.graph, 100, np.inf
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        effort = Effort(generations=30, moves_per_node=1000, seconds=until - time.monotonic())
        label = draw.search_labels(
            replace(problem, constraints=Constraints(effort=effort, seed=seed))
        )
        best = min(best, cost(graph, label, LIMITS, WEIGHTS).total)
        seed += 1
    return best


def picture(results: list[Comparison], file: Path) -> None:
    """Draw the grids of every tool side by side."""
    tools = list(dict.fromkeys(tool for result in results for tool in result.labels))
    figure, axes = plt.subplots(1, len(tools), figsize=(4.2 * len(tools), 4.6), dpi=110)
    for axis, tool in zip(np.atleast_1d(axes), tools, strict=True):
        for result in results:
            if tool in result.labels:
                _draw_cells(axis, result, result.labels[tool])
        total = sum(result.objective(tool) or 0.0 for result in results)
        axis.set_title(f"{tool}: {total:,.0f}", fontsize=10)
        axis.set_aspect("equal")
        axis.autoscale()
        axis.axis("off")
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    plt.close(figure)


def _draw_cells(axis: plt.Axes, result: Comparison, label: Ints) -> None:
    cells: Polygons = result.problem.cells.polygons[result.problem.cell_of_node]
    hue = plt.get_cmap("tab20")(label * 7 % 20)
    patches = [PathPatch(_outline(cell)) for cell in cells]
    axis.add_collection(PatchCollection(patches, facecolor=hue, edgecolor="none"))
    for grid in np.unique(label):
        border = shapely.boundary(shapely.coverage_union_all(cells[label == grid]))
        for line in shapely.get_parts(border):
            axis.plot(*shapely.get_coordinates(line).T, color="black", linewidth=0.9)
    feet = [PathPatch(_outline(foot)) for foot in result.problem.atoms.footprints]
    axis.add_collection(PatchCollection(feet, facecolor="#00000033", edgecolor="none"))


def _outline(polygon: shapely.Geometry) -> Outline:
    rings = shapely.get_rings(shapely.get_parts(polygon))
    return Outline.make_compound_path(*(Outline(shapely.get_coordinates(ring)) for ring in rings))


def as_rows(results: list[Comparison]) -> list[dict[str, Any]]:
    """Return every figure as plain values."""
    return [asdict(row) for result in results for row in result.rows]
