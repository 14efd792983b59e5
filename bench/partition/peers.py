"""Other tools on the same graph, for the same processor time, judged by the same objective.

Each tool is a generator of labels for a connected graph: it begins again with another seed, number
of grids and tolerance as long as there is time. Processor time is counted, which does not depend on
what else the machine does: on two idle processors it is twice the time on the clock for all.
Labels of partitioners that know no contiguity are repaired. Of all labels that a tool yields until
then, the best by our objective counts.
"""

import contextlib
import logging
import multiprocessing
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count as numbers
from itertools import product
from multiprocessing.connection import Connection, wait
from pathlib import Path

import networkx as nx
import numpy as np
import pymetis
from gerrychain import Graph as Dual
from gerrychain import Partition, updaters
from gerrychain.constraints import contiguous
from gerrychain.optimization import SingleMetricOptimizer
from gerrychain.partition import recursive_tree_part
from gerrychain.proposals import recom
from gerrychain.tree import bipartition_tree

from bench.partition.exact import solve_exactly
from geo.partition.cells.graph import Graph
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.search.initial_partition import repair_labels
from geo.partition.search.strategy import plausible_counts
from geo.types import Ints

LIMITS, WEIGHTS = Limits(), Weights()

IMBALANCES = (0.03, 0.1, 0.2, 0.3)
"""Shares by which the largest part of a partitioner may exceed the mean, in turn."""

EPSILONS = (0.25, 0.15, 0.5, 0.05, 0.9)
"""Shares by which GerryChain's parts may differ from even, tried until it finds a cut."""

BURST = 10
"""Steps in a short burst of GerryChain."""

TREES = 200
"""Spanning trees that GerryChain draws before a tolerance counts as hopeless."""

SURCHARGES = {"room": 1.0, "compound": 0.5}
"""GerryChain's own means to draw borders on streets and walls, and to keep compounds whole."""

CORES = 2
"""Our search uses two threads: a tool with one is run in as many processes, its seeds apart."""

PATIENCE = 12.0
"""On a busy machine a tool is ended after this many times its processor time."""

MARKS = (1.0, 10.0)
"""Multiples of our time after which a tool's best drawing is taken."""

Tool = Callable[[Graph, Ints, int, float], Iterator[Ints]]
"""Takes a connected graph, the room of each node, a number for its seeds, and the seconds."""


@dataclass(frozen=True)
class Attempt:
    """Labels of a tool at each of MARKS (None if it had none), and its error."""

    labels: tuple[Ints | None, ...]
    error: str = ""


def metis(graph: Graph, room: Ints, worker: int, seconds: float) -> Iterator[Ints]:
    """Yield METIS's cuts, by recursive bisection and k-way, with many seeds and imbalances."""
    start, neighbour, weight = _weigh_rows(graph)
    adjacency = pymetis.CSRAdjacency(start.tolist(), neighbour.tolist())
    for seed, parts, imbalance, recursive in _settings(graph, worker, (True, False)):
        _, part = pymetis.part_graph(
            parts,
            adjacency=adjacency,
            vweights=graph.households.tolist(),
            eweights=weight.tolist(),
            options=pymetis.Options(seed=seed, contig=0, ufactor=round(imbalance * 1000)),
            recursive=recursive,
        )
        yield repair_labels(graph, np.asarray(part, dtype=np.int64), parts)


def kahip(graph: Graph, room: Ints, worker: int, seconds: float) -> Iterator[Ints]:
    """Yield the partitions of KaHIP's strong configuration."""
    import kahip as library

    start, neighbour, weight = _weigh_rows(graph)
    rows = [start.tolist(), weight.tolist(), neighbour.tolist()]
    households = graph.households.tolist()
    for seed, parts, imbalance, _ in _settings(graph, worker, (None,)):
        _, part = library.kaffpa(households, *rows, parts, imbalance, True, seed, library.STRONG)
        yield repair_labels(graph, np.asarray(part, dtype=np.int64), parts)


