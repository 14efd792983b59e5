"""The search: how many grids, where to start, annealing, and the best of all chains."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pymetis
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from geo.partition.anneal import anneal
from geo.partition.coverage import Floats, Ints
from geo.partition.graph import Graph
from geo.partition.kernel import Problem
from geo.partition.objective import Limits, Weights

HOT, COLD = 60.0, 0.5
"""First and last temperature: what a bad border costs, and less than any move that matters."""

SOFTENED = (0.01, 0.1, 1.0)
"""Shares of the weight of the limits, one stage of a chain after the other: a large building can
change sides only while the limits are soft."""

MOVES_PER_NODE = 2000
CHAINS = 3
LEAST_MOVES = 50_000

SMALL = 6
"""With fewer nodes a grid than this METIS has nothing to do and says so on the terminal."""


@dataclass(frozen=True)
class Effort:
    """How long to search. The answer depends on these and the seed, never on the clock, unless
    ``seconds`` runs out first.

    Attributes
    ----------
    chains
        Annealing chains for each number of grids tried.
    moves_per_node
        Moves of a chain for each node of the graph.
    seconds
        No chain is begun after this many seconds.
    threads
        Chains run at once.
    """

    chains: int = CHAINS
    moves_per_node: int = MOVES_PER_NODE
    seconds: float = 60.0
    threads: int = 2


def search(
    graph: Graph,
    limits: Limits | None = None,
    weights: Weights | None = None,
    *,
    previous: Ints | None = None,
    locked: NDArray[np.bool_] | None = None,
    seed: int = 1,
    effort: Effort | None = None,
) -> Ints:
    """Return a grid for every node: contiguous, and as cheap as found.

    Parameters
    ----------
    graph
        A connected graph; draw the parts of a graph in several pieces one by one
        (:func:`search_parts`).
    previous
        (n,) grid of each node in the plan to start from, -1 where it has none.
    locked
        (n,) nodes that stay in their previous grid.

    Returns
    -------
    label
        (n,) numbers of grids from 0, none left out.
    """
    limits, weights, effort = limits or Limits(), weights or Weights(), effort or Effort()
    counts = plausible_counts(graph.households, limits)
    problems = [
        _problem(graph, limits, replace(weights, limit=weights.limit * share), previous, locked)
        for share in SOFTENED
    ]
    if counts == [1] or len(graph) == 1:
        return np.zeros(len(graph), dtype=np.int64)
    jobs = [(count, chain) for chain in range(effort.chains) for count in counts]
    began = time.monotonic()

    def run(job: tuple[int, int]) -> tuple[float, int, int, Ints] | None:
        count, chain = job
        if (count, chain) != jobs[0] and time.monotonic() - began > effort.seconds:
            return None
        chain_seed = seed * 1_000_003 + chain * 1009 + count
        label = first_drawing(graph, count, chain_seed)
        moves = max(LEAST_MOVES, effort.moves_per_node * len(graph)) // len(problems)
        for problem in problems:
            label, found = anneal(problem, label, count, moves, HOT, COLD, chain_seed % 2**31)
        return found, count, chain, label

    with ThreadPoolExecutor(effort.threads) as pool:
        answers = [answer for answer in pool.map(run, jobs) if answer is not None]
    return _compact(min(answers, key=lambda answer: answer[:3])[3])


def search_parts(graph: Graph, **options: object) -> Ints:
    """Return a grid for every node of a graph in several pieces, each drawn by itself."""
    parts, part = graph.components()
    label = np.zeros(len(graph), dtype=np.int64)
    used = 0
    for number in range(parts):
        nodes = np.flatnonzero(part == number)
        label[nodes] = used + search(graph.subgraph(nodes), **options)  # type: ignore[arg-type]
        used = int(label[nodes].max()) + 1
    return label


def plausible_counts(households: Ints, limits: Limits) -> list[int]:
    """Return the numbers of grids worth trying, the likeliest first.

    A node above the upper limit fills a grid by itself; the others are shared out.

    Parameters
    ----------
    households
        (n,) households of each node.
    """
    over = households > limits.upper
    rest = int(households[~over].sum())
    likely = max(0 if over.any() else 1, round(rest / limits.target))
    low, high = -(-rest // limits.upper), rest // limits.lower
    fitting = [count for count in (likely, likely - 1, likely + 1) if low <= count <= high]
    # No number fits (say 550 households): too few large grids or too many small ones.
    counts = fitting or sorted({high, low})
    most = max(int((households > 0).sum()), 1)
    return list(dict.fromkeys(min(max(count + int(over.sum()), 1), most) for count in counts))


def first_drawing(graph: Graph, count: int, seed: int) -> Ints:
    """Return a contiguous assignment to ``count`` grids to start from."""
    if count == 1:
        return np.zeros(len(graph), dtype=np.int64)
    if len(graph) < SMALL * count:
        return repaired(graph, _nearest_centres(graph, count, seed), count)
    return repaired(graph, metis_parts(graph, count, seed), count)


def metis_parts(graph: Graph, count: int, seed: int) -> Ints:
    """Return METIS's multilevel k-way cut, which need not be contiguous."""
    glue = np.maximum(graph.cut - graph.inside, 0.02 * graph.length) + 0.1
    start, neighbour, edge = _rows(graph)
    weight = np.maximum(1, np.round(glue * 10)).astype(np.int64)
    _, part = pymetis.part_graph(
        count,
        adjacency=pymetis.CSRAdjacency(start.tolist(), neighbour.tolist()),
        vweights=graph.households.tolist(),
        eweights=weight[edge].tolist(),
        options=pymetis.Options(seed=seed % 2**30, contig=0, ncuts=1),
    )
    return np.asarray(part, dtype=np.int64)


