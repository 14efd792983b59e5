"""Other tools on the same graph: each returns the grid of every node, or None if it fails."""

import logging
import multiprocessing
import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

import geopandas as gpd
import networkx as nx
import numpy as np
from gerrychain import Graph as Dual
from gerrychain import Partition, updaters
from gerrychain.constraints import contiguous
from gerrychain.optimization import SingleMetricOptimizer
from gerrychain.partition import recursive_tree_part
from gerrychain.proposals import recom
from gerrychain.tree import bipartition_tree
from libpysal.graph import Graph as Weights
from spopt.region import MaxPHeuristic, Skater

from geo.partition.cells.graph import Graph
from geo.partition.scoring.objective import Limits, cost
from geo.partition.scoring.objective import Weights as Objective
from geo.partition.search.initial_partition import partition_with_metis, repair_labels
from geo.types import Ints, Polygons

LIMITS, WEIGHTS = Limits(), Objective()
EPSILONS = (0.05, 0.15, 0.25, 0.5, 0.9)
"""Shares by which GerryChain's parts may differ from even, tried until it finds a cut."""

BURST = 10

TREES = 200
"""Spanning trees that GerryChain draws before a tolerance counts as hopeless."""


@dataclass(frozen=True)
class Attempt:
    """Result of a tool: its labels (None if it failed), its error, and its seconds."""

    label: Ints | None
    error: str
    seconds: float


def attempt(tool: Callable[[], Ints], limit: float) -> Attempt:
    """Run a tool in a process of its own; its failure is a result too.

    Parameters
    ----------
    limit
        After so many seconds it is ended.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_answer, args=(tool, theirs))
    started = time.perf_counter()
    process.start()
    theirs.close()
    try:
        label, error, seconds = ours.recv() if ours.poll(limit) else (None, "", limit)
    except EOFError:
        label, error, seconds = None, "the process died", time.perf_counter() - started
    process.kill()
    process.join()
    if label is None and not error:
        error = f"no answer in {limit:.0f} s"
    return Attempt(label, error, seconds)


def _answer(tool: Callable[[], Ints], to: Connection) -> None:
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    try:
        label, error = tool(), ""
    except Exception as failure:  # whatever a peer raises is its answer
        label, error = None, f"{type(failure).__name__}: {failure}"[:200]
    to.send((label, error, time.perf_counter() - started))


def metis(graph: Graph, grids: int) -> Ints:
    """Return the better of METIS's cuts, k-way and recursive, stray pieces given to neighbours."""
    if grids == 1:
        return np.zeros(len(graph), dtype=np.int64)
    cuts = (partition_with_metis(graph, grids, 1, recursive=way) for way in (False, True))
    drawn = [repair_labels(graph, cut, grids) for cut in cuts]
    return min(drawn, key=lambda one: cost(graph, one, Limits(), Objective()).total)


def gerrychain(graph: Graph, grids: int, seconds: float) -> Ints:
    """Return the best of ReCom's short bursts from a recursive tree seed, by our objective.

    Parameters
    ----------
    seconds
        How long the bursts go on.
    """
    logging.getLogger("gerrychain").setLevel(logging.ERROR)
    until = time.perf_counter() + seconds
    network = nx.Graph()
    for node in range(len(graph)):
        network.add_node(node, households=int(graph.households[node]))
    network.add_edges_from(graph.edges.tolist())
    ideal = float(graph.households.sum()) / grids
    start, epsilon = _tree_seed(Dual.from_networkx(network), grids, ideal)
    optimiser = SingleMetricOptimizer(
        proposal_fn=partial(recom, pop_col="households", pop_target=ideal, epsilon=epsilon),
        constraints=[contiguous],
        initial_state=start,
        optimization_metric_fn=lambda partition: (
            cost(graph, _label(partition, len(graph)), LIMITS, WEIGHTS).total
        ),
        maximize=False,
        rng=1,
    )
    best = start
    while time.perf_counter() < until:
        try:
            for _ in optimiser.short_bursts(BURST, 1):
                if time.perf_counter() > until:
                    break
        except RuntimeError:  # no balanced cut of some pair: begin the next burst
            continue
        finally:
            best = optimiser.best_part or best
    return _label(best, len(graph))


def _tree_seed(network: Dual, grids: int, ideal: float) -> tuple[Partition, float]:
    failure: Exception | None = None
    for epsilon in EPSILONS:
        try:
            parts = recursive_tree_part(
                network,
                range(grids),
                ideal,
                "households",
                epsilon,
                bipartition_tree_fn=partial(bipartition_tree, max_attempts=TREES),
                rng=random.Random(1),
            )
        except (RuntimeError, ValueError) as error:
            failure = error
            continue
        tally = {"households": updaters.Tally("households", alias="households")}
        return Partition(network, parts, tally), epsilon
    raise RuntimeError(f"no balanced tree seed: {failure}")


def _label(partition: Partition, nodes: int) -> Ints:
    return np.array([partition.assignment[node] for node in range(nodes)], dtype=np.int64)


def _frame(graph: Graph, cells: Polygons) -> gpd.GeoDataFrame:
    figures = {"households": graph.households, "x": graph.xy[:, 0], "y": graph.xy[:, 1]}
    return gpd.GeoDataFrame(figures, geometry=list(cells))


def _neighbours(graph: Graph) -> object:
    ends = np.concatenate([graph.edges, graph.edges[:, ::-1]])
    weights = Weights.from_arrays(ends[:, 0], ends[:, 1], np.ones(len(ends)))
    return weights.to_W()


def max_p(graph: Graph, cells: Polygons) -> Ints:
    """Return spopt's max-p regions: as many as have at least the lower limit, near in place."""
    np.random.seed(1)  # noqa: NPY002  the only seed that spopt takes
    model = MaxPHeuristic(
        _frame(graph, cells), _neighbours(graph), ["x", "y"], "households", LIMITS.lower
    )
    model.solve()
    return np.unique(np.asarray(model.labels_), return_inverse=True)[1].astype(np.int64)


def skater(graph: Graph, cells: Polygons, grids: int) -> Ints:
    """Return spopt's Skater: a spanning tree of places cut into as many parts."""
    model = Skater(_frame(graph, cells), _neighbours(graph), ["x", "y"], n_clusters=grids)
    model.solve()
    return np.unique(np.asarray(model.labels_), return_inverse=True)[1].astype(np.int64)