def mt_kahypar(graph: Graph, room: Ints, worker: int, seconds: float) -> Iterator[Ints]:
    """Yield the partitions of Mt-KaHyPar's preset for the highest quality."""
    import mtkahypar

    library = mtkahypar.initialize(CORES, False)
    context = library.context_from_preset(mtkahypar.PresetType.HIGHEST_QUALITY)
    context.logging = False
    edges = [tuple(pair) for pair in graph.edges.tolist()]
    # It takes no nodes without weight.
    sizes = (10 * graph.households + 1).tolist()
    hypergraph = library.create_graph(
        context, len(graph), len(edges), edges, sizes, _edge_weights(graph).tolist()
    )
    for seed, parts, imbalance, _ in _settings(graph, worker, (None,)):
        mtkahypar.set_seed(seed)
        context.set_partitioning_parameters(parts, imbalance, mtkahypar.Objective.CUT)
        partition = hypergraph.partition(context)
        label = [partition.block_id(node) for node in range(len(graph))]
        yield repair_labels(graph, np.array(label, dtype=np.int64), parts)


def gerrychain(graph: Graph, room: Ints, worker: int, seconds: float) -> Iterator[Ints]:
    """Yield the best of ReCom's short bursts from recursive tree seeds, with region surcharges."""
    logging.getLogger("gerrychain").setLevel(logging.ERROR)
    network = nx.Graph()
    for node in range(len(graph)):
        compound = int(graph.compound[node])
        network.add_node(
            node,
            households=int(graph.households[node]),
            room=int(room[node]),
            compound=compound if compound >= 0 else f"none {node}",
        )
    network.add_edges_from(graph.edges.tolist())
    dual = Dual.from_networkx(network)
    counts = plausible_counts(graph.households, LIMITS)
    each_s = seconds / (2 * len(counts))
    for attempt in numbers():
        parts, until = counts[attempt % len(counts)], time.process_time() + each_s
        yield from _short_bursts(graph, dual, parts, CORES * attempt + worker, until)


def _short_bursts(graph: Graph, dual: Dual, parts: int, seed: int, until: float) -> Iterator[Ints]:
    ideal = float(graph.households.sum()) / parts
    start, epsilon = _tree_seed(dual, parts, ideal, seed)
    yield _label(start, len(graph))
    optimiser = SingleMetricOptimizer(
        proposal_fn=partial(
            recom,
            pop_col="households",
            pop_target=ideal,
            epsilon=epsilon,
            region_surcharge=SURCHARGES,
        ),
        constraints=[contiguous],
        initial_state=start,
        optimization_metric_fn=lambda partition: (
            cost(graph, _label(partition, len(graph)), LIMITS, WEIGHTS).total
        ),
        maximize=False,
        rng=seed,
    )
    while time.process_time() < until:
        with contextlib.suppress(RuntimeError):  # no balanced cut of some pair: the next burst
            for _ in optimiser.short_bursts(BURST, 1):
                if time.process_time() > until:
                    break
        yield _label(optimiser.best_part or start, len(graph))


def _tree_seed(network: Dual, parts: int, ideal: float, seed: int) -> tuple[Partition, float]:
    failure: Exception | None = None
    for epsilon in EPSILONS:
        try:
            districts = recursive_tree_part(
                network,
                range(parts),
                ideal,
                "households",
                epsilon,
                bipartition_tree_fn=partial(
                    bipartition_tree, max_attempts=TREES, region_surcharge=SURCHARGES
                ),
                rng=random.Random(seed),
            )
        except (RuntimeError, ValueError) as error:
            failure = error
            continue
        tally = {"households": updaters.Tally("households", alias="households")}
        return Partition(network, districts, tally), epsilon
    raise RuntimeError(f"no balanced tree seed: {failure}")


def _label(partition: Partition, nodes: int) -> Ints:
    return np.array([partition.assignment[node] for node in range(nodes)], dtype=np.int64)


def cp_sat(graph: Graph, room: Ints, worker: int, seconds: float) -> Iterator[Ints]:
    """Yield the drawings that CP-SAT finds for the whole objective, one number of grids each."""
    counts = plausible_counts(graph.households, LIMITS)
    for parts in counts:
        yield from solve_exactly(graph, parts, LIMITS, WEIGHTS, seconds / len(counts), CORES)


TOOLS: dict[str, tuple[Tool, int]] = {
    "metis": (metis, CORES),
    "kahip": (kahip, CORES),
    "mt-kahypar": (mt_kahypar, 1),
    "gerrychain": (gerrychain, CORES),
}
"""The tools and the number of processes of each, which together use two processors."""

EXACT: dict[str, tuple[Tool, int]] = {"cp-sat": (cp_sat, 1)}
"""For small graphs alone."""