def _nearest_centres(graph: Graph, count: int, seed: int) -> Ints:
    """Return the nearest of ``count`` centres, chosen far apart (k-means++) among households."""
    random = np.random.default_rng(seed)
    weight = graph.households + 1e-3
    centres = [int(random.choice(len(graph), p=weight / weight.sum()))]
    while len(centres) < count:
        away = _squared(graph, centres).min(axis=1) * weight
        away[centres] = 0.0
        total = away.sum()
        share = away / total if total > 0 else None
        centres.append(int(random.choice(len(graph), p=share)))
    nearest: Ints = _squared(graph, centres).argmin(axis=1).astype(np.int64)
    return nearest


def _squared(graph: Graph, centres: list[int]) -> Floats:
    """Return (n, k) squared distances to some nodes."""
    away = graph.xy[:, None, :] - graph.xy[centres][None]
    squared: Floats = (away**2).sum(axis=2)
    return squared


def repaired(graph: Graph, label: Ints, count: int) -> Ints:
    """Return an assignment made contiguous, with no grid empty.

    Every piece of a grid but its largest goes to the neighbour it shares most border with; an
    empty grid takes the node that is farthest from the centre of the largest one.
    """
    label = label.copy()
    while True:
        piece, main = _pieces(graph, label, count)
        lost = ~main[piece]
        if not lost.any():
            break
        ends = np.concatenate([graph.edges, graph.edges[:, ::-1]])
        length = np.tile(graph.length, 2)
        out = lost[ends[:, 0]] & ~lost[ends[:, 1]]
        claim, number = np.unique(
            np.stack([ends[out, 0], label[ends[out, 1]]], axis=1), axis=0, return_inverse=True
        )
        shared = np.bincount(number.ravel(), weights=length[out])
        order = np.lexsort((claim[:, 1], -shared, claim[:, 0]))
        node, first = np.unique(claim[order, 0], return_index=True)
        label[node] = claim[order, 1][first]
    return _without_empty(graph, label, count)


def _pieces(graph: Graph, label: Ints, count: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the piece of each node and whether a piece is the largest of its grid."""
    n = len(graph)
    joined = label[graph.edges[:, 0]] == label[graph.edges[:, 1]]
    matrix = coo_array((np.ones(joined.sum()), graph.edges[joined].T), shape=(n, n))
    pieces, piece = connected_components(matrix, directed=False)
    households = np.bincount(piece, weights=graph.households + 1e-6, minlength=pieces)
    grid = np.zeros(pieces, dtype=np.int64)
    grid[piece] = label
    order = np.lexsort((np.arange(pieces), -households, grid))
    main = np.zeros(pieces, dtype=bool)
    main[order[np.unique(grid[order], return_index=True)[1]]] = True
    return piece.astype(np.int64), main


def _without_empty(graph: Graph, label: Ints, count: int) -> Ints:
    """Split the largest grids until none of ``count`` grids is empty."""
    for empty in np.flatnonzero(np.bincount(label, minlength=count) == 0):
        nodes = np.bincount(label, minlength=count)
        households = np.bincount(label, weights=graph.households, minlength=count)
        households[nodes < 2] = -1
        inside = np.flatnonzero(label == int(households.argmax()))
        label[_leaf(graph, inside)] = empty
    return label


def _leaf(graph: Graph, nodes: Ints) -> int:
    """Return a node of a connected set without which the set stays connected."""
    part = graph.subgraph(nodes)
    n = len(part)
    matrix = coo_array((np.ones(len(part.edges)), part.edges.T), shape=(n, n)).tocsr()
    order, _ = breadth_first_order(matrix, 0, directed=False)
    return int(nodes[order[-1]])


def _rows(graph: Graph) -> tuple[Ints, Ints, Ints]:
    """Return neighbours in compressed rows: starts, neighbours, their edges."""
    n, m = len(graph), len(graph.edges)
    source = np.concatenate([graph.edges[:, 0], graph.edges[:, 1]])
    target = np.concatenate([graph.edges[:, 1], graph.edges[:, 0]])
    edge = np.tile(np.arange(m), 2)
    order = np.lexsort((target, source))
    start = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=n), out=start[1:])
    return start, target[order], edge[order]


def _problem(
    graph: Graph,
    limits: Limits,
    weights: Weights,
    previous: Ints | None,
    locked: NDArray[np.bool_] | None,
) -> Problem:
    """Return the graph in the form of the compiled kernel."""
    n = len(graph)
    start, neighbour, edge = _rows(graph)
    inside = graph.compound >= 0
    compounds = int(graph.compound.max(initial=-1)) + 1
    held = np.bincount(graph.compound[inside], graph.households[inside], minlength=compounds)
    return Problem(
        graph.households.astype(np.int64),
        start,
        neighbour,
        edge,
        np.ascontiguousarray(graph.edges, dtype=np.int64),
        graph.cut,
        graph.inside,
        graph.length,
        graph.area,
        graph.outline,
        graph.compound.astype(np.int64),
        np.maximum(np.ceil(held / limits.upper), 1).astype(np.int64),
        np.full(n, -1, np.int64) if previous is None else previous.astype(np.int64),
        np.zeros(n, np.int64) if locked is None else locked.astype(np.int64),
        weights.array(),
        float(limits.target),
        float(limits.lower),
        float(limits.upper),
    )


def _compact(label: Ints) -> Ints:
    """Return labels numbered from 0 without gaps."""
    numbers: Ints = np.unique(label, return_inverse=True)[1].ravel().astype(np.int64)
    return numbers
