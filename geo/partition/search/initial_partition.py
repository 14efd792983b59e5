"""Initial partitions of a search: a METIS cut, or the previous plan completed and repaired."""

import numpy as np
import pymetis
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra

from geo.partition.cells.graph import Graph
from geo.partition.scoring.objective import Limits
from geo.partition.search.kernel import label_components
from geo.types import Bools, Floats, Ints

MIN_NODES_PER_GRID = 6
"""With fewer nodes per grid than this METIS prints warnings; nearest centres are used instead."""


def build_initial_partition(graph: Graph, count: int, seed: int) -> Ints:
    """Return (n,) int64 contiguous labels of a connected graph with ``count`` grids."""
    if count == 1:
        return np.zeros(len(graph), dtype=np.int64)
    if len(graph) < MIN_NODES_PER_GRID * count:
        return repair_labels(graph, _nearest_centres(graph, count, seed), count)
    return repair_labels(graph, partition_with_metis(graph, count, seed), count)


def continue_previous_plan(
    graph: Graph,
    before: Ints,
    locked: Bools,
    count: int,
    limits: Limits,
    seed: int,
) -> Ints:
    """Complete a plan: every node gets a contiguous grid, ``count`` grids if possible.

    Parameters
    ----------
    graph
        A connected graph.
    before
        (n,) int64 previous grid of each node, -1 for none.
    locked
        (n,) bool, nodes that keep their grid.

    Returns
    -------
    label
        (n,) int64; new grids are numbered after the last of ``before``.
    """
    label = before.copy()
    next_grid = int(before.max(initial=-1)) + 1
    _link_locked(graph, label, locked)
    label[_lie_in_stray_piece(graph, label, locked)] = -1
    next_grid = _fill_large_gaps(graph, label, limits, next_grid, seed)
    _assign_to_neighbours(graph, label, label < 0)
    if (label < 0).any():  # no node had a grid
        return build_initial_partition(graph, count, seed) + next_grid
    while len(used := np.unique(label)) > count and _dissolve(graph, label, locked, used):
        pass
    while len(np.unique(label)) < count and _split(graph, label, locked, next_grid, seed):
        next_grid += 1
    return label


def _link_locked(graph: Graph, label: Ints, locked: Bools) -> None:
    """Link disconnected locked nodes of a grid by paths that move the fewest households.

    Nodes locked in another grid, or linking one, block the paths; where no path is left, the grid
    stays in pieces.
    """
    held = locked & (label >= 0)
    ends = np.concatenate([graph.edges, graph.edges[:, ::-1]])
    for grid in np.unique(label[held]):
        passable = ends[~(held & (label != grid))[ends].any(axis=1)]
        while True:
            nodes = np.flatnonzero(label == grid)
            piece, main = _pieces(graph.subgraph(nodes), label[nodes], locked[nodes])
            apart = nodes[locked[nodes] & ~main[piece]]
            if len(apart) == 0:
                break
            weight = np.where(label == grid, 1e-3, graph.households + 1.0)[passable[:, 1]]
            matrix = csr_array((weight, passable.T), shape=(len(graph), len(graph)))
            cost, predecessor, _ = dijkstra(
                matrix, indices=nodes[main[piece]], min_only=True, return_predecessors=True
            )
            node = apart[cost[apart].argmin()]
            if not np.isfinite(cost[node]):
                break
            while predecessor[node] >= 0:
                label[node], held[node] = grid, True
                node = predecessor[node]


def _lie_in_stray_piece(graph: Graph, label: Ints, locked: Bools) -> Bools:
    """Return the nodes in a piece of a grid that is not its main one, without the locked nodes."""
    drawn = np.flatnonzero(label >= 0)
    stray = np.zeros(len(graph), dtype=bool)
    if len(drawn):
        piece, main = _pieces(graph.subgraph(drawn), label[drawn], locked[drawn])
        stray[drawn] = ~main[piece] & ~locked[drawn]
    return stray


def _fill_large_gaps(graph: Graph, label: Ints, limits: Limits, next_grid: int, seed: int) -> int:
    """Draw new grids in connected gaps with enough households; return the next grid number."""
    free = np.flatnonzero(label < 0)
    if len(free) == 0:
        return next_grid
    gaps = graph.subgraph(free)
    _, gap = gaps.components()
    households = np.bincount(gap, weights=gaps.households)
    for number in np.flatnonzero(households >= limits.lower):
        nodes = free[gap == number]
        count = max(1, min(len(nodes), round(households[number] / limits.target)))
        label[nodes] = next_grid + build_initial_partition(graph.subgraph(nodes), count, seed)
        next_grid += count
    return next_grid


def _dissolve(graph: Graph, label: Ints, locked: Bools, used: Ints) -> bool:
    """Dissolve the unlocked grid with the fewest households; return whether there was one."""
    free = used[~np.isin(used, label[locked])]
    if len(free) == 0 or len(used) < 2:
        return False
    households = np.bincount(label, weights=graph.households)
    dissolved = label == free[households[free].argmin()]
    label[dissolved] = -1
    _assign_to_neighbours(graph, label, dissolved)
    return True


def _split(graph: Graph, label: Ints, locked: Bools, next_grid: int, seed: int) -> bool:
    """Cut the unlocked grid with the most households in two; return whether there was one."""
    nodes_of = np.bincount(label)
    households = np.bincount(label, weights=graph.households)
    held = np.bincount(label, weights=locked) > 0
    divisible = np.flatnonzero((nodes_of > 1) & ~held)
    if len(divisible) == 0:
        return False
    nodes = np.flatnonzero(label == divisible[households[divisible].argmax()])
    label[nodes[build_initial_partition(graph.subgraph(nodes), 2, seed) == 1]] = next_grid
    return True