def _settings(
    graph: Graph, worker: int, variants: tuple[bool | None, ...]
) -> Iterator[tuple[int, int, float, bool | None]]:
    """Yield seeds with numbers of grids, imbalances and variants, without end."""
    counts = plausible_counts(graph.households, LIMITS)
    for turn in numbers():
        seed = CORES * turn + worker + 1
        for imbalance, parts, variant in product(IMBALANCES, counts, variants):
            yield seed, parts, imbalance, variant


def _edge_weights(graph: Graph) -> Ints:
    gain = np.maximum(graph.cut - graph.inside, 0.02 * graph.length) + 0.1
    return np.maximum(1, np.round(gain * 10)).astype(np.int64)


def _weigh_rows(graph: Graph) -> tuple[Ints, Ints, Ints]:
    start, neighbour, edge = graph.rows
    return start, neighbour, _edge_weights(graph)[edge]


def attempt(name: str, graph: Graph, room: Ints, seconds: float) -> Attempt:
    """Run a tool for MARKS times some seconds, component by component; a failure is a result.

    Parameters
    ----------
    room
        (n,) int64 room of each node.
    seconds
        Our time for the whole graph; a component has its share by nodes.
    """
    parts, part = graph.components()
    labels = [np.zeros(len(graph), dtype=np.int64) for _ in MARKS]
    complete, error = [True] * len(MARKS), ""
    for number in range(parts):
        nodes = np.flatnonzero(part == number)
        piece, share = graph.subgraph(nodes), len(nodes) / len(graph)
        if plausible_counts(piece.households, LIMITS) == [1]:
            drawn = Attempt((np.zeros(len(nodes), dtype=np.int64),) * len(MARKS))
        else:
            drawn = _run(name, piece, room[nodes], seconds * share)
        error = error or drawn.error
        for mark, label in enumerate(drawn.labels):
            complete[mark] &= label is not None
            if label is not None:
                labels[mark][nodes] = label + labels[mark].max(initial=0) + 1
    compact = [np.unique(label, return_inverse=True)[1].ravel() for label in labels]
    return Attempt(
        tuple(
            label if is_complete else None
            for label, is_complete in zip(compact, complete, strict=True)
        ),
        error,
    )


def _run(name: str, graph: Graph, room: Ints, seconds: float) -> Attempt:
    """Run the processes of a tool and return the best labels that they had at each mark."""
    tool, workers = (TOOLS | EXACT)[name]
    context = multiprocessing.get_context("fork")
    longest, processes, pipes = seconds * max(MARKS), [], []
    for worker in range(workers):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        call = partial(tool, graph, room, worker, longest)
        given = (call, graph, seconds, CORES // workers, theirs)
        processes.append(context.Process(target=_answer, args=given))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    try:
        return _collect(pipes, seconds, time.perf_counter() + PATIENCE * longest)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _collect(pipes: list[Connection], seconds: float, until: float) -> Attempt:
    """Return the best labels that come over pipes up to each mark."""
    best: list[tuple[float, Ints | None]] = [(np.inf, None)] * len(MARKS)
    open_pipes, error = list(pipes), ""
    while open_pipes and (ready := wait(open_pipes, max(until - time.perf_counter(), 0.0))):
        for pipe in ready:
            try:
                after_s, value, found = pipe.recv()
            except EOFError:
                open_pipes.remove(pipe)
                continue
            if isinstance(found, str):
                error = found
                continue
            best = [
                (value, found) if after_s <= mark * seconds and value < one[0] else one
                for one, mark in zip(best, MARKS, strict=True)
            ]
    return Attempt(tuple(label for _, label in best), error)


def _answer(
    tool: Callable[[], Iterator[Ints]],
    graph: Graph,
    seconds: float,
    threads: int,
    to: Connection,
) -> None:
    """Send every improvement with its time and cost until the time is up.

    Parameters
    ----------
    threads
        By which the processor time is divided.
    """
    warnings.simplefilter("ignore")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    started, best = time.process_time(), np.inf
    try:
        for label in tool():
            after_s = (time.process_time() - started) / threads
            if after_s > seconds * max(MARKS):
                break
            value = cost(
                graph, np.unique(label, return_inverse=True)[1].ravel(), LIMITS, WEIGHTS
            ).total
            if value < best:
                best = value
                to.send((after_s, value, label))
    except Exception as failure:  # whatever a peer raises is its answer
        to.send((0.0, np.inf, f"{type(failure).__name__}: {failure}"[:200]))
