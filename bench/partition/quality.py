"""Drawings compared with those of other tools: the same cells, objective and limits."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import shapely
from matplotlib.collections import PatchCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from bench.partition import peers
from bench.partition.peers import LIMITS, WEIGHTS, Attempt
from geo.partition import draw
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing
from geo.partition.problem import Problem, build_problem
from geo.partition.scoring.objective import cost
from geo.partition.search.strategy import Effort
from geo.types import Ints, Polygons

MIN_GERRYCHAIN_S, GERRYCHAIN_TIMES = 2.0, 10.0
"""GerryChain may search ten times as long as Gridatlas, and at least this long."""

TIMEOUT_S = 60.0
"""A tool without a time limit of its own is stopped after this time."""


@dataclass(frozen=True)
class Row:
    """One tool's drawing of one community."""

    community: str
    tool: str
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
        """Return a tool's objective, None if it has no drawing."""
        return next(
            (row.objective for row in self.rows if row.tool == tool and not row.error), None
        )


def compare_tools(community: Community, name: str) -> Comparison:
    """Draw a community with every tool."""
    constraints = Constraints()
    problem = build_problem(community, constraints, None)
    graph, cells = problem.graph, problem.cells.polygons[problem.cell_of_node]
    started = time.perf_counter()
    ours = draw.search_labels(problem)
    seconds = time.perf_counter() - started
    drawing = draw.build_drawing(problem, ours, time.monotonic())
    result = Comparison(problem, drawing)
    _add(result, name, "gridatlas", Attempt(ours, "", seconds))
    grids = int(ours.max()) + 1
    longer = max(GERRYCHAIN_TIMES * seconds, MIN_GERRYCHAIN_S)
    tools: dict[str, tuple[Callable[[], Ints], float]] = {
        "pymetis": (lambda: peers.metis(graph, grids), TIMEOUT_S),
        "gerrychain": (lambda: peers.gerrychain(graph, grids, longer), longer + TIMEOUT_S),
        "spopt max-p": (lambda: peers.max_p(graph, cells), TIMEOUT_S),
        "spopt skater": (lambda: peers.skater(graph, cells, grids), TIMEOUT_S),
    }
    for tool, (call, limit) in tools.items():
        _add(result, name, tool, peers.attempt(call, limit))
    return result


def _add(result: Comparison, name: str, tool: str, attempt: Attempt) -> None:
    graph, label = result.problem.graph, attempt.label
    if label is None:
        result.rows.append(Row(name, tool, 0, 0, False, 0, 0, attempt.seconds, attempt.error))
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
            len(pieces),
            float(inside.mean()),
            max(pieces) == 1,
            figures.total,
            figures.border / WEIGHTS.border,
            attempt.seconds,
        )
    )


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


def as_rows(results: list[Comparison]) -> list[dict[str, object]]:
    """Return every figure as plain values."""
    return [asdict(row) for result in results for row in result.rows]