def partition_with_metis(graph: Graph, count: int, seed: int) -> Ints:
    """Return (n,) int64 labels of a METIS partition, which may be disconnected.

    Recursive bisection takes a third of the time of METIS's k-way partition, and a search that
    starts from it ends no worse.
    """
    tie = np.maximum(graph.cut - graph.inside, 0.02 * graph.length) + 0.1
    start, neighbour, edge = graph.rows
    weight = np.maximum(1, np.round(tie * 10)).astype(np.int64)
    _, part = pymetis.part_graph(
        count,
        adjacency=pymetis.CSRAdjacency(start.tolist(), neighbour.tolist()),
        vweights=graph.households.tolist(),
        eweights=weight[edge].tolist(),
        options=pymetis.Options(seed=seed % 2**30, contig=0, ncuts=1),
        recursive=True,
    )
    return np.asarray(part, dtype=np.int64)


def _nearest_centres(graph: Graph, count: int, seed: int) -> Ints:
    """Return (n,) the nearest of ``count`` centres, chosen among households by k-means++."""
    random = np.random.default_rng(seed)
    weight = graph.households + 1e-3
    centres = [int(random.choice(len(graph), p=weight / weight.sum()))]
    while len(centres) < count:
        away = _squared_distances(graph, centres).min(axis=1) * weight
        away[centres] = 0.0
        total = away.sum()
        share = away / total if total > 0 else None
        centres.append(int(random.choice(len(graph), p=share)))
    nearest: Ints = _squared_distances(graph, centres).argmin(axis=1).astype(np.int64)
    return nearest


def _squared_distances(graph: Graph, centres: list[int]) -> Floats:
    """Return (n, k) squared distances to k nodes, m2."""
    away = graph.xy[:, None, :] - graph.xy[centres][None]
    squared: Floats = (away**2).sum(axis=2)
    return squared


def repair_labels(graph: Graph, label: Ints, count: int) -> Ints:
    """Return (n,) int64 labels made contiguous, with none of ``count`` grids empty.

    Every piece of a grid but its largest goes to the neighbour with which it shares most border. A
    piece that nothing connects to a main piece becomes a grid of its own, numbered from ``count``.

    Parameters
    ----------
    label
        (n,) int64 grid of each node, from 0 to ``count`` - 1.
    """
    label = label.copy()
    while True:
        piece, main = _pieces(graph, label, np.zeros(len(graph), dtype=bool))
        stray = ~main[piece]
        if not stray.any():
            break
        if len(_assign_outermost(graph, label, stray)) == 0:
            label[stray] = count + np.unique(piece[stray], return_inverse=True)[1].ravel()
    return _without_empty(graph, label, count)


def _assign_to_neighbours(graph: Graph, label: Ints, free: Bools) -> None:
    """Assign free nodes, from the outside in, to the grid with which they share most border."""
    free = free.copy()
    while free.any():
        taken = _assign_outermost(graph, label, free)
        if len(taken) == 0:
            return
        free[taken] = False


def _assign_outermost(graph: Graph, label: Ints, free: Bools) -> Ints:
    """Assign free nodes next to others to the grid with most shared border; return these nodes."""
    ends = np.concatenate([graph.edges, graph.edges[:, ::-1]])
    length = np.tile(graph.length, 2)
    out = free[ends[:, 0]] & ~free[ends[:, 1]]
    grids = int(label.max(initial=0)) + 1
    pair, number = np.unique(ends[out, 0] * grids + label[ends[out, 1]], return_inverse=True)
    claimed, grid = np.divmod(pair, grids)
    order = np.lexsort((grid, -np.bincount(number, weights=length[out]), claimed))
    node, first = np.unique(claimed[order], return_index=True)
    label[node] = grid[order][first]
    return node


def _pieces(graph: Graph, label: Ints, locked: Bools) -> tuple[Ints, Bools]:
    """Return the connected piece of each node, and whether each piece is the main one of its grid.

    The main one has the most locked nodes, then the most households.
    """
    piece = label_components(*graph.rows[:2], label)
    pieces = int(piece.max(initial=-1)) + 1
    households = np.bincount(piece, weights=graph.households + 1e-6, minlength=pieces)
    held = np.bincount(piece, weights=locked, minlength=pieces)
    grid = np.zeros(pieces, dtype=np.int64)
    grid[piece] = label
    order = np.lexsort((np.arange(pieces), -households, -held, grid))
    main = np.zeros(pieces, dtype=bool)
    main[order[np.unique(grid[order], return_index=True)[1]]] = True
    return piece, main


def _without_empty(graph: Graph, label: Ints, count: int) -> Ints:
    """Move nodes from the largest grids to empty ones until none of ``count`` grids is empty."""
    for empty in np.flatnonzero(np.bincount(label, minlength=count) == 0):
        nodes = np.bincount(label, minlength=count)
        households = np.bincount(label, weights=graph.households, minlength=count)
        households[nodes < 2] = -1
        inside = np.flatnonzero(label == int(households.argmax()))
        label[_leaf(graph, inside)] = empty
    return label


def _leaf(graph: Graph, nodes: Ints) -> int:
    """Return a node without which a connected set stays connected."""
    part = graph.subgraph(nodes)
    n = len(part)
    matrix = coo_array((np.ones(len(part.edges)), part.edges.T), shape=(n, n)).tocsr()
    order, _ = breadth_first_order(matrix, 0, directed=False)
    return int(nodes[order[-1]])
