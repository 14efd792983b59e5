"""The lower bound, compared with all drawings of small graphs, enumerated one by one."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.partition.cells.graph import Graph
from geo.partition.proof.lower_bound import prove
from geo.partition.proof.piece import FORBIDDEN_COST
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.search.chains import PreviousLabels
from geo.partition.search.strategy import Effort, search

LIMITS = Limits(target=40, lower=25, upper=60)


def board(columns: int, rows: int, seed: int) -> Graph:
    """Return a chessboard with random households, borders, land and compounds."""
    random = np.random.default_rng(seed)
    number = np.arange(columns * rows).reshape(rows, columns)
    ends = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    edges = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in ends])
    n, m = columns * rows, len(edges)
    return Graph(
        households=random.integers(0, 30, n),
        edges=edges.astype(np.int64),
        cut=random.uniform(2, 20, m),
        inside=np.where(random.random(m) < 0.2, 15.0, 0.0),
        length=random.uniform(10, 30, m),
        area=random.uniform(20, 60, n),
        outline=random.uniform(30, 60, n),
        xy=random.uniform(0, 100, (n, 2)),
        compound=random.integers(-1, 2, n),
    )


def drawings_of(graph: Graph) -> Iterator[np.ndarray]:
    """Yield every contiguous drawing."""

    def grown(label: list[int]) -> Iterator[list[int]]:
        if len(label) == len(graph):
            yield label
            return
        for grid in range(max(label, default=-1) + 2):
            yield from grown([*label, grid])

    for label in map(np.array, grown([])):
        grids = range(label.max() + 1)
        if all(graph.subgraph(np.flatnonzero(label == g)).components()[0] == 1 for g in grids):
            yield label


def cheapest(graph: Graph, weights: Weights, allowed=lambda label: True) -> float:
    costs = (cost(graph, one, LIMITS, weights).total for one in drawings_of(graph) if allowed(one))
    return min(costs, default=FORBIDDEN_COST)


@given(seed=st.integers(0, 10_000), shape=st.sampled_from([(2, 2), (3, 2), (6, 1)]))
@settings(max_examples=30)
def test_proven_optimum_is_the_cheapest_of_all_drawings(seed, shape):
    graph, weights = board(*shape, seed), Weights()
    proof = prove(graph, np.zeros(len(graph), dtype=np.int64), LIMITS, weights)
    expected = cheapest(graph, weights)
    assert proof.optimal
    assert cost(graph, proof.label, LIMITS, weights).total == pytest.approx(expected, rel=1e-5)
    assert proof.bound <= expected * (1 + 1e-9)


@given(seed=st.integers(0, 10_000), pair=st.tuples(st.integers(0, 5), st.integers(0, 5)))
@settings(max_examples=15)
def test_locked_nodes_and_pairs_apart_hold_in_the_proof(seed, pair):
    graph, weights = board(3, 2, seed), Weights()
    locked = np.zeros(6, dtype=bool)
    locked[[0, 1, 5]] = True
    before = PreviousLabels(np.array([0, 0, 0, 1, 1, 1]), ~locked, locked)
    apart = np.array([pair] if pair[0] != pair[1] else [], dtype=np.int64).reshape(-1, 2)

    def allowed(label: np.ndarray) -> bool:
        one, other = label[apart].T
        return label[0] == label[1] != label[5] and (one != other).all()

    expected = cheapest(graph, weights, allowed)
    start = np.array([0, 0, 1, 2, 3, 4])
    proof = prove(graph, start, LIMITS, weights, before=before, apart=apart)
    assert proof.bound <= expected * (1 + 1e-9)
    if expected < FORBIDDEN_COST:
        assert cost(graph, proof.label, LIMITS, weights).total == pytest.approx(expected, rel=1e-5)
        assert allowed(proof.label)


@given(seed=st.integers(0, 10_000), width=st.integers(1, 40))
@settings(max_examples=10)
def test_bound_holds_however_few_states_are_kept(seed, width):
    graph, weights = board(7 if seed % 2 else 3, 1 if seed % 2 else 2, seed), Weights()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("geo.partition.proof.lower_bound.FIRST_WIDTH", width)
        patch.setattr("geo.partition.proof.lower_bound.WIDEST", width)
        proof = prove(graph, np.arange(len(graph)), LIMITS, weights, seconds=0.05)
    assert proof.bound <= cheapest(graph, weights) * (1 + 1e-9)


def test_pieces_are_bounded_one_by_one():
    one, other = board(3, 2, 1), board(3, 2, 2)
    both = Graph(
        np.concatenate([one.households, other.households]),
        np.concatenate([one.edges, other.edges + len(one)]),
        *(np.concatenate([getattr(one, name), getattr(other, name)]) for name in FIGURES),
        xy=np.concatenate([one.xy, other.xy]),
        compound=np.concatenate([one.compound, np.full(len(other), -1)]),
    )
    proof = prove(both, np.zeros(12, dtype=np.int64), LIMITS)
    alone = prove(one, np.zeros(6, dtype=np.int64), LIMITS).bound
    assert alone < proof.bound
    assert proof.optimal


FIGURES = ("cut", "inside", "length", "area", "outline")


def test_search_is_no_cheaper_than_the_bound():
    graph = board(8, 4, 7)
    label = search(graph, LIMITS, effort=Effort(generations=6))
    proof = prove(graph, label, LIMITS, seconds=3.0)
    assert 0 < proof.bound <= cost(graph, label, LIMITS, Weights()).total * (1 + 1e-9)


def test_no_time_still_gives_a_bound():
    graph = board(8, 8, 3)
    proof = prove(graph, np.zeros(64, dtype=np.int64), LIMITS, seconds=0.0)
    assert proof.bound >= 0
    assert not proof.optimal
