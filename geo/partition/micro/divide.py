"""Divide a grid into 6 to 8 connected parts of 50 to 100 households.

The parts are searched by the annealing chains of :mod:`geo.partition.search`, on the graph of the
grid's buildings and stairwell units.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely

from geo.partition.cells.barriers import Barriers
from geo.partition.cells.graph import Graph, build_coverage_graph
from geo.partition.cells.way_links import join_islands_by_ways
from geo.partition.micro import FEWEST_PARTS, MAX_HOUSEHOLDS, MIN_HOUSEHOLDS, MOST_PARTS
from geo.partition.micro.unit_cells import UnitCells
from geo.partition.scoring.numbering import assign_serials
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.search.chains import (
    PreviousLabels,
    SearchProblem,
    compile_search,
)
from geo.partition.search.multilevel import run_chain
from geo.types import Bools, Ints, Lines, Polygons

MIDDLE = (MIN_HOUSEHOLDS + MAX_HOUSEHOLDS) / 2
"""Households of a part that fits best."""

MAX_CHAINS = 4
"""Chains for one number of parts; fewer if two drawings meet the limits."""

MOVES_PER_NODE = 100

WEIGHTS = Weights(compound=0.0)

Reasons = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class MicroGrids:
    """The parts of a grid.

    Attributes
    ----------
    part
        (a,) int64 number of the part of each building or unit.
    serials, polygons, households
        (p,) of each part.
    reasons
        Why the parts are not as the programme asks, as (catalogue key, fields).
    """

    part: Ints
    serials: Ints
    polygons: Polygons
    households: Ints
    reasons: Reasons


def divide_grid(
    cells: UnitCells,
    barriers: Barriers,
    ways: Lines,
    previous: dict[str, int] | None = None,
    seed: int = 1,
) -> MicroGrids:
    """Divide a grid.

    Parameters
    ----------
    cells
        Its cells.
    barriers, ways
        Barriers near it, and (w,) lines of its roads and paths, which connect islands.
    previous
        Serials of the parts in which buildings or units were before, by code: parts keep their
        serial, and few households change their part.
    seed
        The same seed gives the same parts.
    """
    compile_search()
    nodes = len(cells.polygons)
    households = np.bincount(cells.node, cells.households, nodes).astype(np.int64)
    no_compound = np.full(nodes, -1, dtype=np.int64)
    graph = build_coverage_graph(cells.polygons, households, no_compound, barriers)
    graph = join_islands_by_ways(graph, cells.polygons, ways)
    known = sorted(set((previous or {}).values()))
    label = _search_components(graph, _previous_labels(cells, nodes, previous, known), seed)
    numbers, part = np.unique(label, return_inverse=True)
    part = part.ravel()
    polygons = np.array(
        [
            shapely.coverage_union_all(cells.polygons[part == number])
            for number in range(len(numbers))
        ],
        dtype=object,
    )
    kept_serials = np.array([known[n] if n < len(known) else 0 for n in numbers], dtype=np.int64)
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    general: Bools = np.zeros(len(numbers), dtype=bool)
    serials = assign_serials(centres, shapely.area(polygons), general, kept_serials)
    sums = np.bincount(part, households, len(numbers)).astype(np.int64)
    reasons = explain_parts(households, sums, cells, serials)
    return MicroGrids(part[cells.node], serials, polygons, sums, reasons)


def _previous_labels(
    cells: UnitCells, nodes: int, previous: dict[str, int] | None, known: list[int]
) -> PreviousLabels | None:
    """Return the previous part of each node: that of its building with most households."""
    if not previous:
        return None
    label = np.full(nodes, -1, dtype=np.int64)
    names = cells.names()
    for atom in np.argsort(cells.households, kind="stable"):
        serial = previous.get(names[atom], previous.get(cells.building[atom]))
        if serial is not None:
            label[cells.node[atom]] = known.index(serial)
    if (label < 0).all():
        return None
    return PreviousLabels(label, label >= 0, np.zeros(nodes, dtype=bool))


def _search_components(graph: Graph, before: PreviousLabels | None, seed: int) -> Ints:
    """Search the parts of each connected component; the numbers of previous parts are kept."""
    count, component = graph.components()
    if count == 1:
        return _search_parts(graph, before, seed)
    label = np.zeros(len(graph), dtype=np.int64)
    following = 0 if before is None else int(before.label.max()) + 1
    inhabited = np.bincount(component, graph.households, count)
    used: set[int] = set()
    for number in np.argsort(-inhabited, kind="stable"):
        nodes = np.flatnonzero(component == number)
        previous = None if before is None else before.of(nodes)
        if previous is not None:
            is_used = np.isin(previous.label, list(used))
            previous = replace(previous, label=np.where(is_used, -1, previous.label))
            previous = previous if (previous.label >= 0).any() else None
        parts = _search_parts(graph.subgraph(nodes), previous, seed)
        previous_parts = np.empty(0, dtype=np.int64) if previous is None else previous.label
        is_new = ~np.isin(parts, previous_parts)
        new, rank = np.unique(parts[is_new], return_inverse=True)
        parts[is_new] = following + rank.ravel()
        following += len(new)
        used |= set(parts.tolist())
        label[nodes] = parts
    return label


def plausible_parts(households: Ints) -> list[int]:
    """Return the numbers of parts to try, the most fitting first.

    A unit above the upper limit fills a part by itself; the others share the remaining ones.

    Parameters
    ----------
    households
        (n,) int64 households of each building or unit that stays whole.
    """
    over = int((households > MAX_HOUSEHOLDS).sum())
    rest = int(households[households <= MAX_HOUSEHOLDS].sum())
    inhabited = max(int((households > 0).sum()), 1)

    def distance(parts: int) -> float:
        return abs(rest / max(parts - over, 1) - MIDDLE)

    # Where the number can't be had, parts within the limits are nearer to the programme.
    fewest, most = -(-rest // MAX_HOUSEHOLDS), rest // MIN_HOUSEHOLDS
    fitting = sorted(
        range(over + fewest, over + most + 1),
        key=lambda parts: (_off_number(parts), distance(parts)),
    )
    return list(dict.fromkeys(min(max(parts, 1), inhabited) for parts in fitting or [over + 1]))


def _off_number(parts: int) -> int:
    return max(FEWEST_PARTS - parts, parts - MOST_PARTS, 0)


def _search_parts(graph: Graph, before: PreviousLabels | None, seed: int) -> Ints:
    """Return the parts of a connected graph with the fewest violations, then the lowest cost."""
    counts = plausible_parts(graph.households)
    if before is not None:
        parts = len(np.unique(before.label[before.label >= 0]))
        counts = [parts, *counts] if parts in counts else counts
    best: tuple[tuple[int, float, float], Ints] | None = None
    for count in dict.fromkeys(counts):
        if best is not None and best[0][0] < _off_number(count):
            break
        for ranked in _run_chains(graph, before, count, seed):
            if best is None or ranked[0] < best[0]:
                best = ranked
    return np.zeros(len(graph), dtype=np.int64) if best is None else best[1]


def _run_chains(
    graph: Graph, before: PreviousLabels | None, count: int, seed: int
) -> list[tuple[tuple[int, float, float], Ints]]:
    """Return drawings with a number of parts, each with its violations, excess and cost."""
    if count == 1 and before is None:
        label = np.zeros(len(graph), dtype=np.int64)
        return [((*_count_violations(graph.households, label), 0.0), label)]
    target = int(np.clip(round(graph.households.sum() / count), MIN_HOUSEHOLDS, MAX_HOUSEHOLDS))
    limits = Limits(target, MIN_HOUSEHOLDS, MAX_HOUSEHOLDS)
    problem = SearchProblem(graph, limits, WEIGHTS, before, np.empty((0, 2), dtype=np.int64))
    stop = np.zeros(1, dtype=np.int64)
    drawings = []
    for number in range(MAX_CHAINS):
        end = run_chain(problem, count, number, MOVES_PER_NODE, seed, stop)
        drawings.append(((*_count_violations(graph.households, end.label), end.cost), end.label))
        if sum(violations == 0 for (violations, _, _), _ in drawings) == 2:
            break
    return drawings


def _count_violations(households: Ints, label: Ints) -> tuple[int, float]:
    """Return how often parts violate limits that the units allow, and households beyond limits."""
    sums = np.bincount(label, households)[np.unique(label)]
    largest = np.zeros(int(label.max()) + 1, dtype=np.int64)
    np.maximum.at(largest, label, households)
    upper = np.maximum(MAX_HOUSEHOLDS, largest[np.unique(label)])
    excess = np.maximum(sums - upper, 0) + np.maximum(MIN_HOUSEHOLDS - sums, 0)
    return int((excess > 0).sum()) + _off_number(len(sums)), float(excess.sum())


def explain_parts(households: Ints, sums: Ints, cells: UnitCells, serials: Ints) -> Reasons:
    """Return why parts are not as the programme asks.

    Parameters
    ----------
    households
        (n,) int64 households of each cell.
    sums, serials
        (p,) int64 households and serial of each part.
    """
    reasons: Reasons = []
    total, parts = int(households.sum()), len(sums)
    bounds = {"lower": MIN_HOUSEHOLDS, "upper": MAX_HOUSEHOLDS}
    if _off_number(parts):
        range_of_parts = {"fewest": FEWEST_PARTS, "most": MOST_PARTS}
        key = "micro_too_few" if parts < FEWEST_PARTS else "micro_too_many"
        reasons.append((key, {"total": total, "parts": parts} | range_of_parts | bounds))
    over = np.flatnonzero(cells.households > MAX_HOUSEHOLDS)
    names = cells.names()
    reasons += [
        ("micro_unit_over", {"name": names[atom], "of_it": int(cells.households[atom])} | bounds)
        for atom in over
    ]
    inevitable = {int(count) for count in cells.households[over]}
    reasons += [
        ("micro_outside", {"serial": int(serial), "households": int(count)} | bounds)
        for serial, count in zip(serials, sums, strict=True)
        if not MIN_HOUSEHOLDS <= count <= MAX_HOUSEHOLDS and int(count) not in inevitable
    ]
    return reasons
