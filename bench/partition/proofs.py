"""How near the proof comes to the optimum on pieces of real communities."""

from dataclasses import dataclass

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.problem import build_problem
from geo.partition.proof.lower_bound import prove
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.search.strategy import search
from geo.types import Ints

LEAST_HOUSEHOLDS = 600
"""With fewer, one grid is the answer and there is nothing to prove."""


@dataclass(frozen=True)
class Proven:
    """A piece of a community and what is proven of its drawing."""

    community: str
    atoms: int
    grids: int
    objective: float
    searched: float
    bound: float
    gap: float
    seconds: float


def proven(communities: list[Community], atoms: int, seconds: float) -> list[Proven]:
    """Return the proofs of contiguous pieces of some atoms, from two corners of each community."""
    return [_proven(name, piece, seconds) for name, piece in pieces_of(communities, atoms)]


def pieces_of(communities: list[Community], atoms: int) -> list[tuple[str, Graph]]:
    """Return contiguous pieces of some atoms, from two corners of each community, with its name."""
    graphs = [(one.name, build_problem(one, Constraints(), None).graph) for one in communities]
    return [
        (name, piece)
        for name, graph in graphs
        for piece in _pieces(graph, atoms)
        if piece.households.sum() >= LEAST_HOUSEHOLDS
    ]


def _proven(name: str, piece: Graph, seconds: float) -> Proven:
    label = search(piece)
    proof = prove(piece, label, seconds=seconds)
    before, after = (cost(piece, one, Limits(), Weights()).total for one in (label, proof.label))
    grids = int(proof.label.max()) + 1
    return Proven(name, len(piece), grids, after, before, proof.bound, proof.gap, proof.seconds)


def _pieces(graph: Graph, atoms: int) -> list[Graph]:
    """Return the graph, if it is small enough, else pieces around its first and last node."""
    if len(graph) <= atoms:
        return [graph]
    order = np.lexsort((graph.xy[:, 1], graph.xy[:, 0]))
    return [graph.subgraph(find_nodes_around(graph, int(start), atoms)) for start in order[[0, -1]]]


def find_nodes_around(graph: Graph, start: int, atoms: int) -> Ints:
    """Return connected nodes around one."""
    beside: list[list[int]] = [[] for _ in range(len(graph))]
    for one, other in graph.edges.tolist():
        beside[one].append(other)
        beside[other].append(one)
    found = [start]
    for node in found:
        fresh = [near for near in beside[node] if near not in found]
        away = np.hypot(*(graph.xy[fresh] - graph.xy[start]).T)
        found += [fresh[n] for n in np.argsort(away, kind="stable")]
        if len(found) >= atoms:
            break
    return np.array(found[:atoms], dtype=np.int64)
