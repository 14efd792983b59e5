"""How far drawings of many seeds are above the best known, and above proven optima.

The instances are made from the places and from fixed seeds: nothing is stored.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.partition.places import Place
from bench.partition.proofs import find_nodes_around
from geo.partition.cells.graph import Graph
from geo.partition.constraints import Constraints
from geo.partition.problem import build_problem
from geo.partition.proof.lower_bound import prove
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.search.strategy import Effort, search_parts
from geo.types import Ints

NamedGraph = tuple[str, Graph]

PLACES = 2
"""Instances are made from the first places only: Monaco and the sample city."""

BOARDS, BOARD_SEED = 120, 22
"""Boards among the small instances; as many pieces of communities are added."""

BOARD_SIZES = ((3, 3), (4, 3), (4, 4), (5, 4), (5, 5), (6, 4), (8, 3), (12, 2))
"""Columns and rows of the boards, in turn."""

FACTORS, SHARES = (1.0, 0.5, 0.3, 0.2, 0.2), (0.5, 0.1, 0.2, 0.1, 0.1)
"""What a metre of a border of a board costs, and how many borders cost that; among those of the
least cost are arterials."""

SMALL_NODES, LARGE_NODES = (8, 34), (60, 420)
"""Nodes of pieces: at least, and fewer than."""

MIN_HOUSEHOLDS, RAISED_HOUSEHOLDS = 500, 900
"""The households of a small piece that has fewer are multiplied, so that it has several grids."""

LARGE_PIECES, LARGE_SEED, MIN_LARGE_HOUSEHOLDS = 9, 5, 700
"""Pieces of each place as one community; those in several components, or with few households, are
left out."""

PROOF_S = 20.0

LONG_SEEDS = (101, 102)
LONG = Effort(generations=30, moves_per_node=600)
"""Long searches, whose drawings count among the best known but not in the excess."""

EQUAL_RATIO = 1e-5


@dataclass(frozen=True)
class Excess:
    """Excess of the drawings of all seeds over the best known objective, in percent."""

    graph: str
    nodes: int
    households: int
    best: float
    mean_percent: float
    worst_percent: float


def measure_excess(known: list[Place], seeds: int) -> list[Excess]:
    """Draw the communities, and large pieces of the places, with seeds from 1 on."""
    return [_excess(name, graph, seeds) for name, graph in [*_communities(known), *_pieces(known)]]


def _excess(name: str, graph: Graph, seeds: int) -> Excess:
    found = np.array([_search(graph, seed) for seed in range(1, seeds + 1)])
    best = min(found.min(), *(_search(graph, seed, LONG) for seed in LONG_SEEDS))
    percent = (found / best - 1) * 100
    households = int(graph.households.sum())
    return Excess(name, len(graph), households, best, float(percent.mean()), float(percent.max()))


@dataclass(frozen=True)
class Optimum:
    """A small instance: the optimum, whether it is proven, and the worst drawing of all seeds."""

    instance: str
    nodes: int
    grids: int
    optimum: float
    proven: bool
    missed: int
    worst_percent: float


def compare_with_optima(known: list[Place], seeds: int) -> list[Optimum]:
    """Draw boards and small pieces of communities with seeds from 1 on."""
    random = np.random.default_rng(BOARD_SEED)
    instances = [_board(number, random) for number in range(BOARDS)]
    communities = _communities(known)
    while len(instances) < 2 * BOARDS:
        name, graph = communities[random.integers(len(communities))]
        size = int(random.integers(*SMALL_NODES))
        if len(graph) >= size and (piece := _small_piece(graph, size, random)) is not None:
            instances.append((name, piece))
    return [_optimum(f"{n} {name}", one, seeds) for n, (name, one) in enumerate(instances)]


def _optimum(name: str, graph: Graph, seeds: int) -> Optimum:
    found = np.array([_search(graph, seed) for seed in range(1, seeds + 1)])
    proof = prove(graph, search_parts(graph), seconds=PROOF_S)
    optimum = min(_cost(graph, proof.label), found.min())
    grids, excess = int(proof.label.max()) + 1, found - optimum
    missed = int((excess > EQUAL_RATIO * optimum + 1e-6).sum())
    worst = float(excess.max() / max(optimum, 1.0)) * 100
    return Optimum(name, len(graph), grids, optimum, proof.optimal, missed, worst)


def _search(graph: Graph, seed: int, effort: Effort | None = None) -> float:
    return _cost(graph, search_parts(graph, seed=seed, effort=effort))


def _cost(graph: Graph, label: Ints) -> float:
    return cost(graph, label, Limits(), Weights()).total


def _communities(known: list[Place]) -> list[NamedGraph]:
    return [
        (one.code, build_problem(one, Constraints(), None).graph)
        for place in known[:PLACES]
        for one in place.communities
    ]


def _pieces(known: list[Place]) -> list[NamedGraph]:
    """Return connected pieces of each place as one community."""
    random, pieces = np.random.default_rng(LARGE_SEED), []
    for place in known[:PLACES]:
        graph = build_problem(place.whole(), Constraints(), None).graph
        for number in range(LARGE_PIECES):
            size = int(random.integers(*LARGE_NODES))
            start = int(random.integers(len(graph)))
            piece = graph.subgraph(find_nodes_around(graph, start, size))
            if piece.components()[0] == 1 and piece.households.sum() > MIN_LARGE_HOUSEHOLDS:
                pieces.append((f"{place.name} {number}", piece))
    return pieces


def _small_piece(graph: Graph, size: int, random: np.random.Generator) -> Graph | None:
    """Return a piece with at least MIN_HOUSEHOLDS, None if it is not connected or empty."""
    piece = graph.subgraph(find_nodes_around(graph, int(random.integers(len(graph))), size))
    households = int(piece.households.sum())
    if piece.components()[0] != 1 or households == 0:
        return None
    if households >= MIN_HOUSEHOLDS:
        return piece
    return replace(piece, households=piece.households * -(-RAISED_HOUSEHOLDS // households))


def _board(number: int, random: np.random.Generator) -> NamedGraph:
    """Return a board of random households, borders and areas."""
    columns, rows = BOARD_SIZES[number % len(BOARD_SIZES)]
    node = np.arange(columns * rows).reshape(rows, columns)
    ends = [(node[:, :-1], node[:, 1:]), (node[:-1], node[1:])]
    edges = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in ends])
    n, m = node.size, len(edges)
    households = _board_households(number // len(BOARD_SIZES) % 4, n, random)
    length, factor = random.uniform(10, 60, m), random.choice(FACTORS, m, p=SHARES)
    is_arterial = (factor == min(FACTORS)) & (random.random(m) < 0.6)
    area, outline = random.uniform(300, 3000, n), random.uniform(0, 60, n)
    xy = random.uniform(0, 200, (n, 2))
    compound = random.integers(-1, 4, n) if random.random() < 0.7 else np.full(n, -1)
    inside = np.where(is_arterial, length, 0.0)
    graph = Graph(
        households.astype(np.int64),
        edges,
        length * factor,
        inside,
        length,
        area,
        outline,
        xy,
        compound,
    )
    return f"board {columns} x {rows}", graph


def _board_households(kind: int, n: int, random: np.random.Generator) -> Ints:
    """Return households: even ones, some large buildings, few towers, or small buildings."""
    if kind == 0:
        return random.integers(0, 160, n)
    if kind == 1:
        is_large = random.random(n) < 0.3
        return np.where(is_large, random.integers(150, 480, n), random.integers(0, 90, n))
    if kind == 2:
        is_tower = random.random(n) < 0.12
        return np.where(is_tower, random.integers(450, 1200, n), random.integers(0, 120, n))
    return random.integers(0, 1 + int(random.choice([60, 100, 250])), n)
