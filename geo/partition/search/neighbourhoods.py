"""Large neighbourhood search: draw a few adjacent grids again, and keep the result if cheaper.

A chain over the whole graph rarely finds the best number of grids and the best packing of large
buildings everywhere at once. A few grids are a small problem, which short chains solve well, with
one grid more or fewer where that is better (Shaw, Using constraint programming and local search
methods to solve vehicle routing problems, 1998).
"""

from operator import attrgetter

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.search.chains import (
    END_TEMPERATURE,
    SearchProblem,
    SearchResult,
    anneal_labels,
    run_chain,
)
from geo.partition.search.recombine import recombine
from geo.types import Floats, Ints

CLUSTER_GRIDS = 3
"""Adjacent grids that are drawn again at once."""

MIN_MOVES = 2_000


def improve_neighbourhoods(
    problem: SearchProblem, drawing: SearchResult, moves: int, seed: int, stop: Ints
) -> SearchResult:
    """Return a drawing, with clusters of its grids drawn again until none becomes cheaper.

    Parameters
    ----------
    problem
        A problem without a previous plan.
    drawing
        Its grids are numbered from 0.
    moves
        Moves per node of each chain.
    stop
        (1,) int64; another thread sets it to 1 to end the search with the best so far.
    """
    random = np.random.default_rng(seed)
    tried: set[bytes] = set()
    while not stop[0]:
        clusters = [
            nodes
            for nodes in _find_clusters(problem.graph, drawing.label)
            if nodes.tobytes() not in tried
        ]
        if not clusters:
            break
        nodes = clusters[int(random.integers(len(clusters)))]
        tried.add(nodes.tobytes())
        drawing = _draw_again(problem, drawing, nodes, moves, seed + len(tried), stop)
    return drawing


def _find_clusters(graph: Graph, label: Ints) -> list[Ints]:
    """Return the nodes of each grid and of those that share most border with it and each other."""
    ends = label[graph.edges]
    cut = ends[:, 0] != ends[:, 1]
    grids = int(label.max()) + 1
    shared: Floats = np.zeros((grids, grids))
    # Grids that a way links share no border, but are adjacent.
    np.add.at(shared, (ends[cut, 0], ends[cut, 1]), graph.length[cut] + 1e-6)
    shared += shared.T
    clusters: dict[tuple[int, ...], None] = {}
    for grid in range(grids):
        cluster = [grid]
        while len(cluster) < CLUSTER_GRIDS:
            border = shared[cluster].sum(axis=0)
            border[cluster] = 0.0
            if border.max() == 0.0:
                break
            cluster.append(int(border.argmax()))
        if len(cluster) > 1:
            clusters[tuple(sorted(cluster))] = None
    return [np.flatnonzero(np.isin(label, cluster)) for cluster in clusters]


def _draw_again(
    problem: SearchProblem, drawing: SearchResult, nodes: Ints, moves: int, seed: int, stop: Ints
) -> SearchResult:
    """Return the drawing with the grids of some nodes drawn again, if that is cheaper."""
    part = _restrict(problem, nodes)
    grids, label = np.unique(drawing.label[nodes], return_inverse=True)
    before = anneal_labels(part, label.ravel(), 0, END_TEMPERATURE, seed, stop)
    best = before
    for count in _counts(part, len(grids)):
        one, other = (run_chain(part, count, n, moves, seed, stop, MIN_MOVES) for n in (0, 1))
        again = recombine(part, one, other, moves // 4, seed, stop)
        if count == len(grids):
            again = recombine(part, before, again, moves // 4, seed, stop)
        best = min(best, again, key=attrgetter("cost"))
    if best is before:
        return drawing
    label = drawing.label.copy()
    names = np.append(grids, label.max() + 1 + np.arange(best.label.max() + 1))
    label[nodes] = names[best.label]
    label = np.unique(label, return_inverse=True)[1].ravel().astype(np.int64)
    # A compound that lies partly in other grids may cost more than the part knows.
    whole = anneal_labels(problem, label, 0, END_TEMPERATURE, seed, stop)
    return min(drawing, whole, key=attrgetter("cost"))


def _restrict(problem: SearchProblem, nodes: Ints) -> SearchProblem:
    """Return the problem of some nodes; their borders with others become outline."""
    number = np.full(len(problem.graph), -1, dtype=np.int64)
    number[nodes] = np.arange(len(nodes))
    apart = number[problem.apart]
    graph = problem.graph.subgraph(nodes)
    pairs = apart[(apart >= 0).all(axis=1)]
    return SearchProblem(graph, problem.limits, problem.weights, None, pairs)


def _counts(part: SearchProblem, grids: int) -> list[int]:
    """Return the numbers of grids to try: the present one, and those next to it that fit."""
    total, limits = int(part.graph.households.sum()), part.limits
    low, high = max(-(-total // limits.upper), 1), min(total // limits.lower, len(part.graph))
    return [grids, *(count for count in (grids - 1, grids + 1) if low <= count <= high)]
